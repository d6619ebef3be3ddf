//! From what a document spells to what it means: all rules that both spellings share.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::name::{Attribute, Setting, quote, unknown};
use super::{
    Action, BatchRequest, Conditions, Fault, Field, Format, InvalidBatch, InvalidValue, Kind,
    Limits, Mode, Operation, Place, Transfer, Value, Verb,
};
use crate::body::PropertyUpdate;
use crate::encoding::decode_base64;
use crate::header::{
    ContentType, Depth, Header, IdempotencyKey, If, IfMatch, IfNoneMatch, LockToken, Overwrite,
    StateToken, parse_date,
};
use crate::reference::{Path, Reference};
use crate::scan::Invalid;

/// What a document says, word by word.
pub(super) struct Drafts {
    pub(super) format: Format,
    /// Where the settings stand.
    pub(super) place: Place,
    pub(super) settings: [Option<String>; Setting::ALL.len()],
    pub(super) items: Vec<Draft>,
    pub(super) xml: XmlSpent,
}

/// What the XML in strings of JSON took. Where the document is XML, its reader counts.
#[derive(Default)]
pub(super) struct XmlSpent {
    pub(super) elements: usize,
    /// Bytes of namespaces and languages that properties bear.
    pub(super) scope_bytes: usize,
}

/// What a document says of the batch as a whole.
pub(super) struct Settings {
    pub(super) mode: Mode,
    strict: bool,
    pub(super) base: Reference,
    key: Option<IdempotencyKey>,
    dry_run: bool,
}

/// What one operation says.
pub(super) struct Draft {
    pub(super) place: Place,
    pub(super) verb: Verb,
    pub(super) attributes: [Option<String>; Attribute::ALL.len()],
    /// The body of a put.
    pub(super) content: Vec<u8>,
    /// Whether JSON has a body, be it empty.
    pub(super) has_content: bool,
    /// Whether that is base64; XML tells it by an attribute.
    pub(super) base64: bool,
    /// The body of a proppatch.
    pub(super) patch: Option<PropertyUpdate>,
    /// The body of a create or update: no two of them share a name.
    pub(super) values: Vec<(Arc<str>, DraftValue)>,
}

pub(super) enum DraftValue {
    Ready(Value),
    Base64(String),
    Ref(String),
}

impl Draft {
    pub(super) fn new(place: Place, verb: Verb) -> Self {
        Self {
            place,
            verb,
            attributes: Default::default(),
            content: Vec::new(),
            has_content: false,
            base64: false,
            patch: None,
            values: Vec::new(),
        }
    }
}

impl Drafts {
    pub(super) fn new(format: Format, place: Place) -> Self {
        Self {
            format,
            place,
            settings: Default::default(),
            items: Vec::new(),
            xml: XmlSpent::default(),
        }
    }

    /// Refuses one operation more than the limits allow.
    pub(super) fn make_room(&self, limits: &Limits) -> Result<(), InvalidBatch> {
        let most = limits.items_max;
        if self.items.len() < most {
            return Ok(());
        }
        Place::Document.fail(Fault::TooLarge, format!("a batch has at most {most} operations"))
    }

    pub(super) fn finish(
        mut self,
        collection: &Path,
        limits: &Limits,
    ) -> Result<BatchRequest, InvalidBatch> {
        let Settings { mode, strict, base, key, dry_run } = self.settings(collection)?;
        let mut reader = Reader::new(self.format, base, limits);
        let items = self.items.into_iter().enumerate();
        let operations = items.map(|(index, draft)| reader.operation(index, draft));
        let mut operations = operations.collect::<Result<Vec<_>, _>>()?;
        // They lie where the drafts lay, which are larger.
        operations.shrink_to_fit();
        Ok(BatchRequest { mode, strict, key, dry_run, operations, base: reader.base })
    }

    /// What it says of the batch as a whole.
    pub(super) fn settings(&mut self, collection: &Path) -> Result<Settings, InvalidBatch> {
        let base = match self.take(Setting::Base) {
            Some(base) => Reference::parse_href(base.as_bytes(), &collection.clone().into())
                .or_else(|error| self.place.refuse(format!("base: {error}")))?,
            None => collection.clone().into(),
        };
        let key = match self.take(Setting::Key) {
            Some(key) => match IdempotencyKey::parse(key.as_bytes()) {
                Ok(key) => Some(key),
                Err(error) => return self.place.refuse(format!("key: {error}")),
            },
            None => None,
        };
        let mode = self.take_mode()?;
        let strict = self.take_flag(Setting::Strict)?;
        let dry_run = self.take_flag(Setting::DryRun)?;
        Ok(Settings { mode, strict, base, key, dry_run })
    }

