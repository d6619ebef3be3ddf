//! `Journey`: a run over several mounts, cut into a run for each.

use std::collections::HashMap;

use super::{Mount, Mounts, Route, Whole};
use crate::run::{Course, OnFailure, Outcome, Report, Run, RunId};
use crate::step::Step;
use crate::store::{Broken, Store};
use crate::{Failure, FailureKind, LockView, Receipt};

/// A run on its way.
///
/// Mounts have no resource in common, so a run that goes on after failures comes to the same in
/// whatever order it goes through them: the steps of a mount wait until all can go together. Only a
/// step that looks at two mounts has to be judged between those before it and those behind it, and
/// one that needs a step of another mount goes after that. A run that stops goes from mount to mount
/// in the order of its steps.
pub(super) struct Journey<'a> {
    mounts: &'a Mounts,
    locks: &'a dyn LockView,
    course: Course,
    /// What the runs of the mounts take after: it has no steps.
    like: Run,
    /// The steps that wait, by the number of their mount.
    waiting: Vec<Vec<Step>>,
    /// The number of the mount whose turn a step waits for, by its index.
    waits_for: HashMap<usize, usize>,
    told: Told<'a>,
    broken: Option<Broken>,
}

impl<'a> Journey<'a> {
    pub(super) fn new(
        mounts: &'a Mounts,
        run: &Run,
        locks: &'a dyn LockView,
        report: &'a mut dyn Report,
    ) -> Self {
        Self {
            mounts,
            locks,
            course: Course::of(run),
            like: Run { steps: Vec::new(), cancel: run.cancel.clone(), ..*run },
            waiting: mounts.mounts.iter().map(|_| Vec::new()).collect(),
            waits_for: HashMap::new(),
            told: Told::new(&run.steps, report),
            broken: None,
        }
    }

    pub(super) fn run(mut self, steps: Vec<Step>) -> Result<(), Broken> {
        for step in steps {
            match self.mounts.route(&step) {
                Route::To(mount) => self.board(mount, step),
                Route::Nowhere(kind, path, detail) => {
                    self.depart();
                    let (mounts, locks, index) = (self.mounts, self.locks, step.index());
                    let refuse = |step| mounts.refuse(step, locks, (kind, path, detail));
                    let outcome = self.course.attempt(step, refuse);
                    self.told.outcome(index, outcome);
                }
            }
        }
        self.depart();
        self.told.tell_the_rest();
        self.broken.map_or(Ok(()), Err)
    }

    /// Has a step wait for its mount's turn.
    fn board(&mut self, mount: usize, mut step: Step) {
        let looks_beyond = self.mounts.looks_beyond(mount, &step);
        if looks_beyond || self.goes_after_others(mount, &step) {
            self.depart();
        }
        self.course.needed().settle(&mut step);
        if looks_beyond && let Err(failure) = self.look_beyond(mount, &mut step) {
            let outcome = Err(failure);
            self.course.note(step.index(), &outcome);
            self.told.outcome(step.index(), outcome);
            return;
        }
        self.waits_for.insert(step.index(), mount);
        self.waiting[mount].push(step);
    }

    /// Whether steps that wait for another mount's turn have to be done before this one of `mount`.
    fn goes_after_others(&self, mount: usize, step: &Step) -> bool {
        if self.like.on_failure == OnFailure::Stop {
            let mut waiting = self.waiting.iter().enumerate();
            return waiting.any(|(number, steps)| number != mount && !steps.is_empty());
        }
        let is_elsewhere = |need| self.waits_for.get(need).is_some_and(|other| *other != mount);
        step.needs().iter().any(is_elsewhere)
    }

    /// Judges a step against all mounts, and leaves its own store the conditions that it can see.
    fn look_beyond(&mut self, mount: usize, step: &mut Step) -> Result<(), Failure> {
        if self.course.ask().is_some() {
            // It won't be done; why is told when its turn comes.
            return Ok(());
        }
        let mounts = self.mounts;
        let view = Whole { mounts, locks: self.locks };
        step.open_again(&view, self.course.needed())?;
        step.settle(&view, |resource| mounts.number_of(resource) != mount);
        Ok(())
    }

    /// Has all steps that wait done, mount by mount.
    fn depart(&mut self) {
        let mounts = self.mounts;
        self.waits_for.clear();
        for (number, mount) in mounts.mounts.iter().enumerate() {
            let steps = std::mem::take(&mut self.waiting[number]);
            match self.course.over() {
                _ if steps.is_empty() => {}
                None => self.apply(mount, steps),
                Some(kind) => {
                    for step in steps {
                        let failure = Failure::new(kind, step.subject().clone());
                        self.told.outcome(step.index(), Err(failure));
                    }
                }
            }
        }
    }

    fn apply(&mut self, mount: &Mount, steps: Vec<Step>) {
        let id = RunId(self.like.id.0.wrapping_add(1));
        let run = Run { steps, cancel: self.like.cancel.clone(), ..self.like };
        self.like.id = id;
        let mut part = Part { course: &mut self.course, told: &mut self.told };
        let applied = mount.apply(run, self.locks, &mut part);
        if let Err(broken) = applied {
            // What it didn't tell may have failed.
            let failure = Failure::new(FailureKind::Internal, mount.path.clone());
            self.course.note_failure(&failure);
            self.broken.get_or_insert(broken);
        }
    }
}

/// Takes what the run of one mount reports.
struct Part<'a, 'r> {
    course: &'a mut Course,
    told: &'a mut Told<'r>,
}

impl Report for Part<'_, '_> {
    fn outcome(&mut self, index: usize, outcome: Outcome) {
        self.course.note(index, &outcome);
        self.told.outcome(index, outcome);
    }

    fn keeps_receipts(&self) -> bool {
        self.told.report.keeps_receipts()
    }

    fn receipt(&mut self, receipt: Receipt) -> Result<(), Failure> {
        self.told.report.receipt(receipt)
    }

    fn confirm(&mut self) {
        self.told.report.confirm();
    }
}

/// The outcomes, on their way to whoever wants them in the order of the steps.
struct Told<'a> {
    report: &'a mut dyn Report,
    indices: Vec<usize>,
    /// The place in the run that each index has.
    places: HashMap<usize, usize>,
    outcomes: Vec<Option<Outcome>>,
    next: usize,
}

impl<'a> Told<'a> {
    fn new(steps: &[Step], report: &'a mut dyn Report) -> Self {
        let indices: Vec<_> = steps.iter().map(Step::index).collect();
        let places = indices.iter().enumerate().map(|(place, index)| (*index, place)).collect();
        Self { report, outcomes: vec![None; indices.len()], indices, places, next: 0 }
    }

    /// Takes the outcome of a step; tells all up to the first that isn't known.
    fn outcome(&mut self, index: usize, outcome: Outcome) {
        if let Some(place) = self.places.get(&index) {
            self.outcomes[*place] = Some(outcome);
        }
        while let Some(outcome) = self.outcomes.get_mut(self.next).and_then(Option::take) {
            self.report.outcome(self.indices[self.next], outcome);
            self.next += 1;
        }
    }

    /// Tells what stands behind steps whose outcome nobody knows, because their store broke.
    fn tell_the_rest(&mut self) {
        for (index, outcome) in self.indices.iter().zip(&mut self.outcomes) {
            if let Some(outcome) = outcome.take() {
                self.report.outcome(*index, outcome);
            }
        }
    }
}
