//! The conformance kit, and the model, held against folders.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use polydav_fs::{FolderStore, Options};
use polydav_store::{Broken, Durability, Failure, LockView, Report, Run, Store, delegate, kit};
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
    delegate!(this => this.store; capabilities, stat, try_stat, walk, read, try_read, stage, fate, space);

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        let run = Run { durability: self.durability, ..run };
        self.store.apply(run, locks, report)
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
