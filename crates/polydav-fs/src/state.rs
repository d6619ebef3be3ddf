//! `state.db`: dead properties, locks, batches, and the intents of what is under way, in SQLite.
//!
//! Properties hang on a sparse tree of names: a node is there only if it or one under it has
//! properties. A row whose resource is gone is void; whoever makes a resource clears it first.
//!
//! The database knows nothing of files; what its rows mean for them is told in [`crate::apply`].

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use polydav_store::{
    Durability, FATE_KNOWN, Property, PropertyChange, ResourcePath, RunId, Select,
};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

use crate::held::Held;
use crate::intent::{Identity, Intent, IntentKind};
use crate::reserve::Reserve;
use crate::sys;

/// The version of the tables: how many of [`TABLES`] there are.
const VERSION: i64 = TABLES.len() as i64;

/// After so many pages (16 MiB) what is in the log is written to its place, and both are synced. Whoever
/// commits waits for that: the longer the log, the less often, and the fewer pages, for many are
/// written again and again.
const LOG_PAGES: i64 = 4_000;

/// Marks the file as ours: "pdav".
const APPLICATION: i64 = 0x7064_6176;

/// What each version added to the one before it.
const TABLES: [&str; 2] = [
    "
    CREATE TABLE node (
        id INTEGER PRIMARY KEY,
        parent INTEGER NOT NULL,
        name BLOB NOT NULL,
        UNIQUE (parent, name)
    );
    CREATE TABLE prop (
        node INTEGER NOT NULL,
        ns TEXT NOT NULL,
        name TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (node, ns, name)
    ) WITHOUT ROWID;
    CREATE TABLE lock (
        token TEXT PRIMARY KEY,
        root BLOB NOT NULL,
        shared INTEGER NOT NULL,
        deep INTEGER NOT NULL,
        owner BLOB,
        principal TEXT,
        expires_s INTEGER NOT NULL,
        expires_ns INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE intent (
        seq INTEGER PRIMARY KEY,
        run BLOB NOT NULL,
        kind INTEGER NOT NULL,
        source BLOB NOT NULL,
        target BLOB NOT NULL,
        source_id BLOB NOT NULL,
        target_id BLOB,
        aside BLOB NOT NULL
    );
",
    "
    CREATE TABLE mark (
        run BLOB NOT NULL,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (run, number)
    ) WITHOUT ROWID;
    CREATE INDEX mark_at ON mark (at);
    CREATE TABLE batch (
        id BLOB NOT NULL UNIQUE,
        principal TEXT,
        key TEXT,
        fingerprint BLOB NOT NULL,
        begun_s INTEGER NOT NULL,
        begun_ns INTEGER NOT NULL,
        total INTEGER NOT NULL,
        job INTEGER NOT NULL,
        answer_bytes INTEGER,
        failed INTEGER,
        cancelled INTEGER,
        -- Whatever stands behind what is long takes long to be read.
        document BLOB,
        answer BLOB
    );
    CREATE TABLE receipt (
        number INTEGER PRIMARY KEY,
        batch BLOB NOT NULL,
        receipt BLOB NOT NULL,
        confirmed INTEGER NOT NULL
    );
    CREATE INDEX receipt_batch ON receipt (batch);
",
];

/// So long it is known which commits were made.
const MARK_SECONDS: i64 = FATE_KNOWN.as_secs() as i64;

/// The node of the store's root; it has no row of its own.
const ROOT: i64 = 0;

/// Why a state database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It isn't a state database, or is damaged.
    #[error("it can't be read")]
    Unreadable(#[from] rusqlite::Error),
    /// The folder it lies in can't be opened.
    #[error("its folder can't be opened")]
    Folder(#[from] std::io::Error),
    /// Its file system can't share memory between those who have it open, which is what commits
    /// that outlive a crash are made with here.
    #[error(
        "its file system doesn't let SQLite keep a write-ahead log; choose another folder for it"
    )]
    NoWal,
    /// It was written for something else.
    #[error("it is no state database of polydav")]
    Foreign,
    /// It was written by a newer version.
    #[error("its version is {found}, this polydav knows versions up to {known}", known = VERSION)]
    Newer {
        /// Its version.
        found: i64,
    },
}

