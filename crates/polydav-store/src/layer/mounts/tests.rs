//! Several stores in memory side by side are like one, but for what would need two of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::kit::record::SCHEMA;
use crate::kit::{
    Draft, add, added, apply, compare, conform, content, copy, copy_alone, found, given, held,
    lines, lock, mkcol, model, patch, path, put, rehearse, remove, rename, run, scene, set,
    snapshot, tag, tell, tell_locked, text, update, verdict,
};
use crate::layer::{Fault, Faulty};
use crate::{
    Added, Condition, Done, Kind, Ledger, Lock, LockDepth, LockToken, MemoryLedger, MemoryRecords,
    Needed, Principal, WalkDepth, delegate,
};

type Shared = Arc<MemoryStore>;

fn mounts(stores: &[(&str, &Shared)]) -> Mounts {
    let at = |(at, store): &(&str, &Shared)| (path(at), Arc::clone(store) as Arc<dyn Store>);
    Mounts::new(stores.iter().map(at))
}

/// Stores at the root, at `/a` and at `/a/b`.
fn three() -> (Mounts, [Shared; 3]) {
    let stores = [(); 3].map(|()| Shared::default());
    (mounts(&[("", &stores[0]), ("a", &stores[1]), ("a/b", &stores[2])]), stores)
}

#[test]
fn a_single_mount_conforms() {
    let single = || mounts(&[("", &Shared::default())]);
    conform(single);
    model(64, single);
    rehearse(16, single);
}

#[test]
fn a_mount_conforms_in_itself() {
    for at in ["m", "m/n"] {
        let inside = || {
            let (outer, inner, other) = Default::default();
            given(&outer, [mkcol("m"), put("m/hidden", "x"), put("o", "x")]);
            let mounts = mounts(&[("", &outer), (at, &inner), ("other", &other)]);
            Mount::of_collection(path(at), Arc::new(mounts))
        };
        conform(inside);
        model(64, inside);
    }
}

#[test]
fn without_a_mount_at_the_root_there_is_a_collection_that_takes_no_changes() {
    conform(|| Mounts::new([]));
    let store = mounts(&[("a/b", &Shared::default()), ("c", &Shared::default())]);
    assert_eq!(lines(&store), ["/a/", "/a/b/", "/c/"]);
    let told = tell(&store, [mkcol("d"), put("a/f", "x"), remove("a"), put("a/b/f", "x")]);
    assert_eq!(told, ["ReadOnly /d", "ReadOnly /a/f", "Forbidden /a", "created"]);
    assert!(!store.capabilities(&path("a")).writable && store.capabilities(&path("c/x")).writable);
    assert_eq!(lines(&store), ["/a/", "/a/b/", "/a/b/f=x", "/c/"]);
}

#[test]
fn what_lies_under_a_mount_point_is_hidden() {
    let (store, [root, a, b]) = three();
    given(&root, [put("f", "0"), mkcol("a"), put("a/f", "hidden"), mkcol("a/b"), mkcol("a/c")]);
    given(&a, [put("f", "1"), mkcol("b"), put("b/f", "hidden"), patch("", [set("p", "1")])]);
    given(&b, [put("g", "2")]);
    assert_eq!(lines(&store), ["/a/ [p=1]", "/a/b/", "/a/b/g=2", "/a/f=1", "/f=0"]);
    let missing = store.stat(&path("a/c"), &Select::None).unwrap_err();
    assert_eq!((missing.kind, missing.path), (FailureKind::NotFound, path("a/c")));
    assert_eq!(store.read(&path("a/f")).unwrap().entry, found(&store, "a/f"));
    assert_eq!(store.read(&path("a/b/f")).unwrap_err().path, path("a/b/f"));
}

