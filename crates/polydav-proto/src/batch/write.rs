//! The document written again, in JSON.
//!
//! The reverse of `json`: what is written here is read there as the same batch.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::json::{Word, word};
use super::{BatchRequest, Conditions, Field, Kind, Operation, Transfer, Value};
use crate::body::PropertyUpdate;
use crate::encoding::encode_base64;
use crate::header::{Depth, Header, If, Overwrite, StateToken, write_date};
use crate::reference::Reference;

impl BatchRequest {
    /// The batch as a JSON document, which [`parse`](Self::parse) reads as the same batch, whatever
    /// collection it is sent to. It may be longer than the document that this was read from, and
    /// go beyond limits that that one kept. An operation that is needed gets an id, if it has none.
    ///
    /// Left out are operations that can't be written, and with each those that need it or refer to
    /// it:
    ///
    /// - those with an [`InvalidValue`](super::InvalidValue);
    /// - those that no document says, which only a program can make: with a date before 1970, say;
    /// - proppatches with a property that has to take along more namespaces than an element may
    ///   have, and those whose namespaces and languages don't fit into 16 MiB, all counted together.
    ///
    /// ```
    /// use polydav_proto::batch::{BatchRequest, Format, Limits};
    /// use polydav_proto::reference::Path;
    ///
    /// let xml = br#"<batch><put href="a b" if-none-match="*">hello</put></batch>"#;
    /// let limits = Limits::default();
    /// let batch = BatchRequest::parse(Format::Xml, xml, &Path::root(), &limits)?;
    /// let json = batch.to_json();
    /// assert_eq!(
    ///     std::str::from_utf8(&json)?,
    ///     "{\"mode\":\"best-effort\",\"base\":\"/\",\"operations\":[\
    ///      {\"op\":\"put\",\"href\":\"a b\",\"ifNoneMatch\":\"*\",\"content\":\"hello\"}]}",
    /// );
    /// assert_eq!(BatchRequest::parse(Format::Json, &json, &Path::root(), &limits)?, batch);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let (base, ids) = (&self.base, self.ids());
        let mut writer = Writer { base, ids, scope_bytes_left: SCOPE_BYTES_MAX };
        let mut operations = Vec::with_capacity(self.operations.len());
        for (index, operation) in self.operations.iter().enumerate() {
            match writer.item(operation) {
                Ok(item) => operations.push(item),
                // So that what needs it can't be written either.
                Err(Unsayable) => writer.ids[index] = None,
            }
        }
        let document = Document {
            mode: self.mode.as_str(),
            strict: self.strict,
            base: self.base.to_string(),
            key: self.key.as_ref().map(ToString::to_string),
            dry_run: self.dry_run,
            operations,
        };
        serde_json::to_vec(&document).expect("a vector takes everything, and all keys are strings")
    }

    /// The id of each operation: its own, or a new one if it is needed and has none.
    fn ids(&self) -> Vec<Option<Cow<'_, str>>> {
        let own = self.operations.iter().map(|operation| operation.id.as_deref());
        let taken: HashSet<_> = own.clone().flatten().collect();
        let mut free = (0_usize..).map(|n| format!("n{n}")).filter(|id| !taken.contains(&**id));
        let needed: HashSet<_> = self.operations.iter().flat_map(Operation::required).collect();
        let id = |(index, own): (_, Option<_>)| match own {
            None if needed.contains(&index) => free.next().map(Cow::Owned),
            own => own.map(Cow::Borrowed),
        };
        own.enumerate().map(id).collect()
    }
}

/// No document says this.
struct Unsayable;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "is_false")]
    strict: bool,
    /// Also the default one: what is relative is so to this, wherever the document is sent.
    base: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    dry_run: bool,
    operations: Vec<Item<'a>>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// An operation, with the keys of [`Attribute`](super::name::Attribute) and of the bodies.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    op: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    href: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overwrite: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    needs: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#if: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    if_match: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    if_none_match: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    if_unmodified_since: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tokens: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Values<'a>>,
}

/// The most bytes of namespaces and languages that properties take along, of all operations together:
/// what stands once in a document of XML can be in scope for each of its properties.
const SCOPE_BYTES_MAX: usize = 16 << 20;

/// What the writing of each operation needs.
struct Writer<'a> {
    base: &'a Reference,
    /// For each operation that has one, and can be written.
    ids: Vec<Option<Cow<'a, str>>>,
    scope_bytes_left: usize,
}

impl<'a> Writer<'a> {
    fn item(&mut self, operation: &'a Operation) -> Result<Item<'a>, Unsayable> {
        let action = operation.action.as_ref().map_err(|_| Unsayable)?;
        let needs = operation.needs.iter().map(|&index| self.id(index));
        let mut item = Item {
            op: operation.verb.as_str(),
            id: self.id(operation.index).ok(),
            href: self.href(&operation.href, &action.resource)?,
            needs: needs.collect::<Result<_, _>>()?,
            ..Item::default()
        };
        item.say_conditions(&action.conditions)?;
        match &action.kind {
            Kind::MkCol => {}
            Kind::Put { content_type, content } => item.say_put(content_type.as_deref(), content),
            Kind::Copy(transfer) | Kind::Move(transfer) => {
                item.dest = Some(self.reference(&transfer.dest)?);
                item.say_transfer(transfer);
            }
            Kind::Delete { depth } => item.depth = explicit(*depth),
            Kind::PropPatch(update) => item.patch = Some(self.patch(update)?),
            Kind::Create(fields) | Kind::Update(fields) => item.values = Some(self.values(fields)?),
        }
        Ok(item)
    }

    /// The id of an operation that others need.
    fn id(&self, index: usize) -> Result<Cow<'a, str>, Unsayable> {
        self.ids.get(index).cloned().flatten().ok_or(Unsayable)
    }