/// A change to the rows of properties.
#[derive(Debug)]
pub(crate) enum RowChange {
    /// Clear all at and under a path.
    Clear(ResourcePath),
    /// Give what lies at and under the source to the target, in place of what is there.
    Move(ResourcePath, ResourcePath),
    /// Give the target the same as the source, in place of what is there.
    Copy { source: ResourcePath, target: ResourcePath, deep: bool },
    /// Change properties of one resource.
    Patch(ResourcePath, Vec<PropertyChange>),
}

/// The state database.
#[derive(Debug)]
pub(crate) struct State {
    writer: Mutex<Writer>,
    readers: Mutex<Vec<Connection>>,
    path: std::path::PathBuf,
    /// Whether a commit could not be synced.
    in_doubt: AtomicBool,
    /// The number of the next intent. None outlives the opening of the store.
    next_seq: AtomicI64,
    /// Whether there may be any rows of properties; spares all questions where nobody uses properties.
    any_row: AtomicBool,
    _held: Held,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    durability: Durability,
    reserve: Reserve,
}

impl Writer {
    /// The next transactions are committed as durably as asked.
    fn be(&mut self, durability: Durability) -> rusqlite::Result<()> {
        if self.durability == durability {
            return Ok(());
        }
        let synchronous = match durability {
            Durability::Full => "FULL",
            Durability::Relaxed => "NORMAL",
        };
        self.connection.pragma_update(None, "synchronous", synchronous)?;
        self.durability = durability;
        Ok(())
    }
}

impl State {
    /// Opens or makes the database. Its folder is held as long as it is open.
    pub(crate) fn open(path: &Path, held: Held) -> Result<Self, StateError> {
        let mut connection = Connection::open(path)?;
        // The first thing that reads the file: a damaged one shows here.
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if mode != "wal" {
            return Err(StateError::NoWal);
        }
        configure(&connection)?;
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        prepare_tables(&mut connection)?;
        let any_row = any_row(&connection)?;
        let reserve = Reserve::open(path.parent().unwrap_or(Path::new(".")))?;
        Ok(Self {
            writer: Mutex::new(Writer { connection, durability: Durability::Full, reserve }),
            readers: Mutex::default(),
            path: path.to_owned(),
            in_doubt: AtomicBool::new(false),
            next_seq: AtomicI64::new(0),
            any_row: AtomicBool::new(any_row),
            _held: held,
        })
    }

