//! How the key of a record is spelled as the last segment of its path: the same in every store.
//!
//! The parts of the key, as texts, joined by commas. In each part `%`, `,`, `/`, `\` and NUL are
//! written as `%25`, `%2C`, `%2F`, `%5C` and `%00`: some clients take the backslash for a slash, and
//! URLs that have one are refused. An empty part is a lone `%`; a segment that would be `.` or `..`
//! has its dots written as `%2E`. A key is spelled in this way only, so that a record has one path.

use std::borrow::Cow;

/// The segment of the key with these parts, of which there is at least one.
pub fn write<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> String {
    let parts: Vec<_> = parts.into_iter().map(|part| write_part(part.as_ref())).collect();
    let segment = parts.join(",");
    match segment.as_str() {
        "." | ".." => segment.replace('.', "%2E"),
        _ => segment,
    }
}

/// The `count` parts of the key that `segment` spells; `None` if it spells none.
pub fn read(segment: &[u8], count: usize) -> Option<Vec<Cow<'_, str>>> {
    let segment = std::str::from_utf8(segment).ok()?;
    let mut parts = Vec::with_capacity(count);
    for written in segment.split(',') {
        parts.push(match written.contains('%') {
            true => Cow::Owned(read_part(written)?),
            false => Cow::Borrowed(written),
        });
    }
    (parts.len() == count && is_spelled(segment, &parts)).then_some(parts)
}

/// Whether these parts are spelled so.
fn is_spelled(segment: &str, parts: &[Cow<'_, str>]) -> bool {
    // Most keys are numbers.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric();
    !segment.is_empty() && segment.bytes().all(is_plain) || write(parts) == segment
}

fn write_part(part: &str) -> String {
    if part.is_empty() {
        return "%".to_owned();
    }
    let mut written = String::with_capacity(part.len());
    for letter in part.chars() {
        match letter {
            '%' => written.push_str("%25"),
            ',' => written.push_str("%2C"),
            '/' => written.push_str("%2F"),
            '\\' => written.push_str("%5C"),
            '\0' => written.push_str("%00"),
            _ => written.push(letter),
        }
    }
    written
}

/// Reads more than is ever written: [`is_spelled`] compares.
fn read_part(written: &str) -> Option<String> {
    if written == "%" {
        return Some(String::new());
    }
    let mut pieces = written.split('%');
    let mut part = pieces.next()?.to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2)?;
        part.push(match code {
            "25" => '%',
            "2C" => ',',
            "2F" => '/',
            "5C" => '\\',
            "00" => '\0',
            "2E" => '.',
            _ => return None,
        });
        part.push_str(rest);
    }
    Some(part)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::ResourcePath;

    #[test]
    fn keys_are_spelled_as_segments() {
        for (parts, segment) in [
            (&["42"][..], "42"),
            (&["a", "1"], "a,1"),
            (&["a,b/c%d\0e\\f"], "a%2Cb%2Fc%25d%00e%5Cf"),
            (&[""], "%"),
            (&["", ""], "%,%"),
            (&["."], "%2E"),
            (&[".."], "%2E%2E"),
            (&["..."], "..."),
            (&[".", ".."], ".,.."),
            (&["ü é", "\n"], "ü é,\n"),
            (&["%2E"], "%252E"),
        ] {
            assert_eq!(write(parts), segment);
            assert_eq!(read(segment.as_bytes(), parts.len()).unwrap(), parts, "{segment}");
            assert_eq!(read(segment.as_bytes(), parts.len() + 1), None, "{segment}");
        }
    }

    #[test]
    fn other_spellings_name_nothing() {
        for (segment, count) in [
            (&b""[..], 1),
            (b".", 1),
            (b"..", 1),
            (b"%2e", 1),
            (b"%2Ea", 1),
            (b"%2c", 1),
            (b"%41", 1),
            (b"%2", 1),
            (b"a%", 1),
            (b"%%", 1),
            (b"%\xc3\xbc", 1),
            (b"\xff", 1),
            (b"a\0", 1),
            (b"a/b", 1),
            (b"a\\b", 1),
            (b",", 2),
            (b"a,", 2),
            (b"%2E,a", 2),
        ] {
            assert_eq!(read(segment, count), None, "{}", segment.escape_ascii());
        }
    }

    /// Texts in which what is escaped is frequent.
    fn part() -> impl Strategy<Value = String> {
        r"[%,/\\\x00.25EeCa\u{fc}]{0,4}"
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(parts in vec(part(), 1..4)) {
            let segment = write(&parts);
            prop_assert!(ResourcePath::from_segments([&segment]).is_ok(), "{}", segment);
            let read = read(segment.as_bytes(), parts.len()).unwrap();
            prop_assert_eq!(read, parts);
        }

        #[test]
        fn what_is_read_is_written_so_alone(segment in part(), count in 1..3_usize) {
            if let Some(parts) = read(segment.as_bytes(), count) {
                prop_assert_eq!(write(parts), segment);
            }
        }
    }
}
