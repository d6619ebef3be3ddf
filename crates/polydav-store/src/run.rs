//! `Run`: steps that go to a store together, and what is reported of each.

use std::fmt;
use std::sync::Arc;

use crate::{Added, ETag, Effect, Failure, FailureKind, Needed, Receipt, ResourcePath, Step};

/// The identity of a run: 128 random bits, chosen by the engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunId(pub u128);

/// As 32 hexadecimal digits.
impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({self})")
    }
}

/// What a failed step means for the others of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// Nothing: the next step is tried.
    Continue,
    /// No further step is tried after the first failure; they are reported as
    /// [`FailureKind::Dependency`](crate::FailureKind::Dependency).
    Stop,
    /// No further step is tried, and those that were done are undone: the run leaves everything as
    /// it was. The step that failed keeps its failure. The others are reported as
    /// [`FailureKind::Dependency`](crate::FailureKind::Dependency), or, where the run was called off,
    /// all as [`FailureKind::NotAttempted`](crate::FailureKind::NotAttempted); those that had been
    /// done as [`Effect::RolledBack`]. If nothing failed but the commit, there is no step that keeps
    /// a failure, and the detail of each says why.
    ///
    /// Only a store with [`Capabilities::atomic`](crate::Capabilities::atomic) takes such a run.
    UndoAll,
}

/// When a success may be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Once it would survive a loss of power.
    Full,
    /// Once it would survive the death of the process.
    Relaxed,
}

/// Asked before each step whether to go on: time may be up, or the server going down.
#[derive(Clone)]
pub struct Cancel(Arc<dyn Fn() -> bool + Send + Sync>);

impl Cancel {
    /// Cancels as soon as `asked` is true.
    pub fn when(asked: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(asked))
    }

    /// Never cancels.
    pub fn never() -> Self {
        Self::when(|| false)
    }

    /// Whether no further step may start; what isn't started is reported as
    /// [`FailureKind::NotAttempted`](crate::FailureKind::NotAttempted).
    pub fn is_asked(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancel(asked: {})", self.is_asked())
    }
}

/// Steps that go to a store together: at most [`Run::STEPS_MAX`], strictly in order. What they need
/// is among them: with others they were [settled](Needed::settle) before.
#[derive(Debug)]
pub struct Run {
    /// Its identity.
    pub id: RunId,
    /// The steps.
    pub steps: Vec<Step>,
    /// What a failure means for the rest.
    pub on_failure: OnFailure,
    /// When a success may be reported.
    pub durability: Durability,
    /// Whether to go on.
    pub cancel: Cancel,
}

impl Run {
    /// The most steps of one run. More of them would save few commits and syncs, and a store keeps
    /// in memory what a run is about.
    pub const STEPS_MAX: usize = 2_500;
}

/// Which steps of a run may still start: the rules of [`Run::cancel`], [`Run::on_failure`] and
/// [`Step::needing`], written once for all stores.
#[derive(Debug, Clone)]
pub struct Course {
    on_failure: OnFailure,
    cancel: Cancel,
    ended: Option<FailureKind>,
    needed: Needed,
}

impl Course {
    /// The course of `run`, before its first step.
    pub fn of(run: &Run) -> Self {
        Self {
            on_failure: run.on_failure,
            cancel: run.cancel.clone(),
            ended: None,
            needed: Needed::by(&run.steps),
        }
    }

    /// Performs `step` by `act`, which opens it, or gives it up if no further step may start.
    ///
    /// # Errors
    /// What `act` failed with; what [`Course::ask`] answers if it wasn't called.
    pub fn attempt(&mut self, mut step: Step, act: impl FnOnce(Step) -> Outcome) -> Outcome {
        if let Some(kind) = self.ask() {
            return Err(Failure::new(kind, step.subject().clone()));
        }
        let index = step.index();
        self.needed.settle(&mut step);
        let outcome = act(step);
        self.note(index, &outcome);
        outcome
    }

    /// Reports that none of these steps was done: for the reason that `because` gives, whatever its
    /// path, or because what it needs wasn't, or because no further step may start.
    pub fn refuse<'a>(
        &mut self,
        steps: impl IntoIterator<Item = &'a Step>,
        because: &Failure,
        report: &mut dyn Report,
    ) {
        for step in steps {
            let path = step.subject().clone();
            let outcome = Err(match (self.ask(), self.needed.check(step)) {
                (Some(kind), _) => Failure::new(kind, path),
                (None, Err(failure)) => failure,
                (None, Ok(())) => Failure { path, ..because.clone() },
            });
            self.note(step.index(), &outcome);
            report.outcome(step.index(), outcome);
        }
    }

    /// Why no further step may start, if none may: [`FailureKind::NotAttempted`] or
    /// [`FailureKind::Dependency`]. Asks whether to go on.
    pub fn ask(&mut self) -> Option<FailureKind> {
        if self.ended.is_none() && self.cancel.is_asked() {
            self.ended = Some(FailureKind::NotAttempted);
        }
        self.ended
    }

    /// Takes note of the outcome of a step that was attempted elsewhere.
    pub fn note(&mut self, index: usize, outcome: &Outcome) {
        self.needed.note(index, outcome);
        if let Err(failure) = outcome {
            self.note_failure(failure);
        }
    }

    /// Takes note of what some step failed with, or will.
    ///
    /// Whichever came first stays the reason for all that follow: the failure of another step, or
    /// the wish to cancel.
    pub fn note_failure(&mut self, failure: &Failure) {
        let reason = match (failure.kind, self.on_failure) {
            (FailureKind::NotAttempted, _) => FailureKind::NotAttempted,
            (_, OnFailure::Stop | OnFailure::UndoAll) => FailureKind::Dependency,
            (_, OnFailure::Continue) => return,
        };
        self.ended.get_or_insert(reason);
    }

    /// What became of the steps that others of the run need.
    pub fn needed(&self) -> &Needed {
        &self.needed
    }

    /// As [`Course::ask`], as far as is known without asking.
    pub fn over(&self) -> Option<FailureKind> {
        self.ended
    }

    /// Whether any failure means that no further step may start.
    pub fn stops(&self) -> bool {
        self.on_failure != OnFailure::Continue
    }

    /// Whether all steps are done, or none.
    pub fn undoes_all(&self) -> bool {
        self.on_failure == OnFailure::UndoAll
    }

    /// Whether what was done is to be undone: not all steps succeeded, and all or none must.
    pub fn undoes(&self) -> bool {
        self.undoes_all() && self.ended.is_some()
    }

    /// What is to be reported of a step about `subject` that went so, and was undone.
    pub fn undone(&self, outcome: Outcome, subject: &ResourcePath) -> Outcome {
        Err(match outcome {
            Ok(_) => {
                let kind = self.ended.unwrap_or(FailureKind::Dependency);
                Failure::new(kind, subject.clone()).with_effect(Effect::RolledBack)
            }
            Err(failure) => failure.with_effect(Effect::None),
        })
    }
}

