//! What a database was found to consist of. Identifiers in statements come from here and from
//! nowhere else, quoted; a client's text never becomes part of a statement.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use polydav_store::ResourcePath;

/// The tables that are served.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    tables: Vec<Arc<Table>>,
    by_name: HashMap<Box<str>, usize>,
    /// Whether any table has constraints that are looked at by the commit alone.
    has_deferred: bool,
}

/// A table or view.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: Box<str>,
    /// Its name in statements.
    pub(crate) quoted: String,
    /// Its rows in statements: not those of tables that inherit from it.
    pub(crate) rows: String,
    pub(crate) kind: TableKind,
    pub(crate) columns: Vec<Column>,
    /// The columns of the primary key, in its order. A view has none.
    pub(crate) key: Vec<usize>,
    /// Whether two names of rows are never names of the same row: the key's types compare as their
    /// texts do. Else it takes the row itself to tell.
    pub(crate) has_exact_key: bool,
    /// Whether the key may hold what isn't of its columns' types: SQLite takes a text for a number.
    pub(crate) has_loose_key: bool,
    /// Why none of its rows may be changed.
    pub(crate) read_only: Option<&'static str>,
    /// Whether a change of one row may change others: by triggers, or by references that cascade.
    pub(crate) has_far_effects: bool,
    /// Whether changes of several rows must not be one statement.
    pub(crate) is_single: bool,
    /// Whether a constraint is checked at the commit alone, so that only a transaction of its own
    /// tells which change broke it.
    pub(crate) is_deferred: bool,
    /// What the database calls the constraint that a key is that of one row; each partition has one.
    pub(crate) key_constraints: HashSet<Box<str>>,
    /// Constraints about a single column, by their names.
    pub(crate) constraints: Vec<(Box<str>, usize)>,
    /// For a database that doesn't say which reference leads nowhere: the columns that refer to
    /// rows, and what selects the row that one refers to.
    pub(crate) references: Vec<(usize, String)>,
}

/// What a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableKind {
    Table,
    View,
}

/// A column.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: Arc<str>,
    /// Its name in statements.
    pub(crate) quoted: String,
    /// What a statement selects to read it.
    pub(crate) output: String,
    pub(crate) kind: ColumnKind,
    /// Its type as the database calls it.
    pub(crate) declared: Box<str>,
    /// What a text is cast to that is to be stored in it; empty where nothing needs to be cast.
    pub(crate) cast: String,
    pub(crate) is_nullable: bool,
    /// The expression of its default, as the database tells it.
    pub(crate) default: Option<String>,
    /// Whether clients may not set it.
    pub(crate) is_read_only: bool,
    /// Whether its values are compared with those of other rows: by a unique or exclusion
    /// constraint, or as a reference to the same table; in SQLite, to any.
    pub(crate) is_compared: bool,
}

/// How the values of a column are written and read as text and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    /// Whole numbers within these bounds; JSON numbers.
    Integer { min: i64, max: i64 },
    /// Floating point; JSON numbers. Not every database keeps what is none.
    Real { has_nan: bool },
    /// Decimal numbers; JSON strings, so that no digit is lost. So many digits at most.
    Decimal { digits_max: Option<usize> },
    /// JSON booleans.
    Boolean,
    /// Text.
    Text,
    /// Bytes; base64 in JSON.
    Bytes,
    /// JSON as it is.
    Json,
    /// A JSON array, of elements whose type the database knows.
    Array,
    /// Anything else: a text whose form the database checks.
    Other,
    /// A column of SQLite whose type has a name that means nothing to it: a text that looks like a
    /// number is kept as one.
    Named,
    /// A column of SQLite that takes everything: numbers and texts are kept as what they are.
    Any,
}

impl Schema {
    pub(crate) fn new(tables: impl IntoIterator<Item = Table>) -> Self {
        let mut tables: Vec<_> = tables.into_iter().map(Arc::new).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        let by_name = tables.iter().enumerate().map(|(at, table)| (table.name.clone(), at));
        let has_deferred = tables.iter().any(|table| table.is_deferred);
        Self { by_name: by_name.collect(), tables, has_deferred }
    }

    pub(crate) fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }

    pub(crate) fn has_deferred(&self) -> bool {
        self.has_deferred
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<&Arc<Table>> {
        let name = std::str::from_utf8(name).ok()?;
        self.by_name.get(name).map(|&at| &self.tables[at])
    }
}

impl Table {
    /// Where it lies.
    pub(crate) fn path(&self) -> ResourcePath {
        ResourcePath::root().join(self.name.as_bytes()).expect("the name of a table is a segment")
    }

    /// The place of a column.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| *column.name == *name)
    }

    pub(crate) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().map(|&at| &self.columns[at])
    }

    /// All columns as a statement reads them.
    pub(crate) fn outputs(&self) -> String {
        list(self.columns.iter().map(|column| column.output.as_str()))
    }

    /// The columns of the key as a statement names them. They are those of the table `t`: a name
    /// alone could be taken for that of an output.
    pub(crate) fn key_quoted(&self) -> String {
        let names: Vec<_> =
            self.key_columns().map(|column| format!("t.{}", column.quoted)).collect();
        list(names.iter().map(String::as_str))
    }
}

/// Separated by commas.
pub(crate) fn list<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

/// A name as a statement has it.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_a_name() {
        assert_eq!(quote(r#"a"; DROP TABLE x; --"#), r#""a""; DROP TABLE x; --""#);
    }
}
