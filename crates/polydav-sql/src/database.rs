//! What a store of records needs of a database: reading rows, and transactions that change them.
//! `sqlite` and `postgres` are such databases.

use std::sync::Arc;

use polydav_store::{Commit, Durability, Fate, Witness};

use crate::datum::Datum;
use crate::error::SqlError;
use crate::row::Row;
use crate::schema::{Schema, Table};
use crate::statement::{Key, Rows};

/// Rows read at once have about so many bytes at most.
pub(crate) const BYTES_MAX: u64 = 1 << 20;

/// A database. All methods block.
pub(crate) trait Database: Send + Sync + 'static {
    /// The tables there are, as they were found last: not long ago, or whoever relies on them is
    /// told that they changed.
    fn schema(&self) -> Arc<Schema>;

    /// Looks again which tables there are.
    fn look_again(&self) -> Result<Arc<Schema>, SqlError>;

    /// How many transactions that change a single row are worth having at a time: more of them go
    /// faster together.
    fn places(&self) -> usize;

    /// Whether it can be changed at all.
    fn is_writable(&self) -> bool;

    /// Reads rows in the order of their keys. There may be more than are told if these have
    /// [`BYTES_MAX`] bytes; at least one is told, if there is one.
    fn rows(&self, table: &Table, rows: &Rows) -> Result<Vec<Row>, SqlError>;

    /// Does `work` in a transaction, and commits it unless `work` fails.
    fn transact(
        &self,
        durability: Durability,
        patience: Patience,
        work: &mut dyn FnMut(&dyn Transaction) -> Result<(), Trouble>,
    ) -> Result<(), Trouble>;

    /// What became of a transaction, by the name that its [`Transaction::commit`] had.
    fn fate(&self, name: &Witness) -> Result<Fate, SqlError> {
        let _ = name;
        Ok(Fate::Unknown)
    }

    /// The same database within one transaction, which is rolled back when the value is dropped: what
    /// is committed in it is there for whoever looks into it, and for nobody else.
    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Database>, SqlError>;
}

/// How long others are waited for who hold what a transaction needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as our own requests wait for each other.
    Usual,
    /// A moment: the run has waited already.
    Little,
    /// Not at all.
    None,
}

/// A transaction that changes rows. What it looked at stays as it is until its end.
pub(crate) trait Transaction {
    /// Whether asking for a row costs next to nothing once it was prefetched.
    fn knows_rows(&self) -> bool;

    /// Takes hold of the rows that will be looked at or changed.
    fn prefetch(&self, wanted: &[Wanted]) -> Result<(), SqlError>;

    /// The row with this key.
    fn row(&self, table: &Arc<Table>, key: &Key) -> Result<Option<Row>, SqlError>;

    /// Makes a change of rows. For each: the row as it is now (as it was, if it is removed), or
    /// `None` if there was none; or why it isn't changed, if the transaction can go on without it.
    /// [`Behind`] says which of them are tried.
    ///
    /// # Errors
    /// The transaction can't go on: some of the rows are at fault, or something else is.
    fn change(&self, change: &Change, behind: Behind) -> Result<Vec<Changed>, SqlError>;

    /// What makes it final, by the name that [`Database::fate`] knows it by.
    fn commit(&self) -> Commit;
}

/// What stands behind a change in its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Others, whatever becomes of its rows.
    Others,
    /// Others, if all its rows are changed: none behind the first that isn't is tried, nor told.
    Stop,
    /// Nothing, and nothing was before it: it may be committed as soon as it is made.
    Nothing,
}

/// What became of one row.
pub(crate) type Changed = Result<Option<Row>, SqlError>;

/// A row that a run will look at.
pub(crate) struct Wanted {
    pub(crate) table: Arc<Table>,
    pub(crate) key: Key,
    /// Whether it may be removed.
    pub(crate) goes: bool,
}

/// Rows of one table that are changed in the same columns.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) table: Arc<Table>,
    pub(crate) shape: Shape,
    /// The key of each row, but of those inserted, and the values of the columns given.
    pub(crate) rows: Vec<(Key, Vec<Datum>)>,
}

/// What is done to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It is made, with values for these columns; the others get their defaults.
    Insert { given: Vec<usize> },
    /// These columns get values, and those their defaults.
    Update { given: Vec<usize>, reset: Vec<usize> },
    /// It is removed.
    Delete,
}

/// Why a transaction was given up.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// The steps one of which is at fault; `None` if it may be any.
    pub(crate) at: Option<std::ops::Range<usize>>,
    pub(crate) error: SqlError,
}

impl From<SqlError> for Trouble {
    fn from(error: SqlError) -> Self {
        Self { at: None, error }
    }
}
