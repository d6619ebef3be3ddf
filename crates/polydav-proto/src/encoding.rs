//! Base64 (RFC 4648 §4): how XML and JSON carry bytes.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// As people send it: with its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A text is no base64.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected base64: {0}")]
pub struct InvalidBase64(#[from] base64::DecodeError);

/// The bytes that a text in base64 stands for. White space in it is layout.
///
/// # Errors
///
/// If it is no base64.
pub fn decode_base64(text: impl Into<Vec<u8>>) -> Result<Vec<u8>, InvalidBase64> {
    let mut text = text.into();
    text.retain(|byte| !byte.is_ascii_whitespace());
    Ok(BASE64.decode(text)?)
}

/// Bytes in base64, with its padding.
#[must_use]
pub fn encode_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_and_white_space_are_free() {
        for (text, bytes) in
            [("", &b""[..]), ("AA==", b"\0"), ("AA", b"\0"), ("/\n/ 8=", b"\xff\xff")]
        {
            assert_eq!(decode_base64(text).unwrap(), bytes, "{text}");
        }
        for bad in ["?", "A", "AA=A", "_w=="] {
            assert!(decode_base64(bad).is_err(), "{bad}");
        }
        assert_eq!(encode_base64(b"\xff"), "/w==");
    }
}
