//! A world in which each run waits until a test lets it go.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polydav_dav::{BatchOptions, Options};
use polydav_store::{Broken, LockView, MemoryStore, Report, Run, Store, delegate};

use super::{Made, World};

/// A store of which each change waits until a test lets it go.
struct Gated {
    store: MemoryStore,
    reached: Sender<()>,
    go: Mutex<Receiver<()>>,
}

impl Store for Gated {
    delegate!(this => this.store; capabilities, stat, walk, read, stage, space);

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        let _ = self.reached.send(());
        let _ = self.go.lock().map(|go| go.recv());
        self.store.apply(run, locks, report)
    }
}

/// A world of which each run is told, and waits to be let go.
pub fn gated(running_max: usize) -> (World, Receiver<()>, Sender<()>) {
    gated_for(Made::default().patience, running_max)
}

/// The same, where nobody waits for others longer than this.
pub fn gated_for(patience: Duration, running_max: usize) -> (World, Receiver<()>, Sender<()>) {
    let ((reached, is_reached), (go, may_go)) = (channel(), channel());
    let store = Gated { store: MemoryStore::new(), reached, go: Mutex::new(may_go) };
    let batch = BatchOptions { running_max, ..BatchOptions::default() };
    let options = Options { batch, ..Options::default() };
    let made = Made { store: Arc::new(store), options, patience, ..Made::default() };
    (World::of(made), is_reached, go)
}
