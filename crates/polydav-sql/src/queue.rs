//! `Queue`: changes of single rows that come at the same time share a transaction.
//!
//! A commit that waits for the disk costs the same for one row and for many. So while as many
//! transactions of single steps are under way as there may be, further ones wait, and whoever of
//! them goes next takes along all others that wait. Nobody waits for company: who finds a free place
//! goes at once, and who found none for a while goes too. It changes nothing in what comes of a step:
//! each is as if it were alone.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polydav_store::{Cancel, Effect, Failure, FailureKind, Outcome, Run, Step};

/// Nobody waits for longer to set out.
const WAIT_MAX: Duration = Duration::from_millis(50);

/// The single steps of a database.
#[derive(Debug)]
pub(crate) struct Queue {
    /// How many may be on their way at a time.
    places: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    waiting: Vec<Waiting>,
}

/// A step that waits.
#[derive(Debug)]
struct Waiting {
    step: Step,
    cancel: Cancel,
    seat: Arc<Seat>,
}

/// Where somebody waits for word.
#[derive(Debug, Default)]
struct Seat {
    word: Mutex<Option<Word>>,
    said: Condvar,
}

/// What somebody who waited is told.
#[derive(Debug)]
enum Word {
    /// Another took the step along.
    Over(Fate),
    /// It is their turn.
    Go(Step),
}

/// What became of a step that somebody took along.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It was done, or not, and this came of it.
    Done(Outcome),
    /// It is brought back, since it would have had to wait for others; nothing was done.
    Again(Step),
}

/// How a step gets on in the queue.
#[derive(Debug)]
pub(crate) enum Turn<'a> {
    /// Somebody took it along.
    Over(Fate),
    /// It sets out, with those that it takes along.
    Go(Journey<'a>),
}

/// Steps that go together: the first is that of whoever does them. When it is dropped, the next may
/// go; who wasn't told anything by then is told that nothing is known.
#[derive(Debug)]
pub(crate) struct Journey<'a> {
    queue: &'a Queue,
    steps: Vec<Step>,
    seats: Vec<Arc<Seat>>,
}

impl Queue {
    pub(crate) fn new(places: usize) -> Self {
        Self { places, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the step was done by somebody, or may go.
    pub(crate) fn enter(&self, step: Step, cancel: Cancel) -> Turn<'_> {
        let seat = {
            let mut state = self.state();
            if state.under_way < self.places {
                state.under_way += 1;
                drop(state);
                return Turn::Go(Journey { queue: self, steps: vec![step], seats: Vec::new() });
            }
            let seat = Arc::<Seat>::default();
            let (cancel, seat_of) = (cancel.clone(), Arc::clone(&seat));
            state.waiting.push(Waiting { step, cancel, seat: seat_of });
            seat
        };
        match self.wait(&seat) {
            Word::Over(fate) => Turn::Over(fate),
            Word::Go(step) if cancel.is_asked() => {
                self.arrive();
                let failure = Failure::new(FailureKind::NotAttempted, step.subject().clone());
                Turn::Over(Fate::Done(Err(failure)))
            }
            Word::Go(step) => Turn::Go(self.depart(step)),
        }
    }

    /// Waits for word; who got none for long enough goes unasked.
    fn wait(&self, seat: &Arc<Seat>) -> Word {
        if let Some(word) = seat.wait_for(WAIT_MAX) {
            return word;
        }
        let mut state = self.state();
        let place = state.waiting.iter().position(|waiting| Arc::ptr_eq(&waiting.seat, seat));
        match place {
            Some(place) => {
                state.under_way += 1;
                Word::Go(state.waiting.remove(place).step)
            }
            // Somebody took the step along, and will say what came of it.
            None => {
                drop(state);
                seat.wait()
            }
        }
    }

    /// Takes along who waits.
    fn depart(&self, step: Step) -> Journey<'_> {
        let mut state = self.state();
        let count = state.waiting.len().min(Run::STEPS_MAX - 1);
        let along: Vec<_> = state.waiting.drain(..count).collect();
        drop(state);
        let (mut steps, mut seats) = (vec![step], Vec::new());
        for Waiting { step, cancel, seat } in along {
            if cancel.is_asked() {
                let path = step.subject().clone();
                let failure = Failure::new(FailureKind::NotAttempted, path);
                seat.say(Word::Over(Fate::Done(Err(failure))));
            } else {
                steps.push(step);
                seats.push(seat);
            }
        }
        Journey { queue: self, steps, seats }
    }

    /// Somebody arrived: the next may go.
    fn arrive(&self) {
        let mut state = self.state();
        if state.waiting.is_empty() || state.under_way > self.places {
            state.under_way -= 1;
        } else {
            let Waiting { step, seat, .. } = state.waiting.remove(0);
            drop(state);
            seat.say(Word::Go(step));
        }
    }
}