    /// Opens or makes the database of a folder that nobody else has.
    #[cfg(test)]
    pub(crate) fn open_in(dir: &Path) -> Result<Self, StateError> {
        let handle = std::fs::File::open(dir).expect("it is there");
        let held = Held::alone(handle).expect("nobody else has it");
        Self::open(&dir.join("state.db"), held)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for an intent.
    pub(crate) fn next_seq(&self) -> i64 {
        self.next_seq.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether there may be rows of properties at all.
    pub(crate) fn has_any(&self) -> bool {
        self.any_row.load(Ordering::Acquire)
    }

    /// Whether a commit could not be synced: a sync that failed is never taken for success, nor is
    /// the next one believed.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Acquire)
    }

    /// Does `work` in one transaction; it is committed as durably as asked.
    pub(crate) fn change(
        &self,
        durability: Durability,
        work: impl FnOnce(&Changes<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let work = |changes: &Changes<'_>| work(changes).map(|()| true);
        self.change_by(&mut self.writer(), durability, work).map(drop)
    }

    /// As [`State::change`], for what must not fail for want of space.
    pub(crate) fn settle(
        &self,
        durability: Durability,
        work: impl Fn(&Changes<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        self.settle_if(durability, |changes| work(changes).map(|()| true)).map(drop)
    }

    /// As [`State::settle`], if `work` says so when it is done; else nothing is changed. Whether it
    /// was.
    pub(crate) fn settle_if(
        &self,
        durability: Durability,
        work: impl Fn(&Changes<'_>) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<bool> {
        // Held until it is settled: nobody takes the space that is given up.
        let mut writer = self.writer();
        self.change_by(&mut writer, durability, &work).or_else(|error| {
            if lacks_space(&error) && writer.reserve.spend() {
                return self.change_by(&mut writer, durability, &work);
            }
            Err(error)
        })
    }

    fn change_by(
        &self,
        writer: &mut Writer,
        durability: Durability,
        work: impl FnOnce(&Changes<'_>) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<bool> {
        writer.be(durability)?;
        let behavior = rusqlite::TransactionBehavior::Immediate;
        let transaction = writer.connection.transaction_with_behavior(behavior)?;
        let (folder, reserve) = (Folder::default(), &writer.reserve);
        if !work(&Changes { transaction: &transaction, folder, reserve })? {
            return Ok(false);
        }
        let any_row = any_row(&transaction)?;
        // Told before it can be seen, and taken back only after.
        self.any_row.fetch_or(any_row, Ordering::AcqRel);
        sys::commit(transaction).inspect_err(|error| {
            if is_in_doubt(error) {
                tracing::error!(%error, "a commit could not be synced: no more changes are taken");
                self.in_doubt.store(true, Ordering::Release);
            }
        })?;
        self.any_row.store(any_row, Ordering::Release);
        Ok(true)
    }

    /// Reads, beside whatever is written meanwhile.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Rows<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        work(&self.reading()?.rows())
    }

    /// Begins to read, beside whatever is written meanwhile.
    pub(crate) fn reading(&self) -> rusqlite::Result<Reading<'_>> {
        let kept = self.readers().pop();
        let connection = match kept {
            Some(connection) => connection,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(&self.path, flags)?;
                configure(&connection)?;
                connection
            }
        };
        Ok(Reading { state: self, connection: Some(connection), folder: Folder::default() })
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are rows at or under `path`.
    pub(crate) fn has(&self, path: &ResourcePath) -> rusqlite::Result<bool> {
        Ok(self.has_any() && node_at(&self.writer().connection, path)?.is_some())
    }
}

/// Whether there was no space; a quota that is used up is told as a failed write.
pub(crate) fn lacks_space(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_WRITE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(SQLITE_FULL | SQLITE_IOERR_WRITE))
}

/// Whether a failed commit may be found to be done after a loss of power.
pub(crate) fn is_in_doubt(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_IOERR_FSYNC)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Else a statement is prepared anew whenever it is given other values: they might call for another
    // plan.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn any_row(connection: &Connection) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM prop)")?;
    statement.query_row([], |row| row.get(0))
}

fn prepare_tables(connection: &mut Connection) -> Result<(), StateError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let missing = match (application, usize::try_from(version)) {
        (0, Ok(0)) if tables == 0 => &TABLES[..],
        (APPLICATION, Ok(known)) if known > 0 => {
            TABLES.get(known..).ok_or(StateError::Newer { found: version })?
        }
        _ => return Err(StateError::Foreign),
    };
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    missing.iter().try_for_each(|tables| transaction.execute_batch(tables))?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(sys::commit(transaction)?)
}

fn child(connection: &Connection, parent: i64, name: &[u8]) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM node WHERE parent = ?1 AND name = ?2")?
        .query_row(params![parent, name], |row| row.get(0))
        .optional()
}

fn node_at(connection: &Connection, path: &ResourcePath) -> rusqlite::Result<Option<i64>> {
    let mut node = ROOT;
    for name in path.segments() {
        match child(connection, node, name)? {
            Some(id) => node = id,
            None => return Ok(None),
        }
    }
    Ok(Some(node))
}

/// The folder that something was looked up in last, and its node, if it has one: most of what is looked
/// up in one transaction lies in the same. Forgotten when nodes go, or are moved.
#[derive(Debug, Default)]
struct Folder(RefCell<Option<(ResourcePath, Option<i64>)>>);

impl Folder {
    fn forget(&self) {
        self.0.take();
    }

    fn note(&self, path: ResourcePath, node: Option<i64>) {
        self.0.replace(Some((path, node)));
    }

    /// The node of a folder, if it is the one that is known.
    fn known(&self, path: &ResourcePath) -> Option<Option<i64>> {
        self.0.borrow().as_ref().filter(|(known, _)| known == path).map(|(_, node)| *node)
    }
}

/// Somebody who reads. Others may have the connection afterwards.
pub(crate) struct Reading<'a> {
    state: &'a State,
    /// There until it is dropped.
    connection: Option<Connection>,
    folder: Folder,
}

