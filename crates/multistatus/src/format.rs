//! Which of the formats a client would have.

use crate::json::{JSON_CONTENT_TYPE, Layout, NDJSON_CONTENT_TYPE};
use crate::model::MultiStatus;
use crate::writer::{CONTENT_TYPE, InvalidResponse};

/// A format a 207 body can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// XML, as RFC 4918 has it; what any WebDAV client reads.
    #[default]
    Xml,
    /// One JSON document.
    Json,
    /// A JSON value a line.
    NdJson,
}

impl Format {
    /// The format an `Accept` header (RFC 9110 §12.5.1) likes best; `None` if it likes none.
    ///
    /// Of formats it likes equally, `preferred` wins, then XML, JSON, NDJSON. Without a header
    /// (`None`), it is `preferred`. What can't be parsed counts as not there.
    pub fn negotiate(accept: Option<&str>, preferred: Self) -> Option<Self> {
        let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
            return Some(preferred);
        };
        let mut best = None;
        for format in [preferred, Self::Xml, Self::Json, Self::NdJson] {
            let quality = format.quality(accept);
            if quality > best.map_or(0, |(_, best)| best) {
                best = Some((format, quality));
            }
        }
        best.map(|(format, _)| format)
    }

    /// The media type to send.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Xml => CONTENT_TYPE,
            Self::Json => JSON_CONTENT_TYPE,
            Self::NdJson => NDJSON_CONTENT_TYPE,
        }
    }

    /// How much `accept` wants it, in thousandths: the most specific range decides.
    fn quality(self, accept: &str) -> u16 {
        let (types, any): (&[&str], &[&str]) = match self {
            Self::Xml => (&["application/xml", "text/xml"], &["application/*", "text/*"]),
            Self::Json => (&["application/json"], &["application/*"]),
            Self::NdJson => (&["application/x-ndjson"], &["application/*"]),
        };
        let mut best = (0, 0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let is = |one: &&str| one.eq_ignore_ascii_case(kind);
            let specific = match kind {
                _ if types.iter().any(is) => 3,
                _ if any.iter().any(is) => 2,
                "*/*" => 1,
                _ => continue,
            };
            let quality = parts
                .filter_map(|parameter| parameter.split_once('='))
                .find(|(name, _)| name.eq_ignore_ascii_case("q"))
                .map_or(Some(1000), |(_, value)| thousandths(value));
            if let Some(quality) = quality {
                best = best.max((specific, quality));
            }
        }
        best.1
    }
}

/// RFC 9110 §12.4.2, `qvalue`.
fn thousandths(value: &str) -> Option<u16> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || fraction.len() > 3 || !matches!(whole, "0" | "1") {
        return None;
    }
    let value: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    Some(value).filter(|&value| value <= 1000)
}

impl MultiStatus {
    /// The whole body in a format.
    ///
    /// # Errors
    /// If, in XML, one of the responses makes no sense.
    pub fn to_bytes(&self, format: Format) -> Result<Vec<u8>, InvalidResponse> {
        match format {
            Format::Xml => self.to_xml(),
            Format::Json => Ok(self.to_json(Layout::Document)),
            Format::NdJson => Ok(self.to_json(Layout::Lines)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept() {
        use Format::{Json, NdJson, Xml};
        for (accept, expected) in [
            ("", Some(Xml)),
            ("*/*", Some(Xml)),
            ("application/json", Some(Json)),
            ("Application/JSON; charset=utf-8", Some(Json)),
            ("text/html, application/xml;q=0.9, */*;q=0.8", Some(Xml)),
            ("application/json, application/xml", Some(Xml)),
            ("application/xml;q=0.5, application/json", Some(Json)),
            ("text/xml;q=0.5, application/json;q=0.51", Some(Json)),
            ("application/*;q=0.2, application/x-ndjson;q=0.3", Some(NdJson)),
            ("application/xml;q=0, */*", Some(Json)),
            ("application/json;q=2", None),
            ("image/png", None),
            ("*/*;q=0", None),
        ] {
            assert_eq!(Format::negotiate(Some(accept), Xml), expected, "{accept:?}");
        }
        assert_eq!(Format::negotiate(None, Json), Some(Json));
        assert_eq!(Format::negotiate(Some("*/*"), Json), Some(Json));
        assert_eq!(Format::negotiate(Some("text/*, application/json"), Json), Some(Json));
    }
}
