//! Runs: order, reports, stopping, cancelling.

use std::thread;

use crate::kit::{
    after, copy, given, lines, mkcol, put, remove, rename, run, steps, tell, verdict, verdicts,
};
use crate::{Cancel, Durability, NoLocks, OnFailure, Run, Store};

trials! { writable:
    steps_are_done_in_order,
    steps_are_reported_under_their_index,
    a_run_may_have_no_steps,
    a_run_may_have_the_most_steps,
    a_run_goes_on_after_failures,
    a_run_stops_at_the_first_failure,
    a_cancelled_run_starts_no_further_step,
    a_cancelled_run_starts_nothing,
    what_was_reported_is_visible,
    both_durabilities_are_taken,
    runs_go_side_by_side,
}

fn steps_are_done_in_order(store: &dyn Store) {
    let drafts = [mkcol("a"), put("a/b", "1"), remove("a"), mkcol("a"), put("a/b", "2")];
    assert_eq!(tell(store, drafts), ["created", "created", "done", "created", "created"]);
    assert_eq!(lines(store), ["/a/", "/a/b=2"]);
}

fn steps_are_reported_under_their_index(store: &dyn Store) {
    let steps = vec![mkcol("a").step(7), mkcol("a").step(3), put("a/b", "x").step(90_000)];
    assert_eq!(verdicts(store, &NoLocks, run(steps)), ["created", "Exists /a", "created"]);
}

fn a_run_may_have_no_steps(store: &dyn Store) {
    assert_eq!(verdicts(store, &NoLocks, run(Vec::new())), [""; 0]);
}

fn a_run_may_have_the_most_steps(store: &dyn Store) {
    let half = Run::STEPS_MAX / 2;
    given(store, (0..half).flat_map(|n| [mkcol(n.to_string()), put(format!("{n}/f"), "x")]));
    assert_eq!(lines(store).len(), Run::STEPS_MAX);
    given(store, (0..half).map(|n| remove(n.to_string())));
    assert_eq!(lines(store), [""; 0]);
}

fn a_run_goes_on_after_failures(store: &dyn Store) {
    let told = tell(store, [put("a/b", "x"), mkcol("a"), remove("c"), put("a/b", "x")]);
    assert_eq!(told, ["ParentMissing /a", "created", "NotFound /c", "created"]);
}

fn a_run_stops_at_the_first_failure(store: &dyn Store) {
    let drafts = [mkcol("a"), mkcol("a"), mkcol("b"), put("a/b", "x"), remove("a")];
    let stopping = |steps| Run { on_failure: OnFailure::Stop, ..run(steps) };
    let told = verdicts(store, &NoLocks, stopping(steps(drafts)));
    let expected = ["created", "Exists /a", "Dependency /b", "Dependency /a/b", "Dependency /a"];
    assert_eq!(told, expected);
    assert_eq!(lines(store), ["/a/"]);
    let told = verdicts(store, &NoLocks, stopping(steps([mkcol("b"), mkcol("c")])));
    assert_eq!(told, ["created", "created"]);
}

fn a_cancelled_run_starts_no_further_step(store: &dyn Store) {
    const STEPS: usize = 5;
    for on_failure in [OnFailure::Continue, OnFailure::Stop] {
        for times in 1..=STEPS {
            let steps = (0..STEPS).map(|index| mkcol(index.to_string()).step(index)).collect();
            let told =
                verdicts(store, &NoLocks, Run { on_failure, cancel: after(times), ..run(steps) });
            let done = told.iter().take_while(|verdict| *verdict == "created").count();
            assert!(done <= times, "it is asked before each step");
            let rest: Vec<_> = (done..STEPS).map(|n| format!("NotAttempted /{n}")).collect();
            assert_eq!(told[done..], rest);
            assert_eq!(lines(store), (0..done).map(|n| format!("/{n}/")).collect::<Vec<_>>());
            given(store, (0..done).map(|n| remove(n.to_string())));
        }
    }
}

fn a_cancelled_run_starts_nothing(store: &dyn Store) {
    let steps = vec![mkcol("a").step(0), put("b", "x").step(1)];
    let told = verdicts(store, &NoLocks, Run { cancel: Cancel::when(|| true), ..run(steps) });
    assert_eq!(told, ["NotAttempted /a", "NotAttempted /b"]);
    assert_eq!(lines(store), [""; 0]);
}

fn what_was_reported_is_visible(store: &dyn Store) {
    let steps = (0..20).map(|index| mkcol(index.to_string()).step(index)).collect();
    let applied = store.apply(run(steps), &NoLocks, &mut |index: usize, outcome| {
        assert_eq!(verdict(&outcome), "created");
        let found = store.find(&crate::kit::path(index.to_string()));
        assert!(found.expect("it is looked for").is_some(), "{index} was reported");
    });
    applied.expect("the store isn't broken");
}

fn both_durabilities_are_taken(store: &dyn Store) {
    for (durability, name) in [(Durability::Full, "full"), (Durability::Relaxed, "relaxed")] {
        let steps = vec![mkcol(name).step(0), put(format!("{name}/f"), "x").step(1)];
        assert_eq!(
            verdicts(store, &NoLocks, Run { durability, ..run(steps) }),
            ["created", "created"]
        );
    }
    assert_eq!(lines(store), ["/full/", "/full/f=x", "/relaxed/", "/relaxed/f=x"]);
}

/// Runs whose paths don't overlap may be applied at the same time.
fn runs_go_side_by_side(store: &dyn Store) {
    const THREADS: usize = 4;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for round in 0..10 {
                    let at = |rest: &str| format!("{thread}{rest}");
                    given(store, [mkcol(at("")), put(at("/a"), round.to_string())]);
                    given(store, [copy(at(""), at("-")), rename(at("/a"), at("/b"))]);
                    given(store, [remove(at(""))]);
                }
            });
        }
    });
    let left = (0..THREADS).flat_map(|thread| [format!("/{thread}-/"), format!("/{thread}-/a=9")]);
    assert_eq!(lines(store), left.collect::<Vec<_>>());
}
