//! The document in JSON, and the lines of NDJSON.
//!
//! Operations are read one by one, so that limits hold while reading: only one of them is ever in
//! memory as a tree.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, DeserializeSeed, Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::de::Read;
use serde_json::{Deserializer, Number};

use super::draft::{Draft, DraftValue, Drafts, XmlSpent};
use super::name::{Attribute, Setting, quote, unknown};
use super::{Fault, Format, InvalidBatch, Limits, Place, Value, Verb};
use crate::body::PropertyUpdate;
use crate::record::{Member, RecordSeed, Room, explain as explain_record};
use crate::text::{self, NoText};

/// Reads `{"operations": […]}` with settings beside, or the array alone.
pub(super) fn read(body: &[u8], limits: &Limits) -> Result<Drafts, InvalidBatch> {
    let mut json = Deserializer::from_str(text::of(body)?);
    let drafts = Drafts::new(Format::Json, Place::Document);
    let records = Room::new(limits);
    let mut reader = Reader { drafts, limits, seen: false, room: 0, records, fault: None };
    let read = json.deserialize_any(&mut reader).and_then(|()| json.end());
    read.map_err(|error| explain(&error, reader.fault))?;
    if !reader.seen {
        return Place::Document.refuse("operations is missing");
    }
    Ok(reader.drafts)
}

/// What a value of NDJSON says.
pub(super) enum Line {
    /// `{"batch": {…settings}}`.
    Settings(Drafts),
    Operation(Box<Draft>),
}

/// Reads the next value; `index` is that of the operation, if it is one.
pub(super) fn read_line<'de, R: Read<'de>>(
    json: &mut Deserializer<R>,
    index: usize,
    spent: &mut XmlSpent,
    limits: &Limits,
) -> Result<Line, InvalidBatch> {
    let (mut fault, mut room, mut records) = (None, NODES_MAX, Room::new(limits));
    let node = NodeSeed {
        depth: limits.depth_max,
        room: &mut room,
        fault: &mut fault,
        records: Some(&mut records),
    };
    let node = node.deserialize(json).map_err(|error| explain(&error, fault))?;
    let mut drafts = Drafts::new(Format::NdJson, Place::Settings);
    match settings_line(node) {
        Ok(Node::Object(settings)) => {
            for (key, value) in settings {
                let setting = setting(&drafts, &key)?;
                set(&mut drafts, setting, value)?;
            }
            Ok(Line::Settings(drafts))
        }
        Ok(_) => drafts.place.refuse("batch is an object, and the first line only"),
        Err(node) => {
            let draft = draft(Place::Operation(index), node, spent, limits)?;
            Ok(Line::Operation(Box::new(draft)))
        }
    }
}

/// The value of `batch` in a line that has only this; any other line is given back.
fn settings_line(node: Node) -> Result<Node, Node> {
    match node {
        Node::Object(mut entries) if matches!(&*entries, [(key, _)] if key == "batch") => {
            Ok(entries.pop().map_or(Node::Null, |(_, value)| value))
        }
        other => Err(other),
    }
}

impl From<NoText> for InvalidBatch {
    fn from(error: NoText) -> Self {
        let place = Place::Line { line: error.line as u64, column: error.column as u64 };
        Self { fault: Fault::Malformed, place, message: error.to_string() }
    }
}

/// The fault that stopped the reading, or what serde_json found, and the place of it.
fn explain(error: &serde_json::Error, fault: Option<InvalidBatch>) -> InvalidBatch {
    let place = Place::Line { line: error.line() as u64, column: error.column() as u64 };
    match fault {
        Some(invalid) if invalid.place == Place::Document => {
            return InvalidBatch { place, ..invalid };
        }
        Some(invalid) => return invalid,
        None => {}
    }
    let (fault, message) = explain_record(error);
    InvalidBatch { fault, place, message }
}

/// A JSON value: keys in their order, no key twice.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
    /// The values of a row.
    Record(Vec<Member>),
}

/// The most values in one operation: a tree of them takes far more memory than its text.
const NODES_MAX: usize = 100_000;

/// Reads a value that goes no deeper than `depth`, and has no more values in it than `room`. Faults
/// that serde has no words for are left in `fault`.
struct NodeSeed<'a> {
    depth: usize,
    room: &'a mut usize,
    fault: &'a mut Option<InvalidBatch>,
    /// Where this is an operation, of which `values` is a record.
    records: Option<&'a mut Room>,
}

