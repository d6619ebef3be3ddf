//! `Faulty`: a store of which one call fails, chosen by number.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::run::{Course, Report, Run, RunId};
use crate::store::{
    Broken, Capabilities, ReadAt, Reading, Space, Stage, Staged, Store, Visit, Walk,
};
use crate::{
    Durability, Entry, Failure, FailureKind, Fields, Ledger, Listed, Lock, LockChange, LockView,
    Outcome, Page, ResourcePath, Select, delegate,
};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It isn't done, and fails so.
    Fails(FailureKind),
    /// The store [breaks](Broken) at it: a step isn't done, and neither it nor what stands behind
    /// it is reported. Other calls fail with [`FailureKind::Internal`]; only steps break a store.
    Breaks,
    /// The same, but that the step is done: nobody is told.
    BreaksBehind,
}

/// Fails the Nth call in one of the ways of [`Fault`]; all others go through.
///
/// Calls are those of [`Store::stat`], [`Store::walk`], [`Store::read`], [`Store::space`],
/// [`Store::stage`], of the [`Stage`] and [`ReadAt`] they gave, each resource a walk meets, each
/// step of a [`Store::apply`], and what a [`Ledger`] [beside](Self::beside) it is asked. A test arms
/// it for N = 1, 2, … until the work under test passes without having been
/// [struck](Self::struck), and checks each time that what was answered is true.
///
/// A run whose step is struck goes to the store below as two runs: what comes before the step, and
/// what comes after it; or as one, whose step can't be done, if that has to undo the others.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    calls: Arc<Calls>,
}

/// The calls since it was armed, which of them fails, and how; 0 for none.
#[derive(Debug)]
struct Calls {
    made: AtomicU64,
    fatal: AtomicU64,
    fault: Mutex<Fault>,
    /// Whether the store broke. It stays so.
    broken: AtomicBool,
}

impl<S> Faulty<S> {
    /// `inner`, a store or a ledger, not armed yet.
    pub fn new(inner: S) -> Self {
        let calls = Calls {
            made: AtomicU64::new(0),
            fatal: AtomicU64::new(0),
            fault: Mutex::new(Fault::Fails(FailureKind::Internal)),
            broken: AtomicBool::new(false),
        };
        Self { inner, calls: Arc::new(calls) }
    }

    /// Another part of the same world: its calls are counted together with those of this one.
    pub fn beside<T>(&self, inner: T) -> Faulty<T> {
        Faulty { inner, calls: Arc::clone(&self.calls) }
    }

    /// The `nth` call from now on fails in this way, counted from 1; with 0 none does.
    pub fn arm(&self, nth: u64, fault: Fault) {
        *self.calls.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        self.calls.fatal.store(nth, Ordering::Relaxed);
        self.calls.made.store(0, Ordering::Relaxed);
    }

