//! Which tables of a database are served, and how.

use std::error::Error as StdError;

use crate::schema::Table;

/// What is served of a database.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Nothing is changed.
    pub read_only: bool,
    /// Where the tables are looked for: a schema of PostgreSQL; if none is named, the one in which
    /// the user's own tables are made.
    pub schema: Option<String>,
    /// The tables that are served; `None` for all.
    pub tables: Option<Vec<String>>,
    /// Tables that aren't served.
    pub deny_tables: Vec<String>,
    /// Columns that clients can't set: the table, and the column.
    pub read_only_columns: Vec<(String, String)>,
}

/// Why a database can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It can't be opened, or not be looked at.
    #[error("the database can't be used")]
    Database(#[source] Box<dyn StdError + Send + Sync>),
    /// A table or column that was named isn't there.
    #[error("there is no {what} {name:?} that could be served")]
    Unknown {
        /// What it was named as.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// It asks for something that this server doesn't do.
    #[error("{0}")]
    Unsupported(String),
}

impl Options {
    /// Whether a table of this name is served.
    pub(crate) fn serves(&self, table: &str) -> bool {
        let names = |list: &[String]| list.iter().any(|name| name == table);
        self.tables.as_deref().is_none_or(names) && !names(&self.deny_tables)
    }

    /// Notes which columns clients can't set.
    pub(crate) fn restrict(&self, table: &mut Table) {
        for column in &mut table.columns {
            column.is_read_only |= self
                .read_only_columns
                .iter()
                .any(|(of, name)| **of == *table.name && **name == *column.name);
        }
        if self.read_only {
            table.read_only = Some("the database is served for reading alone");
        }
    }

    /// Refuses names that nothing has: a typing error must not open what was to be closed.
    pub(crate) fn check<'a>(
        &self,
        found: impl Iterator<Item = &'a str> + Clone,
        served: &[Table],
    ) -> Result<(), OpenError> {
        let unknown = |what, name: &String| Err(OpenError::Unknown { what, name: name.clone() });
        for name in self.tables.iter().flatten() {
            if !served.iter().any(|table| *table.name == **name) {
                return unknown("table", name);
            }
        }
        for name in &self.deny_tables {
            if !found.clone().any(|found| found == name) {
                return unknown("table", name);
            }
        }
        for (of, name) in &self.read_only_columns {
            let mut tables = served.iter().filter(|table| *table.name == **of);
            if !tables.any(|table| table.column(name).is_some()) {
                return unknown("column", &format!("{of}.{name}"));
            }
        }
        Ok(())
    }
}