impl Reading<'_> {
    /// What can be read.
    pub(crate) fn rows(&self) -> Rows<'_> {
        let connection = self.connection.as_ref().expect("it is there until this is dropped");
        Rows { connection, folder: &self.folder }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        // One that can't be brought back to where it began is of no use to others.
        if let Some(connection) = self.connection.take()
            && (Rows { connection: &connection, folder: &self.folder }).look_away().is_ok()
        {
            self.state.readers().push(connection);
        }
    }
}

/// What can be read.
pub(crate) struct Rows<'a> {
    connection: &'a Connection,
    folder: &'a Folder,
}

impl Rows<'_> {
    /// The connection, for what isn't about properties.
    pub(crate) fn connection(&self) -> &Connection {
        self.connection
    }

    /// The node of `path`, if there are rows at or under it.
    pub(crate) fn node(&self, path: &ResourcePath) -> rusqlite::Result<Option<i64>> {
        node_at(self.connection, path)
    }

    /// Tells namespace and local name of each property of `path`, and how many bytes its value has.
    pub(crate) fn property_bytes(
        &self,
        path: &ResourcePath,
        tell: impl FnMut((&str, &str), usize),
    ) -> rusqlite::Result<()> {
        let Some((folder, name)) = path.parent().zip(path.name()) else {
            let sql = "SELECT ns, name, length(value) FROM prop WHERE node = ?1";
            return tell_bytes(self.connection.prepare_cached(sql)?.query([ROOT])?, tell);
        };
        let Some(folder) = self.folder(folder)? else { return Ok(()) };
        let mut statement = self.connection.prepare_cached(
            "SELECT ns, prop.name, length(value) FROM node JOIN prop ON prop.node = node.id
            WHERE node.parent = ?1 AND node.name = ?2",
        )?;
        tell_bytes(statement.query(params![folder, name])?, tell)
    }

    /// The node of a folder that several things may be looked up in.
    fn folder(&self, path: ResourcePath) -> rusqlite::Result<Option<i64>> {
        // Outside a transaction, somebody else may change it.
        let is_sure = !self.connection.is_autocommit();
        if is_sure && let Some(node) = self.folder.known(&path) {
            return Ok(node);
        }
        let node = node_at(self.connection, &path)?;
        if is_sure {
            self.folder.note(path, node);
        }
        Ok(node)
    }

    /// The node of a member.
    pub(crate) fn member(&self, node: i64, name: &[u8]) -> rusqlite::Result<Option<i64>> {
        child(self.connection, node, name)
    }

    /// The properties of a node.
    pub(crate) fn properties(&self, node: i64, select: &Select) -> rusqlite::Result<Vec<Property>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT ns, name, value FROM prop WHERE node = ?1 ORDER BY ns, name")?;
        picked(statement.query([node])?, select)
    }

    /// The properties of a member of a node.
    pub(crate) fn member_properties(
        &self,
        node: i64,
        name: &[u8],
        select: &Select,
    ) -> rusqlite::Result<Vec<Property>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT ns, prop.name, value FROM node JOIN prop ON prop.node = node.id
            WHERE node.parent = ?1 AND node.name = ?2 ORDER BY ns, prop.name",
        )?;
        picked(statement.query(params![node, name])?, select)
    }

    /// Has what is read from now on be of the same moment, up to [`Rows::look_away`]. That spares the
    /// locks of each statement; but as long as it lasts, the log of what is written only grows: nobody
    /// is waited for meanwhile.
    pub(crate) fn look(&self) -> rusqlite::Result<()> {
        self.folder.forget();
        self.connection.execute_batch("BEGIN")
    }

    /// Ends what [`Rows::look`] began, if anything.
    pub(crate) fn look_away(&self) -> rusqlite::Result<()> {
        if self.connection.is_autocommit() {
            Ok(())
        } else {
            self.connection.execute_batch("COMMIT")
        }
    }
}

/// What is selected of rows of a namespace, a name and a value.
fn picked(mut rows: rusqlite::Rows<'_>, select: &Select) -> rusqlite::Result<Vec<Property>> {
    let mut properties = Vec::new();
    while let Some(row) = rows.next()? {
        let name = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
        let value = row.get_ref(2)?.as_bytes()?;
        properties.extend(select.pick_named(name, || Bytes::copy_from_slice(value)));
    }
    Ok(properties)
}