impl Seat {
    fn say(&self, word: Word) {
        *self.word.lock().unwrap_or_else(PoisonError::into_inner) = Some(word);
        self.said.notify_one();
    }

    fn wait_for(&self, time: Duration) -> Option<Word> {
        let word = self.word.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.said.wait_timeout_while(word, time, |word| word.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }

    fn wait(&self) -> Word {
        let mut word = self.word.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(word) = word.take() {
                return word;
            }
            word = self.said.wait(word).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Journey<'_> {
    /// The steps that are to be done, in order.
    pub(crate) fn take_steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    /// Whether others came along.
    pub(crate) fn has_company(&self) -> bool {
        !self.seats.is_empty()
    }

    /// Tells the others what became of their steps, in order.
    pub(crate) fn tell(&mut self, fates: impl IntoIterator<Item = Fate>) {
        let fates: Vec<_> = fates.into_iter().collect();
        let told = fates.len().min(self.seats.len());
        for (seat, fate) in self.seats.drain(..told).zip(fates) {
            seat.say(Word::Over(fate));
        }
    }
}

impl Drop for Journey<'_> {
    fn drop(&mut self) {
        for seat in self.seats.drain(..) {
            let failure = Failure::new(FailureKind::Internal, polydav_store::ResourcePath::root())
                .with_detail("whoever did it failed")
                .with_effect(Effect::Unknown);
            seat.say(Word::Over(Fate::Done(Err(failure))));
        }
        self.queue.arrive();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use polydav_store::kit::update;

    use super::*;

    fn step(number: usize) -> Step {
        update(format!("t/{number}"), []).step(number)
    }

    fn go(turn: Turn<'_>) -> Journey<'_> {
        match turn {
            Turn::Go(journey) => journey,
            Turn::Over(fate) => panic!("there is a place: {fate:?}"),
        }
    }

    fn waiting(queue: &Queue) -> usize {
        queue.state().waiting.len()
    }

    #[test]
    fn who_finds_a_place_goes_alone() {
        let queue = Queue::new(2);
        let (mut one, mut other) =
            (go(queue.enter(step(0), Cancel::never())), go(queue.enter(step(1), Cancel::never())));
        assert!(!one.has_company() && !other.has_company());
        assert_eq!((one.take_steps().len(), other.take_steps().len()), (1, 1));
        drop((one, other));
        assert_eq!(queue.state().under_way, 0);
    }

    /// Those who wait go together: one of them does it for all.
    #[test]
    fn who_waits_goes_with_the_next() {
        let queue = Queue::new(1);
        let first = go(queue.enter(step(0), Cancel::never()));
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            for number in 1..=5 {
                let (queue, tell) = (&queue, tell.clone());
                scope.spawn(move || {
                    let cancel = Cancel::when(move || number == 5);
                    match queue.enter(step(number), cancel) {
                        Turn::Over(Fate::Done(outcome)) => {
                            tell.send((number, outcome.is_ok())).unwrap();
                        }
                        Turn::Over(Fate::Again(step)) => panic!("nobody gave {step:?} back"),
                        Turn::Go(mut journey) => {
                            let steps = journey.take_steps();
                            assert_eq!(steps.len(), if number == 5 { 5 } else { 4 });
                            assert!(steps.iter().any(|step| step.index() == number));
                            let done = || Fate::Done(Ok(Default::default()));
                            journey.tell(steps.iter().skip(1).map(|_| done()));
                            tell.send((number, true)).unwrap();
                        }
                    }
                });
                while waiting(queue) < number {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        drop(tell);
        let mut told: Vec<_> = told.into_iter().collect();
        told.sort_unstable();
        // The first that waited goes; the fifth wishes to cancel.
        assert_eq!(told, [(1, true), (2, true), (3, true), (4, true), (5, false)]);
        let state = queue.state();
        assert_eq!((state.under_way, state.waiting.len()), (0, 0));
    }

    #[test]
    fn who_went_along_with_one_that_failed_knows_nothing() {
        let queue = Queue::new(1);
        let first = go(queue.enter(step(0), Cancel::never()));
        thread::scope(|scope| {
            let leader = scope.spawn(|| drop(go(queue.enter(step(1), Cancel::never()))));
            while waiting(&queue) < 1 {
                thread::yield_now();
            }
            let along = scope.spawn(|| match queue.enter(step(2), Cancel::never()) {
                Turn::Over(Fate::Done(Err(failure))) => assert_eq!(failure.effect, Effect::Unknown),
                turn => panic!("it went along, and nothing was told: {turn:?}"),
            });
            while waiting(&queue) < 2 {
                thread::yield_now();
            }
            drop(first);
            leader.join().unwrap();
            along.join().unwrap();
        });
        assert_eq!(queue.state().under_way, 0);
    }
}
