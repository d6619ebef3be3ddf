//! `Plan`: what a request wants done; `Steps`: where that comes from.

use std::future::{Future, ready};
use std::sync::Arc;
use std::vec;

use polydav_store::{Cancel, Needed, Outcome, Step};

use crate::Ticket;

/// What a failed step means for the others of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlanMode {
    /// Nothing.
    #[default]
    BestEffort,
    /// No further step is tried.
    Stop,
    /// No further step is tried, and all that was done is undone
    /// ([`OnFailure::UndoAll`](polydav_store::OnFailure::UndoAll)). All steps are one run, in a store
    /// that can do that.
    Atomic,
}

/// Steps to be done in order, and how.
#[derive(Debug)]
pub struct Plan<S = Vec<Step>> {
    /// The steps: a list, or [what makes them](Steps). Their outcomes come in the same order.
    pub steps: S,
    /// What a failure means.
    pub mode: PlanMode,
    /// Asked before every step whether to go on.
    pub cancel: Cancel,
    /// The batch whose steps they are, if word of it is kept.
    pub ticket: Option<Arc<Ticket>>,
}

impl Plan {
    /// A plan of a single step.
    pub fn of(step: Step) -> Self {
        Self {
            steps: vec![step],
            mode: PlanMode::BestEffort,
            cancel: Cancel::never(),
            ticket: None,
        }
    }
}

impl<S> Plan<S> {
    /// The same with other steps.
    pub(crate) fn map<T>(self, steps: impl FnOnce(S) -> T) -> Plan<T> {
        let Self { steps: list, mode, cancel, ticket } = self;
        Plan { steps: steps(list), mode, cancel, ticket }
    }
}

/// Where the steps of a plan come from, and where it is told what became of them.
pub trait Steps: Sized + Send + 'static {
    /// What the steps need of each other. What isn't in it is never met.
    fn needed(&self) -> Needed;

    /// The next steps, at most `max`; none if there are no more. Those given before run meanwhile, and
    /// are told of later: whoever waits here has all wait that stands behind.
    fn next(self, max: usize) -> impl Future<Output = (Self, Vec<Step>)> + Send;

    /// The outcomes of the oldest steps that [`Steps::next`] gave at once and that have none yet, in
    /// their order.
    fn told(&mut self, outcomes: Vec<Outcome>);
}

/// Steps that are all there from the beginning.
pub(crate) struct Listed {
    needed: Needed,
    steps: vec::IntoIter<Step>,
    outcomes: Vec<Outcome>,
}

impl Listed {
    pub(crate) fn into_outcomes(self) -> Vec<Outcome> {
        self.outcomes
    }
}

impl From<Vec<Step>> for Listed {
    fn from(steps: Vec<Step>) -> Self {
        let (needed, outcomes) = (Needed::by(&steps), Vec::with_capacity(steps.len()));
        Self { needed, steps: steps.into_iter(), outcomes }
    }
}

impl Steps for Listed {
    fn needed(&self) -> Needed {
        self.needed.clone()
    }

    fn next(mut self, max: usize) -> impl Future<Output = (Self, Vec<Step>)> + Send {
        let steps = self.steps.by_ref().take(max).collect();
        ready((self, steps))
    }

    fn told(&mut self, outcomes: Vec<Outcome>) {
        self.outcomes.extend(outcomes);
    }
}
