//! Batches of which word is kept.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use polydav_engine::{
    Engine, Entry, Environment, JobState, KeepLimits, NewBatch, Options, Ticket, Unkept,
};
use polydav_store::{Failure, FailureKind, MemoryLedger, MemoryStore, Principal, ResourcePath};

fn engine() -> Engine {
    let counter = std::sync::atomic::AtomicU64::new(1);
    let random = move || u128::from(counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let environment = Environment::new(SystemTime::now, random);
    let (store, ledger) = (Arc::new(MemoryStore::new()), Arc::new(MemoryLedger::default()));
    let engine = Engine::open(store, ledger.clone(), environment, Options::default()).unwrap();
    engine.keeping(ledger, KeepLimits::default()).unwrap()
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
