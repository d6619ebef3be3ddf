//! `Datum`: a value on its way between a client and a column, and how each column reads and writes
//! it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use polydav_store::Value;
use serde_json::value::RawValue;

use crate::schema::{Column, ColumnKind};

/// A value as the databases know them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Datum {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Why a value can't be that of a column: what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidDatum(pub(crate) String);

type Read = Result<Datum, InvalidDatum>;

fn expected(what: impl Into<String>) -> Read {
    Err(InvalidDatum(what.into()))
}

/// Floating point keeps no more decimal digits of every number.
pub(crate) const DIGITS_MAX: usize = 15;

impl ColumnKind {
    /// The integers of 64 bits.
    pub(crate) const INTEGER: Self = Self::Integer { min: i64::MIN, max: i64::MAX };
}

/// What a client gives, as `column` reads it.
pub(crate) fn read(column: &Column, value: &Value) -> Read {
    match value {
        Value::Null => Ok(Datum::Null),
        Value::Text(text) => read_text(column, text),
        Value::Json(json) => read_json(column, json),
        Value::Added(_) => expected("a value: what it refers to isn't known"),
        Value::Bytes(bytes) if matches!(column.kind, ColumnKind::Bytes | ColumnKind::Any) => {
            Ok(Datum::Bytes(bytes.to_vec()))
        }
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => read_text(column, text),
            Err(_) => expected("a text in UTF-8"),
        },
    }
}

/// A text, whatever it came from.
pub(crate) fn read_text(column: &Column, text: &str) -> Read {
    match column.kind {
        ColumnKind::Integer { min, max } => match integer(text) {
            Some(number) if (min..=max).contains(&number) => Ok(Datum::Integer(number)),
            _ => expected(format!("a whole number from {min} to {max}")),
        },
        ColumnKind::Real { has_nan } => match real(text) {
            Ok(Datum::Real(number)) if number.is_nan() && !has_nan => {
                expected("a number, or Infinity or -Infinity")
            }
            read => read,
        },
        ColumnKind::Decimal { digits_max } => decimal(text, digits_max),
        ColumnKind::Boolean => match text {
            "true" | "t" | "1" => Ok(Datum::Integer(1)),
            "false" | "f" | "0" => Ok(Datum::Integer(0)),
            _ => expected("true or false"),
        },
        ColumnKind::Bytes => {
            match STANDARD.decode(text.split_ascii_whitespace().collect::<String>()) {
                Ok(bytes) => Ok(Datum::Bytes(bytes)),
                Err(_) => expected("base64"),
            }
        }
        ColumnKind::Json => match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => plain(text),
            Err(_) => expected("JSON"),
        },
        ColumnKind::Array => array(text),
        ColumnKind::Text | ColumnKind::Other | ColumnKind::Named | ColumnKind::Any => plain(text),
    }
}

fn read_json(column: &Column, json: &str) -> Read {
    let first = json.bytes().next().unwrap_or_default();
    match (column.kind, first) {
        (ColumnKind::Json, _) | (ColumnKind::Array, b'[') => read_text(column, json),
        (_, b'"') => match serde_json::from_str::<String>(json) {
            Ok(text) => read_text(column, &text),
            Err(_) => expected("a JSON string"),
        },
        (ColumnKind::Boolean, b't' | b'f') => read_text(column, json),
        (ColumnKind::Named | ColumnKind::Any, b'-' | b'0'..=b'9') => match integer(json) {
            Some(number) => Ok(Datum::Integer(number)),
            None if json.contains(['.', 'e', 'E']) => real(json),
            None => expected("a number that 64 bits can hold"),
        },
        (
            ColumnKind::Integer { .. } | ColumnKind::Real { .. } | ColumnKind::Decimal { .. },
            b'-' | b'0'..=b'9',
        ) => read_text(column, json),
        (kind, _) => expected(kind.json_form()),
    }
}

impl ColumnKind {
    /// What JSON gives for it.
    fn json_form(self) -> &'static str {
        match self {
            Self::Integer { .. } => "a number, or a string of digits",
            Self::Real { .. } | Self::Decimal { .. } => "a number, or a string of one",
            Self::Boolean => "true or false",
            Self::Text | Self::Other => "a string",
            Self::Bytes => "a string of base64",
            Self::Json => "JSON",
            Self::Array => "an array",
            Self::Named | Self::Any => "a string or a number",
        }
    }
}

fn plain(text: &str) -> Read {
    match text.contains('\0') {
        true => expected("a text without NUL characters"),
        false => Ok(Datum::Text(text.to_owned())),
    }
}

fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn real(text: &str) -> Read {
    match text {
        "NaN" | "Infinity" | "-Infinity" => {}
        _ if is_number(text) => {}
        _ => return expected("a number"),
    }
    match text.parse::<f64>() {
        Ok(number) if is_in_range(text, number) || !is_number(text) => Ok(Datum::Real(number)),
        _ => expected("a number that 64 bits of floating point can hold"),
    }
}

/// Whether a text, read as this number, was neither too large nor too small for it.
fn is_in_range(text: &str, number: f64) -> bool {
    number.is_finite() && (number != 0.0 || digits(text).next().is_none())
}

/// The digits of a number, from the first that isn't zero.
fn digits(text: &str) -> impl Iterator<Item = u8> {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|&digit| digit == b'0')
}

