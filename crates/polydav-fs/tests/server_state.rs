//! What a server keeps for stores that keep nothing beside resources.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use polydav_fs::{FolderStore, OpenError, Options, ServerState};
use polydav_store::kit::lock;
use polydav_store::{Durability, Ledger, Lock, LockScope, LockToken, Principal};
use tempfile::TempDir;

fn kept(state: &ServerState) -> Vec<Lock> {
    let mut locks = state.locks().unwrap();
    locks.sort_by(|a, b| a.token.cmp(&b.token));
    locks
}

#[test]
fn locks_are_there_when_it_is_opened_again() {
    let dir = TempDir::new().unwrap();
    let place = dir.path().join("made/for/it");
    let shared = Lock {
        scope: LockScope::Shared,
        owner: Some(Bytes::from_static(b"<owner/>")),
        principal: Principal::Named(Arc::from("ann")),
        ..lock("urn:2", "db/t/1")
    };
    let locks = [lock("urn:1", "db"), shared];
    let state = ServerState::open(&place).unwrap();
    for lock in &locks {
        state.keep_lock(lock, Durability::Full).unwrap();
    }
    drop(state);
    let state = ServerState::open(&place).unwrap();
    assert_eq!(kept(&state), locks);
    state.forget_locks(&[LockToken::new("urn:1")], Durability::Relaxed).unwrap();
    assert_eq!(kept(&state), locks[1..]);
}

#[test]
fn one_server_has_it_at_a_time() {
    let dir = TempDir::new().unwrap();
    let state = ServerState::open(dir.path()).unwrap();
    let again = ServerState::open(dir.path()).unwrap_err();
    assert!(matches!(again, OpenError::InUse { path } if path == dir.path()));
    drop(state);
    ServerState::open(dir.path()).unwrap();
}

#[test]
fn it_may_lie_beside_the_state_of_a_folder() {
    let dir = TempDir::new().unwrap();
    let store = FolderStore::open(dir.path(), &Options::default()).unwrap();
    let state = ServerState::open(&dir.path().join(".polydav")).unwrap();
    store.keep_lock(&lock("urn:f", "f"), Durability::Full).unwrap();
    state.keep_lock(&lock("urn:s", "db/f"), Durability::Full).unwrap();
    assert_eq!(store.locks().unwrap(), [lock("urn:f", "f")]);
    assert_eq!(kept(&state), [lock("urn:s", "db/f")]);
}
