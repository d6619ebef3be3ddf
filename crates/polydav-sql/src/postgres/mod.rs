//! PostgreSQL: a pool of sessions, and transactions that take hold of all rows they look at, in the
//! order of their keys.

mod change;
mod error;
mod schema;
mod session;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use polydav_store::Durability;

use crate::database::{Behind, Change, Changed, Database, Patience, Transaction, Trouble, Wanted};
use crate::datum::{self, Datum};
use crate::error::{SqlError, SqlErrorKind};
use crate::options::{OpenError, Options};
use crate::row::Row;
use crate::schema::{Column, Schema, Table};
use crate::statement::{self, Key, Parameters, Rows};
use crate::store::SqlStore;

use self::session::{Session, Sessions, Way};

/// How many sessions there are at most.
const SESSIONS_MAX: u32 = 32;

/// How many transactions of single rows are under way at a time.
const PLACES: usize = 2;

/// How long we wait for a session, and for a server that is being started again.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often rows are taken hold of that were made while others were waited for.
const HOLD_TRIES_MAX: u32 = 4;

/// For how long we try to learn what became of a transaction whose session was lost.
const DOUBT_MAX: Duration = Duration::from_secs(15);

impl SqlStore {
    /// A store over a database of PostgreSQL, named by a URL (`postgres://user@host/name`) or by
    /// the words of a connection string.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_postgres(url: &str, options: &Options) -> Result<Self, OpenError> {
        Ok(Self::new(Arc::new(Postgres::open(url, options)?)))
    }
}

/// A database of PostgreSQL.
struct Postgres {
    sessions: r2d2::Pool<Sessions>,
    /// Makes the sessions of the pool, and the witness.
    connector: Sessions,
    witness: Mutex<Option<Witness>>,
    seen: RwLock<Seen>,
    options: Options,
}

/// The tables as they were found, and when.
struct Seen {
    schema: Arc<Schema>,
    /// `None` if they are known to be others by now.
    at: Option<Instant>,
}

impl Seen {
    fn is_older_than(&self, age: Duration) -> bool {
        self.at.is_none_or(|at| at.elapsed() >= age)
    }
}

/// A session that does nothing. As long as it answers, the server that it began with has not crashed:
/// a crash ends all sessions. A server that was started again gives the numbers of transactions once
/// more that it lost, so what it says of a number may be about another transaction.
type Witness = Arc<Mutex<Session>>;

/// The tables are looked for again no sooner than after this time, unless there is a reason.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// They are looked for again at the latest after this time: nobody tells of changes.
const FRESH: Duration = Duration::from_secs(2);

impl Postgres {
    fn open(url: &str, options: &Options) -> Result<Self, OpenError> {
        let connector = Sessions::new(url)?;
        // By itself first: the pool would try for long, and not say why it can't.
        let session = r2d2::ManageConnection::connect(&connector)
            .map_err(|error| OpenError::Database(error.into()))?;
        let schema = Arc::new(schema::find(&session, options)?);
        let witness = Mutex::new(Some(Arc::new(Mutex::new(session))));
        let sessions = r2d2::Pool::builder()
            .max_size(SESSIONS_MAX)
            .min_idle(Some(0))
            .connection_timeout(PATIENCE)
            .build_unchecked(connector.clone());
        let seen = RwLock::new(Seen { schema, at: Some(Instant::now()) });
        Ok(Self { sessions, connector, witness, seen, options: options.clone() })
    }

    fn session(&self) -> Result<r2d2::PooledConnection<Sessions>, SqlError> {
        self.sessions.get().map_err(|error| SqlError::new(SqlErrorKind::Away, error))
    }

    fn seen(&self) -> RwLockReadGuard<'_, Seen> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who will know, of a transaction that begins now, whether the server crashed since.
    fn witness(&self) -> Result<Witness, SqlError> {
        let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(witness) = &*witness {
            return Ok(Arc::clone(witness));
        }
        let session = r2d2::ManageConnection::connect(&self.connector)
            .map_err(|error| SqlError { kind: SqlErrorKind::Away, ..error })?;
        Ok(Arc::clone(witness.insert(Arc::new(Mutex::new(session)))))
    }

