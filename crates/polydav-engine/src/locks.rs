//! The locks of a store: in memory for questions, in the ledger for restarts.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use polydav_store::{
    Durability, Failure, Ledger, Lock, LockTable, LockToken, LockView, ResourcePath, Step, Store,
};

use crate::engine::Environment;

/// How many tokens of ended locks are remembered.
const ENDED_MAX: usize = 1_000;

/// All locks of one store.
pub(crate) struct Locks {
    table: RwLock<LockTable>,
    /// The last locks that ran out: giving one up again is no error.
    ended: RwLock<VecDeque<LockToken>>,
    ledger: Arc<dyn Ledger>,
    environment: Environment,
}

impl Locks {
    /// Takes the locks of the ledger over. Those that ran out, and those whose root is gone for
    /// certain, are void and forgotten.
    pub(crate) fn open(
        store: &dyn Store,
        ledger: Arc<dyn Ledger>,
        environment: Environment,
    ) -> Result<Self, Failure> {
        let now = environment.now();
        let mut table = LockTable::default();
        let mut void = Vec::new();
        for lock in ledger.locks()? {
            if lock.expires > now && !matches!(store.find(&lock.root), Ok(None)) {
                table.insert(lock);
            } else {
                void.push(lock.token);
            }
        }
        if !void.is_empty() {
            ledger.forget_locks(&void, Durability::Relaxed)?;
        }
        Ok(Self { table: RwLock::new(table), ended: RwLock::default(), ledger, environment })
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, LockTable> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, LockTable> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn find(&self, token: &LockToken) -> Option<Arc<Lock>> {
        self.read().find(token, self.environment.now())
    }

    /// Keeps a lock, new or refreshed, on disk first.
    pub(crate) fn keep(&self, lock: Lock, durability: Durability) -> Result<(), Failure> {
        self.ledger.keep_lock(&lock, durability)?;
        self.write().insert(lock);
        Ok(())
    }

    /// Ends locks, on disk first.
    pub(crate) fn end(&self, tokens: &[LockToken], durability: Durability) -> Result<(), Failure> {
        if tokens.is_empty() {
            return Ok(());
        }
        self.ledger.forget_locks(tokens, durability)?;
        let mut table = self.write();
        tokens.iter().for_each(|token| drop(table.remove(token)));
        Ok(())
    }

    /// Forgets the locks whose time is over.
    pub(crate) fn expire(&self) -> Result<(), Failure> {
        let over = self.write().expire(self.environment.now());
        if over.is_empty() {
            return Ok(());
        }
        let tokens: Vec<_> = over.iter().map(|lock| lock.token.clone()).collect();
        self.ledger.forget_locks(&tokens, Durability::Relaxed)?;
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        ended.extend(tokens);
        let surplus = ended.len().saturating_sub(ENDED_MAX);
        ended.drain(..surplus);
        Ok(())
    }

    /// Whether this was the token of a lock that ran out not long ago.
    pub(crate) fn ran_out(&self, token: &LockToken) -> bool {
        self.ended.read().unwrap_or_else(PoisonError::into_inner).contains(token)
    }

    /// The locks that end if what they lock is gone after `step`.
    pub(crate) fn at_stake(&self, step: &Step) -> Vec<(LockToken, ResourcePath)> {
        let table = self.read();
        if table.is_empty() {
            return Vec::new();
        }
        let now = self.environment.now();
        step.vacates()
            .flat_map(|root| {
                let at = table.covering(root, now).into_iter().filter(|lock| lock.root == *root);
                at.chain(table.rooted_under(root, now)).collect::<Vec<_>>()
            })
            .map(|lock| (lock.token.clone(), lock.root.clone()))
            .collect()
    }
}

impl LockView for Locks {
    fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    fn covering(&self, path: &ResourcePath) -> Vec<Arc<Lock>> {
        self.read().covering(path, self.environment.now())
    }

    fn rooted_under(&self, path: &ResourcePath) -> Vec<Arc<Lock>> {
        self.read().rooted_under(path, self.environment.now())
    }
}
