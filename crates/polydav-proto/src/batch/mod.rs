//! The batch document: many operations in one request.
//!
//! XML, JSON and NDJSON are three spellings of one [`BatchRequest`], and everything but the
//! spelling is decided once, in `draft`. What is wrong with a document is one of two things:
//!
//! - its *structure*: it is not well-formed, names something unknown, lacks an href, refers to an
//!   item that isn't there. Then no item runs, and the whole request fails ([`InvalidBatch`]);
//! - a *value* that a header would carry: an href, an entity tag, a date. Then that item fails, and
//!   the others run ([`InvalidValue`], in [`Operation::action`]).
//!
//! A batch is written again, in JSON, by [`BatchRequest::to_json`]; [`BatchRequest::retain`] makes one
//! of those of its operations that are worth sending again.
//!
//! ```
//! use polydav_proto::batch::{BatchRequest, Limits, sniff};
//! use polydav_proto::reference::Path;
//!
//! let body = br#"<batch mode="stop"><mkcol href="a/"/><delete href="../b"/></batch>"#;
//! let format = sniff(None, body).unwrap();
//! let batch = BatchRequest::parse(format, body, &Path::root(), &Limits::default()).unwrap();
//! assert!(batch.operations[0].action.is_ok());
//! let error = batch.operations[1].action.as_ref().unwrap_err();
//! assert_eq!(error.to_string(), "href: expected a path without dot segments at byte 0");
//!
//! let body = br#"[{"op": "mvoe", "href": "a", "dest": "b"}]"#;
//! let format = sniff(None, body).unwrap();
//! let error = BatchRequest::parse(format, body, &Path::root(), &Limits::default()).unwrap_err();
//! let said = r#"operations[0]: unknown operation "mvoe" (did you mean "move"?)"#;
//! assert_eq!(error.to_string(), said);
//! ```

mod cut;
mod draft;
mod json;
mod lines;
mod name;
mod retain;
mod sniff;
mod swap;
mod write;
mod xml;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::body::PropertyUpdate;
use crate::header::{Depth, IdempotencyKey, If, Matching, Overwrite, StateToken};
use crate::reference::{Path, Reference};

pub use cut::Cutter;
pub use lines::Lines;
pub(crate) use name::quote;
pub use retain::Fate;
pub use sniff::{Beginning, UnknownFormat, sniff};
pub use swap::overwrites_later_source;

/// How a batch document is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// An XML document in the namespace [`NAMESPACE`], or in none.
    Xml,
    /// A JSON object with `operations`, or the array of them.
    Json,
    /// JSON objects one after the other, an operation each.
    NdJson,
}

impl Format {
    /// Its media type; [`sniff`] knows others too.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Xml => "application/xml",
            Self::Json => "application/json",
            Self::NdJson => "application/x-ndjson",
        }
    }
}

/// The XML namespace of the document.
pub const NAMESPACE: &str = "urn:polydav:batch:1";

/// What a batch document may not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most operations.
    pub items_max: usize,
    /// The longest document, in bytes.
    pub document_bytes_max: usize,
    /// The longest body in it, in bytes, decoded.
    pub content_bytes_max: usize,
    /// The deepest nesting of elements, or of arrays and objects.
    pub depth_max: usize,
    /// The most XML elements in it, also in the strings of a JSON document. Each takes far more
    /// memory than its text.
    pub elements_max: usize,
    /// The most entity tags and lock tokens in it, wherever they stand.
    pub states_max: usize,
    /// The most needs and references of its operations together.
    pub needs_max: usize,
    /// The most bytes of all its paths together, with the base put before each relative one.
    pub path_bytes_max: usize,
    /// The most fields of its records together, where it is JSON. In XML they are elements.
    pub fields_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            items_max: 10_000,
            document_bytes_max: 16 << 20,
            content_bytes_max: 8 << 20,
            depth_max: 64,
            elements_max: 200_000,
            states_max: 100_000,
            needs_max: 100_000,
            path_bytes_max: 16 << 20,
            fields_max: 1_000_000,
        }
    }
}

impl Limits {
    /// The default limits for so many operations, in a document of so many bytes: what is counted
    /// beside them grows as they do.
    #[must_use]
    pub fn of(items_max: usize, document_bytes_max: usize) -> Self {
        let usual = Self::default();
        let grown = |most: usize| most.max((most / usual.items_max).saturating_mul(items_max));
        Self {
            items_max,
            document_bytes_max,
            elements_max: grown(usual.elements_max),
            states_max: grown(usual.states_max),
            needs_max: grown(usual.needs_max),
            fields_max: grown(usual.fields_max),
            path_bytes_max: usual.path_bytes_max.max(document_bytes_max),
            ..usual
        }
    }
}

