//! The operations of a document on their way: planned, sent to the engine, and told of.
//!
//! What runs is never waited for by what can be done beside it: while some operations run, the next
//! are planned, and those before are told of.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::{iter, vec};

use http::StatusCode;
use polydav_engine::{Steps, Ticket};
use polydav_proto::batch::Mode;
use polydav_store::{Needed, Outcome, ResourcePath, Run, Step, Store};

use super::plan::Planned;
use super::reply::{Writing, Written};
use super::told::{Told, note_outcomes};
use crate::naming::Naming;
use crate::problem::Problem;
use crate::site::Base;

/// The operations of a batch, in their order: planned as they are taken, but for the first of them.
/// Taking them blocks.
pub(crate) struct Operations {
    /// Which of them others need.
    needed: Needed,
    planned: vec::IntoIter<Planned>,
    rest: Box<dyn ExactSizeIterator<Item = Planned> + Send>,
}

impl Operations {
    /// Those that this plans; none needs another. Blocks.
    pub(crate) fn new(mut rest: impl ExactSizeIterator<Item = Planned> + Send + 'static) -> Self {
        // As many as run first: they are wanted at once.
        let planned: Vec<_> = rest.by_ref().take(Run::STEPS_MAX).collect();
        Self { needed: Needed::default(), planned: planned.into_iter(), rest: Box::new(rest) }
    }

    /// The same, of which others need these.
    pub(super) fn needing(self, needed: Needed) -> Self {
        Self { needed, ..self }
    }

    /// Whether one that is planned already is known to fail.
    fn is_any_refused(&self) -> bool {
        self.planned.as_slice().iter().any(Planned::is_refused)
    }

    /// The next that is planned already, which doesn't block. Behind the last their room is given back.
    fn next_planned(&mut self) -> Option<Planned> {
        let next = self.planned.next();
        if next.is_none() {
            self.planned = Vec::new().into_iter();
        }
        next
    }

    /// Plans all of them, and refuses a batch that can't be done whole. Blocks.
    pub(super) fn plan_whole(&mut self, base: &Base, store: &dyn Store) -> Result<(), Problem> {
        self.planned = self.by_ref().collect::<Vec<_>>().into_iter();
        self.rest = Box::new(iter::empty());
        let mounts = store.mounts();
        let mount_of = |path: &ResourcePath| {
            let around = mounts.iter().filter(|mount| mount.contains(path));
            around.max_by_key(|mount| mount.as_bytes().len())
        };
        let steps = self.planned.as_slice().iter().filter_map(Planned::step);
        let paths = steps.flat_map(|step| step.claims().chain(step.watches()));
        let met: BTreeSet<_> = paths.filter_map(mount_of).collect();
        let name = |mount: &&ResourcePath| base.href(mount, true);
        let said = match &met.iter().collect::<Vec<_>>()[..] {
            [] => return Ok(()),
            [mount] if store.capabilities(mount).atomic => return Ok(()),
            [mount] => format!("changes below {} can't be undone", name(mount)),
            several => {
                let names: Vec<_> = several.iter().map(|mount| name(mount)).collect();
                format!(
                    "{} are different mounts, and only one can be changed whole",
                    names.join(", ")
                )
            }
        };
        Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("mode \"atomic\": {said}")))
    }
}

impl Iterator for Operations {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        self.next_planned().or_else(|| self.rest.next())
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
    pub(super) fn new(mode: Mode, ticket: Option<Arc<Ticket>>) -> Self {
        Self { mode, is_over: false, failing: HashSet::new(), ticket }
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
        mut selection: Selection,
        writing: Writing,
        (base, store): (Base, Arc<dyn Store>),
    ) -> Self {
        // Of what is to be done whole, nothing runs if an operation is known to fail.
        selection.is_over |= selection.mode == Mode::Atomic && operations.is_any_refused();
        let (untold, writing) = (VecDeque::new(), Ok(writing));
        Self { operations, selection, untold, answered: 0, writing, base, store }
    }

    /// The answer, and what is to be known of the batch. Blocks.
    pub(super) fn end(mut self) -> Result<Written, Problem> {
        self.answered = self.untold.len();
        self.tell();
        self.writing?.end()
    }

    /// Tells of those that were answered. Blocks.
    fn tell(&mut self) {
        let told: Vec<_> = self.untold.drain(..self.answered).collect();
        self.answered = 0;
        let naming = Naming { base: &self.base, store: &*self.store };
        if let Ok(writing) = &mut self.writing
            && let Err(problem) = writing.tell(told, naming)
        {
            self.writing = Err(problem);
        }
    }

    /// Sends up to `max` of the operations that are `taken`.
    fn send(
        &mut self,
        max: usize,
        mut taken: impl FnMut(&mut Operations) -> Option<Planned>,
    ) -> Vec<Step> {
        let count = max.min(self.operations.len());
        let mut steps = Vec::with_capacity(count);
        self.untold.reserve_exact(count);
        while steps.len() < max
            && let Some(planned) = taken(&mut self.operations)
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
        let steps = self.send(max, Operations::next_planned);
        let has_more = self.operations.len() > 0 || self.answered > 0;
        if !steps.is_empty() || !has_more {
            return (self, steps);
        }
        let aside = tokio::task::spawn_blocking(move || {
            self.tell();
            let steps = self.send(max, Operations::next);
            (self, steps)
        });
        aside.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    fn told(&mut self, outcomes: Vec<Outcome>) {
        self.answered += note_outcomes(self.untold.range_mut(self.answered..), outcomes);
    }
}