/// What a successful step did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// Whether a resource came to be where none was.
    pub created: bool,
    /// The entity tag of the file or record that was put, added or updated, if the store knows.
    pub etag: Option<ETag>,
    /// The record that was added.
    pub added: Option<Added>,
}

/// How a step went.
pub type Outcome = Result<Done, Failure>;

/// Takes the outcomes of a run.
pub trait Report {
    /// Step `index` went so. Called once for every step, after the commit that covers it.
    fn outcome(&mut self, index: usize, outcome: Outcome);

    /// Whether receipts are kept: then [`Report::receipt`] is to be called before each commit.
    fn keeps_receipts(&self) -> bool {
        false
    }

    /// Keeps a receipt. Once this returned, the outcomes in it may become final.
    ///
    /// # Errors
    /// If it can't be kept: then they must not.
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Failure> {
        let _ = receipt;
        Ok(())
    }

    /// The last receipt, of a [nameless](crate::Commit::Nameless) commit, became final.
    fn confirm(&mut self) {}
}

impl<F: FnMut(usize, Outcome)> Report for F {
    fn outcome(&mut self, index: usize, outcome: Outcome) {
        self(index, outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::kit::{mkcol, run, verdict};

    /// The verdicts of five steps of which the second fails, cancelled at the `cancelled`th.
    fn verdicts(on_failure: OnFailure, cancelled: usize) -> Vec<String> {
        let asked = AtomicUsize::new(0);
        let cancel = Cancel::when(move || asked.fetch_add(1, Ordering::Relaxed) == cancelled);
        let mut course = Course::of(&Run { on_failure, cancel, ..run(Vec::new()) });
        let mut act = |index: usize| {
            let outcome = course.attempt(mkcol(index.to_string()).step(index), |step| {
                let failure = Failure::new(FailureKind::Exists, step.subject().clone());
                if index == 1 { Err(failure) } else { Ok(Done::default()) }
            });
            let over = if course.over().is_some() { " over" } else { "" };
            verdict(&outcome) + over
        };
        (0..4).map(&mut act).collect()
    }

    #[test]
    fn the_first_reason_to_end_a_run_stays_the_reason() {
        use OnFailure::{Continue, Stop};
        for (on_failure, cancelled, expected) in [
            (Continue, 9, ["done", "Exists /1", "done", "done"]),
            (Continue, 2, ["done", "Exists /1", "NotAttempted /2 over", "NotAttempted /3 over"]),
            (Stop, 9, ["done", "Exists /1 over", "Dependency /2 over", "Dependency /3 over"]),
            (Stop, 2, ["done", "Exists /1 over", "Dependency /2 over", "Dependency /3 over"]),
            (
                Stop,
                1,
                ["done", "NotAttempted /1 over", "NotAttempted /2 over", "NotAttempted /3 over"],
            ),
        ] {
            assert_eq!(verdicts(on_failure, cancelled), expected, "{on_failure:?} {cancelled}");
        }
    }

    #[test]
    fn identities_and_wishes_are_shown() {
        let id = RunId(0xab);
        assert_eq!(id.to_string(), format!("{:030}ab", 0));
        assert_eq!(format!("{id:?}"), format!("RunId({id})"));
        assert_eq!(format!("{:?}", Cancel::never()), "Cancel(asked: false)");
    }

    #[test]
    fn what_was_attempted_elsewhere_counts() {
        for (on_failure, kind, expected) in [
            (OnFailure::Continue, FailureKind::Exists, "done"),
            (OnFailure::Continue, FailureKind::NotAttempted, "NotAttempted /a"),
            (OnFailure::Stop, FailureKind::NotAttempted, "NotAttempted /a"),
            (OnFailure::Stop, FailureKind::Exists, "Dependency /a"),
        ] {
            let mut course = Course::of(&Run { on_failure, ..run(Vec::new()) });
            course.note(0, &Ok(Done::default()));
            assert!(course.over().is_none());
            assert_eq!(course.stops(), on_failure == OnFailure::Stop);
            course.note(1, &Err(Failure::new(kind, crate::ResourcePath::root())));
            let outcome = course.attempt(mkcol("a").step(2), |_| Ok(Done::default()));
            assert_eq!(verdict(&outcome), expected);
        }
    }
}
