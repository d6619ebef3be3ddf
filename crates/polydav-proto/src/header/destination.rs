//! `Destination` (RFC 4918 §10.3).

use http::HeaderName;

use super::{Header, Lines};
use crate::reference::Reference;
use crate::scan::Invalid;

/// Where COPY and MOVE put the resource (RFC 4918 §10.3): an absolute URI, or an absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination(pub Reference);

impl Header for Destination {
    const NAME: &'static str = "Destination";
    const FIELD: HeaderName = HeaderName::from_static("destination");
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        Ok(Self(Reference::parse(value)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4918_9_8_5() {
        let Destination(reference) =
            Destination::parse(b"http://www.example.com/users/f/fielding/index.html").unwrap();
        assert_eq!(reference.origin.unwrap().to_string(), "http://www.example.com");
        assert_eq!(reference.path.to_string(), "/users/f/fielding/index.html");
    }

    #[test]
    fn a_relative_path_is_no_destination() {
        assert!(Destination::parse(b"index.html").is_err());
        assert!(Destination::parse(b"").is_err());
    }
}
