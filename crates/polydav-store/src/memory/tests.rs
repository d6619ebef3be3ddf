//! The store in memory, by itself and over another.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::kit::{
    conform, copy, copy_alone, furnish, given, lines, mkcol, model, patch, path, put, remove,
    rename, scene, set, snapshot, tag, tell, unset,
};
use crate::{
    Action, Cancel, Capabilities, Durability, Guard, NoLocks, OnFailure, RunId, WalkDepth,
};

/// A store in memory lets everything be done.
impl Ground for MemoryStore {
    fn meet(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        (self as &dyn Store).find(path)
    }
    fn members(
        &self,
        collection: &ResourcePath,
        visit: &mut dyn FnMut(Entry),
    ) -> Result<bool, FailureKind> {
        let walk = Walk { depth: WalkDepth::One, select: Select::None };
        let walked = self.walk(collection, &walk, &mut |met| {
            let Visit::Entry(entry) = met else { panic!("it is an entry: {met:?}") };
            visit(entry);
            ControlFlow::Continue(())
        });
        walked.map(|()| false).map_err(|failure| failure.kind)
    }
    fn check_action(&self, _: &Action) -> Result<(), Failure> {
        Ok(())
    }
    fn check_name(&self, _: &ResourcePath) -> Result<(), FailureKind> {
        Ok(())
    }
    fn check_holder(&self, _: &ResourcePath) -> Result<(), FailureKind> {
        Ok(())
    }
    fn check_leaving(
        &self,
        _: Option<&ResourcePath>,
        _: Option<&ResourcePath>,
    ) -> Result<(), FailureKind> {
        Ok(())
    }
    fn check_reading(&self, _: &ResourcePath) -> Result<(), FailureKind> {
        Ok(())
    }
}

fn over(ground: &Arc<MemoryStore>) -> MemoryStore {
    MemoryStore::over(ground.clone())
}

#[test]
fn what_is_put_is_read() {
    let store = MemoryStore::new();
    let target = ResourcePath::parse("a").unwrap();
    let content = Content::Inline(Bytes::from_static(b"hello"));
    let put = Action::Put { target: target.clone(), content, modified: None };
    let run = Run {
        id: RunId(1),
        steps: vec![Step::new(7, Guard::default(), put)],
        on_failure: OnFailure::Continue,
        durability: Durability::Full,
        cancel: Cancel::never(),
    };
    let mut told = Vec::new();
    store.apply(run, &NoLocks, &mut |index, outcome| told.push((index, outcome))).unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, 7);
    assert!(told[0].1.as_ref().unwrap().created);
    let mut buffer = [0; 9];
    let read = store.read(&target).unwrap().content.read_at(&mut buffer, 1).unwrap();
    assert_eq!(&buffer[..read], b"ello");
}

#[test]
fn a_store_over_an_empty_one_conforms() {
    conform(|| over(&Arc::default()));
    model(64, || over(&Arc::default()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]
    #[test]
    fn a_store_over_another_is_like_one_of_its_own(scenes in vec(scene(Capabilities::ALL), 1..4)) {
        let (ground, plain) = (Arc::<MemoryStore>::default(), MemoryStore::new());
        furnish(&*ground);
        furnish(&plain);
        let (shown, before) = (over(&ground), snapshot(&*ground));
        scenes.iter().try_for_each(|scene| scene.check(&shown, &plain))?;
        prop_assert_eq!(snapshot(&*ground), before);
    }
}

/// It holds what was asked for, not what that is about.
#[test]
fn a_tree_is_copied_and_moved_without_its_members() {
    let ground = Arc::<MemoryStore>::default();
    given(&*ground, [mkcol("t"), mkcol("t/d"), put("t/d/f", "1"), patch("t/d/f", [set("p", "1")])]);
    given(&*ground, (0..1_000).map(|n| put(format!("t/d/{n}"), "x")));
    let store = over(&ground);
    given(&store, [copy("t", "u"), copy("u", "v"), rename("t", "w"), copy_alone("u", "z")]);
    assert!(store.tree().known_count() < 10);
    given(
        &store,
        [put("u/d/f", "2"), remove("v/d/f"), patch("w/d/f", [unset("p"), set("q", "2")])],
    );
    let told = ["u/d/f", "w/d/f"].map(|at| content_of(&store, at));
    assert_eq!(told, ["2", "1"]);
    let there: Vec<_> = lines(&store).into_iter().filter(|line| line.contains("/f=")).collect();
    assert_eq!(there, ["/u/d/f=2 [p=1]", "/w/d/f=1 [q=2]"]);
    assert_eq!(
        tell(&store, [remove("t"), remove("z"), remove("u")]),
        ["NotFound /t", "done", "done"]
    );
}

fn content_of(store: &MemoryStore, at: &str) -> String {
    String::from_utf8(crate::kit::content(store, &path(at)).to_vec()).unwrap()
}

/// No condition that knows what was there takes what would be made for it.
#[test]
fn what_would_be_made_has_entity_tags_of_its_own() {
    let ground = Arc::<MemoryStore>::default();
    given(&*ground, [mkcol("d"), put("d/f", "1"), put("g", "1")]);
    let store = over(&ground);
    let (was, other) = (tag(&*ground, "d/f"), tag(&*ground, "g"));
    assert_eq!((tag(&store, "d/f"), tag(&store, "g")), (was.clone(), other));
    given(&store, [copy("d", "e"), rename("d", "m"), put("g", "2")]);
    assert_eq!(tag(&store, "m/f"), was);
    assert_ne!(tag(&store, "e/f"), was);
    for at in ["e/f", "g"] {
        let told = tell(&store, [put(at, "x").if_match(&was)]);
        assert_eq!(told, [format!("Precondition /{at}")]);
    }
}

#[test]
fn copies_of_copies_come_to_an_end() {
    let store = over(&Arc::default());
    given(&store, [mkcol("a"), put("a/f", "x"), mkcol("b")]);
    let twice = |n: usize| [copy("a", format!("b/{n}")), copy("b", format!("a/{n}"))];
    let told = tell(&store, (0..30).flat_map(twice));
    assert_eq!(told[0], "created");
    assert!(told.last().unwrap().starts_with("Exhausted"), "{told:?}");
}
