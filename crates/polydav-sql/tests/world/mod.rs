//! Databases of a test's own, and what they look like from outside.

#![allow(dead_code, reason = "each test needs some of it")]

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use conformance::{Postgres, require_postgres};
use polydav_sql::{OpenError, Options, SqlStore};
use polydav_store::kit::{content, found, path};
use polydav_store::{Failure, Fields, Listed, Page, Store, Value};
use rusqlite::types::ValueRef;
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

/// A database that others use too.
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres { server: Arc<Postgres>, name: String },
}

impl Database {
    /// A file of SQLite, whose commits are appended to a log.
    pub(crate) fn sqlite(sql: &str) -> Self {
        let database = Self::Sqlite(tempfile::tempdir().unwrap());
        let connection = rusqlite::Connection::open(database.file()).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch(sql).unwrap();
        database
    }

    pub(crate) fn postgres(sql: &str) -> Self {
        let server = Postgres::shared();
        let name = server.database(sql);
        Self::Postgres { server, name }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    pub(crate) fn file(&self) -> PathBuf {
        match self {
            Self::Sqlite(folder) => folder.path().join("app.db"),
            Self::Postgres { .. } => panic!("it is no file"),
        }
    }

    pub(crate) fn open(&self) -> SqlStore {
        self.open_with(&Options::default()).unwrap()
    }

    pub(crate) fn open_with(&self, options: &Options) -> Result<SqlStore, OpenError> {
        match self {
            Self::Sqlite(_) => SqlStore::open_sqlite(&self.file(), options),
            Self::Postgres { server, name } => SqlStore::open_postgres(&server.url(name), options),
        }
    }

    /// Does statements from outside; returns the rows of the last one, their values joined by `|`.
    pub(crate) fn sql(&self, sql: &str) -> String {
        match self {
            Self::Postgres { server, name } => server.psql(name, sql).trim_end().to_owned(),
            Self::Sqlite(_) => {
                let connection = rusqlite::Connection::open(self.file()).unwrap();
                connection.pragma_update(None, "foreign_keys", true).unwrap();
                // A statement that gives rows, alone; or others.
                if !sql.trim_start().to_uppercase().starts_with("SELECT") {
                    connection.execute_batch(sql).unwrap();
                    return String::new();
                }
                rows(&connection, sql).join("\n")
            }
        }
    }

    /// All there is in it.
    pub(crate) fn dump(&self) -> String {
        match self {
            Self::Postgres { server, name } => server.dump(name),
            Self::Sqlite(_) => {
                let connection = rusqlite::Connection::open(self.file()).unwrap();
                let mut all = rows(&connection, "SELECT name, sql FROM sqlite_schema ORDER BY 1");
                for table in
                    rows(&connection, "SELECT name FROM sqlite_schema WHERE type = 'table'")
                {
                    let table = table.replace('"', "\"\"");
                    all.extend(rows(&connection, &format!("SELECT * FROM \"{table}\"")));
                }
                all.join("\n")
            }
        }
    }
}

fn rows(connection: &rusqlite::Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let text = |value: ValueRef<'_>| match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{bytes:02x?}"),
    };
    let rows = statement.query_map([], |row| {
        let values: Vec<_> = (0..columns).map(|at| text(row.get_ref(at).unwrap())).collect();
        Ok(values.join("|"))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Runs a case over SQLite, and over PostgreSQL where it is installed.
pub(crate) fn each(sqlite: &str, postgres: &str, case: impl Fn(&Database)) {
    case(&Database::sqlite(sqlite));
    if require_postgres() {
        case(&Database::postgres(postgres));
    }
}

/// Runs a case over both, made by the same statements.
pub(crate) fn both(sql: &str, case: impl Fn(&Database)) {
    each(sql, sql, case);
}

/// The content of a record.
pub(crate) fn record(store: &dyn Store, joined: impl AsRef<[u8]>) -> String {
    String::from_utf8(content(store, &path(joined)).to_vec()).unwrap()
}

/// What the content of a record says of each column, in a form to be given again.
pub(crate) fn given_by(json: &str) -> Fields {
    let pairs: Vec<(String, Box<serde_json::value::RawValue>)> = pairs(json);
    let field = |(name, value): (String, Box<serde_json::value::RawValue>)| polydav_store::Field {
        name: name.into(),
        value: match value.get() {
            "null" => Value::Null,
            other => Value::Json(other.into()),
        },
    };
    pairs.into_iter().map(field).collect()
}

fn pairs(json: &str) -> Vec<(String, Box<serde_json::value::RawValue>)> {
    let all: std::collections::BTreeMap<String, Box<serde_json::value::RawValue>> =
        serde_json::from_str(json).unwrap();
    all.into_iter().collect()
}

/// The columns of a record.
pub(crate) fn columns(store: &dyn Store, joined: impl AsRef<[u8]>) -> Fields {
    found(store, joined).columns
}

/// A page of a listing: its records, and how it goes on.
pub(crate) fn page(
    store: &dyn Store,
    collection: &str,
    page: &Page,
) -> Result<(Vec<String>, Option<String>), Failure> {
    let (mut records, mut going) = (Vec::new(), None);
    store.list(&path(collection), page, &mut |listed| {
        match listed {
            Listed::Head { next, .. } => going = next,
            Listed::Record(json) => records.push(String::from_utf8(json.to_vec()).unwrap()),
        }
        ControlFlow::Continue(())
    })?;
    Ok((records, going))
}

/// All records of a collection.
pub(crate) fn listed(store: &dyn Store, collection: &str) -> Vec<String> {
    page(store, collection, &Page::default()).unwrap().0
}

pub(crate) fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(Bytes::copy_from_slice(bytes))
}

/// A session of somebody else's with a database of PostgreSQL.
pub(crate) struct Outsider {
    psql: std::process::Child,
    input: std::process::ChildStdin,
    output: std::io::BufReader<std::process::ChildStdout>,
}

impl Outsider {
    pub(crate) fn of(database: &Database) -> Self {
        use std::process::Stdio;
        let Database::Postgres { server, name } = database else { panic!("it has no sessions") };
        let mut psql = server.client("psql", name);
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"]);
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut psql = psql.spawn().unwrap();
        let (input, output) = (psql.stdin.take().unwrap(), psql.stdout.take().unwrap());
        Self { psql, input, output: std::io::BufReader::new(output) }
    }

    /// Has statements done, without waiting for it.
    pub(crate) fn begin(&mut self, sql: &str) {
        use std::io::Write as _;
        writeln!(self.input, "{sql};\n\\echo done").unwrap();
    }

    /// Waits until what was begun is done.
    pub(crate) fn finish(&mut self) {
        use std::io::BufRead as _;
        let mut line = String::new();
        while line.trim() != "done" {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "psql ended");
        }
    }

    pub(crate) fn sql(&mut self, sql: &str) {
        self.begin(sql);
        self.finish();
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}
