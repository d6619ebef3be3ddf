//! What tables a [`MemoryRecords`](crate::MemoryRecords) has, as constants can say it.

/// A table.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name, which is a segment of a path.
    pub name: &'static str,
    /// Its columns, in their order.
    pub columns: &'static [Column],
    /// The columns of its key, in the order of the key; at least one, of numbers or texts.
    pub key: &'static [&'static str],
    /// Whether clients may change it.
    pub access: Access,
    /// The rows it has at first: for each column its value as a client would write it.
    pub rows: &'static [&'static [&'static str]],
}

/// Whether clients may change a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// They may.
    Write,
    /// They may not: it is told to be a view.
    Read,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub kind: Type,
    /// Whether it may have no value. A column of the key always has one.
    pub nullable: bool,
    /// Its value in a new row that is given none, as a client would write it.
    pub default: Option<&'static str>,
    /// Who gives its value.
    pub origin: Origin,
    /// Whether no two rows share a value.
    pub unique: bool,
    /// The check on its numbers.
    pub minimum: Option<Minimum>,
    /// The table that has a row with this key, unless there is no value.
    pub references: Option<&'static str>,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Whole numbers of 64 bits; JSON numbers.
    Integer,
    /// Texts; JSON strings.
    Text,
    /// Bytes; their base64 in JSON strings, and where clients give a text.
    Bytes,
    /// `true` and `false`, in JSON too.
    Boolean,
}

/// Who gives a column its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The client.
    Client,
    /// The client, or else the store, if a row is added: a number that no row has.
    Either,
    /// Nobody but the store: clients only read it.
    Store,
}

/// A check: no number is less than this.
#[derive(Debug, Clone, Copy)]
pub struct Minimum {
    /// The name of the check.
    pub constraint: &'static str,
    /// The least number.
    pub least: i64,
}

impl Column {
    /// A column that always has a value, which the client gives.
    pub const fn new(name: &'static str, kind: Type) -> Self {
        Self {
            name,
            kind,
            nullable: false,
            default: None,
            origin: Origin::Client,
            unique: false,
            minimum: None,
            references: None,
        }
    }

    /// A column that may have no value.
    pub const fn nullable(name: &'static str, kind: Type) -> Self {
        Self { nullable: true, ..Self::new(name, kind) }
    }
}
