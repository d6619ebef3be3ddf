//! What became of operations, and why those weren't tried that weren't.

use std::collections::HashSet;

use polydav_store::{Done, Effect, Failure, FailureKind, Outcome};

use super::plan::{Item, Verdict};
use crate::problem;

/// An operation and what became of it.
pub(super) struct Told {
    pub(super) item: Item,
    sent: bool,
    pub(super) outcome: Option<Outcome>,
    /// The operation it wasn't tried because of.
    pub(super) cause: Option<usize>,
}

impl Told {
    /// One that goes to the engine, or does not.
    pub(super) fn new(item: Item, sent: bool) -> Self {
        Self { item, sent, outcome: None, cause: None }
    }

    /// What would be made has no entity tag yet, and no name that the store gives.
    pub(super) fn forget_names(&mut self) {
        match &mut self.outcome {
            Some(Ok(done)) => *done = Done { created: done.created, ..Done::default() },
            Some(Err(failure)) => failure.etag = None,
            None => {}
        }
    }

    /// Whether it failed, or wasn't tried.
    pub(super) fn has_failed(&self) -> bool {
        self.item.verdict.is_some() || !matches!(self.outcome, Some(Ok(_)))
    }

    /// Whether it wasn't tried because of one that it needs.
    fn hangs_on_need(&self) -> bool {
        match (&self.outcome, &self.item.verdict) {
            (Some(Err(failure)), _) => failure.kind == FailureKind::Dependency,
            (None, None | Some(Verdict::Protected(_))) => true,
            (None, Some(_)) | (Some(Ok(_)), _) => false,
        }
    }

    /// Whether it failed by itself.
    fn is_culprit(&self) -> bool {
        match &self.outcome {
            None => self.item.verdict.is_some(),
            Some(Ok(_)) => false,
            Some(Err(failure)) => failure.kind.was_tried(),
        }
    }

    /// Whether it wasn't tried for lack of time, or because the server goes down.
    pub(super) fn was_left(&self) -> bool {
        matches!(&self.outcome, Some(Err(failure)) if is_not_attempted(failure))
    }

    fn left_all_as_it_was(&self) -> bool {
        match &self.outcome {
            Some(Ok(_)) => self.item.verdict.is_some(),
            Some(Err(failure)) => failure.effect == Effect::None,
            None => true,
        }
    }
}

pub(super) fn is_not_attempted(failure: &Failure) -> bool {
    failure.kind == FailureKind::NotAttempted
}

/// Gives those that went to the engine their outcomes. How many of all are answered then: the others
/// among them have none.
pub(super) fn note_outcomes<'a>(
    all: impl Iterator<Item = &'a mut Told>,
    outcomes: Vec<Outcome>,
) -> usize {
    let mut outcomes = outcomes.into_iter();
    let mut answered = 0;
    let sent = all.enumerate().filter(|(_, told)| told.sent);
    for ((at, told), outcome) in sent.zip(&mut outcomes) {
        told.outcome = Some(outcome);
        answered = at + 1;
    }
    answered
}

/// Which operations others weren't tried because of.
#[derive(Default)]
pub(super) struct Causes {
    /// In mode best-effort: those that failed.
    failed: HashSet<usize>,
    /// In mode stop: once nothing runs any more.
    halt: Option<Halt>,
}

/// In mode stop: why nothing runs any more.
enum Halt {
    /// The operation of this index failed.
    Failed(usize),
    /// An operation before was not tried either, for lack of time.
    Unreached(Failure),
}

impl Causes {
    /// In mode best-effort: what needs an operation that failed hangs on that one.
    pub(super) fn note_needs(&mut self, all: &mut [Told]) {
        for told in all {
            if told.hangs_on_need() {
                let mut needs = told.item.needs.iter().copied();
                told.cause = needs.find(|need| self.failed.contains(need));
            }
            if told.has_failed() {
                self.failed.insert(told.item.index);
            }
        }
    }

    /// In mode stop: whatever stands behind the first failure wasn't tried because of it.
    pub(super) fn note_halt(&mut self, mut all: &mut [Told]) {
        if self.halt.is_none() {
            let Some(first) = all.iter().position(Told::has_failed) else { return };
            let (before, behind) = all.split_at_mut(first + 1);
            self.halt = Some(Halt::at(&before[first]));
            all = behind;
        }
        self.halt.iter().for_each(|halt| halt.note(all));
    }

    /// Whether nothing runs any more.
    pub(super) fn is_halted(&self) -> bool {
        self.halt.is_some()
    }

    /// Nothing to come needs an operation that was noted.
    pub(super) fn forget_needs(&mut self) {
        self.failed.clear();
    }
}

impl Halt {
    /// That an operation failed.
    fn at(failed: &Told) -> Self {
        match &failed.outcome {
            Some(Err(failure)) if is_not_attempted(failure) => Self::Unreached(failure.clone()),
            _ => Self::Failed(failed.item.index),
        }
    }

    /// Notes it in what stands behind. What was done all the same, or may have been, is told as what
    /// it is.
    fn note(&self, behind: &mut [Told]) {
        match self {
            Self::Unreached(failure) => {
                behind.iter_mut().for_each(|item| item.outcome = Some(Err(failure.clone())));
            }
            Self::Failed(index) => {
                for item in behind.iter_mut().filter(|item| item.left_all_as_it_was()) {
                    item.cause = Some(*index);
                    item.outcome = None;
                }
            }
        }
    }
}

/// In mode atomic: all others hang on the operation that failed. If none did, the commit failed:
/// then this gives why.
pub(super) fn note_culprit(all: &mut [Told]) -> Option<String> {
    let hangs = |told: &Told| match &told.outcome {
        None => true,
        Some(Err(failure)) => failure.kind == FailureKind::Dependency,
        Some(Ok(_)) => false,
    };
    match all.iter().position(Told::is_culprit) {
        Some(culprit) => {
            let others = all.iter_mut().enumerate().filter(|(at, _)| *at != culprit);
            let hanging = others.map(|(_, told)| told).filter(|told| hangs(told));
            hanging.for_each(|told| told.cause = Some(culprit));
            None
        }
        None => all.iter().find_map(|told| match &told.outcome {
            Some(Err(failure)) if hangs(told) => Some(problem::sentence(failure).into_owned()),
            _ => None,
        }),
    }
}