    fn take(&mut self, setting: Setting) -> Option<String> {
        self.settings[setting as usize].take()
    }

    fn take_mode(&mut self) -> Result<Mode, InvalidBatch> {
        let Some(name) = self.take(Setting::Mode) else { return Ok(Mode::default()) };
        match Mode::ALL.iter().find(|(_, known)| *known == name) {
            Some((mode, _)) => Ok(*mode),
            None => self.place.refuse(unknown("mode", &name, Mode::ALL.map(|(_, known)| known))),
        }
    }

    fn take_flag(&mut self, setting: Setting) -> Result<bool, InvalidBatch> {
        match self.take(setting).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => {
                let name = setting.name(self.format);
                self.place.refuse(format!("{name}: expected true or false, not {}", quote(other)))
            }
        }
    }
}

/// Reads drafts in document order, so that one can only refer to those before it.
pub(super) struct Reader {
    format: Format,
    pub(super) base: Reference,
    limits: Limits,
    /// Of the last operations, at least as many as a document may have.
    ids: HashMap<String, (usize, Verb)>,
    states_left: usize,
    needs_left: usize,
    path_bytes_left: usize,
}

impl Reader {
    pub(super) fn new(format: Format, base: Reference, limits: &Limits) -> Self {
        let mut reader = Self {
            format,
            base,
            limits: *limits,
            ids: HashMap::new(),
            states_left: 0,
            needs_left: 0,
            path_bytes_left: 0,
        };
        reader.make_room_again();
        reader
    }

    /// What comes now may have as much again as all before it.
    pub(super) fn make_room_again(&mut self) {
        self.states_left = self.limits.states_max;
        self.needs_left = self.limits.needs_max;
        self.path_bytes_left = self.limits.path_bytes_max;
    }

    pub(super) fn operation(
        &mut self,
        index: usize,
        mut draft: Draft,
    ) -> Result<Operation, InvalidBatch> {
        self.check_attributes(&draft)?;
        let needs = self.needs(&draft)?;
        let body = self.body(&mut draft)?;
        let Draft { place, verb, mut attributes, .. } = draft;
        let id = attributes[Attribute::Id as usize].take();
        if let Some(id) = &id {
            self.name(&place, id, index, verb)?;
        }
        let values = Values { format: self.format, base: &self.base, attributes: &attributes };
        let action = body.and_then(|body| values.action(body));
        if let Ok(action) = &action {
            self.make_room(action)?;
        }
        let href = attributes[Attribute::Href as usize].take().unwrap_or_default();
        Ok(Operation { index, id, verb, href, needs, action })
    }

    /// Refuses a document whose operations together take more than the limits allow.
    fn make_room(&mut self, action: &Action) -> Result<(), InvalidBatch> {
        let Limits { states_max, path_bytes_max, .. } = &self.limits;
        let too_large = |message| Place::Document.fail(Fault::TooLarge, message);
        match self.states_left.checked_sub(action.conditions.states()) {
            Some(left) => self.states_left = left,
            None => {
                let message = format!("a batch names at most {states_max} entity tags and tokens");
                return too_large(message);
            }
        }
        match self.path_bytes_left.checked_sub(action.path_bytes()) {
            Some(left) => self.path_bytes_left = left,
            None => {
                let message = format!("the paths of a batch have at most {path_bytes_max} bytes");
                return too_large(message);
            }
        }
        Ok(())
    }

