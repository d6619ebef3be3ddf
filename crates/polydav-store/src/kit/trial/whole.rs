//! Runs that are done whole or not at all.

use crate::kit::{
    Draft, after, copy, copy_alone, given, held, lines, lock, mkcol, patch, put, put_content,
    remove, rename, set, snapshot, stage, steps, undone, unset, verdict, verdicts, whole,
};
use crate::{Durability, NoLocks, Property, Run, Store};

trials! { atomic:
    a_whole_run_is_done_as_any_other,
    whatever_a_whole_run_did_is_undone,
    a_whole_run_may_undo_what_it_made_itself,
    a_whole_run_that_is_called_off_leaves_nothing,
    a_locked_member_undoes_a_whole_run,
    a_lock_ends_within_a_whole_run_with_what_it_locks,
    nothing_of_a_whole_run_is_told_before_all_of_it_is_done,
    a_whole_run_may_have_no_steps_or_many,
    a_patch_beyond_the_bounds_undoes_a_whole_run,
    needs_are_met_within_a_whole_run,
}

/// Something of every kind, with properties if the store keeps any.
fn furnish(store: &dyn Store) {
    given(store, [mkcol("a"), put("a/f", "1"), mkcol("a/s"), put("a/s/g", "2")]);
    given(store, [mkcol("b"), put("b/h", "3"), put("c", "4"), put("e", "5")]);
    given(store, ["a", "a/f", "a/s/g", "b", "c"].map(|at| mark(store, at)).into_iter().flatten());
}

/// Gives a resource a property.
fn mark(store: &dyn Store, at: &str) -> Option<Draft> {
    let can = store.capabilities(&crate::kit::path(""));
    can.properties.then(|| patch(at, [set("was", at.to_owned())]))
}

/// Steps of every kind; each finds what those before it made of what is there.
fn acts(store: &dyn Store) -> Vec<Draft> {
    let acts = vec![
        Some(mkcol("n")),
        Some(put("n/f", "new")),
        Some(put("c", "over")),
        Some(put_content("a/f", stage(store, [&b"staged"[..]]))),
        mark(store, "n/f"),
        Some(copy("a", "n/a")),
        Some(copy_alone("a", "n/alone")),
        Some(copy("a", "b")),
        Some(copy("c", "e")),
        Some(rename("n/f", "n/g")),
        Some(rename("c", "n/g")),
        Some(rename("b", "n/a")),
        mark(store, "n/a/s"),
        Some(remove("a")),
        Some(put("a", "a file by now")),
        Some(remove("n/a/s/g")),
        Some(remove("e")),
        Some(mkcol("e")),
        Some(rename("a", "e/a")),
        Some(copy("n", "e/n")),
        Some(rename("n", "b")),
        mark(store, "b"),
        Some(rename("e/a", "b")),
    ];
    acts.into_iter().flatten().collect()
}

fn a_whole_run_is_done_as_any_other(store: &dyn Store) {
    for durability in [Durability::Relaxed, Durability::Full] {
        furnish(store);
        let told = verdicts(store, &NoLocks, Run { durability, ..whole(steps(acts(store))) });
        assert!(told.iter().all(|told| told == "created" || told == "done"), "{told:#?}");
        let there = snapshot(store);
        given(store, ["b", "e"].map(remove));
        assert_eq!(lines(store), [""; 0]);
        furnish(store);
        given(store, acts(store));
        assert_eq!(there, snapshot(store));
        given(store, ["b", "e"].map(remove));
    }
}

/// However far it came, in whatever way it ended.
fn whatever_a_whole_run_did_is_undone(store: &dyn Store) {
    furnish(store);
    let before = snapshot(store);
    for durability in [Durability::Relaxed, Durability::Full] {
        for count in 0..=acts(store).len() {
            let done = steps(acts(store).into_iter().take(count));
            let mut expected = undone(&done);
            expected.extend(["NotFound /none".to_owned(), "Dependency /z".to_owned()]);
            let failing = [remove("none").step(count), mkcol("z").step(count + 1)];
            let all = done.into_iter().chain(failing).collect();
            let told = verdicts(store, &NoLocks, Run { durability, ..whole(all) });
            assert_eq!(told, expected);
            assert_eq!(snapshot(store), before, "after {count} steps");
        }
    }
    given(store, acts(store));
}

fn a_whole_run_may_undo_what_it_made_itself(store: &dyn Store) {
    given(store, [mkcol("a"), put("a/b", "1")]);
    for drafts in [
        vec![put("x", "1"), remove("x")],
        vec![put("x", "1"), put("x", "2"), rename("x", "y"), put("x", "3"), rename("y", "x")],
        vec![remove("a"), mkcol("a"), put("a/b", "2"), remove("a"), put("a", "3")],
        vec![rename("a", "x"), mkcol("a"), rename("x/b", "a/b"), remove("x")],
        vec![copy("a", "x"), copy("a/b", "x/c"), remove("a"), rename("x", "a")],
    ] {
        let mut all = steps(drafts);
        let mut expected = undone(&all);
        all.push(mkcol("none/x").step(all.len()));
        expected.push("ParentMissing /none".to_owned());
        assert_eq!(verdicts(store, &NoLocks, whole(all)), expected);
        assert_eq!(lines(store), ["/a/", "/a/b=1"]);
    }
}

fn a_whole_run_that_is_called_off_leaves_nothing(store: &dyn Store) {
    const STEPS: usize = 4;
    for times in 0..=STEPS {
        let all = steps((0..STEPS).map(|n| mkcol(n.to_string())));
        let told = verdicts(store, &NoLocks, Run { cancel: after(times), ..whole(all) });
        if told[0] == "created" {
            assert_eq!(told, ["created"; STEPS], "all or nothing");
            given(store, (0..STEPS).map(|n| remove(n.to_string())));
            continue;
        }
        for (n, told) in told.into_iter().enumerate() {
            let told = told.trim_end_matches(" (RolledBack)");
            assert_eq!(told, format!("NotAttempted /{n}"));
        }
        assert_eq!(lines(store), [""; 0]);
    }
}

