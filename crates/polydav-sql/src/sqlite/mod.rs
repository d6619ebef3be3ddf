//! SQLite: a file, whose one writer waits its turn here, and readers beside it.

mod change;
mod error;
mod rehearsal;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use polydav_store::{Commit, Durability};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, Statement as Prepared, ToSql, TransactionBehavior};

use crate::database::{
    BYTES_MAX, Behind, Change, Changed, Database, Patience, Shape, Transaction, Trouble, Wanted,
};
use crate::datum::Datum;
use crate::error::{SqlError, SqlErrorKind};
use crate::options::{OpenError, Options};
use crate::row::Row;
use crate::schema::{Column, Schema, Table};
use crate::statement::{self, Key, Rows, Statement};
use crate::store::SqlStore;

use self::change::Changing;
use self::rehearsal::Rehearsal;

/// How long we wait for whoever else has the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many connections read at a time.
const READERS_MAX: u32 = 8;

/// So many statements each connection keeps prepared.
const PREPARED_MAX: usize = 64;

impl SqlStore {
    /// A store over a file of SQLite, which must be there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_sqlite(path: &Path, options: &Options) -> Result<Self, OpenError> {
        Ok(Self::new(Arc::new(Sqlite::open(path, options)?)))
    }
}

/// A file of SQLite.
struct Sqlite {
    /// There is one: a file has one writer.
    writer: r2d2::Pool<Connections>,
    readers: r2d2::Pool<Connections>,
    seen: RwLock<Seen>,
    options: Options,
    is_writable: bool,
    /// Whether commits are appended to a log instead of written in place.
    has_wal: bool,
}

/// The tables as they were found, and the number that changes with them.
struct Seen {
    version: i64,
    schema: Arc<Schema>,
}

impl Sqlite {
    fn open(path: &Path, options: &Options) -> Result<Self, OpenError> {
        let fail = |error: rusqlite::Error| OpenError::Database(error.into());
        let writer = connect(path).map_err(fail)?;
        let is_writable = !options.read_only && !writer.is_readonly("main").map_err(fail)?;
        let mode: String =
            writer.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(fail)?;
        let version = version(&writer).map_err(fail)?;
        let schema = Arc::new(schema::find(&writer, options)?);
        Ok(Self {
            writer: pool(path, Use::Write, 1),
            readers: pool(path, Use::Read, READERS_MAX),
            seen: RwLock::new(Seen { version, schema }),
            options: options.clone(),
            is_writable,
            has_wal: mode.eq_ignore_ascii_case("wal"),
        })
    }

    fn reader(&self) -> Result<r2d2::PooledConnection<Connections>, SqlError> {
        self.readers.get().map_err(|error| SqlError::new(SqlErrorKind::Busy, error))
    }

    /// Waits for its turn.
    fn writer(&self) -> Result<r2d2::PooledConnection<Connections>, SqlError> {
        self.writer.get().map_err(|error| SqlError::new(SqlErrorKind::Busy, error))
    }

    fn seen(&self) -> RwLockReadGuard<'_, Seen> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses to go on with tables that are others by now.
    fn check_unchanged(&self, connection: &Connection) -> Result<(), SqlError> {
        if version(connection)? == self.seen().version {
            return Ok(());
        }
        Err(SqlError::new(SqlErrorKind::Changed, "the schema of the database changed"))
    }

    /// What a commit does about the disk. In the modes that write in place, only `EXTRA` also syncs
    /// the folder of the journal, and less than `FULL` could ruin the file.
    fn synchronous(&self, durability: Durability) -> &'static str {
        match (durability, self.has_wal) {
            (Durability::Full, true) | (Durability::Relaxed, false) => "FULL",
            (Durability::Full, false) => "EXTRA",
            (Durability::Relaxed, true) => "NORMAL",
        }
    }
}

/// Opens a connection, which never makes a file.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))
}

