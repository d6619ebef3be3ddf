//! The directories in which a run changed something, and how that comes to disk.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::resolve::{Dir, open_at, open_dir_at};
use crate::sys;

/// From so many on, syncing the whole file system takes less than syncing one by one.
pub(crate) const SYNC_ONE_BY_ONE_MAX: usize = 16;

/// What has to come to disk before a run is told of.
pub(crate) struct Touched {
    /// A handle of this run's own. The system tells each handle once of a write that failed since
    /// it was opened: of one that runs share, only the first to ask would be told.
    disk: OwnedFd,
    /// By the handle: at one path there may be one directory after another.
    dirs: HashMap<usize, Dir>,
    /// Whether there are too many to sync one by one.
    many: bool,
}

impl Touched {
    /// Nothing yet, below `root`.
    pub(crate) fn new(root: impl AsFd) -> Result<Self, Errno> {
        Ok(Self { disk: open_dir_at(root, b".")?, dirs: HashMap::new(), many: false })
    }

    /// Notes that something changed in a directory.
    pub(crate) fn note(&mut self, dir: &Dir) {
        if self.many {
            return;
        }
        self.dirs.entry(Arc::as_ptr(dir).addr()).or_insert_with(|| dir.clone());
        if self.dirs.len() > SYNC_ONE_BY_ONE_MAX {
            self.note_many();
        }
    }

    /// Notes that something changed in more directories than can be told.
    pub(crate) fn note_many(&mut self) {
        self.dirs.clear();
        self.many = true;
    }

    /// Brings everything to disk.
    pub(crate) fn sync_all(&self) -> Result<(), Errno> {
        sys::sync_all(&self.disk)
    }

    /// Brings what was noted to disk, and forgets it.
    pub(crate) fn sync(&mut self) -> Result<(), Errno> {
        let dirs = std::mem::take(&mut self.dirs);
        if std::mem::take(&mut self.many) {
            return self.sync_all();
        }
        for dir in dirs.values() {
            match open_at(dir, b".", OFlags::RDONLY | OFlags::DIRECTORY) {
                Ok(dir) => sys::sync(dir)?,
                // A directory may be one to write to, but not to read.
                Err(_) => return self.sync_all(),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use polydav_store::ResourcePath;

    use super::*;
    use crate::resolve::{Parents, Root};

    #[test]
    fn a_directory_in_the_place_of_another_is_synced_too() {
        let dir = tempfile::TempDir::new().unwrap();
        let at = |name| dir.path().join(name);
        let path = |joined| ResourcePath::parse(joined).unwrap();
        std::fs::create_dir(at("a")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        let (mut parents, mut touched) = (Parents::new(&root), Touched::new(&root).unwrap());
        for name in ["a/x", "a/y"] {
            touched.note(&parents.of(&path(name)).unwrap().0);
        }
        assert_eq!(touched.dirs.len(), 1);
        std::fs::rename(at("a"), at("b")).unwrap();
        std::fs::create_dir(at("a")).unwrap();
        parents.forget(&path("a"));
        touched.note(&parents.of(&path("a/x")).unwrap().0);
        assert_eq!(touched.dirs.len(), 2);
        touched.sync().unwrap();
        assert!(touched.dirs.is_empty() && !touched.many);
    }
}
