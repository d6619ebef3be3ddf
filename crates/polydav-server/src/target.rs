//! What a request is sent to: the form of its target (RFC 9112 §3.2), and the Host rule.
//!
//! The Host rule ends DNS rebinding: a page of `evil.example` whose name is made to lead to this
//! machine is same-origin with us for a browser, but its requests carry `Host: evil.example`.

use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, StatusCode, Version};
use polydav_dav::Site;
use polydav_proto::header::{self, Header, Host};

use crate::refusal::Refusal;

/// Refuses a request that is not meant for us, or whose target can't be read. Leaves in `Host` the
/// host that counts, since that is what the methods look at.
pub(crate) fn check<B>(request: &mut Request<B>, site: &Site) -> Result<(), Refusal> {
    check_form(request)?;
    let sent = host(request)?;
    let named = authority(request)?;
    for host in [&sent, &named].into_iter().flatten() {
        if !site.is_ours(host) {
            let detail = format!("{host} is no host this server answers for");
            return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, detail));
        }
    }
    // An authority in the target outweighs the Host field (RFC 9112 §3.2.2).
    if let Some(value) = named.and_then(|host| HeaderValue::try_from(host.to_string()).ok()) {
        request.headers_mut().insert(HOST, value);
    }
    Ok(())
}

fn check_form<B>(request: &Request<B>) -> Result<(), Refusal> {
    if request.method() == Method::CONNECT {
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "this server is no proxy"));
    }
    let uri = request.uri();
    // `framing` makes it of a `#`.
    if uri.path_and_query().is_some_and(|target| target.as_str().contains('\\')) {
        let detail = "a request target holds neither # nor \\ (RFC 9112 section 3.2)";
        return Err(Refusal::bad_request(detail));
    }
    if uri.path() == "*" && request.method() != Method::OPTIONS {
        return Err(Refusal::bad_request("the target * is for OPTIONS alone"));
    }
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if !request.headers().get_all(TRANSFER_ENCODING).iter().all(is_chunked) {
        let detail = "of the transfer codings only chunked is implemented";
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, detail));
    }
    Ok(())
}

/// The Host field: exactly one since HTTP/1.1 (RFC 9112 §3.2).
fn host<B>(request: &Request<B>) -> Result<Option<Host>, Refusal> {
    match request.headers().get_all(HOST).iter().count() {
        0 if request.version() >= Version::HTTP_11 => {
            Err(Refusal::bad_request("the header field Host is missing"))
        }
        0 | 1 => Ok(header::read::<Host>(request.headers())?),
        _ => Err(Refusal::bad_request("the header field Host stands there more than once")),
    }
}

/// The authority of a target in absolute form.
fn authority<B>(request: &Request<B>) -> Result<Option<Host>, Refusal> {
    let uri = request.uri();
    let Some(authority) = uri.authority() else { return Ok(None) };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(Refusal::bad_request("the target is neither a path nor an http URL"));
    }
    Host::parse(authority.as_str().as_bytes())
        .map(Some)
        .map_err(|invalid| Refusal::bad_request(format!("the host of the target: {invalid}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        let listen = ["127.0.0.1:8207".parse().unwrap(), "[::1]:8207".parse().unwrap()];
        Site::new(listen.to_vec(), vec!["https://dav.example/files/".parse().unwrap()])
    }

    fn code(method: &str, target: &str, fields: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        match check(&mut request.body(()).unwrap(), &site()) {
            Ok(()) => 200,
            Err(refusal) => refusal.status.as_u16(),
        }
    }

    #[test]
    fn hosts_that_are_ours() {
        for (host, expected) in [
            ("localhost:8207", 200),
            ("LOCALHOST:8207", 200),
            ("127.0.0.1:8207", 200),
            ("[::1]:8207", 200),
            ("[0:0:0:0:0:0:0:1]:8207", 200),
            ("dav.example", 200),
            ("dav.example:443", 200),
            ("localhost", 421),
            ("localhost:8208", 421),
            ("127.0.0.1", 421),
            ("127.0.0.2:8207", 421),
            ("evil.example:8207", 421),
            ("127.0.0.1.evil.example:8207", 421),
            ("localhost.evil.example:8207", 421),
            ("dav.example:8207", 421),
            ("", 400),
            ("a b", 400),
            ("user@localhost:8207", 400),
            ("localhost:8207/", 400),
            ("localhost:x", 400),
        ] {
            assert_eq!(code("GET", "/", &[("host", host)]), expected, "{host:?}");
        }
    }

    #[test]
    fn exactly_one_host_rfc9112_3_2() {
        let host = ("host", "localhost:8207");
        assert_eq!(code("GET", "/", &[]), 400);
        assert_eq!(code("GET", "/", &[host, host]), 400);
        assert_eq!(code("GET", "/", &[host, ("host", "evil.example")]), 400);
        let mut old = Request::get("/").version(Version::HTTP_10).body(()).unwrap();
        assert!(check(&mut old, &site()).is_ok());
    }

    #[test]
    fn an_authority_in_the_target_counts_rfc9112_3_2_2() {
        let host = ("host", "localhost:8207");
        assert_eq!(code("GET", "http://127.0.0.1:8207/a", &[host]), 200);
        assert_eq!(code("GET", "http://evil.example/a", &[host]), 421);
        assert_eq!(code("GET", "http://localhost:8207/a", &[("host", "evil.example")]), 421);
        assert_eq!(code("GET", "http://localhost:8207/a", &[]), 400);
        assert_eq!(code("GET", "http://u@localhost:8207/a", &[host]), 400);
        assert_eq!(code("GET", "ftp://localhost:8207/a", &[host]), 400);

        let mut request = Request::get("https://dav.example/a")
            .header("host", "localhost:8207")
            .body(())
            .unwrap();
        assert!(check(&mut request, &site()).is_ok());
        assert_eq!(request.headers()["host"], "dav.example");
    }

    #[test]
    fn forms_of_targets() {
        let host = ("host", "localhost:8207");
        assert_eq!(code("OPTIONS", "*", &[host]), 200);
        assert_eq!(code("DELETE", "*", &[host]), 400);
        assert_eq!(code("CONNECT", "localhost:8207", &[host]), 501);
        assert_eq!(code("GET", "localhost:8207", &[host]), 400);
        assert_eq!(code("GET", "/a\\b", &[host]), 400);
        assert_eq!(code("GET", "/a?b\\c", &[host]), 400);
    }

    #[test]
    fn transfer_codings_rfc9112_6_1() {
        let host = ("host", "localhost:8207");
        assert_eq!(code("PUT", "/", &[host, ("transfer-encoding", "Chunked")]), 200);
        assert_eq!(code("PUT", "/", &[host, ("transfer-encoding", "gzip, chunked")]), 501);
    }
}
