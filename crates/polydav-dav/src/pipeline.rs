//! `pipeline`: a long sequence, made by one thread while another works on it.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

/// The first items are worked on by the thread that makes them: most sequences are short.
const HERE_MAX: usize = 1_000;

/// So many items are handed over together.
const BATCH: usize = 128;

/// Fewer, if they have so many bytes: what waits is held in memory.
const BATCH_BYTES: usize = 64 * 1024;

/// How many batches wait at most.
const BATCHES_AHEAD: usize = 4;

/// Has `make` give items to `work`, one after the other and in order; it is told to break off once
/// `work` failed. Blocks until both have ended. `bytes` is what an item may have beyond a few
/// hundred.
///
/// # Errors
/// What `work` failed with.
pub(crate) fn pipeline<T: Send, E: Send, M>(
    bytes: fn(&T) -> usize,
    work: impl FnMut(T) -> Result<(), E> + Send,
    make: impl FnOnce(&mut dyn FnMut(T) -> ControlFlow<()>) -> M,
) -> (M, Result<(), E>) {
    thread::scope(|scope| {
        let mut stage = Stage::Here { work, left: HERE_MAX };
        let made = make(&mut |item| stage.take(bytes(&item), item, scope));
        (made, stage.end())
    })
}

/// Where the items are worked on.
enum Stage<'scope, T, E, W> {
    /// By the thread that makes them, so many more.
    Here { work: W, left: usize },
    /// By another.
    There {
        batch: Vec<T>,
        bytes: usize,
        batches: SyncSender<Vec<T>>,
        worker: ScopedJoinHandle<'scope, Result<(), E>>,
    },
    /// Nowhere, since this was the end of it.
    Ended(Result<(), E>),
}

impl<'scope, T, E, W> Stage<'scope, T, E, W>
where
    T: Send + 'scope,
    E: Send + 'scope,
    W: FnMut(T) -> Result<(), E> + Send + 'scope,
{
    fn take(&mut self, more: usize, item: T, scope: &'scope Scope<'scope, '_>) -> ControlFlow<()> {
        match self {
            Self::Here { left: 0, .. } => {
                *self = std::mem::replace(self, Self::Ended(Ok(()))).handed_over(scope);
                self.take(more, item, scope)
            }
            Self::Here { work, left } => {
                *left -= 1;
                let Err(error) = work(item) else { return ControlFlow::Continue(()) };
                *self = Self::Ended(Err(error));
                ControlFlow::Break(())
            }
            Self::There { batch, bytes, batches, .. } => {
                batch.push(item);
                *bytes += more;
                if batch.len() < BATCH && *bytes < BATCH_BYTES {
                    return ControlFlow::Continue(());
                }
                *bytes = 0;
                let full = std::mem::replace(batch, Vec::with_capacity(BATCH));
                match batches.send(full) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            }
            Self::Ended(_) => ControlFlow::Break(()),
        }
    }

    /// Goes on there; here for good, if the system has no thread to give.
    fn handed_over(self, scope: &'scope Scope<'scope, '_>) -> Self {
        let Self::Here { work, .. } = self else { return self };
        // A thread that can't be made would take the work with it.
        let place = Arc::new(Mutex::new(Some(work)));
        let take = |place: &Mutex<Option<W>>| {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            place.take().expect("the work is taken once, there or here")
        };
        let (batches, waiting) = sync_channel(BATCHES_AHEAD);
        let spawned = thread::Builder::new().name("pipeline".to_owned()).spawn_scoped(scope, {
            let place = Arc::clone(&place);
            move || work_on(&waiting, take(&place))
        });
        match spawned {
            Ok(worker) => {
                Self::There { batch: Vec::with_capacity(BATCH), bytes: 0, batches, worker }
            }
            Err(error) => {
                tracing::warn!(%error, "there is no thread to go on with a long listing");
                Self::Here { work: take(&place), left: usize::MAX }
            }
        }
    }

    fn end(self) -> Result<(), E> {
        match self {
            Self::Here { .. } => Ok(()),
            Self::There { batch, batches, worker, .. } => {
                // Who failed takes no more, and says why.
                let _ = batches.send(batch);
                drop(batches);
                worker.join().unwrap_or_else(|panic| resume_unwind(panic))
            }
            Self::Ended(result) => result,
        }
    }
}

fn work_on<T, E>(
    batches: &Receiver<Vec<T>>,
    work: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    batches.iter().flatten().try_for_each(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Works on the numbers from 0 to `count`; fails at `fatal`. How many were made, what was worked
    /// on, and how it ended.
    fn run(count: usize, fatal: Option<usize>) -> (usize, Vec<usize>, Result<(), usize>) {
        let mut seen = Vec::new();
        let work = |number| {
            seen.push(number);
            if Some(number) == fatal { Err(number) } else { Ok(()) }
        };
        let (made, result) = pipeline(
            |_| 0,
            work,
            |take| (0..count).take_while(|&number| take(number).is_continue()).count(),
        );
        (made, seen, result)
    }

    #[test]
    fn every_item_is_worked_on_in_order() {
        for count in [0, 1, HERE_MAX, HERE_MAX + 1, HERE_MAX + BATCH, 10 * HERE_MAX + 1] {
            let (made, seen, result) = run(count, None);
            assert_eq!((made, result), (count, Ok(())));
            assert!(seen.into_iter().eq(0..count), "{count}");
        }
    }

    #[test]
    fn a_failure_breaks_off_whoever_makes_items() {
        for fatal in [0, HERE_MAX - 1, HERE_MAX, HERE_MAX + BATCH, 5 * HERE_MAX] {
            let (made, seen, result) = run(usize::MAX, Some(fatal));
            assert_eq!(result, Err(fatal));
            assert!(seen.into_iter().eq(0..=fatal), "{fatal}");
            assert!(made <= fatal + (BATCHES_AHEAD + 2) * BATCH, "{made} for {fatal}");
        }
        let at_the_end = 2 * HERE_MAX;
        assert_eq!(run(at_the_end + 1, Some(at_the_end)).2, Err(at_the_end));
    }

    /// A listing of resources with a megabyte of properties each held hundreds of them.
    #[test]
    fn few_large_items_wait() {
        let fatal = 2 * HERE_MAX;
        let work = |number| if number == fatal { Err(()) } else { Ok(()) };
        let (made, _) = pipeline(
            |_| BATCH_BYTES,
            work,
            |take| (0..).take_while(|&number| take(number).is_continue()).count(),
        );
        assert!((fatal..fatal + BATCHES_AHEAD + 3).contains(&made), "{made}");
    }

    #[test]
    #[should_panic(expected = "meant to")]
    fn a_panic_there_is_one_here() {
        let work = |number| {
            assert!(number < 2 * HERE_MAX, "meant to");
            Ok::<_, ()>(())
        };
        let _ = pipeline(
            |_| 0,
            work,
            |take| (0..).take_while(|&number| take(number).is_continue()).count(),
        );
    }
}