/// What needs two mounts, or takes one along or away. RFC 4918 §9.8.5, §9.9.4 has the 502.
#[test]
fn what_concerns_two_mounts_is_refused() {
    let cases: Vec<(Draft, &str)> = vec![
        (copy("f", "a/x"), "CrossStore /a/x"),
        (rename("a/f", "x"), "CrossStore /x"),
        (rename("a/f", "a/b/x"), "CrossStore /a/b/x"),
        (copy("none", "a/x"), "NotFound /none"),
        (rename("a/none", "x"), "NotFound /a/none"),
        (copy("a/b", "x"), "CrossStore /x"),
        (copy_alone("a", "x"), "CrossStore /x"),
        (copy("a", "x"), "Forbidden /a"),
        (copy("f", "a"), "Forbidden /a"),
        (copy("a/f", "a/b"), "Forbidden /a/b"),
        (rename("f", "a/b").refuse(), "Forbidden /a/b"),
        (copy("f", "c"), "Forbidden /c"),
        (copy_alone("c", "x"), "created"),
        (rename("f", "c/d").refuse(), "Forbidden /c/d"),
        (rename("c", "x"), "Forbidden /c"),
        (rename("a", "x"), "Forbidden /a"),
        (remove("a/b"), "Forbidden /a/b"),
        (remove("a"), "Forbidden /a"),
        (remove("c"), "Forbidden /c"),
        (remove("c/none"), "NotFound /c/none"),
        (remove(""), "Forbidden /"),
        (mkcol("a"), "Exists /a"),
        (put("a/b", "x"), "IsCollection /a/b"),
        (rename("a", "a/x"), "Overlap /a/x"),
        (rename("a/f", "a"), "Overlap /a"),
        (copy("a", "a/x"), "Overlap /a/x"),
        (rename("f", "a/x").if_match("none"), "Precondition /f"),
        (remove("a").if_match("*").when([Condition::Never]), "Precondition /a"),
        (patch("a", [set("p", "1")]), "done"),
    ];
    for (draft, expected) in cases {
        let [root, a, b, c] = [(); 4].map(|()| Shared::default());
        given(&root, [put("f", "0"), mkcol("c"), mkcol("c/d")]);
        given(&a, [put("f", "1")]);
        let store = mounts(&[("", &root), ("a", &a), ("a/b", &b), ("c/d/m", &c)]);
        let (shown, before) = (format!("{draft:?}"), snapshot(&root));
        assert_eq!(tell(&store, [draft]), [expected], "{shown}");
        assert_eq!(snapshot(&root) == before, expected != "created", "{shown}");
    }
}

#[test]
fn locks_reach_over_mounts() {
    let (store, [root, a, _]) = three();
    given(&root, [put("f", "0")]);
    given(&a, [put("f", "1")]);
    let deep = held([lock("urn:all", "")]);
    let told = tell_locked(
        &store,
        &deep,
        [put("a/f", "x"), put("a/b/x", "x"), put("f", "x"), put("a/f", "y").token("urn:all")],
    );
    assert_eq!(told, ["Locked /a", "Locked /a/b", "Locked /", "done"]);
    let shallow =
        held([Lock { depth: LockDepth::Zero, ..lock("urn:0", "") }, lock("urn:f", "a/f")]);
    let drafts = [put("a/n", "x"), put("n", "x"), remove("a/f"), rename("f", "a/f"), remove("a")];
    let told = tell_locked(&store, &shallow, drafts);
    assert_eq!(told, ["created", "Locked /", "Locked /a/f", "Locked /", "Locked /"]);
    let anns = Lock { principal: Principal::Named("ann".into()), ..lock("urn:a", "") };
    let told = tell_locked(
        &store,
        &held([anns]),
        [put("a/f", "x").token("urn:a"), put("a/f", "y").token("urn:a").by("ann")],
    );
    assert_eq!(told, ["Locked /a", "done"]);
}

/// RFC 4918 §10.4: lists with a tag, in whatever mount.
#[test]
fn conditions_see_what_earlier_steps_did_in_other_mounts() {
    let (store, [_, a, b]) = three();
    given(&a, [put("f", "1")]);
    given(&b, [put("f", "2"), put("g", "3")]);
    let (is, at) = (tag(&a, "f"), "a/f");
    let when = |draft: Draft, tag: &str| draft.when_at(at, [Condition::ETag(tag.to_owned())]);
    let unless =
        |draft: Draft| draft.when_at(at, [Condition::Not(Box::new(Condition::ETag(is.clone())))]);
    let told = tell(
        &store,
        [
            unless(put("a/b/f", "no")),
            when(put("a/b/f", "x"), &is),
            put(at, "new"),
            when(put("a/b/g", "no"), &is),
            unless(put("a/b/g", "y")),
            when(remove("a/b/f"), "none").when_at("a/b/f", [Condition::ETag(tag(&b, "f"))]),
        ],
    );
    let not = "Precondition /a/b/f";
    assert_eq!(told, [not, "done", "done", "Precondition /a/b/g", "done", not]);
    let locks = held([lock("urn:f", at)]);
    let token = || [Condition::Token(LockToken::new("urn:f"))];
    let told = tell_locked(
        &store,
        &locks,
        [put("a/b/g", "z").when_at(at, token()), put("a/b/g", "no").when_at("a/b/f", token())],
    );
    assert_eq!(told, ["done", "Precondition /a/b/g"]);
    assert_eq!(lines(&b), ["/f=x", "/g=z"]);
}

