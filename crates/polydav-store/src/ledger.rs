//! `Ledger` and `BatchLedger`: what outlives the process beside the resources themselves.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use crate::lock::{Lock, LockToken};
use crate::{Durability, Failure, FailureKind, Principal, ResourcePath};

/// Keeps locks across restarts.
///
/// All methods block.
pub trait Ledger: Send + Sync + 'static {
    /// All locks it keeps.
    ///
    /// # Errors
    /// If the system fails.
    fn locks(&self) -> Result<Vec<Lock>, Failure>;

    /// Makes changes, in this order, in one commit.
    ///
    /// # Errors
    /// If the system fails; then none of them is made.
    fn change_locks(&self, changes: &[LockChange], durability: Durability) -> Result<(), Failure>;

    /// Keeps a lock.
    ///
    /// # Errors
    /// As [`change_locks`](Self::change_locks).
    fn keep_lock(&self, lock: &Lock, durability: Durability) -> Result<(), Failure> {
        self.change_locks(&[LockChange::Keep(Arc::new(lock.clone()))], durability)
    }

    /// Forgets locks, in one commit.
    ///
    /// # Errors
    /// As [`change_locks`](Self::change_locks).
    fn forget_locks(&self, tokens: &[LockToken], durability: Durability) -> Result<(), Failure> {
        let changes: Vec<_> = tokens.iter().cloned().map(LockChange::Forget).collect();
        self.change_locks(&changes, durability)
    }
}

/// A change of the locks that are kept.
#[derive(Debug, Clone)]
pub enum LockChange {
    /// A lock is kept, instead of one with its token.
    Keep(Arc<Lock>),
    /// The lock with this token is forgotten, if there is one.
    Forget(LockToken),
}

impl LockChange {
    /// The token of the lock.
    pub fn token(&self) -> &LockToken {
        match self {
            Self::Keep(lock) => &lock.token,
            Self::Forget(token) => token,
        }
    }

    /// The lock, if it is to be kept.
    pub fn kept(&self) -> Option<&Arc<Lock>> {
        match self {
            Self::Keep(lock) => Some(lock),
            Self::Forget(_) => None,
        }
    }
}

impl<L: Ledger + ?Sized> Ledger for Arc<L> {
    fn locks(&self) -> Result<Vec<Lock>, Failure> {
        (**self).locks()
    }
    fn change_locks(&self, changes: &[LockChange], durability: Durability) -> Result<(), Failure> {
        (**self).change_locks(changes, durability)
    }
}

/// The identity of a batch: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub u128);

/// As 32 hexadecimal digits.
impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchId({self})")
    }
}

/// How far a batch came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// It was begun. If no process runs it, the one that did ended before it.
    Begun,
    /// It has ended.
    Ended(BatchEnd),
}

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchEnd {
    /// How long its answer is, in bytes.
    pub answer_bytes: u64,
    /// How many of its operations failed.
    pub failed: u64,
    /// Whether its owner called it off.
    pub cancelled: bool,
}

/// A batch of which word is kept: so that it isn't done twice if it is sent again, or so that what
/// became of it can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBatch {
    /// Its identity.
    pub id: BatchId,
    /// Whose it is.
    pub principal: Principal,
    /// The name that its client gave it. No two batches of a principal have the same.
    pub key: Option<Box<str>>,
    /// What tells requests apart.
    pub fingerprint: Bytes,
    /// When it was begun.
    pub begun: SystemTime,
    /// How many operations it has.
    pub total: u64,
    /// Whether it goes on by itself, and is asked for by its identity.
    pub is_job: bool,
    /// How long the document is that is kept of it, in bytes.
    pub document_bytes: u64,
    /// How far it came.
    pub state: BatchState,
}

/// Keeps batches across restarts.
///
/// All methods block. What fails isn't done.
pub trait BatchLedger: Send + Sync + 'static {
    /// All batches it keeps.
    ///
    /// # Errors
    /// If the system fails.
    fn batches(&self) -> Result<Vec<KeptBatch>, Failure>;

    /// Keeps a batch that is about to begin, with what was asked for, if that may be asked for again.
    ///
    /// # Errors
    /// If the system fails.
    fn begin_batch(
        &self,
        batch: &KeptBatch,
        document: Option<&[u8]>,
        durability: Durability,
    ) -> Result<(), Failure>;

    /// What [`BatchLedger::begin_batch`] was given.
    ///
    /// # Errors
    /// [`FailureKind::NotFound`](crate::FailureKind::NotFound); if the system fails.
    fn document(&self, batch: BatchId) -> Result<Vec<u8>, Failure>;

    /// Keeps a [receipt](crate::Receipt) of a batch; gives the number by which it can be confirmed.
    ///
    /// # Errors
    /// If the system fails.
    fn keep_receipt(
        &self,
        batch: BatchId,
        receipt: &[u8],
        durability: Durability,
    ) -> Result<i64, Failure>;

    /// What a receipt tells of has become final.
    ///
    /// # Errors
    /// If the system fails.
    fn confirm_receipt(&self, number: i64) -> Result<(), Failure>;

    /// The receipts of a batch, in the order in which they were kept, and whether each was confirmed.
    ///
    /// # Errors
    /// If the system fails.
    fn receipts(&self, batch: BatchId) -> Result<Vec<(Vec<u8>, bool)>, Failure>;

    /// Keeps the answer of a batch that has ended. Its receipts aren't needed any more.
    ///
    /// # Errors
    /// If the system fails.
    fn end_batch(
        &self,
        batch: BatchId,
        end: BatchEnd,
        answer: &[u8],
        durability: Durability,
    ) -> Result<(), Failure>;

    /// The answer of a batch that has ended.
    ///
    /// # Errors
    /// [`FailureKind::NotFound`](crate::FailureKind::NotFound); if the system fails.
    fn answer(&self, batch: BatchId) -> Result<Vec<u8>, Failure>;

    /// Forgets batches, and all that belongs to them.
    ///
    /// # Errors
    /// If the system fails.
    fn forget_batches(&self, batches: &[BatchId]) -> Result<(), Failure>;
}

