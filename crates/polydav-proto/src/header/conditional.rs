//! The conditional fields of HTTP (RFC 9110 §13.1).
//!
//! A field each and a type each, since all that are present must hold.

use std::fmt;
use std::time::SystemTime;

use http::{HeaderName, header as field};

use super::{EntityTag, Header, Lines, parse_date};
use crate::scan::{Invalid, Scan, list_within};

/// Which states of a resource a field names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matching {
    /// `*`: any, as long as the resource exists.
    Any,
    /// One of these, at least one.
    Tags(Vec<EntityTag>),
}

/// The most entity tags in one field.
const TAGS_MAX: usize = 1024;

impl Matching {
    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        if value == b"*" {
            return Ok(Self::Any);
        }
        let tags = list_within(value, (TAGS_MAX, "at most 1024 entity tags"), EntityTag::scan)?;
        if tags.is_empty() {
            return Scan::new(value).fail("* or an entity tag in double quotes");
        }
        Ok(Self::Tags(tags))
    }
}

impl fmt::Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Tags(tags) = self else { return f.write_str("*") };
        for (at, tag) in tags.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            tag.fmt(f)?;
        }
        Ok(())
    }
}

/// Act only if the resource has one of these tags, compared strongly (RFC 9110 §13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(pub Matching);

/// Act only if the resource has none of these tags, compared weakly (RFC 9110 §13.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfNoneMatch(pub Matching);

/// Answer only if the resource changed since then (RFC 9110 §13.1.3).
///
/// `None` is a value that is no single date: the RFC wants the field ignored then. It also is to be
/// ignored beside `If-None-Match`, and for other methods than GET and HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfModifiedSince(pub Option<SystemTime>);

/// Act only if the resource did not change since then (RFC 9110 §13.1.4).
///
/// `None` is a value that is no single date: the RFC wants the field ignored then. It also is to be
/// ignored beside `If-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfUnmodifiedSince(pub Option<SystemTime>);

/// Send the range only if the resource still is this, else all of it (RFC 9110 §13.1.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfRange {
    /// It has this tag, compared strongly: a weak one never holds.
    Tag(EntityTag),
    /// It was last modified exactly then.
    Date(SystemTime),
}

impl Header for IfMatch {
    const NAME: &'static str = "If-Match";
    const FIELD: HeaderName = field::IF_MATCH;
    const LINES: Lines = Lines::Join;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        Matching::parse(value).map(Self)
    }
}

impl Header for IfNoneMatch {
    const NAME: &'static str = "If-None-Match";
    const FIELD: HeaderName = field::IF_NONE_MATCH;
    const LINES: Lines = Lines::Join;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        Matching::parse(value).map(Self)
    }
}

// The dates join their lines because two dates joined are no date, and so ignored as they must be.

impl Header for IfModifiedSince {
    const NAME: &'static str = "If-Modified-Since";
    const FIELD: HeaderName = field::IF_MODIFIED_SINCE;
    const LINES: Lines = Lines::Join;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        Ok(Self(parse_date(value).ok()))
    }
}

impl Header for IfUnmodifiedSince {
    const NAME: &'static str = "If-Unmodified-Since";
    const FIELD: HeaderName = field::IF_UNMODIFIED_SINCE;
    const LINES: Lines = Lines::Join;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        Ok(Self(parse_date(value).ok()))
    }
}

impl Header for IfRange {
    const NAME: &'static str = "If-Range";
    const FIELD: HeaderName = field::IF_RANGE;
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        if value.starts_with(b"\"") || value.starts_with(b"W/") {
            return EntityTag::parse(value).map(Self::Tag);
        }
        match parse_date(value) {
            Ok(date) => Ok(Self::Date(date)),
            Err(_) => Scan::new(value).fail("an entity tag in double quotes, or an HTTP date"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_rfc9110_13_1_1_and_13_1_2() {
        for (value, tags, weak) in [
            (r#""xyzzy""#, 1, 0),
            (r#""xyzzy", "r2d2xxxx", "c3piozzzz""#, 3, 0),
            (r#"W/"xyzzy""#, 1, 1),
            (r#"W/"xyzzy", W/"r2d2xxxx", W/"c3piozzzz""#, 3, 3),
        ] {
            let Ok(IfMatch(Matching::Tags(read))) = IfMatch::parse(value.as_bytes()) else {
                panic!("{value}")
            };
            assert_eq!(read.len(), tags);
            assert_eq!(read.iter().filter(|tag| tag.weak).count(), weak);
        }
        assert_eq!(IfNoneMatch::parse(b"*"), Ok(IfNoneMatch(Matching::Any)));
    }

    #[test]
    fn written_and_read_again() {
        for value in ["*", "\"a\"", "\"a, b\", W/\"\", \"\\\""] {
            let matching = Matching::parse(value.as_bytes()).unwrap();
            assert_eq!(matching.to_string(), value);
        }
    }

    #[test]
    fn what_is_no_list_of_tags() {
        for bad in ["", ",", "xyzzy", "\"a\" \"b\"", "*, \"a\"", "\"a\", *", "**"] {
            assert!(IfMatch::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let error = IfMatch::parse(b"\"a\", b").unwrap_err();
        assert_eq!((error.offset, error.expected), (5, "an entity tag in double quotes"));
    }

    #[test]
    fn dates_that_are_none_are_ignored_rfc9110_13_1_3_and_13_1_4() {
        assert!(IfModifiedSince::parse(b"Sat, 29 Oct 1994 19:43:31 GMT").unwrap().0.is_some());
        let two = b"Sat, 29 Oct 1994 19:43:31 GMT, Sat, 29 Oct 1994 19:43:32 GMT";
        assert_eq!(IfModifiedSince::parse(two), Ok(IfModifiedSince(None)));
        assert_eq!(IfUnmodifiedSince::parse(b"yesterday"), Ok(IfUnmodifiedSince(None)));
    }

    #[test]
    fn if_range_rfc9110_13_1_5() {
        assert!(matches!(IfRange::parse(b"\"a\""), Ok(IfRange::Tag(_))));
        assert!(matches!(IfRange::parse(b"Sat, 29 Oct 1994 19:43:31 GMT"), Ok(IfRange::Date(_))));
        assert!(IfRange::parse(b"a").is_err());
        assert!(IfRange::parse(b"\"a\", \"b\"").is_err());
    }
}
