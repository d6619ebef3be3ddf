//! Columns of records as properties: their names, their values, and what PROPPATCH makes of them.
//!
//! A property of the namespace [`COLUMNS`] is a column. Its name is that of the column, with what
//! XML has not in names written as `_xHHHH_`, as SQL/XML has it (ISO 9075-14 §9.1). Its value is a
//! text; with `null="true"` there is none, and with `encoding="base64"` it is bytes.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use http::StatusCode;
use multistatus::xml::{Element, Name, is_char, is_name_char, is_name_start};
use multistatus::{PropStat, Properties, Property};
use polydav_proto::body::{Change, PropertyUpdate};
use polydav_proto::condition::Condition;
use polydav_proto::encoding::{decode_base64, encode_base64};
use polydav_store::{Action, COLUMNS, Field, Fields, ResourcePath, Value};

use crate::{live, proppatch};

const NULL: Name = Name::from_static("", "null");
const ENCODING: Name = Name::from_static("", "encoding");

/// What stands for no character at all: a column may have an empty name, a property may not.
const EMPTY: &str = "_x_";

/// The local name of the property that is this column.
fn encode(column: &str) -> String {
    if column.is_empty() {
        return EMPTY.to_owned();
    }
    let mut local = String::with_capacity(column.len());
    let mut rest = column.chars().peekable();
    while let Some(c) = rest.next() {
        let fits = if local.is_empty() { is_name_start(c) } else { is_name_char(c) };
        let begins_escape = c == '_' && rest.peek() == Some(&'x');
        if fits && !begins_escape {
            local.push(c);
        } else {
            let _ = write!(local, "_x{:04X}_", u32::from(c));
        }
    }
    local
}

/// The column that a property of this local name is.
pub(crate) fn decode(local: &str) -> String {
    if local == EMPTY {
        return String::new();
    }
    let mut column = String::with_capacity(local.len());
    let mut rest = local;
    while let Some(at) = rest.find("_x") {
        column.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match escape(rest) {
            Some((c, length)) => {
                column.push(c);
                length
            }
            None => {
                column.push('_');
                1
            }
        };
        rest = &rest[length..];
    }
    column + rest
}

/// The character of the escape that a text begins with, and the length of that.
fn escape(text: &str) -> Option<(char, usize)> {
    let (digits, _) = text.strip_prefix("_x")?.split_once('_')?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || !(4..=8).contains(&digits.len()) {
        return None;
    }
    let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    Some((c, digits.len() + 3))
}

/// The names of the properties that are columns, each made once.
#[derive(Default)]
pub(crate) struct Names(HashMap<Arc<str>, Name>);

impl Names {
    /// Writes the property that is this column.
    pub(crate) fn tell(&mut self, properties: &mut Properties<'_>, field: &Field) {
        let name = self.name(&field.name);
        match &field.value {
            Value::Null => {
                properties.element(&Element::new(name.clone()).with_attribute(NULL, "true"));
            }
            Value::Text(text) | Value::Json(text) if text.chars().all(is_char) => {
                properties.text(name, text);
            }
            Value::Text(text) | Value::Json(text) => encoded(properties, name, text.as_bytes()),
            Value::Bytes(bytes) => encoded(properties, name, bytes),
            // Nothing that is there has one.
            Value::Added(_) => properties.empty(name),
        }
    }

    /// Writes its name alone.
    pub(crate) fn tell_name(&mut self, properties: &mut Properties<'_>, column: &Arc<str>) {
        properties.empty(self.name(column));
    }

    fn name(&mut self, column: &Arc<str>) -> &Name {
        self.0.entry(column.clone()).or_insert_with(|| {
            Name::new(COLUMNS, &encode(column)).expect("what a name can't have in it is escaped")
        })
    }
}

fn encoded(properties: &mut Properties<'_>, name: &Name, bytes: &[u8]) {
    let element = Element::new(name.clone()).with_attribute(ENCODING, "base64");
    properties.element(&element.with_text(&encode_base64(bytes)));
}

/// The value that a property stands for, or why it stands for none.
fn value(property: &Element) -> Result<Value, &'static str> {
    let (mut is_null, mut is_base64) = (false, false);
    for attribute in property.attributes().iter().filter(|a| a.name().namespace().is_empty()) {
        match (attribute.name().local(), attribute.value()) {
            ("null", "true") => is_null = true,
            ("null", "false") => {}
            ("encoding", "base64") => is_base64 = true,
            ("null", _) => return Err("null: expected true or false"),
            ("encoding", _) => return Err("encoding: expected base64"),
            _ => return Err("expected no attribute but null and encoding"),
        }
    }
    if property.elements().next().is_some() {
        return Err("expected a text, without elements");
    }
    let text = property.text();
    match (is_null, is_base64) {
        (true, false) if text.trim_ascii().is_empty() => Ok(Value::Null),
        (true, _) => Err("expected a text or null=\"true\", one of them"),
        (false, true) => match decode_base64(text) {
            Ok(bytes) => Ok(Value::Bytes(bytes.into())),
            Err(_) => Err("expected base64"),
        },
        (false, false) => Ok(Value::Text(text.into())),
    }
}