/// Tells of rows of a namespace, a name and a length.
fn tell_bytes(
    mut rows: rusqlite::Rows<'_>,
    mut tell: impl FnMut((&str, &str), usize),
) -> rusqlite::Result<()> {
    while let Some(row) = rows.next()? {
        let length = usize::try_from(row.get::<_, i64>(2)?).unwrap_or(usize::MAX);
        tell((row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?), length);
    }
    Ok(())
}

/// What can be changed, in one transaction.
pub(crate) struct Changes<'a> {
    transaction: &'a Transaction<'a>,
    folder: Folder,
    reserve: &'a Reserve,
}

impl Changes<'_> {
    /// The transaction, for what isn't about properties.
    pub(crate) fn transaction(&self) -> &Transaction<'_> {
        self.transaction
    }

    /// What the transaction can read.
    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows { connection: self.transaction, folder: &self.folder }
    }

    /// Applies a change.
    pub(crate) fn apply(&self, change: &RowChange) -> rusqlite::Result<()> {
        match change {
            RowChange::Clear(path) => self.clear(path),
            RowChange::Move(source, target) => self.relocate(source, target),
            RowChange::Copy { source, target, deep } => self.copy(source, target, *deep),
            RowChange::Patch(path, changes) => self.patch(path, changes),
        }
    }

    /// The node of `path`, made if it isn't there.
    fn make(&self, path: &ResourcePath) -> rusqlite::Result<i64> {
        let Some((folder, name)) = path.parent().zip(path.name()) else { return Ok(ROOT) };
        let member = |parent, name: &[u8]| match child(self.transaction, parent, name)? {
            Some(id) => Ok(id),
            None => self.insert(parent, name),
        };
        if let Some(Some(node)) = self.folder.known(&folder) {
            return member(node, name);
        }
        let node = folder.segments().try_fold(ROOT, member)?;
        self.folder.note(folder, Some(node));
        member(node, name)
    }

    fn insert(&self, parent: i64, name: &[u8]) -> rusqlite::Result<i64> {
        self.transaction
            .prepare_cached("INSERT INTO node (parent, name) VALUES (?1, ?2)")?
            .insert(params![parent, name])
    }

    /// Removes nodes, from `path` up, that nothing hangs on any more.
    fn prune(&self, path: &ResourcePath) -> rusqlite::Result<()> {
        self.folder.forget();
        let mut statement = self.transaction.prepare_cached(
            "DELETE FROM node WHERE id = ?1
             AND NOT EXISTS (SELECT 1 FROM node WHERE parent = ?1)
             AND NOT EXISTS (SELECT 1 FROM prop WHERE node = ?1)",
        )?;
        for path in std::iter::once(path.clone()).chain(path.ancestors()) {
            // The root has no row, and so it ends there.
            match node_at(self.transaction, &path)? {
                Some(node) if statement.execute([node])? == 0 => break,
                _ => {}
            }
        }
        Ok(())
    }

    fn clear(&self, path: &ResourcePath) -> rusqlite::Result<()> {
        self.folder.forget();
        let Some(node) = node_at(self.transaction, path)? else { return Ok(()) };
        const UNDER: &str = "WITH RECURSIVE under (id) AS (
            VALUES (?1) UNION ALL SELECT node.id FROM node JOIN under ON node.parent = under.id
        )";
        let delete = |from: &str| {
            let sql = format!("{UNDER} DELETE FROM {from} IN (SELECT id FROM under)");
            self.transaction.prepare_cached(&sql)?.execute([node])
        };
        delete("prop WHERE node")?;
        delete("node WHERE id")?;
        path.parent().map_or(Ok(()), |parent| self.prune(&parent))
    }

    fn relocate(&self, source: &ResourcePath, target: &ResourcePath) -> rusqlite::Result<()> {
        self.clear(target)?;
        let Some(node) = node_at(self.transaction, source)? else { return Ok(()) };
        let (Some(parent), Some(name)) = (target.parent(), target.name()) else { return Ok(()) };
        let parent = self.make(&parent)?;
        self.transaction
            .prepare_cached("UPDATE node SET parent = ?2, name = ?3 WHERE id = ?1")?
            .execute(params![node, parent, name])?;
        source.parent().map_or(Ok(()), |parent| self.prune(&parent))
    }

    fn copy(
        &self,
        source: &ResourcePath,
        target: &ResourcePath,
        deep: bool,
    ) -> rusqlite::Result<()> {
        self.clear(target)?;
        let Some(node) = node_at(self.transaction, source)? else { return Ok(()) };
        let copied = self.make(target)?;
        // The copy may lie under its source: what is copied is listed before anything is.
        let mut pairs = vec![(node, copied)];
        let mut at = 0;
        while deep && at < pairs.len() {
            let (from, to) = pairs[at];
            for (id, name) in self.members(from)? {
                if id != copied {
                    pairs.push((id, self.insert(to, &name)?));
                }
            }
            at += 1;
        }
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO prop SELECT ?2, ns, name, value FROM prop WHERE node = ?1",
        )?;
        for (from, to) in pairs {
            statement.execute([from, to])?;
        }
        drop(statement);
        self.prune(target)
    }

    fn members(&self, node: i64) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
        self.transaction
            .prepare_cached("SELECT id, name FROM node WHERE parent = ?1")?
            .query_map([node], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    fn patch(&self, path: &ResourcePath, changes: &[PropertyChange]) -> rusqlite::Result<()> {
        let node = self.make(path)?;
        for change in changes {
            match change {
                PropertyChange::Set(Property { name, value }) => self
                    .transaction
                    .prepare_cached("INSERT OR REPLACE INTO prop VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![node, name.namespace(), name.local(), &value[..]])?,
                PropertyChange::Remove(name) => self
                    .transaction
                    .prepare_cached("DELETE FROM prop WHERE node = ?1 AND ns = ?2 AND name = ?3")?
                    .execute(params![node, name.namespace(), name.local()])?,
            };
        }
        match changes.last() {
            // Something hangs on the node.
            Some(PropertyChange::Set(_)) => Ok(()),
            _ => self.prune(path),
        }
    }

    /// Clears the rows at and under `path` of whose resources `is_gone` is certain.
    pub(crate) fn sweep(
        &self,
        path: &ResourcePath,
        is_gone: &dyn Fn(&ResourcePath) -> bool,
    ) -> rusqlite::Result<()> {
        let Some(node) = node_at(self.transaction, path)? else { return Ok(()) };
        let mut left = vec![(node, path.clone())];
        while let Some((node, path)) = left.pop() {
            if is_gone(&path) {
                self.clear(&path)?;
                continue;
            }
            for (id, name) in self.members(node)? {
                if let Ok(path) = path.join(&name) {
                    left.push((id, path));
                }
            }
        }
        Ok(())
    }

    /// Writes down what is about to be done, unless there may be no space to settle it.
    pub(crate) fn intend(&self, intent: &Intent) -> rusqlite::Result<()> {
        if !self.reserve.is_held() {
            let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            return Err(rusqlite::Error::SqliteFailure(full, None));
        }
        self.transaction
            .prepare_cached("INSERT INTO intent VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![
                intent.seq,
                intent.run.0.to_be_bytes(),
                intent.kind as i64,
                intent.source.as_bytes(),
                intent.target.as_bytes(),
                intent.source_id.to_bytes(),
                intent.target_id.map(|id| id.to_bytes()),
                intent.aside,
            ])?;
        Ok(())
    }

    /// Forgets intents.
    pub(crate) fn settle(&self, seqs: impl IntoIterator<Item = i64>) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare_cached("DELETE FROM intent WHERE seq = ?1")?;
        seqs.into_iter().try_for_each(|seq| statement.execute([seq]).map(drop))
    }

    /// Notes that the commit of this number of a run is made, with it.
    pub(crate) fn mark(&self, run: RunId, number: i64) -> rusqlite::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        self.transaction
            .prepare_cached("DELETE FROM mark WHERE at < ?1")?
            .execute([at - MARK_SECONDS])?;
        self.transaction
            .prepare_cached("INSERT INTO mark VALUES (?1, ?2, ?3)")?
            .execute(params![run.0.to_be_bytes(), number, at])
            .map(drop)
    }

    /// Forgets all intents of a run.
    pub(crate) fn settle_run(&self, run: RunId) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("DELETE FROM intent WHERE run = ?1")?
            .execute([run.0.to_be_bytes()])
            .map(drop)
    }
}

