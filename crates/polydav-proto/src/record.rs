//! Records as JSON spells them: an object with a member for each column, or an array of such
//! objects.
//!
//! A value stays the text it was: a number keeps all its digits, and what an array or object means
//! is not decided here.
//!
//! ```
//! use polydav_proto::batch::Limits;
//! use polydav_proto::record::{parse, parse_list};
//!
//! let record = parse(br#"{"id": 1.50, "note": null}"#, &Limits::default()).unwrap();
//! assert_eq!(record[0].value.as_deref(), Some("1.50"));
//! assert_eq!(record[1].value, None);
//! let error = parse_list(b"[{}, 7]", &Limits::default()).unwrap_err();
//! assert_eq!(error.to_string(), "line 1, column 6: invalid type: integer `7`, expected an object");
//! ```

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, DeserializeSeed, Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use crate::batch::{Fault, Limits, quote};
use crate::text::{self, NoText};

/// A member of an object. No two of one object share a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: Arc<str>,
    /// Its value as it was written, a JSON text; `None` for null.
    pub value: Option<Box<str>>,
}

/// A body that is no record, or no array of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct InvalidRecord {
    /// What kind of fault it is.
    pub fault: Fault,
    /// The line, from 1.
    pub line: usize,
    /// The column, in bytes.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Whether a body of this beginning is an array; `None` if there is nothing yet but white space.
#[must_use]
pub fn begins_list(start: &[u8]) -> Option<bool> {
    text::without_mark(start).trim_ascii_start().first().map(|&byte| byte == b'[')
}

/// Reads an object.
///
/// # Errors
///
/// [`Fault::Malformed`] if it is not JSON, has a name twice or a string that is no text;
/// [`Fault::Unprocessable`] if it is no object; [`Fault::TooLarge`] beyond the limits.
pub fn parse(body: &[u8], limits: &Limits) -> Result<Vec<Member>, InvalidRecord> {
    let mut room = Room::new(limits);
    let mut json = Deserializer::from_str(text::of(body)?);
    let read = RecordSeed { room: &mut room, depth: limits.depth_max }.deserialize(&mut json);
    let read = read.and_then(|members| json.end().map(|()| members));
    read.map_err(|error| InvalidRecord::new(&error, room.fault))
}

/// Reads an array of objects.
///
/// # Errors
///
/// As [`parse`], for any of them.
pub fn parse_list(body: &[u8], limits: &Limits) -> Result<Vec<Vec<Member>>, InvalidRecord> {
    let mut room = Room::new(limits);
    let mut json = Deserializer::from_str(text::of(body)?);
    let list = List { room: &mut room, limits };
    let read = json.deserialize_any(list);
    let read = read.and_then(|records| json.end().map(|()| records));
    read.map_err(|error| InvalidRecord::new(&error, room.fault))
}

impl InvalidRecord {
    fn new(error: &serde_json::Error, fault: Option<(Fault, String)>) -> Self {
        let (fault, message) = fault.unwrap_or_else(|| explain(error));
        Self { fault, line: error.line(), column: error.column(), message }
    }
}

impl From<NoText> for InvalidRecord {
    fn from(error: NoText) -> Self {
        let NoText { line, column } = error;
        Self { fault: Fault::Malformed, line, column, message: error.to_string() }
    }
}

/// What serde_json found, without the place.
pub(crate) fn explain(error: &serde_json::Error) -> (Fault, String) {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message);
    let fault = match error.classify() {
        serde_json::error::Category::Data => Fault::Unprocessable,
        _ => Fault::Malformed,
    };
    (fault, message.to_owned())
}

/// The names of the members of records. Records of one table have the same names: each is kept once.
#[derive(Default)]
pub(crate) struct Names {
    /// Each name, and which record had it last.
    known: HashMap<Arc<str>, Cell<usize>>,
    record: usize,
}

impl Names {
    /// What comes from now on are names of another record.
    pub(crate) fn next_record(&mut self) {
        self.record += 1;
    }

