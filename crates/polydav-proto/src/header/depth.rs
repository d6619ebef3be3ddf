//! `Depth` (RFC 4918 §10.2).

use std::fmt;

use http::HeaderName;

use super::{Header, Lines};
use crate::scan::Invalid;

/// How far below a collection a method reaches (RFC 4918 §10.2). Absent, it is as the method says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// The resource only.
    Zero,
    /// The resource and its members.
    One,
    /// The resource and everything below it.
    Infinity,
}

impl Depth {
    /// The value as it is written in the field and in `DAV:depth`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zero => "0",
            Self::One => "1",
            Self::Infinity => "infinity",
        }
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Header for Depth {
    const NAME: &'static str = "Depth";
    const FIELD: HeaderName = HeaderName::from_static("depth");
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        match value {
            b"0" => Ok(Self::Zero),
            b"1" => Ok(Self::One),
            _ if value.eq_ignore_ascii_case(b"infinity") => Ok(Self::Infinity),
            _ => Err(Invalid { offset: 0, expected: "0, 1 or infinity" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4918_10_2() {
        for depth in [Depth::Zero, Depth::One, Depth::Infinity] {
            assert_eq!(Depth::parse(depth.as_str().as_bytes()), Ok(depth));
        }
        assert_eq!(Depth::parse(b"Infinity"), Ok(Depth::Infinity));
        for bad in ["", "2", "00", "infinit", "1,noroot", "infinity "] {
            assert!(Depth::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
