//! `Needed`: what became of the steps that others need.

use std::collections::HashMap;

use crate::{Failure, FailureKind, Outcome, Step, Value};

/// What became of the steps that others need.
///
/// Whoever does steps, or passes them on in several runs, takes [note](Self::note) of all outcomes,
/// and [settles](Self::settle) each step before its turn. Then the step has nothing left to ask of
/// those before it; one whose needs aren't met can't be opened.
#[derive(Debug, Clone, Default)]
pub struct Needed(HashMap<usize, Fate>);

#[derive(Debug, Clone)]
enum Fate {
    /// It isn't known yet.
    Open,
    /// It succeeded. If it added a record whose key can be referred to, this is that.
    Met(Option<Value>),
    Failed,
}

/// The longest key that can be referred to: every reference becomes a copy of it.
const KEY_BYTES_MAX: usize = 256;

impl Needed {
    /// What these steps need. Of those that are among them nothing is known yet; any other counts as
    /// failed.
    pub fn by(steps: &[Step]) -> Self {
        let needs = steps.iter().flat_map(Step::needs);
        let mut fates: HashMap<_, _> = needs.map(|need| (*need, Fate::Failed)).collect();
        if !fates.is_empty() {
            for step in steps {
                fates.entry(step.index()).and_modify(|fate| *fate = Fate::Open);
            }
        }
        Self(fates)
    }

    /// That steps of these indices are needed, of which nothing is known yet.
    pub fn of(needs: impl IntoIterator<Item = usize>) -> Self {
        Self(needs.into_iter().map(|need| (need, Fate::Open)).collect())
    }

    /// Takes note of the outcome of a step; of several, the last counts.
    pub fn note(&mut self, index: usize, outcome: &Outcome) {
        if let Some(fate) = self.0.get_mut(&index) {
            *fate = match outcome {
                Ok(done) => {
                    let key = done.added.as_ref().and_then(|added| added.key.as_ref());
                    Fate::Met(key.filter(|key| key.bytes() <= KEY_BYTES_MAX).cloned())
                }
                Err(_) => Fate::Failed,
            };
        }
    }

    /// Has a step stand by itself, as far as is known of those it needs: those that succeeded it
    /// needs no more, and references to them become values.
    pub fn settle(&self, step: &mut Step) {
        let failed = |need| matches!(self.0.get(need), Some(Fate::Failed));
        if step.needs().iter().any(failed) {
            step.forsake();
        }
        step.retain_needs(|need| !self.is_met(need));
        for field in step.fields_mut() {
            if let Value::Added(_) = field.value {
                field.value = self.value(&field.value).clone();
            }
        }
    }

    /// Whether it isn't known yet what becomes of a step that this one needs.
    pub fn awaits(&self, step: &Step) -> bool {
        step.needs().iter().any(|need| matches!(self.0.get(need), Some(Fate::Open)))
    }

    /// What a value of a step's record comes to: a reference to a step that succeeded is the key of
    /// the record that was added.
    pub fn value<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Value::Added(index) = value else { return value };
        match self.0.get(index) {
            Some(Fate::Met(Some(key))) => key,
            _ => value,
        }
    }

    /// Whether a step may be done, as far as others decide.
    ///
    /// # Errors
    /// [`FailureKind::Dependency`] if it needs one that isn't known to have succeeded;
    /// [`FailureKind::Invalid`] if it refers to one that added no record, or one whose key is made of
    /// several columns, or is longer than 256 bytes.
    pub fn check(&self, step: &Step) -> Result<(), Failure> {
        let subject = step.subject();
        if step.is_forsaken() || step.needs().iter().any(|need| !self.is_met(need)) {
            return Err(Failure::new(FailureKind::Dependency, subject.clone()));
        }
        let unresolved = |value| matches!(self.value(value), Value::Added(_));
        match step.fields().iter().find(|field| unresolved(&field.value)) {
            Some(field) => {
                let name = &*field.name;
                let said = format!(
                    "column {name}: only a key of one column, of {KEY_BYTES_MAX} bytes at most, can be \
                     referred to"
                );
                Err(Failure::new(FailureKind::Invalid, subject.clone())
                    .with_column(name)
                    .with_detail(said))
            }
            None => Ok(()),
        }
    }

    fn is_met(&self, need: &usize) -> bool {
        matches!(self.0.get(need), Some(Fate::Met(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::{added, mkcol, steps, text, update, verdict};
    use crate::{Added, Done, ResourcePath};

    fn failed() -> Outcome {
        Err(Failure::new(FailureKind::Exists, ResourcePath::root()))
    }

    fn done(key: Option<Value>) -> Outcome {
        Ok(Done { added: Some(Added { path: ResourcePath::root(), key }), ..Done::default() })
    }

    fn told(needed: &Needed, step: &Step) -> String {
        needed.check(step).map_or_else(|failure| verdict(&Err(failure)), |()| "may".to_owned())
    }

    #[test]
    fn what_is_not_among_the_steps_is_not_done() {
        let referring = update("b", [("c", added(0))]).needing([9, 0]);
        let mut all = steps([mkcol("a"), referring, mkcol("d").needing([1, 1])]);
        assert_eq!([0, 1, 2].map(|at: usize| all[at].needs().to_vec()), [&[][..], &[0, 9], &[1]]);
        let mut needed = Needed::by(&all);
        needed.note(0, &done(None));
        assert_eq!([0, 1, 2].map(|at: usize| needed.awaits(&all[at])), [false, false, true]);
        all.iter_mut().for_each(|step| needed.settle(step));
        assert_eq!([0, 1, 2].map(|at: usize| all[at].needs().len()), [0, 0, 1]);
        let told = [0, 1, 2].map(|at: usize| told(&needed, &all[at]));
        assert_eq!(told, ["may", "Dependency /b", "Dependency /d"]);
    }

    #[test]
    fn a_settled_step_stands_by_itself() {
        for (outcome, expected) in [
            (failed(), "Dependency /b"),
            (done(None), "Invalid /b [c]"),
            (Ok(Done::default()), "Invalid /b [c]"),
            (done(Some(text("k"))), "may"),
        ] {
            let referring = update("b", [("c", added(0)), ("d", text("x"))]);
            let mut steps = steps([mkcol("a"), referring]);
            let mut needed = Needed::by(&steps);
            assert_eq!(told(&needed, &steps[1]), "Dependency /b", "nothing is known yet");
            needed.note(0, &failed());
            needed.note(0, &outcome);
            assert_eq!(told(&needed, &steps[1]), expected);
            needed.settle(&mut steps[1]);
            let nothing = Needed::default();
            assert_eq!(told(&nothing, &steps[1]), expected, "it doesn't ask any more");
            nothing.settle(&mut steps[1]);
            assert_eq!(told(&nothing, &steps[1]), expected);
            assert_eq!(steps[1].fields()[0].value == text("k"), expected == "may");
        }
    }
}