    /// From now on no call fails.
    pub fn disarm(&self) {
        self.arm(0, self.calls.fault());
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
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts `calls` calls; returns which of them, from 0, is to fail.
    fn count(&self, calls: usize) -> Option<usize> {
        let before = self.made.fetch_add(calls as u64, Ordering::Relaxed);
        let fatal = self.fatal.load(Ordering::Relaxed).checked_sub(before + 1)?;
        usize::try_from(fatal).ok().filter(|&fatal| fatal < calls)
    }

    fn one(&self, path: &ResourcePath) -> Result<(), Failure> {
        self.count(1).map_or(Ok(()), |_| Err(made(self.kind(), path)))
    }

    /// What a call fails with that isn't a step.
    fn kind(&self) -> FailureKind {
        match self.fault() {
            Fault::Fails(kind) => kind,
            Fault::Breaks | Fault::BreaksBehind => FailureKind::Internal,
        }
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

fn made(kind: FailureKind, path: &ResourcePath) -> Failure {
    Failure::new(kind, path.clone()).with_source("a fault made for a test")
}

impl<S: Store> Faulty<S> {
    /// Breaks at a step. What came before it was reported; nothing from here on is.
    fn break_at(
        &self,
        run: Run,
        fault: Fault,
        course: &Course,
        locks: &dyn LockView,
    ) -> Result<(), Broken> {
        if fault == Fault::BreaksBehind && course.over().is_none() {
            self.inner.apply(run, locks, &mut |_, _| ())?;
        }
        self.calls.broken.store(true, Ordering::Relaxed);
        Err(Broken { reason: "a fault made for a test".to_owned() })
    }
}

impl<S: Store> Faulty<S> {
    /// Applies a run of which all or nothing is done, and one step fails.
    fn apply_whole(
        &self,
        mut run: Run,
        fatal: usize,
        locks: &dyn LockView,
        report: &mut dyn Report,
    ) -> Result<(), Broken> {
        let Fault::Fails(kind) = self.calls.fault() else {
            let course = Course::of(&run);
            return self.break_at(run, self.calls.fault(), &course, locks);
        };
        run.steps[fatal].doom();
        let struck = run.steps[fatal].index();
        self.inner.apply(run, locks, &mut |index, outcome: Outcome| {
            let outcome = outcome.map_err(|failure| match failure.kind {
                FailureKind::Dependency | FailureKind::NotAttempted => failure,
                _ if index == struck => made(kind, &failure.path),
                _ => failure,
            });
            report.outcome(index, outcome);
        })
    }
}

impl<S: Store> Store for Faulty<S> {
    delegate!(this => this.inner; fate);

    fn capabilities(&self, path: &ResourcePath) -> Capabilities {
        let capabilities = self.inner.capabilities(path);
        Capabilities { writable: capabilities.writable && !self.calls.is_broken(), ..capabilities }
    }

    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        self.calls.one(path)?;
        self.inner.stat(path, select)
    }

    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.calls.one(root)?;
        self.inner.walk(root, walk, &mut |met| {
            visit(match self.calls.one(met.path()) {
                Ok(()) => met,
                Err(failure) => Visit::Failure(failure.path, failure.kind),
            })
        })
    }

    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        self.calls.one(path)?;
        let Reading { entry, content } = self.inner.read(path)?;
        let content = FaultyContent { content, path: path.clone(), calls: self.calls.clone() };
        Ok(Reading { entry, content: Arc::new(content) })
    }

    fn list(
        &self,
        collection: &ResourcePath,
        page: &Page,
        visit: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.calls.one(collection)?;
        self.inner.list(collection, page, visit)
    }

    fn mounts(&self) -> Vec<ResourcePath> {
        self.inner.mounts()
    }

    fn locate(&self, collection: &ResourcePath, record: &Fields) -> Result<ResourcePath, Failure> {
        self.calls.one(collection)?;
        self.inner.locate(collection, record)
    }

    fn stage(&self, target: &ResourcePath, length: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        self.calls.one(target)?;
        if self.calls.is_broken() {
            return Err(made(FailureKind::ReadOnly, target));
        }
        let stage = self.inner.stage(target, length)?;
        Ok(Box::new(FaultyStage { stage, calls: self.calls.clone() }))
    }

    fn apply(
        &self,
        mut run: Run,
        locks: &dyn LockView,
        report: &mut dyn Report,
    ) -> Result<(), Broken> {
        let fatal = self.calls.count(run.steps.len());
        let mut course = Course::of(&run);
        let mut steps = std::mem::take(&mut run.steps);
        if self.calls.is_broken() {
            course.refuse(&steps, &made(FailureKind::ReadOnly, &ResourcePath::root()), report);
            return Ok(());
        }
        let Some(fatal) = fatal else {
            return self.inner.apply(Run { steps, ..run }, locks, report);
        };
        if course.undoes_all() {
            return self.apply_whole(Run { steps, ..run }, fatal, locks, report);
        }
        let mut after = steps.split_off(fatal + 1);
        let mut struck = steps.split_off(fatal);
        let next = Run { id: RunId(run.id.0.wrapping_add(1)), cancel: run.cancel.clone(), ..run };
        self.inner.apply(Run { steps, ..run }, locks, &mut |index, outcome| {
            course.note(index, &outcome);
            report.outcome(index, outcome);
        })?;
        match self.calls.fault() {
            Fault::Fails(kind) => {
                course.refuse(&struck, &made(kind, &ResourcePath::root()), report);
            }
            fault => {
                struck.iter_mut().for_each(|step| course.needed().settle(step));
                let run = Run { steps: struck, ..next };
                return self.break_at(run, fault, &course, locks);
            }
        }
        if course.over().is_some() {
            course.refuse(&after, &made(FailureKind::Dependency, &ResourcePath::root()), report);
            return Ok(());
        }
        after.iter_mut().for_each(|step| course.needed().settle(step));
        self.inner.apply(Run { steps: after, ..next }, locks, report)
    }

