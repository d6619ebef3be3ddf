//! `Work`: what is counted, made ready.

use std::hint::black_box;

/// What is counted. All that it needs is there already, and is given up only after it.
pub(crate) struct Work {
    /// How many things it is done to, by which its count is divided.
    pub(crate) items: usize,
    pub(crate) act: Box<dyn FnMut()>,
}

impl Work {
    /// Work on so many items; what it results in is thrown away within the count.
    pub(crate) fn on<T>(items: usize, mut act: impl FnMut() -> T + 'static) -> Self {
        Self { items, act: Box::new(move || drop(black_box(act()))) }
    }
}
