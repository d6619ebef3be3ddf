//! What databases complain of, and the one map from that to a store's failure. What is told to a
//! client names a column and a constraint, and holds no SQL.

use std::error::Error as StdError;

use polydav_store::{Effect, Failure, FailureKind, ResourcePath};

use crate::database::Shape;

/// Why a statement, or a commit, was not done.
#[derive(Debug, thiserror::Error)]
#[error("{kind:?}: {source}")]
pub(crate) struct SqlError {
    pub(crate) kind: SqlErrorKind,
    pub(crate) column: Option<Box<str>>,
    pub(crate) constraint: Option<Box<str>>,
    pub(crate) source: Box<dyn StdError + Send + Sync>,
}

/// Why something isn't done: a refusal of ours, or trouble with the database.
#[derive(Debug)]
pub(crate) enum Refusal {
    Failure(Failure),
    Sql(SqlError),
}

impl Refusal {
    /// What it comes to for whoever asked about `path`.
    pub(crate) fn to_failure(&self, path: &ResourcePath) -> Failure {
        match self {
            Self::Failure(failure) => failure.clone(),
            Self::Sql(error) => error.to_failure(path.clone()),
        }
    }

    /// Trouble with the database; what was begun to be told can't be begun anew.
    pub(crate) fn once(error: SqlError, is_begun: bool, path: &ResourcePath) -> Self {
        if is_begun { error.to_failure(path.clone()).into() } else { error.into() }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SqlErrorKind {
    /// A value that must be the only one is there already.
    Unique,
    /// The row that was to be made under a key of the client's is there by now.
    Made,
    /// What is referred to isn't there.
    Reference,
    /// What would go is referred to.
    Referenced,
    /// A column must have a value.
    Null,
    /// A check constraint.
    Check,
    /// A value isn't one of the column's type.
    Value,
    /// A trigger, or a rule of the database's own, refuses it.
    Refused,
    /// The user of the database may not.
    Denied,
    /// The database, or a table, can only be read.
    ReadOnly,
    /// Others hold some of the rows for longer than we wait.
    Held,
    /// Others hold the database for longer than we wait.
    Busy,
    /// Nothing was done, and the same may succeed at once: a deadlock, a failed serialization.
    Again,
    /// There is no space left.
    Full,
    /// The session with the database ended; nothing was done.
    Gone,
    /// The database can't be reached, though we waited.
    Away,
    /// The tables are others than were found.
    Changed,
    /// Whether the transaction was committed can't be told.
    InDoubt,
    /// The rehearsal that it was a part of ended.
    Lost,
    /// Anything else.
    Other,
}

impl SqlError {
    pub(crate) fn new(
        kind: SqlErrorKind,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind, column: None, constraint: None, source: source.into() }
    }

    /// What was rehearsed so far isn't there any more, and nothing can be built upon it.
    pub(crate) fn lost(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(SqlErrorKind::Lost, source)
    }

    /// The same, of a change of this shape: what is removed refers to nothing.
    pub(crate) fn of(mut self, shape: &Shape) -> Self {
        if (self.kind, shape) == (SqlErrorKind::Reference, &Shape::Delete) {
            self.kind = SqlErrorKind::Referenced;
        }
        self
    }

    /// What it comes to for a step about `path`.
    pub(crate) fn to_failure(&self, path: ResourcePath) -> Failure {
        let (kind, said) = told(self.kind);
        let mut failure = Failure::new(kind, path);
        if let Some(said) = said {
            failure = failure.with_detail(self.detail(said));
        }
        if let Some(column) = &self.column {
            failure = failure.with_column(column.clone());
        }
        if self.kind == SqlErrorKind::InDoubt {
            failure = failure.with_effect(Effect::Unknown);
        }
        failure.with_source(self.source.to_string())
    }

    fn detail(&self, said: &str) -> String {
        match (&self.column, &self.constraint) {
            (Some(column), Some(constraint)) => {
                format!("column {column}: {said} (constraint {constraint})")
            }
            (Some(column), None) => format!("column {column}: {said}"),
            (None, Some(constraint)) => format!("{said} (constraint {constraint})"),
            (None, None) => said.to_owned(),
        }
    }
}

fn told(kind: SqlErrorKind) -> (FailureKind, Option<&'static str>) {
    use SqlErrorKind as Kind;
    match kind {
        Kind::Unique | Kind::Made => {
            (FailureKind::Conflict, Some("another record has this value already"))
        }
        Kind::Reference => (FailureKind::Conflict, Some("there is no record that it refers to")),
        Kind::Referenced => (FailureKind::Conflict, Some("another record refers to it")),
        Kind::Null => (FailureKind::Invalid, Some("it must have a value")),
        Kind::Check => (FailureKind::Invalid, Some("a check doesn't allow this value")),
        Kind::Value => (FailureKind::Invalid, Some("this is no value of the column's type")),
        Kind::Refused => (FailureKind::Invalid, Some("a rule of the database refuses it")),
        Kind::Denied => {
            (FailureKind::Forbidden, Some("the database doesn't let this server do it"))
        }
        Kind::ReadOnly => (FailureKind::ReadOnly, Some("the database can only be read")),
        Kind::Held | Kind::Busy | Kind::Again => {
            (FailureKind::Busy, Some("others keep the database busy; nothing was done"))
        }
        Kind::Full => (FailureKind::NoSpace, None),
        Kind::Gone | Kind::Away => {
            (FailureKind::Busy, Some("the database can't be reached; nothing was done"))
        }
        Kind::Changed => {
            (FailureKind::Busy, Some("the tables of the database changed; nothing was done"))
        }
        Kind::InDoubt => {
            (FailureKind::Internal, Some("the database could not tell whether it was done"))
        }
        Kind::Lost => (
            FailureKind::NotAttempted,
            Some(
                "what would come of it can't be told: the database undid all that stands before it",
            ),
        ),
        Kind::Other => (FailureKind::Internal, None),
    }
}
