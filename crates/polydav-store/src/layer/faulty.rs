//! `Faulty`: a store of which one call fails, chosen by number.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::run::{Course, Report, Run, RunId};
use crate::store::{
    Broken, Capabilities, ReadAt, Reading, Space, Stage, Staged, Store, Visit, Walk,
};
use crate::{Entry, Failure, FailureKind, LockView, ResourcePath, Select, Step};

/// Fails the Nth call with [`FailureKind::Internal`], without doing it; all others go through.
///
/// Calls are those of [`Store::stat`], [`Store::walk`], [`Store::read`], [`Store::space`],
/// [`Store::stage`], of the [`Stage`] and [`ReadAt`] they gave, and each step of a
/// [`Store::apply`]. A test arms it for N = 1, 2, … until the work under test passes without
/// having been [struck](Self::struck), and checks each time that what was answered is true.
///
/// A run whose step is struck goes to the store below as two runs: what comes before the step, and
/// what comes after it.
#[derive(Debug)]
pub struct Faulty<S> {
    store: S,
    calls: Arc<Calls>,
}

/// The calls since it was armed, and which of them fails; 0 for none.
#[derive(Debug, Default)]
struct Calls {
    made: AtomicU64,
    fatal: AtomicU64,
}

impl<S: Store> Faulty<S> {
    /// `store`, not armed yet.
    pub fn new(store: S) -> Self {
        Self { store, calls: Arc::default() }
    }

    /// The `nth` call from now on fails, counted from 1; with 0 none does.
    pub fn arm(&self, nth: u64) {
        self.calls.fatal.store(nth, Ordering::Relaxed);
        self.calls.made.store(0, Ordering::Relaxed);
    }

    /// Whether the call it was armed for came, and failed.
    pub fn struck(&self) -> bool {
        let fatal = self.calls.fatal.load(Ordering::Relaxed);
        fatal != 0 && self.calls() >= fatal
    }

    /// How many calls there were since it was armed, or made.
    pub fn calls(&self) -> u64 {
        self.calls.made.load(Ordering::Relaxed)
    }
}

impl Calls {
    /// Counts `calls` calls; returns which of them, from 0, is to fail.
    fn count(&self, calls: usize) -> Option<usize> {
        let before = self.made.fetch_add(calls as u64, Ordering::Relaxed);
        let fatal = self.fatal.load(Ordering::Relaxed).checked_sub(before + 1)?;
        usize::try_from(fatal).ok().filter(|&fatal| fatal < calls)
    }

    fn one(&self, path: &ResourcePath) -> Result<(), Failure> {
        self.count(1).map_or(Ok(()), |_| Err(fault(path)))
    }
}

fn fault(path: &ResourcePath) -> Failure {
    Failure::new(FailureKind::Internal, path.clone()).with_source("a fault made for a test")
}

fn give_up(steps: Vec<Step>, course: &mut Course, report: &mut dyn Report) {
    for step in steps {
        let index = step.index();
        report.outcome(index, course.attempt(step, |step| Err(fault(step.subject()))));
    }
}

impl<S: Store> Store for Faulty<S> {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        self.calls.one(path)?;
        self.store.stat(path, select)
    }

    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.calls.one(root)?;
        self.store.walk(root, walk, visit)
    }

    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        self.calls.one(path)?;
        let Reading { entry, content } = self.store.read(path)?;
        let content = FaultyContent { content, path: path.clone(), calls: self.calls.clone() };
        Ok(Reading { entry, content: Arc::new(content) })
    }

    fn stage(&self, length: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        self.calls.one(&ResourcePath::root())?;
        let stage = self.store.stage(length)?;
        Ok(Box::new(FaultyStage { stage, calls: self.calls.clone() }))
    }

    fn apply(
        &self,
        mut run: Run,
        locks: &dyn LockView,
        report: &mut dyn Report,
    ) -> Result<(), Broken> {
        let Some(fatal) = self.calls.count(run.steps.len()) else {
            return self.store.apply(run, locks, report);
        };
        let mut course = Course::of(&run);
        let mut steps = std::mem::take(&mut run.steps);
        let after = steps.split_off(fatal + 1);
        let struck = steps.split_off(fatal);
        let next = Run { id: RunId(run.id.0.wrapping_add(1)), cancel: run.cancel.clone(), ..run };
        self.store.apply(Run { steps, ..run }, locks, &mut |index, outcome| {
            course.note(&outcome);
            report.outcome(index, outcome);
        })?;
        give_up(struck, &mut course, report);
        if course.is_over() {
            give_up(after, &mut course, report);
            return Ok(());
        }
        self.store.apply(Run { steps: after, ..next }, locks, report)
    }

    fn space(&self, path: &ResourcePath) -> Result<Option<Space>, Failure> {
        self.calls.one(path)?;
        self.store.space(path)
    }
}

struct FaultyContent {
    content: Arc<dyn ReadAt>,
    path: ResourcePath,
    calls: Arc<Calls>,
}

impl ReadAt for FaultyContent {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Failure> {
        self.calls.one(&self.path)?;
        self.content.read_at(buffer, offset)
    }
}

struct FaultyStage {
    stage: Box<dyn Stage>,
    calls: Arc<Calls>,
}

impl Stage for FaultyStage {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.calls.one(&ResourcePath::root())?;
        self.stage.write(bytes)
    }

    fn finish(self: Box<Self>) -> Result<Staged, Failure> {
        self.calls.one(&ResourcePath::root())?;
        self.stage.finish()
    }
}