/// Kept as text, so that no digit is lost.
fn decimal(text: &str, digits_max: Option<usize>) -> Read {
    if !is_number(text) && !matches!(text, "NaN" | "Infinity" | "-Infinity") {
        return expected("a decimal number");
    }
    match digits_max {
        Some(max) if !is_short(text, max) => expected(format!(
            "a decimal number of at most {max} digits: the database keeps no more"
        )),
        _ => Ok(Datum::Text(text.to_owned())),
    }
}

/// Whether floating point keeps all digits of a number.
fn is_short(text: &str, digits_max: usize) -> bool {
    is_number(text)
        && digits(text).count() <= digits_max
        && text.parse().is_ok_and(|number| is_in_range(text, number))
}

/// Whether a text is kept as it was meant though it is kept as this number.
pub(crate) fn is_same_number(column: &Column, text: &str, kept: &Datum) -> bool {
    match column.kind {
        ColumnKind::Decimal { .. } => true,
        ColumnKind::Json if is_short(text, DIGITS_MAX) => true,
        _ => to_text(column, kept) == text,
    }
}

/// The grammar of a JSON number; a leading zero, a plus or a bare dot is let through too.
fn is_number(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['-', '+']).unwrap_or(exponent));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

/// A JSON array as the text of an array of PostgreSQL.
fn array(json: &str) -> Read {
    let mut text = String::with_capacity(json.len() + 2);
    match push_array(&mut text, json) {
        Some(()) => plain(&text),
        None => expected("a JSON array"),
    }
}

fn push_array(text: &mut String, json: &str) -> Option<()> {
    let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    text.push('{');
    for (at, element) in elements.iter().map(|element| element.get()).enumerate() {
        if at > 0 {
            text.push(',');
        }
        match element.as_bytes().first()? {
            b'[' => push_array(text, element)?,
            b'n' => text.push_str("NULL"),
            b'"' => push_quoted(text, &serde_json::from_str::<String>(element).ok()?),
            _ => push_quoted(text, element),
        }
    }
    text.push('}');
    Some(())
}

fn push_quoted(text: &mut String, element: &str) {
    text.push('"');
    for character in element.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

/// Appends a value as JSON.
pub(crate) fn push_json(out: &mut Vec<u8>, column: &Column, datum: &Datum) {
    match datum {
        Datum::Null => out.extend_from_slice(b"null"),
        Datum::Integer(number)
            if column.kind == ColumnKind::Boolean && (0..=1).contains(number) =>
        {
            out.extend_from_slice(if *number == 1 { b"true" } else { b"false" });
        }
        Datum::Integer(number) if matches!(column.kind, ColumnKind::Decimal { .. }) => {
            push_string(out, &number.to_string());
        }
        Datum::Integer(number) => push_number(out, *number),
        Datum::Real(number) if matches!(column.kind, ColumnKind::Decimal { .. }) => {
            push_string(out, &real_text(*number));
        }
        Datum::Real(number) if number.is_finite() => {
            out.extend_from_slice(real_text(*number).as_bytes());
        }
        Datum::Real(number) => push_string(out, &real_text(*number)),
        Datum::Text(text) if is_json_text(column.kind, text) => push_compact(out, text),
        Datum::Text(text) => push_string(out, text),
        Datum::Bytes(bytes) => push_string(out, &STANDARD.encode(bytes)),
    }
}

/// Whether a text of such a column is JSON as it stands. SQLite keeps whatever it is given.
fn is_json_text(kind: ColumnKind, text: &str) -> bool {
    match kind {
        ColumnKind::Json | ColumnKind::Array => serde_json::from_str::<&RawValue>(text).is_ok(),
        ColumnKind::Integer { .. } | ColumnKind::Real { .. } => {
            serde_json::from_str::<serde_json::Number>(text).is_ok()
        }
        ColumnKind::Boolean => matches!(text, "true" | "false"),
        _ => false,
    }
}

/// Without the spaces and line ends that may stand between the words of JSON: a record is a line.
fn push_compact(out: &mut Vec<u8>, json: &str) {
    let (mut is_string, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        if is_string || !byte.is_ascii_whitespace() {
            out.push(byte);
        }
        is_string ^= byte == b'"' && !is_escaped;
        is_escaped = is_string && byte == b'\\' && !is_escaped;
    }
}

fn push_number(out: &mut Vec<u8>, number: i64) {
    serde_json::to_writer(out, &number).expect("a vector takes everything, and a number is JSON");
}

pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a vector takes everything, and a text is JSON");
}

/// The shortest text that reads as the same number; with a point or an exponent, so that it is seen
/// to be no whole number.
pub(crate) fn real_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let mut text = String::new();
    let _ = write!(text, "{number:?}");
    text
}

/// A value as a property has it.
pub(crate) fn to_value(column: &Column, datum: &Datum) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Bytes(bytes) => Value::Bytes(bytes.clone().into()),
        other => Value::Text(to_text(column, other).into()),
    }
}

/// A value as a text: what a name of a row is made of.
pub(crate) fn to_text(column: &Column, datum: &Datum) -> String {
    match datum {
        Datum::Null => String::new(),
        Datum::Integer(number)
            if column.kind == ColumnKind::Boolean && (0..=1).contains(number) =>
        {
            (*number == 1).to_string()
        }
        Datum::Integer(number) => number.to_string(),
        Datum::Real(number) => real_text(*number),
        Datum::Text(text) => text.clone(),
        Datum::Bytes(bytes) => STANDARD.encode(bytes),
    }
}
