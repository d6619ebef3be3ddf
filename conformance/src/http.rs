//! The plainest HTTP client: it sends what it is told, right or wrong, and reads what comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::Server;

const SILENCE: Duration = Duration::from_secs(60);

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The final status.
    pub status: u16,
    /// The words behind it.
    pub reason: String,
    /// The header fields in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The content, without transfer coding.
    pub body: Vec<u8>,
    /// Statuses of the interim answers that came before.
    pub interim: Vec<u16>,
}

impl Response {
    /// The first field of that name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The content as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the content is UTF-8")
    }
}

/// Sends a well-formed request on a connection of its own.
#[track_caller]
pub fn send(
    server: &Server,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request += &format!("Host: {}\r\n", server.host());
    }
    if !body.is_empty() || ["PUT", "POST"].contains(&method) {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    raw(server.address(), &[request.as_bytes(), body].concat(), method == "HEAD")
}

/// Sends bytes as they are and then no more, whatever they promised; `None` if the server hangs up
/// without an answer.
#[track_caller]
pub fn broken_off(address: SocketAddr, request: &[u8]) -> Option<Response> {
    let mut stream = TcpStream::connect(address).expect("the server accepts connections");
    stream.set_read_timeout(Some(SILENCE)).expect("a timeout can be set");
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no answer: {error}"),
        _ => (!bytes.is_empty()).then(|| parse(&bytes, false)),
    }
}

/// Sends bytes as they are, and reads one answer; the request must ask for `Connection: close`.
#[track_caller]
pub fn raw(address: SocketAddr, request: &[u8], head: bool) -> Response {
    let mut stream = TcpStream::connect(address).expect("the server accepts connections");
    stream.set_read_timeout(Some(SILENCE)).expect("a timeout can be set");
    // A server may answer and close before it has read all: that answer counts.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    assert!(end.is_ok() || !bytes.is_empty(), "no answer: {end:?}");
    parse(&bytes, head)
}

#[track_caller]
fn parse(bytes: &[u8], head: bool) -> Response {
    let mut interim = Vec::new();
    let mut rest = bytes;
    loop {
        let end =
            find(rest, b"\r\n\r\n").unwrap_or_else(|| panic!("no answer in {:?}", show(rest)));
        let (status, reason, headers) = fields(&rest[..end]);
        rest = &rest[end + 4..];
        if status / 100 == 1 {
            interim.push(status);
            continue;
        }
        let chunked = headers.iter().any(|(n, v)| n == "transfer-encoding" && v == "chunked");
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let body = match length {
            _ if head => Vec::new(),
            _ if chunked => unchunk(rest),
            Some((_, length)) => {
                let length = length.parse().expect("a length is a number");
                rest.get(..length).expect("the content is as long as it says").to_vec()
            }
            None => rest.to_vec(),
        };
        return Response { status, reason, headers, body, interim };
    }
}

#[track_caller]
fn fields(head: &[u8]) -> (u16, String, Vec<(String, String)>) {
    let head = show(head);
    let mut lines = head.split("\r\n");
    let line = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let line = line.and_then(|line| line.split_once(' '));
    let status = line.and_then(|(status, reason)| Some((status.parse().ok()?, reason.to_owned())));
    let (status, reason) = status.unwrap_or_else(|| panic!("no status line: {head:?}"));
    let fields = lines.filter_map(|line| line.split_once(':'));
    (status, reason, fields.map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned())).collect())
}

#[track_caller]
fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = find(rest, b"\r\n").expect("a chunk has a size");
        let size = show(&rest[..end]);
        let size = size.split(';').next().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.expect("a chunk's size is hexadecimal");
        if size == 0 {
            return body;
        }
        rest = &rest[end + 2..];
        body.extend_from_slice(rest.get(..size).expect("a chunk is whole"));
        rest = rest.get(size + 2..).expect("a chunk ends its line");
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_interim_answers_and_chunks() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 207 Multi-Status\r\nA: b\r\n\
            Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let response = parse(bytes, false);
        assert_eq!((response.status, response.interim.as_slice()), (207, &[100][..]));
        assert_eq!((response.header("a"), response.text()), (Some("b"), "abcde"));
    }
}
