//! `Overwrite` (RFC 4918 §10.6).

use http::HeaderName;

use super::{Header, Lines};
use crate::scan::Invalid;

/// What COPY and MOVE do about a target that exists (RFC 4918 §10.6).
///
/// The default is that of an absent field: `T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overwrite {
    /// `T`: put the source in its place.
    #[default]
    Replace,
    /// `F`: fail with 412.
    Refuse,
}

impl Header for Overwrite {
    const NAME: &'static str = "Overwrite";
    const FIELD: HeaderName = HeaderName::from_static("overwrite");
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        match value {
            b"T" | b"t" => Ok(Self::Replace),
            b"F" | b"f" => Ok(Self::Refuse),
            _ => Err(Invalid { offset: 0, expected: "T or F" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4918_10_6() {
        assert_eq!(Overwrite::parse(b"T"), Ok(Overwrite::Replace));
        assert_eq!(Overwrite::parse(b"F"), Ok(Overwrite::Refuse));
        assert_eq!(Overwrite::default(), Overwrite::Replace);
        for bad in ["", "TF", "true", "0"] {
            assert!(Overwrite::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
