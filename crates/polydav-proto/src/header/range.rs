//! `Range` (RFC 9110 §14.2).

use http::{HeaderName, header as field};

use super::{Header, Lines};
use crate::scan::{Invalid, Scan, list_within};

/// The most ranges in one request.
const RANGES_MAX: usize = 16;

/// Which parts of a resource a client wants (RFC 9110 §14.2).
///
/// A value that can't be read is refused with 416, as RFC 9110 §15.5.17 has it for invalid ranges
/// and for too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// These ranges of bytes, 1 to 16.
    Bytes(Vec<ByteRange>),
    /// Ranges in another unit, which are to be ignored.
    OtherUnit,
}

/// One range of bytes (RFC 9110 §14.1.2). Positions count from 0, both ends belong to the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// `first-last`.
    Closed {
        /// Where it begins.
        first: u64,
        /// Where it ends: not before `first`.
        last: u64,
    },
    /// `first-`: from there to the end.
    From(u64),
    /// `-length`: the last bytes.
    Suffix(u64),
}

/// What a [`Range`] comes to for a resource of known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// The whole of it, answered as if nothing had been asked (200).
    Whole,
    /// These parts, half-open and not empty, no two of which touch (206).
    Parts(Vec<std::ops::Range<u64>>),
    /// No part of what was asked exists (416).
    Unsatisfiable,
}

impl Range {
    /// Which bytes of a resource of `length` bytes are meant.
    ///
    /// Ranges that overlap or touch become one, at the place of the first of them; else they stay
    /// in the order they were asked for (RFC 9110 §15.3.7.2).
    #[must_use]
    pub fn resolve(&self, length: u64) -> Resolved {
        let Self::Bytes(ranges) = self else { return Resolved::Whole };
        if length == 0 {
            // A suffix of nothing is satisfiable, yet no Content-Range could tell it.
            let suffix = ranges.iter().any(|range| matches!(range, ByteRange::Suffix(1..)));
            return if suffix { Resolved::Whole } else { Resolved::Unsatisfiable };
        }
        let mut parts = Vec::new();
        for range in ranges {
            if let Some(part) = range.resolve(length) {
                merge(&mut parts, part);
            }
        }
        if parts.is_empty() { Resolved::Unsatisfiable } else { Resolved::Parts(parts) }
    }
}

impl ByteRange {
    fn resolve(self, length: u64) -> Option<std::ops::Range<u64>> {
        let part = match self {
            Self::Closed { first, last } => first..length.min(last.saturating_add(1)),
            Self::From(first) => first..length,
            Self::Suffix(suffix) => length.saturating_sub(suffix)..length,
        };
        (part.start < part.end).then_some(part)
    }

    fn scan(scan: &mut Scan<'_>) -> Result<Self, Invalid> {
        if scan.eat(b'-') {
            return scan.digits("the length of a suffix").map(Self::Suffix);
        }
        let first = scan.digits("a range, such as 0-499, 500- or -500")?;
        scan.expect(b'-', "- after the first position")?;
        if !scan.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Ok(Self::From(first));
        }
        let start = scan.offset();
        let last = scan.digits("the last position")?;
        if last < first {
            return Err(Invalid {
                offset: start,
                expected: "a last position not before the first",
            });
        }
        Ok(Self::Closed { first, last })
    }
}

/// Adds a part to parts of which no two touch, so that this stays true.
fn merge(parts: &mut Vec<std::ops::Range<u64>>, part: std::ops::Range<u64>) {
    let touches = |other: &std::ops::Range<u64>| part.start <= other.end && other.start <= part.end;
    let Some(place) = parts.iter().position(touches) else { return parts.push(part) };
    let mut union = part.clone();
    parts.retain(|other| {
        let touching = touches(other);
        if touching {
            union = union.start.min(other.start)..union.end.max(other.end);
        }
        !touching
    });
    parts.insert(place, union);
}

