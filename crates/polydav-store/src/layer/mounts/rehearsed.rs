//! `Rehearsed`: the rehearsal of a store, begun when it is first needed.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use crate::run::{Course, Report, Run};
use crate::store::{Broken, Capabilities, Reading, Space, Stage, Store, Visit, Walk};
use crate::{Entry, Failure, Fields, Listed, LockView, Page, ResourcePath, Select};

/// A [rehearsal](Store::rehearsal) that keeps nobody waiting before something is asked of it. If it
/// can't be begun, that is what everything fails with.
pub(super) struct Rehearsed {
    store: Arc<dyn Store>,
    begun: OnceLock<Result<Arc<dyn Store>, Failure>>,
}

impl Rehearsed {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, begun: OnceLock::new() }
    }

    fn begun(&self, path: &ResourcePath) -> Result<&dyn Store, Failure> {
        match self.begun.get_or_init(|| Arc::clone(&self.store).rehearsal()) {
            Ok(store) => Ok(&**store),
            Err(failure) => Err(Failure { path: path.clone(), ..failure.clone() }),
        }
    }
}

impl Store for Rehearsed {
    fn capabilities(&self, path: &ResourcePath) -> Capabilities {
        self.store.capabilities(path)
    }

    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        self.begun(path)?.stat(path, select)
    }

    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.begun(root)?.walk(root, walk, visit)
    }

    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        self.begun(path)?.read(path)
    }

    fn list(
        &self,
        collection: &ResourcePath,
        page: &Page,
        visit: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.begun(collection)?.list(collection, page, visit)
    }

    fn locate(&self, collection: &ResourcePath, record: &Fields) -> Result<ResourcePath, Failure> {
        self.begun(collection)?.locate(collection, record)
    }

    fn stage(&self, target: &ResourcePath, length: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        self.begun(target)?.stage(target, length)
    }

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        match self.begun(&ResourcePath::root()) {
            Ok(store) => store.apply(run, locks, report),
            Err(failure) => {
                Course::of(&run).refuse(&run.steps, &failure, report);
                Ok(())
            }
        }
    }

    fn space(&self, path: &ResourcePath) -> Result<Option<Space>, Failure> {
        self.begun(path)?.space(path)
    }
}
