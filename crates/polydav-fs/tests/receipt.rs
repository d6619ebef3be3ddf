//! Receipts of runs, where a commit they name isn't made.

#![allow(clippy::unwrap_used)]

mod world;

use polydav_store::{
    Commit, Failure, FailureKind, Fate, NoLocks, OnFailure, Outcome, Receipt, Report, ResourcePath,
    Store as _,
};
use rusqlite::Connection;
use world::{World, put};

/// Keeps receipts. The first commit fails, and what is to be kept next can't be.
struct Failing<'a> {
    world: &'a World,
    receipts: Vec<Receipt>,
    given: usize,
    outcomes: Vec<Outcome>,
}

impl Failing<'_> {
    fn in_state(&self, sql: &str) {
        let state = Connection::open(self.world.at(".polydav/state.db")).unwrap();
        state.execute_batch(sql).unwrap();
    }
}

impl Report for Failing<'_> {
    fn outcome(&mut self, _: usize, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    fn keeps_receipts(&self) -> bool {
        true
    }

    fn receipt(&mut self, receipt: Receipt) -> Result<(), Failure> {
        self.given += 1;
        match self.given {
            1 => self.in_state(
                "CREATE TRIGGER broken BEFORE INSERT ON mark BEGIN SELECT RAISE(ABORT, ''); END",
            ),
            2 => {
                self.in_state("DROP TRIGGER broken");
                return Err(Failure::new(FailureKind::NoSpace, ResourcePath::root()));
            }
            _ => {}
        }
        self.receipts.push(receipt);
        Ok(())
    }

    fn confirm(&mut self) {}
}

/// Its receipt may stay the last word of its steps.
#[test]
fn a_commit_that_is_undone_does_not_share_its_name_with_the_next() {
    let world = World::new(true);
    // The second has to wait for what the first changes, and so is committed after it.
    let run = world.draw_up(vec![put("a", "one"), put("a", "two")], OnFailure::Continue);
    let mut report =
        Failing { world: &world, receipts: Vec::new(), given: 0, outcomes: Vec::new() };
    world.store.apply(run, &NoLocks, &mut report).unwrap();
    assert!(report.outcomes[0].is_err() && report.outcomes[1].is_ok());
    assert_eq!(world.read("a"), b"two");
    let fates = report.receipts.iter().map(|receipt| match &receipt.commit {
        Commit::Named(name) => world.store.fate(name).unwrap(),
        other => panic!("{other:?}"),
    });
    assert_eq!(fates.collect::<Vec<_>>(), [Fate::Undone, Fate::Done]);
}
