//! The conformance kit: what every store is held to.
//!
//! A store's tests call [`conform`] and [`model`] with a closure that makes a fresh, empty store:
//!
//! ```
//! use polydav_store::{MemoryStore, kit};
//!
//! kit::conform(MemoryStore::new);
//! kit::model(16, MemoryStore::new);
//! ```
//!
//! [`conform`] runs named [`Trial`]s, chosen by what the store can do; [`model`] runs random steps
//! on the store and on a [`MemoryStore`](crate::MemoryStore), and wants the same told and the same
//! done. [`rehearse`] does both to what shows what would come of a run, and wants the store itself to
//! stay as it is. A store of records has tables instead, and [`record`] is the kit for those. The other
//! functions write steps, locks and expectations tersely; the tests of other
//! crates use them too.

/// A constant `TRIALS` of the functions named, for stores that can do what is asked.
macro_rules! trials {
    ($applies:ident: $($name:ident),+ $(,)?) => {
        pub(super) const TRIALS: &[$crate::kit::Trial] = &[$($crate::kit::Trial {
            name: stringify!($name),
            applies: super::$applies,
            run: $name,
        }),+];
    };
}

mod condition;
mod draft;
mod keeping;
mod model;
pub mod record;
mod rehearsal;
mod scene;
mod trial;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use draft::{
    Draft, Held, add, added, copy, copy_alone, fields, held, json, lock, mkcol, name, patch, path,
    put, put_content, put_record, remove, rename, set, text, unset, update,
};
pub use keeping::Keeping;
pub use model::model;
#[cfg(test)]
pub(crate) use model::{furnish, scene};
#[cfg(test)]
pub(crate) use rehearsal::compare;
pub use rehearsal::rehearse;
pub use scene::{
    Resource, Snapshot, after, apply, content, found, given, lines, run, snapshot, stage, steps,
    tag, tell, tell_locked, undone, verdict, verdicts, whole,
};

use crate::{Capabilities, Store};

/// One thing every store of some kind does.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// What it is called.
    pub name: &'static str,
    /// Whether a store that can do this is held to it.
    pub applies: fn(Capabilities) -> bool,
    /// Panics unless the store, fresh and empty, does it.
    pub run: fn(&dyn Store),
}

/// All trials.
pub fn trials() -> Vec<Trial> {
    trial::all()
}

/// Runs all trials a store must pass, each on a fresh one.
///
/// # Panics
/// If one fails, after all have run, with their names.
pub fn conform<S: Store>(make: impl Fn() -> S) {
    pass(&trials(), make);
}

fn pass<S: Store>(trials: &[Trial], make: impl Fn() -> S) {
    let mut failed = Vec::new();
    for trial in trials {
        let store = make();
        if !(trial.applies)(store.capabilities(&path(""))) {
            continue;
        }
        if catch_unwind(AssertUnwindSafe(|| (trial.run)(&store))).is_err() {
            failed.push(trial.name);
        }
    }
    assert!(failed.is_empty(), "failed trials, each told above: {failed:#?}");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::MemoryStore;
    use crate::layer::{Faulty, ReadOnly};

    #[test]
    fn the_store_in_memory_conforms() {
        conform(MemoryStore::new);
        model(256, MemoryStore::new);
        rehearse(64, MemoryStore::new);
    }

    #[test]
    fn a_layer_that_lets_all_through_conforms() {
        conform(|| Faulty::new(Arc::new(MemoryStore::new())));
    }

    #[test]
    fn a_store_for_reading_alone_conforms() {
        let applicable = |trial: &Trial| {
            (trial.applies)(ReadOnly::new(MemoryStore::new()).capabilities(&path("")))
        };
        assert_ne!(trials().iter().filter(|trial| applicable(trial)).count(), 0);
        conform(|| ReadOnly::new(MemoryStore::new()));
        rehearse(1, || ReadOnly::new(MemoryStore::new()));
    }
}
