//! Walks: how far they go, and what they tell.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::kit::{found, given, mkcol, path, put};
use crate::{Entry, FailureKind, ResourcePath, Select, Store, Visit, Walk, WalkDepth};

trials! { writable:
    a_walk_of_depth_one_tells_the_members,
    a_walk_of_infinite_depth_tells_all_below,
    a_walk_tells_what_a_stat_tells,
    a_walk_within_its_budget_cuts_nothing,
    a_walk_beyond_its_budget_tells_what_it_cut,
    a_walk_is_broken_off,
    a_walk_needs_a_root,
}

fn tree(store: &dyn Store) {
    given(store, [mkcol("t"), put("t/a", "1"), mkcol("t/b"), mkcol("t/b/c"), put("t/b/c/d", "22")]);
    given(store, [mkcol("t/e"), put("t/e/f", "3"), mkcol("t-"), put("t-/x", "4"), put("u", "5")]);
}

/// What is under `/t/`.
const TREE: [&str; 6] = ["t/a", "t/b", "t/b/c", "t/b/c/d", "t/e", "t/e/f"];

/// What a walk met, and whether its members were cut.
fn walk(store: &dyn Store, root: &str, depth: WalkDepth) -> BTreeMap<ResourcePath, (Entry, bool)> {
    let mut met = BTreeMap::new();
    let walk = Walk { depth, select: Select::None };
    let walked = store.walk(&path(root), &walk, &mut |visit| {
        let (entry, cut) = match visit {
            Visit::Entry(entry) => (entry, false),
            Visit::Cut(entry) => (entry, true),
            Visit::Failure(path, kind) => panic!("a walk fails at {path}: {kind:?}"),
        };
        let parent = entry.path.parent().expect("a walk doesn't tell of the root");
        let known = parent == path(root) || met.contains_key(&parent);
        assert!(known, "{} is told before its collection", entry.path);
        let path = entry.path.clone();
        assert!(met.insert(path.clone(), (entry, cut)).is_none(), "{path} is told twice");
        ControlFlow::Continue(())
    });
    walked.expect("it can be walked");
    met
}

fn names(store: &dyn Store, root: &str, depth: WalkDepth) -> Vec<String> {
    walk(store, root, depth).keys().map(ToString::to_string).collect()
}

const ALL: WalkDepth = WalkDepth::Infinity { budget: 1_000 };

fn a_walk_of_depth_one_tells_the_members(store: &dyn Store) {
    tree(store);
    assert_eq!(names(store, "", WalkDepth::One), ["/t", "/t-", "/u"]);
    assert_eq!(names(store, "t", WalkDepth::One), ["/t/a", "/t/b", "/t/e"]);
    given(store, [mkcol("empty")]);
    assert_eq!(names(store, "empty", WalkDepth::One), [""; 0]);
}

fn a_walk_of_infinite_depth_tells_all_below(store: &dyn Store) {
    tree(store);
    assert_eq!(names(store, "t", ALL), TREE.map(|joined| format!("/{joined}")));
    assert_eq!(names(store, "t/b", ALL), ["/t/b/c", "/t/b/c/d"]);
    assert_eq!(names(store, "", ALL).len(), TREE.len() + 4);
    given(store, [mkcol("empty")]);
    assert_eq!(names(store, "empty", ALL), [""; 0]);
}

fn a_walk_tells_what_a_stat_tells(store: &dyn Store) {
    tree(store);
    for depth in [WalkDepth::One, ALL] {
        for (path, (told, _)) in walk(store, "t", depth) {
            assert_eq!(told, found(store, path.as_bytes()));
        }
    }
}

fn a_walk_within_its_budget_cuts_nothing(store: &dyn Store) {
    tree(store);
    let budget = TREE.len() as u64;
    let met = walk(store, "t", WalkDepth::Infinity { budget });
    assert_eq!(met.len(), TREE.len());
    assert!(met.values().all(|(_, cut)| !cut));
}

/// Whatever the order of a walk: it descends into nothing once the budget is spent, and each
/// resource is told, or lies under a collection that is told to be cut.
fn a_walk_beyond_its_budget_tells_what_it_cut(store: &dyn Store) {
    tree(store);
    for budget in 0..TREE.len() as u64 {
        let met = walk(store, "t", WalkDepth::Infinity { budget });
        let cut: Vec<_> =
            met.values().filter(|(_, cut)| *cut).map(|(entry, _)| &entry.path).collect();
        assert!(met.values().all(|(entry, cut)| !cut || entry.is_collection()));
        for joined in TREE {
            let below = cut.iter().any(|cut| cut.is_above(&path(joined)));
            assert_ne!(met.contains_key(&path(joined)), below, "{joined} with budget {budget}");
        }
        let descended =
            met.values().filter(|(entry, cut)| entry.is_collection() && !cut).count() as u64;
        assert!(descended <= budget, "{descended} collections with budget {budget}");
        assert!(cut.is_empty() || met.len() as u64 > budget, "cut before {budget} were met");
    }
    let met = walk(store, "t", WalkDepth::Infinity { budget: 0 });
    assert_eq!(met.keys().map(ToString::to_string).collect::<Vec<_>>(), ["/t/a", "/t/b", "/t/e"]);
}

fn a_walk_is_broken_off(store: &dyn Store) {
    tree(store);
    for depth in [WalkDepth::One, ALL] {
        let mut met = 0;
        let walked = store.walk(&path("t"), &Walk { depth, select: Select::None }, &mut |_| {
            met += 1;
            if met == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(walked.is_ok());
        assert_eq!(met, 2, "{depth:?}");
    }
}

fn a_walk_needs_a_root(store: &dyn Store) {
    for depth in [WalkDepth::One, ALL] {
        let walk = Walk { depth, select: Select::None };
        let walked = store.walk(&path("none"), &walk, &mut |visit| panic!("it meets {visit:?}"));
        let failure = walked.expect_err("there is nothing to walk");
        assert_eq!((failure.kind, failure.path), (FailureKind::NotFound, path("none")));
    }
}