impl State {
    /// Whether the commit of this number of a run was made.
    pub(crate) fn is_marked(&self, run: RunId, number: i64) -> rusqlite::Result<bool> {
        self.read(|rows| {
            rows.connection()
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM mark WHERE run = ?1 AND number = ?2)",
                )?
                .query_row(params![run.0.to_be_bytes(), number], |row| row.get(0))
        })
    }

    /// The intents that weren't settled, in the order in which they were written.
    pub(crate) fn intents(&self) -> rusqlite::Result<Vec<Intent>> {
        let writer = self.writer();
        let mut statement = writer.connection.prepare("SELECT * FROM intent ORDER BY seq")?;
        let mut rows = statement.query([])?;
        let mut intents = Vec::new();
        while let Some(row) = rows.next()? {
            let broken = || rusqlite::Error::InvalidQuery;
            let path = |bytes: Vec<u8>| ResourcePath::parse(bytes).map_err(|_| broken());
            intents.push(Intent {
                seq: row.get(0)?,
                run: RunId(u128::from_be_bytes(row.get(1)?)),
                kind: IntentKind::from_number(row.get(2)?).ok_or_else(broken)?,
                source: path(row.get(3)?)?,
                target: path(row.get(4)?)?,
                source_id: Identity::from_bytes(row.get(5)?),
                target_id: row.get::<_, Option<[u8; 20]>>(6)?.map(Identity::from_bytes),
                aside: row.get(7)?,
            });
        }
        Ok(intents)
    }
}

