//! Runs that receipts are kept of: after a crash it is known of each step whether it was done.
//!
//! Steps that go through together are settled together, in a transaction that marks the commit; what
//! isn't settled is undone. The receipt names the mark, and is kept before it is made: so whoever
//! finds the receipt asks for the mark.
//!
//! Where the file system can't undo, nobody can tell what a crash left half done. A first receipt
//! says so before anything is done, and a second one how it went.

use std::sync::Arc;

use polydav_store::{Commit, Effect, Failure, FailureKind, Receipt, Report, ResourcePath, Step};

use crate::apply::{After, Execution, database_failure};
use crate::name_of;
use crate::state::is_in_doubt;

impl Execution<'_> {
    /// Keeps a receipt of steps of which nobody will be able to tell what became of them, if those
    /// are such.
    pub(crate) fn announce(
        &mut self,
        steps: &[Step],
        report: &mut dyn Report,
    ) -> Result<(), Failure> {
        if !self.keeps_receipts || self.is_reversible || self.course.over().is_some() {
            return Ok(());
        }
        let unknown = |step: &Step| {
            let failure = Failure::new(FailureKind::Internal, step.subject().clone());
            (step.index(), Err(failure.with_effect(Effect::Unknown)))
        };
        let outcomes = steps.iter().map(unknown).collect();
        report.receipt(Receipt { commit: Commit::Nameless, outcomes })
    }

    /// Commits what follows from what was done, and keeps a receipt of it.
    pub(crate) fn commit_with_receipt(&mut self, report: &mut dyn Report) {
        if self.pending.is_empty() {
            return;
        }
        if !self.is_reversible {
            self.commit_after();
            if let Err(failure) = report.receipt(self.receipt(Commit::Nothing)) {
                tracing::error!(%failure, "how steps went can't be written down");
            }
            return;
        }
        let changes = self.has_to_commit();
        let commit = match changes {
            true => Commit::Named(name_of(self.run, self.commits)),
            false => Commit::Nothing,
        };
        if let Err(failure) = report.receipt(self.receipt(commit)) {
            return self.undo_pending(&failure, report);
        }
        if !changes {
            return;
        }
        let settled = self.state.settle(self.durability, |changes| {
            self.write_after(changes)?;
            changes.mark(self.run, self.commits)
        });
        match settled {
            Ok(()) => self.is_settled(),
            Err(error) if is_in_doubt(&error) => self.are_unknown(Arc::new(error)),
            Err(error) => {
                tracing::error!(%error, "the rows of a run can't be committed");
                let error = Arc::new(error);
                let failure = database_failure(&error, &ResourcePath::root());
                self.undo_pending(&failure, report);
            }
        }
    }

    /// A receipt of what wasn't reported yet.
    pub(crate) fn receipt(&self, commit: Commit) -> Receipt {
        let outcomes = self.pending.iter();
        let outcomes = outcomes.map(|pending| (pending.index, pending.outcome.clone()));
        Receipt { commit, outcomes: outcomes.collect() }
    }

    /// Undoes what isn't settled: it failed.
    fn undo_pending(&mut self, because: &Failure, report: &mut dyn Report) {
        if !self.undo_begun() {
            return;
        }
        // A receipt that names this commit may be there to stay: no other commit takes its name.
        self.commits += 1;
        for pending in &mut self.pending {
            // What is none of these can't be undone, and stays done.
            let is_undone = matches!(pending.after, After::Follow(..) | After::Patch(_));
            if is_undone {
                let path = pending.path.clone();
                pending.outcome = Err(Failure { path, ..because.clone() });
            }
        }
        // Without it they would be tried again after a crash, which does no harm.
        if let Err(failure) = report.receipt(self.receipt(Commit::Nothing)) {
            tracing::warn!(%failure, "how steps went can't be written down");
        }
    }
}
