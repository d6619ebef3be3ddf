//! Text and attribute values, written so that reading gives them back.

use super::char::is_char;

/// Appends `text` as character data.
///
/// CR is written as a reference, or reading would make it LF. What no XML document can hold
/// (U+0000 to U+001F but for tab, LF and CR; U+FFFE; U+FFFF) becomes U+FFFD.
pub fn escape_text(out: &mut Vec<u8>, text: &str) {
    escape::<b'&'>(out, text, &TEXT, |byte| match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'\r' => "&#13;",
        _ => "\u{FFFD}",
    });
}

/// Appends `value` as an attribute value for double quotes, without the quotes.
///
/// Tab, LF and CR are written as references, or reading would make them spaces. What no XML
/// document can hold becomes U+FFFD, as in [`escape_text`].
pub fn escape_attribute(out: &mut Vec<u8>, value: &str) {
    escape::<b'"'>(out, value, &ATTRIBUTE, |byte| match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        b'\t' => "&#9;",
        b'\n' => "&#10;",
        b'\r' => "&#13;",
        _ => "\u{FFFD}",
    });
}

/// Which bytes to look at more closely.
type Special = [bool; 256];

const TEXT: Special = special(b"&<>", b"\t\n");
const ATTRIBUTE: Special = special(b"&<>\"", b"");

const fn special(marks: &[u8], plain_controls: &[u8]) -> Special {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 0x20 {
        table[i] = true;
        i += 1;
    }
    i = 0;
    while i < plain_controls.len() {
        table[plain_controls[i] as usize] = false;
        i += 1;
    }
    i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = true;
        i += 1;
    }
    table[0xEF] = true; // U+FFFE and U+FFFF begin with it, as do many good characters
    table
}

/// `MARK` is a mark that is special here, besides those that always are.
fn escape<const MARK: u8>(
    out: &mut Vec<u8>,
    text: &str,
    special: &Special,
    replacement: fn(u8) -> &'static str,
) {
    let bytes = text.as_bytes();
    // Nearly all is plain, and the compiler makes this look at many bytes at a time.
    let may_be_special =
        |byte: u8| byte < 0x20 || matches!(byte, b'&' | b'<' | b'>' | 0xEF) || byte == MARK;
    if !bytes.iter().fold(false, |special, &byte| special | may_be_special(byte)) {
        return out.extend_from_slice(bytes);
    }
    let mut written = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !special[byte as usize] {
            continue;
        }
        let width = if byte == 0xEF {
            if text[at..].chars().next().is_none_or(is_char) {
                continue;
            }
            3
        } else {
            1
        };
        out.extend_from_slice(&bytes[written..at]);
        out.extend_from_slice(replacement(byte).as_bytes());
        written = at + width;
    }
    out.extend_from_slice(&bytes[written..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: fn(&mut Vec<u8>, &str), input: &str, expected: &str) {
        let mut out = Vec::new();
        write(&mut out, input);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn escapes() {
        check(escape_text, "a<b>&\"'\t\n\r]]>", "a&lt;b&gt;&amp;\"'\t\n&#13;]]&gt;");
        check(escape_attribute, "a<\"'\t\n\r", "a&lt;&quot;'&#9;&#10;&#13;");
        check(escape_text, "\u{0}x\u{FFFE}\u{FFFD}\u{FF01}é", "\u{FFFD}x\u{FFFD}\u{FFFD}\u{FF01}é");
        check(escape_text, "", "");
    }
}
