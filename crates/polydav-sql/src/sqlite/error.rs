//! What SQLite complains of.

use rusqlite::{Error, ErrorCode, ffi};

use crate::error::{SqlError, SqlErrorKind};
use crate::schema::Table;

impl From<Error> for SqlError {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::SqliteFailure(failure, _) => kind(failure),
            _ => SqlErrorKind::Other,
        };
        let (column, constraint) = match &error {
            Error::SqliteFailure(failure, Some(said)) => blamed(failure, said),
            _ => (None, None),
        };
        Self { kind, column, constraint, source: error.into() }
    }
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

/// The column and the constraint that a message names: `UNIQUE constraint failed: t.a, t.b`,
/// `NOT NULL constraint failed: t.a`, `CHECK constraint failed: name`.
fn blamed(failure: &ffi::Error, said: &str) -> Blamed {
    let Some((_, names)) = said.split_once("constraint failed: ") else { return (None, None) };
    match kind(failure) {
        SqlErrorKind::Unique | SqlErrorKind::Null => {
            let first = names.split(", ").next().unwrap_or(names);
            let column = first.split_once('.').map_or(first, |(_, column)| column);
            (Some(column.into()), None)
        }
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
                | SqlErrorKind::Null
                | SqlErrorKind::Check
                | SqlErrorKind::Value
                | SqlErrorKind::Refused
        )
    }

    /// A check without a name is told as its expression: that is SQL, and nobody's business. One
    /// that names a single column is taken to be about that.
    pub(super) fn with_columns_of(mut self, table: &Table) -> Self {
        let Some(constraint) = self.constraint.take() else { return self };
        let is_name =
            |text: &str| text.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        if self.column.is_none() {
            let words =
                constraint.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
            let mut columns = words.filter_map(|word| table.column(word));
            self.column = match (columns.next(), columns.next()) {
                (Some(at), None) => Some((&*table.columns[at].name).into()),
                _ => None,
            };
        }
        self.constraint = Some(constraint).filter(|constraint| is_name(constraint));
        self
    }
}
