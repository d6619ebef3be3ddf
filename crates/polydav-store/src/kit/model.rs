//! The model test: random runs come out on a store as they do in memory.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use super::condition::{Conditions, conditions, locks};
use super::draft::{
    Draft, Held, copy, copy_alone, held, mkcol, patch, put, put_content, remove, rename, set, unset,
};
use super::rehearsal::{self, Act as _};
use super::scene::{Snapshot, apply, given, run, snapshot, stage_for, steps, verdict};
use crate::{Capabilities, Lock, MemoryStore, OnFailure, Outcome, ResourcePath, Run, Store};

/// Runs `cases` random scenarios on a fresh store each and on a [`MemoryStore`]; after every run
/// the [verdicts](super::verdict) and all there is must be the same.
///
/// # Panics
/// With the smallest scenario found in which they aren't.
pub fn model<S: Store>(cases: u32, make: impl Fn() -> S) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let can = make().capabilities(&super::path(""));
    let result = runner.run(&vec(scene(can), 1..4), |scenes| {
        let (store, model) = (make(), MemoryStore::new());
        furnish(&store);
        furnish(&model);
        scenes.iter().try_for_each(|scene| scene.check(&store, &model))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Puts something there, so that most steps find what they want.
pub(crate) fn furnish(store: &dyn Store) {
    given(store, [mkcol("a"), put("a/a", "x"), mkcol("a/b"), put("a/b/a", "y"), mkcol("b")]);
    if store.capabilities(&super::path("")).properties {
        given(store, ["a", "a/a", "a/b/a"].map(|target| patch(target, [set("p", target)])));
    }
}

/// One run, and the locks that are held meanwhile.
#[derive(Debug)]
pub(crate) struct Scene {
    acts: Vec<(Act, Conditions)>,
    pub(crate) locks: Vec<Lock>,
    on_failure: OnFailure,
}

/// What a step does; paths are joined by slashes.
#[derive(Debug)]
enum Act {
    Put { target: String, content: String, staged: bool },
    MakeCollection(String),
    Remove(String),
    Copy { source: String, target: String, alone: bool, refuse: bool },
    Rename { source: String, target: String, refuse: bool },
    Patch { target: String, changes: Vec<(&'static str, Option<String>)> },
}

impl Scene {
    pub(crate) fn check(&self, store: &dyn Store, model: &dyn Store) -> TestCaseResult {
        let told = self.perform(store);
        let expected = self.perform(model);
        prop_assert_eq!(told, expected, "what is told (left), and what should be");
        let properties = store.capabilities(&super::path("")).properties;
        let there = visible(snapshot(store), properties);
        let expected = visible(snapshot(model), properties);
        prop_assert_eq!(there, expected, "what is there (left), and what should be");
        Ok(())
    }

    /// The run, with the entity tags that files have in `store` now.
    pub(crate) fn steps(&self, store: &dyn Store) -> Run {
        let tags = self.tags(store);
        let acts = self.acts.iter().enumerate();
        let drafts = acts.map(|(at, (act, guard))| guard.on(act.draft(store), at, &tags));
        Run { on_failure: self.on_failure, ..run(steps(drafts)) }
    }

    /// The tags files have now. Whether a file keeps its tag when it is moved is up to its store,
    /// so those that a move of this run may concern are left out.
    fn tags(&self, store: &dyn Store) -> BTreeMap<String, String> {
        let moved: Vec<ResourcePath> = self.acts.iter().flat_map(|(act, _)| act.moves()).collect();
        let all = snapshot(store).into_keys();
        let still = all.filter(|path| !moved.iter().any(|moved| moved.overlaps(path)));
        let tag = |path: ResourcePath| {
            let entry = store.stat(&path, &crate::Select::None).ok()?;
            let joined = String::from_utf8(path.as_bytes().to_vec()).ok()?;
            Some((joined, entry.etag?.as_str().to_owned()))
        };
        still.filter_map(tag).collect()
    }
}

impl rehearsal::Act for Scene {
    fn perform(&self, store: &dyn Store) -> Vec<String> {
        let locks: Held = held(self.locks.iter().cloned());
        let outcomes: Vec<Outcome> = apply(store, &locks, self.steps(store));
        outcomes.iter().map(verdict).collect()
    }
}

fn visible(mut snapshot: Snapshot, properties: bool) -> Snapshot {
    if !properties {
        snapshot.values_mut().for_each(|resource| resource.properties.clear());
    }
    snapshot
}

impl Act {
    fn draft(&self, store: &dyn Store) -> Draft {
        let may = |draft: Draft, refuse: &bool| if *refuse { draft.refuse() } else { draft };
        match self {
            Self::Put { target, content, staged: true } => {
                put_content(target, stage_for(store, target, [content.as_bytes()]))
            }
            Self::Put { target, content, staged: false } => put(target, content.clone()),
            Self::MakeCollection(target) => mkcol(target),
            Self::Remove(target) => remove(target),
            Self::Copy { source, target, alone: true, refuse } => {
                may(copy_alone(source, target), refuse)
            }
            Self::Copy { source, target, alone: false, refuse } => {
                may(copy(source, target), refuse)
            }
            Self::Rename { source, target, refuse } => may(rename(source, target), refuse),
            Self::Patch { target, changes } => {
                let change = |(local, value): &(&str, Option<String>)| match value {
                    Some(value) => set(local, value.clone()),
                    None => unset(local),
                };
                patch(target, changes.iter().map(change))
            }
        }
    }

    fn moves(&self) -> Vec<ResourcePath> {
        match self {
            Self::Rename { source, target, .. } => vec![super::path(source), super::path(target)],
            _ => Vec::new(),
        }
    }
}

/// Few names, so that steps meet; mostly near the root, so that parents exist.
fn joined() -> BoxedStrategy<String> {
    let name = || prop::sample::select(vec!["a", "b"]);
    let at = move |depth| vec(name(), depth).prop_map(|names| names.join("/"));
    prop_oneof![8 => at(1), 8 => at(2), 4 => at(3), 1 => at(0)].boxed()
}

/// Runs of steps that meet each other and the locks.
pub(crate) fn scene(can: Capabilities) -> impl Strategy<Value = Scene> {
    let acts = vec((act(can), conditions(joined)), 1..20);
    let parts = (acts, locks(joined), on_failure(can));
    parts.prop_map(|(acts, locks, on_failure)| Scene { acts, locks, on_failure })
}

/// What a failure means, mostly nothing.
pub(super) fn on_failure(can: Capabilities) -> impl Strategy<Value = OnFailure> {
    prop_oneof![
        8 => Just(OnFailure::Continue),
        1 => Just(OnFailure::Stop),
        if can.atomic { 3 } else { 0 } => Just(OnFailure::UndoAll),
    ]
}

fn act(can: Capabilities) -> impl Strategy<Value = Act> {
    let two = || (joined(), joined());
    let change = (prop::sample::select(vec!["p", "q"]), weighted(0.7, "[0-9]{0,2}"));
    prop_oneof![
        6 => (joined(), "[a-z]{0,3}", any::<bool>())
            .prop_map(|(target, content, staged)| Act::Put { target, content, staged }),
        6 => joined().prop_map(Act::MakeCollection),
        2 => joined().prop_map(Act::Remove),
        4 => (two(), any::<bool>(), any::<bool>()).prop_map(|((source, target), alone, refuse)| {
            Act::Copy { source, target, alone, refuse }
        }),
        4 => (two(), any::<bool>())
            .prop_map(|((source, target), refuse)| Act::Rename { source, target, refuse }),
        // The last one: only there a weight may be 0.
        if can.properties { 4 } else { 0 } => (joined(), vec(change, 0..4))
            .prop_map(|(target, changes)| Act::Patch { target, changes }),
    ]
}

/// The model itself is held against functions over a map of strings.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::{Resource, tell};
    use crate::{FailureKind, Kind};

    /// By path, the content of a file or `None` for a collection, and properties.
    type Plain = BTreeMap<String, (Option<String>, BTreeMap<String, String>)>;

    fn within(root: &str, path: &str) -> bool {
        root.is_empty() || path == root || path.starts_with(&format!("{root}/"))
    }

    fn check_parent(tree: &Plain, path: &str) -> Result<(), FailureKind> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        match tree.get(parent) {
            Some((None, _)) => Ok(()),
            _ => Err(FailureKind::ParentMissing),
        }
    }

    /// Changes `tree` as the act says; returns whether something came to be where nothing was.
    fn perform(tree: &mut Plain, act: &Act) -> Result<bool, FailureKind> {
        match act {
            Act::Put { target, content, .. } => {
                match tree.get(target) {
                    Some((None, _)) => return Err(FailureKind::IsCollection),
                    _ => check_parent(tree, target)?,
                }
                let created = !tree.contains_key(target);
                tree.entry(target.clone()).or_default().0 = Some(content.clone());
                Ok(created)
            }
            Act::MakeCollection(target) if tree.contains_key(target) => Err(FailureKind::Exists),
            Act::MakeCollection(target) => {
                check_parent(tree, target)?;
                tree.insert(target.clone(), (None, BTreeMap::new()));
                Ok(true)
            }
            Act::Remove(target) if target.is_empty() => Err(FailureKind::Forbidden),
            Act::Remove(target) if !tree.contains_key(target) => Err(FailureKind::NotFound),
            Act::Remove(target) => {
                tree.retain(|path, _| !within(target, path));
                Ok(false)
            }
            Act::Copy { source, target, alone, refuse } => {
                let below = within(source, target) && (source == target || !alone);
                double(tree, (source, target), below, *refuse, *alone)
            }
            Act::Rename { source, target, refuse } => {
                let created =
                    double(tree, (source, target), within(source, target), *refuse, false)?;
                tree.retain(|path, _| !within(source, path));
                Ok(created)
            }
            Act::Patch { target, changes } => {
                let (_, properties) = tree.get_mut(target).ok_or(FailureKind::NotFound)?;
                for (name, value) in changes {
                    properties.remove(*name);
                    properties.extend(value.clone().map(|value| ((*name).to_owned(), value)));
                }
                Ok(false)
            }
        }
    }

    fn double(
        tree: &mut Plain,
        (source, target): (&str, &str),
        below: bool,
        refuse: bool,
        alone: bool,
    ) -> Result<bool, FailureKind> {
        if below || within(target, source) {
            return Err(FailureKind::Overlap);
        }
        if !tree.contains_key(source) {
            return Err(FailureKind::NotFound);
        }
        check_parent(tree, target)?;
        let created = !tree.contains_key(target);
        if refuse && !created {
            return Err(FailureKind::TargetExists);
        }
        let old = tree.clone();
        tree.retain(|path, _| !within(target, path));
        for (path, node) in old {
            if path == source || (within(source, &path) && !alone) {
                let rest = path[source.len()..].to_owned();
                tree.insert(format!("{target}{rest}"), node);
            }
        }
        Ok(created)
    }

    fn plain(store: &dyn Store) -> Plain {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let node = |resource: Resource| {
            let content = (resource.kind == Kind::File).then(|| text(&resource.content));
            let properties = resource.properties.iter();
            (content, properties.map(|(name, value)| (name.local().into(), text(value))).collect())
        };
        let all = snapshot(store).into_iter();
        all.map(|(path, resource)| (text(path.as_bytes()), node(resource))).collect()
    }

    proptest! {
        #[test]
        fn the_model_does_what_plain_functions_do(acts in vec(act(Capabilities::ALL), 1..30)) {
            let store = MemoryStore::new();
            furnish(&store);
            let mut tree = plain(&store);
            for act in &acts {
                let told = tell(&store, [act.draft(&store)]).concat();
                let expected = match perform(&mut tree, act) {
                    Ok(true) => "created".to_owned(),
                    Ok(false) => "done".to_owned(),
                    Err(kind) => format!("{kind:?}"),
                };
                prop_assert_eq!(told.split(' ').next(), Some(expected.as_str()), "{:?}", act);
                prop_assert_eq!(plain(&store), tree.clone(), "after {:?}", act);
            }
        }
    }
}
