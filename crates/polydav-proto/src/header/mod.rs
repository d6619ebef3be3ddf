//! Header fields: a file and a type for each.
//!
//! [`read`] takes a field out of a request's headers. It knows what several lines of one field
//! mean, so that the parsers see one value:
//!
//! ```
//! use http::HeaderMap;
//! use polydav_proto::header::{self, Depth};
//!
//! let mut headers = HeaderMap::new();
//! assert_eq!(header::read::<Depth>(&headers), Ok(None));
//!
//! headers.insert("Depth", "infinity".parse().unwrap());
//! assert_eq!(header::read::<Depth>(&headers), Ok(Some(Depth::Infinity)));
//!
//! headers.insert("Depth", "2".parse().unwrap());
//! let error = header::read::<Depth>(&headers).unwrap_err();
//! assert_eq!(error.to_string(), "Depth: expected 0, 1 or infinity at byte 0");
//! ```

mod accept;
mod conditional;
mod content_type;
mod date;
mod depth;
mod destination;
mod entity_tag;
mod host;
mod idempotency_key;
mod if_header;
mod lock_token;
mod overwrite;
mod prefer;
mod range;
mod timeout;

pub use accept::Accept;
pub use conditional::{
    IfMatch, IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince, Matching,
};
pub use content_type::ContentType;
pub use date::{parse_date, push_date, push_date_time, write_date};
pub use depth::Depth;
pub use destination::Destination;
pub use entity_tag::EntityTag;
pub use host::{FetchSite, Host, HostName, Origin, RequestOrigin};
pub use idempotency_key::IdempotencyKey;
pub use if_header::{If, State, StateCondition, StateList};
pub use lock_token::{LockToken, StateToken};
pub use overwrite::Overwrite;
pub use prefer::{Prefer, Return};
pub use range::{ByteRange, Range, Resolved, has_content_range};
pub use timeout::{TimeType, Timeout};

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use crate::scan::Invalid;

/// A header field that can be read from a request.
pub trait Header: Sized {
    /// The field's name, as its RFC writes it.
    const NAME: &'static str;
    /// The same, to look it up by.
    const FIELD: HeaderName;
    /// What it means if the field stands on several lines.
    const LINES: Lines;

    /// Reads the value of the field, without white space around it.
    ///
    /// # Errors
    ///
    /// Where the value leaves the field's grammar.
    fn parse(value: &[u8]) -> Result<Self, Invalid>;
}

/// What several field lines of one name mean (RFC 9110 §5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// The field is a list: its lines are one value, joined by commas.
    Join,
    /// The field has one value: lines that differ are an error, equal ones are harmless.
    Single,
}

/// A header field that could not be read (400).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{header}: {invalid}")]
pub struct InvalidHeader {
    /// The name of the field.
    pub header: &'static str,
    /// Where and why.
    #[source]
    pub invalid: Invalid,
}

/// Reads field `H` of a request: `None` if it is absent.
///
/// # Errors
///
/// If the value is outside the field's grammar, or a field with a single value has two.
pub fn read<H: Header>(headers: &HeaderMap) -> Result<Option<H>, InvalidHeader> {
    let wrap = |invalid| InvalidHeader { header: H::NAME, invalid };
    let mut lines = headers.get_all(H::FIELD).iter().map(|line| line.as_bytes().trim_ascii());
    let Some(first) = lines.next() else { return Ok(None) };
    let mut value = Cow::Borrowed(first);
    for line in lines {
        match H::LINES {
            Lines::Join => {
                let joined = value.to_mut();
                joined.extend_from_slice(b", ");
                joined.extend_from_slice(line);
            }
            Lines::Single if line == first => {}
            Lines::Single => return Err(wrap(Invalid { offset: 0, expected: "one value only" })),
        }
    }
    H::parse(&value).map(Some).map_err(wrap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn lists_on_several_lines_are_joined_rfc9110_5_3() {
        let headers = headers(&[("If-None-Match", "\"a\""), ("if-none-match", "W/\"b\"")]);
        let Some(IfNoneMatch(Matching::Tags(tags))) = read(&headers).unwrap() else { panic!() };
        assert_eq!(tags.len(), 2);
    }

    #[test]
    fn a_field_is_looked_up_by_its_name() {
        fn is_found<H: Header>() -> bool {
            H::FIELD.as_str().eq_ignore_ascii_case(H::NAME)
        }
        assert!(is_found::<Accept>() && is_found::<ContentType>() && is_found::<Depth>());
        assert!(is_found::<Destination>() && is_found::<EntityTag>() && is_found::<FetchSite>());
        assert!(is_found::<Host>() && is_found::<IdempotencyKey>() && is_found::<If>());
        assert!(is_found::<IfMatch>() && is_found::<IfModifiedSince>());
        assert!(is_found::<IfNoneMatch>() && is_found::<IfRange>());
        assert!(is_found::<IfUnmodifiedSince>() && is_found::<LockToken>());
        assert!(is_found::<RequestOrigin>() && is_found::<Overwrite>() && is_found::<Prefer>());
        assert!(is_found::<Range>() && is_found::<Timeout>());
    }

    #[test]
    fn a_field_with_one_value_may_not_have_two() {
        let twice = headers(&[("Depth", "0"), ("Depth", "0")]);
        assert_eq!(read::<Depth>(&twice), Ok(Some(Depth::Zero)));
        let differ = headers(&[("Depth", "0"), ("Depth", "1")]);
        assert_eq!(
            read::<Depth>(&differ).unwrap_err().to_string(),
            "Depth: expected one value only at byte 0"
        );
    }

    #[test]
    fn white_space_around_a_value_is_no_part_of_it() {
        assert_eq!(
            read::<Overwrite>(&headers(&[("Overwrite", " F ")])),
            Ok(Some(Overwrite::Refuse))
        );
    }
}
