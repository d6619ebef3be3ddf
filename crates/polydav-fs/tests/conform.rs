//! The conformance kit, and the model, held against folders.

#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::sync::Arc;

use polydav_fs::{FolderStore, Options};
use polydav_store::{
    Broken, Capabilities, Durability, Entry, Failure, Fate, LockView, Reading, Report,
    ResourcePath, Run, Select, Space, Stage, Store, Visit, Walk, Witness, kit,
};
use tempfile::TempDir;

/// A store over a folder that goes away with it.
struct Folder {
    store: Arc<FolderStore>,
    durability: Durability,
    _dir: TempDir,
}

impl Folder {
    fn new(dir: TempDir, durability: Durability, options: &Options) -> Self {
        let store = Arc::new(FolderStore::open(dir.path(), options).unwrap());
        Self { store, durability, _dir: dir }
    }

    fn on_disk(durability: Durability) -> Self {
        Self::new(TempDir::new().unwrap(), durability, &Options::default())
    }

    /// Where syncing costs nothing, if there is such a place.
    fn in_memory(durability: Durability) -> Self {
        let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
        Self::new(dir, durability, &Options::default())
    }
}

impl Store for Folder {
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
        let run = Run { durability: self.durability, ..run };
        self.store.apply(run, locks, report)
    }
    fn fate(&self, commit: &Witness) -> Result<Fate, Failure> {
        self.store.fate(commit)
    }
    fn space(&self, path: &ResourcePath) -> Result<Option<Space>, Failure> {
        self.store.space(path)
    }
    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Store>, Failure> {
        self.store.clone().rehearsal()
    }
}

#[test]
fn a_folder_conforms() {
    kit::conform(|| Folder::on_disk(Durability::Full));
    for durability in [Durability::Relaxed, Durability::Full] {
        kit::conform(|| Folder::in_memory(durability));
    }
}

#[test]
fn a_folder_does_as_the_model_does() {
    for durability in [Durability::Relaxed, Durability::Full] {
        kit::model(128, || Folder::in_memory(durability));
    }
}

/// Then each step is done so that it can be undone.
#[test]
fn a_folder_of_which_receipts_are_kept_does_the_same() {
    for durability in [Durability::Relaxed, Durability::Full] {
        let open = || kit::Keeping(Folder::in_memory(durability));
        kit::conform(open);
        kit::model(128, open);
    }
}

#[test]
fn a_folder_is_rehearsed() {
    kit::rehearse(128, || Folder::in_memory(Durability::Relaxed));
}

#[test]
fn a_folder_for_reading_alone_conforms() {
    let options = Options { read_only: true, state: None };
    let open = || Folder::new(TempDir::new().unwrap(), Durability::Full, &options);
    kit::conform(open);
    kit::rehearse(1, open);
}
