//! `Permit`: the right to a thread beside the one that works.

use std::num::NonZero;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// How many such threads there are: no more than would have a processor, if one work were all there is.
static THREADS: LazyLock<Permits> =
    LazyLock::new(|| Permits::new(available_parallelism().map_or(1, NonZero::get) - 1));

struct Permits {
    taken: AtomicUsize,
    most: usize,
}

/// The right to such a thread, for as long as it is kept.
pub(crate) struct Permit(&'static Permits);

impl Permit {
    /// One, unless as many are taken as there may be.
    pub(crate) fn take() -> Option<Self> {
        THREADS.take()
    }
}

impl Permits {
    const fn new(most: usize) -> Self {
        Self { taken: AtomicUsize::new(0), most }
    }

    fn take(&'static self) -> Option<Permit> {
        let one_more = |taken| (taken < self.most).then(|| taken + 1);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        // Only made here: who has none would give one back.
        taken.ok().map(|_| Permit(self))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each refusal let one thread more be had than there may be, and after some there was none ever.
    #[test]
    fn who_gets_no_permit_gives_none_back() {
        static TWO: Permits = Permits::new(2);
        let (first, second) = (TWO.take(), TWO.take());
        assert!(first.is_some() && second.is_some());
        assert!(TWO.take().is_none() && TWO.take().is_none());
        drop(first);
        assert!(TWO.take().is_some(), "it is given back at once");
        let third = TWO.take();
        assert!(third.is_some() && TWO.take().is_none());
    }
}
