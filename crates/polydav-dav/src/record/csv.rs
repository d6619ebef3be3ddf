//! Records as lines of CSV (RFC 4180).
//!
//! A string is its text, null is nothing, and every other value its JSON. An empty string is written
//! in quotes: that tells it from null.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Appends the line of the names.
pub(super) fn header(out: &mut Vec<u8>, columns: &[Arc<str>]) {
    let mut line = Line { out, is_first: true };
    columns.iter().for_each(|column| line.text(column));
    line.end();
}

/// Appends the line of a record, a JSON object with its members in the order of the names.
pub(super) fn record(out: &mut Vec<u8>, json: &[u8]) -> Result<(), serde_json::Error> {
    let mut line = Line { out, is_first: true };
    serde_json::Deserializer::from_slice(json).deserialize_map(&mut line)?;
    line.end();
    Ok(())
}

struct Line<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl Line<'_> {
    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
    }

    fn text(&mut self, text: &str) {
        self.separate();
        if !text.is_empty() && !text.contains([',', '"', '\r', '\n']) {
            return self.out.extend_from_slice(text.as_bytes());
        }
        self.out.push(b'"');
        self.out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        self.out.push(b'"');
    }

    fn value(&mut self, json: &str) -> Result<(), serde_json::Error> {
        if json == "null" {
            self.separate();
        } else if json.starts_with('"') {
            self.text(&serde_json::from_str::<Cow<'_, str>>(json)?);
        } else {
            self.text(json);
        }
        Ok(())
    }

    fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

impl<'de> Visitor<'de> for &mut Line<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(IgnoredAny) = map.next_key()? {
            map.next_value_seed(&mut *self)?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Line<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let value = <&RawValue as serde::Deserialize>::deserialize(json)?;
        self.value(value.get()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str) -> String {
        let mut out = Vec::new();
        record(&mut out, json.as_bytes()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rfc4180_2() {
        for (json, expected) in [
            (r#"{"a":1.50,"b":"x y","c":true}"#, "1.50,x y,true\r\n"),
            (r#"{"a":null,"b":"","c":null}"#, ",\"\",\r\n"),
            (
                r#"{"a":"1,2","b":"say \"hi\"","c":"a\r\nb"}"#,
                "\"1,2\",\"say \"\"hi\"\"\",\"a\r\nb\"\r\n",
            ),
            (r#"{"a":[1,"x"],"b":{}}"#, "\"[1,\"\"x\"\"]\",{}\r\n"),
            (r#"{"a":"\u00e4"}"#, "\u{e4}\r\n"),
        ] {
            assert_eq!(line(json), expected, "{json}");
        }
        let mut out = Vec::new();
        header(&mut out, &["a".into(), "b,c".into(), "".into()]);
        assert_eq!(out, b"a,\"b,c\",\"\"\r\n");
    }
}
