//! LOCKs, refreshes and UNLOCKs that are written down together.

use std::fmt;
use std::sync::Arc;

use polydav_store::{Failure, FailureKind, Guard, Lock, LockChange, LockToken, ResourcePath, Step};
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

    /// The tokens of locks that it is about, if there are such locks.
    fn tokens(&self) -> Vec<&LockToken> {
        Vec::new()
    }

    /// Whether it can't be judged before so many more locks are kept: with these, there may be as many
    /// as there may be.
    fn is_behind(&self, _ahead: usize, _inner: &Inner) -> bool {
        false
    }

    /// Whether it may be done, and what is to be done then.
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
    fn is_behind(&self, ahead: usize, inner: &Inner) -> bool;
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
    fn is_behind(&self, ahead: usize, inner: &Inner) -> bool {
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
        let paths = self.inner.claims_of(&action);
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
    fn take_all(turns: Vec<Self>, inner: &Arc<Inner>) {
        inner.locks.expire();
        inner.locks.settle(&*inner.store, Vec::new(), inner.options.durability);
        let mut together = Together::default();
        for mut turn in turns {
            if turn.is_behind(together.changes.len(), inner) {
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
    /// Whose they are, and what follows.
    turns: Vec<(LockTurn, Option<Step>)>,
    changes: Vec<LockChange>,
}

impl Together {
    fn push(&mut self, turn: LockTurn, change: LockChange, then: Option<Step>) {
        self.turns.push((turn, then));
        self.changes.push(change);
    }

    /// Makes the changes, and tells whoever waits for no more; then makes the files.
    fn settle(self, inner: &Inner) {
        let results = inner.write_down(&self.changes);
        let mut files = Vec::new();
        for (((turn, then), change), result) in
            self.turns.into_iter().zip(self.changes).zip(results)
        {
            match (then, change) {
                (Some(step), LockChange::Keep(lock)) if result.is_ok() => {
                    files.push((turn, lock, step));
                }
                _ => turn.tell(result),
            }
        }
        let mut files = files.into_iter().peekable();
        while files.peek().is_some() {
            let portion = files.by_ref().take(moving_max(inner.options.durability));
            inner.make_files(portion.collect());
        }
    }
}

impl Inner {
    /// What must not change meanwhile: the subject, what the conditions look at, and what the locks in
    /// question are on, so that of one lock one thing is done after the other.
    fn claims_of(&self, action: &impl LockAction) -> Vec<ResourcePath> {
        let (subject, guard) = action.subject();
        let locks = action.tokens().into_iter().filter_map(|token| self.locks.find(token));
        let roots = locks.filter(|lock| lock.covers(subject)).map(|lock| lock.root.clone());
        std::iter::once(subject).chain(guard.watches()).cloned().chain(roots).collect()
    }

    /// Makes changes of locks in one commit; where there is no space for all, each for itself.
    fn write_down(&self, changes: &[LockChange]) -> Vec<Result<(), Failure>> {
        let durability = self.options.durability;
        match self.locks.change(changes, durability) {
            Ok(()) => changes.iter().map(|_| Ok(())).collect(),
            Err(failure) if failure.kind == FailureKind::NoSpace => {
                changes.chunks(1).map(|one| self.locks.change(one, durability)).collect()
            }
            Err(failure) => {
                tracing::error!(%failure, "locks can't be written down");
                let told = || Failure::new(failure.kind, ResourcePath::root());
                changes.iter().map(|_| Err(told())).collect()
            }
        }
    }

    /// Makes the files that new locks are on, and tells of them. A lock on nothing ends.
    fn make_files(&self, files: Vec<(LockTurn, Arc<Lock>, Step)>) {
        let (turns, steps): (Vec<_>, Vec<_>) =
            files.into_iter().map(|(turn, lock, step)| ((turn, lock), step)).unzip();
        let outcomes = self.run_as_one(steps, Manner::plain());
        let mut told = Vec::new();
        let mut void = Vec::new();
        for ((turn, lock), outcome) in turns.into_iter().zip(outcomes) {
            void.extend(outcome.is_err().then_some(lock));
            told.push((turn, outcome.map(drop).map_err(as_told)));
        }
        self.locks.forget(&void, self.options.durability);
        told.into_iter().for_each(|(turn, result)| turn.tell(result));
    }
}

/// Another program made something where nothing was: whoever asks again locks that.
fn as_told(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::Precondition => Failure::new(FailureKind::Busy, failure.path),
        _ => failure,
    }
}