/// Makes connections.
#[derive(Debug)]
struct Connections {
    path: PathBuf,
    usage: Use,
}

/// What connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
}

/// So many connections at most. They are opened when they are needed, and waited for no longer than
/// whoever else has the file.
fn pool(path: &Path, usage: Use, count: u32) -> r2d2::Pool<Connections> {
    r2d2::Pool::builder()
        .max_size(count)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .connection_timeout(PATIENCE)
        .build_unchecked(Connections { path: path.to_owned(), usage })
}

impl r2d2::ManageConnection for Connections {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = connect(&self.path)?;
        connection.pragma_update(None, "query_only", self.usage == Use::Read)?;
        Ok(connection)
    }

    fn is_valid(&self, _: &mut Connection) -> rusqlite::Result<()> {
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        !connection.is_autocommit()
    }
}

impl Database for Sqlite {
    fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.seen().schema)
    }

    fn look_again(&self) -> Result<Arc<Schema>, SqlError> {
        let reader = self.reader()?;
        let version = version(&reader)?;
        if self.seen().version == version {
            return Ok(Arc::clone(&self.seen().schema));
        }
        let found = schema::find(&reader, &self.options)
            .map_err(|error| SqlError::new(SqlErrorKind::Changed, error))?;
        let schema = Arc::new(found);
        let seen = Seen { version, schema: Arc::clone(&schema) };
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(schema)
    }

    fn places(&self) -> usize {
        1
    }

    fn is_writable(&self) -> bool {
        self.is_writable
    }

    fn rows(&self, table: &Table, rows: &Rows) -> Result<Vec<Row>, SqlError> {
        let reader = self.reader()?;
        self.check_unchanged(&reader)?;
        select(&reader, table, &statement::select(table, rows, placeholder))
    }

    fn transact(
        &self,
        durability: Durability,
        patience: Patience,
        work: &mut dyn FnMut(&dyn Transaction) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut writer = self.writer()?;
        let synchronous = self.synchronous(durability);
        writer
            .busy_timeout(match patience {
                Patience::Usual => PATIENCE,
                Patience::Little => Duration::from_millis(100),
                Patience::None => Duration::ZERO,
            })
            .map_err(SqlError::from)?;
        writer.pragma_update(None, "synchronous", synchronous).map_err(SqlError::from)?;
        let transaction = writer
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(SqlError::from)?;
        self.check_unchanged(&transaction)?;
        // Whatever fails, the transaction is rolled back when it is dropped.
        work(&Writing { connection: &transaction })?;
        if !self.has_wal {
            // A commit in place waits for those who read, ours among them.
            transaction.busy_timeout(Duration::from_secs(1)).map_err(SqlError::from)?;
        }
        transaction.commit().map_err(|error| in_commit(error.into()).into())
    }

    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Database>, SqlError> {
        Ok(Arc::new(Rehearsal::begin(self)?))
    }
}

/// If the disk fails under a commit, what was written of it may still turn up at the next start.
fn in_commit(error: SqlError) -> SqlError {
    match error.kind {
        SqlErrorKind::Other => SqlError { kind: SqlErrorKind::InDoubt, ..error },
        _ => error,
    }
}

/// Rows, as many as there are up to [`BYTES_MAX`].
fn select(
    connection: &Connection,
    table: &Table,
    statement: &Statement,
) -> Result<Vec<Row>, SqlError> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    bind(&mut prepared, &statement.parameters)?;
    let mut rows = prepared.raw_query();
    let (mut found, mut bytes) = (Vec::new(), 0);
    while bytes < BYTES_MAX
        && let Some(row) = rows.next()?
    {
        let row = read(row, table)?;
        bytes += row.bytes();
        found.push(row);
    }
    Ok(found)
}

