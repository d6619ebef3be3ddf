//! `Mounts`: several stores side by side, each at a path of its own.
//!
//! Every path belongs to the mount with the longest prefix. There is always one at the root. What
//! lies at or under a mount point in the store around it is hidden; the mount point is a member of
//! the collection it lies in, whether that store knows it or not.
//!
//! A step goes to the store that its paths lie in. What would need two stores, or would take a
//! mount along or away, is refused here, after its conditions and locks were judged against all
//! mounts together.

mod journey;
mod ledger;
mod mount;
mod rehearsed;
#[cfg(test)]
mod tests;
mod tour;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::guard::{Guard, View};
use crate::run::{Cancel, Course, Durability, OnFailure, Outcome, Report, Run, RunId};
use crate::step::{Action, Step};
use crate::store::{Broken, Capabilities, Reading, Space, Stage, Store, Visit, Walk};
use crate::{
    Entry, Failure, FailureKind, Fate, Fields, Listed, LockView, MemoryStore, NoLocks, Page,
    ResourcePath, Select, Witness,
};

use super::ReadOnly;
use journey::Journey;
pub use ledger::MountLedger;
use mount::Mount;
use tour::Tour;

/// Stores side by side.
pub struct Mounts {
    /// In the order of their paths; the first is at the root.
    mounts: Vec<Mount>,
}

/// Where a step goes.
enum Route {
    /// To the mount of this number.
    To(usize),
    /// Nowhere: it is refused for this reason, which concerns this path.
    Nowhere(FailureKind, ResourcePath, &'static str),
}

const TWO_MOUNTS: &str = "source and destination are in different mounts";
const MOUNT_POINT: &str = "a mount can't be moved or replaced";
const BENEATH: &str = "a mount lies beneath it";
const ONE_MOUNT: &str = "all or nothing can be done within one mount alone";

impl Mounts {
    /// These stores, each at its path. Without one at the root there is a collection there that
    /// takes no changes, and holds the collections that the others lie in.
    ///
    /// # Panics
    /// If two are at the same path.
    pub fn new(stores: impl IntoIterator<Item = (ResourcePath, Arc<dyn Store>)>) -> Self {
        let mut mounts: Vec<_> =
            stores.into_iter().map(|(path, store)| Mount::new(path, store)).collect();
        if !mounts.iter().any(|mount| mount.path.is_root()) {
            let store = scaffold(mounts.iter().map(|mount| &mount.path));
            mounts.push(Mount::new(ResourcePath::root(), Arc::new(store)));
        }
        mounts.sort_by(|a, b| a.path.cmp(&b.path));
        let twice = mounts.windows(2).find(|pair| pair[0].path == pair[1].path);
        assert!(twice.is_none(), "two stores are mounted at one path");
        Self { mounts }
    }

    /// The number of the mount that `path` belongs to.
    fn number_of(&self, path: &ResourcePath) -> usize {
        // Of the mounts that contain it, the last in order is the innermost.
        self.mounts.iter().rposition(|mount| mount.path.contains(path)).unwrap_or(0)
    }

    fn mount_of(&self, path: &ResourcePath) -> &Mount {
        &self.mounts[self.number_of(path)]
    }

    /// The mounts strictly under `path`, outer ones first.
    fn beneath(&self, path: &ResourcePath) -> impl Iterator<Item = &Mount> {
        self.mounts.iter().filter(|mount| path.is_above(&mount.path))
    }

    fn route(&self, step: &Step) -> Route {
        use FailureKind::{CrossStore, Forbidden};
        let mut trees = step.vacates().chain(step.duplicates());
        if let Some(tree) = trees.find(|tree| self.beneath(tree).next().is_some()) {
            return Route::Nowhere(Forbidden, tree.clone(), BENEATH);
        }
        let to = self.number_of(step.subject());
        let Some(target) = step.arrives_at().filter(|target| self.number_of(target) != to) else {
            // A mount point is the root of its store, which no store lets go.
            return Route::To(to);
        };
        match step.vacates().find(|tree| self.mounts.iter().any(|mount| mount.path == **tree)) {
            Some(point) => Route::Nowhere(Forbidden, point.clone(), MOUNT_POINT),
            None => Route::Nowhere(CrossStore, target.clone(), TWO_MOUNTS),
        }
    }

    /// Whether a step of this mount has conditions on resources of another.
    fn looks_beyond(&self, mount: usize, step: &Step) -> bool {
        step.watches().any(|resource| self.number_of(resource) != mount)
    }

    /// The mount that all the steps, and all their conditions, are about; `None` if it isn't one.
    fn only(&self, steps: &[Step]) -> Option<&Mount> {
        if let [root] = &self.mounts[..] {
            return Some(root);
        }
        let mut only = None;
        for step in steps {
            match self.route(step) {
                Route::To(mount)
                    if *only.get_or_insert(mount) == mount && !self.looks_beyond(mount, step) => {}
                _ => return None,
            }
        }
        self.mounts.get(only.unwrap_or(0))
    }

