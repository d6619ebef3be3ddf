//! Entity tags (RFC 9110 §8.8.3).

use std::fmt;

use http::{HeaderName, header as field};

use super::{Header, Lines};
use crate::scan::{Invalid, Scan};

/// A name for one state of a resource (RFC 9110 §8.8.3), also the `ETag` field.
///
/// ```
/// use polydav_proto::header::{EntityTag, Header};
///
/// let tag = EntityTag::parse(b"W/\"v1\"").unwrap();
/// assert_eq!((tag.weak, tag.tag.as_str()), (true, "v1"));
/// assert_eq!(tag.to_string(), "W/\"v1\"");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntityTag {
    /// Whether it stands for equivalent states rather than for equal bytes.
    pub weak: bool,
    /// The opaque tag, without its quotes.
    pub tag: String,
}

impl EntityTag {
    /// Whether both name the same bytes (strong comparison, RFC 9110 §8.8.3.2).
    #[must_use]
    pub fn is_strongly(&self, other: &Self) -> bool {
        !self.weak && !other.weak && self.tag == other.tag
    }

    /// Whether both name an equivalent state (weak comparison, RFC 9110 §8.8.3.2).
    #[must_use]
    pub fn is_weakly(&self, other: &Self) -> bool {
        self.tag == other.tag
    }

    /// Spaces within the quotes are let through: RFC 4918 has them in its examples.
    pub(super) fn scan(scan: &mut Scan<'_>) -> Result<Self, Invalid> {
        let mut ahead = scan.clone();
        let weak = ahead.eat(b'W') || ahead.eat(b'w');
        if (weak && !ahead.eat(b'/')) || !ahead.eat(b'"') {
            return scan.fail("an entity tag in double quotes");
        }
        *scan = ahead;
        let start = scan.offset();
        let tag = scan.take_while(|byte| byte != b'"' && byte >= b' ' && byte != 0x7f);
        scan.expect(b'"', "the closing double quote of an entity tag")?;
        let expected = "an entity tag in UTF-8";
        let tag = std::str::from_utf8(tag)
            .map_err(|error| Invalid { offset: start + error.valid_up_to(), expected })?;
        Ok(Self { weak, tag: tag.to_owned() })
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\"{}\"", if self.weak { "W/" } else { "" }, self.tag)
    }
}

impl Header for EntityTag {
    const NAME: &'static str = "ETag";
    const FIELD: HeaderName = field::ETAG;
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        let mut scan = Scan::new(value);
        let tag = Self::scan(&mut scan)?;
        scan.end("the end of the entity tag")?;
        Ok(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tag(value: &str) -> EntityTag {
        EntityTag::parse(value.as_bytes()).unwrap()
    }

    #[test]
    fn comparison_rfc9110_8_8_3_2() {
        for (one, other, strong, weak) in [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
        ] {
            assert_eq!(tag(one).is_strongly(&tag(other)), strong, "{one} {other}");
            assert_eq!(tag(one).is_weakly(&tag(other)), weak, "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_entity_tag_rfc9110_8_8_3() {
        assert_eq!(tag(r#""""#).tag, "");
        assert_eq!(tag(r#""xyzzy""#).tag, "xyzzy");
        for bad in
            ["", "v1", "W", "W/", "W/v1", "\"", "\"a", "\"a\"b", "\"a\"\"", "'a'", "\"\x01\""]
        {
            assert!(EntityTag::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn written_and_read_again(weak: bool, tag in "[ !#-~é]{0,40}") {
            let tag = EntityTag { weak, tag };
            prop_assert_eq!(EntityTag::parse(tag.to_string().as_bytes()), Ok(tag));
        }
    }
}
