//! `Session`: one connection, driven by the thread that uses it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::future::join;
use polydav_store::Durability;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

use crate::database::Patience;
use crate::error::{SqlError, SqlErrorKind};
use crate::options::OpenError;

/// How texts of times, intervals, bytes and numbers look, and how long we wait for others: for a
/// lock only a little ([`Patience::Little`]), unless a transaction says otherwise.
const SETTINGS: &str = "SET TimeZone TO 'UTC'; SET DateStyle TO 'ISO, YMD'; \
    SET IntervalStyle TO 'iso_8601'; SET bytea_output TO 'hex'; SET extra_float_digits TO 1; \
    SET lock_timeout TO '1s'; SET statement_timeout TO '60s'; \
    SET idle_in_transaction_session_timeout TO '60s'; SET default_transaction_read_only TO off; \
    SET default_transaction_isolation TO 'read committed'";

/// So many statements each session keeps prepared.
const PREPARED_MAX: usize = 256;

/// Constraints that could wait for the end of a transaction don't.
const BEGIN: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET CONSTRAINTS ALL IMMEDIATE";

/// A transaction within a rehearsal.
const PART: &str = "SAVEPOINT part";

/// The number of a transaction, if it has one already.
const NUMBER: &str = "SELECT pg_current_xact_id_if_assigned()::text";

/// What became of a transaction. A standby may know less than the server that was asked to commit.
const STATUS: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN 'in progress' \
    ELSE pg_xact_status($1::text::xid8) END";

/// When the server was started.
const STARTED: &str = "SELECT pg_postmaster_start_time()::text";

/// One that wasn't used for this long is asked whether it is still there.
const IDLE_MAX: Duration = Duration::from_millis(500);

/// Makes sessions.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    config: Config,
}

impl Sessions {
    pub(super) fn new(url: &str) -> Result<Self, OpenError> {
        let mut config: Config = url
            .parse()
            .map_err(|error: tokio_postgres::Error| OpenError::Database(error.into()))?;
        if config.get_ssl_mode() == SslMode::Require {
            let said = "sslmode=require: this server speaks no TLS to databases";
            return Err(OpenError::Unsupported(said.to_owned()));
        }
        if config.get_application_name().is_none() {
            config.application_name("polydav");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        // A network that lets packets vanish must not keep anybody for hours.
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(30));
        }
        config.keepalives_idle(Duration::from_secs(10));
        Ok(Self { config })
    }
}

/// How a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Within the transaction that was begun.
    Within,
    /// By itself, if nothing was asked in the transaction yet.
    Alone,
}

/// A session. The runtime is its own: whoever waits for an answer also does the work of the
/// connection, so that no other thread has to be woken.
pub(super) struct Session {
    /// `None` when it is dropped: that may happen where waiting for its end isn't allowed.
    runtime: Option<Runtime>,
    client: Client,
    prepared: RefCell<HashMap<String, Statement>>,
    /// Whether commits aren't waited for unless that is asked for.
    is_lax: bool,
    /// When the server was started that it is with.
    started: String,
    /// What begins the transaction, until it goes out together with the first question.
    opening: RefCell<Option<String>>,
    /// Whether a statement outside of any transaction would be as durable as within.
    may_go_alone: Cell<bool>,
    /// Whether a transaction is under way.
    is_open: Cell<bool>,
    /// Whether that is a rehearsal: then transactions are parts of it.
    is_rehearsal: Cell<bool>,
    /// The number of the transaction under way, once it has changed something.
    number: RefCell<Option<String>>,
    used: Cell<Instant>,
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl r2d2::ManageConnection for Sessions {
    type Connection = Session;
    type Error = SqlError;

    fn connect(&self) -> Result<Session, SqlError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| SqlError::new(SqlErrorKind::Away, error))?;
        let (client, lax, started) = runtime.block_on(async {
            let (client, connection) = self.config.connect(NoTls).await?;
            tokio::spawn(connection);
            client.batch_execute(SETTINGS).await?;
            let lax = client.query_one("SELECT current_setting('synchronous_commit')", &[]).await?;
            let started = client.query_one(STARTED, &[]).await?;
            Ok::<_, tokio_postgres::Error>((client, lax, started))
        })?;
        Ok(Session {
            runtime: Some(runtime),
            client,
            prepared: RefCell::default(),
            is_lax: lax.get::<_, &str>(0) == "off",
            started: started.get(0),
            opening: RefCell::default(),
            may_go_alone: Cell::default(),
            is_open: Cell::default(),
            is_rehearsal: Cell::default(),
            number: RefCell::default(),
            used: Cell::new(Instant::now()),
        })
    }

    fn is_valid(&self, session: &mut Session) -> Result<(), SqlError> {
        if session.used.get().elapsed() < IDLE_MAX { Ok(()) } else { session.execute("") }
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.client.is_closed() || session.is_open.get()
    }
}