    /// Sessions were lost, and perhaps the witness with them.
    fn forget_witness(&self) {
        *self.witness.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Looks which tables there are. Whoever comes meanwhile goes on with what was known, and so does
    /// everybody for a while if they can't be looked at.
    fn look(&self) -> Result<(), SqlError> {
        let write = || self.seen.write().unwrap_or_else(PoisonError::into_inner);
        write().at = Some(Instant::now());
        let found = self.session().and_then(|session| {
            let found = schema::find(&session, &self.options);
            found.map_err(|error| SqlError::new(SqlErrorKind::Changed, error))
        });
        write().schema = Arc::new(found?);
        Ok(())
    }

    /// Takes note of an error which says that the tables are others than were found.
    fn doubt(&self, error: &SqlError) {
        if error.kind == SqlErrorKind::Changed {
            self.seen.write().unwrap_or_else(PoisonError::into_inner).at = None;
        }
    }

    /// What became of a transaction whose session was lost while it was committed.
    fn resolve(&self, id: &str, witness: &Witness, lost: SqlError) -> Result<(), SqlError> {
        let deadline = Instant::now() + DOUBT_MAX;
        let as_kind = |kind, lost: SqlError| Err(SqlError { kind, ..lost });
        loop {
            match self.session().and_then(|session| session.status(id)) {
                Ok(Some(status)) if status == "committed" && answers(witness) => return Ok(()),
                Ok(Some(status)) if status == "aborted" => {
                    return as_kind(SqlErrorKind::Gone, lost);
                }
                // It isn't known whose number it is, or it is older than the server remembers.
                Ok(Some(status)) if status == "committed" => {
                    return as_kind(SqlErrorKind::InDoubt, lost);
                }
                Ok(None) => return as_kind(SqlErrorKind::InDoubt, lost),
                Ok(Some(_)) => {}
                // A number that is still to be given: the server lost what was done.
                Err(error) if error.kind == SqlErrorKind::Value => {
                    return as_kind(SqlErrorKind::Gone, lost);
                }
                Err(error) => tracing::warn!(%error, "the database can't be asked about a commit"),
            }
            if Instant::now() >= deadline {
                return as_kind(SqlErrorKind::InDoubt, lost);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn answers(witness: &Witness) -> bool {
    witness.lock().unwrap_or_else(PoisonError::into_inner).execute("").is_ok()
}

impl Database for Postgres {
    fn schema(&self) -> Arc<Schema> {
        if self.seen().is_older_than(FRESH)
            && let Err(error) = self.look()
        {
            tracing::warn!(%error, "the tables can't be looked at again");
        }
        Arc::clone(&self.seen().schema)
    }

    fn look_again(&self) -> Result<Arc<Schema>, SqlError> {
        if self.seen().is_older_than(LOOK_AGAIN) {
            self.look()?;
        }
        Ok(Arc::clone(&self.seen().schema))
    }

    fn places(&self) -> usize {
        PLACES
    }

    fn is_writable(&self) -> bool {
        !self.options.read_only
    }

    fn rows(&self, table: &Table, rows: &Rows) -> Result<Vec<Row>, SqlError> {
        let statement = statement::select(table, rows, placeholder);
        let parameters: Vec<_> = statement.parameters.iter().map(text).collect();
        let session = self.session()?;
        let rows = session.query(&statement.text, &parameters).map_err(|mut error| {
            self.doubt(&error);
            if error.kind == SqlErrorKind::Value {
                let filter = rows.filter.iter().map(|(at, datum)| (at, datum));
                change::Suspect::of(table, filter).blame(&session, &mut error);
            }
            error
        })?;
        rows.iter().map(|row| read(row, table, 0)).collect()
    }

    fn transact(
        &self,
        durability: Durability,
        patience: Patience,
        work: &mut dyn FnMut(&dyn Transaction) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let session = self.session()?;
        let witness = self.witness()?;
        let begin = || session.begin(durability, patience);
        begin();
        let writing = Writing {
            session: &session,
            begin: &begin,
            patience,
            rows: RefCell::default(),
            held: RefCell::default(),
            unreadable: RefCell::default(),
            suspect: Cell::default(),
        };
        let worked = work(&writing);
        let Writing { suspect, .. } = writing;
        match worked {
            Ok(()) => {}
            Err(mut trouble) => {
                session.roll_back();
                if let Some(suspect) = suspect.into_inner() {
                    suspect.blame(&session, &mut trouble.error);
                }
                self.doubt(&trouble.error);
                if matches!(trouble.error.kind, SqlErrorKind::Gone | SqlErrorKind::InDoubt) {
                    self.forget_witness();
                }
                return Err(trouble);
            }
        }
        let Err(error) = session.commit() else { return Ok(()) };
        match (error.kind, session.number()) {
            (SqlErrorKind::Gone, Some(id)) => {
                drop(session);
                self.forget_witness();
                Ok(self.resolve(&id, &witness, error)?)
            }
            // Without a number it has changed nothing.
            _ => Err(error.into()),
        }
    }
}

/// A value as PostgreSQL reads it from a text.
fn text(datum: &Datum) -> Option<String> {
    match datum {
        Datum::Null => None,
        Datum::Integer(number) => Some(number.to_string()),
        Datum::Real(number) => Some(datum::real_text(*number)),
        Datum::Text(text) => Some(text.clone()),
        Datum::Bytes(bytes) => {
            let hex = bytes.iter().map(|byte| format!("{byte:02x}"));
            Some(["\\x".to_owned()].into_iter().chain(hex).collect())
        }
    }
}

fn placeholder(number: usize, column: &Column) -> String {
    format!("${number}::text::{}", column.cast)
}

/// A row of the columns from `first` on.
fn read(row: &tokio_postgres::Row, table: &Table, first: usize) -> Result<Row, SqlError> {
    let columns = table.columns.iter().enumerate();
    let datum = |(at, column): (usize, &Column)| schema::read(row, first + at, column.kind);
    Ok(Row(columns.map(datum).collect::<Result<_, _>>()?))
}

/// The names of rows, by table.
type Known = HashMap<(*const Table, String), Option<Row>>;

/// A transaction that is under way.
struct Writing<'a> {
    session: &'a Session,
    /// Begins it anew, after it was rolled back.
    begin: &'a dyn Fn(),
    patience: Patience,
    /// The names of rows that others hold.
    held: RefCell<HashSet<(*const Table, String)>>,
    /// The names that are no keys of the tables they are asked of.
    unreadable: RefCell<HashSet<(*const Table, String)>>,
    /// The rows it holds, as they are by now.
    rows: RefCell<Known>,
    /// What has one bad value among several.
    suspect: Cell<Option<change::Suspect>>,
}

fn name(table: &Table, key: &Key) -> String {
    let parts = table.key_columns().zip(key);
    polydav_store::key::write(parts.map(|(column, datum)| datum::to_text(column, datum)))
}

impl Writing<'_> {
    /// Whether a change may be committed as soon as it is made: nothing has to be looked at
    /// afterwards.
    fn needs_nothing_more(&self, change: &Change) -> bool {
        let table = &change.table;
        self.patience == Patience::Little && table.has_exact_key && !table.has_far_effects
    }

    fn know(&self, table: &Arc<Table>, name: String, row: Option<Row>) {
        self.rows.borrow_mut().insert((Arc::as_ptr(table), name), row);
    }

    /// Takes hold of rows, table by table.
    fn hold(&self, by_table: &[(&Arc<Table>, Vec<&Wanted>)]) -> Result<(), SqlError> {
        for (table, wanted) in by_table {
            let goes = wanted.iter().any(|wanted| wanted.goes);
            let keys = wanted.iter().map(|wanted| &wanted.key);
            let keys = keys.filter(|key| !self.is_unreadable(table, key)).cloned().collect();
            for wanted in wanted {
                self.know(table, name(table, &wanted.key), None);
            }
            self.hold_all(table, keys, goes)?;
        }
        Ok(())
    }

    /// Takes hold of rows of a table. While we wait for a row somebody may remove it and make it
    /// again: then the one that is waited for is gone, and the new one wasn't there to be seen.
    fn hold_all(&self, table: &Arc<Table>, keys: Vec<Key>, goes: bool) -> Result<(), SqlError> {
        let mut missing = keys;
        for _ in 0..HOLD_TRIES_MAX {
            self.hold_once(table, &missing, goes)?;
            missing.retain(|key| !self.holds(table, &name(table, key)));
            if missing.is_empty() {
                return Ok(());
            }
            let keys = change::Arrays::of_keys(table, missing.iter());
            let there = self.session.query(&change::see(table), &keys.0)?;
            let there: Vec<_> =
                there.iter().map(|row| read(row, table, 0)).collect::<Result<_, _>>()?;
            let there = there.iter().filter(|row| !self.holds(table, &row.name(table)));
            if self.patience == Patience::None {
                let names = there.map(|row| (Arc::as_ptr(table), row.name(table)));
                self.held.borrow_mut().extend(names);
                return Ok(());
            }
            missing = there.map(|row| row.key(table)).collect();
            if missing.is_empty() {
                return Ok(());
            }
        }
        Err(SqlError::new(SqlErrorKind::Again, "rows are made as fast as they are removed"))
    }

    fn hold_once(&self, table: &Arc<Table>, keys: &[Key], goes: bool) -> Result<(), SqlError> {
        let hold = change::hold(table, goes, self.patience);
        let keys = change::Arrays::of_keys(table, keys.iter());
        for row in &self.session.query(&hold, &keys.0)? {
            let row = read(row, table, 0)?;
            self.know(table, row.name(table), Some(row));
        }
        Ok(())
    }

    fn holds(&self, table: &Arc<Table>, name: &str) -> bool {
        let rows = self.rows.borrow();
        matches!(rows.get(&(Arc::as_ptr(table), name.to_owned())), Some(Some(_)))
    }

    fn is_unreadable(&self, table: &Arc<Table>, key: &Key) -> bool {
        let unreadable = self.unreadable.borrow();
        !unreadable.is_empty() && unreadable.contains(&(Arc::as_ptr(table), name(table, key)))
    }

    /// Finds out which rows can't be, since their names say what no key of their tables is.
    fn leave_out_unreadable(
        &self,
        by_table: &[(&Arc<Table>, Vec<&Wanted>)],
    ) -> Result<(), SqlError> {
        for (table, wanted) in by_table {
            let keys: Vec<_> = wanted.iter().map(|wanted| &wanted.key).collect();
            let found = change::unreadable(self.session, table, &keys)?;
            let names = found.into_iter().map(|at| (Arc::as_ptr(table), name(table, keys[at])));
            self.unreadable.borrow_mut().extend(names);
        }
        Ok(())
    }
}

impl Transaction for Writing<'_> {
    fn knows_rows(&self) -> bool {
        true
    }

    fn prefetch(&self, wanted: &[Wanted]) -> Result<(), SqlError> {
        let mut by_table: Vec<(&Arc<Table>, Vec<&Wanted>)> = Vec::new();
        for row in wanted {
            match by_table.iter_mut().find(|(table, _)| Arc::ptr_eq(table, &row.table)) {
                Some((_, rows)) => rows.push(row),
                None => by_table.push((&row.table, vec![row])),
            }
        }
        // In one order everywhere: who takes hold of rows in different orders waits in a circle.
        by_table.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        match self.hold(&by_table) {
            // Nothing was done so far.
            Err(error) if error.kind == SqlErrorKind::Value => {
                self.session.roll_back();
                self.leave_out_unreadable(&by_table)?;
                (self.begin)();
                self.hold(&by_table)
            }
            held => held,
        }
    }

    fn row(&self, table: &Arc<Table>, key: &Key) -> Result<Option<Row>, SqlError> {
        if self.is_unreadable(table, key) {
            return Ok(None);
        }
        let name = name(table, key);
        if self.held.borrow().contains(&(Arc::as_ptr(table), name.clone())) {
            return Err(SqlError::new(SqlErrorKind::Held, "somebody else holds the row"));
        }
        if let Some(known) = self.rows.borrow().get(&(Arc::as_ptr(table), name.clone())) {
            return Ok(known.clone());
        }
        let mut parameters = Parameters::new(placeholder);
        let is = statement::key_is(table, key, &mut parameters);
        let text = format!(
            "SELECT {} FROM {} AS t WHERE {is} FOR NO KEY UPDATE OF t",
            table.outputs(),
            table.rows
        );
        let statement = parameters.finish(text);
        let parameters: Vec<_> = statement.parameters.iter().map(self::text).collect();
        let found = self.session.query(&statement.text, &parameters)?;
        let row = found.first().map(|row| read(row, table, 0)).transpose()?;
        self.know(table, name, row.clone());
        Ok(row)
    }

    fn change(&self, change: &Change, behind: Behind) -> Result<Vec<Changed>, SqlError> {
        let way = match behind {
            Behind::Nothing if self.needs_nothing_more(change) => Way::Alone,
            _ => Way::Within,
        };
        let changed = change::make(self.session, change, way);
        let changed = changed.map_err(|error| {
            let error = error.of(&change.shape).about(change);
            if let ([(_, values)], SqlErrorKind::Value | SqlErrorKind::Check, None) =
                (&*change.rows, error.kind, &error.column)
            {
                self.suspect.set(change::Suspect::of_change(change, values));
            }
            error
        })?;
        if change.table.has_far_effects {
            // Rows may have changed that nobody named.
            self.rows.borrow_mut().clear();
            return Ok(changed.into_iter().map(Ok).collect());
        }
        for ((key, _), row) in change.rows.iter().zip(&changed) {
            match (&change.shape, row) {
                (crate::database::Shape::Delete, _) => {
                    self.know(&change.table, name(&change.table, key), None);
                }
                (_, Some(row)) => {
                    self.know(&change.table, row.name(&change.table), Some(row.clone()));
                }
                (_, None) => {}
            }
        }
        Ok(changed.into_iter().map(Ok).collect())
    }
}
