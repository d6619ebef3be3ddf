//! `Group`: single steps of many requests that go to the store together.
//!
//! Most plans have one step. Where many come at once, each with a hop to another thread, a commit and
//! a sync of its own, those take longer than the steps. So whoever comes while a run is under way
//! waits for its end, and goes with all others who wait: one hop, one commit, one sync for all of
//! them. Each has claimed its paths before, so none has to do with any other. Who comes alone doesn't
//! wait.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polydav_store::{
    Durability, Failure, FailureKind, Needed, Outcome, ResourcePath, Run, Select, Step, Store,
};
use tokio::sync::oneshot;

use crate::claim::{Claim, Trees};
use crate::engine::{Engine, Inner, refused, unknown};
use crate::plan::Plan;

/// The groups of a store.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// One for each mount, inner ones first: a disk that is slow holds nobody up at another. Records
    /// have none, for what somebody else does in a database may hold a row up.
    mounts: Box<[(ResourcePath, Option<Arc<Group>>)]>,
}

/// Those who wait for their turn at one mount.
#[derive(Debug)]
struct Group {
    turns: Mutex<Turns>,
    /// How many runs are under way at most.
    runs_max: usize,
}

#[derive(Debug, Default)]
struct Turns {
    waiting: Vec<Turn>,
    runs: usize,
}

/// What waits.
enum Turn {
    /// A step that has claimed its paths, and where it is told what became of it.
    Step(Box<Step>, Claim, oneshot::Sender<Outcome>),
    /// Something else.
    Work(Box<dyn FnOnce(&Inner) + Send>),
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step, ..) => f.debug_tuple("Step").field(step).finish(),
            Self::Work(_) => f.debug_tuple("Work").finish_non_exhaustive(),
        }
    }
}

impl Groups {
    /// The groups of a store. Asking for its mounts may block.
    pub(crate) fn of(store: &dyn Store, runs_max: usize) -> Self {
        let mut mounts = store.mounts();
        mounts.sort_unstable_by_key(|path| std::cmp::Reverse(path.as_bytes().len()));
        let group = |path: ResourcePath| {
            let group =
                (!store.capabilities(&path).records).then(|| Arc::new(Group::new(runs_max)));
            (path, group)
        };
        Self { mounts: mounts.into_iter().map(group).collect() }
    }

    /// The group of those who are about these paths, if they lie in one mount.
    fn of_paths<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a ResourcePath>,
    ) -> Option<&Arc<Group>> {
        let mount = |path: &ResourcePath| self.mounts.iter().position(|(at, _)| at.contains(path));
        let mut mounts = paths.into_iter().map(mount);
        let first = mounts.next()??;
        mounts.all(|other| other == Some(first)).then_some(())?;
        self.mounts[first].1.as_ref()
    }
}

impl Group {
    fn new(runs_max: usize) -> Self {
        Self { turns: Mutex::default(), runs_max: runs_max.max(1) }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines a turn up, and sees to it that somebody serves it.
    fn line_up(self: &Arc<Self>, inner: &Arc<Inner>, turn: Turn) {
        let mut turns = self.turns();
        turns.waiting.push(turn);
        if turns.runs == self.runs_max {
            return;
        }
        turns.runs += 1;
        drop(turns);
        let group = Arc::clone(self);
        inner.aside(move |inner| group.serve(inner));
    }

    /// Those who go together next; if there are none, a run less is under way.
    fn next(&self) -> Vec<Turn> {
        let mut turns = self.turns();
        if turns.waiting.is_empty() {
            turns.runs -= 1;
        }
        let count = turns.waiting.len().min(Run::STEPS_MAX);
        turns.waiting.drain(..count).collect()
    }

    /// Runs those who wait, until there are none.
    fn serve(&self, inner: &Inner) {
        loop {
            let turns = self.next();
            if turns.is_empty() {
                return;
            }
            inner.take_turns(turns);
        }
    }
}

impl Engine {
    /// Runs a plan of one step, together with those of others if there are any.
    ///
    /// Once it has begun, it runs to its end even if the future returned is dropped.
    pub async fn run_step(&self, step: Step) -> Outcome {
        let Some(group) = self.inner.group_of(&step) else {
            let outcome = self.run(Plan::of(step)).await.pop();
            return outcome.unwrap_or_else(|| Err(unknown("it was not told of")));
        };
        let paths = step.claims().chain(step.watches()).cloned().collect();
        let patience = self.inner.options.patience;
        let Ok(claim) = self.inner.claims.take(Trees::new(paths), patience).await else {
            return Err(refused(&step, FailureKind::Busy));
        };
        let (tell, told) = oneshot::channel();
        group.line_up(&self.inner, Turn::Step(Box::new(step), claim, tell));
        told.await.unwrap_or_else(|_| Err(unknown("the server failed")))
    }

