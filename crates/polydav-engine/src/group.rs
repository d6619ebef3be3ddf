//! `Group`: single steps of many requests that go to the store together; and locks, one after the other.
//!
//! Most plans have one step. Where many come at once, each with a hop to another thread, a commit and
//! a sync of its own, those take longer than the steps. So whoever comes while a run is under way
//! waits for its end, and goes with all others who wait: one hop, one commit, one sync for all of
//! them. Each has claimed its paths before, so no two are about the same. Who comes alone doesn't wait.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polydav_store::{
    Durability, Failure, FailureKind, Needed, Outcome, ResourcePath, Run, Step, Store, at_stake,
};
use tokio::sync::oneshot;

use crate::claim::{Claim, Trees};
use crate::engine::{Engine, Inner, Options, refused, unknown};
use crate::plan::Plan;

/// The groups of a store.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Those of each mount, inner ones first: a disk that is slow holds nobody up at another. Records
    /// have none, for what somebody else does in a database may hold a row up.
    mounts: Box<[(ResourcePath, Option<Mount>)]>,
}

#[derive(Debug)]
struct Mount {
    steps: Arc<Group>,
    /// Apart from the steps: each lock is a commit of its own.
    locks: Arc<Group>,
}

/// Those who wait for their turn.
#[derive(Debug)]
struct Group {
    turns: Mutex<Turns>,
    limits: Limits,
}

/// How much a group does at once.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The most runs under way.
    runs: usize,
    /// The most steps of a run that change directories.
    moving: usize,
}

#[derive(Debug, Default)]
struct Turns {
    waiting: VecDeque<Turn>,
    runs: usize,
}

/// What waits.
enum Turn {
    /// A step that has claimed its paths, and where it is told what became of it.
    Step(Box<Step>, Claim, oneshot::Sender<Outcome>),
    /// A change of a lock.
    Lock(Change),
}

type Change = Box<dyn FnOnce(&Inner) + Send>;

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step, ..) => f.debug_tuple("Step").field(step).finish(),
            Self::Lock(_) => f.debug_tuple("Lock").finish_non_exhaustive(),
        }
    }
}

/// With full durability, so many steps may change directories together. For more, the whole file
/// system would be brought to disk at once, with what others wrote to it meanwhile.
const MOVING_MAX: usize = 8;

impl Groups {
    /// The groups of a store. Asking for its mounts may block.
    pub(crate) fn of(store: &dyn Store, options: &Options) -> Self {
        let moving = match options.durability {
            Durability::Full => MOVING_MAX,
            Durability::Relaxed => Run::STEPS_MAX,
        };
        let limits = Limits { runs: options.runs_max.max(1), moving };
        let mut mounts = store.mounts();
        mounts.sort_unstable_by_key(|path| std::cmp::Reverse(path.as_bytes().len()));
        let group = || Arc::new(Group { turns: Mutex::default(), limits });
        let mount = |path: ResourcePath| {
            let has_files = !store.capabilities(&path).records;
            (path, has_files.then(|| Mount { steps: group(), locks: group() }))
        };
        Self { mounts: mounts.into_iter().map(mount).collect() }
    }

    /// The mount that these paths lie in, if it is one, and no other lies in their trees.
    fn mount_of<'a>(&self, paths: impl IntoIterator<Item = &'a ResourcePath>) -> Option<&Mount> {
        let mut first = None;
        for path in paths {
            let found = self.mounts.iter().position(|(at, _)| at.contains(path))?;
            let is_alone = self.mounts.iter().all(|(at, _)| !path.is_above(at));
            if !is_alone || *first.get_or_insert(found) != found {
                return None;
            }
        }
        self.mounts[first?].1.as_ref()
    }
}

impl Group {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines a turn up, and sees to it that somebody serves it.
    fn line_up(self: &Arc<Self>, inner: &Arc<Inner>, turn: Turn) {
        let mut turns = self.turns();
        turns.waiting.push_back(turn);
        if turns.runs == self.limits.runs {
            return;
        }
        turns.runs += 1;
        drop(turns);
        let group = Arc::clone(self);
        inner.aside(move |inner| group.serve(inner));
    }

    /// Those who go together next; if there are none, a run less is under way.
    fn next_or_end(&self) -> Vec<Turn> {
        let mut turns = self.turns();
        if turns.waiting.is_empty() {
            turns.runs -= 1;
        }
        let (mut next, mut moving) = (Vec::new(), 0);
        while next.len() < Run::STEPS_MAX
            && moving < self.limits.moving
            && let Some(turn) = turns.waiting.pop_front()
        {
            moving += usize::from(matches!(&turn, Turn::Step(step, ..) if !step.is_patch()));
            next.push(turn);
        }
        next
    }