    fn space(&self, path: &ResourcePath) -> Result<Option<Space>, Failure> {
        self.calls.one(path)?;
        self.inner.space(path)
    }
}

impl<L: Ledger> Ledger for Faulty<L> {
    fn locks(&self) -> Result<Vec<Lock>, Failure> {
        self.calls.one(&ResourcePath::root())?;
        self.inner.locks()
    }

    fn change_locks(&self, changes: &[LockChange], durability: Durability) -> Result<(), Failure> {
        self.calls.one(&ResourcePath::root())?;
        self.inner.change_locks(changes, durability)
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
    use crate::kit::record::SCHEMA;
    use crate::kit::{
        Draft, add, added, apply, lines, lock, mkcol, path, put, put_content, put_record, run,
        tell, text, verdict,
    };
    use crate::{
        Cancel, Content, LockToken, MemoryLedger, MemoryRecords, MemoryStore, NoLocks, OnFailure,
        WalkDepth,
    };

    const INTERNAL: Fault = Fault::Fails(FailureKind::Internal);

    /// Uses each part of a store and a ledger once, and steps twice; tells what failed.
    fn work(store: &dyn Store, ledger: &dyn Ledger) -> Result<Vec<String>, Failure> {
        let mut stage = store.stage(&path("a"), None)?;
        stage.write(b"x")?;
        let staged = Content::Staged(stage.finish()?);
        let steps = vec![put_content("a", staged).step(0), mkcol("c").step(1)];
        let told = apply(store, &NoLocks, run(steps)).iter().map(verdict).collect();
        store.stat(&path("a"), &Select::None)?;
        let walk = Walk { depth: WalkDepth::One, select: Select::None };
        let mut unread = Ok(());
        store.walk(&path(""), &walk, &mut |met| {
            if let Visit::Failure(path, kind) = met {
                unread = Err(Failure::new(kind, path));
            }
            ControlFlow::Continue(())
        })?;
        unread?;
        store.read(&path("a"))?.content.read_at(&mut [0], 0)?;
        store.space(&path(""))?;
        ledger.locks()?;
        ledger.keep_lock(&lock("urn:a", "a"), Durability::Full)?;
        ledger.forget_locks(&[LockToken::new("urn:a")], Durability::Full)?;
        Ok(told)
    }

    #[test]
    fn each_call_fails_in_turn() {
        let told: Vec<_> = (1..)
            .map(|nth| {
                let store = Faulty::new(MemoryStore::new());
                let ledger = store.beside(MemoryLedger::default());
                store.arm(nth, Fault::Fails(FailureKind::NoSpace));
                let told = work(&store, &ledger);
                let told = told.unwrap_or_else(|failure| vec![verdict(&Err(failure))]);
                (store.struck(), told.join(", "))
            })
            .take_while(|(struck, told)| {
                assert_eq!(*struck, told != "created, created");
                *struck
            })
            .map(|(_, told)| told)
            .collect();
        let expected = [
            "NoSpace /a",          // stage
            "NoSpace /",           // write
            "NoSpace /",           // finish
            "NotFound /a",         // the first step: then there is nothing to stat
            "created, NoSpace /c", // the second step
            "NoSpace /a",          // stat
            "NoSpace /",           // walk
            "NoSpace /a",          // what it meets
            "NoSpace /c",          // what it meets
            "NoSpace /a",          // read
            "NoSpace /a",          // read_at
            "NoSpace /",           // space
            "NoSpace /",           // locks
            "NoSpace /",           // keep_lock
            "NoSpace /",           // forget_locks
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn it_counts_from_when_it_was_armed() {
        let store = Faulty::new(MemoryStore::new());
        assert!(work(&store, &store.beside(MemoryLedger::default())).is_ok());
        assert_eq!((store.calls(), store.struck()), (15, false));
        store.arm(2, INTERNAL);
        assert_eq!((store.calls(), store.struck()), (0, false));
        assert!(store.stat(&path(""), &Select::None).is_ok() && !store.struck());
        assert!(store.stat(&path(""), &Select::None).is_err() && store.struck());
        assert!(store.stat(&path(""), &Select::None).is_ok() && store.struck());
        store.disarm();
        assert!(store.stat(&path(""), &Select::None).is_ok() && !store.struck());
    }

    fn drafts() -> [Draft; 4] {
        [mkcol("a"), mkcol("a"), put("a/b", "x"), put("a/c", "x")]
    }

    #[test]
    fn a_struck_step_is_not_done_and_the_others_go_their_course() {
        use OnFailure::{Continue, Stop, UndoAll};
        for (nth, on_failure, expected) in [
            (1, Continue, ["Internal /a", "created", "created", "created"]),
            (3, Continue, ["created", "Exists /a", "Internal /a/b", "created"]),
            (4, Continue, ["created", "Exists /a", "created", "Internal /a/c"]),
            (5, Continue, ["created", "Exists /a", "created", "created"]),
            (1, Stop, ["Internal /a", "Dependency /a", "Dependency /a/b", "Dependency /a/c"]),
            (3, Stop, ["created", "Exists /a", "Dependency /a/b", "Dependency /a/c"]),
            (1, UndoAll, ["Internal /a", "Dependency /a", "Dependency /a/b", "Dependency /a/c"]),
            (
                3,
                UndoAll,
                ["Dependency /a (RolledBack)", "Exists /a", "Dependency /a/b", "Dependency /a/c"],
            ),
        ] {
            let store = Faulty::new(MemoryStore::new());
            store.arm(nth, INTERNAL);
            let steps = drafts().into_iter().enumerate().map(|(n, draft)| draft.step(n)).collect();
            let outcomes = apply(&store, &NoLocks, Run { on_failure, ..run(steps) });
            assert_eq!(outcomes.iter().map(verdict).collect::<Vec<_>>(), expected);
            let made = expected.iter().filter(|verdict| *verdict == &"created").count();
            store.disarm();
            assert_eq!(lines(&store).len(), made);
        }
    }

    #[test]
    fn a_struck_step_takes_along_what_needs_it() {
        let word = |word: &str| add("word", [("word", text(word))]);
        let item = |id: &str, of| put_record(format!("item/{id}"), [("name", of)]);
        for (nth, expected) in [
            (0, ["created", "created", "created", "created", "created"]),
            (1, ["Internal /word", "created", "Dependency /item/1", "created", "created"]),
            (2, ["created", "Internal /word", "created", "Dependency /item/2", "Dependency /word"]),
            (3, ["created", "created", "Internal /item/1", "created", "created"]),
            (4, ["created", "created", "created", "Internal /item/2", "Dependency /word"]),
        ] {
            let store = Faulty::new(MemoryRecords::new(SCHEMA));
            store.arm(nth, INTERNAL);
            let told = [word("a"), word("b"), item("1", added(0)), item("2", added(1))];
            let told = tell(&store, told.into_iter().chain([word("c").needing([3])]));
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn a_cancelled_run_is_not_struck() {
        let store = Faulty::new(MemoryStore::new());
        store.arm(2, INTERNAL);
        let steps = drafts().into_iter().enumerate().map(|(n, draft)| draft.step(n)).collect();
        let run = Run { cancel: Cancel::when(|| true), ..run(steps) };
        let outcomes = apply(&store, &NoLocks, run);
        assert!(outcomes.iter().all(|outcome| verdict(outcome).starts_with("NotAttempted")));
    }

    #[test]
    fn a_broken_store_tells_what_came_before_and_takes_nothing_more() {
        for (fault, there) in
            [(Fault::Breaks, &["/a/"][..]), (Fault::BreaksBehind, &["/a/", "/a/b=x"])]
        {
            let store = Faulty::new(MemoryStore::new());
            store.arm(3, fault);
            let steps = |drafts: [Draft; 4]| {
                run(drafts.into_iter().enumerate().map(|(n, draft)| draft.step(n)).collect())
            };
            let mut told = Vec::new();
            let broken = store.apply(steps(drafts()), &NoLocks, &mut |_, outcome| {
                told.push(verdict(&outcome));
            });
            assert!(broken.is_err() && store.struck());
            assert_eq!(told, ["created", "Exists /a"]);
            store.disarm();
            assert_eq!(lines(&store), there);
            let outcomes = apply(&store, &NoLocks, steps(drafts()));
            assert!(outcomes.iter().all(|outcome| verdict(outcome).starts_with("ReadOnly")));
            assert!(
                store.stage(&path("a"), None).is_err() && !store.capabilities(&path("")).writable
            );
            assert_eq!(lines(&store), there);
        }
    }
}
