//! The cursor that every header parser walks with, and the error it makes.

/// A value that could not be read: where, and what should have been there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {offset}")]
pub struct Invalid {
    /// Where the value stops making sense, in bytes from its beginning.
    pub offset: usize,
    /// What should have stood there.
    pub expected: &'static str,
}

/// A position in the bytes of one value.
#[derive(Debug, Clone)]
pub(crate) struct Scan<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.input[self.at..]
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.at == self.input.len()
    }

    pub(crate) fn fail<T>(&self, expected: &'static str) -> Result<T, Invalid> {
        Err(Invalid { offset: self.at, expected })
    }

    /// Steps over `byte` if it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Steps over `word`, in any case, if it is next.
    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let found =
            rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    pub(crate) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Invalid> {
        if self.eat(byte) { Ok(()) } else { self.fail(expected) }
    }

    pub(crate) fn take_while(&mut self, mut keep: impl FnMut(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|&byte| !keep(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Steps over spaces and tabs; over line breaks too, since the same values stand in elements.
    pub(crate) fn skip_space(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    }

    /// A token of RFC 9110 §5.6.2.
    pub(crate) fn token(&mut self, expected: &'static str) -> Result<&'a str, Invalid> {
        let token = self.take_while(is_token);
        match std::str::from_utf8(token) {
            Ok(token) if !token.is_empty() => Ok(token),
            _ => self.fail(expected),
        }
    }

    /// A token, or a quoted string with its escapes undone (RFC 9110 §5.6.4).
    pub(crate) fn token_or_quoted(&mut self, expected: &'static str) -> Result<String, Invalid> {
        if !self.eat(b'"') {
            return self.token(expected).map(str::to_owned);
        }
        let mut text = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 1,
                _ => {}
            }
            match self.peek() {
                None => return self.fail("a closing double quote"),
                Some(byte) if byte.is_ascii_control() && byte != b'\t' => {
                    return self.fail("no control characters");
                }
                Some(byte) => text.push(byte),
            }
            self.at += 1;
        }
        self.at += 1;
        String::from_utf8(text).or_else(|_| self.fail("UTF-8"))
    }

    /// A number; one too large for its type is as large as the type can say.
    pub(crate) fn digits(&mut self, expected: &'static str) -> Result<u64, Invalid> {
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() {
            return self.fail(expected);
        }
        Ok(digits.iter().fold(0u64, |number, digit| {
            number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
        }))
    }

    pub(crate) fn end(&mut self, expected: &'static str) -> Result<(), Invalid> {
        self.skip_space();
        if self.is_done() { Ok(()) } else { self.fail(expected) }
    }
}

/// Reads a comma-separated list (RFC 9110 §5.6.1), of which empty elements are no part.
pub(crate) fn list<T>(
    value: &[u8],
    element: impl FnMut(&mut Scan<'_>) -> Result<T, Invalid>,
) -> Result<Vec<T>, Invalid> {
    list_within(value, (usize::MAX, "no more elements"), element)
}

/// As [`list`], of so many elements `most`; of one more it is said what was expected.
pub(crate) fn list_within<T>(
    value: &[u8],
    (most, expected): (usize, &'static str),
    mut element: impl FnMut(&mut Scan<'_>) -> Result<T, Invalid>,
) -> Result<Vec<T>, Invalid> {
    let mut scan = Scan::new(value);
    let mut elements = Vec::new();
    loop {
        scan.skip_space();
        if scan.is_done() {
            return Ok(elements);
        }
        if scan.eat(b',') {
            continue;
        }
        if elements.len() == most {
            return scan.fail(expected);
        }
        elements.push(element(&mut scan)?);
        scan.skip_space();
        if !scan.is_done() {
            scan.expect(b',', "a comma or the end")?;
        }
    }
}

pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_no_empty_elements() {
        let read = |value: &str| list(value.as_bytes(), |scan| scan.token("a token").map(str::len));
        assert_eq!(read(", a,, bb ,"), Ok(vec![1, 2]));
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(read("a b"), Err(Invalid { offset: 2, expected: "a comma or the end" }));
    }

    #[test]
    fn quoted_strings_are_unescaped_and_must_end() {
        let read = |value: &str| Scan::new(value.as_bytes()).token_or_quoted("a value");
        assert_eq!(read(r#""a\"b""#).unwrap(), r#"a"b"#);
        assert_eq!(read("ab").unwrap(), "ab");
        assert!(read(r#""a\"#).is_err());
        assert!(read("\"").is_err());
        assert!(read("\"a\r\n\"").is_err());
    }

    #[test]
    fn huge_numbers_saturate() {
        assert_eq!(Scan::new(b"99999999999999999999999").digits("digits"), Ok(u64::MAX));
    }
}