/// Leaves a fault for [`explain`], and stops the reading.
fn stop<E: de::Error>(fault: &mut Option<InvalidBatch>, invalid: InvalidBatch) -> E {
    *fault = Some(invalid);
    E::custom("the document is refused")
}

impl NodeSeed<'_> {
    /// For a value within this one.
    fn deeper<E: de::Error>(&mut self) -> Result<NodeSeed<'_>, E> {
        let message = match (self.depth.checked_sub(1), self.room.checked_sub(1)) {
            (Some(depth), Some(room)) => {
                *self.room = room;
                return Ok(NodeSeed { depth, room: self.room, fault: self.fault, records: None });
            }
            (None, _) => "arrays and objects are nested too deeply".to_owned(),
            (_, None) => format!("an operation has at most {NODES_MAX} values"),
        };
        let invalid = InvalidBatch { fault: Fault::TooLarge, place: Place::Document, message };
        Err(stop(self.fault, invalid))
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = Node;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Node, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element_seed(self.deeper()?)? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Node, A::Error> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let node = match &mut self.records {
                Some(room) if key == "values" => {
                    let depth = self.depth.saturating_sub(1);
                    let record = map.next_value_seed(RecordSeed { room, depth });
                    if let Some((fault, message)) = room.fault.take() {
                        let place = Place::Document;
                        *self.fault = Some(InvalidBatch { fault, place, message });
                    }
                    Node::Record(record?)
                }
                _ => map.next_value_seed(self.deeper()?)?,
            };
            entries.push((key, node));
        }
        let mut keys: Vec<_> = entries.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            let message = format!("the key {} stands twice in one object", quote(pair[0]));
            let invalid =
                InvalidBatch { fault: Fault::Unprocessable, place: Place::Document, message };
            return Err(stop(self.fault, invalid));
        }
        Ok(Node::Object(entries))
    }
}

/// Reads the document: settings and operations in any order.
struct Reader<'a> {
    drafts: Drafts,
    limits: &'a Limits,
    /// Whether there were operations.
    seen: bool,
    room: usize,
    records: Room,
    fault: Option<InvalidBatch>,
}

impl Reader<'_> {
    /// For a value below the document and its list, which are two levels of the depth.
    fn node(&mut self) -> NodeSeed<'_> {
        self.room = NODES_MAX;
        let depth = self.limits.depth_max.saturating_sub(2);
        NodeSeed { depth, room: &mut self.room, fault: &mut self.fault, records: None }
    }

    fn operation(&mut self) -> NodeSeed<'_> {
        let depth = self.limits.depth_max.saturating_sub(2);
        self.room = NODES_MAX;
        let records = Some(&mut self.records);
        NodeSeed { depth, room: &mut self.room, fault: &mut self.fault, records }
    }
}

impl<'de> Visitor<'de> for &mut Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with operations, or the array of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if keys.contains(&key) {
                let message = format!("the key {} stands twice in one object", quote(&key));
                let invalid = Place::Document.refuse::<()>(message);
                return invalid.map_err(|invalid| stop(&mut self.fault, invalid));
            }
            if key == "operations" {
                map.next_value_seed(Operations(self))?;
            } else {
                let setting = setting(&self.drafts, &key).map_err(|e| stop(&mut self.fault, e))?;
                let value = map.next_value_seed(self.node())?;
                set(&mut self.drafts, setting, value).map_err(|e| stop(&mut self.fault, e))?;
            }
            keys.push(key);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        Operations(self).visit_seq(list)
    }
}

/// The value of `operations`.
struct Operations<'a, 'b>(&'a mut Reader<'b>);

impl<'de> DeserializeSeed<'de> for Operations<'_, '_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Operations<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of operations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(reader) = self;
        reader.seen = true;
        while let Some(node) = list.next_element_seed(reader.operation())? {
            push(&mut reader.drafts, node, reader.limits)
                .map_err(|invalid| stop(&mut reader.fault, invalid))?;
        }
        Ok(())
    }
}

fn setting(drafts: &Drafts, key: &str) -> Result<Setting, InvalidBatch> {
    match Setting::ALL.iter().find(|(.., name)| *name == key) {
        Some((setting, ..)) => Ok(*setting),
        None => {
            let known = Setting::ALL.map(|(.., name)| name).into_iter().chain(["operations"]);
            drafts.place.refuse(unknown("key", key, known))
        }
    }
}

