//! LOCKs, refreshes and UNLOCKs that are written down together.

use std::fmt;
use std::sync::Arc;

use polydav_store::{Failure, FailureKind, Guard, LockChange, Needed, ResourcePath, Step};
use tokio::sync::oneshot;

use super::{Turn, moving_max, unless_it_panics};
use crate::claim::{Claim, Trees};
use crate::engine::{Engine, Inner, Manner, unknown};

/// What is asked about a lock.
pub(crate) trait LockAction: Send + 'static {
    /// What is told if it is done.
    type Done: Send;

    /// What it is about, and its conditions.
    fn subject(&self) -> (&ResourcePath, &Guard);

    /// Whether it can't be judged before these changes are made, for they are about the same lock, or
    /// may be as many as there may be.
    fn is_behind(&self, ahead: &[LockChange], inner: &Inner) -> bool;

    /// Whether it may be done, and what is to be done then. Changes nothing.
    fn check(&self, inner: &Inner) -> Result<Checked<Self::Done>, Failure>;
}

/// What may be done.
pub(crate) struct Checked<T> {
    /// What is to be written down first.
    pub(crate) change: Option<LockChange>,
    /// What follows; if it fails, the lock ends.
    pub(crate) then: Option<Step>,
    /// What is told if all of it is done.
    pub(crate) done: T,
}

/// What waits for its turn.
pub(super) type LockTurn = Box<dyn Waiting>;

/// An action that has claimed its paths, whatever its kind.
pub(super) trait Waiting: Send {
    fn is_behind(&self, ahead: &[LockChange], inner: &Inner) -> bool;
    /// What is to be written down, and what follows; `None` if it is settled without.
    fn check(&mut self, inner: &Inner) -> Option<(LockChange, Option<Step>)>;
    /// Tells what became of it, once what was to be done was done, or failed.
    fn tell(self: Box<Self>, done: Result<(), Failure>);
}

struct Asked<A: LockAction> {
    action: A,
    checked: Option<Result<A::Done, Failure>>,
    claim: Claim,
    tell: oneshot::Sender<Result<A::Done, Failure>>,
}

impl fmt::Debug for dyn Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockTurn").finish_non_exhaustive()
    }
}

impl<A: LockAction> Waiting for Asked<A> {
    fn is_behind(&self, ahead: &[LockChange], inner: &Inner) -> bool {
        self.action.is_behind(ahead, inner)
    }

    fn check(&mut self, inner: &Inner) -> Option<(LockChange, Option<Step>)> {
        let checked = self.action.check(inner);
        let (checked, rest) = match checked {
            Ok(Checked { change, then, done }) => (Ok(done), change.map(|change| (change, then))),
            Err(failure) => (Err(failure), None),
        };
        self.checked = Some(checked);
        rest
    }

    fn tell(self: Box<Self>, done: Result<(), Failure>) {
        let Self { checked, claim, tell, .. } = *self;
        // Whoever is told may ask for the same paths at once.
        drop(claim);
        if let Some(checked) = checked {
            // Who hung up isn't told.
            let _ = tell.send(done.and(checked));
        }
    }
}

impl Engine {
    /// Does what is asked about a lock in its turn. Once its paths are claimed, that ends whatever
    /// happens.
    pub(crate) async fn change_lock<A: LockAction>(&self, action: A) -> Result<A::Done, Failure> {
        let running = self.hold();
        let (subject, guard) = action.subject();
        let paths: Vec<_> = std::iter::once(subject).chain(guard.watches()).cloned().collect();
        let mount = self.inner.groups.mount_of(&paths);
        let claim = self.inner.claims.take(Trees::new(paths), self.inner.options.patience).await;
        let Ok(claim) = claim else {
            return Err(Failure::new(FailureKind::Busy, action.subject().0.clone()));
        };
        let (tell, told) = oneshot::channel();
        let turn: LockTurn = Box::new(Asked { action, checked: None, claim, tell });
        match mount {
            Some(mount) => mount.locks.line_up(&self.inner, turn),
            None => self.inner.aside(move |inner| {
                unless_it_panics(move || Turn::take_all(vec![turn], inner));
            }),
        }
        drop(running);
        told.await.unwrap_or_else(|_| Err(unknown("the server failed")))
    }
}

impl Turn for LockTurn {
    /// What may follow goes in portions.
    fn is_moving(&self) -> bool {
        false
    }

    fn take_all(turns: Vec<Self>, inner: &Arc<Inner>) {
        inner.locks.expire();
        let mut together = Together::default();
        for mut turn in turns {
            if turn.is_behind(&together.changes, inner) {
                std::mem::take(&mut together).settle(inner);
            }
            match unless_it_panics(|| turn.check(inner)) {
                Some(Some((change, then))) => together.push(turn, change, then),
                Some(None) => turn.tell(Ok(())),
                None => {}
            }
        }
        together.settle(inner);
    }
}

/// Changes that are made together.
#[derive(Default)]
struct Together {
    turns: Vec<LockTurn>,
    changes: Vec<LockChange>,
    /// Of whose turn they are, by number.
    steps: Vec<(usize, Step)>,
}

impl Together {
    fn push(&mut self, turn: LockTurn, change: LockChange, then: Option<Step>) {
        self.steps.extend(then.map(|step| (self.turns.len(), step)));
        self.changes.push(change);
        self.turns.push(turn);
    }

    /// Makes the changes, then what follows them, and tells everybody.
    fn settle(self, inner: &Inner) {
        let Self { turns, changes, steps } = self;
        let mut results = inner.write_down(&changes);
        let mut steps = steps.into_iter().filter(|(at, _)| results[*at].is_ok()).peekable();
        let mut failed = Vec::new();
        while steps.peek().is_some() {
            failed.extend(inner.follow(steps.by_ref().take(moving_max(inner.options.durability))));
        }
        let void: Vec<_> =
            failed.iter().filter_map(|(at, _)| changes[*at].kept().cloned()).collect();
        inner.locks.forget(&void, inner.options.durability);
        for (at, failure) in failed {
            results[at] = Err(failure);
        }
        for (turn, result) in turns.into_iter().zip(results) {
            turn.tell(result);
        }
    }
}

impl Inner {
    /// Makes changes of locks in one commit; if that fails, each for itself.
    fn write_down(&self, changes: &[LockChange]) -> Vec<Result<(), Failure>> {
        let durability = self.options.durability;
        match self.locks.change(changes, durability) {
            Err(failure) if changes.len() == 1 => vec![Err(failure)],
            Err(_) => changes.chunks(1).map(|one| self.locks.change(one, durability)).collect(),
            Ok(()) => changes.iter().map(|_| Ok(())).collect(),
        }
    }

    /// Runs steps together; of which turns they fail, and why.
    fn follow(&self, steps: impl Iterator<Item = (usize, Step)>) -> Vec<(usize, Failure)> {
        let (turns, steps): (Vec<_>, Vec<_>) =
            steps.enumerate().map(|(index, (at, step))| (at, step.under(index))).unzip();
        let outcomes = self.apply(steps, &Manner::plain(), Needed::default());
        turns
            .into_iter()
            .zip(outcomes)
            .filter_map(|(at, outcome)| Some((at, outcome.err()?)))
            .collect()
    }
}