    /// The href as the document had it. A program may have set another one than that of the
    /// resource, which is what is acted upon.
    fn href(&self, href: &'a str, resource: &Reference) -> Result<Cow<'a, str>, Unsayable> {
        match self.reads_as(href, resource) {
            true => Ok(Cow::Borrowed(href)),
            false => self.reference(resource).map(Cow::Owned),
        }
    }

    /// A reference with its whole path.
    fn reference(&self, reference: &Reference) -> Result<String, Unsayable> {
        let text = reference.to_string();
        // What names no server can't be said beside a base that names one.
        if self.reads_as(&text, reference) { Ok(text) } else { Err(Unsayable) }
    }

    fn reads_as(&self, href: &str, reference: &Reference) -> bool {
        Reference::parse_href(href.as_bytes(), self.base).is_ok_and(|read| read == *reference)
    }

    /// Properties that are read as they were. With the namespaces that each takes along, some are
    /// more than the XML reader lets one element have.
    fn patch(&mut self, update: &PropertyUpdate) -> Result<String, Unsayable> {
        let left = self.scope_bytes_left.checked_sub(update.scope_bytes());
        self.scope_bytes_left = left.ok_or(Unsayable)?;
        let text = update.to_fragment();
        let limits = multistatus::xml::Limits {
            bytes: u64::MAX,
            depth: multistatus::xml::Limits::MAX_DEPTH,
            elements: u64::MAX,
            ..Default::default()
        };
        match PropertyUpdate::parse_fragment(&text, limits) {
            Ok(read) if read == *update => Ok(text),
            _ => Err(Unsayable),
        }
    }

    fn values(&self, fields: &'a [Field]) -> Result<Values<'a>, Unsayable> {
        let value = |Field { name, value }: &'a Field| Ok((&**name, self.value(value)?));
        fields.iter().map(value).collect::<Result<_, _>>().map(Values)
    }

    fn value(&self, value: &'a Value) -> Result<Said<'a>, Unsayable> {
        Ok(match value {
            Value::Null => Said::Null,
            Value::Text(text) => Said::Word(Word::Text(Cow::Borrowed(text))),
            Value::Bytes(bytes) => Said::Word(Word::Base64(Cow::Owned(encode_base64(bytes)))),
            // It would be read as what the word stands for.
            Value::Json(json) if word(json).is_some() => return Err(Unsayable),
            Value::Json(json) => Said::Json(serde_json::from_str(json).map_err(|_| Unsayable)?),
            Value::Ref(index) => Said::Word(Word::Ref(self.id(*index)?)),
        })
    }
}

impl<'a> Item<'a> {
    fn say_conditions(&mut self, conditions: &'a Conditions) -> Result<(), Unsayable> {
        let Conditions { if_match, if_none_match, if_unmodified_since, state, tokens } = conditions;
        let date = |time| write_date(time).ok_or(Unsayable);
        self.if_match = if_match.as_ref().map(ToString::to_string);
        self.if_none_match = if_none_match.as_ref().map(ToString::to_string);
        self.if_unmodified_since = if_unmodified_since.map(date).transpose()?;
        self.r#if = state.as_ref().map(say_if).transpose()?;
        self.tokens = tokens.iter().map(StateToken::as_str).collect();
        Ok(())
    }

    fn say_put(&mut self, content_type: Option<&'a str>, content: &'a [u8]) {
        self.r#type = content_type;
        match std::str::from_utf8(content) {
            Ok(text) => self.content = Some(text),
            Err(_) => self.content_base64 = Some(encode_base64(content)),
        }
    }

    fn say_transfer(&mut self, transfer: &Transfer) {
        self.depth = explicit(transfer.depth);
        self.overwrite = transfer.overwrite.map(|overwrite| overwrite == Overwrite::Replace);
    }
}

/// The depth, unless it goes without saying.
fn explicit(depth: Depth) -> Option<&'static str> {
    (depth != Depth::Infinity).then(|| depth.as_str())
}

/// Lists that are read as they were: a list without a tag can't stand behind one with a tag.
fn say_if(field: &If) -> Result<String, Unsayable> {
    let text = field.to_string();
    match If::parse(text.as_bytes()) {
        Ok(read) if read == *field => Ok(text),
        _ => Err(Unsayable),
    }
}

/// Columns and their values, in their order.
struct Values<'a>(Vec<(&'a str, Said<'a>)>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The value of a column, as JSON has it.
#[derive(Serialize)]
#[serde(untagged)]
enum Said<'a> {
    Null,
    Json(&'a RawValue),
    Word(Word<'a>),
}