impl Header for Range {
    const NAME: &'static str = "Range";
    const FIELD: HeaderName = field::RANGE;
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        let mut scan = Scan::new(value);
        let unit = scan.token("a unit, such as bytes")?;
        scan.expect(b'=', "= after the unit")?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return Ok(Self::OtherUnit);
        }
        let start = scan.offset();
        let most = (RANGES_MAX, "at most 16 ranges");
        let ranges = list_within(scan.rest(), most, ByteRange::scan);
        let ranges = ranges.map_err(|e| Invalid { offset: start + e.offset, ..e })?;
        if ranges.is_empty() { scan.fail("a range") } else { Ok(Self::Bytes(ranges)) }
    }
}

/// Whether a request has `Content-Range`: a PUT of a part, which must not be taken for the whole
/// (RFC 9110 §14.5).
#[must_use]
pub fn has_content_range(headers: &http::HeaderMap) -> bool {
    headers.contains_key(http::header::CONTENT_RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolve(value: &str, length: u64) -> Resolved {
        Range::parse(value.as_bytes()).unwrap().resolve(length)
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]
    fn examples_of_rfc9110_14_1_2() {
        for (value, parts) in [
            ("bytes=0-499", vec![0..500]),
            ("bytes=500-999", vec![500..1000]),
            ("bytes=-500", vec![9500..10000]),
            ("bytes=9500-", vec![9500..10000]),
            ("bytes=0-0,-1", vec![0..1, 9999..10000]),
            ("bytes= 0-999, 4500-5499, -1000", vec![0..1000, 4500..5500, 9000..10000]),
            ("bytes=500-600,601-999", vec![500..1000]),
            ("bytes=500-700,601-999", vec![500..1000]),
            ("Bytes=0-99999999999999999999999", vec![0..10000]),
            ("bytes=-99999", vec![0..10000]),
            ("bytes=700-800,0-1,100-701,20000-", vec![100..801, 0..2]),
        ] {
            assert_eq!(resolve(value, 10_000), Resolved::Parts(parts), "{value}");
        }
    }

    #[test]
    fn unsatisfiable_rfc9110_14_1_2() {
        for (value, length) in
            [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=5-9", 5)]
        {
            assert_eq!(resolve(value, length), Resolved::Unsatisfiable, "{value}");
        }
        assert_eq!(resolve("bytes=-5", 0), Resolved::Whole);
    }

    #[test]
    fn other_units_are_ignored_rfc9110_14_2() {
        assert_eq!(resolve("lines=1-2", 10), Resolved::Whole);
    }

    #[test]
    fn what_is_no_range() {
        for bad in
            ["", "bytes", "bytes=", "bytes=a", "bytes=1", "bytes=-", "bytes=2-1", "bytes=0-1 2-3"]
        {
            assert!(Range::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert_eq!(Range::parse(b"bytes=9-1").unwrap_err().offset, 8);
        let many = |count| format!("bytes={}", vec!["0-1"; count].join(","));
        assert!(Range::parse(many(16).as_bytes()).is_ok());
        assert!(Range::parse(many(17).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn parts_are_exactly_the_bytes_asked_for(
            asked in proptest::collection::vec((0u64..40, 0u64..20), 1..16), length in 1u64..50,
        ) {
            let ranges = asked.iter().map(|&(first, more)| ByteRange::Closed { first, last: first + more });
            let parts = match Range::Bytes(ranges.collect()).resolve(length) {
                Resolved::Parts(parts) => parts,
                _ => vec![],
            };
            for byte in 0..60 {
                let wanted = byte < length && asked.iter().any(|&(f, m)| (f..=f + m).contains(&byte));
                let sent = parts.iter().filter(|part| part.contains(&byte)).count();
                prop_assert_eq!(sent, usize::from(wanted));
            }
        }

        #[test]
        fn anything_is_read_or_refused(value in "bytes=[0-9, -]{0,30}|\\PC{0,30}", length: u64) {
            if let Ok(range) = Range::parse(value.as_bytes()) {
                let _ = range.resolve(length);
            }
        }
    }
}
