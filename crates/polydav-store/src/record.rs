//! Records: resources that are made of columns, such as the rows of a table, and what clients give
//! for them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::ResourcePath;

/// The namespace of the properties that are columns of a record.
pub const COLUMNS: &str = "urn:polydav:columns:1";

/// A value of a column, on its way in or out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// A text; on its way in, the column's type says how it is read.
    Text(Box<str>),
    /// Bytes, or a text as its bytes.
    Bytes(Bytes),
    /// A JSON value other than null, as it was written; only on its way in.
    Json(Box<str>),
    /// The key of the record that the step of this index adds; only on its way in. The step that
    /// refers to it needs that one.
    Added(usize),
}

impl Value {
    /// How long it is.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Added(_) => 0,
            Self::Text(text) | Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// A column of a record, and its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    /// The name of the column.
    pub name: Arc<str>,
    /// Its value.
    pub value: Value,
}

/// Values may be anybody's secrets: they are counted, not shown.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a client gives of a record. No two fields share a name.
pub type Fields = Vec<Field>;

/// A record that was added: its name is the store's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Where it lies.
    pub path: ResourcePath,
    /// Its key, as the column that it is has it; `None` if several columns are the key.
    pub key: Option<Value>,
}

/// Which records of a collection are told, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Those behind this one: the `next` of a [`Listed::Head`] of before.
    pub after: Option<String>,
    /// So many at most; `None` for all.
    pub limit: Option<u64>,
    /// Those with these values.
    pub filter: Fields,
}

/// What a listing of records tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// How it goes on. Once, before everything else.
    Head {
        /// The names of the columns, in their order.
        columns: Vec<Arc<str>>,
        /// What to ask for the records behind these; `None` if these are the last.
        next: Option<String>,
    },
    /// A record: a JSON object with a member for each column, in their order.
    Record(Bytes),
}
