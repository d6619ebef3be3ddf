//! `Content-Type` (RFC 9110 §8.3).

use http::{HeaderName, header as field};

use super::{Header, Lines};
use crate::scan::{Invalid, Scan};

/// What a body is (RFC 9110 §8.3): the media type, and the one parameter that matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType {
    /// `type/subtype`, in lower case.
    pub essence: String,
    /// `charset`, in lower case.
    pub charset: Option<String>,
}

impl ContentType {
    /// Whether it is XML: `application/xml`, `text/xml` or anything `+xml` (RFC 7303).
    #[must_use]
    pub fn is_xml(&self) -> bool {
        matches!(&*self.essence, "application/xml" | "text/xml") || self.essence.ends_with("+xml")
    }

    /// Whether it is JSON: `application/json` or anything `+json` (RFC 6839).
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.essence == "application/json" || self.essence.ends_with("+json")
    }
}

impl Header for ContentType {
    const NAME: &'static str = "Content-Type";
    const FIELD: HeaderName = field::CONTENT_TYPE;
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        let mut scan = Scan::new(value);
        let kind = scan.token("a media type")?;
        scan.expect(b'/', "/ after the type")?;
        let subtype = scan.token("a subtype")?;
        let essence = format!("{kind}/{subtype}").to_ascii_lowercase();
        let mut charset = None;
        loop {
            scan.skip_space();
            if !scan.eat(b';') {
                scan.end("; or the end")?;
                return Ok(Self { essence, charset });
            }
            scan.skip_space();
            if matches!(scan.peek(), None | Some(b';')) {
                continue;
            }
            let name = scan.token("a parameter")?;
            scan.expect(b'=', "= after the parameter")?;
            let value = scan.token_or_quoted("the value of the parameter")?;
            if charset.is_none() && name.eq_ignore_ascii_case("charset") {
                charset = Some(value.to_ascii_lowercase());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_8_3() {
        for (value, essence, charset) in [
            ("text/html;charset=utf-8", "text/html", Some("utf-8")),
            ("Text/HTML;Charset=\"UTF-8\"", "text/html", Some("utf-8")),
            ("text/html; charset=\"utf-8\"; charset=x", "text/html", Some("utf-8")),
            ("application/xml;", "application/xml", None),
            ("multipart/form-data; boundary=a", "multipart/form-data", None),
        ] {
            let read = ContentType::parse(value.as_bytes()).unwrap();
            assert_eq!((&*read.essence, read.charset.as_deref()), (essence, charset), "{value}");
        }
        for bad in ["", "text", "text/", "/xml", "text/xml charset=utf-8", "text/xml;charset"] {
            assert!(ContentType::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn families() {
        let read = |value: &str| ContentType::parse(value.as_bytes()).unwrap();
        assert!(read("application/vnd.example+xml").is_xml() && read("text/xml").is_xml());
        assert!(read("application/problem+json").is_json() && !read("application/xml").is_json());
        assert!(!read("application/x-ndjson").is_json());
    }
}
