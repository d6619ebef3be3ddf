//! Which characters XML 1.0 allows where.

/// Whether a document can have this character in it (XML 1.0 §2.2, `Char`).
pub const fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The first character of `text` that no XML document may contain, and where it is.
pub(crate) fn find_forbidden(text: &str) -> Option<(usize, char)> {
    let bytes = text.as_bytes();
    // Without an early end, this runs many bytes at a time.
    let control = bytes.iter().fold(false, |found, &byte| {
        found | (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'))
    });
    // U+FFFE and U+FFFF begin with 0xEF, which is rare enough to look closer only then.
    if !control && memchr::memchr(0xEF, bytes).is_none() {
        return None;
    }
    text.char_indices().find(|&(_, c)| !is_char(c))
}

/// XML 1.0 §2.3, `S`.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether `text` is white space only.
pub(crate) fn is_blank(text: &str) -> bool {
    text.bytes().all(is_space)
}

/// Whether a name can begin with this character: XML 1.0 §2.3, `NameStartChar` without the colon.
pub const fn is_name_start(c: char) -> bool {
    matches!(c,
        'A'..='Z' | '_' | 'a'..='z'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}'
        | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

/// Whether a name can have this character in it: XML 1.0 §2.3, `NameChar` without the colon.
pub const fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Namespaces in XML 1.0 §3, `NCName`: a name without a colon.
pub(crate) fn is_ncname(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// [`is_ncname`] for names in constants, which are ASCII.
pub(crate) const fn is_ascii_ncname(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let c = bytes[i] as char;
        if !c.is_ascii() || !is_name_char(c) || (i == 0 && !is_name_start(c)) {
            return false;
        }
        i += 1;
    }
    i > 0
}

/// What stands before and behind the first of these bytes, which is ASCII. As `split_once`, in fewer
/// steps: names and values are short, and there are many.
pub(crate) fn cut(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

/// Splits a qualified name into prefix (empty if there is none) and local name.
pub(crate) fn split_qname(text: &str) -> Option<(&str, &str)> {
    let (prefix, local) = match cut(text, b':') {
        Some((prefix, local)) if is_ncname(prefix) => (prefix, local),
        Some(_) => return None,
        None => ("", text),
    };
    is_ncname(local).then_some((prefix, local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "_", "é", "a-b.c", "x1", "\u{10000}"] {
            assert!(is_ncname(good), "{good:?}");
        }
        for bad in ["", "1", "-a", "a b", "a:b", "a\u{D7}", "a/", "a<"] {
            assert!(!is_ncname(bad), "{bad:?}");
        }
        assert_eq!(split_qname("D:prop"), Some(("D", "prop")));
        assert_eq!(split_qname("prop"), Some(("", "prop")));
        for bad in [":a", "a:", "a:b:c", ":", ""] {
            assert_eq!(split_qname(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn characters() {
        assert_eq!(find_forbidden("a\tb\r\nc\u{FFFD}\u{10FFFF}"), None);
        assert_eq!(find_forbidden("ab\u{0}"), Some((2, '\0')));
        assert_eq!(find_forbidden("\u{FFFE}"), Some((0, '\u{FFFE}')));
        assert_eq!(find_forbidden("é\u{1B}"), Some((2, '\u{1B}')));
    }
}
