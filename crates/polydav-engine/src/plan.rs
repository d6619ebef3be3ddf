//! `Plan`: what a request wants done.

use std::sync::Arc;

use polydav_store::{Cancel, Step};

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
pub struct Plan {
    /// The steps. Their outcomes come in the same order.
    pub steps: Vec<Step>,
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
