//! A store of whose runs receipts are kept, and which they are held against.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    Broken, Commit, Failure, Fate, LockView, Outcome, Receipt, Report, Run, RunId, Store, delegate,
};

/// A store of whose runs receipts are kept: the kit and the model hold for it too. It panics if a
/// success is told without a receipt, or another than its receipt says.
#[derive(Debug)]
pub struct Keeping<S>(pub S);

/// Passes outcomes on, each of which there was a receipt of before.
struct Receipts<'a> {
    store: &'a dyn Store,
    report: &'a mut dyn Report,
    receipts: Vec<Receipt>,
}

impl Report for Receipts<'_> {
    fn outcome(&mut self, index: usize, outcome: Outcome) {
        let is_final = |receipt: &&Receipt| match &receipt.commit {
            Commit::Named(name) => self.store.fate(name).ok() == Some(Fate::Done),
            Commit::Nameless | Commit::Nothing => true,
        };
        let finals = self.receipts.iter().rev().filter(is_final);
        let mut kept = finals.flat_map(|receipt| &receipt.outcomes).filter(|(of, _)| *of == index);
        match (kept.next(), &outcome) {
            (None, Ok(_)) => panic!("there is no receipt of step {index}"),
            (Some((_, Ok(kept))), Ok(done)) => assert_eq!(kept, done, "step {index}"),
            (Some((_, Err(kept))), Ok(_)) => panic!("step {index} failed with {kept}"),
            // That it failed may have turned out later.
            (_, Err(_)) => {}
        }
        self.report.outcome(index, outcome);
    }

    fn keeps_receipts(&self) -> bool {
        true
    }

    fn receipt(&mut self, receipt: Receipt) -> Result<(), Failure> {
        self.receipts.push(receipt);
        Ok(())
    }
}

impl<S: Store> Store for Keeping<S> {
    delegate!(this => this.0; capabilities, stat, try_stat, walk, read, try_read, list, mounts, locate, stage, fate, space);

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        // No two runs have the same.
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let id = RunId(RUNS.fetch_add(1, Ordering::Relaxed).into());
        let mut receipts = Receipts { store: &self.0, report, receipts: Vec::new() };
        self.0.apply(Run { id, ..run }, locks, &mut receipts)
    }
}