    /// Judges a step that no store can do, as a store would, and says why it can't be done.
    fn refuse(
        &self,
        step: Step,
        locks: &dyn LockView,
        (kind, path, detail): (FailureKind, ResourcePath, &str),
    ) -> Outcome {
        let view = Whole { mounts: self, locks };
        let permit = step.open(&view)?;
        let subject = permit.action.subject();
        if view.entry(subject)?.is_none() {
            return Err(Failure::new(FailureKind::NotFound, subject.clone()));
        }
        Err(Failure::new(kind, path).with_detail(detail))
    }
}

/// Runs that are to be done whole.
impl Mounts {
    /// Refuses a run that no store can do whole: because of a step that none can do at all, or because
    /// it takes several.
    fn refuse_whole(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) {
        let culprit = run.steps.iter().enumerate().find_map(|(at, step)| match self.route(step) {
            Route::Nowhere(kind, path, detail) => Some((at, (kind, path, detail))),
            Route::To(_) => None,
        });
        let Some((culprit, why)) = culprit else {
            let failure = Failure::new(FailureKind::CrossStore, ResourcePath::root());
            let failure = failure.with_detail(ONE_MOUNT);
            return Course::of(&run).refuse(&run.steps, &failure, report);
        };
        let mut why = Some(why);
        for (at, mut step) in run.steps.into_iter().enumerate() {
            // It is at fault, whatever becomes of those it needs.
            step.retain_needs(|_| false);
            let (index, subject) = (step.index(), step.subject().clone());
            let outcome = match why.take_if(|_| at == culprit) {
                Some(why) => self.refuse(step, locks, why),
                None => Err(Failure::new(FailureKind::Dependency, subject)),
            };
            report.outcome(index, outcome);
        }
    }
}

/// A store that holds nothing but the collections above these paths.
fn scaffold<'a>(paths: impl Iterator<Item = &'a ResourcePath>) -> ReadOnly<MemoryStore> {
    let above: BTreeSet<_> = paths.flat_map(ResourcePath::ancestors).collect();
    let make =
        |(index, target)| Step::new(index, Guard::default(), Action::MakeCollection { target });
    let run = Run {
        id: RunId(0),
        // In this order a collection comes before its members.
        steps: above.into_iter().filter(|path| !path.is_root()).enumerate().map(make).collect(),
        on_failure: OnFailure::Continue,
        durability: Durability::Relaxed,
        cancel: Cancel::never(),
    };
    let store = MemoryStore::new();
    let made = store.apply(run, &NoLocks, &mut |_, outcome: Outcome| {
        outcome.expect("nothing is in the way in an empty store");
    });
    made.expect("memory doesn't break");
    ReadOnly::new(store)
}

/// All mounts together, as clients see them.
struct Whole<'a> {
    mounts: &'a Mounts,
    locks: &'a dyn LockView,
}

impl View for Whole<'_> {
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        let mounts: &dyn Store = self.mounts;
        mounts.find(path)
    }

    fn locks(&self) -> &dyn LockView {
        self.locks
    }
}

impl Store for Mounts {
    fn capabilities(&self, path: &ResourcePath) -> Capabilities {
        self.mount_of(path).capabilities(path)
    }

    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        self.mount_of(path).stat(path, select)
    }

    fn try_stat(&self, path: &ResourcePath, select: &Select) -> Option<Result<Entry, Failure>> {
        self.mount_of(path).try_stat(path, select)
    }

    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        if self.beneath(root).next().is_none() {
            return self.mount_of(root).walk(root, walk, visit);
        }
        Tour::new(self, walk, visit).run(root)
    }

    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        self.mount_of(path).read(path)
    }

    fn try_read(&self, path: &ResourcePath) -> Option<Result<Reading, Failure>> {
        self.mount_of(path).try_read(path)
    }

    fn list(
        &self,
        collection: &ResourcePath,
        page: &Page,
        visit: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.mount_of(collection).list(collection, page, visit)
    }

    fn mounts(&self) -> Vec<ResourcePath> {
        self.mounts.iter().map(|mount| mount.path.clone()).collect()
    }

    fn locate(&self, collection: &ResourcePath, record: &Fields) -> Result<ResourcePath, Failure> {
        self.mount_of(collection).locate(collection, record)
    }

    fn stage(&self, target: &ResourcePath, length: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        self.mount_of(target).stage(target, length)
    }

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        match self.only(&run.steps) {
            Some(mount) => mount.apply(run, locks, report),
            None if run.on_failure == OnFailure::UndoAll => {
                self.refuse_whole(run, locks, report);
                Ok(())
            }
            None => Journey::new(self, &run, locks, report).run(run.steps),
        }
    }

    fn fate(&self, commit: &Witness) -> Result<Fate, Failure> {
        // The name of a commit begins with the path of its mount.
        let known = |mount: &&Mount| commit.as_bytes().starts_with(&mount.name());
        self.mounts.iter().find(known).map_or(Ok(Fate::Unknown), |mount| mount.fate(commit))
    }

    fn space(&self, path: &ResourcePath) -> Result<Option<Space>, Failure> {
        self.mount_of(path).space(path)
    }

    /// Each store's begins when something is asked of it.
    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Store>, Failure> {
        Ok(Arc::new(Self { mounts: self.mounts.iter().map(Mount::rehearsal).collect() }))
    }
}

impl fmt::Debug for Mounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.mounts.iter().map(|mount| &mount.path)).finish()
    }
}