    /// A name of the record; `None` if it has that already.
    pub(crate) fn take(&mut self, name: &str) -> Option<Arc<str>> {
        if let Some((name, last)) = self.known.get_key_value(name) {
            return (last.replace(self.record) != self.record).then(|| name.clone());
        }
        let name: Arc<str> = name.into();
        self.known.insert(name.clone(), Cell::new(self.record));
        Some(name)
    }
}

/// What the records of one document share.
pub(crate) struct Room {
    /// How many more members there may be.
    left: usize,
    names: Names,
    /// The fault that stopped the reading, for which serde has no words.
    pub(crate) fault: Option<(Fault, String)>,
}

impl Room {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { left: limits.fields_max, names: Names::default(), fault: None }
    }

    fn stop<E: de::Error>(&mut self, fault: Fault, message: String) -> E {
        self.fault = Some((fault, message));
        E::custom("the record is refused")
    }
}

/// Reads an object that is nested no deeper than `depth`.
pub(crate) struct RecordSeed<'a> {
    pub(crate) room: &'a mut Room,
    pub(crate) depth: usize,
}

impl<'de> DeserializeSeed<'de> for RecordSeed<'_> {
    type Value = Vec<Member>;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_> {
    type Value = Vec<Member>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self { room, depth } = self;
        let mut members = Vec::new();
        room.names.next_record();
        while let Some(name) = map.next_key_seed(NameSeed(room))? {
            room.left = match room.left.checked_sub(1) {
                Some(left) => left,
                None => return Err(room.stop(Fault::TooLarge, "there are too many members".into())),
            };
            let value = map.next_value::<&RawValue>()?.get();
            check(value, depth).map_err(|(fault, message)| room.stop(fault, message.to_owned()))?;
            members.push(Member { name, value: (value != "null").then(|| value.into()) });
        }
        Ok(members)
    }
}

struct NameSeed<'a>(&'a mut Room);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Arc<str>;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        let Self(room) = self;
        room.names.take(name).ok_or_else(|| {
            let message = format!("the name {} stands twice in one object", quote(name));
            room.stop(Fault::Malformed, message)
        })
    }
}

struct List<'a> {
    room: &'a mut Room,
    limits: &'a Limits,
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Vec<Vec<Member>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Self { room, limits } = self;
        let (most, depth) = (limits.items_max, limits.depth_max.saturating_sub(1));
        let mut records = Vec::new();
        while let Some(record) = list.next_element_seed(RecordSeed { room, depth })? {
            if records.len() == most {
                let message = format!("there are at most {most} objects in one array");
                return Err(room.stop(Fault::TooLarge, message));
            }
            records.push(record);
        }
        Ok(records)
    }
}

/// What serde_json passes over without a look: how deep a value is nested in an object, and whether
/// its strings are text, of which half a surrogate pair is none.
fn check(json: &str, depth_max: usize) -> Result<(), (Fault, &'static str)> {
    let mut bytes = json.bytes();
    // Whether the first half of a surrogate pair came just before.
    let mut high = false;
    let (mut depth, mut in_string) = (1, false);
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if bytes.next() == Some(b'u') => {
                let unit = bytes.by_ref().take(4).fold(0, |unit, digit| {
                    unit << 4 | char::from(digit).to_digit(16).unwrap_or_default()
                });
                if high != matches!(unit, 0xdc00..0xe000) {
                    return Err(HALF);
                }
                high = matches!(unit, 0xd800..0xdc00);
                continue;
            }
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > depth_max {
                    return Err((Fault::TooLarge, "arrays and objects are nested too deeply"));
                }
            }
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        if high {
            return Err(HALF);
        }
    }
    Ok(())
}

