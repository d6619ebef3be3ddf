//! A world in which each run waits until a test lets it go.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polydav_dav::{BatchOptions, Options};
use polydav_store::{
    Broken, Capabilities, Entry, Failure, LockView, MemoryStore, Reading, Report, ResourcePath,
    Run, Select, Space, Stage, Store, Visit, Walk,
};

use super::{Made, World};

/// A store of which each change waits until a test lets it go.
struct Gated {
    store: MemoryStore,
    reached: Sender<()>,
    go: Mutex<Receiver<()>>,
}

impl Store for Gated {
    fn capabilities(&self, path: &ResourcePath) -> Capabilities {
        self.store.capabilities(path)
    }
    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        self.store.stat(path, select)
    }
    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.store.walk(root, walk, visit)
    }
    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        self.store.read(path)
    }
    fn stage(&self, target: &ResourcePath, length: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        self.store.stage(target, length)
    }
    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        let _ = self.reached.send(());
        let _ = self.go.lock().map(|go| go.recv());
        self.store.apply(run, locks, report)
    }
    fn space(&self, path: &ResourcePath) -> Result<Option<Space>, Failure> {
        self.store.space(path)
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
