//! Walks: over the tables, and over rows.

use std::ops::ControlFlow;

use crate::kit::{found, given, path, put_record, text};
use crate::{FailureKind, Select, Store, Visit, Walk, WalkDepth};

use super::item;

trials! { writable:
    a_walk_of_depth_one_tells_the_members_of_a_table,
    a_walk_of_infinite_depth_tells_all_rows,
    a_walk_over_records_tells_what_a_stat_tells,
    a_walk_over_records_cuts_tables_beyond_its_budget,
    a_walk_over_records_is_broken_off,
    a_walk_over_records_needs_a_root,
}

fn some(store: &dyn Store) {
    given(store, [item(10, "a"), item(9, "b"), put_record("word/a", []), put_record("word/b", [])]);
    given(store, [put_record("part/a,1", [("label", text("x"))])]);
}

const ALL: WalkDepth = WalkDepth::Infinity { budget: 1_000 };

/// What a walk met, in its order.
fn walk(store: &dyn Store, root: &str, depth: WalkDepth) -> Vec<Visit> {
    let mut met = Vec::new();
    let walked = store.walk(&path(root), &Walk { depth, select: Select::All }, &mut |visit| {
        met.push(visit);
        ControlFlow::Continue(())
    });
    walked.expect("it can be walked");
    met
}

fn names(store: &dyn Store, root: &str, depth: WalkDepth) -> Vec<String> {
    let met = walk(store, root, depth);
    let mut names: Vec<_> = met.iter().map(|visit| visit.path().to_string()).collect();
    names.sort();
    names
}

const TABLES: [&str; 4] = ["/item", "/part", "/ro", "/word"];

fn a_walk_of_depth_one_tells_the_members_of_a_table(store: &dyn Store) {
    some(store);
    assert_eq!(names(store, "", WalkDepth::One), TABLES);
    assert_eq!(names(store, "item", WalkDepth::One), ["/item/10", "/item/9"]);
    assert_eq!(names(store, "part", WalkDepth::One), ["/part/a,1"]);
    assert_eq!(names(store, "ro", WalkDepth::One), [""; 0]);
    assert_eq!(names(store, "item/9", WalkDepth::One), [""; 0]);
}

fn a_walk_of_infinite_depth_tells_all_rows(store: &dyn Store) {
    some(store);
    let rows = ["/item/10", "/item/9", "/part/a,1", "/word/a", "/word/b"];
    let mut all = [&TABLES[..], &rows[..]].concat();
    all.sort_unstable();
    assert_eq!(names(store, "", ALL), all);
    assert_eq!(names(store, "word", ALL), ["/word/a", "/word/b"]);
    let spent = WalkDepth::Infinity { budget: 0 };
    assert_eq!(names(store, "word", spent), ["/word/a", "/word/b"], "no row is missing");
    assert_eq!(names(store, "word/a", ALL), [""; 0]);
}

fn a_walk_over_records_tells_what_a_stat_tells(store: &dyn Store) {
    some(store);
    for (root, depth) in [("", WalkDepth::One), ("", ALL), ("item", WalkDepth::One), ("part", ALL)]
    {
        for visit in walk(store, root, depth) {
            let Visit::Entry(entry) = visit else { panic!("a walk meets {visit:?}") };
            assert_eq!(entry, found(store, entry.path.as_bytes()));
        }
    }
}

fn a_walk_over_records_cuts_tables_beyond_its_budget(store: &dyn Store) {
    some(store);
    let all = names(store, "", ALL);
    for budget in 0..=all.len() {
        let met = walk(store, "", WalkDepth::Infinity { budget: budget as u64 });
        let mut cut = Vec::new();
        for (before, visit) in met.iter().enumerate() {
            match visit {
                Visit::Cut(table) => cut.push(table.path.clone()),
                Visit::Entry(entry) if entry.is_collection() => assert!(before < budget),
                Visit::Entry(_) => {}
                Visit::Failure(path, kind) => panic!("{path} can't be told: {kind:?}"),
            }
            let too_early = matches!(visit, Visit::Cut(_)) && before < budget;
            assert!(!too_early, "{} is cut after {before} of {budget}", visit.path());
        }
        let met: Vec<_> = met.iter().map(|visit| visit.path().to_string()).collect();
        for told in &all {
            let below = cut.iter().any(|cut| cut.is_above(&path(&told[1..])));
            assert_ne!(met.contains(told), below, "{told} with budget {budget}");
        }
    }
}

fn a_walk_over_records_is_broken_off(store: &dyn Store) {
    some(store);
    for (root, depth) in [("", WalkDepth::One), ("", ALL), ("item", WalkDepth::One), ("word", ALL)]
    {
        let mut met = 0;
        let walked = store.walk(&path(root), &Walk { depth, select: Select::None }, &mut |_| {
            met += 1;
            if met == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(walked.is_ok());
        assert_eq!(met, 2, "{root} {depth:?}");
    }
}

fn a_walk_over_records_needs_a_root(store: &dyn Store) {
    some(store);
    for root in ["none", "item/1", "item/x", "item/9/x"] {
        for depth in [WalkDepth::One, ALL] {
            let walk = Walk { depth, select: Select::None };
            let walked = store.walk(&path(root), &walk, &mut |visit| panic!("it meets {visit:?}"));
            let failure = walked.expect_err("there is nothing to walk");
            assert_eq!((failure.kind, failure.path), (FailureKind::NotFound, path(root)));
        }
    }
}
