//! `Timeout` (RFC 4918 §10.7).

use std::fmt;

use http::HeaderName;

use super::{Header, Lines};
use crate::scan::{Invalid, list};

/// How long a client would like its lock to live: its wishes, the dearest first (RFC 4918 §10.7).
///
/// It is never empty. A server may grant something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeout(pub Vec<TimeType>);

/// One wish, and the value of `DAV:timeout` (RFC 4918 §14.29).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeType {
    /// `Second-n`. More than 2^32 - 1 is read as that, the largest the RFC allows.
    Second(u32),
    /// `Infinite`.
    Infinite,
}

impl fmt::Display for TimeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Second(seconds) => write!(f, "Second-{seconds}"),
            Self::Infinite => f.write_str("Infinite"),
        }
    }
}

impl Header for Timeout {
    const NAME: &'static str = "Timeout";
    const FIELD: HeaderName = HeaderName::from_static("timeout");
    const LINES: Lines = Lines::Join;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        let expected = "Second- and a number, or Infinite";
        let wishes = list(value, |scan| {
            if scan.eat_word("Infinite") {
                return Ok(TimeType::Infinite);
            }
            if !scan.eat_word("Second-") {
                return scan.fail(expected);
            }
            let seconds = scan.digits("a number of seconds")?;
            Ok(TimeType::Second(u32::try_from(seconds).unwrap_or(u32::MAX)))
        })?;
        if wishes.is_empty() { Err(Invalid { offset: 0, expected }) } else { Ok(Self(wishes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4918_10_7() {
        let parse = |value: &str| Timeout::parse(value.as_bytes());
        assert_eq!(
            parse("Infinite, Second-4100000000").unwrap().0,
            [TimeType::Infinite, TimeType::Second(4_100_000_000)]
        );
        assert_eq!(parse("Second-99999999999").unwrap().0, [TimeType::Second(u32::MAX)]);
        for bad in ["", "Second-", "Second", "Second--1", "3600", "Infinite Second-1"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(TimeType::Second(7).to_string(), "Second-7");
    }
}
