//! `MemoryStore`: a store that lasts as long as the process, and the model others are held
//! against.
//!
//! It is written to be obviously right, not to be fast. Of several reasons to refuse a step, the
//! first of these is told, here and by every store:
//!
//! 1. what [`Step::open`] finds: its needs, the shape of the step, its conditions, the locks;
//! 2. [`FailureKind::NotFound`]: there is no subject, or no source;
//! 3. [`FailureKind::ParentMissing`]: the target would be a member of nothing;
//! 4. [`FailureKind::TargetExists`], [`FailureKind::Exists`], [`FailureKind::IsCollection`]: what
//!    lies at the target is in the way.
//!
//! It may lie over a [`Ground`]: another store, of which it shows what would become of it.

mod change;
mod ground;
mod node;
mod rights;
#[cfg(test)]
mod tests;
mod tree;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::lock::{LocksOfRun, at_stake};
use crate::run::{Course, Outcome, Report, Run};
use crate::step::{Content, Step};
use crate::store::{
    Broken, Capabilities, ReadAt, Reading, Space, Stage, Staged, Store, Visit, Walk,
};
use crate::{Entry, Failure, FailureKind, LockView, ResourcePath, Select};

use change::Manner;
pub use ground::Ground;
use tree::Tree;

/// A store in memory: files, collections, dead properties. Each step is its own commit.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tree: Mutex<Tree>,
}

impl MemoryStore {
    /// An empty store: there is a root, and nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that shows what `ground` holds. What is changed is held here alone, and gone with it;
    /// how much that is grows with the steps, not with what they are about.
    pub fn over(ground: Arc<dyn Ground>) -> Self {
        Self { tree: Mutex::new(Tree::over(ground)) }
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn capabilities(&self, path: &ResourcePath) -> Capabilities {
        self.tree().ground().map_or(Capabilities::ALL, |ground| ground.capabilities(path))
    }

    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        self.tree().stat(path, select)
    }

    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        // Collected before, so that `visit` may ask the store.
        let visits = self.tree().walk(root, walk)?;
        for met in visits {
            if visit(met).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        self.tree().read(path)
    }

    fn stage(&self, _: &ResourcePath, _: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        Ok(Box::<MemoryStage>::default())
    }

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        let (mut course, root) = (Course::of(&run), ResourcePath::root());
        if course.undoes_all() && !self.capabilities(&root).atomic {
            let failure = Failure::new(FailureKind::Unsupported, root);
            course.refuse(&run.steps, &failure, report);
            return Ok(());
        }
        let manner = if course.undoes_all() { Manner::Wholly } else { Manner::Partly };
        apply_to(&self.tree, run, (locks, Tree::lacks), report, |tree, step, locks| {
            tree.perform(step, locks, manner)
        });
        Ok(())
    }

    fn space(&self, path: &ResourcePath) -> Result<Option<Space>, Failure> {
        self.tree().ground().map_or(Ok(None), |ground| ground.space(path))
    }

    /// Another one that holds the same.
    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Store>, Failure> {
        Ok(Arc::new(Self { tree: Mutex::new(self.tree().clone()) }))
    }
}

/// Applies a run to what is held in memory. Each step is its own commit; but where all or none are to
/// be done, nobody sees anything of it before it is known which.
pub(crate) fn apply_to<T: Clone>(
    held: &Mutex<T>,
    run: Run,
    (locks, is_gone): (&dyn LockView, impl Fn(&T, &ResourcePath) -> bool),
    report: &mut dyn Report,
    mut perform: impl FnMut(&mut T, Step, &dyn LockView) -> Outcome,
) {
    let lock = || held.lock().unwrap_or_else(PoisonError::into_inner);
    let mut course = Course::of(&run);
    if !course.undoes_all() {
        for step in run.steps {
            let index = step.index();
            let outcome = course.attempt(step, |step| perform(&mut lock(), step, locks));
            report.outcome(index, outcome);
        }
        return;
    }
    let mut all = lock();
    let before = all.clone();
    let locks = LocksOfRun::new(locks);
    let mut outcomes = Vec::with_capacity(run.steps.len());
    for step in run.steps {
        let (index, subject) = (step.index(), step.subject().clone());
        let at_stake = at_stake(&locks, &step);
        let outcome = course.attempt(step, |step| perform(&mut all, step, &locks));
        locks.end(at_stake, |root| is_gone(&all, root));
        outcomes.push((index, subject, outcome));
    }
    if course.undoes() {
        *all = before;
    }
    drop(all);
    for (index, subject, outcome) in outcomes {
        let outcome = if course.undoes() { course.undone(outcome, &subject) } else { outcome };
        report.outcome(index, outcome);
    }
}

fn bytes_of(content: Content, target: &ResourcePath) -> Result<Bytes, Failure> {
    match content {
        Content::Inline(bytes) => Ok(bytes),
        Content::Record(_) => Err(Failure::new(FailureKind::Unsuited, target.clone())),
        Content::Staged(staged) => match staged.handle.downcast::<MemoryStaged>() {
            Ok(staged) => Ok(staged.0),
            Err(_) => Err(Failure::new(FailureKind::Internal, target.clone())
                .with_source("the content was staged in another store")),
        },
    }
}

#[derive(Debug, Default)]
struct MemoryStage(Vec<u8>);

struct MemoryStaged(Bytes);

impl Stage for MemoryStage {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Staged, Failure> {
        let length = self.0.len() as u64;
        Ok(Staged { length, handle: Box::new(MemoryStaged(self.0.into())) })
    }
}

pub(crate) struct MemoryContent(pub(crate) Bytes);

impl ReadAt for MemoryContent {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Failure> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let length = buffer.len().min(self.0.len() - start);
        buffer[..length].copy_from_slice(&self.0[start..start + length]);
        Ok(length)
    }
}
