//! The query of a URL, where a resource has one: names and values, as forms write them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::scan::Invalid;

/// The longest query, in bytes.
const BYTES_MAX: usize = 8 * 1024;

/// The most names in a query.
const PAIRS_MAX: usize = 100;

/// All but what is unreserved (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Reads `name=value&…`: percent-encoded, with `+` for a space. No name stands twice.
///
/// ```
/// let pairs = polydav_proto::query::parse(b"limit=5&a%26b=1+%2B+2").unwrap();
/// assert_eq!(pairs[1], ("a&b".to_owned(), "1 + 2".to_owned()));
/// ```
///
/// # Errors
///
/// If it is longer than 8 KiB, has more than 100 names, or is written in another way.
pub fn parse(query: &[u8]) -> Result<Vec<(String, String)>, Invalid> {
    let error = |offset, expected| Err(Invalid { offset, expected });
    if query.len() > BYTES_MAX {
        return error(BYTES_MAX, "a query of at most 8 KiB");
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut at = 0;
    for pair in query.split(|&byte| byte == b'&').filter(|_| !query.is_empty()) {
        let Some(equals) = pair.iter().position(|&byte| byte == b'=') else {
            return error(at + pair.len(), "= and a value after a name");
        };
        let name = decode(&pair[..equals], at)?;
        let value = decode(&pair[equals + 1..], at + equals + 1)?;
        if pairs.iter().any(|(other, _)| *other == name) {
            return error(at, "each name once");
        }
        if pairs.len() == PAIRS_MAX {
            return error(at, "at most 100 names");
        }
        pairs.push((name, value));
        at += pair.len() + 1;
    }
    Ok(pairs)
}

/// Writes what [`parse`] reads.
pub fn write<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        if !query.is_empty() {
            query.push('&');
        }
        query.extend(percent_encode(name.as_bytes(), ENCODED));
        query.push('=');
        query.extend(percent_encode(value.as_bytes(), ENCODED));
    }
    query
}

/// Decodes a name or value that begins at `start`.
fn decode(written: &[u8], start: usize) -> Result<String, Invalid> {
    let mut decoded = Vec::with_capacity(written.len());
    let mut at = 0;
    while let Some(&byte) = written.get(at) {
        let hex = |place: usize| char::from(*written.get(at + place)?).to_digit(16);
        let (byte, length) = match byte {
            b'+' => (b' ', 1),
            b'%' => match (hex(1), hex(2)) {
                (Some(high), Some(low)) => ((high << 4 | low) as u8, 3),
                _ => {
                    let expected = "two hexadecimal digits after % (write % as %25)";
                    return Err(Invalid { offset: start + at, expected });
                }
            },
            _ => (byte, 1),
        };
        decoded.push(byte);
        at += length;
    }
    String::from_utf8(decoded).map_err(|_| Invalid { offset: start, expected: "UTF-8" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_query() {
        let long = format!("a={}", "x".repeat(BYTES_MAX));
        let many: Vec<_> = (0..=PAIRS_MAX).map(|name| format!("{name}=")).collect();
        for (query, said) in [
            ("a", "expected = and a value after a name at byte 1"),
            ("a=1&", "expected = and a value after a name at byte 4"),
            ("a=1&%61=2", "expected each name once at byte 4"),
            ("a=1&b=%4", "expected two hexadecimal digits after % (write % as %25) at byte 6"),
            ("a=%ff", "expected UTF-8 at byte 2"),
            (&long, "expected a query of at most 8 KiB at byte 8192"),
            (&many.join("&"), "expected at most 100 names at byte 390"),
        ] {
            assert_eq!(parse(query.as_bytes()).unwrap_err().to_string(), said, "{query}");
        }
        assert_eq!(parse(b""), Ok(vec![]));
        assert_eq!(parse(b"="), Ok(vec![(String::new(), String::new())]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(pairs in prop::collection::btree_map(".{0,5}", ".{0,5}", 0..4)) {
            let written = write(pairs.iter().map(|(name, value)| (&**name, &**value)));
            let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%=&".contains(&byte);
            prop_assert!(written.bytes().all(unreserved), "{}", written);
            prop_assert_eq!(parse(written.as_bytes()), Ok(pairs.into_iter().collect()));
        }
    }
}
