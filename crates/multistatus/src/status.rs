//! The status line in a `DAV:status` element (RFC 4918 §14.28, RFC 9112 §4).

use http::StatusCode;

/// Appends `HTTP/1.1 200 OK`.
pub(crate) fn write(out: &mut Vec<u8>, status: StatusCode) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
}

/// Reads a status line; `None` if it is not exactly one. White space around it is no part of it.
pub(crate) fn parse(line: &str) -> Option<StatusCode> {
    let line = line.trim_matches([' ', '\t', '\r', '\n']);
    let (version, rest) = line.split_once(' ')?;
    let version = version.strip_prefix("HTTP/")?.as_bytes();
    let [major, b'.', minor] = version else { return None };
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let good = major.is_ascii_digit()
        && minor.is_ascii_digit()
        && digits
        && !reason.contains(|c: char| c.is_control() && c != '\t');
    StatusCode::from_bytes(code.as_bytes()).ok().filter(|_| good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        for status in [StatusCode::OK, StatusCode::MULTI_STATUS, StatusCode::from_u16(299).unwrap()]
        {
            let mut line = Vec::new();
            write(&mut line, status);
            assert_eq!(parse(std::str::from_utf8(&line).unwrap()), Some(status));
        }
        for good in
            ["HTTP/1.1 200 OK", "HTTP/1.0 200 ", "HTTP/2.0 200", "\n HTTP/1.1 200 All well "]
        {
            assert_eq!(parse(good), Some(StatusCode::OK), "{good:?}");
        }
        for bad in [
            "",
            "200",
            "200 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 20 OK",
            "HTTP/1.1  200 OK",
            "HTTP/1.1 099 x",
            "http/1.1 200 OK",
            "HTTP/11 200 OK",
            "HTTP/1.1 200 O\nK",
            "HTTP/1.1 +20",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