/// Parameters as a statement takes them.
fn borrowed<P: ToSql + Sync>(parameters: &[P]) -> Vec<&(dyn ToSql + Sync)> {
    parameters.iter().map(|parameter| parameter as _).collect()
}

impl Session {
    fn wait<T, E: Into<SqlError>>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, SqlError> {
        let runtime = self.runtime.as_ref().expect("it is there until the session is dropped");
        let answered = runtime.block_on(answer).map_err(E::into);
        self.used.set(Instant::now());
        if let Err(error) = &answered
            && error.kind == SqlErrorKind::Changed
        {
            self.prepared.borrow_mut().clear();
        }
        answered
    }

    /// Asks, and waits for all rows.
    pub(super) fn query<P: ToSql + Sync>(
        &self,
        text: &str,
        parameters: &[P],
    ) -> Result<Vec<Row>, SqlError> {
        self.open_part()?;
        let statement = self.prepare(text)?;
        let parameters = borrowed(parameters);
        self.wait(self.opened(self.client.query(&statement, &parameters)))
    }

    /// Asks something that may fail, and nothing else with it.
    pub(super) fn query_apart<P: ToSql + Sync>(
        &self,
        text: &str,
        parameters: &[P],
    ) -> Result<Vec<Row>, SqlError> {
        if !self.is_rehearsal.get() {
            return self.query(text, parameters);
        }
        self.begin(Durability::Relaxed, Patience::Usual);
        match self.query(text, parameters) {
            Ok(rows) => self.commit().map(|()| rows),
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Has something changed. Within the transaction, its number is asked for in the same breath.
    pub(super) fn change<P: ToSql + Sync>(
        &self,
        text: &str,
        parameters: &[P],
        way: Way,
    ) -> Result<Vec<Row>, SqlError> {
        self.open_part()?;
        if way == Way::Alone && self.may_go_alone.get() && self.opening.borrow().is_some() {
            return self.change_alone(text, parameters);
        }
        if self.number.borrow().is_some() {
            return self.query(text, parameters);
        }
        let (statement, number) = (self.prepare(text)?, self.prepare(NUMBER)?);
        let parameters = borrowed(parameters);
        let (rows, number) = self.wait(self.opened(async {
            let changing = self.client.query(&statement, &parameters);
            let (rows, number) = join(changing, self.client.query(&number, &[])).await;
            // What one failed with is why the other did.
            Ok((rows?, number?))
        }))?;
        *self.number.borrow_mut() = number.first().and_then(|row| row.get(0));
        Ok(rows)
    }

    /// Has something changed by a statement that is its own transaction. If its answer is lost,
    /// nobody knows what became of it: it has no number to ask by.
    fn change_alone<P: ToSql + Sync>(
        &self,
        text: &str,
        parameters: &[P],
    ) -> Result<Vec<Row>, SqlError> {
        let statement = self.prepare(text)?;
        let parameters = borrowed(parameters);
        self.wait(self.client.query(&statement, &parameters)).map_err(|error| match error.kind {
            SqlErrorKind::Gone => SqlError { kind: SqlErrorKind::InDoubt, ..error },
            _ => error,
        })
    }

    /// An answer, to a question before which the transaction is begun if it wasn't yet.
    async fn opened<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, SqlError> {
        let Some(opening) = self.opening.take() else { return Ok(answer.await?) };
        self.is_open.set(true);
        match join(self.client.batch_execute(&opening), answer).await {
            (Ok(()), answered) => Ok(answered?),
            (Err(error), Err(_)) => Err(error.into()),
            // What was asked for was done, in no transaction of ours.
            (Err(error), Ok(_)) => {
                Err(SqlError { kind: SqlErrorKind::InDoubt, ..SqlError::from(error) })
            }
        }
    }

    fn prepare(&self, text: &str) -> Result<Statement, SqlError> {
        if let Some(statement) = self.prepared.borrow().get(text) {
            return Ok(statement.clone());
        }
        let statement = self.wait(self.client.prepare(text))?;
        let mut prepared = self.prepared.borrow_mut();
        if prepared.len() >= PREPARED_MAX {
            prepared.clear();
        }
        prepared.insert(text.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Does statements that have no parameters, and give nothing back.
    pub(super) fn execute(&self, text: &str) -> Result<(), SqlError> {
        self.wait(self.client.batch_execute(text))
    }

    /// Begins a transaction. Constraints that could wait for its end don't: they are charged to the
    /// step that breaks them.
    pub(super) fn begin(&self, durability: Durability, patience: Patience) {
        let mut text = String::from(if self.is_rehearsal.get() { PART } else { BEGIN });
        if durability == Durability::Full && self.is_lax {
            text.push_str("; SET LOCAL synchronous_commit TO on");
        }
        text.push_str(match patience {
            Patience::Usual => "; SET LOCAL lock_timeout TO '5s'",
            Patience::Little => "",
            Patience::None => "; SET LOCAL lock_timeout TO '10ms'",
        });
        if patience != Patience::Usual {
            text.push_str("; SET LOCAL statement_timeout TO '5s'");
        }
        self.number.take();
        // By itself a statement would be committed without the disk.
        let is_as_durable = durability == Durability::Relaxed || !self.is_lax;
        self.may_go_alone.set(is_as_durable && !self.is_rehearsal.get());
        self.opening.replace(Some(text));
    }

    pub(super) fn commit(&self) -> Result<(), SqlError> {
        match self.opening.take() {
            Some(_) => Ok(()),
            None if self.is_rehearsal.get() => self.execute("RELEASE SAVEPOINT part"),
            None => self.execute("COMMIT").inspect(|()| self.is_open.set(false)),
        }
    }

    /// Gives up what was begun. If that fails the session is lost, and the transaction with it.
    pub(super) fn roll_back(&self) {
        if self.opening.take().is_some() {
            return;
        }
        let is_part = self.is_rehearsal.get();
        let text =
            if is_part { "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part" } else { "ROLLBACK" };
        match self.execute(text) {
            Ok(()) => self.is_open.set(is_part),
            Err(error) => tracing::debug!(%error, "a transaction ended with its session"),
        }
    }

    /// Begins a rehearsal: a transaction of which others are parts.
    pub(super) fn begin_rehearsal(&self) -> Result<(), SqlError> {
        self.is_open.set(true);
        self.execute(BEGIN)?;
        self.is_rehearsal.set(true);
        Ok(())
    }

    /// Gives up all of it.
    pub(super) fn end_rehearsal(&self) {
        self.is_rehearsal.set(false);
        self.opening.take();
        self.roll_back();
    }

    /// Whether it ended.
    pub(super) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// Begins a part of a rehearsal before anything is asked in it: whatever that fails with, what stands
    /// before it stays.
    fn open_part(&self) -> Result<(), SqlError> {
        if !self.is_rehearsal.get() {
            return Ok(());
        }
        self.opening.take().map_or(Ok(()), |opening| self.execute(&opening))
    }

    /// The number of the transaction under way, if it has changed something.
    pub(super) fn number(&self) -> Option<String> {
        self.number.borrow().clone()
    }

    /// When the server was started.
    pub(super) fn started(&self) -> &str {
        &self.started
    }

    /// What became of a transaction: `committed`, `aborted`, `in progress`, or nothing if the
    /// server has forgotten.
    pub(super) fn status(&self, transaction: &str) -> Result<Option<String>, SqlError> {
        let rows = self.query(STATUS, &[&transaction])?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }
}
