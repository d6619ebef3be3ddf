//! Literal text to the text it stands for: line ends, references, attribute normalisation.

use std::borrow::Cow;

use super::char::is_char;

/// Appends character data, with line ends as XML 1.0 §2.11 has them.
pub(crate) fn push_text(out: &mut String, literal: &str) {
    let mut parts = literal.split('\r');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push('\n');
        out.push_str(part.strip_prefix('\n').unwrap_or(part));
    }
}

/// The character a reference stands for, given what is between `&` and `;` (XML 1.0 §4.1, §4.6).
/// `None` for any other entity, and for characters XML does not allow.
pub(crate) fn resolve(reference: &str) -> Option<char> {
    let digits = match reference {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => reference.strip_prefix('#')?,
    };
    let (digits, radix) = match digits.strip_prefix('x') {
        Some(hex) => (hex, 16),
        None => (digits, 10),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None; // from_str_radix would take a sign
    }
    char::from_u32(u32::from_str_radix(digits, radix).ok()?).filter(|&c| is_char(c))
}

/// The value of an attribute (XML 1.0 §3.3.3), or the reference that could not be resolved (empty
/// if `&` begins none).
pub(crate) fn normalize(literal: &str) -> Result<Cow<'_, str>, &str> {
    if !literal.bytes().any(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r')) {
        return Ok(Cow::Borrowed(literal));
    }
    let mut value = String::with_capacity(literal.len());
    let mut rest = literal;
    while let Some(at) = rest.find(['&', '\t', '\n', '\r']) {
        value.push_str(&rest[..at]);
        let special = &rest[at..];
        if let Some(reference) = special.strip_prefix('&') {
            let (reference, after) = reference.split_once(';').ok_or("")?;
            value.push(resolve(reference).ok_or(reference)?);
            rest = after;
        } else {
            value.push(' ');
            rest = special.strip_prefix("\r\n").unwrap_or(&special[1..]);
        }
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        assert_eq!(resolve("#10"), Some('\n'));
        assert_eq!(resolve("#x1F600"), Some('\u{1F600}'));
        for bad in ["", "#", "#x", "#0", "#xD800", "#x110000", "#+1", "#X41", "nbsp", "LT", "#1e"] {
            assert_eq!(resolve(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn line_ends_and_normalisation() {
        let mut text = String::new();
        push_text(&mut text, "a\r\nb\rc\r\r\nd\n");
        assert_eq!(text, "a\nb\nc\n\nd\n");
        assert_eq!(normalize("a\r\nb\tc&#10;d&lt;").unwrap(), "a b c\nd<");
        assert_eq!(normalize("a & b"), Err(""));
        assert_eq!(normalize("&x;"), Err("x"));
    }
}
