//! The Origin rule: which pages may change things through somebody's browser.
//!
//! A form or a `fetch` of any page can send `POST /batch-operation` here, without asking first and
//! with the credentials of the user. Browsers say where it came from; other clients say nothing,
//! and are let through.

use http::{HeaderMap, Method, StatusCode};
use polydav_dav::Site;
use polydav_proto::header::{self, FetchSite, Host, Origin, RequestOrigin};

use crate::refusal::Refusal;

/// Methods that change nothing. Unknown ones may.
const SAFE: [&str; 7] = ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "SEARCH", "TRACE"];

/// Refuses a changing request of a page that is neither ours nor among `allowed`.
pub(crate) fn check(
    method: &Method,
    headers: &HeaderMap,
    site: &Site,
    allowed: &[Origin],
) -> Result<(), Refusal> {
    if SAFE.contains(&method.as_str()) {
        return Ok(());
    }
    let asked = header::read::<Host>(headers)?;
    let foreign = |detail: String| Err(Refusal::new(StatusCode::FORBIDDEN, detail));
    match header::read::<RequestOrigin>(headers)? {
        // Sec-Fetch-Site knows no list: for a page that was allowed by name it says cross-site.
        Some(RequestOrigin::Of(origin)) if allowed.contains(&origin) => return Ok(()),
        Some(RequestOrigin::Of(origin)) if !site.is_own_origin(&origin, asked.as_ref()) => {
            return foreign(format!("pages of {origin} may change nothing here"));
        }
        Some(RequestOrigin::Null) => {
            return foreign("pages without an origin may change nothing here".to_owned());
        }
        Some(RequestOrigin::Of(_)) | None => {}
    }
    match header::read::<FetchSite>(headers)? {
        Some(FetchSite::Other) => {
            foreign("pages of other sites may change nothing here".to_owned())
        }
        Some(FetchSite::SameOrigin | FetchSite::None) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(method: &str, fields: &[(&'static str, &str)]) -> u16 {
        code_at("127.0.0.1:8207", method, fields)
    }

    fn code_at(listen: &str, method: &str, fields: &[(&'static str, &str)]) -> u16 {
        let site = Site::new(
            vec![listen.parse().unwrap()],
            vec!["https://dav.example/files/".parse().unwrap()],
        );
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let allowed = [Origin::parse(b"https://app.example").unwrap()];
        let method = method.parse().unwrap();
        match check(&method, &headers, &site, &allowed) {
            Ok(()) => 200,
            Err(refusal) => refusal.status.as_u16(),
        }
    }

    #[test]
    fn origins_that_may_change_things() {
        for (origin, expected) in [
            ("http://localhost:8207", 200),
            ("http://127.0.0.1:8207", 200),
            ("https://dav.example", 200),
            ("https://dav.example:443", 200),
            ("https://app.example", 200),
            ("null", 403),
            ("https://evil.example", 403),
            ("http://localhost", 403),
            ("http://localhost:3000", 403),
            ("https://localhost:8207", 403),
            ("http://dav.example", 403),
            ("http://app.example", 403),
            ("https://dav.example.evil.example", 403),
            ("", 400),
            ("https://dav.example/", 400),
        ] {
            assert_eq!(code("POST", &[("origin", origin)]), expected, "{origin:?}");
        }
    }

    /// The page of an attacker's machine, on the port we listen on, was taken for one of ours.
    #[test]
    fn listening_everywhere_makes_no_address_ours_but_the_one_asked() {
        for (listen, host, own) in [
            ("0.0.0.0:8207", "192.0.2.1:8207", "http://192.0.2.1:8207"),
            ("[::]:8207", "[2001:db8::1]:8207", "http://[2001:db8::1]:8207"),
            ("[::]:8207", "192.0.2.1:8207", "http://192.0.2.1:8207"),
            ("0.0.0.0:80", "192.0.2.1", "http://192.0.2.1"),
        ] {
            let put = |origin| code_at(listen, "PUT", &[("host", host), ("origin", origin)]);
            assert_eq!(put(own), 200, "{own} at {listen}");
            for other in ["http://192.0.2.66:8207", "http://[2001:db8::66]:8207", "http://6.6.6.6"]
            {
                assert_eq!(put(other), 403, "{other} at {listen}");
            }
        }
    }

    #[test]
    fn sites_that_may_change_things() {
        for (site, expected) in [
            ("same-origin", 200),
            ("none", 200),
            ("same-site", 403),
            ("cross-site", 403),
            ("", 403),
            ("something new", 403),
        ] {
            assert_eq!(code("PUT", &[("sec-fetch-site", site)]), expected, "{site:?}");
        }
        let cross = ("sec-fetch-site", "cross-site");
        assert_eq!(code("PUT", &[cross, ("origin", "http://localhost:8207")]), 403);
        assert_eq!(code("PUT", &[cross, ("origin", "https://app.example")]), 200);
    }

    #[test]
    fn two_origins_are_none() {
        let own = ("origin", "http://localhost:8207");
        assert_eq!(code("PUT", &[own, ("origin", "https://evil.example")]), 400);
    }

    #[test]
    fn every_changing_method_is_held_to_it() {
        let foreign = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
        for method in [
            "PUT",
            "POST",
            "DELETE",
            "MKCOL",
            "COPY",
            "MOVE",
            "PROPPATCH",
            "LOCK",
            "UNLOCK",
            "PATCH",
            "MKCALENDAR",
            "BREW",
        ] {
            assert_eq!(code(method, &foreign), 403, "{method}");
            assert_eq!(code(method, &[]), 200, "{method}");
        }
        for method in ["GET", "HEAD", "OPTIONS", "PROPFIND"] {
            assert_eq!(code(method, &foreign), 200, "{method}");
        }
    }
}