#[cfg(test)]
mod tests {
    use polydav_store::PropertyName;
    use tempfile::TempDir;

    use super::*;

    fn path(joined: &str) -> ResourcePath {
        ResourcePath::parse(joined).unwrap()
    }

    /// How many properties a resource has.
    fn count(rows: &Rows<'_>, at: &str) -> rusqlite::Result<usize> {
        let mut count = 0;
        rows.property_bytes(&path(at), |_, _| count += 1).map(|()| count)
    }

    fn name() -> PropertyName {
        PropertyName::new("urn:test", "p")
    }

    fn set(at: &str) -> RowChange {
        let property = Property { name: name(), value: Bytes::copy_from_slice(at.as_bytes()) };
        RowChange::Patch(path(at), vec![PropertyChange::Set(property)])
    }

    fn unset(at: &str) -> RowChange {
        RowChange::Patch(path(at), vec![PropertyChange::Remove(name())])
    }

    fn apply(state: &State, change: &RowChange) {
        state.change(Durability::Full, |rows| rows.apply(change)).unwrap();
    }

    /// What another program may have left where the database is to be.
    fn left_by_another(sql: &str) -> StateError {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("state.db");
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        State::open_in(dir.path()).unwrap_err()
    }

    #[test]
    fn a_database_that_is_not_ours_is_not_touched() {
        for sql in [
            "CREATE TABLE theirs (a)",
            "PRAGMA application_id = 7",
            "PRAGMA user_version = 1",
            "PRAGMA application_id = 7; PRAGMA user_version = 2",
        ] {
            assert!(matches!(left_by_another(sql), StateError::Foreign), "{sql}");
        }
    }

    #[test]
    fn a_database_of_another_version_is_refused() {
        let of_version = |version| {
            let sql = format!("PRAGMA application_id = {APPLICATION}");
            left_by_another(&format!("{sql}; PRAGMA user_version = {version}"))
        };
        let newer = VERSION + 1;
        assert!(matches!(of_version(newer), StateError::Newer { found } if found == newer));
        assert!(matches!(of_version(0), StateError::Foreign));
        assert!(matches!(of_version(-1), StateError::Foreign));
    }

