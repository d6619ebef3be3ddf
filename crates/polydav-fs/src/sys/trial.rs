//! The Nth call fails, alone or with all after it, for every N: what is told is what is there.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use polydav_store::kit::{
    self, Draft, copy, given, mkcol, patch, path, put, remove, rename, set, snapshot,
};
use polydav_store::{
    Cancel, Durability, Effect, Failure, FailureKind, Ledger as _, MemoryStore, NoLocks, OnFailure,
    Outcome, Report, Run, RunId, Store,
};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::io::Errno;
use tempfile::TempDir;

use super::fault::{PANIC, fail_from, fail_nth};
use crate::resolve::open_dir_at;
use crate::stage::StageDir;
use crate::writer::Abilities;
use crate::{FolderStore, Options};

fn furniture() -> Vec<Draft> {
    let dirs = ["t", "t/d", "u", "p", "q"].map(mkcol);
    let files = ["f", "g", "h", "t/d/b", "u/old", "p/1", "q/2"].map(|at| put(at, at));
    let props = ["t", "t/d/b", "u", "f", "h"].map(|at| patch(at, [set("p", at)]));
    dirs.into_iter().chain(files).chain(props).collect()
}

fn script() -> Vec<Draft> {
    vec![
        put("new", "1"),
        put("f", "2"),
        mkcol("m"),
        copy("t", "c"),
        copy("t", "u"),
        copy("f", "g"),
        rename("g", "h"),
        rename("u", "c"),
        rename("p", "q"),
        rename("new", "moved"),
        patch("h", [set("p", "changed")]),
        remove("t/d/b"),
        remove("h"),
        put("h", "anew"),
        put("last", "3"),
    ]
}

/// Takes outcomes, and receipts if any are kept.
struct Told {
    keeps_receipts: bool,
    outcomes: Vec<Outcome>,
}

