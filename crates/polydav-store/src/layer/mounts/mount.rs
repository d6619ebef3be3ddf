//! `Mount`: a store whose paths are others outside than in it.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::run::{Done, Outcome, Report, Run};
use crate::store::{Broken, Capabilities, Reading, Space, Stage, Store, Visit, Walk};
use crate::{
    Added, Commit, Entry, Failure, Fate, Fields, Listed, Lock, LockView, Page, Receipt,
    ResourcePath, Select, Witness,
};

use super::rehearsed::Rehearsed;

/// A store at a path. Questions and answers are in paths of the outside.
pub(super) struct Mount {
    /// Where it lies, outside.
    pub(super) path: ResourcePath,
    /// What lies there, in the store.
    root: ResourcePath,
    store: Arc<dyn Store>,
}

impl Mount {
    /// The root of `store` at `path`.
    pub(super) fn new(path: ResourcePath, store: Arc<dyn Store>) -> Self {
        Self { path, root: ResourcePath::root(), store }
    }

    /// The collection `root` of `store` as if it were a store of its own.
    #[cfg(test)]
    pub(super) fn of_collection(root: ResourcePath, store: Arc<dyn Store>) -> Self {
        Self { path: ResourcePath::root(), root, store }
    }

    /// The same place of the same store, where nothing comes of a change.
    pub(super) fn rehearsal(&self) -> Self {
        let store = Arc::new(Rehearsed::new(Arc::clone(&self.store)));
        Self { path: self.path.clone(), root: self.root.clone(), store }
    }

    /// Whether paths are the same outside and inside.
    fn is_plain(&self) -> bool {
        self.path == self.root
    }

    fn inside<'p>(&self, path: &'p ResourcePath) -> Cow<'p, ResourcePath> {
        if self.is_plain() {
            return Cow::Borrowed(path);
        }
        path.rebase(&self.path, &self.root).map_or(Cow::Borrowed(path), Cow::Owned)
    }

    fn outside(&self, path: ResourcePath) -> ResourcePath {
        if self.is_plain() {
            return path;
        }
        path.rebase(&self.root, &self.path).unwrap_or(path)
    }

    fn entry(&self, mut entry: Entry) -> Entry {
        entry.path = self.outside(entry.path);
        entry
    }

    fn found(&self, found: Result<Entry, Failure>) -> Result<Entry, Failure> {
        found.map(|entry| self.entry(entry)).map_err(|failure| self.failure(failure))
    }

    fn opened(&self, opened: Result<Reading, Failure>) -> Result<Reading, Failure> {
        match opened {
            Ok(Reading { entry, content }) => Ok(Reading { entry: self.entry(entry), content }),
            Err(failure) => Err(self.failure(failure)),
        }
    }

    fn visit(&self, met: Visit) -> Visit {
        match met {
            Visit::Entry(entry) => Visit::Entry(self.entry(entry)),
            Visit::Cut(entry) => Visit::Cut(self.entry(entry)),
            Visit::Failure(path, kind) => Visit::Failure(self.outside(path), kind),
        }
    }

    /// What the names of its commits begin with, outside.
    pub(super) fn name(&self) -> Vec<u8> {
        [self.path.as_bytes(), b"\0"].concat()
    }

    fn failure(&self, failure: Failure) -> Failure {
        failure.rebase(&self.root, &self.path)
    }

    fn outcome(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Ok(done) => {
                let outside = |added: Added| Added { path: self.outside(added.path), ..added };
                Ok(Done { added: done.added.map(outside), ..done })
            }
            Err(failure) => Err(self.failure(failure)),
        }
    }
}