/// A ledger that lasts as long as the process.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    locks: Mutex<BTreeMap<LockToken, Arc<Lock>>>,
    batches: Mutex<MemoryBatches>,
}

#[derive(Debug, Default)]
struct MemoryBatches {
    batches: HashMap<BatchId, MemoryBatch>,
    receipts: Vec<(BatchId, Vec<u8>, bool)>,
}

#[derive(Debug)]
struct MemoryBatch {
    kept: KeptBatch,
    document: Option<Vec<u8>>,
    answer: Option<Vec<u8>>,
}

impl MemoryLedger {
    fn held(&self) -> MutexGuard<'_, MemoryBatches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(
        &self,
        batch: BatchId,
        text: impl FnOnce(&MemoryBatch) -> Option<Vec<u8>>,
    ) -> Result<Vec<u8>, Failure> {
        let none = || Failure::new(FailureKind::NotFound, ResourcePath::root());
        self.held().batches.get(&batch).and_then(text).ok_or_else(none)
    }
}

impl BatchLedger for MemoryLedger {
    fn batches(&self) -> Result<Vec<KeptBatch>, Failure> {
        Ok(self.held().batches.values().map(|batch| batch.kept.clone()).collect())
    }

    fn begin_batch(
        &self,
        batch: &KeptBatch,
        document: Option<&[u8]>,
        _: Durability,
    ) -> Result<(), Failure> {
        let (kept, document) = (batch.clone(), document.map(<[u8]>::to_vec));
        self.held().batches.insert(batch.id, MemoryBatch { kept, document, answer: None });
        Ok(())
    }

    fn document(&self, batch: BatchId) -> Result<Vec<u8>, Failure> {
        self.text(batch, |batch| batch.document.clone())
    }

    fn keep_receipt(&self, batch: BatchId, receipt: &[u8], _: Durability) -> Result<i64, Failure> {
        let receipts = &mut self.held().receipts;
        receipts.push((batch, receipt.to_vec(), false));
        Ok(receipts.len() as i64 - 1)
    }

    fn confirm_receipt(&self, number: i64) -> Result<(), Failure> {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some((_, _, confirmed)) = self.held().receipts.get_mut(number) {
            *confirmed = true;
        }
        Ok(())
    }

    fn receipts(&self, batch: BatchId) -> Result<Vec<(Vec<u8>, bool)>, Failure> {
        let held = self.held();
        let receipts = held.receipts.iter().filter(|(of, _, _)| *of == batch);
        Ok(receipts.map(|(_, receipt, confirmed)| (receipt.clone(), *confirmed)).collect())
    }

    fn end_batch(
        &self,
        batch: BatchId,
        end: BatchEnd,
        answer: &[u8],
        _: Durability,
    ) -> Result<(), Failure> {
        if let Some(batch) = self.held().batches.get_mut(&batch) {
            batch.kept.state = BatchState::Ended(end);
            batch.answer = Some(answer.to_vec());
        }
        Ok(())
    }

    fn answer(&self, batch: BatchId) -> Result<Vec<u8>, Failure> {
        self.text(batch, |batch| batch.answer.clone())
    }

    fn forget_batches(&self, batches: &[BatchId]) -> Result<(), Failure> {
        self.held().batches.retain(|id, _| !batches.contains(id));
        Ok(())
    }
}

impl Ledger for MemoryLedger {
    fn locks(&self) -> Result<Vec<Lock>, Failure> {
        let locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(locks.values().map(|lock| Lock::clone(lock)).collect())
    }

    fn change_locks(&self, changes: &[LockChange], _: Durability) -> Result<(), Failure> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                LockChange::Keep(lock) => drop(locks.insert(lock.token.clone(), Arc::clone(lock))),
                LockChange::Forget(token) => drop(locks.remove(token)),
            }
        }
        Ok(())
    }
}