    #[test]
    fn what_is_known_of_a_folder_is_forgotten_when_its_node_goes() {
        let dir = TempDir::new().unwrap();
        let state = State::open_in(dir.path()).unwrap();
        let moved = RowChange::Move(path("a"), path("b"));
        for (gone, told) in [
            (unset("a/x"), vec!["a/y"]),
            (RowChange::Clear(path("a")), vec!["a/y"]),
            (moved, vec!["a/y", "b/x"]),
        ] {
            let changes = [RowChange::Clear(path("")), set("a/x"), gone, set("a/y")];
            let change = |rows: &Changes<'_>| changes.iter().try_for_each(|it| rows.apply(it));
            state.change(Durability::Full, change).unwrap();
            let has = |at: &&str| state.read(|rows| count(rows, at)).unwrap() == 1;
            let all = ["a/x", "a/y", "b/x", "b/y"];
            assert_eq!(all.into_iter().filter(has).collect::<Vec<_>>(), told, "{changes:?}");
        }
    }

    #[test]
    fn whoever_looks_again_sees_the_folder_as_it_is_by_then() {
        let dir = TempDir::new().unwrap();
        let state = State::open_in(dir.path()).unwrap();
        let reading = state.reading().unwrap();
        for is_there in [false, true] {
            reading.rows().look().unwrap();
            let found = count(&reading.rows(), "a/x").unwrap();
            assert_eq!(found, usize::from(is_there));
            reading.rows().look_away().unwrap();
            apply(&state, &set("a/x"));
        }
    }

    #[test]
    fn a_database_of_an_older_version_gets_what_it_lacks() {
        let dir = TempDir::new().unwrap();
        let old = Connection::open(dir.path().join("state.db")).unwrap();
        old.execute_batch(TABLES[0]).unwrap();
        old.pragma_update(None, "application_id", APPLICATION).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        old.execute_batch("INSERT INTO prop VALUES (0, '', 'p', x'31')").unwrap();
        drop(old);
        for _ in 0..2 {
            let state = State::open_in(dir.path()).unwrap();
            assert!(state.has_any());
            assert!(!state.is_marked(RunId(1), 0).unwrap());
        }
    }

    #[test]
    fn nobody_is_asked_for_properties_where_there_are_none() {
        let dir = TempDir::new().unwrap();
        let open = || State::open_in(dir.path()).unwrap();
        let state = open();
        assert!(!state.has_any());
        assert!(!state.has(&path("a")).unwrap());
        apply(&state, &set("a/b"));
        assert!(state.has_any());
        drop(state);
        let state = open();
        assert!(state.has_any());
        for (at, has) in [("a", true), ("a/b", true), ("a/b/c", false), ("b", false)] {
            assert_eq!(state.has(&path(at)).unwrap(), has, "{at}");
        }
        apply(&state, &unset("a/b"));
        assert!(!state.has_any());
    }

    #[test]
    fn a_change_is_as_durable_as_asked() {
        let dir = TempDir::new().unwrap();
        let state = State::open_in(dir.path()).unwrap();
        let (normal, full) = (1, 2);
        for (durability, expected) in [
            (Durability::Full, full),
            (Durability::Relaxed, normal),
            (Durability::Relaxed, normal),
            (Durability::Full, full),
        ] {
            let change = state.change(durability, |rows| {
                let level: i64 =
                    rows.transaction.pragma_query_value(None, "synchronous", |row| row.get(0))?;
                assert_eq!(level, expected, "{durability:?}");
                Ok(())
            });
            change.unwrap();
        }
    }

    /// A node is there only if something hangs on it; no other is taken away with one.
    #[test]
    fn names_are_kept_only_for_properties() {
        let dir = TempDir::new().unwrap();
        let state = State::open_in(dir.path()).unwrap();
        let left = |change: &RowChange| -> i64 {
            apply(&state, change);
            let nodes = "SELECT count(*) FROM node";
            state.read(|rows| rows.connection.query_row(nodes, [], |row| row.get(0))).unwrap()
        };
        assert_eq!(left(&set("a/b/c/d")), 4);
        assert_eq!(left(&set("a/b/e")), 5);
        assert_eq!(left(&set("")), 5);
        assert_eq!(left(&unset("a/b/c/d")), 3);
        assert_eq!(left(&RowChange::Move(path("a/b/e"), path("f/g"))), 2);
        let copy = RowChange::Copy { source: path("f"), target: path("f/g/h"), deep: true };
        // `f/g/h`, and in it a copy of `g`, but none of itself.
        assert_eq!(left(&copy), 4);
        assert_eq!(left(&RowChange::Clear(path("f/g/h"))), 2);
        assert_eq!(left(&RowChange::Clear(path("f"))), 0);
    }
}
