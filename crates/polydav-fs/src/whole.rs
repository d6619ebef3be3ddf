//! Runs that are done whole or not at all.
//!
//! Every step of such a run can be undone ([`crate::reversible`]). Rows follow at the end of the run,
//! in the transaction that forgets the intents: from there on the run is done. What fails before is
//! undone, by the run itself or when the store is opened again.

use std::cell::RefCell;
use std::sync::Arc;

use polydav_store::{
    Commit, Done, Effect, Failure, FailureKind, PropertyBounds, Report, ResourcePath, Step,
};

use crate::apply::{After, Execution, Pending, database_failure};
use crate::name_of;
use crate::state::{Changes, RowChange, is_in_doubt};

impl Execution<'_> {
    /// Performs the steps, or undoes them, and reports each.
    pub(crate) fn run_whole(mut self, steps: Vec<Step>, report: &mut dyn Report) {
        let mut steps = steps.into_iter();
        let mut is_certain = true;
        while let Some(stretch) = self.next_stretch(steps.as_slice()) {
            let mut left = stretch.len();
            while left > 0 {
                left -= self.perform(&mut steps, left);
                // Else what is done next could come to disk before what it builds upon.
                is_certain = self.sync_pending();
            }
        }
        if is_certain && !self.course.undoes() {
            self.commit_whole(report);
        } else if is_certain {
            self.look_for_an_earlier_culprit();
            self.undo_whole();
        }
        self.tell(report);
        self.purge_displaced();
    }

    /// Has the rows follow, and forgets what was written down: from there on the run is done.
    fn commit_whole(&mut self, report: &mut dyn Report) {
        if self.keeps_receipts {
            let commit = Commit::Named(name_of(self.run, self.commits));
            if let Err(failure) = report.receipt(self.receipt(commit)) {
                return self.refuse_commit(&failure);
            }
        }
        match self.follow(true) {
            Ok(None) => self.is_settled(),
            Ok(Some((at, failure))) => {
                self.blame(at, failure);
                self.undo_whole();
            }
            Err(error) if is_in_doubt(&error) => self.are_unknown(Arc::new(error)),
            Err(error) => {
                let root = ResourcePath::root();
                self.refuse_commit(&database_failure(&Arc::new(error), &root));
            }
        }
    }

    /// Has the rows follow those steps that were done, and keeps that if it is meant to be. Gives the
    /// first step whose rows can't follow; then nothing is kept.
    fn follow(&self, is_meant: bool) -> rusqlite::Result<Option<(usize, Failure)>> {
        let refused = RefCell::new(None);
        self.state.settle_if(self.durability, |changes| {
            *refused.borrow_mut() = self.write_rows(changes)?;
            changes.settle_run(self.run)?;
            if self.keeps_receipts {
                changes.mark(self.run, self.commits)?;
            }
            Ok(is_meant && refused.borrow().is_none())
        })?;
        Ok(refused.into_inner())
    }

    fn write_rows(&self, changes: &Changes<'_>) -> rusqlite::Result<Option<(usize, Failure)>> {
        if !self.may_have_rows() {
            return Ok(None);
        }
        for (at, pending) in self.pending.iter().enumerate() {
            match &pending.after {
                After::Patch(change) => {
                    if let Err(failure) = check_bounds(changes, change)? {
                        return Ok(Some((at, failure)));
                    }
                    changes.apply(change)?;
                }
                After::Follow(Some(change), _) => changes.apply(change)?,
                _ => {}
            }
        }
        Ok(None)
    }

    /// It turns out that a step failed, and so whatever stands behind it was not to be tried.
    fn blame(&mut self, at: usize, failure: Failure) {
        for pending in &mut self.pending[at + 1..] {
            if pending.outcome.is_err() {
                let kind = FailureKind::Dependency;
                pending.outcome = Err(Failure::new(kind, pending.path.clone()));
            }
        }
        self.course.note_failure(&failure);
        self.pending[at].outcome = Err(failure);
    }

    /// The commit failed, and no step is at fault.
    fn refuse_commit(&mut self, because: &Failure) {
        tracing::error!(%because, "a run can't be committed; it is undone");
        let refused = |path: &ResourcePath| Failure {
            kind: FailureKind::Dependency,
            path: path.clone(),
            detail: Some("what belongs to the files could not be committed".into()),
            ..because.clone()
        };
        self.course.note_failure(&refused(&ResourcePath::root()));
        self.undo_whole();
        let undone = |pending: &&mut Pending| {
            pending.outcome.as_ref().is_err_and(|failure| failure.effect == Effect::RolledBack)
        };
        for pending in self.pending.iter_mut().filter(undone) {
            pending.outcome = Err(refused(&pending.path).with_effect(Effect::RolledBack));
        }
    }

    /// Undoes what was done.
    fn undo_whole(&mut self) {
        if !self.undo_begun() {
            return;
        }
        for pending in &mut self.pending {
            let outcome = std::mem::replace(&mut pending.outcome, Ok(Done::default()));
            pending.outcome = self.course.undone(outcome, &pending.path);
        }
    }

    /// Whether a patch can be made is known only when the rows follow; it may have been the first to
    /// fail.
    fn look_for_an_earlier_culprit(&mut self) {
        if !self.may_have_rows() || self.course.over() != Some(FailureKind::Dependency) {
            return;
        }
        match self.follow(false) {
            Ok(Some((at, failure))) => self.blame(at, failure),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the properties of a run can't be looked at"),
        }
    }
}

/// Whether a patch keeps within its bounds.
fn check_bounds(
    changes: &Changes<'_>,
    change: &RowChange,
) -> rusqlite::Result<Result<(), Failure>> {
    let RowChange::Patch(target, instructions) = change else { return Ok(Ok(())) };
    let mut bounds = PropertyBounds::new(instructions);
    changes.rows().property_bytes(target, |name, bytes| bounds.has(name, bytes))?;
    Ok(bounds.check(target))
}
