//! `Ledger`: what outlives the process beside the resources themselves.

use std::sync::{Arc, Mutex, PoisonError};

use crate::lock::{Lock, LockToken};
use crate::{Durability, Failure};

/// Keeps locks across restarts.
///
/// All methods block.
pub trait Ledger: Send + Sync + 'static {
    /// All locks it keeps.
    ///
    /// # Errors
    /// If the system fails.
    fn locks(&self) -> Result<Vec<Lock>, Failure>;

    /// Keeps a lock, replacing one with the same token.
    ///
    /// # Errors
    /// If the system fails; then the lock isn't kept.
    fn keep_lock(&self, lock: &Lock, durability: Durability) -> Result<(), Failure>;

    /// Forgets locks, in one commit.
    ///
    /// # Errors
    /// If the system fails; then they are still kept.
    fn forget_locks(&self, tokens: &[LockToken], durability: Durability) -> Result<(), Failure>;
}

impl<L: Ledger + ?Sized> Ledger for Arc<L> {
    fn locks(&self) -> Result<Vec<Lock>, Failure> {
        (**self).locks()
    }
    fn keep_lock(&self, lock: &Lock, durability: Durability) -> Result<(), Failure> {
        (**self).keep_lock(lock, durability)
    }
    fn forget_locks(&self, tokens: &[LockToken], durability: Durability) -> Result<(), Failure> {
        (**self).forget_locks(tokens, durability)
    }
}

/// A ledger that lasts as long as the process.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    locks: Mutex<Vec<Lock>>,
}

impl Ledger for MemoryLedger {
    fn locks(&self) -> Result<Vec<Lock>, Failure> {
        Ok(self.locks.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn keep_lock(&self, lock: &Lock, _: Durability) -> Result<(), Failure> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|kept| kept.token != lock.token);
        locks.push(lock.clone());
        Ok(())
    }

    fn forget_locks(&self, tokens: &[LockToken], _: Durability) -> Result<(), Failure> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|kept| !tokens.contains(&kept.token));
        Ok(())
    }
}
