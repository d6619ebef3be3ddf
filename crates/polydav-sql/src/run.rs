//! Performing the steps of a run: many of them in one transaction, each as if it had one of its
//! own.
//!
//! A transaction takes as many steps as it can. If the database refuses one of them in a way that
//! loses the transaction, nothing was done, and nothing was told: the steps are done again, in
//! parts, until the ones at fault are alone. What is told of a step is told after the commit.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use polydav_store::{
    Commit, Course, Done, Durability, Effect, Failure, FailureKind, LockView, Outcome, Receipt,
    Report, ResourcePath, Run, Step,
};

use crate::attempt::{Attempt, Care};
use crate::database::{Database, Patience, Transaction, Trouble};
use crate::error::{SqlError, SqlErrorKind};
use crate::place::Place;
use crate::schema::{Schema, Table};

/// How often the same steps are tried where others are in the way.
const TRIES_MAX: u32 = 8;

/// How often a row is put that others make and remove all the time.
const MADE_TRIES_MAX: u32 = 32;

/// So long a run waits for others, all in all. Then it does what it can do without.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A run on its way.
pub(crate) struct Running<'a> {
    database: &'a dyn Database,
    locks: &'a dyn LockView,
    report: &'a mut dyn Report,
    steps: Vec<Step>,
    course: Course,
    durability: Durability,
    /// For how long others were waited for in vain.
    waited: Duration,
    /// Whether the database couldn't be reached.
    is_away: bool,
}

/// A run that was done.
pub(crate) struct Ran {
    /// Its steps, in order.
    pub(crate) steps: Vec<Step>,
    /// Whether the database couldn't be reached: then it helps nobody to try again.
    pub(crate) is_away: bool,
}

/// Steps that are still to be done, in one transaction.
struct Part {
    steps: Range<usize>,
    tries: u32,
    care: Care,
}

impl Part {
    /// A row that is changed alone keeps nobody waiting in a circle: it is changed at once.
    fn new(steps: Range<usize>) -> Self {
        let care = if steps.len() == 1 { Care::None } else { Care::Look };
        Self { steps, tries: 0, care }
    }
}

impl<'a> Running<'a> {
    pub(crate) fn new(
        database: &'a dyn Database,
        run: Run,
        locks: &'a dyn LockView,
        report: &'a mut dyn Report,
    ) -> Self {
        let course = Course::of(&run);
        let Run { steps, durability, .. } = run;
        let waited = Duration::ZERO;
        Self { database, locks, report, steps, course, durability, waited, is_away: false }
    }

    /// Waits but a little for others: who needs what they hold for longer is a
    /// [`FailureKind::Busy`].
    pub(crate) fn hurried(self) -> Self {
        Self { waited: Duration::from_millis(1), ..self }
    }

    /// Waits for nobody: who needs what others hold is a [`FailureKind::Busy`] at once.
    pub(crate) fn impatient(self) -> Self {
        Self { waited: WAIT_MAX, ..self }
    }

    /// Performs and reports every step, in order; gives the steps back.
    pub(crate) fn run(mut self) -> Ran {
        if self.course.undoes_all() {
            self.run_whole();
            return Ran { steps: self.steps, is_away: self.is_away };
        }
        let schema = self.database.schema();
        let parts = cut(&schema, &self.steps).into_iter().rev();
        let mut todo: Vec<_> = parts.map(Part::new).collect();
        while let Some(part) = todo.pop() {
            if let Some(kind) = self.course.over() {
                self.refuse(part.steps, &Failure::new(kind, ResourcePath::root()));
                continue;
            }
            let begun = Instant::now();
            if let Err((part, trouble)) = self.attempt(part) {
                match trouble.error.kind {
                    SqlErrorKind::Held => self.waited += begun.elapsed(),
                    // The others would wait for the same.
                    SqlErrorKind::Busy => self.waited = WAIT_MAX,
                    SqlErrorKind::Away => self.is_away = true,
                    _ => {}
                }
                self.divide(part, trouble, &mut todo);
            }
        }
        Ran { steps: self.steps, is_away: self.is_away }
    }

