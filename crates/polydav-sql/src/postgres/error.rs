//! What PostgreSQL complains of, by SQLSTATE.

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity};

use crate::database::{Change, Shape};
use crate::error::{SqlError, SqlErrorKind};

impl From<Error> for SqlError {
    fn from(error: Error) -> Self {
        let (kind, column, constraint) = match error.as_db_error() {
            // The session ended with it, whatever the reason.
            Some(said) if is_fatal(said) => (SqlErrorKind::Gone, None, None),
            Some(said) => (kind(said.code().code()), said.column(), said.constraint()),
            // The session ended, or never was.
            None if error.is_closed() || is_io(&error) => (SqlErrorKind::Gone, None, None),
            None => (SqlErrorKind::Other, None, None),
        };
        let (column, constraint) = (column.map(Box::from), constraint.map(Box::from));
        Self { kind, column, constraint, source: error.into() }
    }
}

fn is_fatal(said: &DbError) -> bool {
    matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
}

fn is_io(error: &Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.is::<std::io::Error>())
}

fn kind(code: &str) -> SqlErrorKind {
    match code {
        "23505" | "23P01" => SqlErrorKind::Unique,
        "23503" | "23001" => SqlErrorKind::Reference,
        "23502" => SqlErrorKind::Null,
        "23514" | "44000" => SqlErrorKind::Check,
        "25006" | "428C9" => SqlErrorKind::ReadOnly,
        "42501" => SqlErrorKind::Denied,
        "40001" | "40P01" => SqlErrorKind::Again,
        "55P03" | "57014" => SqlErrorKind::Held,
        "53200" | "53300" => SqlErrorKind::Busy,
        "53100" => SqlErrorKind::Full,
        "25P03" => SqlErrorKind::Gone,
        // Tables, columns, types or functions that aren't there any more.
        "42P01" | "42703" | "42704" | "0A000" => SqlErrorKind::Changed,
        // No function takes it; it has the grammar of no query, path or document.
        "42883" | "42601" => SqlErrorKind::Value,
        _ => match code.get(..2) {
            Some("22") => SqlErrorKind::Value,
            Some("08" | "57") => SqlErrorKind::Gone,
            Some("53") => SqlErrorKind::Busy,
            Some("P0" | "23" | "27" | "09" | "45") => SqlErrorKind::Refused,
            _ => SqlErrorKind::Other,
        },
    }
}

impl SqlError {
    /// With another kind, if it is only that others made a row since it was looked for. In a
    /// partitioned table it is one of a partition that is said to be there.
    pub(super) fn if_made(mut self, Change { table, shape, rows }: &Change) -> Self {
        let is_made_by_key =
            matches!(shape, Shape::Insert { .. }) && rows.iter().all(|(key, _)| !key.is_empty());
        let is_of_key = |constraint| table.key_constraints.contains(constraint);
        if self.kind == SqlErrorKind::Unique
            && is_made_by_key
            && self.constraint.as_ref().is_some_and(is_of_key)
        {
            self.kind = SqlErrorKind::Made;
        }
        self
    }

    /// With the column that the constraint is about, if it is one of the rows that are changed.
    pub(super) fn about(mut self, Change { table, shape, .. }: &Change) -> Self {
        let said = self.source.downcast_ref::<Error>().and_then(Error::as_db_error);
        let is_elsewhere = said.and_then(DbError::table).is_some_and(|name| name != &*table.name);
        // What a trigger did to other tables, or what other rows have against a removal.
        if *shape == Shape::Delete || (table.has_far_effects && is_elsewhere) {
            return Self { column: None, ..self };
        }
        if let (None, Some(constraint)) = (&self.column, &self.constraint) {
            let named = table.constraints.iter().find(|(name, _)| name == constraint);
            self.column = named.map(|&(_, at)| (&*table.columns[at].name).into());
        }
        self
    }
}
