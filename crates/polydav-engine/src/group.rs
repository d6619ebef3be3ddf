//! `Group`: single steps of many requests that go to the store together.
//!
//! Most plans have one step. Where many come at once, each with a hop to another thread, a commit and
//! a sync of its own, those take longer than the steps. So whoever comes while a run is under way
//! waits for its end, and goes with all others who wait: one hop, one commit, one sync for all of
//! them. Each has claimed its paths before, so none has to do with any other. Who comes alone doesn't
//! wait.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use polydav_store::{FailureKind, Needed, Outcome, ResourcePath, Run, Select, Step, Store};
use tokio::sync::{oneshot, watch};

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

/// A step that has claimed its paths.
#[derive(Debug)]
struct Turn {
    step: Step,
    claim: Claim,
    /// Keeps the engine from being drained.
    running: watch::Receiver<()>,
    tell: oneshot::Sender<Outcome>,
}

impl Groups {
    /// The groups of a store. Asking for its mounts may block.
    pub(crate) fn of(store: &dyn Store) -> Self {
        let mut mounts = store.mounts();
        mounts.sort_unstable_by_key(|path| std::cmp::Reverse(path.as_bytes().len()));
        let group = |path: ResourcePath| {
            let group = (!store.capabilities(&path).records).then(|| Arc::new(Group::new()));
            (path, group)
        };
        Self { mounts: mounts.into_iter().map(group).collect() }
    }

    /// The group that a step may go with: all it is about lies in one mount.
    fn of_step(&self, step: &Step) -> Option<&Arc<Group>> {
        let mount = |path: &ResourcePath| self.mounts.iter().position(|(at, _)| at.contains(path));
        let first = mount(step.subject());
        let mut others = step.claims().chain(step.watches());
        others.all(|path| mount(path) == first).then_some(())?;
        self.mounts[first?].1.as_ref()
    }
}

impl Group {
    fn new() -> Self {
        // Others have to read, write and compute meanwhile.
        let runs_max = (available_parallelism().map_or(1, NonZero::get) / 2).max(1);
        Self { turns: Mutex::default(), runs_max }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines a turn up; whether somebody has to [serve](Group::serve) it.
    fn line_up(&self, turn: Turn) -> bool {
        let mut turns = self.turns();
        turns.waiting.push(turn);
        let is_needed = turns.runs < self.runs_max;
        turns.runs += usize::from(is_needed);
        is_needed
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
            // Who isn't told is told that nobody knows.
            if catch_unwind(AssertUnwindSafe(|| inner.run_together(turns))).is_err() {
                tracing::error!("a run ended in a panic");
            }
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
        let running = self.inner.running.subscribe();
        let paths = step.claims().chain(step.watches()).cloned().collect();
        let patience = self.inner.options.patience;
        let Ok(claim) = self.inner.claims.take(Trees::new(paths), patience).await else {
            return Err(refused(&step, FailureKind::Busy));
        };
        let (tell, told) = oneshot::channel();
        if group.line_up(Turn { step, claim, running, tell }) {
            let (inner, group) = (Arc::clone(&self.inner), Arc::clone(group));
            tokio::task::spawn_blocking(move || group.serve(&inner));
        }
        told.await.unwrap_or_else(|_| Err(unknown("the server failed")))
    }
}

impl Inner {
    /// The group that a step goes with: none if others would have to wait long for it.
    fn group_of(&self, step: &Step) -> Option<&Arc<Group>> {
        let replaces_tree = |target| {
            let found = self.store.try_stat(target, &Select::None);
            matches!(found, Some(Ok(entry)) if entry.is_collection())
        };
        let is_brief = step.is_brief() && !step.arrives_at().is_some_and(replaces_tree);
        self.groups.of_step(step).filter(|_| is_brief)
    }

    fn run_together(&self, turns: Vec<Turn>) {
        let mut steps = Vec::with_capacity(turns.len());
        let mut others = Vec::with_capacity(turns.len());
        for (index, Turn { step, claim, running, tell }) in turns.into_iter().enumerate() {
            steps.push(step.under(index));
            others.push((claim, running, tell));
        }
        let outcomes = self.apply(steps, &self.manner(), Needed::default());
        for ((claim, running, tell), outcome) in others.into_iter().zip(outcomes) {
            // Whoever is told may ask for the same paths at once.
            drop(claim);
            // Who hung up isn't told.
            let _ = tell.send(outcome);
            drop(running);
        }
    }
}