/// A batch, read and found to be of good structure.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchRequest {
    /// What follows a failure.
    pub mode: Mode,
    /// Whether the answer is 422 instead of 207 if an item failed.
    pub strict: bool,
    /// What relative hrefs were read against.
    pub base: Reference,
    /// The name under which the batch may be sent again.
    pub key: Option<IdempotencyKey>,
    /// Whether to tell what would happen, and change nothing.
    pub dry_run: bool,
    /// The operations, in document order: each at the place that its index says.
    pub operations: Vec<Operation>,
}

/// What follows when an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// The next one.
    #[default]
    BestEffort,
    /// Nothing.
    Stop,
    /// Nothing, and what was done is undone.
    Atomic,
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its place in the document, from 0.
    pub index: usize,
    /// Its name, if it was given one. No two operations share one, nor two of [`Lines`] with fewer
    /// than [`Limits::items_max`] between.
    pub id: Option<String>,
    /// What it does.
    pub verb: Verb,
    /// The resource, as the document has it.
    pub href: String,
    /// Operations that must have succeeded before: their indices, all of which are smaller. Those
    /// that its values refer to must have too.
    pub needs: Vec<usize>,
    /// What is to be done, unless a value is wrong: then this item is answered with 400.
    pub action: Result<Action, InvalidValue>,
}

/// The kinds of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Make a collection.
    MkCol,
    /// Store a body.
    Put,
    /// Copy a resource, and what lies below.
    Copy,
    /// Move a resource, and what lies below.
    Move,
    /// Delete a resource, and what lies below.
    Delete,
    /// Set and remove properties.
    PropPatch,
    /// Make a row, whose name the server chooses.
    Create,
    /// Change columns of a row.
    Update,
}

/// What an operation does, to what, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// The resource it is about; for a copy or move the source.
    pub resource: Reference,
    /// What must be true for it to run.
    pub conditions: Conditions,
    /// What it does.
    pub kind: Kind,
}

/// The verb of an operation and what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Make a collection.
    MkCol,
    /// Store a body.
    Put {
        /// Its media type, in the form of a `Content-Type` field.
        content_type: Option<String>,
        /// The body.
        content: Vec<u8>,
    },
    /// Copy a resource.
    Copy(Transfer),
    /// Move a resource. Whatever the depth says, all of it is meant.
    Move(Transfer),
    /// Delete a resource. A collection can only be deleted with depth infinity.
    Delete {
        /// The depth asked for: infinity, if none was.
        depth: Depth,
    },
    /// Set and remove properties.
    PropPatch(PropertyUpdate),
    /// Make a row with these columns.
    Create(Vec<Field>),
    /// Change these columns.
    Update(Vec<Field>),
}

/// Where a copy or move leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The target.
    pub dest: Reference,
    /// The depth asked for: infinity, if none was.
    pub depth: Depth,
    /// What to do about a target that exists, if that was said. Absent, it is replaced, unless that
    /// looks like a mistake ([`overwrites_later_source`]).
    pub overwrite: Option<Overwrite>,
}

/// A column and its value. No two fields of an operation share a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The name of the column.
    pub name: Arc<str>,
    /// Its value.
    pub value: Value,
}

/// The value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// A text, as XML has it.
    Text(Box<str>),
    /// Bytes, as XML has them in base64.
    Bytes(Vec<u8>),
    /// Any other value that JSON has, be it a string, as it was written.
    Json(Box<str>),
    /// The key of the row that the operation of this index, an earlier create, makes.
    Ref(usize),
}

/// What must be true for an operation to run. All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// As [`IfMatch`](crate::header::IfMatch).
    pub if_match: Option<Matching>,
    /// As [`IfNoneMatch`](crate::header::IfNoneMatch).
    pub if_none_match: Option<Matching>,
    /// As [`IfUnmodifiedSince`](crate::header::IfUnmodifiedSince), except that what is no date is
    /// an error here.
    pub if_unmodified_since: Option<SystemTime>,
    /// As the field of that name.
    pub state: Option<If>,
    /// Tokens that are submitted without being a condition.
    pub tokens: Vec<StateToken>,
}