fn a_locked_member_undoes_a_whole_run(store: &dyn Store) {
    furnish(store);
    let before = snapshot(store);
    let locks = held([lock("other", "a/s/g")]);
    let all = steps([put("x", "1"), remove("a"), mkcol("y")]);
    let told = verdicts(store, &locks, whole(all));
    let expected = ["Dependency /x (RolledBack)", "Members /a: Locked /a/s/g", "Dependency /y"];
    assert_eq!(told, expected);
    assert_eq!(snapshot(store), before);
}

/// It isn't asked for again where it locked.
fn a_lock_ends_within_a_whole_run_with_what_it_locks(store: &dyn Store) {
    furnish(store);
    let locks = held([lock("urn:a", "a"), lock("urn:c", "c")]);
    let all = |last: Draft| {
        steps([
            remove("a").token("urn:a"),
            mkcol("a"),
            put("a/f", "x"),
            put("c", "x").token("urn:c"),
            rename("c", "d").token("urn:c"),
            put("c", "y"),
            last,
        ])
    };
    let told = verdicts(store, &locks, whole(all(put("e", "z"))));
    assert_eq!(told, ["done", "created", "created", "done", "created", "created", "done"]);
    // What was undone is locked as before.
    let locks = held([lock("urn:b", "b")]);
    let drafts = [remove("b").token("urn:b"), put("b", "x"), remove("none")];
    let told = verdicts(store, &locks, whole(steps(drafts)));
    assert_eq!(told[..2], ["Dependency /b (RolledBack)", "Dependency /b (RolledBack)"]);
    assert_eq!(verdicts(store, &locks, whole(steps([put("b/x", "x")]))), ["Locked /b"]);
}

fn nothing_of_a_whole_run_is_told_before_all_of_it_is_done(store: &dyn Store) {
    let all = steps((0..10).map(|n| mkcol(n.to_string())));
    let applied = store.apply(whole(all), &NoLocks, &mut |_: usize, outcome| {
        assert_eq!(verdict(&outcome), "created");
        assert_eq!(lines(store).len(), 10);
    });
    applied.expect("the store isn't broken");
}

fn a_whole_run_may_have_no_steps_or_many(store: &dyn Store) {
    const STEPS: usize = 3_000;
    assert_eq!(verdicts(store, &NoLocks, whole(Vec::new())), [""; 0]);
    let puts = || (0..STEPS).map(|n| put(n.to_string(), "x"));
    assert_eq!(verdicts(store, &NoLocks, whole(steps(puts()))), vec!["created"; STEPS]);
    let moves = (0..STEPS).map(|n| rename(n.to_string(), format!("new {n}")));
    let mut all = steps(moves);
    let mut expected = undone(&all);
    all.push(remove("0").step(STEPS));
    expected.push("NotFound /0".to_owned());
    assert_eq!(verdicts(store, &NoLocks, whole(all)), expected);
    assert_eq!(lines(store).len(), STEPS);
    assert!(lines(store).iter().all(|line| !line.contains("new")));
}

/// It is the one at fault, also where a step behind it would fail too.
fn a_patch_beyond_the_bounds_undoes_a_whole_run(store: &dyn Store) {
    if mark(store, "").is_none() {
        return;
    }
    given(store, [put("a", "1"), put("b", "2"), patch("b", [set("p", "of b")])]);
    let before = snapshot(store);
    let half = || vec![b'x'; Property::BYTES_MAX / 2];
    for last in [mkcol("n"), remove("none"), patch("none", [])] {
        let all = steps([
            patch("a", [set("p", half())]),
            copy("a", "c"),
            rename("c", "b"),
            patch("a", [set("q", "1")]),
            patch("b", [set("q", half())]),
            put("d", "3"),
            last,
        ]);
        let told = verdicts(store, &NoLocks, whole(all));
        assert_eq!(told[4], "Forbidden /b");
        let undone = |told: &String| told.trim_end_matches(" (RolledBack)").to_owned();
        let others: Vec<_> = [&told[..4], &told[5..]].concat().iter().map(undone).collect();
        assert!(others.iter().all(|told| told.starts_with("Dependency /")), "{told:?}");
        assert_eq!(snapshot(store), before);
    }
    let room = steps([patch("a", [set("p", half())]), patch("a", [unset("p"), set("q", half())])]);
    assert_eq!(verdicts(store, &NoLocks, whole(room)), ["done", "done"]);
}

fn needs_are_met_within_a_whole_run(store: &dyn Store) {
    let all = || [mkcol("n"), put("n/f", "x").needing([0]), copy("n", "m").needing([0, 1])];
    let before = snapshot(store);
    let told = verdicts(store, &NoLocks, whole(steps(all().into_iter().chain([remove("none")]))));
    let undone = undone(&steps(all()));
    assert_eq!(told, [undone, vec!["NotFound /none".to_owned()]].concat());
    assert_eq!(snapshot(store), before);
    let hopeless = [mkcol("n"), mkcol("m").needing([2]), mkcol("o")];
    let told = verdicts(store, &NoLocks, whole(steps(hopeless)));
    assert_eq!(told, ["Dependency /n (RolledBack)", "Dependency /m", "Dependency /o"]);
    assert_eq!(snapshot(store), before);
    let told = verdicts(store, &NoLocks, whole(steps(all())));
    assert_eq!(told, ["created", "created", "created"]);
}