impl Store for Mount {
    fn capabilities(&self, path: &ResourcePath) -> Capabilities {
        self.store.capabilities(&self.inside(path))
    }

    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        self.found(self.store.stat(&self.inside(path), select))
    }

    fn try_stat(&self, path: &ResourcePath, select: &Select) -> Option<Result<Entry, Failure>> {
        self.store.try_stat(&self.inside(path), select).map(|found| self.found(found))
    }

    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        if self.is_plain() {
            return self.store.walk(root, walk, visit);
        }
        self.store
            .walk(&self.inside(root), walk, &mut |met| visit(self.visit(met)))
            .map_err(|failure| self.failure(failure))
    }

    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        self.opened(self.store.read(&self.inside(path)))
    }

    fn try_read(&self, path: &ResourcePath) -> Option<Result<Reading, Failure>> {
        self.store.try_read(&self.inside(path)).map(|opened| self.opened(opened))
    }

    fn list(
        &self,
        collection: &ResourcePath,
        page: &Page,
        visit: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.store
            .list(&self.inside(collection), page, visit)
            .map_err(|failure| self.failure(failure))
    }

    fn locate(&self, collection: &ResourcePath, record: &Fields) -> Result<ResourcePath, Failure> {
        let located = self.store.locate(&self.inside(collection), record);
        located.map(|path| self.outside(path)).map_err(|failure| self.failure(failure))
    }

    fn stage(&self, target: &ResourcePath, length: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        self.store.stage(&self.inside(target), length).map_err(|failure| self.failure(failure))
    }

    /// All paths of the steps, those that their conditions look at included, lie in the mount.
    fn apply(
        &self,
        mut run: Run,
        locks: &dyn LockView,
        report: &mut dyn Report,
    ) -> Result<(), Broken> {
        if self.is_plain() {
            return self.store.apply(run, locks, &mut ReportOutside { mount: self, report });
        }
        run.steps.iter_mut().for_each(|step| step.rebase(&self.path, &self.root));
        let locks = LocksInside { mount: self, locks };
        self.store.apply(run, &locks, &mut ReportOutside { mount: self, report })
    }

    fn fate(&self, commit: &Witness) -> Result<Fate, Failure> {
        match commit.as_bytes().strip_prefix(&*self.name()) {
            Some(name) => {
                self.store.fate(&Witness::new(name)).map_err(|failure| self.failure(failure))
            }
            None => Ok(Fate::Unknown),
        }
    }

    fn space(&self, path: &ResourcePath) -> Result<Option<Space>, Failure> {
        self.store.space(&self.inside(path)).map_err(|failure| self.failure(failure))
    }
}

/// Takes what the store of a mount reports.
struct ReportOutside<'a> {
    mount: &'a Mount,
    report: &'a mut dyn Report,
}

impl Report for ReportOutside<'_> {
    fn outcome(&mut self, index: usize, outcome: Outcome) {
        self.report.outcome(index, self.mount.outcome(outcome));
    }

    fn keeps_receipts(&self) -> bool {
        self.report.keeps_receipts()
    }

    fn receipt(&mut self, receipt: Receipt) -> Result<(), Failure> {
        let Receipt { commit, outcomes } = receipt;
        let commit = match commit {
            Commit::Named(inside) => {
                let name = [&self.mount.name(), inside.as_bytes()].concat();
                Commit::Named(Witness::new(name))
            }
            commit => commit,
        };
        let outcomes = outcomes.into_iter();
        let outcomes = outcomes.map(|(index, outcome)| (index, self.mount.outcome(outcome)));
        self.report.receipt(Receipt { commit, outcomes: outcomes.collect() })
    }

    fn confirm(&mut self) {
        self.report.confirm();
    }
}

/// The locks as the store of a mount sees them.
struct LocksInside<'a> {
    mount: &'a Mount,
    locks: &'a dyn LockView,
}

impl LocksInside<'_> {
    /// A lock from above covers the mount as a whole: here it is one on the root.
    fn told(&self, lock: &Lock) -> Arc<Lock> {
        let Mount { path, root, .. } = self.mount;
        let root = lock.root.rebase(path, root).unwrap_or_else(|| root.clone());
        Arc::new(Lock { root, ..lock.clone() })
    }

    fn ask(
        &self,
        path: &ResourcePath,
        question: impl FnOnce(&ResourcePath) -> Vec<Arc<Lock>>,
    ) -> Vec<Arc<Lock>> {
        let Some(path) = path.rebase(&self.mount.root, &self.mount.path) else {
            return Vec::new();
        };
        question(&path).iter().map(|lock| self.told(lock)).collect()
    }
}

impl LockView for LocksInside<'_> {
    fn is_empty(&self) -> bool {
        self.locks.is_empty()
    }

    fn covering(&self, path: &ResourcePath) -> Vec<Arc<Lock>> {
        self.ask(path, |path| self.locks.covering(path))
    }

    fn rooted_under(&self, path: &ResourcePath) -> Vec<Arc<Lock>> {
        self.ask(path, |path| self.locks.rooted_under(path))
    }
}
