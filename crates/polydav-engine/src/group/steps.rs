//! Single steps that go to the store as one run.

use std::iter::repeat_with;
use std::sync::Arc;

use polydav_store::{Durability, FailureKind, Needed, Outcome, ResourcePath, Step, at_stake};
use tokio::sync::oneshot;

use super::{Mount, Turn, unless_it_panics};
use crate::claim::{Claim, Trees};
use crate::engine::{Engine, Inner, Manner, refused, unknown};
use crate::plan::Plan;

/// A step that has claimed its paths, and where it is told what became of it.
#[derive(Debug)]
pub(super) struct StepTurn {
    step: Box<Step>,
    claim: Claim,
    tell: oneshot::Sender<Outcome>,
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
        mount.steps.line_up(&self.inner, StepTurn { step: Box::new(step), claim, tell });
        drop(running);
        told.await.unwrap_or_else(|_| Err(unknown("the server failed")))
    }
}

impl Turn for StepTurn {
    fn is_moving(&self) -> bool {
        !self.step.is_patch()
    }

    /// As one run but for those that take long.
    fn take_all(turns: Vec<Self>, inner: &Arc<Inner>) {
        let (long, brief): (Vec<_>, Vec<_>) =
            turns.into_iter().partition(|turn| inner.takes_long(&turn.step));
        for turn in long {
            inner.aside(move |inner| inner.run_together(vec![turn]));
        }
        inner.run_together(brief);
    }
}

impl Inner {
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
        let is_tree = |target: &ResourcePath| {
            self.store.find(target).is_ok_and(|found| found.is_some_and(|at| at.is_collection()))
        };
        step.arrives_at().is_some_and(is_tree) || !at_stake(&self.locks, step).is_empty()
    }

    fn run_together(&self, turns: Vec<StepTurn>) {
        let mut steps = Vec::with_capacity(turns.len());
        let mut others = Vec::with_capacity(turns.len());
        for StepTurn { step, claim, tell } in turns {
            steps.push(*step);
            others.push((claim, tell));
        }
        for ((claim, tell), outcome) in
            others.into_iter().zip(self.run_as_one(steps, self.manner()))
        {
            // Whoever is told may ask for the same paths at once.
            drop(claim);
            let _ = tell.send(outcome);
        }
    }

    /// The outcome of each step, in their order; if the store panics, nobody knows those.
    pub(super) fn run_as_one(
        &self,
        steps: Vec<Step>,
        manner: Manner,
    ) -> impl Iterator<Item = Outcome> {
        let count = steps.len();
        let steps = steps.into_iter().enumerate().map(|(index, step)| step.under(index)).collect();
        let run = || self.apply(steps, &manner, Needed::default());
        let outcomes = unless_it_panics(run).unwrap_or_default().into_iter();
        outcomes.chain(repeat_with(|| Err(unknown("the server failed")))).take(count)
    }
}
