//! The locks of a store: in memory for questions, in the ledger for restarts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use polydav_store::{
    Durability, Failure, Ledger, Lock, LockChange, LockTable, LockToken, LockView, MemoryLedger,
    ResourcePath, Store,
};

use crate::engine::Environment;

/// How many tokens of ended locks are remembered.
const ENDED_MAX: usize = 1_000;

/// All locks of one store.
pub(crate) struct Locks {
    table: RwLock<LockTable>,
    /// The last locks that ran out: giving one up again is no error.
    ended: RwLock<VecDeque<LockToken>>,
    /// Locks of which the store or the ledger couldn't say, or be told, that they are void.
    unsettled: Mutex<Vec<Arc<Lock>>>,
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
        let (table, ended, unsettled) = (RwLock::new(table), RwLock::default(), Mutex::default());
        Ok(Self { table, ended, unsettled, ledger, environment })
    }

    /// The same locks, as long as the value lasts: what ends there goes on here.
    pub(crate) fn rehearsal(&self) -> Self {
        Self {
            table: RwLock::new(self.read().clone()),
            ended: RwLock::default(),
            unsettled: Mutex::new(self.unsettled().clone()),
            ledger: Arc::new(MemoryLedger::default()),
            environment: self.environment.clone(),
        }
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

    /// Makes changes, on disk first.
    pub(crate) fn change(
        &self,
        changes: &[LockChange],
        durability: Durability,
    ) -> Result<(), Failure> {
        if !changes.is_empty() {
            self.ledger.change_locks(changes, durability)?;
            self.follow(changes);
        }
        Ok(())
    }

    /// Has a lock last longer from now on, so that it doesn't run out while that is written down. If it
    /// can't be, it lasts longer than anybody was told, up to the next start. Whether there is such a lock.
    pub(crate) fn prolong(&self, lock: &Arc<Lock>) -> bool {
        let now = self.environment.now();
        self.write().prolong(lock, now)
    }

    /// Makes changes that are on disk.
    fn follow(&self, changes: &[LockChange]) {
        let mut table = self.write();
        for change in changes {
            match change {
                LockChange::Keep(lock) => table.insert(Arc::clone(lock)),
                LockChange::Forget(token) => drop(table.remove(token)),
            }
        }
    }

    /// Ends locks on what was removed, whatever lies there by now. If the ledger can't be told, they
    /// come back with the next start, until their time is over.
    pub(crate) fn forget(&self, gone: &[Arc<Lock>], durability: Durability) {
        let changes = endings(gone);
        if let Err(failure) = self.change(&changes, durability) {
            tracing::error!(%failure, "locks on what was removed are still written down");
            self.follow(&changes);
        }
    }

    /// Ends those of these locks whose roots are gone. What can't be settled now is tried again the
    /// next time: a lock on nothing would refuse whoever makes something there.
    pub(crate) fn settle(
        &self,
        store: &dyn Store,
        at_stake: Vec<Arc<Lock>>,
        durability: Durability,
    ) {
        let mut all = std::mem::take(&mut *self.unsettled());
        all.extend(at_stake);
        if all.is_empty() {
            return;
        }
        let (mut void, mut unsettled) = (Vec::new(), Vec::new());
        for lock in all {
            match store.find(&lock.root) {
                Ok(Some(_)) => {}
                Ok(None) => void.push(lock),
                Err(failure) => {
                    tracing::error!(%failure, "whether a lock is void can't be told");
                    unsettled.push(lock);
                }
            }
        }
        if let Err(failure) = self.change(&endings(&void), durability) {
            tracing::error!(%failure, "locks on what is gone can't be ended");
            unsettled.append(&mut void);
        }
        let mut kept = self.unsettled();
        unsettled.retain(|lock| kept.iter().all(|kept| kept.token != lock.token));
        kept.append(&mut unsettled);
    }

    fn unsettled(&self) -> MutexGuard<'_, Vec<Arc<Lock>>> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the locks whose time is over. If the ledger can't be told, the next start finds that it
    /// is over.
    pub(crate) fn expire(&self) {
        let over = self.write().expire(self.environment.now());
        if over.is_empty() {
            return;
        }
        if let Err(failure) = self.ledger.change_locks(&endings(&over), Durability::Relaxed) {
            tracing::error!(%failure, "locks whose time is over are still written down");
        }
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        ended.extend(over.iter().map(|lock| lock.token.clone()));
        let surplus = ended.len().saturating_sub(ENDED_MAX);
        ended.drain(..surplus);
    }

    /// Whether this was the token of a lock that ran out not long ago.
    pub(crate) fn ran_out(&self, token: &LockToken) -> bool {
        self.ended.read().unwrap_or_else(PoisonError::into_inner).contains(token)
    }
}

fn endings(locks: &[Arc<Lock>]) -> Vec<LockChange> {
    locks.iter().map(|lock| LockChange::Forget(lock.token.clone())).collect()
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
