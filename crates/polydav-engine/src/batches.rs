//! `Batches`: those of which word is kept, so that none is done twice and its answer isn't lost,
//! whatever becomes of the client, the connection or the server.
//!
//! A batch that has a key is begun once. Sent again, it is answered as before if it has ended, refused
//! while it runs, and goes on if the server ended before it did: what its receipts show to be done is
//! not done again. A job is asked for by its identity instead.

mod table;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use polydav_store::{
    BatchEnd, BatchId, BatchLedger, BatchState, Commit, Durability, Effect, FATE_KNOWN, Failure,
    FailureKind, Fate, KeptBatch, Outcome, Principal, Receipt, ResourcePath, Store,
};

use self::table::{Known, Table};
use crate::Environment;

/// How many batches are kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct KeepLimits {
    /// So long after it was begun. Half of [`FATE_KNOWN`] is the most; what is longer is taken as that.
    pub time: Duration,
    /// So many of all principals together.
    pub count_max: usize,
    /// So many of one principal.
    pub count_of_one_max: usize,
    /// While the documents and answers kept have so many bytes, no more batches are begun.
    pub bytes_max: u64,
    /// The same, of one principal.
    pub bytes_of_one_max: u64,
}

impl Default for KeepLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(24 * 60 * 60),
            count_max: 100_000,
            count_of_one_max: 10_000,
            bytes_max: 1 << 30,
            bytes_of_one_max: 1 << 29,
        }
    }
}

/// A batch to be begun.
#[derive(Debug)]
pub struct NewBatch {
    /// Whose it is.
    pub principal: Principal,
    /// The name that its client gave it.
    pub key: Option<Box<str>>,
    /// What tells requests apart.
    pub fingerprint: Bytes,
    /// How many operations it has.
    pub total: u64,
    /// Of a job: what was asked for.
    pub document: Option<Bytes>,
}

/// What becomes of a batch that is sent.
#[derive(Debug)]
pub enum Entry {
    /// It begins, or goes on where an earlier process ended.
    Begin(Ticket),
    /// It has ended, with this answer.
    Ended(Vec<u8>),
}

/// Why a batch isn't begun.
#[derive(Debug)]
pub enum Unkept {
    /// It runs already.
    Running,
    /// Another request had the same key.
    KeyTaken,
    /// No more are kept.
    Full,
    /// There is nowhere to keep them.
    Nowhere,
    /// The ledger failed.
    Failed(Failure),
}

impl From<Failure> for Unkept {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It is under way.
    Running,
    /// The server ended before it did.
    Interrupted,
    /// Its owner called it off.
    Cancelled,
    /// It has ended.
    Finished,
}

/// What can be said of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Where it is.
    pub state: JobState,
    /// How many operations it has.
    pub total: u64,
    /// How many of them have an outcome.
    pub done: u64,
    /// How many of those failed.
    pub failed: u64,
}

/// All batches of which word is kept.
pub struct Batches {
    ledger: Option<Arc<dyn BatchLedger>>,
    store: Arc<dyn Store>,
    environment: Environment,
    durability: Durability,
    limits: KeepLimits,
    table: Mutex<Table>,
}