impl Report for Told {
    fn outcome(&mut self, _: usize, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    fn keeps_receipts(&self) -> bool {
        self.keeps_receipts
    }
}

fn apply(store: &FolderStore, durability: Durability, on_failure: OnFailure) -> Vec<Outcome> {
    apply_keeping(store, durability, on_failure, false)
}

fn apply_keeping(
    store: &FolderStore,
    durability: Durability,
    on_failure: OnFailure,
    keeps_receipts: bool,
) -> Vec<Outcome> {
    let steps = script().into_iter().enumerate().map(|(index, draft)| draft.step(index)).collect();
    let run = Run { id: RunId(1), steps, on_failure, durability, cancel: Cancel::never() };
    let mut told = Told { keeps_receipts, outcomes: Vec::new() };
    store.apply(run, &NoLocks, &mut told).unwrap();
    assert_eq!(told.outcomes.len(), script().len());
    told.outcomes
}

/// What is there is the same as in the model after the steps that may have been done.
fn check(store: &dyn Store, outcomes: &[Outcome], context: &str) {
    let unknown: Vec<_> = (0..outcomes.len())
        .filter(|&i| outcomes[i].as_ref().is_err_and(|failure| failure.effect == Effect::Unknown))
        .collect();
    let agrees = |subset: u32| {
        let model = MemoryStore::new();
        given(&model, furniture());
        let was_done = |index: usize| match unknown.iter().position(|&i| i == index) {
            Some(bit) => subset >> bit & 1 == 1,
            None => outcomes[index].is_ok(),
        };
        let steps = script().into_iter().enumerate().filter(|(index, _)| was_done(*index));
        kit::tell(&model, steps.map(|(_, draft)| draft));
        snapshot(&model) == snapshot(store)
    };
    assert!(
        (0..1 << unknown.len()).any(agrees),
        "{context}: {outcomes:#?}\n{:#?}",
        kit::lines(store)
    );
}

/// Of a run that is done whole or not at all, everything is there if it was told to be done, and
/// nothing if it wasn't; if that isn't known, one or the other.
fn check_whole(store: &dyn Store, outcomes: &[Outcome], context: &str) {
    let before = MemoryStore::new();
    given(&before, furniture());
    let after = MemoryStore::new();
    given(&after, furniture());
    given(&after, script());
    let all = [&before, &after].map(|model| snapshot(model));
    let is_unknown = |outcome: &Outcome| {
        outcome.as_ref().is_err_and(|failure| failure.effect == Effect::Unknown)
    };
    let allowed = match outcomes.iter().all(Result::is_ok) {
        _ if outcomes.iter().any(is_unknown) => &all[..],
        true => &all[1..],
        false => &all[..1],
    };
    let there = snapshot(store);
    assert!(allowed.contains(&there), "{context}: {outcomes:#?}\n{:#?}", kit::lines(store));
    assert!(outcomes.iter().all(Result::is_ok) || outcomes.iter().all(Result::is_err), "{context}");
}

/// In a run that stops, nothing was done behind the first failure, and nothing was tried behind the
/// first that was known when it happened.
fn check_stop(outcomes: &[Outcome], context: &str) {
    let is_unknown = |outcome: &Outcome| {
        outcome.as_ref().is_err_and(|failure| failure.effect == Effect::Unknown)
    };
    let is_left = |outcome: &Outcome| {
        outcome.as_ref().is_err_and(|failure| failure.kind == FailureKind::Dependency)
    };
    let mut behind = outcomes.iter().skip_while(|outcome| outcome.is_ok());
    assert!(behind.all(Outcome::is_err), "{context}: {outcomes:#?}");
    let known = outcomes.iter().skip_while(|outcome| outcome.is_ok() || is_unknown(outcome));
    let mut behind = known.skip(1);
    assert!(
        behind.all(|outcome| is_left(outcome) || is_unknown(outcome)),
        "{context}: {outcomes:#?}"
    );
}

/// A file system that is taken for one that can do nothing of what not all can.
fn impoverish(store: &mut FolderStore) {
    let writer = store.writer.as_mut().unwrap();
    writer.abilities = Abilities::POOR;
    let stage = open_dir_at(&writer.dir, b"stage").unwrap();
    writer.stage = Arc::new(StageDir::new(stage, false));
}

/// What fails, and where.
#[derive(Debug, Clone, Copy)]
struct Faults {
    durability: Durability,
    on_failure: OnFailure,
    errno: Errno,
    /// How many calls in a row.
    count: u64,
    is_poor: bool,
    keeps_receipts: bool,
}

impl Faults {
    fn one(durability: Durability, errno: Errno) -> Self {
        let on_failure = OnFailure::Continue;
        let (is_poor, keeps_receipts) = (false, false);
        Self { durability, on_failure, errno, count: 1, is_poor, keeps_receipts }
    }
}

fn fail_everywhere(faults: Faults) {
    let Faults { durability, on_failure, errno, count, is_poor, keeps_receipts } = faults;
    for nth in 1.. {
        let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
        let mut store = FolderStore::open(dir.path(), &Options::default()).unwrap();
        given(&store, furniture());
        if is_poor {
            impoverish(&mut store);
        }
        fail_from(nth, count, errno);
        let outcomes = apply_keeping(&store, durability, on_failure, keeps_receipts);
        let left = fail_nth(0, errno);
        let context = format!("{faults:?} from call {nth} on");
        if on_failure == OnFailure::Stop {
            check_stop(&outcomes, &context);
        }
        let begun = store.state.as_ref().unwrap().intents().unwrap();
        assert!(begun.is_empty() || store.writable().is_err(), "{context}: {begun:?}");
        let begun = store.state.as_ref().unwrap().intents().unwrap();
        assert!(begun.is_empty() || store.writable().is_err(), "{context}: {begun:?}");
        let is_unknown = |outcome: &Outcome| {
            outcome.as_ref().is_err_and(|failure| failure.effect == Effect::Unknown)
        };
        let check = if on_failure == OnFailure::UndoAll { check_whole } else { check };
        if !outcomes.iter().any(is_unknown) {
            check(&store, &outcomes, &context);
        }
        drop(store);
        let store = FolderStore::open(dir.path(), &Options::default()).unwrap();
        check(&store, &outcomes, &format!("{context}, opened again"));
        assert!(is_empty(&dir.path().join(".polydav/stage")), "{context}");
        if left > 0 {
            assert!(outcomes.iter().all(Result::is_ok));
            return;
        }
    }
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn the_nth_call_fails() {
    for durability in [Durability::Full, Durability::Relaxed] {
        for errno in [Errno::IO, Errno::NOSPC, Errno::ACCESS] {
            fail_everywhere(Faults::one(durability, errno));
        }
        fail_everywhere(Faults { is_poor: true, ..Faults::one(durability, Errno::IO) });
    }
}

/// What a call that failed left half done can't be undone either.
#[test]
fn the_nth_call_and_the_next_fail() {
    for durability in [Durability::Full, Durability::Relaxed] {
        for is_poor in [false, true] {
            fail_everywhere(Faults { count: 2, is_poor, ..Faults::one(durability, Errno::IO) });
        }
    }
}

/// As where the disk is gone for good.
#[test]
fn all_calls_from_the_nth_on_fail() {
    for is_poor in [false, true] {
        for errno in [Errno::IO, Errno::ACCESS] {
            let one = Faults::one(Durability::Full, errno);
            fail_everywhere(Faults { count: u64::MAX, is_poor, ..one });
            let one = Faults::one(Durability::Relaxed, errno);
            fail_everywhere(Faults { count: u64::MAX, is_poor, ..one });
        }
    }
}

/// A store with a collection of so many files, enough of which two threads copy, and of a pipe, which
/// nobody can.
fn with_many(files: u64) -> (TempDir, FolderStore) {
    let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    let store = FolderStore::open(dir.path(), &Options::default()).unwrap();
    let all = (0..files).map(|number| put(format!("t/{number}"), "content"));
    given(&store, std::iter::once(mkcol("t")).chain(all));
    mkfifoat(CWD, dir.path().join("t/pipe"), Mode::RUSR).unwrap();
    (dir, store)
}

/// What is told of a copy of it that was made.
const COPIED: &str = "Members /t: Forbidden /t/pipe (Partial)";

/// How many calls a copy of so many files makes.
fn calls_of_copy(files: u64) -> u64 {
    let (_dir, store) = with_many(files);
    fail_nth(u64::MAX, Errno::IO);
    assert_eq!(kit::tell(&store, [copy("t", "c")]), [COPIED]);
    u64::MAX - fail_nth(0, Errno::IO)
}

/// Else some of them would never be tried.
#[test]
fn the_calls_of_both_threads_of_a_copy_are_counted() {
    let one_file = calls_of_copy(2) - calls_of_copy(1);
    assert_eq!(calls_of_copy(200) - calls_of_copy(1), 199 * one_file);
}

/// Whichever thread makes it: the copy is there with all that can be copied, or not at all.
#[test]
fn the_nth_call_of_a_copy_by_two_threads_fails() {
    const FILES: u64 = 40;
    let calls = calls_of_copy(FILES);
    for errno in [Errno::NOSPC, Errno::IO, Errno::ACCESS, PANIC] {
        for nth in 1..=calls + 1 {
            let (dir, store) = with_many(FILES);
            fail_nth(nth, errno);
            let copy = || kit::tell(&store, [copy("t", "c")]);
            let told = catch_unwind(AssertUnwindSafe(copy));
            let left = fail_nth(0, errno);
            let context = format!("{errno:?} at call {nth} of {calls}: {told:?}");
            assert_eq!(left > 0, nth > calls, "{context}");
            drop(store);
            FolderStore::open(dir.path(), &Options::default()).unwrap();
            assert!(is_empty(&dir.path().join(".polydav/stage")), "{context}");
            // The last one discards what may have been displaced.
            let is_made = nth >= calls;
            if let Ok(told) = told {
                assert_eq!(told == [COPIED], is_made, "{context}");
            }
            let copied = std::fs::read_dir(dir.path().join("c")).map(Iterator::count);
            assert_eq!(copied.ok(), is_made.then_some(40), "{context}");
        }
    }
}

/// Steps that were done together with a patch stayed done when its rows could not be committed.
#[test]
fn the_nth_call_fails_in_a_run_that_stops() {
    for durability in [Durability::Full, Durability::Relaxed] {
        for errno in [Errno::IO, Errno::NOSPC] {
            let on_failure = OnFailure::Stop;
            fail_everywhere(Faults { on_failure, ..Faults::one(durability, errno) });
        }
    }
}

/// Whatever fails while it is done, undone or committed: all of it is there, or nothing.
#[test]
fn the_nth_call_of_a_whole_run_fails() {
    let on_failure = OnFailure::UndoAll;
    for durability in [Durability::Full, Durability::Relaxed] {
        for errno in [Errno::IO, Errno::NOSPC, Errno::ACCESS] {
            for count in [1, 2, u64::MAX] {
                fail_everywhere(Faults { on_failure, count, ..Faults::one(durability, errno) });
            }
        }
    }
}

/// What receipts are kept of is undone if it can't be settled.
#[test]
fn the_nth_call_of_a_run_with_receipts_fails() {
    for durability in [Durability::Full, Durability::Relaxed] {
        for errno in [Errno::IO, Errno::NOSPC] {
            for (count, is_poor) in [(1, false), (2, false), (1, true)] {
                let faults = Faults::one(durability, errno);
                fail_everywhere(Faults { keeps_receipts: true, count, is_poor, ..faults });
            }
        }
    }
}

/// What another run does meanwhile would be undone when the store is opened again.
#[test]
fn while_what_a_panic_left_is_not_settled_nothing_is_taken() {
    let mut begun = 0;
    for nth in 1.. {
        let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
        let store = FolderStore::open(dir.path(), &Options::default()).unwrap();
        given(&store, furniture());
        fail_nth(nth, PANIC);
        let run = || apply(&store, Durability::Full, OnFailure::Continue);
        let ended = catch_unwind(AssertUnwindSafe(run));
        fail_nth(0, Errno::IO);
        if ended.is_ok() {
            break;
        }
        let is_begun = !store.state.as_ref().unwrap().intents().unwrap().is_empty();
        assert!(!is_begun || store.writable().is_err(), "call {nth}");
        begun += u32::from(is_begun);
    }
    assert!(begun > 0);
}

#[test]
fn after_properties_could_not_be_synced_nothing_is_taken() {
    let dir = TempDir::new().unwrap();
    let store = FolderStore::open(dir.path(), &Options::default()).unwrap();
    given(&store, [put("a", "x")]);
    let one = |draft: Draft| {
        let (on_failure, durability) = (OnFailure::Continue, Durability::Full);
        let steps = vec![draft.step(0)];
        let run = Run { id: RunId(1), steps, on_failure, durability, cancel: Cancel::never() };
        let failure = kit::apply(&store, &NoLocks, run).pop().unwrap().unwrap_err();
        (failure.kind, failure.effect)
    };
    // The commit.
    fail_nth(1, Errno::IO);
    assert_eq!(one(patch("a", [set("p", "v")])), (FailureKind::Internal, Effect::Unknown));
    assert_eq!(one(put("a", "y")), (FailureKind::ReadOnly, Effect::None));
}

#[test]
fn after_a_lock_could_not_be_synced_nothing_is_taken() {
    let dir = TempDir::new().unwrap();
    let store = FolderStore::open(dir.path(), &Options::default()).unwrap();
    fail_nth(1, Errno::IO);
    store.keep_lock(&kit::lock("urn:l", "a"), Durability::Full).unwrap_err();
    assert!(!store.capabilities(&path("")).writable);
}

/// What is only prepared need not become unknown.
#[test]
fn after_a_commit_could_not_be_synced_no_step_behind_it_is_done() {
    let dir = TempDir::new().unwrap();
    let store = FolderStore::open(dir.path(), &Options::default()).unwrap();
    given(&store, [put("a", "x"), patch("a", [set("p", "v")])]);
    let steps = [rename("a", "b"), mkcol("c")].into_iter().enumerate();
    let steps = steps.map(|(index, draft)| draft.step(index)).collect();
    let (on_failure, durability) = (OnFailure::Continue, Durability::Full);
    let run = Run { id: RunId(1), steps, on_failure, durability, cancel: Cancel::never() };
    // What is written down before.
    fail_nth(1, Errno::IO);
    let told: Vec<_> = kit::apply(&store, &NoLocks, run)
        .into_iter()
        .map(|outcome| outcome.map_err(|failure| (failure.kind, failure.effect)))
        .collect();
    let (failed, left) = (FailureKind::Internal, FailureKind::ReadOnly);
    assert_eq!(told, [Err((failed, Effect::None)), Err((left, Effect::None))]);
    assert!(!dir.path().join("c").exists());
}

#[test]
fn after_content_could_not_be_synced_nothing_of_the_run_is_done() {
    let dir = TempDir::new().unwrap();
    let store = FolderStore::open(dir.path(), &Options::default()).unwrap();
    let steps = [put("a", "x"), mkcol("d")].into_iter().enumerate();
    let steps = steps.map(|(index, draft)| draft.step(index)).collect();
    let (on_failure, durability) = (OnFailure::Continue, Durability::Full);
    let run = Run { id: RunId(1), steps, on_failure, durability, cancel: Cancel::never() };
    // Make, write, time, sync.
    fail_nth(4, Errno::IO);
    let outcomes = kit::apply(&store, &NoLocks, run);
    let kinds: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap_err().kind).collect();
    assert_eq!(kinds, [FailureKind::Internal, FailureKind::ReadOnly]);
    assert_eq!(kit::lines(&store), [""; 0]);
}

#[test]
fn after_a_sync_failed_nothing_is_taken() {
    let dir = TempDir::new().unwrap();
    let store = FolderStore::open(dir.path(), &Options::default()).unwrap();
    let both = |durability| {
        let steps = vec![put("a", "x").step(0), copy("none", "c").step(1)];
        let on_failure = OnFailure::Continue;
        let run = Run { id: RunId(1), steps, on_failure, durability, cancel: Cancel::never() };
        let outcomes = kit::apply(&store, &NoLocks, run);
        <[Failure; 2]>::try_from(outcomes.into_iter().map(Result::unwrap_err).collect::<Vec<_>>())
            .unwrap()
    };
    // Make, write, time, sync, link, sync the folder: the last of them fails.
    fail_nth(6, Errno::IO);
    let [failure, other] = both(Durability::Full);
    assert_eq!((failure.kind, failure.effect), (FailureKind::Internal, Effect::Unknown));
    assert!(failure.source.is_some());
    assert_eq!(std::fs::metadata(dir.path().join("a")).unwrap().size(), 1);
    // What failed before, and did nothing, needs no disk to be known.
    assert_eq!((other.kind, other.effect), (FailureKind::NotFound, Effect::None));
    let [failure, _] = both(Durability::Relaxed);
    assert_eq!(failure.kind, FailureKind::ReadOnly);
    assert!(failure.detail.is_some());
    assert!(store.stage(&path("f"), None).is_err());
    assert!(!store.capabilities(&path("")).writable, "no locks are taken either");
}

/// How many calls that change something these steps make.
fn calls(durability: Durability, drafts: Vec<Draft>) -> u64 {
    calls_of(durability, OnFailure::Continue, drafts)
}

fn calls_of(durability: Durability, on_failure: OnFailure, drafts: Vec<Draft>) -> u64 {
    let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    let store = FolderStore::open(dir.path(), &Options::default()).unwrap();
    let dirs = (0..20).map(|n| mkcol(format!("d{n}")));
    given(&store, dirs.chain([mkcol("t"), mkcol("t/d"), put("t/d/b", "b"), put("f", "f")]));
    let props = ["r1", "r2", "r3"].map(|at| [put(at, at), patch(at, [set("p", at)])]);
    given(&store, props.into_iter().flatten());
    let steps = drafts.into_iter().enumerate().map(|(index, draft)| draft.step(index));
    let (steps, cancel) = (steps.collect(), Cancel::never());
    let run = Run { id: RunId(1), steps, on_failure, durability, cancel };
    fail_nth(u64::MAX, Errno::IO);
    let outcomes = kit::apply(&store, &NoLocks, run);
    let calls = u64::MAX - fail_nth(0, Errno::IO);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    calls
}

/// Content first, then each folder in which something changed, once; from seventeen of either on,
/// the whole file system.
#[test]
fn full_durability_costs_few_syncs() {
    let puts =
        |count: u64| -> Vec<Draft> { (0..count).map(|n| put(format!("n{n}"), "x")).collect() };
    let folders =
        |count: u64| -> Vec<Draft> { (0..count).map(|n| mkcol(format!("d{n}/n"))).collect() };
    let cases: [(&dyn Fn() -> Vec<Draft>, u64); 18] = [
        (&|| vec![put("a", "x")], 2),
        (&|| vec![put("f", "x")], 2),
        (&|| vec![put("a", "x"), put("b", "x")], 3),
        (&|| vec![mkcol("a"), put("t/b", "x")], 3),
        (&|| vec![mkcol("a")], 1),
        (&|| vec![remove("f")], 1),
        (&|| vec![remove("t")], 1),
        (&|| vec![rename("f", "g")], 1),
        (&|| vec![rename("f", "t/f")], 2),
        (&|| vec![copy("f", "g")], 2),
        (&|| vec![copy("t", "c")], 2),
        (&|| vec![copy("t", "c"), put("a", "x"), put("b", "x")], 2),
        (&|| vec![put("a", "x"), put("a", "y")], 3),
        (&|| puts(16), 17),
        (&|| puts(17), 2),
        (&|| folders(16), 16),
        (&|| folders(17), 1),
        (&|| folders(20), 1),
    ];
    for (steps, syncs) in cases {
        let most = calls(Durability::Full, steps());
        assert_eq!(most - calls(Durability::Relaxed, steps()), syncs, "{:?}", steps());
    }
    // Make, write, time, link.
    assert_eq!(calls(Durability::Relaxed, vec![put("a", "x")]), 4);
}

/// What must be written down before steps, and what follows from them, is committed once for all
/// that don't wait for each other.
#[test]
fn many_steps_cost_few_commits() {
    let moves = || vec![rename("r1", "m1"), rename("r2", "m2"), rename("r3", "m3")];
    // Commit, rename them, perhaps sync, commit. And what each may have displaced is removed.
    assert_eq!(calls(Durability::Relaxed, moves()), 5 + 3);
    assert_eq!(calls(Durability::Full, moves()), 6 + 3);
    // So it is with folders that make way: one commit before, one sync and one commit after.
    let one = calls(Durability::Full, vec![rename("d0", "d1")]);
    let both = calls(Durability::Full, vec![rename("d0", "d1"), rename("d2", "d3")]);
    assert_eq!(both, 2 * one - 3);
    let patches = || ["r1", "r2", "f"].map(|at| patch(at, [set("q", at)])).into();
    assert_eq!(calls(Durability::Relaxed, patches()), 1);
    assert_eq!(calls(Durability::Full, patches()), 1);
}

/// A run that stops goes through as any other where no rows can fail a step that was done.
#[test]
fn a_run_that_stops_costs_no_more_where_there_are_no_properties() {
    let moves = || (0..10).map(|n| rename(format!("d{n}"), format!("t/{n}"))).collect();
    let [on, stop] = [OnFailure::Continue, OnFailure::Stop]
        .map(|on_failure| calls_of(Durability::Full, on_failure, moves()));
    // Each renamed, and both folders synced.
    assert_eq!((on, stop), (12, 12));
}

/// The database is left alone where there is nothing in it about a resource.
#[test]
fn what_has_no_properties_costs_no_commit() {
    let relaxed = |draft| calls(Durability::Relaxed, vec![draft]);
    assert_eq!(relaxed(mkcol("a")), 1);
    assert_eq!(relaxed(rename("f", "g")), 1);
    assert_eq!(relaxed(remove("f")), 1);
    assert_eq!(relaxed(remove("r1")), 2);
}
