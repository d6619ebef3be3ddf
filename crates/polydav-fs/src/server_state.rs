//! `ServerState`: `server.db`, what a server keeps for stores that keep nothing beside resources.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use polydav_store::{BatchLedger, Durability, Failure, Ledger, Lock, LockChange};

use crate::state::State;
use crate::{OpenError, Options, make_state_dir};

/// The state of a server: the locks of stores that aren't folders, and batches where there is no
/// folder.
///
/// It may lie in the folder with the state of a store; that one is held apart from it.
#[derive(Debug)]
pub struct ServerState(Arc<State>);

impl ServerState {
    /// Opens or makes `server.db` in `dir`, which is made if it isn't there.
    ///
    /// # Errors
    /// [`OpenError::InUse`] if another server has it; [`OpenError::Prepare`] and
    /// [`OpenError::State`] if the folder or the database can't be used.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        make_state_dir(dir)?;
        let prepare = |source| OpenError::Prepare { path: dir.to_owned(), source };
        // A file of its own is held: the store whose state lies here holds the folder, and SQLite
        // has locks of its own on the database.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(dir.join("server.lock")).map_err(prepare)?;
        let held = Options::default().hold(lock, dir, prepare)?;
        let path = dir.join("server.db");
        let state = State::open(&path, held);
        state.map(|state| Self(Arc::new(state))).map_err(|source| OpenError::State { path, source })
    }
}

impl ServerState {
    /// Where batches are kept.
    pub fn batch_ledger(&self) -> Arc<dyn BatchLedger> {
        Arc::clone(&self.0) as Arc<dyn BatchLedger>
    }
}

impl Ledger for ServerState {
    fn locks(&self) -> Result<Vec<Lock>, Failure> {
        self.0.locks()
    }

    fn change_locks(&self, changes: &[LockChange], durability: Durability) -> Result<(), Failure> {
        self.0.change_locks(changes, durability)
    }
}
