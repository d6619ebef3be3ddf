//! A rehearsal of PostgreSQL: one transaction of a session, in which every other is a savepoint, and
//! which is rolled back in the end. Numbers that were given meanwhile are not given again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polydav_store::Durability;

use super::Postgres;
use super::session::{Session, Sessions};
use super::writing::Writing;
use crate::database::{Database, Patience, Transaction, Trouble};
use crate::error::{SqlError, SqlErrorKind};
use crate::row::Row;
use crate::schema::{Schema, Table};
use crate::statement::Rows;

/// A rehearsal. While it lasts it holds the rows that it changed, or looked at to change them.
pub(super) struct Rehearsal {
    postgres: Arc<Postgres>,
    session: Mutex<r2d2::PooledConnection<Sessions>>,
}

impl Rehearsal {
    pub(super) fn begin(postgres: Arc<Postgres>) -> Result<Self, SqlError> {
        let session = postgres.session()?;
        session.begin_rehearsal()?;
        Ok(Self { postgres, session: Mutex::new(session) })
    }

    fn session(&self) -> Result<MutexGuard<'_, r2d2::PooledConnection<Sessions>>, SqlError> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        match session.is_lost() {
            true => Err(SqlError::lost("the session with the database ended")),
            false => Ok(session),
        }
    }
}

impl Database for Rehearsal {
    fn schema(&self) -> Arc<Schema> {
        self.postgres.schema()
    }

    fn look_again(&self) -> Result<Arc<Schema>, SqlError> {
        self.postgres.look_again()
    }

    fn places(&self) -> usize {
        1
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn rows(&self, table: &Table, rows: &Rows) -> Result<Vec<Row>, SqlError> {
        let session = self.session()?;
        self.postgres.rows_of(&session, table, rows)
    }

    fn transact(
        &self,
        durability: Durability,
        patience: Patience,
        work: &mut dyn FnMut(&dyn Transaction) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let session = self.session()?;
        let session: &Session = &session;
        let begin = || session.begin(durability, patience);
        begin();
        let writing = Writing::new(session, &begin, patience);
        let worked = work(&writing);
        let suspect = writing.into_suspect();
        match worked {
            Ok(()) => Ok(session.commit()?),
            Err(trouble) => Err(self.postgres.give_up(session, suspect, trouble)),
        }
    }

    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Database>, SqlError> {
        Err(SqlError::new(SqlErrorKind::Busy, "a rehearsal is not rehearsed"))
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.session.get_mut().unwrap_or_else(PoisonError::into_inner).end_rehearsal();
    }
}
