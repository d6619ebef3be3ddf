//! The bytes of a JSON document as text: UTF-8, with or without a byte order mark (RFC 8259 §8.1).

/// A document isn't UTF-8 here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no UTF-8")]
pub(crate) struct NoText {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The column, in bytes from 1.
    pub(crate) column: usize,
}

/// The bytes behind the mark.
pub(crate) fn without_mark(document: &[u8]) -> &[u8] {
    document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document)
}

/// The text, without the mark. Checked once as a whole, no string of it needs to be.
pub(crate) fn of(document: &[u8]) -> Result<&str, NoText> {
    let text = without_mark(document);
    std::str::from_utf8(text).map_err(|error| {
        let good = &text[..error.valid_up_to()];
        let mut lines = good.split(|&byte| byte == b'\n');
        let last = lines.next_back().map_or(0, <[u8]>::len);
        NoText { line: 1 + lines.count(), column: 1 + last }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_what_is_no_text() {
        for (document, line, column) in [
            (&b"\xff"[..], 1, 1),
            (b"\xef\xbb\xbf\xc3(", 1, 1),
            ("{\u{e4}".as_bytes(), 0, 0),
            (b"ab\xe4", 1, 3),
            (b"ab\n\ncd\xe4\n", 3, 3),
            (b"\n\x80", 2, 1),
        ] {
            let place = of(document).map_or_else(|no| (no.line, no.column), |_| (0, 0));
            assert_eq!(place, (line, column), "{}", document.escape_ascii());
        }
        assert_eq!(of(b"\xef\xbb\xbf{}"), Ok("{}"));
    }
}