    /// Does a part in one transaction; reports it once that is committed.
    fn attempt(&mut self, part: Part) -> Result<(), (Part, Trouble)> {
        let mut course = self.course.clone();
        let mut outcomes = Vec::new();
        let steps = &self.steps[part.steps.clone()];
        let report = &mut *self.report;
        let keeps_receipts = report.keeps_receipts();
        let mut is_nameless = false;
        let patience = match self.waited {
            Duration::ZERO => Patience::Usual,
            waited if waited < WAIT_MAX && steps.len() == 1 => Patience::Little,
            // Whoever needs what others hold is to be found, and waits alone.
            _ => Patience::None,
        };
        let done = self.database.transact(self.durability, patience, &mut |transaction| {
            outcomes.clear();
            // While the transaction waited for its turn, others may have found the tables changed.
            let schema = self.database.schema();
            // Who knows what a trigger does before it lets nothing be changed.
            let far = |step| tables(&schema, step).any(|table| table.has_far_effects);
            // What is committed as soon as it is made has no receipt before.
            let looks = keeps_receipts || part.care == Care::Look || steps.iter().any(far);
            for care in [if looks { Care::Look } else { Care::None }, Care::Look] {
                course = self.course.clone();
                let (locks, course) = (self.locks, &mut course);
                let attempt = Attempt::new(&schema, transaction, locks, steps, course, care);
                outcomes = attempt.perform()?;
                let is_clear = care == Care::Look || !transaction.knows_rows();
                if is_clear || outcomes.iter().all(Result::is_ok) {
                    break;
                }
            }
            if keeps_receipts {
                is_nameless = keep_receipt(transaction, steps, &outcomes, report)?;
            }
            Ok(())
        });
        match done {
            Ok(()) if is_nameless => self.report.confirm(),
            Ok(()) => {}
            Err(Trouble { error, .. }) if error.kind == SqlErrorKind::InDoubt => {
                tracing::error!(%error, "a transaction is in doubt");
                // What it came to may have been lost with it.
                outcomes.resize_with(steps.len(), || Ok(Done::default()));
                let subjects = steps.iter().map(Step::subject);
                outcomes = outcomes.into_iter().zip(subjects).map(in_doubt).collect();
                let indices = steps.iter().map(Step::index);
                indices.zip(&outcomes).for_each(|(index, outcome)| course.note(index, outcome));
            }
            Err(trouble) => return Err((part, trouble)),
        }
        self.course = course;
        for (at, outcome) in part.steps.zip(outcomes) {
            self.report.outcome(self.steps[at].index(), outcome);
        }
        Ok(())
    }

    /// Performs and reports every step in one transaction, or undoes it.
    fn run_whole(&mut self) {
        let (mut care, mut tries) = (Care::Look, 0);
        let outcomes = loop {
            let trouble = match self.attempt_whole(care) {
                Ok(outcomes) => break outcomes,
                Err(trouble) => trouble,
            };
            tries += 1;
            match trouble.error.kind {
                kind if tries < tries_max(kind, false) => {
                    self.prepare_again(&trouble.error, tries - 1);
                }
                // Which of the rows of a statement is at fault takes a statement for each.
                _ if care != Care::Each && trouble.at.as_ref().is_some_and(|at| at.len() > 1) => {
                    care = Care::Each;
                }
                _ => break self.undone(&trouble),
            }
        };
        for (step, outcome) in self.steps.iter().zip(outcomes) {
            self.report.outcome(step.index(), outcome);
        }
    }

