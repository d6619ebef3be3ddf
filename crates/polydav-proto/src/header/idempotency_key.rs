//! `Idempotency-Key`.

use std::fmt;

use http::HeaderName;

use super::{Header, Lines};
use crate::scan::{Invalid, Scan};

/// The longest key, in bytes.
const LENGTH_MAX: usize = 255;

/// The name a client gives a request that it may have to send again.
///
/// The draft wants a quoted string (RFC 9651 §3.3.3), most clients send it bare: either way it is
/// the same key, of 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// The key, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Header for IdempotencyKey {
    const NAME: &'static str = "Idempotency-Key";
    const FIELD: HeaderName = HeaderName::from_static("idempotency-key");
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        let mut scan = Scan::new(value);
        let key = match value.first() {
            Some(b'"') => scan.token_or_quoted("a key")?,
            _ => String::from_utf8_lossy(scan.take_while(|byte| byte != b' ')).into_owned(),
        };
        scan.end("one key")?;
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > LENGTH_MAX || !visible {
            return Scan::new(value).fail("a key of 1 to 255 visible ASCII characters");
        }
        Ok(Self(key.into()))
    }
}

/// As it is sent: bare, unless it begins as a quoted string does.
impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.starts_with('"') {
            return f.write_str(&self.0);
        }
        let escaped = self.0.replace('\\', r"\\").replace('"', r#"\""#);
        write!(f, "\"{escaped}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_and_quoted_are_the_same_key() {
        let bare = IdempotencyKey::parse(b"8e03978e-40d5").unwrap();
        assert_eq!(IdempotencyKey::parse(b"\"8e03978e-40d5\"").unwrap(), bare);
        assert_eq!(bare.as_str(), "8e03978e-40d5");
        let long = "a".repeat(256);
        for bad in ["", "\"\"", "a b", "\"a b\"", "\"a", "\"a\" b", "\u{e4}", &long] {
            assert!(IdempotencyKey::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn written_and_read_again() {
        for (value, written) in
            [("a", "a"), ("\"a\"", "a"), (r#"a"\"#, r#"a"\"#), (r#""\"a\\b\"""#, r#""\"a\\b\"""#)]
        {
            let key = IdempotencyKey::parse(value.as_bytes()).unwrap();
            assert_eq!(key.to_string(), written, "{value}");
            assert_eq!(IdempotencyKey::parse(written.as_bytes()), Ok(key), "{value}");
        }
    }
}
