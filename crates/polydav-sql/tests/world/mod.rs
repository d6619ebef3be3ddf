//! Databases of a test's own.

#![allow(dead_code, reason = "each test needs some of it")]

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use conformance::Postgres;
use polydav_sql::{Options, SqlStore};
use tempfile::TempDir;

/// Files of SQLite, removed with the value.
#[derive(Default)]
pub(crate) struct Files(RefCell<Vec<TempDir>>);

impl Files {
    /// A file made by these statements.
    pub(crate) fn make(&self, sql: &str) -> PathBuf {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.db");
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch(sql).unwrap();
        self.0.borrow_mut().push(folder);
        file
    }

    /// A store over a file made by these statements.
    pub(crate) fn open(&self, sql: &str) -> SqlStore {
        SqlStore::open_sqlite(&self.make(sql), &Options::default()).unwrap()
    }
}

/// Databases of a server of PostgreSQL, which ends with the value.
pub(crate) struct Servers(pub(crate) Arc<Postgres>);

impl Servers {
    /// The server that all tests share.
    pub(crate) fn start() -> Self {
        Self(Postgres::shared())
    }

    /// A store over a database made by these statements.
    pub(crate) fn open(&self, sql: &str) -> SqlStore {
        let database = self.0.database(sql);
        SqlStore::open_postgres(&self.0.url(&database), &Options::default()).unwrap()
    }
}