/// A list that holds makes those behind it unnecessary; a failure is no condition that fails.
#[test]
fn a_condition_that_cannot_be_judged_fails_the_step_that_needs_it() {
    let never = || [Condition::Not(Box::new(Condition::ETag("none".to_owned())))];
    let cases: [(Draft, &str); 3] = [
        (put("f", "x").when_at("a/f", never()), "Internal /a/f"),
        (put("f", "x").when(never()).when_at("a/f", never()), "created"),
        (put("f", "x").when_at("a/f", never()).when(never()), "Internal /a/f"),
    ];
    for (draft, expected) in cases {
        let a = Arc::new(Faulty::new(MemoryStore::new()));
        let root = Arc::<MemoryStore>::default();
        let store = Mounts::new([(path(""), root as Arc<dyn Store>), (path("a"), a.clone())]);
        a.arm(1, Fault::Fails(FailureKind::Internal));
        let shown = format!("{draft:?}");
        assert_eq!(tell(&store, [draft]), [expected], "{shown}");
        assert!(a.struck(), "{shown}");
    }
}

/// A collection of records, of which there is always a next one, called 7.
struct Table;

impl Store for Table {
    fn capabilities(&self, _: &ResourcePath) -> Capabilities {
        Capabilities::RECORDS
    }
    fn stat(&self, path: &ResourcePath, _: &Select) -> Result<Entry, Failure> {
        Err(Failure::new(FailureKind::NotFound, path.clone()))
    }
    fn walk(
        &self,
        _: &ResourcePath,
        _: &Walk,
        _: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        Ok(())
    }
    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        Err(Failure::new(FailureKind::IsCollection, path.clone()))
    }
    fn list(
        &self,
        collection: &ResourcePath,
        _: &Page,
        visit: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let _ = visit(Listed::Record(collection.to_string().into()));
        Ok(())
    }
    fn locate(&self, collection: &ResourcePath, _: &Fields) -> Result<ResourcePath, Failure> {
        Ok(collection.join(b"7").unwrap())
    }
    fn stage(&self, target: &ResourcePath, _: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        Err(Failure::new(FailureKind::Unsuited, target.clone()))
    }
    fn apply(&self, run: Run, _: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        for step in run.steps {
            let path = step.subject().join(b"7").unwrap();
            let added = Some(Added { path, key: None });
            report.outcome(step.index(), Ok(Done { created: true, added, ..Done::default() }));
        }
        Ok(())
    }
    fn space(&self, path: &ResourcePath) -> Result<Option<Space>, Failure> {
        Err(Failure::new(FailureKind::Internal, path.clone()))
    }
}

#[test]
fn what_is_said_of_records_is_said_in_paths_of_the_outside() {
    let store = Mounts::new([(path("db"), Arc::new(Table) as Arc<dyn Store>)]);
    assert!(store.capabilities(&path("db/t")).records && !store.capabilities(&path("")).records);
    assert_eq!(store.locate(&path("db/t"), &Fields::new()).unwrap(), path("db/t/7"));
    let mut listed = Vec::new();
    let all = store.list(&path("db/t"), &Page::default(), &mut |record| {
        listed.push(record);
        ControlFlow::Continue(())
    });
    assert!(all.is_ok() && listed == [Listed::Record("/t".into())]);
    let added = apply(&store, &NoLocks, steps([add("db/t", []), add("db/u", [])]));
    let added = added.into_iter().map(|outcome| outcome.unwrap().added.unwrap().path);
    assert_eq!(added.collect::<Vec<_>>(), ["db/t/7", "db/u/7"].map(path));
    let failures = [
        store.stat(&path("db/t"), &Select::None).unwrap_err(),
        store.read(&path("db/t")).unwrap_err(),
        store.stage(&path("db/t"), None).err().unwrap(),
        store.space(&path("db/t")).unwrap_err(),
    ];
    assert!(failures.iter().all(|failure| failure.path == path("db/t")));
    let unsuited = store.list(&path("t"), &Page::default(), &mut |_| ControlFlow::Continue(()));
    assert_eq!(unsuited.unwrap_err().kind, FailureKind::Unsuited);
}

/// A store that counts its runs.
struct Counted(MemoryStore, Arc<AtomicUsize>);

impl Store for Counted {
    delegate!(this => this.0; capabilities, stat, walk, read, stage, space);

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.apply(run, locks, report)
    }
}

fn steps(drafts: impl IntoIterator<Item = Draft>) -> Run {
    let drafts = drafts.into_iter().enumerate();
    run(drafts.map(|(index, draft)| draft.step(10 * index)).collect())
}

