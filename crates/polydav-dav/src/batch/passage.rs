//! The operations of a document on their way: planned, sent to the engine, and told of.
//!
//! What runs is never waited for by what can be done beside it: while some operations run, the next
//! are planned, and those before are told of.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::{iter, vec};

use polydav_engine::{Steps, Ticket};
use polydav_proto::batch::Mode;
use polydav_store::{Needed, Outcome, Run, Step, Store};

use super::plan::Planned;
use super::reply::{Writing, Written};
use super::told::{Told, note_outcomes};
use crate::naming::Naming;
use crate::problem::Problem;
use crate::site::Base;

/// The operations of a batch, in their order. They are planned as they are taken, which blocks; as
/// many as run at once are planned from the beginning.
pub(crate) struct Operations {
    /// Which of them others need.
    needed: Needed,
    planned: vec::IntoIter<Planned>,
    rest: Box<dyn ExactSizeIterator<Item = Planned> + Send>,
}

impl Operations {
    const FEW: usize = 64;

    /// Those that this plans; of which these are needed. Blocks.
    pub(crate) fn new(
        needed: Needed,
        mut rest: impl ExactSizeIterator<Item = Planned> + Send + 'static,
    ) -> Self {
        // As many as run first: they are wanted at once.
        let planned: Vec<_> = rest.by_ref().take(Run::STEPS_MAX).collect();
        Self { needed, planned: planned.into_iter(), rest: Box::new(rest) }
    }

    /// All of them, planned. Blocks.
    pub(super) fn plan_all(&mut self) -> &[Planned] {
        self.planned = self.by_ref().collect::<Vec<_>>().into_iter();
        self.rest = Box::new(iter::empty());
        self.planned.as_slice()
    }

    /// Whether those that are left can be taken in no time.
    fn are_few(&self) -> bool {
        self.rest.len() == 0 && self.planned.len() <= Self::FEW
    }
}

impl Iterator for Operations {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        let planned = self.planned.next();
        if planned.is_none() {
            // Their room is given back.
            self.planned = Vec::new().into_iter();
        }
        planned.or_else(|| self.rest.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.planned.len() + self.rest.len();
        (len, Some(len))
    }
}

impl ExactSizeIterator for Operations {}

/// Which operations are sent to the engine.
pub(super) struct Selection {
    mode: Mode,
    /// Whether none is any more.
    is_over: bool,
    /// Those that are known to fail.
    failing: HashSet<usize>,
    ticket: Option<Arc<Ticket>>,
}

impl Selection {
    /// Of a batch that `is_doomed`, none is: it is to be done whole, and one is known to fail.
    pub(super) fn new(mode: Mode, is_doomed: bool, ticket: Option<Arc<Ticket>>) -> Self {
        Self { mode, is_over: is_doomed, failing: HashSet::new(), ticket }
    }

    /// An operation that is on its way, and its step, if that is sent.
    pub(super) fn pass(&mut self, planned: Planned) -> (Told, Option<Step>) {
        let (item, step) = planned.into_parts();
        let is_refused = item.verdict.is_some();
        // Nothing that needs an operation that is known to fail runs, whatever the mode.
        let hangs = item.needs.iter().any(|need| self.failing.contains(need));
        let step = step.filter(|_| !self.is_over && !hangs);
        self.is_over |= self.mode == Mode::Stop && is_refused;
        if hangs || is_refused {
            self.failing.insert(item.index);
        }
        if let (None, Some(ticket)) = (&step, &self.ticket) {
            ticket.pass_over(is_refused);
        }
        (Told::new(item, step.is_some()), step)
    }
}

/// The operations of a document on their way.
pub(super) struct Passage {
    operations: Operations,
    selection: Selection,
    /// Those that are on their way, and aren't told of.
    untold: VecDeque<Told>,
    /// How many of them have an outcome, or will have none.
    answered: usize,
    writing: Result<Writing, Problem>,
    base: Base,
    store: Arc<dyn Store>,
}

impl Passage {
    /// Nothing is sent yet.
    pub(super) fn new(
        operations: Operations,
        selection: Selection,
        writing: Writing,
        (base, store): (Base, Arc<dyn Store>),
    ) -> Self {
        let (untold, writing) = (VecDeque::new(), Ok(writing));
        Self { operations, selection, untold, answered: 0, writing, base, store }
    }

    /// The answer, and what is to be known of the batch. Blocks.
    pub(super) fn end(mut self) -> Result<Written, Problem> {
        self.tell(self.untold.len());
        self.writing?.end()
    }

    /// How many can be told of while others run. What failed is not: what lies there is named as it is
    /// in the end, and the store may be busy until then. Nor is what stands behind it.
    fn tellable(&self) -> usize {
        self.untold.iter().take(self.answered).take_while(|told| !told.has_failed()).count()
    }

    /// Tells of the next `count`. Blocks.
    fn tell(&mut self, count: usize) {
        let told: Vec<_> = self.untold.drain(..count).collect();
        self.answered = self.answered.saturating_sub(count);
        let naming = Naming { base: &self.base, ground: &self.store };
        if let Ok(writing) = &mut self.writing
            && let Err(problem) = writing.tell(told, naming)
        {
            self.writing = Err(problem);
        }
    }

    /// Sends up to `max` of those that are left. Blocks, unless they are few.
    fn send(&mut self, max: usize) -> Vec<Step> {
        let count = max.min(self.operations.len());
        let mut steps = Vec::with_capacity(count);
        self.untold.reserve_exact(count);
        while steps.len() < max
            && let Some(planned) = self.operations.next()
        {
            let (told, step) = self.selection.pass(planned);
            self.untold.push_back(told);
            steps.extend(step);
        }
        steps
    }
}

impl Steps for Passage {
    fn needed(&self) -> Needed {
        self.operations.needed.clone()
    }

    async fn next(mut self, max: usize) -> (Self, Vec<Step>) {
        let tellable = self.tellable();
        if tellable == 0 && self.operations.are_few() {
            let steps = self.send(max);
            return (self, steps);
        }
        let aside = tokio::task::spawn_blocking(move || {
            self.tell(tellable);
            let steps = self.send(max);
            (self, steps)
        });
        aside.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    fn told(&mut self, outcomes: Vec<Outcome>) {
        self.answered += note_outcomes(self.untold.range_mut(self.answered..), outcomes);
    }
}
