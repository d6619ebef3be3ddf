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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::{Draft, apply, lines, mkcol, path, put, put_content, run, verdict};
    use crate::{Cancel, Content, MemoryStore, NoLocks, OnFailure, WalkDepth};

    /// Uses each part of a store once, and steps twice; tells what failed.
    fn work(store: &dyn Store) -> Result<Vec<String>, Failure> {
        let mut stage = store.stage(None)?;
        stage.write(b"x")?;
        let staged = Content::Staged(stage.finish()?);
        let steps = vec![put_content("a", staged).step(0), mkcol("c").step(1)];
        let told = apply(store, &NoLocks, run(steps)).iter().map(verdict).collect();
        store.stat(&path("a"), &Select::None)?;
        let walk = Walk { depth: WalkDepth::One, select: Select::None };
        store.walk(&path(""), &walk, &mut |_| ControlFlow::Continue(()))?;
        store.read(&path("a"))?.content.read_at(&mut [0], 0)?;
        store.space(&path(""))?;
        Ok(told)
    }

    #[test]
    fn each_call_fails_in_turn() {
        let told: Vec<_> = (1..)
            .map(|nth| {
                let store = Faulty::new(MemoryStore::new());
                store.arm(nth);
                let told = work(&store).unwrap_or_else(|failure| vec![verdict(&Err(failure))]);
                (store.struck(), told.join(", "))
            })
            .take_while(|(struck, told)| {
                assert_eq!(*struck, told != "created, created");
                *struck
            })
            .map(|(_, told)| told)
            .collect();
        let expected = [
            "Internal /",           // stage
            "Internal /",           // write
            "Internal /",           // finish
            "NotFound /a",          // the first step: then there is nothing to stat
            "created, Internal /c", // the second step
            "Internal /a",          // stat
            "Internal /",           // walk
            "Internal /a",          // read
            "Internal /a",          // read_at
            "Internal /",           // space
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn it_counts_from_when_it_was_armed() {
        let store = Faulty::new(MemoryStore::new());
        assert!(work(&store).is_ok());
        assert_eq!((store.calls(), store.struck()), (10, false));
        store.arm(2);
        assert_eq!((store.calls(), store.struck()), (0, false));
        assert!(store.stat(&path(""), &Select::None).is_ok() && !store.struck());
        assert!(store.stat(&path(""), &Select::None).is_err() && store.struck());
        assert!(store.stat(&path(""), &Select::None).is_ok() && store.struck());
        store.arm(0);
        assert!(store.stat(&path(""), &Select::None).is_ok() && !store.struck());
    }

    fn drafts() -> [Draft; 4] {
        [mkcol("a"), mkcol("a"), put("a/b", "x"), put("a/c", "x")]
    }

    #[test]
    fn a_struck_step_is_not_done_and_the_others_go_their_course() {
        use OnFailure::{Continue, Stop};
        for (nth, on_failure, expected) in [
            (1, Continue, ["Internal /a", "created", "created", "created"]),
            (3, Continue, ["created", "Exists /a", "Internal /a/b", "created"]),
            (4, Continue, ["created", "Exists /a", "created", "Internal /a/c"]),
            (5, Continue, ["created", "Exists /a", "created", "created"]),
            (1, Stop, ["Internal /a", "Dependency /a", "Dependency /a/b", "Dependency /a/c"]),
            (3, Stop, ["created", "Exists /a", "Dependency /a/b", "Dependency /a/c"]),
        ] {
            let store = Faulty::new(MemoryStore::new());
            store.arm(nth);
            let steps = drafts().into_iter().enumerate().map(|(n, draft)| draft.step(n)).collect();
            let outcomes = apply(&store, &NoLocks, Run { on_failure, ..run(steps) });
            assert_eq!(outcomes.iter().map(verdict).collect::<Vec<_>>(), expected);
            let made = expected.iter().filter(|verdict| *verdict == &"created").count();
            store.arm(0);
            assert_eq!(lines(&store).len(), made);
        }
    }

    #[test]
    fn a_cancelled_run_is_not_struck() {
        let store = Faulty::new(MemoryStore::new());
        store.arm(2);
        let steps = drafts().into_iter().enumerate().map(|(n, draft)| draft.step(n)).collect();
        let run = Run { cancel: Cancel::when(|| true), ..run(steps) };
        let outcomes = apply(&store, &NoLocks, run);
        assert!(outcomes.iter().all(|outcome| verdict(outcome).starts_with("NotAttempted")));
    }
}
