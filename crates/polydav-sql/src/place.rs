//! `Place`: what a path means in a database.

use std::sync::Arc;

use polydav_store::{ResourcePath, key};

use crate::datum::{self, Datum};
use crate::schema::{Column, Schema, Table};
use crate::statement::Key;

/// What may lie at a path.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// The collection of the tables.
    Root,
    /// A table.
    Table(Arc<Table>),
    /// A row of a table, if there is one with this key.
    Row(Arc<Table>, Key),
    /// A member of a table under a name that no row can have.
    NoRow(Arc<Table>),
    /// There is no table of this name.
    NoTable,
    /// A member of what has none.
    Beyond,
}

impl Place {
    /// The table that it is, or is a member of.
    pub(crate) fn table(&self) -> Option<&Arc<Table>> {
        match self {
            Self::Table(table) | Self::Row(table, _) | Self::NoRow(table) => Some(table),
            Self::Root | Self::NoTable | Self::Beyond => None,
        }
    }

    pub(crate) fn of(schema: &Schema, path: &ResourcePath) -> Self {
        let mut segments = path.segments();
        let Some(name) = segments.next() else { return Self::Root };
        let row = segments.next();
        if segments.next().is_some() {
            return Self::Beyond;
        }
        match (schema.find(name), row) {
            (None, _) => Self::NoTable,
            (Some(table), None) => Self::Table(Arc::clone(table)),
            (Some(table), Some(name)) => match read_key(table, name) {
                Some(key) => Self::Row(Arc::clone(table), key),
                None => Self::NoRow(Arc::clone(table)),
            },
        }
    }
}

/// The key that a name spells, if a row may have it, and if it is spelled as the server spells it.
pub(crate) fn read_key(table: &Table, name: &[u8]) -> Option<Key> {
    if table.key.is_empty() {
        return None;
    }
    let parts = key::read(name, table.key.len())?;
    let columns = table.key_columns();
    columns
        .zip(parts)
        .map(|(column, part)| {
            let datum = datum::read_text(column, &part).ok();
            let datum = datum.filter(|datum| datum::to_text(column, datum) == part);
            datum.or_else(|| table.has_loose_key.then(|| Datum::Text(part.into_owned())))
        })
        .collect()
}

/// Whether a new row may have this key: its parts are of their columns' types.
pub(crate) fn is_typed(table: &Table, key: &Key) -> bool {
    let is_typed = |(column, datum): (&Column, &Datum)| {
        datum::read_text(column, &datum::to_text(column, datum)).as_ref() == Ok(datum)
    };
    !table.has_loose_key || table.key_columns().zip(key).all(is_typed)
}