fn alternating() -> impl Iterator<Item = Draft> {
    (0..6).map(|n| mkcol(format!("{}{n}", if n % 2 == 0 { "a/" } else { "" })))
}

#[test]
fn a_run_goes_to_each_mount_once_unless_it_stops() {
    let needing = |needs: [usize; 2]| Some(put("a/7", "x").needing(needs));
    for (on_failure, between, expected) in [
        (OnFailure::Continue, None, 2),
        (OnFailure::Stop, None, 6),
        (OnFailure::Continue, Some(copy("a/0", "7")), 2),
        (OnFailure::Continue, needing([0, 40]), 2),
        (OnFailure::Continue, needing([0, 10]), 3),
    ] {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = || Arc::new(Counted(MemoryStore::new(), Arc::clone(&runs))) as Arc<dyn Store>;
        let store = Mounts::new([(path(""), counted()), (path("a"), counted())]);
        let run = Run { on_failure, ..steps(alternating().chain(between)) };
        let told: Vec<_> = apply(&store, &NoLocks, run).iter().map(verdict).collect();
        assert_eq!(told[..6], ["created"; 6]);
        let last = told.get(6).map(String::as_str);
        assert!(matches!(last, None | Some("CrossStore /7" | "created")), "{last:?}");
        assert_eq!(runs.load(Ordering::Relaxed), expected, "{on_failure:?}");
    }
}

/// Also where a step looks at another mount, or nobody can do it.
#[test]
fn needs_are_met_across_mounts() {
    let (store, _) = three();
    let always = || [Condition::Not(Condition::Never.into())];
    let told = tell(
        &store,
        [
            mkcol("d"),
            put("a/x", "1").needing([0]),
            mkcol("d"),
            put("a/y", "2").needing([2]),
            put("a/b/z", "3").needing([1]),
            put("d/z", "4").needing([3]),
            put("a/w", "5").needing([1, 4]).when_at("d", always()),
            put("a/v", "6").needing([6]).when_at("d", always()),
            put("a/u", "7").needing([5]).when_at("d", [Condition::Never]),
            copy("d", "a/d").needing([8]),
            copy("d", "a/d").needing([7]),
            mkcol("e").needing([10]),
            mkcol("a/e").needing([12]),
        ],
    );
    let expected = [
        "created",
        "created",
        "Exists /d",
        "Dependency /a/y",
        "created",
        "Dependency /d/z",
        "created",
        "created",
        "Dependency /a/u",
        "Dependency /d",
        "CrossStore /a/d",
        "Dependency /e",
        "Dependency /a/e",
    ];
    assert_eq!(told, expected);
    let there = ["/a/", "/a/b/", "/a/b/z=3", "/a/v=6", "/a/w=5", "/a/x=1", "/d/"];
    assert_eq!(lines(&store), there);
}