    /// Runs those who wait, until there are none.
    fn serve(&self, inner: &Arc<Inner>) {
        loop {
            let turns = self.next_or_end();
            if turns.is_empty() {
                return;
            }
            unless_it_panics(|| inner.take_turns(turns));
        }
    }
}

impl Engine {
    /// Runs a plan of one step, together with those of others if there are any.
    ///
    /// Once it has claimed its paths, it runs to its end even if the future returned is dropped.
    pub async fn run_step(&self, step: Step) -> Outcome {
        let Some(mount) = self.inner.mount_of(&step) else {
            let outcome = self.run(Plan::of(step)).await.pop();
            return outcome.unwrap_or_else(|| Err(unknown("it was not told of")));
        };
        let running = self.hold();
        let paths = step.claims().chain(step.watches()).cloned().collect();
        let patience = self.inner.options.patience;
        let Ok(claim) = self.inner.claims.take(Trees::new(paths), patience).await else {
            return Err(refused(&step, FailureKind::Busy));
        };
        let (tell, told) = oneshot::channel();
        mount.steps.line_up(&self.inner, Turn::Step(Box::new(step), claim, tell));
        drop(running);
        told.await.unwrap_or_else(|_| Err(unknown("the server failed")))
    }

    /// Changes a lock that is about these paths in its turn. Once they are claimed, that ends whatever
    /// happens.
    pub(crate) async fn change_lock<T: Send + 'static>(
        &self,
        paths: Vec<ResourcePath>,
        change: impl FnOnce(&Inner) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let running = self.hold();
        let subject = paths.first().cloned().unwrap_or_default();
        let mount = self.inner.groups.mount_of(&paths);
        let claim = self.inner.claims.take(Trees::new(paths), self.inner.options.patience).await;
        let Ok(claim) = claim else { return Err(Failure::new(FailureKind::Busy, subject)) };
        let (tell, told) = oneshot::channel();
        let turn: Change = Box::new(move |inner: &Inner| {
            let result = change(inner);
            drop(claim);
            // Who hung up isn't told.
            let _ = tell.send(result);
        });
        match mount {
            Some(mount) => mount.locks.line_up(&self.inner, Turn::Lock(turn)),
            None => self.inner.aside(move |inner| {
                unless_it_panics(move || turn(inner));
            }),
        }
        drop(running);
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
    fn aside(self: &Arc<Self>, work: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let (inner, running) = (Arc::clone(self), self.running.subscribe());
        tokio::task::spawn_blocking(move || {
            work(&inner);
            drop(running);
        });
    }

    /// The mount where a step may go with others. Contents come to disk faster side by side than one
    /// behind the other.
    fn mount_of(&self, step: &Step) -> Option<&Mount> {
        let awaits_disk = self.options.durability == Durability::Full && step.makes_content();
        let may_join = step.is_brief() && !awaits_disk;
        let paths = step.claims().chain(step.watches());
        may_join.then(|| self.groups.mount_of(paths)).flatten()
    }

    /// Whether others would have to wait long for a step: until a tree has made room for it, or until
    /// the locks of one have ended. Nobody else changes anything there any more.
    fn takes_long(&self, step: &Step) -> bool {
        let is_tree = |target| {
            self.store.find(target).is_ok_and(|found| found.is_some_and(|at| at.is_collection()))
        };
        step.arrives_at().is_some_and(is_tree) || !at_stake(&self.locks, step).is_empty()
    }

    /// Does what waited, the steps as one run but for those that take long.
    fn take_turns(self: &Arc<Self>, turns: Vec<Turn>) {
        let mut together = Vec::with_capacity(turns.len());
        for turn in turns {
            match turn {
                Turn::Lock(change) => {
                    unless_it_panics(|| change(self));
                }
                Turn::Step(step, claim, tell) if self.takes_long(&step) => {
                    self.aside(move |inner| inner.run_together(vec![(step, claim, tell)]));
                }
                Turn::Step(step, claim, tell) => together.push((step, claim, tell)),
            }
        }
        self.run_together(together);
    }

    fn run_together(&self, turns: Vec<(Box<Step>, Claim, oneshot::Sender<Outcome>)>) {
        let mut steps = Vec::with_capacity(turns.len());
        let mut others = Vec::with_capacity(turns.len());
        for (index, (step, claim, tell)) in turns.into_iter().enumerate() {
            steps.push(step.under(index));
            others.push((claim, tell));
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
