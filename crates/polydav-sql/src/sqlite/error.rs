//! What SQLite complains of.

use rusqlite::{Error, ErrorCode, ffi};

use crate::error::{SqlError, SqlErrorKind};
use crate::schema::Table;

impl From<Error> for SqlError {
    fn from(error: Error) -> Self {
        let (failure, said) = match &error {
            Error::SqliteFailure(failure, said) => (Some(failure), said.as_deref()),
            Error::SqlInputError { error, msg, .. } => (Some(error), Some(&**msg)),
            _ => (None, None),
        };
        let kind = match (failure, said) {
            (Some(failure), Some(said)) if lacks_name(failure, said) => SqlErrorKind::Changed,
            _ => failure.map_or(SqlErrorKind::Other, kind),
        };
        let (column, constraint) = match (failure, said) {
            (Some(failure), Some(said)) => blamed(failure, said),
            _ => (None, None),
        };
        Self { kind, column, constraint, source: error.into() }
    }
}

/// Whether a table or column isn't there. Names come from what was found: it was. Functions that a
/// trigger or a check asks for are those of another program, and never there.
fn lacks_name(failure: &ffi::Error, said: &str) -> bool {
    let gone = ["no such table", "no such column"];
    failure.extended_code == ffi::SQLITE_ERROR
        && (gone.iter().any(|gone| said.starts_with(gone)) || said.contains("has no column named"))
}

fn kind(failure: &ffi::Error) -> SqlErrorKind {
    match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => return SqlErrorKind::Unique,
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => return SqlErrorKind::Reference,
        ffi::SQLITE_CONSTRAINT_NOTNULL => return SqlErrorKind::Null,
        ffi::SQLITE_CONSTRAINT_CHECK => return SqlErrorKind::Check,
        ffi::SQLITE_CONSTRAINT_DATATYPE => return SqlErrorKind::Value,
        ffi::SQLITE_CONSTRAINT_TRIGGER | ffi::SQLITE_CONSTRAINT_VTAB => {
            return SqlErrorKind::Refused;
        }
        _ => {}
    }
    match failure.code {
        ErrorCode::ConstraintViolation => SqlErrorKind::Refused,
        ErrorCode::TypeMismatch | ErrorCode::TooBig => SqlErrorKind::Value,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => SqlErrorKind::Busy,
        ErrorCode::DiskFull => SqlErrorKind::Full,
        ErrorCode::ReadOnly => SqlErrorKind::ReadOnly,
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            SqlErrorKind::Denied
        }
        ErrorCode::SchemaChanged => SqlErrorKind::Changed,
        _ => SqlErrorKind::Other,
    }
}

type Blamed = (Option<Box<str>>, Option<Box<str>>);

/// The columns and the constraint that a message names: `UNIQUE constraint failed: t.a, t.b`,
/// `NOT NULL constraint failed: t.a`, `CHECK constraint failed: name`.
fn blamed(failure: &ffi::Error, said: &str) -> Blamed {
    let Some((_, names)) = said.split_once("constraint failed: ") else { return (None, None) };
    match kind(failure) {
        SqlErrorKind::Unique | SqlErrorKind::Null => (Some(names.into()), None),
        SqlErrorKind::Check => (None, Some(names.into())),
        _ => (None, None),
    }
}

impl SqlError {
    /// Whether it undid one statement, and the transaction goes on.
    pub(super) fn is_about_row(&self) -> bool {
        matches!(
            self.kind,
            SqlErrorKind::Unique
                | SqlErrorKind::Reference
                | SqlErrorKind::Referenced
                | SqlErrorKind::Null
                | SqlErrorKind::Check
                | SqlErrorKind::Value
                | SqlErrorKind::Refused
        )
    }

    /// With the column of this table that is at fault. A check without a name is told as its
    /// expression: that is SQL, and nobody's business.
    pub(super) fn with_columns_of(mut self, table: &Table) -> Self {
        // One of another table is at fault in what a trigger did.
        self.column = self.column.and_then(|named| {
            let named = named.strip_prefix(&*table.name)?.strip_prefix('.')?;
            table.column(named).map(|at| (&*table.columns[at].name).into())
        });
        let Some(constraint) = self.constraint.take() else { return self };
        let named = table.constraints.iter().find(|(name, _)| *name == constraint);
        if let Some(&(_, at)) = named {
            self.column = Some((&*table.columns[at].name).into());
        } else {
            let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
            let words = constraint.split(|letter: char| !is_part(letter));
            let mut columns: Vec<_> = words.filter_map(|word| table.column(word)).collect();
            columns.dedup();
            if let [one] = columns[..] {
                self.column = Some((&*table.columns[one].name).into());
            }
            if !constraint.chars().all(is_part) {
                return self;
            }
        }
        self.constraint = Some(constraint);
        self
    }
}