const HALF: (Fault, &str) = (Fault::Malformed, "half a surrogate pair is no character");

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { depth_max: 3, items_max: 2, fields_max: 4, ..Limits::default() }
    }

    /// Names and values, or what is wrong.
    fn read(body: &str) -> String {
        match parse(body.as_bytes(), &limits()) {
            Ok(members) => line(&members),
            Err(error) => failed(&error),
        }
    }

    fn read_list(body: &str) -> String {
        match parse_list(body.as_bytes(), &limits()) {
            Ok(records) => records.iter().map(|record| line(record)).collect::<Vec<_>>().join("; "),
            Err(error) => failed(&error),
        }
    }

    fn line(members: &[Member]) -> String {
        let member = |member: &Member| {
            format!("{} {}", member.name, member.value.as_deref().unwrap_or("no value"))
        };
        members.iter().map(member).collect::<Vec<_>>().join(", ")
    }

    fn failed(error: &InvalidRecord) -> String {
        let status = match error.fault {
            Fault::Malformed => 400,
            Fault::TooLarge => 413,
            Fault::Unprocessable => 422,
        };
        format!("{status} {error}")
    }

    #[test]
    fn values_stay_as_they_were_written() {
        for (body, said) in [
            ("{}", ""),
            ("\u{feff} {\"a\" : 1.50e+3 } ", "a 1.50e+3"),
            ("{\"a\": 12345678901234567890123}", "a 12345678901234567890123"),
            ("{\"a\": null, \"\": \"null\"}", "a no value,  \"null\""),
            ("{\"\\u0061\": [1, {}]}", "a [1, {}]"),
            ("{\"a\": \"\\ud83d\\ude00 [[[[ \\\" \\\\\"}", "a \"\\ud83d\\ude00 [[[[ \\\" \\\\\""),
        ] {
            assert_eq!(read(body), said, "{body}");
        }
    }

    #[test]
    fn what_is_no_record() {
        for (body, said) in [
            ("", "400 line 1, column 0: EOF while parsing a value"),
            ("{\"a\": 01}", "400 line 1, column 8: invalid number"),
            ("{\"a\"\n: x}", "400 line 2, column 3: expected value"),
            ("{} {}", "400 line 1, column 4: trailing characters"),
            ("[]", "422 line 1, column 2: invalid type: sequence, expected an object"),
            ("null", "422 line 1, column 4: invalid type: null, expected an object"),
            (
                "{\"a\": 1, \"\\u0061\": 1}",
                "400 line 1, column 17: the name \"a\" stands twice in one object",
            ),
            ("{\"a\": [[[]]]}", "413 line 1, column 13: arrays and objects are nested too deeply"),
            (
                "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1}",
                "413 line 1, column 28: there are too many members",
            ),
            (
                "{\"a\": \"\\ud83d\"}",
                "400 line 1, column 15: half a surrogate pair is no character",
            ),
            (
                "{\"a\": \"\\ud83dx\\ude00\"}",
                "400 line 1, column 22: half a surrogate pair is no character",
            ),
            (
                "{\"a\": [\"\\ude00\"]}",
                "400 line 1, column 17: half a surrogate pair is no character",
            ),
        ] {
            assert_eq!(read(body), said, "{body}");
        }
        let error = parse(b"{\"a\": \"\xff\"}", &limits()).unwrap_err();
        assert_eq!(error.fault, Fault::Malformed);
    }

    #[test]
    fn arrays_of_records() {
        for (body, said) in [
            ("[]", ""),
            ("[{\"a\": 1}, {\"a\": 2}]", "a 1; a 2"),
            ("{}", "422 line 1, column 2: invalid type: map, expected an array of objects"),
            ("[{}, []]", "422 line 1, column 7: invalid type: sequence, expected an object"),
            ("[{}, {}, {}]", "413 line 1, column 12: there are at most 2 objects in one array"),
            ("[{\"a\": [1]}]", "a [1]"),
            ("[{\"a\": [[]]}]", "413 line 1, column 12: arrays and objects are nested too deeply"),
            ("[{},", "400 line 1, column 4: EOF while parsing a value"),
        ] {
            assert_eq!(read_list(body), said, "{body}");
        }
        let records = parse_list(b"[{\"a\": 1}, {\"a\": 2}]", &limits()).unwrap();
        assert!(Arc::ptr_eq(&records[0][0].name, &records[1][0].name), "each name is kept once");
    }

    #[test]
    fn the_beginning_tells_arrays_from_objects() {
        for (start, expected) in
            [("", None), (" \n", None), ("\u{feff}", None), (" [", Some(true)), ("{", Some(false))]
        {
            assert_eq!(begins_list(start.as_bytes()), expected, "{start:?}");
        }
    }
}
