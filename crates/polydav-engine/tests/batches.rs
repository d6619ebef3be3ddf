//! Batches of which word is kept.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use polydav_engine::{
    Engine, Entry, Environment, JobState, KeepLimits, NewBatch, Options, Ticket, Unkept,
};
use polydav_store::{
    BatchEnd, BatchId, BatchLedger, Durability, Failure, FailureKind, KeptBatch, MemoryLedger,
    MemoryStore, Principal, ResourcePath,
};

fn engine() -> Engine {
    engine_of(Arc::default(), Arc::new(MemoryLedger::default()))
}

/// An engine whose clock is ahead by so many seconds, and whose random numbers count.
fn engine_of(ahead: Arc<AtomicU64>, batches: Arc<dyn BatchLedger>) -> Engine {
    let counter = AtomicU64::new(1);
    let environment = Environment::new(
        move || SystemTime::UNIX_EPOCH + Duration::from_secs(ahead.load(Ordering::Relaxed)),
        move || u128::from(counter.fetch_add(1, Ordering::Relaxed)),
    );
    let (store, locks) = (Arc::new(MemoryStore::new()), Arc::new(MemoryLedger::default()));
    let engine = Engine::open(store, locks, environment, Options::default()).unwrap();
    engine.keeping(batches, KeepLimits::default()).unwrap()
}

/// A job of one operation, with this key.
fn job(key: &str) -> NewBatch {
    NewBatch {
        principal: Principal::Anonymous,
        key: Some(key.into()),
        fingerprint: Bytes::from_static(b"f"),
        total: 1,
        document: Some(Bytes::from_static(b"d")),
    }
}

fn begun(engine: &Engine, key: &str) -> Ticket {
    match engine.batches().enter(job(key), || Ok(())).unwrap() {
        Entry::Begin(ticket) => ticket,
        Entry::Ended(_) => panic!("it has ended"),
    }
}

#[test]
fn what_is_called_off_when_all_was_done_is_finished() {
    let engine = engine();
    for (key, skipped, state) in [("done", 0, JobState::Finished), ("left", 1, JobState::Cancelled)]
    {
        let ticket = begun(&engine, key);
        let id = ticket.id();
        assert!(engine.batches().cancel(id, &Principal::Anonymous).unwrap());
        ticket.end(0, skipped, b"answer").unwrap();
        drop(ticket);
        assert_eq!(engine.batches().job(id, &Principal::Anonymous).unwrap().state, state, "{key}");
    }
}

#[test]
fn what_has_begun_is_not_judged_again() {
    let engine = engine();
    let refuse = || Err(Failure::new(FailureKind::Precondition, ResourcePath::root()));
    let enter = || engine.batches().enter(job("k"), refuse);
    assert!(matches!(enter(), Err(Unkept::Failed(_))));
    let ticket = begun(&engine, "k");
    assert!(matches!(enter(), Err(Unkept::Running)));
    drop(ticket);
    // The process that ran it may have ended before it did.
    match enter().unwrap() {
        Entry::Begin(ticket) => ticket.end(0, 0, b"answer").unwrap(),
        Entry::Ended(_) => panic!("it was interrupted"),
    }
    assert!(matches!(enter(), Ok(Entry::Ended(answer)) if answer == b"answer"));
}

/// A ledger; while it forgets batches for the first time, somebody whose clock is behind has `job("k")`
/// begun.
struct Meddled {
    ledger: MemoryLedger,
    engine: OnceLock<Engine>,
    ahead: Arc<AtomicU64>,
    begun: Mutex<Option<Ticket>>,
}

impl BatchLedger for Meddled {
    fn batches(&self) -> Result<Vec<KeptBatch>, Failure> {
        self.ledger.batches()
    }
    fn begin_batch(
        &self,
        batch: &KeptBatch,
        document: Option<&[u8]>,
        durability: Durability,
    ) -> Result<(), Failure> {
        self.ledger.begin_batch(batch, document, durability)
    }
    fn document(&self, batch: BatchId) -> Result<Vec<u8>, Failure> {
        self.ledger.document(batch)
    }
    fn keep_receipt(&self, batch: BatchId, receipt: &[u8], d: Durability) -> Result<i64, Failure> {
        self.ledger.keep_receipt(batch, receipt, d)
    }
    fn confirm_receipt(&self, number: i64) -> Result<(), Failure> {
        self.ledger.confirm_receipt(number)
    }
    fn receipts(&self, batch: BatchId) -> Result<Vec<(Vec<u8>, bool)>, Failure> {
        self.ledger.receipts(batch)
    }
    fn end_batch(
        &self,
        batch: BatchId,
        end: BatchEnd,
        answer: &[u8],
        durability: Durability,
    ) -> Result<(), Failure> {
        self.ledger.end_batch(batch, end, answer, durability)
    }
    fn answer(&self, batch: BatchId) -> Result<Vec<u8>, Failure> {
        self.ledger.answer(batch)
    }
    fn forget_batches(&self, batches: &[BatchId]) -> Result<(), Failure> {
        self.ahead.store(0, Ordering::Relaxed);
        *self.begun.lock().unwrap() = Some(begun(self.engine.get().unwrap(), "k"));
        self.ledger.forget_batches(batches)
    }
}

#[test]
fn what_is_being_forgotten_is_not_begun_again() {
    let ahead = Arc::new(AtomicU64::new(0));
    let ledger = Arc::new(Meddled {
        ledger: MemoryLedger::default(),
        engine: OnceLock::new(),
        ahead: ahead.clone(),
        begun: Mutex::default(),
    });
    let engine = engine_of(ahead.clone(), ledger.clone());
    ledger.engine.set(engine.clone()).unwrap();
    drop(begun(&engine, "k"));
    ahead.store(25 * 60 * 60, Ordering::Relaxed);
    let other = begun(&engine, "other");
    let ticket = ledger.begun.lock().unwrap().take().unwrap();
    let again = engine.batches().enter(job("k"), || Ok(()));
    assert!(matches!(again, Err(Unkept::Running)), "{again:?}");
    let mut kept: Vec<_> = ledger.batches().unwrap().iter().map(|batch| batch.id).collect();
    kept.sort();
    assert_eq!(kept, [ticket.id(), other.id()]);
}
