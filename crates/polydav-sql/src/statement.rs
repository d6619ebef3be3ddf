//! The text of statements. It is made of what the schema found and of placeholders alone.

use crate::datum::Datum;
use crate::schema::{Column, Table, list};

/// How a database writes placeholders.
pub(crate) type Placeholder = fn(number: usize, column: &Column) -> String;

/// The values of a row's key, in the order of the key's columns.
pub(crate) type Key = Vec<Datum>;

/// Which rows are read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    /// Those with these values.
    pub(crate) filter: Vec<(usize, Datum)>,
    /// Those behind this one.
    pub(crate) after: Option<Key>,
    /// Up to this one, included.
    pub(crate) until: Option<Key>,
    /// So many.
    pub(crate) limit: u64,
    /// But for so many at first.
    pub(crate) offset: u64,
}

/// A statement and its parameters, each with the column it is compared with or stored in.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) parameters: Vec<Datum>,
}

/// Puts parameters into a statement.
pub(crate) struct Parameters {
    placeholder: Placeholder,
    values: Vec<Datum>,
}

impl Parameters {
    pub(crate) fn new(placeholder: Placeholder) -> Self {
        Self { placeholder, values: Vec::new() }
    }

    /// The placeholder of one more value.
    pub(crate) fn add(&mut self, column: &Column, value: Datum) -> String {
        self.values.push(value);
        (self.placeholder)(self.values.len(), column)
    }

    pub(crate) fn finish(self, text: String) -> Statement {
        Statement { text, parameters: self.values }
    }
}

/// Reads rows in the order of their keys.
pub(crate) fn select(table: &Table, rows: &Rows, placeholder: Placeholder) -> Statement {
    let mut parameters = Parameters::new(placeholder);
    let mut conditions = Vec::new();
    for (at, value) in &rows.filter {
        let column = &table.columns[*at];
        conditions.push(match value {
            Datum::Null => format!("t.{} IS NULL", column.quoted),
            value => format!("t.{} = {}", column.quoted, parameters.add(column, value.clone())),
        });
    }
    // A row whose key is null has no name.
    let nullable = table.key_columns().filter(|column| column.is_nullable);
    conditions.extend(nullable.map(|column| format!("t.{} IS NOT NULL", column.quoted)));
    for (key, sign) in [(&rows.after, ">"), (&rows.until, "<=")] {
        let Some(key) = key else { continue };
        let columns = table.key_columns().zip(key);
        let places: Vec<_> =
            columns.map(|(column, value)| parameters.add(column, value.clone())).collect();
        let places = list(places.iter().map(String::as_str));
        conditions.push(format!("({}) {sign} ({places})", table.key_quoted()));
    }
    let mut text = format!("SELECT {} FROM {} AS t", table.outputs(), table.rows);
    if !conditions.is_empty() {
        text.push_str(" WHERE ");
        text.push_str(&conditions.join(" AND "));
    }
    if !table.key.is_empty() {
        text.push_str(" ORDER BY ");
        text.push_str(&table.key_quoted());
    }
    text.push_str(&format!(" LIMIT {} OFFSET {}", rows.limit, rows.offset));
    parameters.finish(text)
}

/// What makes a row of `t` the one of a key.
pub(crate) fn key_is(table: &Table, key: &[Datum], parameters: &mut Parameters) -> String {
    let columns = table.key_columns().zip(key);
    let parts: Vec<_> = columns
        .map(|(column, value)| {
            format!("t.{} = {}", column.quoted, parameters.add(column, value.clone()))
        })
        .collect();
    parts.join(" AND ")
}