#[test]
fn a_reference_may_be_to_a_record_of_another_mount() {
    let records = || Arc::new(MemoryRecords::new(SCHEMA)) as Arc<dyn Store>;
    let files = Arc::<MemoryStore>::default();
    let store = Mounts::new([
        (path(""), files as Arc<dyn Store>),
        (path("x"), records()),
        (path("y"), records()),
    ]);
    let told = tell(
        &store,
        [
            add("x/word", [("word", text("w"))]),
            add("y/item", [("name", added(0))]),
            update("y/item/1", [("note", added(1)), ("qty", text("7"))]),
            put("f", "x").needing([2]),
            add("x/item", [("name", added(0)), ("note", added(1))]).needing([3]),
            add("x/word", [("word", text("w"))]),
            add("y/item", [("name", added(5))]),
            add("x/part", [("kind", text("a")), ("no", text("1"))]),
            update("y/item/1", [("note", added(7))]),
            update("y/item/1", [("note", added(3))]),
            put("g", "x").needing([8]),
        ],
    );
    let expected = [
        "created",
        "created",
        "done",
        "created",
        "created",
        "Conflict /x/word [word]",
        "Dependency /y/item",
        "created",
        "Invalid /y/item/1 [note]",
        "Invalid /y/item/1 [note]",
        "Dependency /g",
    ];
    assert_eq!(told, expected);
    let row = |qty: i64| format!(r#"{{"id":1,"name":"w","qty":{qty},"note":"1","data":null}}"#);
    assert_eq!(content(&store, &path("y/item/1")), row(7));
    assert_eq!(content(&store, &path("x/item/1")), row(1));
}

#[test]
fn nothing_is_done_behind_the_first_failure_of_a_run_that_stops() {
    let drafts = || [put("a/x", "1"), put("x", "2"), mkcol("a/x"), put("a/y", "3"), put("y", "4")];
    let stops = || Run { on_failure: OnFailure::Stop, ..steps(drafts()) };
    let (store, _) = three();
    let told: Vec<_> = apply(&store, &NoLocks, stops()).iter().map(verdict).collect();
    let expected = ["created", "created", "Exists /a/x", "Dependency /a/y", "Dependency /y"];
    assert_eq!(told, expected);
    assert_eq!(lines(&store), ["/a/", "/a/b/", "/a/x=1", "/x=2"]);
    let refused = [rename("x", "a/z"), put("a/y", "3"), put("y", "4")];
    let run = Run { on_failure: OnFailure::Stop, ..steps(refused) };
    let told: Vec<_> = apply(&store, &NoLocks, run).iter().map(verdict).collect();
    assert_eq!(told, ["CrossStore /a/z", "Dependency /a/y", "Dependency /y"]);
}

#[test]
fn a_cancelled_run_starts_nothing_in_any_mount() {
    for on_failure in [OnFailure::Continue, OnFailure::Stop] {
        let (store, _) = three();
        let drafts = alternating().chain([copy("a", "x"), put("f", "x").when_at("a", [])]);
        let run = Run { on_failure, cancel: Cancel::when(|| true), ..steps(drafts) };
        let outcomes = apply(&store, &NoLocks, run);
        assert_eq!(outcomes.len(), 8);
        assert!(outcomes.iter().all(|outcome| verdict(outcome).starts_with("NotAttempted /")));
    }
}

/// What is known is told, in order; the steps of the store that broke aren't known.
#[test]
fn a_whole_run_is_one_of_a_single_mount() {
    let (store, _) = three();
    given(&store, [put("f", "0"), put("a/f", "1"), put("a/b/f", "2")]);
    let before = lines(&store);
    let whole = |drafts: Vec<Draft>| {
        let run = Run { on_failure: OnFailure::UndoAll, ..steps(drafts) };
        apply(&store, &NoLocks, run).iter().map(verdict).collect::<Vec<_>>()
    };
    let told = whole(vec![put("a/g", "x"), rename("a/f", "a/h"), remove("a/none")]);
    let expected =
        ["Dependency /a/g (RolledBack)", "Dependency /a/f (RolledBack)", "NotFound /a/none"];
    assert_eq!(told, expected);
    // Nothing is done where it would take two, or a step that none can do.
    let told = whole(vec![put("g", "x"), put("a/g", "x"), remove("f")]);
    assert_eq!(told, ["CrossStore /g", "Dependency /a/g", "Dependency /f"]);
    let told = whole(vec![put("g", "x"), rename("f", "a/g"), remove("none")]);
    assert_eq!(told, ["Dependency /g", "CrossStore /a/g", "Dependency /none"]);
    let told = whole(vec![put("a/g", "x"), remove("a")]);
    assert_eq!(told, ["Dependency /a/g", "Forbidden /a"]);
    let told = whole(vec![put("a/g", "x"), remove("a").needing([0])]);
    assert_eq!(told, ["Dependency /a/g", "Forbidden /a"]);
    let looks_beyond = put("a/g", "x").when_at("f", [Condition::Never]);
    assert_eq!(whole(vec![looks_beyond]), ["CrossStore /a/g"]);
    assert_eq!(lines(&store), before);
    assert_eq!(whole(vec![put("a/g", "x"), rename("a/f", "a/h")]), ["created", "created"]);
}

#[test]
fn a_broken_mount_takes_nothing_of_the_others_with_it() {
    use OnFailure::{Continue, Stop};
    for (on_failure, expected) in [
        (
            Continue,
            &[
                "0 created",
                "10 created",
                "30 created",
                "50 created",
                "60 CrossStore /7",
                "70 Dependency /8",
                "80 created",
            ][..],
        ),
        (
            Stop,
            &[
                "0 created",
                "10 created",
                "30 Dependency /3",
                "40 Dependency /a/4",
                "50 Dependency /5",
                "60 Dependency /a/0",
                "70 Dependency /8",
                "80 Dependency /9",
            ],
        ),
    ] {
        let a = Arc::new(Faulty::new(MemoryStore::new()));
        let store = Mounts::new([
            (path(""), Arc::<MemoryStore>::default() as Arc<dyn Store>),
            (path("a"), a.clone()),
        ]);
        a.arm(2, Fault::Breaks);
        // Of what nobody knows, nobody knows that it succeeded.
        let behind = [copy("a/0", "7"), mkcol("8").needing([20]), mkcol("9").needing([10])];
        let run = Run { on_failure, ..steps(alternating().chain(behind)) };
        let mut told = Vec::new();
        let applied = store.apply(run, &NoLocks, &mut |index, outcome| {
            told.push(format!("{index} {}", verdict(&outcome)));
        });
        assert!(applied.is_err() && a.struck());
        assert_eq!(told, expected, "{on_failure:?}");
    }
}

/// What a walk of infinite depth told, by path: whether it is a collection, and whether it was cut.
fn told(store: &Mounts, root: &str, depth: WalkDepth) -> BTreeMap<String, (bool, bool)> {
    let mut met = BTreeMap::new();
    let walk = Walk { depth, select: Select::None };
    let walked = store.walk(&path(root), &walk, &mut |visit| {
        let (at, told) = match visit {
            Visit::Entry(entry) => (entry.path, (entry.kind == Kind::Collection, false)),
            Visit::Cut(entry) => (entry.path, (entry.kind == Kind::Collection, true)),
            Visit::Failure(path, _) => (path, (false, false)),
        };
        assert!(met.insert(at.to_string(), told).is_none(), "{at} is told twice");
        ControlFlow::Continue(())
    });
    walked.unwrap();
    met
}

fn furnished() -> Mounts {
    let (store, [root, a, b]) = three();
    given(&root, [mkcol("a"), put("a/hidden", "x"), mkcol("c"), mkcol("c/d"), put("c/d/f", "x")]);
    given(&a, [put("f", "1"), mkcol("g"), put("g/f", "x")]);
    given(&b, [mkcol("h"), put("h/f", "x")]);
    store
}

#[test]
fn a_walk_goes_over_all_mounts_within_its_budget() {
    let store = furnished();
    let names = |root, depth| told(&store, root, depth).into_keys().collect::<Vec<_>>();
    assert_eq!(names("", WalkDepth::One), ["/a", "/c"]);
    assert_eq!(names("a", WalkDepth::One), ["/a/b", "/a/f", "/a/g"]);
    assert_eq!(names("a/b", WalkDepth::One), ["/a/b/h"]);
    let all = names("", WalkDepth::Infinity { budget: 1_000 });
    assert_eq!(all.len(), 10, "{all:?}");
    for budget in 0..12 {
        let met = told(&store, "", WalkDepth::Infinity { budget });
        let cut: BTreeSet<_> = met.iter().filter(|(_, (_, cut))| *cut).map(|(at, _)| at).collect();
        for at in &all {
            let below = cut.iter().any(|cut| at.starts_with(&format!("{cut}/")));
            assert_ne!(met.contains_key(at), below, "{at} with budget {budget}");
        }
        let descended = met.values().filter(|(collection, cut)| *collection && !cut).count();
        assert!(descended as u64 <= budget, "{descended} with budget {budget}");
    }
}

#[test]
fn a_walk_over_mounts_is_broken_off() {
    let store = furnished();
    for depth in [WalkDepth::One, WalkDepth::Infinity { budget: 100 }] {
        let all = told(&store, "", depth).len();
        for wanted in 1..=all {
            let mut met = 0;
            let walk = Walk { depth, select: Select::None };
            let walked = store.walk(&path(""), &walk, &mut |_| {
                met += 1;
                if met == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert!(walked.is_ok() && met == wanted, "{met} {wanted}");
        }
    }
}

#[test]
fn a_mount_that_cannot_be_told_of_is_a_failure() {
    for (nth, depth) in [
        (1, WalkDepth::One),
        (1, WalkDepth::Infinity { budget: 9 }),
        (2, WalkDepth::Infinity { budget: 9 }),
    ] {
        let a = Arc::new(Faulty::new(MemoryStore::new()));
        let root = Arc::<MemoryStore>::default();
        let store = Mounts::new([(path(""), root as Arc<dyn Store>), (path("a"), a.clone())]);
        a.arm(nth, Fault::Fails(FailureKind::Internal));
        let (walk, mut met) = (Walk { depth, select: Select::None }, Vec::new());
        let walked = store.walk(&path(""), &walk, &mut |visit| {
            met.push(format!("{visit:?}"));
            ControlFlow::Continue(())
        });
        assert!(walked.is_ok());
        assert_eq!(met, ["Failure(ResourcePath(/a), Internal)"]);
    }
}

const POINTS: [&str; 2] = ["a", "a/b"];

fn mount_at(of: &ResourcePath) -> ResourcePath {
    let around = POINTS.iter().rev().map(path).find(|point| point.contains(of));
    around.unwrap_or_default()
}

/// What a single store that holds all that can be seen says of a step, one rule after the other.
fn expected(all: &MemoryStore, locks: &dyn LockView, step: Step) -> String {
    let (subject, at) = (step.subject().clone(), mount_at(step.subject()));
    let taken = || step.vacates().chain(step.duplicates());
    let is_around = |tree: &&ResourcePath| POINTS.iter().any(|point| tree.is_above(&path(point)));
    let is_point = |tree: &&ResourcePath| POINTS.iter().any(|point| **tree == path(point));
    let crosses = step.arrives_at().filter(|target| mount_at(target) != at);
    let refusal = match (taken().find(is_around), crosses, step.vacates().find(is_point)) {
        (Some(tree), ..) | (None, Some(_), Some(tree)) => format!("Forbidden {tree}"),
        (None, Some(target), None) => format!("CrossStore {target}"),
        (None, None, _) if is_point(&&subject) => {
            match format!("{step:?}").split_once("action: ") {
                Some((_, put)) if put.starts_with("Put ") => format!("IsCollection {subject}"),
                Some((_, mkcol)) if mkcol.starts_with("MakeCollection ") => {
                    format!("Exists {subject}")
                }
                Some((_, remove)) if remove.starts_with("Remove ") => {
                    format!("Forbidden {subject}")
                }
                _ => String::new(),
            }
        }
        (None, None, _) => String::new(),
    };
    let is_alone = crosses.is_none() && taken().find(is_around).is_none();
    let sees_all = step.watches().any(|path| mount_at(path) != at);
    if !refusal.is_empty() && is_alone && !sees_all {
        // The shape of a step on a root comes before all that its store sees.
        return refusal;
    }
    if !refusal.is_empty() {
        let view = One { all, locks };
        return match step.open(&view) {
            Err(failure) => verdict(&Err(failure)),
            Ok(_) if view.entry(&subject).unwrap().is_none() => format!("NotFound {subject}"),
            Ok(_) => refusal,
        };
    }
    match apply(all, locks, run(vec![step])).pop().unwrap() {
        Err(failure) if failure.kind == FailureKind::Locked && !sees_all => {
            let root = if failure.path.is_above(&at) { at } else { failure.path.clone() };
            verdict(&Err(Failure { path: root, ..failure }))
        }
        outcome => verdict(&outcome),
    }
}

struct One<'a> {
    all: &'a dyn Store,
    locks: &'a dyn LockView,
}

impl View for One<'_> {
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        self.all.find(path)
    }
    fn locks(&self) -> &dyn LockView {
        self.locks
    }
}