fn set(drafts: &mut Drafts, setting: Setting, value: Node) -> Result<(), InvalidBatch> {
    let name = setting.name(drafts.format);
    let text = match (setting, value) {
        (Setting::Strict | Setting::DryRun, Node::Bool(flag)) => flag.to_string(),
        (Setting::Strict | Setting::DryRun, _) => {
            return drafts.place.refuse(format!("{name}: expected true or false"));
        }
        (_, Node::Text(text)) => text,
        _ => return drafts.place.refuse(format!("{name}: expected a string")),
    };
    drafts.settings[setting as usize] = Some(text);
    Ok(())
}

/// Adds an operation to the drafts.
fn push(drafts: &mut Drafts, node: Node, limits: &Limits) -> Result<(), InvalidBatch> {
    drafts.make_room(limits)?;
    let place = Place::Member(drafts.items.len());
    let draft = draft(place, node, &mut drafts.xml, limits)?;
    drafts.items.push(draft);
    Ok(())
}

/// What an operation says; what its XML takes is added to what was `spent` before.
fn draft(
    place: Place,
    node: Node,
    spent: &mut XmlSpent,
    limits: &Limits,
) -> Result<Draft, InvalidBatch> {
    let Node::Object(mut entries) = node else { return place.refuse("expected an object") };
    let Some(op) = entries.iter().position(|(key, _)| key == "op") else {
        return place.refuse("op is missing");
    };
    let (_, Node::Text(verb)) = entries.remove(op) else {
        return place.refuse("op: expected a string");
    };
    let verb = Verb::parse(&verb).or_else(|said| place.refuse(said))?;
    let mut draft = Draft::new(place, verb);
    for (key, value) in entries {
        if let ("patch", Node::Text(text)) = (&*key, &value) {
            spent.elements += elements(text);
        }
        let most = limits.elements_max;
        if spent.elements > most {
            let message = format!("a batch has at most {most} elements");
            return draft.place.fail(Fault::TooLarge, message);
        }
        member(&mut draft, &key, value, limits)?;
    }
    spent.scope_bytes += draft.patch.as_ref().map_or(0, PropertyUpdate::scope_bytes);
    let most = limits.document_bytes_max;
    if spent.scope_bytes > most {
        let message =
            format!("the namespaces and languages of all properties have at most {most} bytes");
        return draft.place.fail(Fault::TooLarge, message);
    }
    Ok(draft)
}

/// How many elements a text has in it, or a few more, without reading it as XML.
fn elements(text: &str) -> usize {
    let starts = text.as_bytes().windows(2).filter(|pair| pair[0] == b'<' && pair[1] != b'/');
    starts.count()
}

/// Takes one key of an operation.
fn member(draft: &mut Draft, key: &str, value: Node, limits: &Limits) -> Result<(), InvalidBatch> {
    const BODIES: [(&str, Verb, &str); 5] = [
        ("content", Verb::Put, "a string"),
        ("contentBase64", Verb::Put, "a string"),
        ("patch", Verb::PropPatch, "a string with D:set and D:remove elements"),
        ("values", Verb::Create, "an object"),
        ("values", Verb::Update, "an object"),
    ];
    let body = |(name, verb, _): &&(&str, Verb, &str)| *name == key && *verb == draft.verb;
    if let Some((_, _, expected)) = BODIES.iter().find(body) {
        return match (key, value) {
            ("content" | "contentBase64", Node::Text(text)) => content(draft, key, text),
            ("patch", Node::Text(text)) => patch(draft, &text, limits),
            ("values", Node::Record(members)) => {
                draft.values = members.into_iter().map(field).collect();
                Ok(())
            }
            _ => draft.place.refuse(format!("{key}: expected {expected}")),
        };
    }
    if BODIES.iter().any(|(name, ..)| *name == key) {
        return draft.place.refuse(format!("{} has no {key}", draft.verb));
    }
    let Some((attribute, ..)) = Attribute::ALL.iter().find(|(.., name)| *name == key) else {
        let known = Attribute::ALL.map(|(.., name)| name).into_iter();
        let known = known.chain(BODIES.map(|(name, ..)| name)).chain(["op"]);
        return draft.place.refuse(unknown("key", key, known));
    };
    let text = match (attribute, value) {
        (Attribute::Overwrite, Node::Bool(replace)) => if replace { "T" } else { "F" }.to_owned(),
        (Attribute::Overwrite, _) => {
            return draft.place.refuse(format!("{key}: expected true or false"));
        }
        (Attribute::Needs | Attribute::Tokens, Node::List(list)) => words(draft, key, list)?,
        (Attribute::Needs | Attribute::Tokens, _) => {
            return draft.place.refuse(format!("{key}: expected an array of strings"));
        }
        (_, Node::Text(text)) => text,
        _ => return draft.place.refuse(format!("{key}: expected a string")),
    };
    draft.attributes[*attribute as usize] = Some(text);
    Ok(())
}