    /// Does brief work about these paths in its turn, once they are claimed; it ends whatever
    /// happens.
    pub(crate) async fn work_in_turn<T: Send + 'static>(
        &self,
        paths: Vec<ResourcePath>,
        work: impl FnOnce(&Inner) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let subject = paths.first().cloned().unwrap_or_default();
        let group = self.inner.groups.of_paths(&paths);
        let claim = self.inner.claims.take(Trees::new(paths), self.inner.options.patience).await;
        let Ok(claim) = claim else { return Err(Failure::new(FailureKind::Busy, subject)) };
        let (tell, told) = oneshot::channel();
        let turn = Box::new(move |inner: &Inner| {
            let result = work(inner);
            drop(claim);
            // Who hung up isn't told.
            let _ = tell.send(result);
        });
        match group {
            Some(group) => group.line_up(&self.inner, Turn::Work(turn)),
            None => self.inner.aside(turn),
        }
        told.await.unwrap_or_else(|_| Err(unknown("the server failed")))
    }
}

/// What comes of work whose panic must not end what others wait for. Who isn't told of it is told that
/// nobody knows.
fn unless_it_panics<T>(work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    if done.is_none() {
        tracing::error!("a run ended in a panic");
    }
    done
}

impl Inner {
    /// Does something on a thread that may block; the engine isn't drained before it has ended.
    fn aside(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) {
        let (inner, running) = (Arc::clone(self), self.running.subscribe());
        tokio::task::spawn_blocking(move || {
            work(&inner);
            drop(running);
        });
    }

    /// The group that a step goes with: none if others would have to wait long for it. Contents come
    /// to disk faster side by side than one behind the other.
    fn group_of(&self, step: &Step) -> Option<&Arc<Group>> {
        let awaits_disk = self.options.durability == Durability::Full && step.makes_content();
        let replaces_tree = |target| {
            let found = self.store.try_stat(target, &Select::None);
            matches!(found, Some(Ok(entry)) if entry.is_collection())
        };
        if awaits_disk || !step.is_brief() || step.arrives_at().is_some_and(replaces_tree) {
            return None;
        }
        self.groups.of_paths(step.claims().chain(step.watches()))
    }

    /// Does what waited, the steps as one run.
    fn take_turns(&self, turns: Vec<Turn>) {
        let mut steps = Vec::with_capacity(turns.len());
        let mut others = Vec::with_capacity(turns.len());
        for turn in turns {
            match turn {
                Turn::Work(work) => drop(unless_it_panics(|| work(self))),
                Turn::Step(step, claim, tell) => {
                    steps.push(step.under(steps.len()));
                    others.push((claim, tell));
                }
            }
        }
        let run = || self.apply(steps, &self.manner(), Needed::default());
        let outcomes = unless_it_panics(run).unwrap_or_default();
        for ((claim, tell), outcome) in others.into_iter().zip(outcomes) {
            // Whoever is told may ask for the same paths at once.
            drop(claim);
            let _ = tell.send(outcome);
        }
    }
}