/// Entity tags of one store that are no other's.
fn spend_tags(store: &MemoryStore, count: usize) {
    given(store, (0..count).map(|_| put("spent", "")));
    given(store, [remove("spent")]);
}

fn furnish(store: &dyn Store) {
    given(store, [put("a/a", "x"), put("a/b/a", "y"), mkcol("a/b/b"), mkcol("b"), put("b/a", "z")]);
    given(store, [patch("a", [set("p", "a")]), patch("a/b/a", [set("p", "b")])]);
}

/// All or nothing can't be had over several stores: that is another thing, tested by itself.
const NOT_WHOLE: Capabilities = Capabilities { atomic: false, ..Capabilities::ALL };

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]
    #[test]
    fn mounts_are_like_one_store(scenes in vec(scene(NOT_WHOLE), 1..4)) {
        let (store, stores) = three();
        (1..3).for_each(|nth| spend_tags(&stores[nth], nth * 500));
        given(&stores[0], [mkcol("a"), put("a/hidden", "x"), mkcol("a/b")]);
        let all = MemoryStore::new();
        given(&all, POINTS.map(mkcol));
        furnish(&store);
        furnish(&all);
        for scene in scenes {
            let locks = held(scene.locks.iter().cloned());
            let told = apply(&store, &locks, scene.steps(&store));
            let plain = scene.steps(&all);
            let (mut course, mut needed) = (None, Needed::by(&plain.steps));
            let expected: Vec<_> = plain.steps.into_iter().map(|mut step| {
                let (index, subject) = (step.index(), step.subject().clone());
                needed.settle(&mut step);
                let verdict = match needed.check(&step) {
                    Ok(()) if course.is_none() => expected(&all, &locks, step),
                    _ => format!("Dependency {subject}"),
                };
                let failed = !matches!(verdict.as_str(), "created" | "done");
                course = course.or((failed && plain.on_failure == OnFailure::Stop).then_some(()));
                let failure = Failure::new(FailureKind::Internal, subject);
                needed.note(index, &if failed { Err(failure) } else { Ok(Done::default()) });
                verdict
            }).collect();
            prop_assert_eq!(told.iter().map(verdict).collect::<Vec<_>>(), expected);
            prop_assert_eq!(snapshot(&store), snapshot(&all));
        }
    }
}