    /// Does all steps in one transaction, or undoes it if one of them fails; gives what is to be told
    /// of each.
    fn attempt_whole(&mut self, care: Care) -> Result<Vec<Outcome>, Trouble> {
        let mut course = self.course.clone();
        let mut outcomes = Vec::new();
        let report = &mut *self.report;
        let keeps_receipts = report.keeps_receipts();
        let mut is_nameless = false;
        let done = self.database.transact(self.durability, Patience::Usual, &mut |transaction| {
            course = self.course.clone();
            let schema = self.database.schema();
            let (locks, course) = (self.locks, &mut course);
            let attempt = Attempt::new(&schema, transaction, locks, &self.steps, course, care);
            outcomes = attempt.perform()?;
            if course.undoes() {
                return Err(SqlError::new(SqlErrorKind::Other, "a step failed").into());
            }
            if keeps_receipts {
                is_nameless = keep_receipt(transaction, &self.steps, &outcomes, report)?;
            }
            Ok(())
        });
        if done.is_ok() && is_nameless {
            self.report.confirm();
        }
        let subjects = self.steps.iter().map(Step::subject);
        let outcomes = outcomes.into_iter().zip(subjects);
        match done {
            Ok(()) => Ok(outcomes.map(|(outcome, _)| outcome).collect()),
            Err(_) if course.undoes() => {
                Ok(outcomes.map(|(outcome, subject)| course.undone(outcome, subject)).collect())
            }
            Err(Trouble { error, .. }) if error.kind == SqlErrorKind::InDoubt => {
                tracing::error!(%error, "a transaction is in doubt");
                Ok(outcomes.map(in_doubt).collect())
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// What is told of steps of which nothing was done, because of the one at fault; if it isn't
    /// known which, because of the commit, or of others that were in the way.
    fn undone(&self, trouble: &Trouble) -> Vec<Outcome> {
        let Trouble { at, error } = trouble;
        let culprit = at.as_ref().filter(|at| at.len() == 1).map(|at| at.start);
        let is_others = matches!(
            error.kind,
            SqlErrorKind::Again
                | SqlErrorKind::Gone
                | SqlErrorKind::Changed
                | SqlErrorKind::Busy
                | SqlErrorKind::Away
                | SqlErrorKind::Held
                | SqlErrorKind::Lost
        );
        let told = |(number, step): (usize, &Step)| {
            let subject = step.subject().clone();
            Err(match culprit {
                Some(at) if number == at => error.to_failure(subject),
                Some(at) => {
                    let effect = if number < at { Effect::RolledBack } else { Effect::None };
                    Failure::new(FailureKind::Dependency, subject).with_effect(effect)
                }
                None if is_others => error.to_failure(subject),
                None => {
                    let (kind, effect) = (FailureKind::Dependency, Effect::RolledBack);
                    Failure { kind, effect, ..error.to_failure(subject) }
                }
            })
        };
        self.steps.iter().enumerate().map(told).collect()
    }

    /// Waits until a transaction may be tried again.
    fn prepare_again(&self, error: &SqlError, tries: u32) {
        tracing::debug!(%error, tries, "a transaction is done again");
        pause(error.kind, tries);
        if error.kind == SqlErrorKind::Changed
            && let Err(error) = self.database.look_again()
        {
            tracing::warn!(%error, "the tables can't be looked at again");
        }
    }

    /// Nothing of the part was done. It is tried again, or divided, or given up.
    fn divide(&mut self, part: Part, trouble: Trouble, todo: &mut Vec<Part>) {
        let Part { steps, tries, care } = part;
        let Trouble { at, error } = trouble;
        match error.kind {
            kind if tries + 1 < tries_max(kind, steps.len() > 1) => {
                self.prepare_again(&error, tries);
                // Who looks for a row alone waits for the one that is removed, not the one made then.
                let care = if error.kind == SqlErrorKind::Made { Care::Look } else { care };
                todo.push(Part { steps, tries: tries + 1, care });
            }
            // It is no step's fault: to divide would have each of them wait.
            SqlErrorKind::Gone | SqlErrorKind::Away | SqlErrorKind::Busy => {
                self.refuse(steps, &error.to_failure(ResourcePath::root()));
            }
            SqlErrorKind::Changed if at.is_none() => {
                self.refuse(steps, &error.to_failure(ResourcePath::root()));
            }
            // That it isn't there is the better reason.
            SqlErrorKind::Value if care == Care::None => {
                todo.push(Part { steps, tries, care: Care::Look });
            }
            _ if steps.len() == 1 => self.refuse(steps, &error.to_failure(ResourcePath::root())),
            _ => {
                let at =
                    at.map_or(steps.clone(), |at| steps.start + at.start..steps.start + at.end);
                let middle = at.start + at.len() / 2;
                let parts =
                    [at.end..steps.end, middle..at.end, at.start..middle, steps.start..at.start];
                let parts = parts.into_iter().filter(|part| !part.is_empty());
                // What one of them lacks is still lacking: a trigger may need a table that is gone.
                let tries = if error.kind == SqlErrorKind::Changed { tries } else { 0 };
                todo.extend(parts.map(|steps| Part { care, tries, ..Part::new(steps) }));
            }
        }
    }

    /// Reports that none of these steps was done.
    fn refuse(&mut self, steps: Range<usize>, failure: &Failure) {
        self.course.refuse(&self.steps[steps], failure, self.report);
    }
}

/// Keeps a receipt of steps whose transaction is about to be committed. Whether nobody but us will be
/// able to tell that it was.
fn keep_receipt(
    transaction: &dyn Transaction,
    steps: &[Step],
    outcomes: &[Outcome],
    report: &mut dyn Report,
) -> Result<bool, SqlError> {
    let commit = transaction.commit();
    let is_nameless = commit == Commit::Nameless;
    let outcomes = steps.iter().map(Step::index).zip(outcomes.iter().cloned()).collect();
    report.receipt(Receipt { commit, outcomes }).map_err(|failure| {
        let kind = match failure.kind {
            FailureKind::NoSpace => SqlErrorKind::Full,
            _ => SqlErrorKind::Other,
        };
        SqlError::new(kind, failure)
    })?;
    Ok(is_nameless)
}

/// How often steps are tried as they are that fail so: once, unless the same may succeed the next
/// time. Where many rows come and go, each has to be made by itself.
fn tries_max(kind: SqlErrorKind, are_many: bool) -> u32 {
    match kind {
        SqlErrorKind::Made if are_many => 2,
        SqlErrorKind::Made => MADE_TRIES_MAX,
        SqlErrorKind::Again | SqlErrorKind::Gone | SqlErrorKind::Changed => TRIES_MAX,
        _ => 1,
    }
}

/// Whoever stood in the way gets a little time; a database that is being started again, more. Who
/// made a row is done, and may be about to remove it: it isn't to be met at the same point again.
fn pause(kind: SqlErrorKind, tries: u32) {
    std::thread::sleep(Duration::from_millis(match kind {
        SqlErrorKind::Made => 1,
        SqlErrorKind::Gone => 50 << tries,
        _ => 5 << tries,
    }));
}

/// What was done may be done, or not.
fn in_doubt((outcome, subject): (Outcome, &ResourcePath)) -> Outcome {
    outcome.and_then(|_| {
        Err(Failure::new(FailureKind::Internal, subject.clone())
            .with_detail("the database could not tell whether it was done")
            .with_effect(Effect::Unknown))
    })
}

/// Steps that may share a transaction stand together. One whose constraints are looked at by the
/// commit alone has one of its own.
fn cut(schema: &Schema, steps: &[Step]) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut joins = false;
    for (at, step) in steps.iter().enumerate() {
        let alone = schema.has_deferred() && tables(schema, step).any(|table| table.is_deferred);
        match parts.last_mut() {
            Some(part) if joins && !alone => part.end = at + 1,
            _ => parts.push(at..at + 1),
        }
        joins = !alone;
    }
    parts
}

/// The tables that a step changes.
pub(crate) fn tables(schema: &Schema, step: &Step) -> impl Iterator<Item = Arc<Table>> {
    step.claims().filter_map(|path| Place::of(schema, path).table().cloned())
}
