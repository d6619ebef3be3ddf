//! Which format a document is in.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

use super::Format;
use super::cut::Scan;
use crate::header::ContentType;
use crate::text;

/// A body that is no batch document (415).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnknownFormat {
    /// What was sent, and what should be.
    pub message: String,
}

/// Tells the format of a batch document.
///
/// Types that say XML, JSON or NDJSON are taken at their word. Under no type, and under those that
/// `curl -d`, PHP and Python send unasked, the body shows what it is by how it begins.
///
/// # Errors
///
/// If the type is another one, or the body begins like none of the three.
pub fn sniff(content_type: Option<&ContentType>, body: &[u8]) -> Result<Format, UnknownFormat> {
    const UNTOLD: [&str; 3] =
        ["application/x-www-form-urlencoded", "text/plain", "application/octet-stream"];
    const LINES: [&str; 4] =
        ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl"];
    match content_type {
        Some(media) if media.is_xml() => Ok(Format::Xml),
        Some(media) if media.is_json() => Ok(Format::Json),
        Some(media) if LINES.contains(&&*media.essence) => Ok(Format::NdJson),
        Some(media) if !UNTOLD.contains(&&*media.essence) => Err(UnknownFormat {
            message: format!(
                "{} is no type of a batch document: send application/xml, application/json or \
                 application/x-ndjson",
                media.essence
            ),
        }),
        _ => sniff_body(body),
    }
}

/// Follows a body as it arrives, up to where it shows its format: JSON and NDJSON are told apart by
/// the first object.
#[derive(Debug, Default)]
pub struct Beginning(Scan);

impl Beginning {
    /// Whether [`sniff`] can tell the format, now that this much more is there. Until then, or the end
    /// of the body, it may be mistaken.
    pub fn shows(&mut self, more: &[u8]) -> bool {
        let mut rest = more;
        while !rest.is_empty() && !self.0.is_wrong() {
            let (length, ended) = self.0.follow(rest);
            if ended {
                return true;
            }
            rest = &rest[length..];
        }
        self.0.is_wrong()
    }
}

fn sniff_body(body: &[u8]) -> Result<Format, UnknownFormat> {
    // UTF-16 begins with its byte order mark, or with the two bytes of `<`.
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'<', 0, ..] | [0, b'<', ..] = body {
        return Ok(Format::Xml);
    }
    let text = text::without_mark(body).trim_ascii_start();
    match text.first() {
        Some(b'<') => Ok(Format::Xml),
        Some(b'[') => Ok(Format::Json),
        Some(b'{') if begins_lines(text) => Ok(Format::NdJson),
        Some(b'{') => Ok(Format::Json),
        None => Err(UnknownFormat { message: "the body is empty: send a batch document".into() }),
        Some(_) => Err(UnknownFormat {
            message: "a batch document begins with < (XML), or { or [ (JSON)".into(),
        }),
    }
}

/// Whether the first object is an operation or options, rather than a document.
fn begins_lines(text: &[u8]) -> bool {
    let mut keys = Keys { lines: false };
    // Whatever is wrong with the text, the reader of it will tell.
    let _decided = serde_json::Deserializer::from_slice(text).deserialize_map(&mut keys);
    keys.lines
}

/// Looks at keys until one of them decides.
struct Keys {
    lines: bool,
}

impl<'de> Visitor<'de> for &mut Keys {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match &*key {
                "operations" => return Ok(()),
                "op" | "batch" => {
                    self.lines = true;
                    return Ok(());
                }
                _ => map.next_value::<IgnoredAny>()?,
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Header;

    fn format(content_type: &str, body: &[u8]) -> Option<Format> {
        let content_type = ContentType::parse(content_type.as_bytes()).ok();
        sniff(content_type.as_ref(), body).ok()
    }

    #[test]
    fn types_are_taken_at_their_word() {
        for (content_type, expected) in [
            ("application/xml", Some(Format::Xml)),
            ("text/xml; charset=utf-8", Some(Format::Xml)),
            ("application/vnd.example+xml", Some(Format::Xml)),
            ("application/json", Some(Format::Json)),
            ("application/vnd.example+json", Some(Format::Json)),
            ("application/x-ndjson", Some(Format::NdJson)),
            ("multipart/form-data; boundary=a", None),
            ("text/html", None),
        ] {
            assert_eq!(format(content_type, b"?"), expected, "{content_type}");
        }
    }

    #[test]
    fn a_beginning_shows_the_format_once_its_first_object_is_whole() {
        for (body, enough) in [
            ("<batch/>", 1),
            (" [", 2),
            ("\u{feff}\n{\"op\": {}}{", 14),
            ("{\"operations\": [{}]}", 20),
            ("hello", 1),
        ] {
            let mut beginning = Beginning::default();
            let mut bytes = body.as_bytes().chunks(1);
            let shown = bytes.position(|byte| beginning.shows(byte));
            assert_eq!(shown, Some(enough - 1), "{body}");
            assert!(Beginning::default().shows(body.as_bytes()), "{body}");
        }
        assert!(!Beginning::default().shows(b" {\"op\""));
    }

    #[test]
    fn untold_bodies_show_what_they_are() {
        let bodies: [(&[u8], Option<Format>); 14] = [
            (b"<batch/>", Some(Format::Xml)),
            (b"\xef\xbb\xbf \r\n<batch/>", Some(Format::Xml)),
            (b"\xff\xfe<\0", Some(Format::Xml)),
            (b"\0<\0b", Some(Format::Xml)),
            (b" [", Some(Format::Json)),
            (b"{}", Some(Format::Json)),
            (b"{\"mode\": \"stop\", \"operations\": [{\"op\": 1}]}", Some(Format::Json)),
            (b"{\"operations\": [", Some(Format::Json)),
            (b"{\"href\": {\"operations\": 1}, \"op\": \"put\"", Some(Format::NdJson)),
            (b"{\"batch\": {}} {", Some(Format::NdJson)),
            (b"{\"a\"", Some(Format::Json)),
            (b"", None),
            (b"href=%2Fa", None),
            (b"\"op\"", None),
        ];
        for (body, expected) in bodies {
            let shown = String::from_utf8_lossy(body);
            assert_eq!(format("", body), expected, "{shown}");
            assert_eq!(format("application/x-www-form-urlencoded", body), expected, "{shown}");
        }
    }
}
