//! Needs: what stands behind a step that failed, and what doesn't.

use crate::kit::{
    Draft, copy, given, lines, mkcol, patch, put, remove, rename, run, set, steps, tell, verdicts,
};
use crate::{Cancel, Durability, NoLocks, Run, Step, Store};

trials! { writable:
    a_step_is_done_only_if_those_it_needs_succeeded,
    a_need_is_of_an_index_and_not_of_a_place,
    what_was_not_done_before_is_no_need_that_is_met,
    a_step_waits_for_those_it_needs,
    each_step_may_need_the_one_before,
    needs_come_before_all_other_reasons,
    a_run_that_is_called_off_says_so_before_needs_do,
}

fn a_step_is_done_only_if_those_it_needs_succeeded(store: &dyn Store) {
    let told = tell(
        store,
        [
            mkcol("a"),
            mkcol("a"),
            put("a/met", "x").needing([0]),
            put("a/unmet", "x").needing([1]),
            put("a/both", "x").needing([0, 1]),
            put("a/all", "x").needing([2, 0, 2]),
            put("a/chain", "x").needing([3]),
            put("a/none", "x"),
        ],
    );
    let expected = [
        "created",
        "Exists /a",
        "created",
        "Dependency /a/unmet",
        "Dependency /a/both",
        "created",
        "Dependency /a/chain",
        "created",
    ];
    assert_eq!(told, expected);
    assert_eq!(lines(store), ["/a/", "/a/all=x", "/a/met=x", "/a/none=x"]);
}

fn a_need_is_of_an_index_and_not_of_a_place(store: &dyn Store) {
    let steps = vec![
        mkcol("a").step(7),
        mkcol("a").step(0),
        put("a/b", "x").needing([7]).step(1),
        put("a/c", "x").needing([0]).step(90_000),
        put("a/d", "x").needing([1]).step(3),
    ];
    let expected = ["created", "Exists /a", "created", "Dependency /a/c", "created"];
    assert_eq!(verdicts(store, &NoLocks, run(steps)), expected);
}

/// What a run doesn't have, the step itself, and what stands behind it.
fn what_was_not_done_before_is_no_need_that_is_met(store: &dyn Store) {
    let told = tell(
        store,
        [
            mkcol("unknown").needing([9]),
            mkcol("itself").needing([1]),
            mkcol("behind").needing([3]),
            mkcol("a"),
            mkcol("b").needing([3]),
        ],
    );
    let expected =
        ["Dependency /unknown", "Dependency /itself", "Dependency /behind", "created", "created"];
    assert_eq!(told, expected);
    assert_eq!(tell(store, [mkcol("alone").needing([3])]), ["Dependency /alone"]);
    assert_eq!(lines(store), ["/a/", "/b/"]);
}

/// Whatever the store does together.
fn a_step_waits_for_those_it_needs(store: &dyn Store) {
    for durability in [Durability::Full, Durability::Relaxed] {
        let drafts = [
            put("a", "1"),
            mkcol("a"),
            put("b", "x").needing([1]),
            copy("none", "c"),
            put("d", "x").needing([0]),
            rename("d", "e").needing([4]),
            remove("a").needing([4, 5]),
            put("f", "x").needing([3]),
            put("g", "x").needing([6]),
        ];
        let told = verdicts(store, &NoLocks, Run { durability, ..run(steps(drafts)) });
        let expected = [
            "created",
            "Exists /a",
            "Dependency /b",
            "NotFound /none",
            "created",
            "created",
            "done",
            "Dependency /f",
            "created",
        ];
        assert_eq!(told, expected);
        assert_eq!(lines(store), ["/e=x", "/g=x"]);
        given(store, [remove("e"), remove("g")]);
    }
}

fn each_step_may_need_the_one_before(store: &dyn Store) {
    const STEPS: usize = 200;
    let chain = |from: usize| {
        let step = |n: usize| put(n.to_string(), "x").needing((n != from).then(|| n - 1)).step(n);
        (from..STEPS).map(step).collect::<Vec<Step>>()
    };
    let told = verdicts(store, &NoLocks, run(chain(0)));
    assert!(told.iter().all(|verdict| verdict == "created"));
    given(store, [remove("100"), mkcol("100")]);
    let told = verdicts(store, &NoLocks, run(chain(50)));
    assert_eq!(told.iter().filter(|verdict| *verdict == "done").count(), 50);
    assert_eq!(told[50], "IsCollection /100");
    let rest: Vec<_> = (101..STEPS).map(|n| format!("Dependency /{n}")).collect();
    assert_eq!(told[51..], rest);
}

fn needs_come_before_all_other_reasons(store: &dyn Store) {
    let hopeless = |draft: Draft| draft.needing([0]);
    let told = tell(
        store,
        [
            remove("none"),
            hopeless(put("none/a", "x")),
            hopeless(remove("none")),
            hopeless(copy("none", "none")),
            hopeless(put("a", "x").if_match("*")),
            hopeless(patch("none", [set("p", "x")])),
        ],
    );
    let expected = [
        "NotFound /none",
        "Dependency /none/a",
        "Dependency /none",
        "Dependency /none",
        "Dependency /a",
        "Dependency /none",
    ];
    assert_eq!(told, expected);
}

fn a_run_that_is_called_off_says_so_before_needs_do(store: &dyn Store) {
    let steps = steps([put("a", "x"), put("b", "x").needing([0]), put("c", "x").needing([9])]);
    let told = verdicts(store, &NoLocks, Run { cancel: Cancel::when(|| true), ..run(steps) });
    assert_eq!(told, ["NotAttempted /a", "NotAttempted /b", "NotAttempted /c"]);
    assert_eq!(lines(store), [""; 0]);
}