fn read(row: &rusqlite::Row<'_>, table: &Table) -> rusqlite::Result<Row> {
    let count = table.columns.len();
    let mut data = Vec::with_capacity(count);
    for at in 0..count {
        data.push(to_datum(row.get_ref(at)?));
    }
    Ok(Row(data))
}

/// A text that isn't UTF-8 is told with replacement characters.
fn to_datum(value: ValueRef<'_>) -> Datum {
    match value {
        ValueRef::Null => Datum::Null,
        ValueRef::Integer(number) => Datum::Integer(number),
        ValueRef::Real(number) => Datum::Real(number),
        ValueRef::Text(text) => Datum::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Datum::Bytes(bytes.to_vec()),
    }
}

impl ToSql for Datum {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn bind<'a>(
    prepared: &mut Prepared<'_>,
    values: impl IntoIterator<Item = &'a Datum>,
) -> rusqlite::Result<()> {
    let mut places = 1..;
    values
        .into_iter()
        .zip(&mut places)
        .try_for_each(|(value, at)| prepared.raw_bind_parameter(at, value))
}

fn placeholder(number: usize, _: &Column) -> String {
    format!("?{number}")
}

/// The writer's transaction.
struct Writing<'a> {
    connection: &'a Connection,
}

impl Transaction for Writing<'_> {
    fn knows_rows(&self) -> bool {
        false
    }

    fn prefetch(&self, _: &[Wanted]) -> Result<(), SqlError> {
        Ok(())
    }

    fn row(&self, table: &Arc<Table>, key: &Key) -> Result<Option<Row>, SqlError> {
        let mut look = self.connection.prepare_cached(&change::look(table))?;
        Ok(change::find(&mut look, table, key)?)
    }

    fn commit(&self) -> Commit {
        Commit::Nameless
    }

    fn change(&self, change: &Change, behind: Behind) -> Result<Vec<Changed>, SqlError> {
        let mut changing = Changing::prepare(self.connection, change, behind)?;
        let mut all = Vec::with_capacity(change.rows.len());
        for rows in change.rows.chunks(change::TOGETHER) {
            let are_changed = changing.together(rows)?;
            for (key, values) in rows {
                let changed = match are_changed {
                    true => changing.look(key),
                    false => changing.one(key, values),
                };
                let changed = match changed {
                    Err(error) if error.is_about_row() => {
                        let error = self.blame(error, change, values)?;
                        // What keeps the row from being changed undid its statement, and nothing
                        // else; but a trigger may have undone all, or left what it did itself.
                        if change.table.has_far_effects || self.connection.is_autocommit() {
                            return Err(error);
                        }
                        Err(error)
                    }
                    changed => Ok(changed?),
                };
                if let Ok(Some(row)) = &changed {
                    change::check_kept(change, values, row)?;
                }
                let stop = behind == Behind::Stop && !matches!(changed, Ok(Some(_)));
                all.push(changed);
                if stop {
                    return Ok(all);
                }
            }
        }
        Ok(all)
    }
}

impl Writing<'_> {
    /// The error, with the column at fault as far as that can be found out.
    fn blame(
        &self,
        error: SqlError,
        change: &Change,
        values: &[Datum],
    ) -> Result<SqlError, SqlError> {
        let mut error = error.of(&change.shape).with_columns_of(&change.table);
        let (Shape::Insert { given } | Shape::Update { given, .. }) = &change.shape else {
            return Ok(error);
        };
        if error.kind != SqlErrorKind::Reference {
            return Ok(error);
        }
        for (column, value) in given.iter().zip(values).filter(|(_, value)| **value != Datum::Null)
        {
            let mut own = change.table.references.iter().filter(|(from, _)| from == column);
            let leads = own.try_fold(true, |leads, (_, select)| {
                Ok::<_, rusqlite::Error>(leads && self.connection.prepare(select)?.exists([value])?)
            });
            if !leads? {
                error.column = Some((&*change.table.columns[*column].name).into());
                break;
            }
        }
        Ok(error)
    }
}
