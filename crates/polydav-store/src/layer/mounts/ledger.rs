//! `MountLedger`: the locks of several mounts, each where it belongs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Durability, Failure, Ledger, Lock, LockChange, LockToken, ResourcePath};

/// Keeps each lock in the ledger of the mount that its root lies in, with the path it has there;
/// mounts without a ledger share one, in which roots are as clients see them.
///
/// A lock that a ledger kept for what lies in another mount by now isn't told: what it locks is
/// hidden.
pub struct MountLedger {
    /// By path.
    own: Vec<(ResourcePath, Option<Arc<dyn Ledger>>)>,
    shared: Arc<dyn Ledger>,
    /// Where the locks that exist are kept: the number of the mount, or `None` if it is `shared`.
    homes: Mutex<HashMap<LockToken, Option<usize>>>,
}

impl MountLedger {
    /// The ledgers of these mounts; `shared` is for those that have none.
    pub fn new(
        mounts: impl IntoIterator<Item = (ResourcePath, Option<Arc<dyn Ledger>>)>,
        shared: Arc<dyn Ledger>,
    ) -> Self {
        let mut own: Vec<_> = mounts.into_iter().collect();
        own.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self { own, shared, homes: Mutex::default() }
    }

    fn homes(&self) -> MutexGuard<'_, HashMap<LockToken, Option<usize>>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a lock on `path` is kept.
    fn home_of(&self, path: &ResourcePath) -> Option<usize> {
        let number = self.own.iter().rposition(|(mount, _)| mount.contains(path))?;
        self.own[number].1.is_some().then_some(number)
    }

    /// A ledger, and where its mount lies.
    fn ledger(&self, home: Option<usize>) -> (&dyn Ledger, &ResourcePath) {
        const ROOT: &ResourcePath = &ResourcePath::root();
        match home.map(|number| &self.own[number]) {
            Some((path, Some(ledger))) => (&**ledger, path),
            Some((_, None)) | None => (&*self.shared, ROOT),
        }
    }

    /// A change as the ledger of a mount is told of it, if it concerns that.
    fn there(
        &self,
        change: &LockChange,
        home: Option<usize>,
        path: &ResourcePath,
    ) -> Option<LockChange> {
        match change {
            LockChange::Keep(lock) => {
                let root = lock.root.rebase(path, &ResourcePath::root());
                let is_there = self.home_of(&lock.root) == home;
                let there = || Lock { root: root.unwrap_or_default(), ..Lock::clone(lock) };
                is_there.then(|| LockChange::Keep(Arc::new(there())))
            }
            LockChange::Forget(token) => {
                (self.homes().get(token) == Some(&home)).then(|| change.clone())
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = Option<usize>> {
        let own = self.own.iter().enumerate();
        own.filter(|(_, (_, ledger))| ledger.is_some())
            .map(|(number, _)| Some(number))
            .chain([None])
    }
}

impl Ledger for MountLedger {
    fn locks(&self) -> Result<Vec<Lock>, Failure> {
        let mut locks = Vec::new();
        for home in self.all() {
            let (ledger, path) = self.ledger(home);
            let kept = ledger.locks().map_err(|failure| outside(failure, path))?;
            let root = |lock: &Lock| lock.root.rebase(&ResourcePath::root(), path);
            let kept =
                kept.into_iter().filter_map(|lock| Some(Lock { root: root(&lock)?, ..lock }));
            locks.extend(kept.filter(|lock| self.home_of(&lock.root) == home));
        }
        let homes = locks.iter().map(|lock| (lock.token.clone(), self.home_of(&lock.root)));
        *self.homes() = homes.collect();
        Ok(locks)
    }

    /// One commit for each ledger; where one fails, the changes of those it didn't come to aren't made.
    fn change_locks(&self, changes: &[LockChange], durability: Durability) -> Result<(), Failure> {
        for home in self.all() {
            let (ledger, path) = self.ledger(home);
            let there: Vec<_> =
                changes.iter().filter_map(|change| self.there(change, home, path)).collect();
            if there.is_empty() {
                continue;
            }
            let changed = ledger.change_locks(&there, durability);
            changed.map_err(|failure| outside(failure, path))?;
            let mut homes = self.homes();
            for change in there {
                match change {
                    LockChange::Keep(lock) => homes.insert(lock.token.clone(), home),
                    LockChange::Forget(token) => homes.remove(&token),
                };
            }
        }
        Ok(())
    }
}

fn outside(failure: Failure, path: &ResourcePath) -> Failure {
    failure.rebase(&ResourcePath::root(), path)
}
