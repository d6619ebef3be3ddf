//! `Row`: what a table has at a key, and what is told of it.

use blake2::Blake2b;
use blake2::digest::Digest as _;
use blake2::digest::consts::U16;
use bytes::Bytes;
use polydav_store::{Added, ETag, Entry, Kind, ResourcePath, Select, key};

use crate::datum::{self, Datum};
use crate::schema::Table;
use crate::statement::Key;

/// A row: a value for each column of its table, in their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row(pub(crate) Vec<Datum>);

impl Row {
    /// The content: a JSON object with a member for each column.
    pub(crate) fn content(&self, table: &Table) -> Bytes {
        let mut json = Vec::with_capacity(16 * self.0.len() + 64);
        for (at, (column, datum)) in table.columns.iter().zip(&self.0).enumerate() {
            json.push(if at == 0 { b'{' } else { b',' });
            datum::push_string(&mut json, &column.name);
            json.push(b':');
            datum::push_json(&mut json, column, datum);
        }
        json.push(b'}');
        json.into()
    }

    /// Where it lies.
    pub(crate) fn path(&self, table: &Table, collection: &ResourcePath) -> ResourcePath {
        let name = self.name(table);
        collection.join(name.as_bytes()).expect("the name of a row is a segment")
    }

    /// What is told of it once it was added to `collection`.
    pub(crate) fn added(&self, table: &Table, collection: &ResourcePath) -> Added {
        let key = match table.key[..] {
            [at] => Some(datum::to_value(&table.columns[at], &self.0[at])),
            _ => None,
        };
        Added { path: self.path(table, collection), key }
    }

    /// Its key.
    pub(crate) fn key(&self, table: &Table) -> Key {
        table.key.iter().map(|&at| self.0[at].clone()).collect()
    }

    /// Its name, made of its key.
    pub(crate) fn name(&self, table: &Table) -> String {
        let parts = table.key.iter().map(|&at| datum::to_text(&table.columns[at], &self.0[at]));
        key::write(parts)
    }

    /// Whether `path` is where it lies: a key may be compared in ways in which several texts are
    /// equal, and a row has one path. And a trigger may have given it another key.
    pub(crate) fn is_at(&self, table: &Table, path: &ResourcePath) -> bool {
        table.has_exact_key && !table.has_far_effects
            || path.name() == Some(self.name(table).as_bytes())
    }

    /// What is told of it.
    pub(crate) fn entry(&self, table: &Table, path: ResourcePath, select: &Select) -> Entry {
        let content = self.content(table);
        let columns = table.columns.iter().zip(&self.0);
        let columns = columns
            .filter_map(|(column, datum)| {
                select.pick_column(&column.name, || datum::to_value(column, datum))
            })
            .collect();
        Entry {
            length: content.len() as u64,
            etag: Some(etag(&content)),
            columns,
            ..bare(path, Kind::File)
        }
    }

    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = |datum: &Datum| match datum {
            Datum::Null | Datum::Integer(_) | Datum::Real(_) => 0,
            Datum::Text(text) => text.len(),
            Datum::Bytes(bytes) => bytes.len(),
        };
        self.0.iter().map(|datum| (size_of::<Datum>() + bytes(datum)) as u64).sum()
    }

    pub(crate) fn etag(&self, table: &Table) -> ETag {
        etag(&self.content(table))
    }
}

/// A collection or record of which nothing more is known.
pub(crate) fn bare(path: ResourcePath, kind: Kind) -> Entry {
    Entry {
        path,
        kind,
        length: 0,
        modified: None,
        created: None,
        etag: None,
        link: false,
        record: true,
        properties: Vec::new(),
        columns: Vec::new(),
    }
}

/// Equal content has the same tag, and no other has it.
fn etag(content: &[u8]) -> ETag {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let hash = Blake2b::<U16>::digest(content);
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut text = Vec::with_capacity(2 * hash.len());
    text.extend(digits.map(|digit| DIGITS[usize::from(digit)]));
    ETag::new(String::from_utf8(text).expect("digits are ASCII"))
}
