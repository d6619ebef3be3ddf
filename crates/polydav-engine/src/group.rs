//! `Group`: what many requests ask for that goes to the store, or to the ledger, together.
//!
//! Most plans have one step. Where many come at once, each with a hop to another thread, a commit and
//! a sync of its own, those take longer than the steps. So whoever comes while a run is under way
//! waits for its end, and goes with all others who wait: one hop, one commit, one sync for all of
//! them. Each has claimed its paths before, so no two are about the same. Who comes alone doesn't wait.

mod locks;
mod steps;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polydav_store::{Durability, ResourcePath, Run, Store};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::engine::{Inner, Options};

use self::locks::LockTurn;
pub(crate) use self::locks::{Checked, LockAction};
use self::steps::StepTurn;

/// The groups of a store.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Those of each mount, inner ones first: a disk that is slow holds nobody up at another. Records
    /// have none, for what somebody else does in a database may hold a row up.
    mounts: Box<[(ResourcePath, Option<Mount>)]>,
}

#[derive(Debug)]
struct Mount {
    steps: Arc<Group<StepTurn>>,
    /// Apart from the steps: these go to the ledger.
    locks: Arc<Group<LockTurn>>,
}

/// Those who wait for their turn.
#[derive(Debug)]
struct Group<T> {
    turns: Mutex<Turns<T>>,
    limits: Limits,
}

/// How much a group does at once.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The most runs under way.
    runs: usize,
    /// The most of a run that change directories.
    moving: usize,
}

#[derive(Debug)]
struct Turns<T> {
    waiting: VecDeque<T>,
    runs: usize,
}

/// What waits for its turn.
trait Turn: Sized + Send + 'static {
    /// Whether it changes directories.
    fn is_moving(&self) -> bool {
        false
    }
    /// Does what waited, and tells everybody of it.
    fn take_all(turns: Vec<Self>, inner: &Arc<Inner>);
}

/// So many tasks a runtime has that serves one client: its connection, and who accepts others.
const IDLE_TASKS_MAX: usize = 2;

/// How many steps may change directories together. With full durability, for many the whole file
/// system would be brought to disk at once, with what others wrote to it meanwhile.
fn moving_max(durability: Durability) -> usize {
    match durability {
        Durability::Full => 8,
        Durability::Relaxed => Run::STEPS_MAX,
    }
}

impl Groups {
    /// The groups of a store. Asking for its mounts may block.
    pub(crate) fn of(store: &dyn Store, options: &Options) -> Self {
        let (runs, moving) = (options.runs_max.max(1), moving_max(options.durability));
        let mut mounts = store.mounts();
        mounts.sort_unstable_by_key(|path| std::cmp::Reverse(path.as_bytes().len()));
        let mount = |path: ResourcePath| {
            let has_files = !store.capabilities(&path).records;
            let mount = || Mount {
                steps: Group::new(Limits { runs, moving }),
                // The ledger takes one commit at a time.
                locks: Group::new(Limits { runs: 1, moving }),
            };
            (path, has_files.then(mount))
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

impl<T> Turns<T> {
    /// If none waits, a run less is under way; whether that is so.
    fn end_if_none_waits(&mut self) -> bool {
        let none_waits = self.waiting.is_empty();
        self.runs -= usize::from(none_waits);
        none_waits
    }
}

impl<T: Turn> Group<T> {
    fn new(limits: Limits) -> Arc<Self> {
        let turns = Turns { waiting: VecDeque::new(), runs: 0 };
        Arc::new(Self { turns: Mutex::new(turns), limits })
    }

    fn turns(&self) -> MutexGuard<'_, Turns<T>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines a turn up, and sees to it that somebody serves it.
    fn line_up(self: &Arc<Self>, inner: &Arc<Inner>, turn: T) {
        let mut turns = self.turns();
        turns.waiting.push_back(turn);
        if turns.runs == self.limits.runs {
            return;
        }
        turns.runs += 1;
        drop(turns);
        if inner.options.in_place && is_runtime_idle() {
            block_in_place(|| self.serve_one(inner));
        } else {
            self.serve_aside(inner);
        }
    }

    /// Runs those who wait now. Who comes meanwhile must not keep this task from its answer.
    fn serve_one(self: &Arc<Self>, inner: &Arc<Inner>) {
        let next = self.next_or_end();
        if next.is_empty() {
            return;
        }
        unless_it_panics(|| T::take_all(next, inner));
        let has_ended = self.turns().end_if_none_waits();
        if !has_ended {
            self.serve_aside(inner);
        }
    }

    fn serve_aside(self: &Arc<Self>, inner: &Arc<Inner>) {
        let group = Arc::clone(self);
        inner.aside(move |inner| group.serve(inner));
    }

    /// Those who go together next; if there are none, a run less is under way.
    fn next_or_end(&self) -> Vec<T> {
        let mut turns = self.turns();
        turns.end_if_none_waits();
        let (mut next, mut moving) = (Vec::new(), 0);
        while next.len() < Run::STEPS_MAX
            && moving < self.limits.moving
            && let Some(turn) = turns.waiting.pop_front()
        {
            moving += usize::from(turn.is_moving());
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
            unless_it_panics(|| T::take_all(turns, inner));
        }
    }
}

/// Whether hardly any other task could want this thread, and another would take over if one did.
fn is_runtime_idle() -> bool {
    let runtime = Handle::current();
    runtime.runtime_flavor() == RuntimeFlavor::MultiThread
        && runtime.metrics().num_alive_tasks() <= IDLE_TASKS_MAX
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
}
