//! A rehearsal of SQLite: one transaction of the writer, in which every other is a savepoint, and which
//! is rolled back in the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polydav_store::Durability;
use rusqlite::Connection;

use super::{Connections, PATIENCE, Sqlite, Writing, placeholder, select};
use crate::database::{Database, Patience, Transaction, Trouble};
use crate::error::{SqlError, SqlErrorKind};
use crate::row::Row;
use crate::schema::{Schema, Table};
use crate::statement::{self, Rows};

/// A rehearsal. While it lasts, nobody else writes to the file.
pub(super) struct Rehearsal {
    sqlite: Arc<Sqlite>,
    outer: Mutex<Outer>,
}

/// The transaction that all others are a part of.
struct Outer {
    writer: r2d2::PooledConnection<Connections>,
    /// How many rows refer to nothing: a commit that would leave more fails. Without constraints that
    /// wait for it, nobody counts.
    orphans: i64,
    /// Whether there is something in it.
    is_begun: bool,
}

impl Rehearsal {
    pub(super) fn begin(sqlite: Arc<Sqlite>) -> Result<Self, SqlError> {
        let mut writer = sqlite.writer()?;
        writer.busy_timeout(PATIENCE)?;
        // Whatever happens to the transaction, nothing is committed.
        writer.commit_hook(Some(|| true))?;
        writer.execute_batch(BEGIN)?;
        let outer = Outer { writer, orphans: 0, is_begun: false };
        let rehearsal = Self { sqlite, outer: Mutex::new(outer) };
        // From here on the tables stay as they are.
        rehearsal.sqlite.look_again()?;
        let orphans = rehearsal.orphans(&rehearsal.outer().writer)?;
        rehearsal.outer().orphans = orphans;
        Ok(rehearsal)
    }

    fn outer(&self) -> MutexGuard<'_, Outer> {
        self.outer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn orphans(&self, connection: &Connection) -> Result<i64, SqlError> {
        if !self.sqlite.schema().has_deferred() {
            return Ok(0);
        }
        let mut count =
            connection.prepare_cached("SELECT count(*) FROM pragma_foreign_key_check")?;
        Ok(count.query_row([], |row| row.get(0))?)
    }
}

const BEGIN: &str = "BEGIN IMMEDIATE";

impl Database for Rehearsal {
    fn schema(&self) -> Arc<Schema> {
        self.sqlite.schema()
    }

    fn look_again(&self) -> Result<Arc<Schema>, SqlError> {
        self.sqlite.look_again()
    }

    fn places(&self) -> usize {
        1
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn rows(&self, table: &Table, rows: &Rows) -> Result<Vec<Row>, SqlError> {
        let outer = self.outer();
        outer.check()?;
        select(&outer.writer, table, &statement::select(table, rows, placeholder))
    }

    /// A commit that constraints forbid is found out by counting what they forbid.
    fn transact(
        &self,
        _: Durability,
        _: Patience,
        work: &mut dyn FnMut(&dyn Transaction) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut outer = self.outer();
        outer.check()?;
        outer.execute("SAVEPOINT part")?;
        let worked = work(&Writing { connection: &outer.writer });
        let worked = worked.and_then(|()| match self.orphans(&outer.writer)? {
            more if more > outer.orphans => {
                let said = "FOREIGN KEY constraint failed";
                Err(SqlError::new(SqlErrorKind::Reference, said).into())
            }
            orphans => Ok(orphans),
        });
        match worked {
            Ok(orphans) => {
                outer.execute("RELEASE part")?;
                (outer.orphans, outer.is_begun) = (orphans, true);
                Ok(())
            }
            Err(trouble) => {
                outer.roll_back()?;
                Err(trouble)
            }
        }
    }

    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Database>, SqlError> {
        Err(SqlError::new(SqlErrorKind::Busy, "a rehearsal is not rehearsed"))
    }
}

impl Outer {
    fn execute(&self, sql: &str) -> Result<(), SqlError> {
        Ok(self.writer.execute_batch(sql)?)
    }

    /// Whether it is still there: a trigger may roll everything back, and so may a disk that fails.
    fn check(&self) -> Result<(), SqlError> {
        match self.writer.is_autocommit() {
            true => Err(SqlError::lost("all of it was rolled back")),
            false => Ok(()),
        }
    }

    /// Undoes the last part. What was rolled back altogether is begun again, if there was nothing else
    /// in it.
    fn roll_back(&self) -> Result<(), SqlError> {
        match (self.writer.is_autocommit(), self.is_begun) {
            (false, _) => self.execute("ROLLBACK TO part; RELEASE part"),
            (true, false) => self.execute(BEGIN),
            (true, true) => Ok(()),
        }
    }
}

impl Drop for Outer {
    fn drop(&mut self) {
        if !self.writer.is_autocommit()
            && let Err(error) = self.writer.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a rehearsal can't be rolled back; its connection is closed");
        }
        if let Err(error) = self.writer.commit_hook(None::<fn() -> bool>) {
            tracing::error!(%error, "a connection commits no more");
        }
    }
}
