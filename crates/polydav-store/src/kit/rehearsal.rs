//! What a rehearsal is held to: it does as its store would, and its store stays as it is.

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::model::{furnish, scene};
use super::scene::Snapshot;
use super::{Trial, path, snapshot, trials};
use crate::{Entry, Select, Store, Visit, Walk, WalkDepth};

/// Runs all trials a store must pass on rehearsals of fresh stores; then, on one that takes changes,
/// `cases` random scenarios, each on a rehearsal, and for real. What is told of each step must be the same, and so must be all there
/// is then; and no rehearsal changes anything of its store.
///
/// # Panics
/// If one fails.
pub fn rehearse<S: Store>(cases: u32, make: impl Fn() -> S) {
    pass(&trials(), &make);
    let can = make().capabilities(&path(""));
    if can.writable {
        compare(cases, vec(scene(can), 1..4), &make, furnish);
    }
}

/// Something to be done on a store, and what is told of it.
pub(crate) trait Act: Debug {
    fn perform(&self, store: &dyn Store) -> Vec<String>;
}

/// Runs trials on rehearsals.
pub(super) fn pass<S: Store>(trials: &[Trial], make: impl Fn() -> S) {
    let mut failed = Vec::new();
    for trial in trials {
        let store = Arc::new(make());
        if !(trial.applies)(store.capabilities(&path(""))) {
            continue;
        }
        let before = all(&*store);
        let rehearsal = begin(&store);
        let passed = catch_unwind(AssertUnwindSafe(|| (trial.run)(&rehearsal)));
        drop(rehearsal);
        assert_eq!(all(&*store), before, "{} changed something", trial.name);
        if passed.is_err() {
            failed.push(trial.name);
        }
    }
    assert!(failed.is_empty(), "failed trials, each told above: {failed:#?}");
}

/// Does random acts on a rehearsal of a furnished store, and for real.
pub(crate) fn compare<S: Store, A: Act>(
    cases: u32,
    acts: impl Strategy<Value = Vec<A>>,
    make: impl Fn() -> S,
    furnish: impl Fn(&dyn Store),
) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&acts, |acts| {
        let store = Arc::new(make());
        furnish(&*store);
        let before = all(&*store);
        let rehearsal = begin(&store);
        let told: Vec<_> = acts.iter().map(|act| act.perform(&rehearsal)).collect();
        let shown = snapshot(&rehearsal);
        drop(rehearsal);
        prop_assert_eq!(all(&*store), before, "what is there (left), and what was before");
        let expected: Vec<_> = acts.iter().map(|act| act.perform(&*store)).collect();
        prop_assert_eq!(told, expected, "what was told (left), and what became of it");
        prop_assert_eq!(shown, snapshot(&*store), "what was shown (left), and what is there");
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn begin<S: Store>(store: &Arc<S>) -> Arc<dyn Store> {
    Arc::clone(store).rehearsal().expect("a rehearsal begins")
}

/// All that a store says of what it holds: contents, and times and entity tags.
fn all(store: &dyn Store) -> (Snapshot, Vec<Entry>) {
    let mut entries = vec![store.stat(&path(""), &Select::All).expect("there is a root")];
    let walk = Walk { depth: WalkDepth::Infinity { budget: u64::MAX }, select: Select::All };
    let walked = store.walk(&path(""), &walk, &mut |visit| {
        if let Visit::Entry(entry) = visit {
            entries.push(entry);
        }
        ControlFlow::Continue(())
    });
    walked.expect("the root can be walked");
    (snapshot(store), entries)
}