/// How far a batch that runs has come.
#[derive(Debug, Default)]
struct Progress {
    done: AtomicU64,
    failed: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Batches {
    /// None: no batch is taken.
    pub(crate) fn none(store: Arc<dyn Store>, environment: Environment) -> Arc<Self> {
        let (durability, limits) = (Durability::Relaxed, KeepLimits::default());
        let table = Mutex::default();
        Arc::new(Self { ledger: None, store, environment, durability, limits, table })
    }

    /// The batches of a ledger. Blocks.
    ///
    /// # Errors
    /// If the ledger can't be read.
    pub(crate) fn open(
        ledger: Arc<dyn BatchLedger>,
        store: Arc<dyn Store>,
        environment: Environment,
        durability: Durability,
        limits: KeepLimits,
    ) -> Result<Arc<Self>, Failure> {
        // It may take as long again from the last time it is begun until it is asked about.
        let limits = KeepLimits { time: limits.time.min(FATE_KNOWN / 2), ..limits };
        let mut table = Table::default();
        for kept in ledger.batches()? {
            table.insert(kept);
        }
        let (table, ledger) = (Mutex::new(table), Some(ledger));
        Ok(Arc::new(Self { ledger, store, environment, durability, limits, table }))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any batch can be kept.
    pub fn are_kept(&self) -> bool {
        self.ledger.is_some()
    }

    /// Begins a batch, or tells what became of it. Blocks.
    ///
    /// A batch begins only if `judge` says so. One that had begun isn't judged again: what it did may
    /// have changed what its conditions look at.
    ///
    /// # Errors
    /// Why it isn't begun.
    pub fn enter(
        self: &Arc<Self>,
        new: NewBatch,
        judge: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<Entry, Unkept> {
        let ledger = self.ledger.as_ref().ok_or(Unkept::Nowhere)?;
        self.sweep(&**ledger)?;
        let is_new = self.table().named(&new).is_none();
        if is_new {
            judge()?;
        }
        let mut table = self.table();
        let named = table.named(&new);
        let id = match named {
            None if is_new => self.begin(&mut table, &**ledger, new)?,
            // It was forgotten just now, and nobody judged it.
            None => return Err(Unkept::Running),
            Some(id) => {
                let known = table.get(id).ok_or(Unkept::Full)?;
                if known.kept.fingerprint != new.fingerprint {
                    return Err(Unkept::KeyTaken);
                }
                match known.kept.state {
                    BatchState::Ended(_) => {
                        drop(table);
                        return Ok(Entry::Ended(ledger.answer(id)?));
                    }
                    BatchState::Begun if known.running.is_some() => return Err(Unkept::Running),
                    BatchState::Begun => id,
                }
            }
        };
        let progress = Arc::new(Progress::default());
        table.set_running(id, Some(Arc::clone(&progress)));
        drop(table);
        let mut ticket = Ticket {
            batches: Arc::clone(self),
            id,
            progress,
            known: HashMap::new(),
            receipt: AtomicI64::new(0),
        };
        if named.is_some() {
            ticket.known = self.outcomes(&**ledger, id)?;
            ticket.known.values().for_each(|outcome| ticket.progress.note(outcome));
        }
        Ok(Entry::Begin(ticket))
    }

    fn begin(
        &self,
        table: &mut Table,
        ledger: &dyn BatchLedger,
        new: NewBatch,
    ) -> Result<BatchId, Unkept> {
        if !table.has_room(&new.principal, &self.limits) {
            return Err(Unkept::Full);
        }
        let kept = KeptBatch {
            id: BatchId(self.environment.random()),
            principal: new.principal,
            key: new.key,
            fingerprint: new.fingerprint,
            begun: self.environment.now(),
            total: new.total,
            is_job: new.document.is_some(),
            document_bytes: new.document.as_ref().map_or(0, |document| document.len() as u64),
            state: BatchState::Begun,
        };
        ledger.begin_batch(&kept, new.document.as_deref(), self.durability)?;
        let id = kept.id;
        table.insert(kept);
        Ok(id)
    }

    /// Forgets what was kept for long enough.
    fn sweep(&self, ledger: &dyn BatchLedger) -> Result<(), Failure> {
        let over = self.table().forget_before(self.environment.now() - self.limits.time);
        if over.is_empty() {
            return Ok(());
        }
        // By now none of them can be begun again. What the ledger fails to forget, it will after the
        // next start.
        ledger.forget_batches(&over)
    }

    /// How the steps of a batch went that an earlier process began, as far as it came.
    fn outcomes(
        &self,
        ledger: &dyn BatchLedger,
        id: BatchId,
    ) -> Result<HashMap<usize, Outcome>, Failure> {
        let mut known = HashMap::new();
        for (bytes, confirmed) in ledger.receipts(id)? {
            let receipt = Receipt::decode(&bytes).map_err(|error| {
                Failure::new(FailureKind::Internal, ResourcePath::root()).with_source(error)
            })?;
            let fate = match &receipt.commit {
                Commit::Named(name) => self.store.fate(name)?,
                Commit::Nameless if !confirmed => Fate::Unknown,
                Commit::Nameless | Commit::Nothing => Fate::Done,
            };
            for (index, outcome) in receipt.outcomes {
                match fate {
                    Fate::Done if outcome.as_ref().is_err_and(is_to_be_tried_again) => {
                        known.remove(&index)
                    }
                    Fate::Done => known.insert(index, outcome),
                    Fate::Undone => known.remove(&index),
                    Fate::Unknown => known.insert(index, Err(unknown())),
                };
            }
        }
        Ok(known)
    }

    /// A job of `principal`. Blocks.
    ///
    /// # Errors
    /// [`FailureKind::NotFound`] if there is none, or it is another's; if the ledger fails.
    pub fn job(&self, id: BatchId, principal: &Principal) -> Result<Job, Failure> {
        let (kept, running) = self.find(id, principal)?;
        let of = |state, done, failed| Job { state, total: kept.total, done, failed };
        Ok(match (kept.state, running) {
            (BatchState::Ended(BatchEnd { failed, cancelled, .. }), _) => {
                let state = if cancelled { JobState::Cancelled } else { JobState::Finished };
                of(state, kept.total, failed)
            }
            (BatchState::Begun, Some(progress)) => {
                let (done, failed) = (&progress.done, &progress.failed);
                let failed = failed.load(Ordering::Relaxed);
                of(JobState::Running, done.load(Ordering::Relaxed), failed)
            }
            (BatchState::Begun, None) => {
                let known = self.known_outcomes(id)?;
                let failed = known.values().filter(|outcome| outcome.is_err()).count();
                of(JobState::Interrupted, known.len() as u64, failed as u64)
            }
        })
    }

    /// How the steps of a job went, as far as it came. Blocks.
    ///
    /// # Errors
    /// If the ledger fails.
    pub fn known_outcomes(&self, id: BatchId) -> Result<HashMap<usize, Outcome>, Failure> {
        match &self.ledger {
            Some(ledger) => self.outcomes(&**ledger, id),
            None => Ok(HashMap::new()),
        }
    }

    /// What was asked for with a job. Blocks.
    ///
    /// # Errors
    /// As [`Batches::job`].
    pub fn document(&self, id: BatchId, principal: &Principal) -> Result<Vec<u8>, Failure> {
        self.find(id, principal)?;
        self.ledger.as_ref().ok_or_else(none)?.document(id)
    }

    /// The answer of a job. Blocks.
    ///
    /// # Errors
    /// As [`Batches::job`]; [`FailureKind::Busy`] if it hasn't ended.
    pub fn answer(&self, id: BatchId, principal: &Principal) -> Result<Vec<u8>, Failure> {
        match self.find(id, principal)?.0.state {
            BatchState::Ended(_) => self.ledger.as_ref().ok_or_else(none)?.answer(id),
            BatchState::Begun => Err(Failure::new(FailureKind::Busy, ResourcePath::root())),
        }
    }

    /// Calls a job off: none of its steps starts any more. Whether it was still under way.
    ///
    /// # Errors
    /// As [`Batches::job`].
    pub fn cancel(&self, id: BatchId, principal: &Principal) -> Result<bool, Failure> {
        match self.find(id, principal)? {
            (KeptBatch { state: BatchState::Begun, .. }, Some(progress)) => {
                progress.is_cancelled.store(true, Ordering::Relaxed);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn find(
        &self,
        id: BatchId,
        principal: &Principal,
    ) -> Result<(KeptBatch, Option<Arc<Progress>>), Failure> {
        let table = self.table();
        let known = table.get(id);
        let oldest = self.environment.now() - self.limits.time;
        let is_theirs = |known: &&Known| {
            known.kept.is_job && known.kept.principal == *principal && known.kept.begun >= oldest
        };
        let known = known.filter(is_theirs).ok_or_else(none)?;
        Ok((known.kept.clone(), known.running.clone()))
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Progress {
    fn count(&self, has_failed: bool) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(has_failed.into(), Ordering::Relaxed);
    }

    fn note(&self, outcome: &Outcome) {
        let has_failed = outcome.as_ref().is_err_and(|failure| failure.kind.was_tried());
        self.count(has_failed);
    }
}

/// A batch that runs. Dropped before its [end](Ticket::end): it may be begun again.
pub struct Ticket {
    batches: Arc<Batches>,
    id: BatchId,
    progress: Arc<Progress>,
    known: HashMap<usize, Outcome>,
    /// The number of the last receipt.
    receipt: AtomicI64,
}

impl Ticket {
    /// Its identity.
    pub fn id(&self) -> BatchId {
        self.id
    }

    /// How a step went that an earlier process did, or may have done.
    pub(crate) fn known(&self, index: usize) -> Option<&Outcome> {
        self.known.get(&index)
    }

    /// Whether its owner called it off.
    pub fn is_cancelled(&self) -> bool {
        self.progress.is_cancelled.load(Ordering::Relaxed)
    }

    /// Keeps a receipt.
    pub(crate) fn keep(&self, receipt: &Receipt) -> Result<(), Failure> {
        let Some(ledger) = &self.batches.ledger else { return Ok(()) };
        let number = ledger.keep_receipt(self.id, &receipt.encode(), self.batches.durability)?;
        self.receipt.store(number, Ordering::Relaxed);
        Ok(())
    }

    /// What the last receipt tells of has become final.
    pub(crate) fn confirm(&self) {
        let Some(ledger) = &self.batches.ledger else { return };
        if let Err(failure) = ledger.confirm_receipt(self.receipt.load(Ordering::Relaxed)) {
            tracing::warn!(%failure, "that a commit was made can't be written down");
        }
    }

    /// Counts an operation that has no step; it may have failed already.
    pub fn pass_over(&self, has_failed: bool) {
        self.progress.count(has_failed);
    }

    /// Counts a step that has an outcome.
    pub(crate) fn note(&self, outcome: &Outcome) {
        self.progress.note(outcome);
    }

    /// The batch has ended; `failed` of its operations failed, `skipped` were not done. Keeps its
    /// answer. Blocks.
    ///
    /// What was called off too late, when all was done, has ended like any other.
    ///
    /// # Errors
    /// If it can't be kept; then it counts as interrupted.
    pub fn end(&self, failed: u64, skipped: u64, answer: &[u8]) -> Result<(), Failure> {
        let Some(ledger) = &self.batches.ledger else { return Ok(()) };
        let answer_bytes = answer.len() as u64;
        let cancelled = skipped > 0 && self.is_cancelled();
        let end = BatchEnd { answer_bytes, failed, cancelled };
        ledger.end_batch(self.id, end, answer, self.batches.durability)?;
        self.batches.table().end(self.id, end);
        Ok(())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.batches.table().set_running(self.id, None);
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({})", self.id)
    }
}

/// Whether a step that failed so wasn't tried, and may be if its batch goes on.
pub(crate) fn is_to_be_tried_again(failure: &Failure) -> bool {
    let was_refused = failure.kind == FailureKind::Busy || !failure.kind.was_tried();
    failure.effect == Effect::None && was_refused
}

fn none() -> Failure {
    Failure::new(FailureKind::NotFound, ResourcePath::root())
}

fn unknown() -> Failure {
    Failure::new(FailureKind::Internal, ResourcePath::root())
        .with_effect(Effect::Unknown)
        .with_detail("the server ended while it was done, and nobody can tell whether it was")
}
