//! What a store needs to change anything, and the two ways to put one thing in another's place.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, RenameFlags, StatxFlags};
use rustix::io::Errno;

use crate::resolve::{Root, STATE_DIR, open_dir_at, stat_at};
use crate::stage::{FILE_MODE, StageDir, rename_new};
use crate::{rights, sys, tree};

/// The name of the staging folder.
const STAGE: &[u8] = b"stage";

/// What the file system can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Files without a name that get one later.
    pub(crate) unnamed: bool,
    /// Renaming only if nothing is at the target.
    pub(crate) noreplace: bool,
    /// Exchanging two names in one call.
    pub(crate) exchange: bool,
    /// Names that differ in case alone being those of different things.
    pub(crate) case: bool,
    /// Telling when a file was made.
    pub(crate) birth: bool,
}

impl Abilities {
    /// Whether every step can be undone: all of it is renaming, and what lies where is known again.
    pub(crate) fn can_undo(self) -> bool {
        self.noreplace && self.exchange && self.birth
    }
}

#[cfg(any(test, feature = "crash-test"))]
impl Abilities {
    /// Those of a file system that can do no more than it must.
    pub(crate) const POOR: Self =
        Self { unnamed: false, noreplace: false, exchange: false, case: true, birth: false };
}

/// What a store needs to change anything.
#[derive(Debug)]
pub(crate) struct Writer {
    /// The folder of the store's state, `.polydav`.
    pub(crate) dir: OwnedFd,
    pub(crate) stage: Arc<StageDir>,
    pub(crate) abilities: Abilities,
    given_up: AtomicBool,
    half_done: AtomicBool,
}

impl Writer {
    /// Makes the folders, if they aren't there.
    pub(crate) fn open(root: &Root) -> Result<Self, Errno> {
        let dir = make_dir(root, STATE_DIR)?;
        let stage = make_dir(&dir, STAGE)?;
        rights::hand_nothing_down(&stage)?;
        let abilities = probe(&stage)?;
        #[cfg(feature = "crash-test")]
        let abilities = if sys::fault::is_poor() { Abilities::POOR } else { abilities };
        tracing::debug!(?abilities, "the file system was probed");
        if !abilities.can_undo() {
            tracing::warn!("this file system can't undo: batches in mode atomic are refused");
        }
        let stage = Arc::new(StageDir::new(stage, abilities.unnamed));
        let (given_up, half_done) = Default::default();
        Ok(Self { dir, stage, abilities, given_up, half_done })
    }

    /// Takes no more changes until the store is opened again.
    pub(crate) fn give_up(&self, why: &str) {
        tracing::error!(why, "the store takes no more changes until it is opened again");
        self.given_up.store(true, Ordering::Release);
    }

    /// Whether no more changes are taken.
    pub(crate) fn has_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    /// Puts what is staged under a name in the place of what is there, which goes to `aside`: the
    /// same name, where the file system can exchange.
    pub(crate) fn swap_in(
        &self,
        staged: &[u8],
        target: (impl AsFd, &[u8]),
        aside: &[u8],
    ) -> Result<(), Errno> {
        let target = (target.0.as_fd(), target.1);
        if self.abilities.exchange {
            return sys::rename((&*self.stage, staged), target, RenameFlags::EXCHANGE);
        }
        self.make_way((&*self.stage, staged), target, aside)
    }

    /// Puts one thing in the place of another, which goes to `aside`.
    pub(crate) fn swap_over(
        &self,
        source: (impl AsFd, &[u8]),
        target: (impl AsFd, &[u8]),
        aside: &[u8],
    ) -> Result<(), Errno> {
        let (source, target) = ((source.0.as_fd(), source.1), (target.0.as_fd(), target.1));
        if !self.abilities.exchange {
            return self.make_way(source, target, aside);
        }
        sys::rename(source, target, RenameFlags::EXCHANGE)?;
        sys::rename(source, (&*self.stage, aside), RenameFlags::empty()).inspect_err(|_| {
            // It may not be moved out of its place; then everything stays as it was.
            self.must_undo(sys::rename(source, target, RenameFlags::EXCHANGE));
        })
    }

    /// As the above, where the file system can't exchange: for a moment nothing is at the target.
    fn make_way(
        &self,
        source: (impl AsFd, &[u8]),
        target: (impl AsFd, &[u8]),
        aside: &[u8],
    ) -> Result<(), Errno> {
        let (target, aside) = ((target.0.as_fd(), target.1), (&*self.stage, aside));
        sys::rename(target, aside, RenameFlags::empty())?;
        rename_new(source, target, self.abilities.noreplace).inspect_err(|_| {
            self.must_undo(rename_new(aside, target, self.abilities.noreplace));
        })
    }

    /// What can't be undone now is finished when the store is opened again.
    fn must_undo(&self, undone: Result<(), Errno>) {
        if undone.is_err() {
            self.half_done.store(true, Ordering::Release);
            self.give_up("a step could not be undone");
        }
    }

    /// Whether a step is neither done nor undone; what is written down as begun must then stay so.
    pub(crate) fn is_half_done(&self) -> bool {
        self.half_done.load(Ordering::Acquire)
    }
}

/// Opens a folder of the store's own, and makes it if it isn't there.
pub(crate) fn make_dir(dir: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    match open_dir_at(&dir, name) {
        Err(Errno::NOENT) => {}
        outcome => return outcome,
    }
    match sys::make_dir(&dir, name, Mode::RWXU) {
        Ok(()) => sys::sync(&dir)?,
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    open_dir_at(&dir, name)
}

/// Finds out what the file system can do, by doing it.
fn probe(stage: &OwnedFd) -> Result<Abilities, Errno> {
    const ONE: &[u8] = b"probe-1";
    const OTHER: &[u8] = b"probe-2";
    let clean = || tree::purge(stage, ONE).and_then(|()| tree::purge(stage, OTHER));
    clean()?;
    let linked = sys::create_unnamed(stage, FILE_MODE).and_then(|file| sys::link(file, stage, ONE));
    if linked.is_err() {
        sys::create(stage, ONE, FILE_MODE)?;
    }
    sys::create(stage, OTHER, FILE_MODE)?;
    let rename = |flags| sys::rename((stage, ONE), (stage, OTHER), flags);
    let abilities = Abilities {
        unnamed: linked.is_ok(),
        noreplace: rename(RenameFlags::NOREPLACE) == Err(Errno::EXIST),
        exchange: rename(RenameFlags::EXCHANGE).is_ok(),
        case: stat_at(stage, &b"PROBE-2"[..]).is_err(),
        birth: stat_at(stage, OTHER)?.stx_mask & StatxFlags::BTIME.bits() != 0,
    };
    clean()?;
    Ok(abilities)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;

    use polydav_store::kit;
    use tempfile::TempDir;

    use super::*;
    use crate::{FolderStore, Options};

    #[test]
    fn a_poor_file_system_will_do() {
        let dirs = RefCell::new(Vec::new());
        let open = || {
            let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
            let mut store = FolderStore::open(dir.path(), &Options::default()).unwrap();
            let writer = store.writer.as_mut().unwrap();
            writer.abilities = Abilities::POOR;
            let stage = make_dir(&writer.dir, STAGE).unwrap();
            writer.stage = Arc::new(StageDir::new(stage, false));
            dirs.borrow_mut().push(dir);
            store
        };
        kit::conform(open);
        kit::model(32, open);
    }
}