fn content(draft: &mut Draft, key: &str, text: String) -> Result<(), InvalidBatch> {
    if std::mem::replace(&mut draft.has_content, true) {
        return draft.place.refuse("put has content or contentBase64, not both");
    }
    draft.base64 = key == "contentBase64";
    draft.content = text.into_bytes();
    Ok(())
}

fn patch(draft: &mut Draft, text: &str, limits: &Limits) -> Result<(), InvalidBatch> {
    let place = &draft.place;
    let update = PropertyUpdate::parse_fragment(text, limits.xml()).or_else(|error| {
        let fault = if error.is_limit() { Fault::TooLarge } else { Fault::Unprocessable };
        place.fail(fault, format!("patch: expected {}", error.expected()))
    })?;
    draft.patch = Some(update);
    Ok(())
}

/// Strings, each of which is one word, as XML writes them: with spaces between.
fn words(draft: &Draft, key: &str, list: Vec<Node>) -> Result<String, InvalidBatch> {
    let mut words = String::new();
    for node in list {
        match node {
            Node::Text(word) if !word.is_empty() && !word.contains(char::is_whitespace) => {
                words.push_str(&word);
                words.push(' ');
            }
            _ => return draft.place.refuse(format!("{key}: expected strings without spaces")),
        }
    }
    Ok(words)
}

/// A member of `values`: a value of JSON, unless it is a [`Word`].
fn field(member: Member) -> (Arc<str>, DraftValue) {
    let value = match member.value {
        None => DraftValue::Ready(Value::Null),
        Some(json) => match word(&json) {
            Some(Word::Ref(id)) => DraftValue::Ref(id.into_owned()),
            Some(Word::Text(text)) => DraftValue::Ready(Value::Text(text.into())),
            Some(Word::Base64(text)) => DraftValue::Base64(text.into_owned()),
            None => DraftValue::Ready(Value::Json(json)),
        },
    };
    (member.name, value)
}