    fn check_attributes(&self, draft: &Draft) -> Result<(), InvalidBatch> {
        let verb = draft.verb;
        for (attribute, ..) in Attribute::ALL {
            let present = draft.attributes[attribute as usize].is_some();
            let wanted = matches!(attribute, Attribute::Href | Attribute::Dest);
            match (present, attribute.belongs_to(verb)) {
                (true, false) => {
                    let name = attribute.name(self.format);
                    return draft.place.refuse(format!("{verb} has no {name}"));
                }
                (false, true) if wanted => {
                    let name = attribute.name(self.format);
                    return draft.place.refuse(format!("{verb} lacks {name}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn name(
        &mut self,
        place: &Place,
        id: &str,
        index: usize,
        verb: Verb,
    ) -> Result<(), InvalidBatch> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        if id.is_empty() || id.len() > 64 || !id.bytes().all(allowed) {
            let id = quote(id);
            return place.refuse(format!("id: expected 1 to 64 of A-Za-z0-9._~-, not {id}"));
        }
        let window = self.limits.items_max;
        if self.ids.len() > 2 * window {
            self.ids.retain(|_, (earlier, _)| index - *earlier < window);
        }
        match self.ids.insert(id.to_owned(), (index, verb)) {
            Some((first, _)) if index - first < window => {
                place.refuse(format!("the id {} is that of operation {first} too", quote(id)))
            }
            _ => Ok(()),
        }
    }

    fn needs(&mut self, draft: &Draft) -> Result<Vec<usize>, InvalidBatch> {
        let needs = draft.attributes[Attribute::Needs as usize].as_deref().unwrap_or_default();
        let mut indices = BTreeSet::new();
        for id in needs.split_ascii_whitespace() {
            indices.insert(self.earlier(draft, "needs", id)?.0);
        }
        self.make_room_for_needs(indices.len())?;
        Ok(indices.into_iter().collect())
    }

    fn make_room_for_needs(&mut self, count: usize) -> Result<(), InvalidBatch> {
        match self.needs_left.checked_sub(count) {
            Some(left) => self.needs_left = left,
            None => {
                let most = self.limits.needs_max;
                let message = format!("a batch has at most {most} needs and references");
                return Place::Document.fail(Fault::TooLarge, message);
            }
        }
        Ok(())
    }

    /// The operation of this id. Only such as come before can be referred to: so there are no
    /// circles either.
    fn earlier(&self, draft: &Draft, what: &str, id: &str) -> Result<(usize, Verb), InvalidBatch> {
        match self.ids.get(id) {
            Some(&operation) => Ok(operation),
            None => {
                let id = quote(id);
                draft.place.refuse(format!("{what}: no operation before this one has the id {id}"))
            }
        }
    }

    /// The operation's own body. One that is of bad structure or too long is a fault of the
    /// document, one that can't be decoded is a fault of the item.
    fn body(&mut self, draft: &mut Draft) -> Result<Result<Body, InvalidValue>, InvalidBatch> {
        Ok(Ok(match draft.verb {
            Verb::MkCol => Body::MkCol,
            Verb::Put => return Ok(self.content(draft)?.map(Body::Put)),
            Verb::Copy => Body::Copy,
            Verb::Move => Body::Move,
            Verb::Delete => Body::Delete,
            Verb::PropPatch => match draft.patch.take() {
                Some(update) => Body::PropPatch(update),
                None => return draft.place.refuse("proppatch lacks properties to set or remove"),
            },
            Verb::Create => return Ok(self.fields(draft)?.map(Body::Create)),
            Verb::Update => return Ok(self.fields(draft)?.map(Body::Update)),
        }))
    }

    fn content(&self, draft: &mut Draft) -> Result<Result<Vec<u8>, InvalidValue>, InvalidBatch> {
        let text = std::mem::take(&mut draft.content);
        let content = match draft.attributes[Attribute::Encoding as usize].as_deref() {
            Some("base64") => self.decode("contentBase64", text),
            Some(other) => {
                let message = format!("encoding: expected base64, not {}", quote(other));
                return draft.place.refuse(message);
            }
            None if draft.base64 => self.decode("contentBase64", text),
            None => Ok(text),
        };
        let most = self.limits.content_bytes_max;
        if content.as_ref().is_ok_and(|content| content.len() > most) {
            return draft.place.fail(Fault::TooLarge, format!("a body has at most {most} bytes"));
        }
        Ok(content)
    }

    /// What is written in base64; JSON says so by this key.
    fn decode(&self, key: &'static str, text: impl Into<Vec<u8>>) -> Result<Vec<u8>, InvalidValue> {
        let name = if self.format == Format::Xml { "encoding" } else { key };
        decode_base64(text).map_err(|error| InvalidValue { name, message: error.to_string() })
    }

    fn fields(
        &mut self,
        draft: &mut Draft,
    ) -> Result<Result<Vec<Field>, InvalidValue>, InvalidBatch> {
        let values = std::mem::take(&mut draft.values);
        let (mut fields, mut wrong) = (Vec::with_capacity(values.len()), None);
        for (name, value) in values {
            let value = match value {
                DraftValue::Ready(value) => value,
                DraftValue::Base64(text) => match self.decode("$base64", text) {
                    Ok(bytes) => Value::Bytes(bytes),
                    Err(InvalidValue { name: key, message }) => {
                        let message = format!("column {name}: {message}");
                        wrong = wrong.or(Some(InvalidValue { name: key, message }));
                        continue;
                    }
                },
                DraftValue::Ref(id) => match self.earlier(draft, "ref", &id)? {
                    (index, Verb::Create) => {
                        self.make_room_for_needs(1)?;
                        Value::Ref(index)
                    }
                    _ => return draft.place.refuse(format!("ref: {} creates no row", quote(&id))),
                },
            };
            fields.push(Field { name, value });
        }
        Ok(wrong.map_or(Ok(fields), Err))
    }
}

/// What an operation has beside its values.
enum Body {
    MkCol,
    Put(Vec<u8>),
    Copy,
    Move,
    Delete,
    PropPatch(PropertyUpdate),
    Create(Vec<Field>),
    Update(Vec<Field>),
}

/// The values of one operation, each read as the header of that name is.
struct Values<'a> {
    format: Format,
    base: &'a Reference,
    attributes: &'a [Option<String>; Attribute::ALL.len()],
}

impl Values<'_> {
    fn action(&self, body: Body) -> Result<Action, InvalidValue> {
        let resource = self.reference(Attribute::Href)?;
        let conditions = self.conditions()?;
        let kind = match body {
            Body::MkCol => Kind::MkCol,
            Body::Put(content) => {
                Kind::Put { content_type: self.read(Attribute::Type, parse_type)?, content }
            }
            Body::Copy => Kind::Copy(self.transfer("0 or infinity", Depth::Zero)?),
            Body::Move => Kind::Move(self.transfer("infinity", Depth::Infinity)?),
            Body::Delete => Kind::Delete { depth: self.depth()? },
            Body::PropPatch(update) => Kind::PropPatch(update),
            Body::Create(fields) => Kind::Create(fields),
            Body::Update(fields) => Kind::Update(fields),
        };
        Ok(Action { resource, conditions, kind })
    }

    fn conditions(&self) -> Result<Conditions, InvalidValue> {
        Ok(Conditions {
            if_match: self.read(Attribute::IfMatch, IfMatch::parse)?.map(|IfMatch(tags)| tags),
            if_none_match: self
                .read(Attribute::IfNoneMatch, IfNoneMatch::parse)?
                .map(|IfNoneMatch(tags)| tags),
            if_unmodified_since: self.read(Attribute::IfUnmodifiedSince, parse_date)?,
            state: self.read(Attribute::If, If::parse)?,
            tokens: self.read(Attribute::Tokens, parse_tokens)?.unwrap_or_default(),
        })
    }

    /// Where a copy or move leads; the depth is infinity, or `also`.
    fn transfer(&self, expected: &'static str, also: Depth) -> Result<Transfer, InvalidValue> {
        let depth = self.depth()?;
        if depth != Depth::Infinity && depth != also {
            return Err(self.wrong(Attribute::Depth, Invalid { offset: 0, expected }));
        }
        let overwrite = self.read(Attribute::Overwrite, Overwrite::parse)?;
        Ok(Transfer { dest: self.reference(Attribute::Dest)?, depth, overwrite })
    }

    fn depth(&self) -> Result<Depth, InvalidValue> {
        Ok(self.read(Attribute::Depth, Depth::parse)?.unwrap_or(Depth::Infinity))
    }

    fn reference(&self, attribute: Attribute) -> Result<Reference, InvalidValue> {
        let text = self.text(attribute).unwrap_or_default();
        Reference::parse_href(text.as_bytes(), self.base)
            .map_err(|error| self.wrong(attribute, error.into()))
    }

    fn read<T>(
        &self,
        attribute: Attribute,
        parse: impl FnOnce(&[u8]) -> Result<T, Invalid>,
    ) -> Result<Option<T>, InvalidValue> {
        let value = self.text(attribute).map(|text| parse(text.trim_ascii().as_bytes()));
        value.transpose().map_err(|invalid| self.wrong(attribute, invalid))
    }

    fn text(&self, attribute: Attribute) -> Option<&str> {
        self.attributes[attribute as usize].as_deref()
    }

    fn wrong(&self, attribute: Attribute, invalid: Invalid) -> InvalidValue {
        InvalidValue { name: attribute.name(self.format), message: invalid.to_string() }
    }
}

/// A media type as it can be sent again in a header: on one line.
fn parse_type(value: &[u8]) -> Result<String, Invalid> {
    ContentType::parse(value)?;
    let odd = value.iter().position(|byte| !(b' '..=b'~').contains(byte));
    match (odd, std::str::from_utf8(value)) {
        (None, Ok(text)) => Ok(text.to_owned()),
        (odd, _) => Err(Invalid { offset: odd.unwrap_or(0), expected: "visible ASCII characters" }),
    }
}

/// The most tokens of one operation.
const TOKENS_MAX: usize = 1024;

/// State tokens with spaces between, in angle brackets or without.
fn parse_tokens(value: &[u8]) -> Result<Vec<StateToken>, Invalid> {
    let tokens = value.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty());
    if tokens.clone().count() > TOKENS_MAX {
        return Err(Invalid { offset: 0, expected: "at most 1024 tokens" });
    }
    tokens.map(|token| LockToken::parse_lenient(token).map(|LockToken(token)| token)).collect()
}
