//! `Table`: the batches that are kept, found by identity, key, age and owner.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use polydav_store::{BatchEnd, BatchId, BatchState, KeptBatch, Principal};

use super::{KeepLimits, NewBatch, Progress};

/// The batches that are kept. Nothing here takes longer the more there are: each that begins asks for
/// all of it.
#[derive(Default)]
pub(super) struct Table {
    batches: HashMap<BatchId, Known>,
    keys: HashMap<(Principal, Box<str>), BatchId>,
    ages: BTreeSet<(SystemTime, BatchId)>,
    all: Taken,
    taken: HashMap<Principal, Taken>,
}

/// A batch, and what runs it.
pub(super) struct Known {
    pub(super) kept: KeptBatch,
    pub(super) running: Option<Arc<Progress>>,
}

/// What batches take.
#[derive(Default)]
struct Taken {
    count: usize,
    bytes: u64,
}

impl Known {
    /// How many bytes are kept of it.
    fn bytes(&self) -> u64 {
        let answer = match self.kept.state {
            BatchState::Ended(end) => end.answer_bytes,
            BatchState::Begun => 0,
        };
        self.kept.document_bytes + answer
    }
}

impl Table {
    pub(super) fn get(&self, id: BatchId) -> Option<&Known> {
        self.batches.get(&id)
    }

    /// The batch that has the key of this one.
    pub(super) fn named(&self, new: &NewBatch) -> Option<BatchId> {
        let key = new.key.clone()?;
        self.keys.get(&(new.principal.clone(), key)).copied()
    }

    pub(super) fn insert(&mut self, kept: KeptBatch) {
        let known = Known { kept, running: None };
        let KeptBatch { id, begun, ref principal, ref key, .. } = known.kept;
        if let Some(key) = key {
            self.keys.insert((principal.clone(), key.clone()), id);
        }
        self.ages.insert((begun, id));
        let bytes = known.bytes();
        for taken in [&mut self.all, self.taken.entry(principal.clone()).or_default()] {
            taken.count += 1;
            taken.bytes += bytes;
        }
        self.batches.insert(id, known);
    }

    /// Notes what runs a batch.
    pub(super) fn set_running(&mut self, id: BatchId, running: Option<Arc<Progress>>) {
        if let Some(known) = self.batches.get_mut(&id) {
            known.running = running;
        }
    }

    /// Notes that a batch has ended.
    pub(super) fn end(&mut self, id: BatchId, end: BatchEnd) {
        let Some(known) = self.batches.get_mut(&id) else { return };
        let before = known.bytes();
        known.kept.state = BatchState::Ended(end);
        let after = known.bytes();
        for taken in [&mut self.all].into_iter().chain(self.taken.get_mut(&known.kept.principal)) {
            taken.bytes = taken.bytes - before + after;
        }
    }

    pub(super) fn has_room(&self, principal: &Principal, limits: &KeepLimits) -> bool {
        let has_room = |taken: &Taken, count_max, bytes_max| {
            taken.count < count_max && taken.bytes < bytes_max
        };
        let theirs = self.taken.get(principal).unwrap_or(&Taken { count: 0, bytes: 0 });
        has_room(&self.all, limits.count_max, limits.bytes_max)
            && has_room(theirs, limits.count_of_one_max, limits.bytes_of_one_max)
    }

    /// Forgets what doesn't run and was begun before this time; gives what that was.
    pub(super) fn forget_before(&mut self, time: SystemTime) -> Vec<BatchId> {
        let old = self.ages.range(..(time, BatchId(0))).map(|(_, id)| *id);
        let runs = |id: &BatchId| self.get(*id).is_some_and(|known| known.running.is_some());
        let over: Vec<_> = old.filter(|id| !runs(id)).collect();
        over.iter().for_each(|id| self.forget(*id));
        over
    }

    fn forget(&mut self, id: BatchId) {
        let Some(known) = self.batches.remove(&id) else { return };
        let bytes = known.bytes();
        let KeptBatch { principal, key, begun, .. } = known.kept;
        self.ages.remove(&(begun, id));
        for taken in [&mut self.all].into_iter().chain(self.taken.get_mut(&principal)) {
            taken.count -= 1;
            taken.bytes -= bytes;
        }
        if self.taken.get(&principal).is_some_and(|taken| taken.count == 0) {
            self.taken.remove(&principal);
        }
        if let Some(key) = key {
            self.keys.remove(&(principal, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    fn kept(id: u8, owner: &str, document_bytes: u64) -> KeptBatch {
        KeptBatch {
            id: BatchId(id.into()),
            principal: Principal::Named(owner.into()),
            key: Some(format!("k{id}").into()),
            fingerprint: Bytes::new(),
            begun: SystemTime::UNIX_EPOCH + Duration::from_secs(id.into()),
            total: 1,
            is_job: true,
            document_bytes,
            state: BatchState::Begun,
        }
    }

    fn limits(count_max: usize, bytes_max: u64) -> KeepLimits {
        let (count_of_one_max, bytes_of_one_max) = (count_max - 1, bytes_max - 1);
        let time = Duration::ZERO;
        KeepLimits { time, count_max, count_of_one_max, bytes_max, bytes_of_one_max }
    }

    #[test]
    fn there_is_room_until_a_bound_is_met() {
        let (ann, bob) = (Principal::Named("ann".into()), Principal::Named("bob".into()));
        let mut table = Table::default();
        table.insert(kept(1, "ann", 10));
        table.insert(kept(2, "ann", 10));
        let has_room = |table: &Table, count_max, bytes_max| {
            let limits = limits(count_max, bytes_max);
            (table.has_room(&ann, &limits), table.has_room(&bob, &limits))
        };
        assert_eq!(has_room(&table, 4, 22), (true, true));
        assert_eq!(has_room(&table, 3, 22), (false, true));
        assert_eq!(has_room(&table, 2, 22), (false, false));
        assert_eq!(has_room(&table, 4, 21), (false, true));
        assert_eq!(has_room(&table, 4, 20), (false, false));
        table.end(BatchId(1), BatchEnd { answer_bytes: 5, failed: 0, cancelled: false });
        assert_eq!(has_room(&table, 4, 26), (false, true));
        assert_eq!(has_room(&table, 4, 27), (true, true));
    }

    #[test]
    fn what_is_forgotten_leaves_nothing() {
        let mut table = Table::default();
        (1..=4).for_each(|id| table.insert(kept(id, "ann", 10)));
        table.set_running(BatchId(2), Some(Arc::default()));
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(table.forget_before(at(3)), [BatchId(1)]);
        table.set_running(BatchId(2), None);
        assert_eq!(table.forget_before(at(4)), [BatchId(2), BatchId(3)]);
        assert_eq!((table.all.count, table.all.bytes, table.keys.len()), (1, 10, 1));
        assert_eq!(table.forget_before(at(9)), [BatchId(4)]);
        let Table { batches, keys, ages, all, taken } = table;
        assert_eq!((batches.len(), keys.len(), ages.len(), taken.len()), (0, 0, 0, 0));
        assert_eq!((all.count, all.bytes), (0, 0));
    }
}
