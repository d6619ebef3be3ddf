//! State tokens and `Lock-Token` (RFC 4918 §6.5, §10.1, §10.5).

use std::fmt;

use http::HeaderName;

use super::{Header, Lines};
use crate::scan::{Invalid, Scan};

/// The longest state token read, in bytes.
const LENGTH_MAX: usize = 1024;

/// A URI that stands for a state of a resource, such as a lock (RFC 4918 §10.4.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateToken(Box<str>);

impl StateToken {
    /// Reads a URI with its scheme, as it stands in `DAV:locktoken`.
    ///
    /// # Errors
    ///
    /// If it has no scheme, is longer than 1,024 bytes, or has a byte that no URI has.
    pub fn parse(uri: &[u8]) -> Result<Self, Invalid> {
        let mut scan = Scan::new(uri);
        let token = Self::scan(&mut scan)?;
        scan.end("the end of the state token")?;
        Ok(token)
    }

    /// Reads a Coded-URL (RFC 4918 §10.1): the URI in angle brackets.
    pub(super) fn scan_coded(scan: &mut Scan<'_>) -> Result<Self, Invalid> {
        scan.expect(b'<', "a state token in angle brackets")?;
        let token = Self::scan(scan)?;
        scan.expect(b'>', "> after the state token")?;
        Ok(token)
    }

    fn scan(scan: &mut Scan<'_>) -> Result<Self, Invalid> {
        let mut ahead = scan.clone();
        let scheme = ahead.take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || ahead.peek() != Some(b':') {
            return scan.fail("a URI with a scheme, such as urn:uuid:…");
        }
        let uri = ahead.take_while(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b));
        let length = scheme.len() + uri.len();
        if uri.len() < 2 || length > LENGTH_MAX {
            return ahead.fail("a URI of at most 1024 bytes");
        }
        let token = String::from_utf8_lossy(&scan.rest()[..length]).into();
        *scan = ahead;
        Ok(Self(token))
    }

    /// The URI, without angle brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StateToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The lock that UNLOCK ends (RFC 4918 §10.5).
///
/// Written ([`Display`](fmt::Display)) it has its angle brackets, as LOCK's answer wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockToken(pub StateToken);

impl LockToken {
    /// Reads the field as clients write it that forget the angle brackets: `opaquelocktoken:…`.
    ///
    /// # Errors
    ///
    /// If it is a URI neither with nor without them.
    pub fn parse_lenient(value: &[u8]) -> Result<Self, Invalid> {
        if value.starts_with(b"<") {
            Self::parse(value)
        } else {
            StateToken::parse(value).map(Self)
        }
    }
}

impl fmt::Display for LockToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

impl Header for LockToken {
    const NAME: &'static str = "Lock-Token";
    const FIELD: HeaderName = HeaderName::from_static("lock-token");
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        let mut scan = Scan::new(value);
        let token = StateToken::scan_coded(&mut scan)?;
        scan.end("the end of the field")?;
        Ok(Self(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4918_9_11_1() {
        let field = "<urn:uuid:a515cfa4-5da4-22e1-f5b5-00a0451e6bf7>";
        let token = LockToken::parse(field.as_bytes()).unwrap();
        assert_eq!(token.0.as_str(), "urn:uuid:a515cfa4-5da4-22e1-f5b5-00a0451e6bf7");
        assert_eq!(token.to_string(), field);
    }

    #[test]
    fn brackets_may_be_missing_only_where_that_is_asked_for() {
        let bare = b"opaquelocktoken:a515cfa4";
        assert!(LockToken::parse(bare).is_err());
        assert_eq!(LockToken::parse_lenient(bare).unwrap().0.as_str(), "opaquelocktoken:a515cfa4");
        assert!(LockToken::parse_lenient(b"<opaquelocktoken:a515cfa4>").is_ok());
    }

    #[test]
    fn what_is_no_state_token() {
        let long = format!("<urn:{}>", "a".repeat(2000));
        for bad in ["", "<>", "<a>", "<urn:>", "<urn:a", "<urn:a b>", "<urn:a> x", "<1:a>", &long] {
            assert!(LockToken::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(LockToken::parse("<urn:\u{e4}>".as_bytes()).is_err());
    }
}
