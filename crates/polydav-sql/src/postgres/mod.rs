//! PostgreSQL: a pool of sessions, and transactions that take hold of all rows they look at, in the
//! order of their keys.

mod change;
mod error;
mod rehearsal;
mod schema;
mod session;
mod writing;

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use polydav_store::{Durability, Fate, Witness as CommitName};

use crate::database::{Database, Patience, Transaction, Trouble};
use crate::datum::{self, Datum};
use crate::error::{SqlError, SqlErrorKind};
use crate::options::{OpenError, Options};
use crate::row::Row;
use crate::schema::{Column, Schema, Table};
use crate::statement::{self, Rows};
use crate::store::SqlStore;

use self::change::Suspect;
use self::rehearsal::Rehearsal;
use self::session::{Session, Sessions};
use self::writing::Writing;

/// How many sessions there are at most.
const SESSIONS_MAX: u32 = 32;

/// How many transactions of single rows are under way at a time.
const PLACES: usize = 2;

/// How long we wait for a session, and for a server that is being started again.
const PATIENCE: Duration = Duration::from_secs(5);

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

    fn rows_of(&self, session: &Session, table: &Table, rows: &Rows) -> Result<Vec<Row>, SqlError> {
        let statement = statement::select(table, rows, placeholder);
        let parameters: Vec<_> = statement.parameters.iter().map(text).collect();
        let rows = session.query_apart(&statement.text, &parameters).map_err(|mut error| {
            self.doubt(&error);
            if error.kind == SqlErrorKind::Value {
                let filter = rows.filter.iter().map(|(at, datum)| (at, datum));
                Suspect::of(table, filter).blame(session, &mut error);
            }
            error
        })?;
        rows.iter().map(|row| read(row, table, 0)).collect()
    }

    /// Gives up what was begun, and finds out what was at fault.
    fn give_up(
        &self,
        session: &Session,
        suspect: Option<Suspect>,
        mut trouble: Trouble,
    ) -> Trouble {
        session.roll_back();
        if let Some(suspect) = suspect {
            suspect.blame(session, &mut trouble.error);
        }
        self.doubt(&trouble.error);
        if matches!(trouble.error.kind, SqlErrorKind::Gone | SqlErrorKind::InDoubt) {
            self.forget_witness();
        }
        trouble
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

/// The name of a transaction: its number, and when the server was started that gave it.
fn name_of(number: &str, started: &str) -> CommitName {
    CommitName::new(format!("{number} {started}"))
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
        self.rows_of(&*self.session()?, table, rows)
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
        let writing = Writing::new(&session, &begin, patience);
        let worked = work(&writing);
        let suspect = writing.into_suspect();
        match worked {
            Ok(()) => {}
            Err(trouble) => return Err(self.give_up(&session, suspect, trouble)),
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

    fn fate(&self, name: &CommitName) -> Result<Fate, SqlError> {
        let name = std::str::from_utf8(name.as_bytes()).unwrap_or_default();
        let Some((number, started)) = name.split_once(' ') else { return Ok(Fate::Unknown) };
        let deadline = Instant::now() + DOUBT_MAX;
        loop {
            let session = self.session()?;
            // A server that was started again may have given the number once more.
            let is_same = session.started() == started;
            match session.status(number) {
                Ok(Some(status)) if status == "aborted" => return Ok(Fate::Undone),
                Ok(Some(status)) if status == "committed" && is_same => return Ok(Fate::Done),
                Ok(Some(status)) if status == "in progress" => {}
                Ok(_) => return Ok(Fate::Unknown),
                // It is still to be given: the server lost what was done.
                Err(error) if error.kind == SqlErrorKind::Value => return Ok(Fate::Undone),
                Err(error) => return Err(error),
            }
            drop(session);
            if Instant::now() >= deadline {
                let said = "a transaction of an earlier process hasn't ended yet";
                return Err(SqlError::new(SqlErrorKind::Busy, said));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Database>, SqlError> {
        Ok(Arc::new(Rehearsal::begin(self)?))
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