impl Operation {
    /// The operations that must have succeeded before: also those that its values refer to.
    pub fn required(&self) -> impl Iterator<Item = usize> {
        let fields = match self.action.as_ref().map(|action| &action.kind) {
            Ok(Kind::Create(fields) | Kind::Update(fields)) => &fields[..],
            _ => &[],
        };
        let referred = fields.iter().filter_map(|field| match field.value {
            Value::Ref(index) => Some(index),
            _ => None,
        });
        self.needs.iter().copied().chain(referred)
    }
}

impl Action {
    /// How many bytes its paths have.
    fn path_bytes(&self) -> usize {
        let dest = match &self.kind {
            Kind::Copy(transfer) | Kind::Move(transfer) => transfer.dest.path.joined().len(),
            _ => 0,
        };
        self.resource.path.joined().len() + dest
    }
}

impl Conditions {
    /// How many tags and tokens it names.
    fn states(&self) -> usize {
        let tags = |matching: &Option<Matching>| match matching {
            Some(Matching::Tags(tags)) => tags.len(),
            Some(Matching::Any) | None => 0,
        };
        let lists = self.state.iter().flat_map(|field| &field.lists);
        let states: usize = lists.map(|list| list.conditions.len()).sum();
        states + tags(&self.if_match) + tags(&self.if_none_match) + self.tokens.len()
    }
}

/// A value that makes its operation fail (400), and no other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct InvalidValue {
    /// The attribute or key it stands in.
    pub name: &'static str,
    /// What is wrong with it.
    pub message: String,
}

/// A document of which no operation can be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{message}")]
pub struct InvalidBatch {
    /// What kind of fault it is.
    pub fault: Fault,
    /// Where it is.
    pub place: Place,
    /// What is wrong, and what to do about it.
    pub message: String,
}

/// The ways in which a document can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It can't be read (400).
    Malformed,
    /// It can be read, and makes no sense (422).
    Unprocessable,
    /// It goes beyond one of the [`Limits`] (413).
    TooLarge,
}

/// Where in a document something is wrong. Written, it is followed by `: `, unless it is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// No place in particular.
    Document,
    /// A line and a column, from 1.
    Line {
        /// The line.
        line: u64,
        /// The column, in bytes.
        column: u64,
    },
    /// The settings in the first line of NDJSON.
    Settings,
    /// An operation of a JSON document, by its place in the array.
    Member(usize),
    /// An operation in a line of its own, counted from 0.
    Operation(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => Ok(()),
            Self::Line { line, column } => write!(f, "line {line}, column {column}: "),
            Self::Settings => f.write_str("batch: "),
            Self::Member(index) => write!(f, "operations[{index}]: "),
            Self::Operation(index) => write!(f, "operation {index}: "),
        }
    }
}

impl Place {
    fn refuse<T>(&self, message: impl Into<String>) -> Result<T, InvalidBatch> {
        self.fail(Fault::Unprocessable, message)
    }

    fn fail<T>(&self, fault: Fault, message: impl Into<String>) -> Result<T, InvalidBatch> {
        Err(InvalidBatch { fault, place: self.clone(), message: message.into() })
    }
}

impl BatchRequest {
    /// Reads a batch document, of which relative hrefs start from `collection`: that of the
    /// Request-URI, unless the document names another base. [`Lines`] reads NDJSON as it arrives.
    ///
    /// # Errors
    ///
    /// If its structure is wrong, or it is larger than the limits allow.
    pub fn parse(
        format: Format,
        body: &[u8],
        collection: &Path,
        limits: &Limits,
    ) -> Result<Self, InvalidBatch> {
        if body.len() > limits.document_bytes_max {
            let most = limits.document_bytes_max;
            let message = format!("the document is longer than {most} bytes");
            return Place::Document.fail(Fault::TooLarge, message);
        }
        let drafts = match format {
            Format::Xml => xml::read(body, limits)?,
            Format::Json => json::read(body, limits)?,
            Format::NdJson => return lines::read(body, collection, limits),
        };
        drafts.finish(collection, limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_beside_operations_and_bytes_grows_with_them() {
        let usual = Limits::default();
        assert_eq!(Limits::of(usual.items_max, usual.document_bytes_max), usual);
        let fewer = Limits::of(5, 1_000);
        assert_eq!(fewer, Limits { items_max: 5, document_bytes_max: 1_000, ..usual });
        let more = Limits::of(1_000_000, 1 << 28);
        assert_eq!((more.elements_max, more.states_max), (20_000_000, 10_000_000));
        assert_eq!((more.path_bytes_max, more.content_bytes_max), (1 << 28, 8 << 20));
    }
}
