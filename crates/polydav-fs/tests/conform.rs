//! The conformance kit, and the model, held against folders.

#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;

use polydav_fs::{FolderStore, Options};
use polydav_store::{
    Broken, Capabilities, Durability, Entry, Failure, LockView, Reading, Report, ResourcePath, Run,
    Select, Space, Stage, Store, Visit, Walk, kit,
};
use tempfile::TempDir;

/// A store over a folder that goes away with it.
struct Folder {
    store: FolderStore,
    durability: Durability,
    _dir: TempDir,
}

impl Folder {
    fn new(durability: Durability, options: &Options) -> Self {
        let dir = TempDir::new().unwrap();
        let store = FolderStore::open(dir.path(), options).unwrap();
        Self { store, durability, _dir: dir }
    }

    fn full() -> Self {
        Self::new(Durability::Full, &Options::default())
    }

    fn relaxed() -> Self {
        Self::new(Durability::Relaxed, &Options::default())
    }

    fn read_only() -> Self {
        Self::new(Durability::Full, &Options { read_only: true, state: None })
    }
}

impl Store for Folder {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
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
    fn stage(&self, length: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        self.store.stage(length)
    }
    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        let run = Run { durability: self.durability, ..run };
        self.store.apply(run, locks, report)
    }
    fn space(&self, path: &ResourcePath) -> Result<Option<Space>, Failure> {
        self.store.space(path)
    }
}

#[test]
fn a_folder_conforms() {
    kit::conform(Folder::relaxed);
    kit::conform(Folder::full);
}

#[test]
fn a_folder_does_as_the_model_does() {
    kit::model(128, Folder::relaxed);
    kit::model(64, Folder::full);
}

#[test]
fn a_folder_for_reading_alone_conforms() {
    kit::conform(Folder::read_only);
}
