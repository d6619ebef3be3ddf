//! `Datum`: a value of a column as a [`MemoryRecords`](crate::MemoryRecords) keeps it; how it is
//! read from what clients give, and written.

use std::str::from_utf8;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::Value;
use crate::schema::Type;

/// A value, or none. Numbers are in their own order, texts in that of their bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Datum {
    Null,
    Boolean(bool),
    Integer(i64),
    Text(String),
    Bytes(Bytes),
}

/// Why a value is none of a type, as the end of a sentence.
pub(crate) type Unfit = &'static str;

impl Datum {
    /// What a client gives for a column of this type.
    pub(crate) fn read(kind: Type, value: &Value) -> Result<Self, Unfit> {
        match (kind, value) {
            (_, Value::Null) => Ok(Self::Null),
            (_, Value::Text(text)) => Self::parse(kind, text),
            (_, Value::Json(json)) => Self::read_json(kind, json.trim()),
            (_, Value::Added(_)) => Err("is a reference to what isn't known"),
            (Type::Bytes, Value::Bytes(bytes)) => Ok(Self::Bytes(bytes.clone())),
            (_, Value::Bytes(bytes)) => match from_utf8(bytes) {
                Ok(text) => Self::parse(kind, text),
                Err(_) => Err("is no UTF-8"),
            },
        }
    }

    /// A text in the form of this type; numbers may have zeros in front.
    pub(crate) fn parse(kind: Type, text: &str) -> Result<Self, Unfit> {
        match kind {
            Type::Text => Ok(Self::Text(text.to_owned())),
            Type::Integer => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
                let number = text.parse().ok().filter(|_| is_number);
                number.map(Self::Integer).ok_or("is no whole number of 64 bits")
            }
            Type::Boolean => {
                text.parse().map(Self::Boolean).map_err(|_| "is neither true nor false")
            }
            Type::Bytes => match STANDARD.decode(text) {
                Ok(bytes) => Ok(Self::Bytes(bytes.into())),
                Err(_) => Err("is no base64"),
            },
        }
    }

    /// Strings and numbers are read as texts are, but for a number that should be a string.
    fn read_json(kind: Type, json: &str) -> Result<Self, Unfit> {
        match (json.bytes().next(), kind) {
            (Some(b'"'), _) => match serde_json::from_str::<String>(json) {
                Ok(text) => Self::parse(kind, &text),
                Err(_) => Err("is no text"),
            },
            (Some(b'-' | b'0'..=b'9'), Type::Integer) | (Some(b't' | b'f'), Type::Boolean) => {
                Self::parse(kind, json)
            }
            _ => Err("is a JSON value of another type"),
        }
    }

    /// As a text; empty for no value.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => STANDARD.encode(bytes),
        }
    }

    /// As a column of an entry has it.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bytes(bytes) => Value::Bytes(bytes.clone()),
            Self::Boolean(_) | Self::Integer(_) | Self::Text(_) => Value::Text(self.text().into()),
        }
    }

    /// As the content of a record has it.
    pub(crate) fn json(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Boolean(_) | Self::Integer(_) => self.text(),
            Self::Text(_) | Self::Bytes(_) => json_string(&self.text()),
        }
    }
}

/// A JSON string.
pub(crate) fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        Value::Json(text.into())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn values_are_read_by_the_type_of_their_column() {
        let bytes = |bytes: &'static [u8]| Value::Bytes(Bytes::from_static(bytes));
        for (kind, value, expected) in [
            (Type::Integer, text("-9223372036854775808"), "-9223372036854775808"),
            (Type::Integer, text("007"), "7"),
            (Type::Integer, text("-0"), "0"),
            (Type::Integer, json("42"), "42"),
            (Type::Integer, json(" \"42\" "), "42"),
            (Type::Integer, bytes(b"42"), "42"),
            (Type::Text, text("\"ü\"\u{1}\n"), r#""\"ü\"\u0001\n""#),
            (Type::Text, json(r#""\u00fc\n""#), r#""ü\n""#),
            (Type::Text, bytes(b"042"), r#""042""#),
            (Type::Text, text(""), r#""""#),
            (Type::Boolean, json("true"), "true"),
            (Type::Boolean, text("false"), "false"),
            (Type::Bytes, text("AP8="), r#""AP8=""#),
            (Type::Bytes, json(r#""AP8=""#), r#""AP8=""#),
            (Type::Bytes, bytes(b"\0\xff"), r#""AP8=""#),
            (Type::Bytes, Value::Null, "null"),
        ] {
            let read = Datum::read(kind, &value).unwrap();
            assert_eq!(read.json(), expected, "{kind:?} {value:?}");
            let again = Datum::read(kind, &read.value());
            assert_eq!(again, Ok(read), "what is told can be given");
        }
    }

    #[test]
    fn values_of_other_types_are_refused() {
        for (kind, value) in [
            (Type::Integer, text("")),
            (Type::Integer, text("-")),
            (Type::Integer, text("+42")),
            (Type::Integer, text(" 42")),
            (Type::Integer, text("4_2")),
            (Type::Integer, text("9223372036854775808")),
            (Type::Integer, json("1.0")),
            (Type::Integer, json("1e2")),
            (Type::Integer, json("true")),
            (Type::Text, json("42")),
            (Type::Text, json("true")),
            (Type::Text, json("{}")),
            (Type::Text, json(r#""\ud800""#)),
            (Type::Text, Value::Bytes(Bytes::from_static(b"\xff"))),
            (Type::Boolean, text("TRUE")),
            (Type::Boolean, json("1")),
            (Type::Bytes, text("AP8")),
            (Type::Bytes, text("*")),
            (Type::Bytes, json("[0]")),
            (Type::Bytes, json("1234")),
        ] {
            assert!(Datum::read(kind, &value).is_err(), "{kind:?} {value:?}");
        }
    }
}
