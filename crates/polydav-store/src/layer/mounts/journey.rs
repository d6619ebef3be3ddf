//! `Journey`: a run over several mounts, cut into a run for each.

use super::{Mount, Mounts, Route, Whole};
use crate::run::{Course, Done, OnFailure, Outcome, Report, Run, RunId};
use crate::step::Step;
use crate::store::{Broken, Store};
use crate::{Failure, FailureKind, LockView, Receipt};

/// A run on its way.
///
/// Mounts have no resource in common, so a run that goes on after failures comes to the same in
/// whatever order it goes through them: the steps of a mount wait until all can go together. Only a
/// step that looks at two mounts has to be judged between those before it and those behind it. A
/// run that stops goes from mount to mount in the order of its steps.
pub(super) struct Journey<'a> {
    mounts: &'a Mounts,
    locks: &'a dyn LockView,
    course: Course,
    /// What the runs of the mounts take after: it has no steps.
    like: Run,
    /// The steps that wait, by the number of their mount. Their index is their place in the run.
    waiting: Vec<Vec<Step>>,
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
        let indices: Vec<_> = run.steps.iter().map(Step::index).collect();
        Self {
            mounts,
            locks,
            course: Course::of(run),
            like: Run { steps: Vec::new(), cancel: run.cancel.clone(), ..*run },
            waiting: mounts.mounts.iter().map(|_| Vec::new()).collect(),
            told: Told { report, outcomes: vec![None; indices.len()], indices, next: 0 },
            broken: None,
        }
    }

    pub(super) fn run(mut self, steps: Vec<Step>) -> Result<(), Broken> {
        for (place, mut step) in steps.into_iter().enumerate() {
            step.set_index(place);
            match self.mounts.route(&step) {
                Route::To(mount) => self.board(mount, step),
                Route::Nowhere(kind, path, detail) => {
                    self.depart();
                    let (mounts, locks) = (self.mounts, self.locks);
                    let refuse = |step| mounts.refuse(step, locks, (kind, path, detail));
                    let outcome = self.course.attempt(step, refuse);
                    self.told.outcome(place, outcome);
                }
            }
        }
        self.depart();
        self.told.tell_the_rest();
        self.broken.map_or(Ok(()), Err)
    }

    /// Has a step wait for its mount's turn.
    fn board(&mut self, mount: usize, mut step: Step) {
        if self.mounts.looks_beyond(mount, &step) {
            self.depart();
            if let Err(failure) = self.look_beyond(mount, &mut step) {
                let outcome = Err(failure);
                self.course.note(&outcome);
                self.told.outcome(step.index(), outcome);
                return;
            }
        }
        let is_waiting =
            |(number, steps): (usize, &Vec<Step>)| number != mount && !steps.is_empty();
        if self.like.on_failure == OnFailure::Stop
            && self.waiting.iter().enumerate().any(is_waiting)
        {
            self.depart();
        }
        self.waiting[mount].push(step);
    }

    /// Judges a step against all mounts, and leaves its own store the conditions that it can see.
    fn look_beyond(&mut self, mount: usize, step: &mut Step) -> Result<(), Failure> {
        if self.course.ask().is_some() {
            // It won't be done; why is told when its turn comes.
            return Ok(());
        }
        let mounts = self.mounts;
        let view = Whole { mounts, locks: self.locks };
        step.open_again(&view)?;
        step.settle(&view, |resource| mounts.number_of(resource) != mount);
        Ok(())
    }

    /// Has all steps that wait done, mount by mount.
    fn depart(&mut self) {
        let mounts = self.mounts;
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
            self.course.note::<Done>(&Err(failure));
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
    fn outcome(&mut self, place: usize, outcome: Outcome) {
        self.course.note(&outcome);
        self.told.outcome(place, outcome);
    }

    fn keeps_receipts(&self) -> bool {
        self.told.report.keeps_receipts()
    }

    fn receipt(&mut self, receipt: Receipt) -> Result<(), Failure> {
        let Receipt { commit, mut outcomes } = receipt;
        outcomes.iter_mut().for_each(|(place, _)| *place = self.told.indices[*place]);
        self.told.report.receipt(Receipt { commit, outcomes })
    }

    fn confirm(&mut self) {
        self.told.report.confirm();
    }
}

/// The outcomes, on their way to whoever wants them in the order of the steps.
struct Told<'a> {
    report: &'a mut dyn Report,
    indices: Vec<usize>,
    outcomes: Vec<Option<Outcome>>,
    next: usize,
}

impl Told<'_> {
    /// Takes the outcome of the step at this place; tells all up to the first that isn't known.
    fn outcome(&mut self, place: usize, outcome: Outcome) {
        self.outcomes[place] = Some(outcome);
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