/// Also where a run needs several stores, or asks for what they can't do together.
#[test]
fn mounts_are_rehearsed_side_by_side() {
    let make = || {
        let (store, stores) = three();
        given(&stores[0], [mkcol("a"), put("a/hidden", "x"), mkcol("a/b")]);
        store
    };
    compare(128, vec(scene(Capabilities::ALL), 1..4), make, furnish);
}

/// A store of which nothing is asked keeps nobody waiting; one that can't be rehearsed fails alone.
#[test]
fn a_mount_is_rehearsed_once_it_is_needed() {
    let unable = Arc::new(Faulty::new(MemoryStore::new()));
    let root = Arc::<MemoryStore>::default();
    let store = Mounts::new([(path(""), root as Arc<dyn Store>), (path("a"), unable.clone())]);
    let rehearsal = Arc::new(store).rehearsal().unwrap();
    assert_eq!(unable.calls(), 0);
    let told = tell(&rehearsal, [mkcol("b"), mkcol("a/c"), put("b/f", "x")]);
    assert_eq!(told, ["created", "Unsupported /a/c", "created"]);
    assert_eq!(unable.calls(), 0);
}

#[test]
fn each_lock_is_kept_where_it_belongs() {
    let own: [Arc<MemoryLedger>; 2] = Default::default();
    let shared = Arc::new(MemoryLedger::default());
    let open = || {
        let ledger = |nth: usize| Some(own[nth].clone() as Arc<dyn Ledger>);
        let mounts = [(path("a/b"), ledger(1)), (path(""), ledger(0)), (path("a"), None)];
        MountLedger::new(mounts, shared.clone())
    };
    let ledger = open();
    let keep = |joined: &str| {
        ledger.keep_lock(&lock(&format!("urn:{joined}"), joined), Durability::Full).unwrap();
    };
    ["", "f", "a", "a/f", "a/b", "a/b/f"].into_iter().for_each(keep);
    let roots = |ledger: &dyn Ledger| {
        let roots = ledger.locks().unwrap().into_iter().map(|lock| lock.root.to_string());
        roots.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(roots(&*own[0]), ["/", "/f"]);
    assert_eq!(roots(&*own[1]), ["/", "/f"]);
    assert_eq!(roots(&*shared), ["/a", "/a/f"]);
    let all = ["/", "/a", "/a/b", "/a/b/f", "/a/f", "/f"];
    assert_eq!(roots(&ledger), all);
    let ledger = open();
    assert_eq!(roots(&ledger), all);
    let tokens = ["urn:f", "urn:a/b/f", "urn:a", "urn:none"].map(LockToken::new);
    ledger.forget_locks(&tokens, Durability::Full).unwrap();
    assert_eq!(roots(&*own[0]), ["/"]);
    assert_eq!(roots(&*own[1]), ["/"]);
    assert_eq!(roots(&*shared), ["/a/f"]);
}

#[test]
fn a_lock_on_what_is_hidden_by_now_is_not_told() {
    let root = Arc::new(MemoryLedger::default());
    root.keep_lock(&lock("urn:f", "a/f"), Durability::Full).unwrap();
    let own =
        [(path(""), root.clone() as Arc<dyn Ledger>), (path("a"), Arc::<MemoryLedger>::default())];
    let own = own.map(|(path, ledger)| (path, Some(ledger)));
    let ledger = MountLedger::new(own, Arc::<MemoryLedger>::default());
    assert!(ledger.locks().unwrap().is_empty());
    ledger.forget_locks(&[LockToken::new("urn:f")], Durability::Full).unwrap();
    assert_eq!(root.locks().unwrap().len(), 1);
}

#[test]
fn a_ledger_that_fails_keeps_its_locks() {
    let faulty = Arc::new(Faulty::new(MemoryLedger::default()));
    let own = [(path("a"), Some(faulty.clone() as Arc<dyn Ledger>))];
    let ledger = MountLedger::new(own, Arc::<MemoryLedger>::default());
    ledger.keep_lock(&lock("urn:a", "a/f"), Durability::Full).unwrap();
    faulty.arm(1, Fault::Fails(FailureKind::NoSpace));
    let tokens = [LockToken::new("urn:a")];
    let failure = ledger.forget_locks(&tokens, Durability::Full).unwrap_err();
    assert_eq!((failure.kind, failure.path), (FailureKind::NoSpace, path("a")));
    assert_eq!(ledger.locks().unwrap().len(), 1);
    ledger.forget_locks(&tokens, Durability::Full).unwrap();
    assert!(ledger.locks().unwrap().is_empty());
}