/// An object that stands for what JSON itself has no word for.
#[derive(serde::Deserialize, serde::Serialize)]
pub(super) enum Word<'a> {
    /// The key of the row that the operation of this id makes.
    #[serde(rename = "$ref")]
    Ref(Cow<'a, str>),
    /// A text that the column reads as its type wants it.
    #[serde(rename = "$text")]
    Text(Cow<'a, str>),
    /// Bytes.
    #[serde(rename = "$base64")]
    Base64(Cow<'a, str>),
}

/// The word that a JSON value is, if it is one.
pub(super) fn word(json: &str) -> Option<Word<'static>> {
    let object = json.trim_ascii_start().starts_with('{').then_some(json)?;
    serde_json::from_str(object).ok()
}

#[cfg(test)]
mod tests {
    use crate::batch::{BatchRequest, Fault, Format, Kind, Limits, Value};
    use crate::reference::Path;

    fn json(body: &str) -> Result<BatchRequest, String> {
        let limits = Limits { depth_max: 8, ..Limits::default() };
        BatchRequest::parse(Format::Json, body.as_bytes(), &Path::root(), &limits).map_err(
            |error| {
                let status = match error.fault {
                    Fault::Malformed => 400,
                    Fault::TooLarge => 413,
                    Fault::Unprocessable => 422,
                };
                format!("{status} {error}")
            },
        )
    }

    /// What is wrong with an operation of this text.
    fn operation(members: &str) -> String {
        json(&format!("[{{{members}}}]")).unwrap_err()
    }

    #[test]
    fn documents_of_bad_structure() {
        for (body, said) in [
            ("", "400 line 1, column 0: EOF while parsing a value"),
            ("[", "400 line 1, column 1: EOF while parsing a list"),
            ("[] x", "400 line 1, column 4: trailing characters"),
            (
                "7",
                "422 line 1, column 1: invalid type: integer `7`, expected an object with operations, or the array of them",
            ),
            ("{}", "422 operations is missing"),
            (
                "{\"operations\": {}}",
                "422 line 1, column 17: invalid type: map, expected an array of operations",
            ),
            (
                "{\"mode\": \"stop\",\n \"mode\": \"stop\"}",
                "422 line 2, column 7: the key \"mode\" stands twice in one object",
            ),
            (
                "{\"operations\": [], \"operations\": []}",
                "422 line 1, column 31: the key \"operations\" stands twice in one object",
            ),
            (
                "{\"Mode\": \"stop\"}",
                "422 line 1, column 7: unknown key \"Mode\" (did you mean \"mode\"?)",
            ),
            (
                "{\"operations\": [], \"mode\": \"atomc\"}",
                "422 unknown mode \"atomc\" (did you mean \"atomic\"?)",
            ),
            (
                "{\"operations\": [], \"dryRun\": 1}",
                "422 line 1, column 31: dryRun: expected true or false",
            ),
            ("{\"operations\": [], \"key\": \"a b\"}", "422 key: expected one key at byte 2"),
            (
                "{\"operations\": [], \"base\": \"/a?\"}",
                "422 base: expected no query (write ? as %3F) at byte 2",
            ),
            ("[1]", "422 operations[0]: expected an object"),
            (
                "[[[[[[[[[[]]]]]]]]]]",
                "413 line 1, column 8: arrays and objects are nested too deeply",
            ),
        ] {
            assert_eq!(json(body).unwrap_err(), said, "{body}");
        }
    }

    #[test]
    fn operations_of_bad_structure() {
        for (members, said) in [
            ("", "op is missing"),
            (r#""op": 1"#, "op: expected a string"),
            (r#""op": "mvoe""#, "unknown operation \"mvoe\" (did you mean \"move\"?)"),
            (r#""op": "lock""#, "lock is no batch operation: send a request for it"),
            (r#""op": "put""#, "put lacks href"),
            (r#""op": "move", "href": "a""#, "move lacks dest"),
            (r#""op": "put", "href": "a", "dest": "b""#, "put has no dest"),
            (
                r#""op": "put", "href": "a", "ifMacth": "b""#,
                "unknown key \"ifMacth\" (did you mean \"ifMatch\"?)",
            ),
            (
                r#""op": "put", "href": "a", "if-match": "b""#,
                "unknown key \"if-match\" (did you mean \"ifMatch\"?)",
            ),
            (r#""op": "put", "href": "a", "encoding": "base64""#, "unknown key \"encoding\""),
            (r#""op": "put", "href": 1"#, "href: expected a string"),
            (r#""op": "put", "href": "a", "content": 1"#, "content: expected a string"),
            (
                r#""op": "put", "href": "a", "content": "a", "contentBase64": "aa""#,
                "put has content or contentBase64, not both",
            ),
            (
                r#""op": "put", "href": "a", "content": "", "contentBase64": """#,
                "put has content or contentBase64, not both",
            ),
            (r#""op": "delete", "href": "a", "content": """#, "delete has no content"),
            (
                r#""op": "copy", "href": "a", "dest": "b", "overwrite": "T""#,
                "overwrite: expected true or false",
            ),
            (
                r#""op": "delete", "href": "a", "tokens": "urn:a""#,
                "tokens: expected an array of strings",
            ),
            (
                r#""op": "delete", "href": "a", "needs": ["a b"]"#,
                "needs: expected strings without spaces",
            ),
            (
                r#""op": "delete", "href": "a", "id": "ä""#,
                "id: expected 1 to 64 of A-Za-z0-9._~-, not \"ä\"",
            ),
            (
                r#""op": "delete", "href": "a", "id": "a", "needs": ["a"]"#,
                "needs: no operation before this one has the id \"a\"",
            ),
            (r#""op": "proppatch", "href": "a""#, "proppatch lacks properties to set or remove"),
            (
                r#""op": "proppatch", "href": "a", "patch": "<D:set>""#,
                "patch: expected well-formed XML",
            ),
            (
                r#""op": "proppatch", "href": "a", "patch": "<D:sett/>""#,
                "patch: expected a property to set or remove",
            ),
            (
                r#""op": "create", "href": "a", "values": {"a": {"$ref": "b"}}"#,
                "ref: no operation before this one has the id \"b\"",
            ),
        ] {
            let told = operation(members);
            let expected = format!("422 operations[0]: {said}");
            assert!(told.starts_with(&expected), "{members}: {told}");
        }
        assert!(operation(r#""op": "put", "op": "put""#).contains("stands twice"));
        let no_object = operation(r#""op": "create", "href": "a", "values": []"#);
        assert!(no_object.starts_with("422") && no_object.ends_with("expected an object"));
        let twice = operation(r#""op": "create", "href": "a", "values": {"a": 1, "a": 2}"#);
        assert!(twice.ends_with("the name \"a\" stands twice in one object"), "{twice}");
        let deep = operation(r#""op": "create", "href": "a", "values": {"a": [[[[[]]]]]}"#);
        assert!(deep.starts_with("413") && deep.ends_with("nested too deeply"), "{deep}");
        let twice =
            r#"[{"op": "mkcol", "href": "a", "id": "x"}, {"op": "mkcol", "href": "b", "id": "x"}]"#;
        let said = "422 operations[1]: the id \"x\" is that of operation 0 too";
        assert_eq!(json(twice).unwrap_err(), said);
        let no_row = r#"[{"op": "mkcol", "href": "a", "id": "x"}, {"op": "update", "href": "b", "values": {"c": {"$ref": "x"}}}]"#;
        assert_eq!(json(no_row).unwrap_err(), "422 operations[1]: ref: \"x\" creates no row");
    }

    #[test]
    fn values_of_rows() {
        let body = r#"[{"op": "create", "href": "t/", "id": "c"},
            {"op": "update", "href": "t/1", "values":
             {"a": null, "b": true, "c": 1.50, "d": "", "e": [1, {}], "f": {"$ref": "c"},
              "g": {"$ref": 1}, "h": {"$ref": "c", "i": 1}, "j": ["c"], "k": {"$text": "1"},
              "l": {"$base64": "AAEC"}, "m": {"$base64": "AAEC", "$text": ""}}}]"#;
        let batch = json(body).unwrap();
        let Ok(Kind::Update(fields)) = batch.operations[1].action.as_ref().map(|a| &a.kind) else {
            panic!()
        };
        let values: Vec<_> = fields.iter().map(|field| field.value.clone()).collect();
        let json = |text: &str| Value::Json(text.into());
        let expected = [
            Value::Null,
            json("true"),
            json("1.50"),
            json("\"\""),
            json("[1, {}]"),
            Value::Ref(0),
            json("{\"$ref\": 1}"),
            json("{\"$ref\": \"c\", \"i\": 1}"),
            json("[\"c\"]"),
            Value::Text("1".into()),
            Value::Bytes(vec![0, 1, 2]),
            json("{\"$base64\": \"AAEC\", \"$text\": \"\"}"),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn base64_that_is_none_is_told_by_its_key() {
        let wrong = r#"[{"op": "create", "href": "t/", "values": {"a": {"$base64": "="}}}]"#;
        let wrong = json(wrong).unwrap().operations.remove(0).action.unwrap_err();
        assert_eq!(wrong.name, "$base64");
    }

    #[test]
    fn fields_are_counted_over_the_document() {
        let limits = Limits { fields_max: 3, ..Limits::default() };
        let read = |body: &str| {
            BatchRequest::parse(Format::Json, body.as_bytes(), &Path::root(), &limits)
                .map_err(|error| (error.fault, error.message))
        };
        let item = |count| {
            let members: Vec<_> = (0..count).map(|index| format!("\"{index}\": 1")).collect();
            let values = members.join(",");
            format!("{{\"op\": \"create\", \"href\": \"t/\", \"values\": {{{values}}}}}")
        };
        assert!(read(&format!("[{}, {}]", item(1), item(2))).is_ok());
        let too_many = (Fault::TooLarge, "there are too many members".to_owned());
        assert_eq!(read(&format!("[{}, {}]", item(2), item(2))), Err(too_many));
    }

    #[test]
    fn trees_are_bounded_before_they_are_built() {
        let list = "0,".repeat(super::NODES_MAX + 1);
        let body = format!("[{{\"op\": \"put\", \"x\": [{list}0]}}]");
        assert!(json(&body).unwrap_err().contains("an operation has at most 100000 values"));
    }
}
