//! Temporary folders to serve, and what is in them.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::requirement::is_root;

/// The user and group that a server under test runs as when the tests are root.
pub(crate) const NOBODY: u32 = 65534;

/// A folder's content: each path below it, with a file's bytes, or nothing for a folder.
pub type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// A folder of the test's own, removed with it. The server under test may write in it, also when
/// it runs as nobody.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
}

impl Folder {
    /// An empty folder, on a real disk: the usual place for temporary files may be in memory.
    pub fn new() -> Self {
        Self::new_in(Path::new("/var/tmp"))
    }

    /// An empty folder within this one.
    pub fn new_in(parent: &Path) -> Self {
        let mut builder = tempfile::Builder::new();
        builder.prefix("polydav-").permissions(Permissions::from_mode(0o755));
        let folder = builder.tempdir_in(parent);
        let folder = folder.unwrap_or_else(|error| panic!("{}: {error}", parent.display()));
        let folder = Self { folder };
        folder.hand_over(folder.path());
        folder
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path below it.
    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let (file, mut parent) = (self.join(path), self.path().to_owned());
        for part in Path::new(path).parent().unwrap_or(Path::new("")) {
            parent.push(part);
            self.make(&parent);
        }
        fs::write(&file, content).expect("a file can be written");
        self.hand_over(&file);
        self
    }

    /// Makes a folder in it, unless it is there.
    pub fn make_folder(&self, path: &str) -> &Self {
        self.make(&self.join(path));
        self
    }

    /// Reads a file.
    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// All that is in it now, but for the server's own state.
    pub fn tree(&self) -> Tree {
        tree(self.path())
    }

    fn make(&self, folder: &Path) {
        if !folder.is_dir() {
            fs::create_dir(folder).expect("a folder can be made");
            self.hand_over(folder);
        }
    }

    fn hand_over(&self, path: &Path) {
        if is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give a file away");
        }
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

/// All that is below a folder now, but for a server's own state.
pub fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    gather(root, root, &mut found);
    found
}

fn gather(root: &Path, folder: &Path, found: &mut Tree) {
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.expect("a folder can be listed").path();
        let name = path.strip_prefix(root).expect("it lies below").to_owned();
        if name.as_os_str() == ".polydav" || name.as_os_str() == ".DAV" {
            continue;
        }
        let kind = fs::symlink_metadata(&path).expect("an entry can be looked at").file_type();
        if kind.is_dir() {
            found.insert(name, None);
            gather(root, &path, found);
        } else if kind.is_file() {
            found.insert(name, Some(fs::read(&path).expect("a file can be read")));
        }
    }
}

/// Fails the test if two trees differ, naming each path that does, not their contents.
#[track_caller]
pub fn assert_same(left: &Tree, right: &Tree) {
    let paths = left.keys().chain(right.keys());
    let differing: Vec<_> = paths.filter(|path| left.get(*path) != right.get(*path)).collect();
    assert!(differing.is_empty(), "the trees differ at {differing:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_holds_files_and_folders() {
        let folder = Folder::new();
        folder.write("a/b.txt", "b").make_folder("c").write(".polydav/state.db", "");
        let names: Vec<_> = folder.tree().into_keys().collect();
        assert_eq!(names, ["a", "a/b.txt", "c"].map(PathBuf::from));
        assert_eq!(folder.tree()[Path::new("a/b.txt")].as_deref(), Some(&b"b"[..]));
    }
}