/// The column of a property, if it is one.
pub(crate) fn of(name: &Name) -> Option<String> {
    (name.namespace() == COLUMNS).then(|| decode(name.local()))
}

/// What an update of properties comes to for a record: an action, or what becomes of each property
/// where some can't be changed, and nothing is.
pub(crate) fn plan(
    target: ResourcePath,
    update: &PropertyUpdate,
) -> (Action, Option<Vec<PropStat>>) {
    let (mut record, mut places) = (Fields::new(), HashMap::new());
    let mut refused = HashMap::new();
    for change in &update.changes {
        match read(change) {
            Ok(Field { name, value }) => match places.get(&name) {
                // Changes are done in their order (RFC 4918 §9.2): the last one stays.
                Some(&place) => record[place] = Field { name, value },
                None => {
                    places.insert(name.clone(), record.len());
                    record.push(Field { name, value });
                }
            },
            // It is no error if there is none (RFC 4918 §14.23).
            Err(Refusal::NoColumn) if matches!(change, Change::Remove(_)) => {}
            Err(refusal) => {
                refused.entry(change.name()).or_insert(refusal);
            }
        }
    }
    if refused.is_empty() {
        return (Action::Update { target, record }, None);
    }
    (Action::Update { target, record: Fields::new() }, Some(prop_stats(update, &refused)))
}

fn read(change: &Change) -> Result<Field, Refusal> {
    let name = change.name();
    let Some(column) = of(name) else {
        return Err(if live::is_protected(name) { Refusal::Protected } else { Refusal::NoColumn });
    };
    let value = match change {
        Change::Set(property) => value(property).map_err(Refusal::Invalid)?,
        Change::Remove(_) => Value::Null,
    };
    Ok(Field { name: column.into(), value })
}

/// Why a property can't be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It is a live property.
    Protected,
    /// Records have no properties but their columns.
    NoColumn,
    /// Its value is none that a column could have.
    Invalid(&'static str),
}

impl Refusal {
    fn prop_stat(self) -> PropStat {
        let stat = |status| PropStat::new(status, []);
        match self {
            Self::Protected => PropStat {
                conditions: vec![Condition::CannotModifyProtectedProperty.to_element()],
                ..stat(StatusCode::FORBIDDEN)
            },
            Self::NoColumn => PropStat {
                description: Some(format!("a record has its columns alone, in {COLUMNS}")),
                ..stat(StatusCode::FORBIDDEN)
            },
            Self::Invalid(why) => PropStat {
                description: Some(why.to_owned()),
                ..stat(StatusCode::UNPROCESSABLE_ENTITY)
            },
        }
    }
}

/// What becomes of each property, the refused ones first. The others weren't changed because of
/// them.
fn prop_stats(update: &PropertyUpdate, refused: &HashMap<&Name, Refusal>) -> Vec<PropStat> {
    let mut stats: Vec<(Refusal, PropStat)> = Vec::new();
    let mut others = PropStat::new(StatusCode::FAILED_DEPENDENCY, []);
    for name in proppatch::names(update) {
        let property = Property::empty(name.clone());
        let Some(refusal) = refused.get(name) else {
            others.properties.push(property);
            continue;
        };
        match stats.iter_mut().find(|(known, _)| known == refusal) {
            Some((_, stat)) => stat.properties.push(property),
            None => {
                let mut stat = refusal.prop_stat();
                stat.properties.push(property);
                stats.push((*refusal, stat));
            }
        }
    }
    let stats = stats.into_iter().map(|(_, stat)| stat);
    stats.chain(Some(others).filter(|others| !others.properties.is_empty())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_xml_does_not_have_are_escaped_iso9075_14() {
        for (column, local) in [
            ("email", "email"),
            ("größe", "größe"),
            ("first name", "first_x0020_name"),
            ("1st", "_x0031_st"),
            ("a:b", "a_x003A_b"),
            ("_x", "_x005F_x"),
            ("a_xyz", "a_x005F_xyz"),
            ("_X0020_", "_X0020_"),
            ("_x0020_", "_x005F_x0020_"),
            ("\"; drop", "_x0022__x003B__x0020_drop"),
            ("\0", "_x0000_"),
            ("\u{f0000}", "_xF0000_"),
            ("", "_x_"),
        ] {
            assert_eq!(encode(column), local);
            assert_eq!(decode(local), column);
        }
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for local in ["_x", "_x20_", "_xD800_", "_x000000020_", "_xzzzz_", "a_x", "_x0020"] {
            assert_eq!(decode(local), local);
        }
        assert_eq!(decode("_x0061_b"), "ab");
        assert_eq!(decode("_x00000061_"), "a");
    }

    proptest! {
        #[test]
        fn every_name_is_read_as_it_was_written(column in "([_xX0-9:. ]|\\PC|\0){0,8}") {
            let local = encode(&column);
            prop_assert!(Name::new(COLUMNS, &local).is_ok(), "{}", local);
            prop_assert_eq!(decode(&local), column);
        }
    }
}
