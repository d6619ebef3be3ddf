//! From paths to handles, without ever leaving the root.
//!
//! Everything is looked up from a handle of the root by `openat2`, beneath it, within its file
//! system. Reading follows links that stay beneath the root; a change meets no link but the one it
//! acts on. What is named `.polydav`, in any case and at any depth, isn't there for anyone.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use polydav_store::ResourcePath;
use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;
use rustix::path::Arg;

/// The name of the folder that holds the store's own state.
pub(crate) const STATE_DIR: &[u8] = b".polydav";

/// What [`stat`] asks for.
pub(crate) const STATX: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

/// Whether a name is one of those that aren't there for anyone.
pub(crate) fn is_hidden(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(STATE_DIR)
}

/// Whether a path goes through a name that isn't there for anyone.
pub(crate) fn has_hidden(path: &ResourcePath) -> bool {
    path.segments().any(is_hidden)
}

/// What is known of the thing with this name itself, be it a link or not.
pub(crate) fn stat_at(dir: impl AsFd, name: impl Arg) -> Result<Statx, Errno> {
    fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, STATX)
}

/// What is known of an open thing.
pub(crate) fn stat(file: impl AsFd) -> Result<Statx, Errno> {
    fs::statx(file, c"", AtFlags::EMPTY_PATH, STATX)
}

/// Opens a name in a directory, without meeting a link or a mount point. A link at the end is
/// opened itself if `flags` hold `PATH` and `NOFOLLOW`.
pub(crate) fn open_at(dir: impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    beneath(dir, name, flags, ResolveFlags::NO_SYMLINKS)
}

/// Opens a directory in a directory for reading, without meeting a link or a mount point.
pub(crate) fn open_dir_at(dir: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    open_at(dir, name, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// Whatever is looked up lies beneath the root, and within its file system.
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS).union(ResolveFlags::NO_XDEV);

const EXT4: fs::FsWord = 0xef53;
const XFS: fs::FsWord = 0x5846_5342;
const BTRFS: fs::FsWord = 0x9123_683e;
const F2FS: fs::FsWord = 0xf2f5_2010;
const TMPFS: fs::FsWord = 0x0102_1994;

/// File systems that answer from memory what they hold there. Those of other machines, or of other
/// processes, may ask first whether it is still true.
const LOCAL: [fs::FsWord; 5] = [EXT4, XFS, BTRFS, F2FS, TMPFS];

fn beneath(
    dir: impl AsFd,
    path: &[u8],
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    const TRIES: usize = 128;
    let path = if path.is_empty() { b"." } else { path };
    let resolve = resolve | BENEATH;
    let mut tries = 0;
    loop {
        match fs::openat2(&dir, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // Something was renamed meanwhile.
            Err(Errno::AGAIN) if tries < TRIES => tries += 1,
            // rustix reports a path of 4096 bytes and more so.
            outcome => return outcome,
        }
    }
}

/// The root of the store.
#[derive(Debug)]
pub(crate) struct Root {
    fd: Arc<OwnedFd>,
    /// Whether the system knows of what is in its caches without asking anybody.
    is_local: bool,
}

/// What reading finds at a path.
pub(crate) struct Found {
    /// What is known of it: of a link, of where it leads; of itself if that is nowhere.
    pub(crate) stat: Statx,
    /// Whether a link lies at the path itself.
    pub(crate) link: bool,
}

impl Root {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::openat(CWD, path, flags, Mode::empty())?;
        let is_local = LOCAL.contains(&fs::fstatfs(&fd)?.f_type);
        Ok(Self { fd: Arc::new(fd), is_local })
    }

    /// Whether it is certain that nothing is at `path`, or that a link lies on the way to it.
    pub(crate) fn lacks(&self, path: &ResourcePath) -> bool {
        matches!(self.open_itself(path), Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
    }

    /// What is known of what lies at `path` itself; [`Errno::LOOP`] if a link lies on the way to it.
    pub(crate) fn stat_itself(&self, path: &ResourcePath) -> Result<Statx, Errno> {
        self.open_itself(path).and_then(stat)
    }

    fn open_itself(&self, path: &ResourcePath) -> Result<OwnedFd, Errno> {
        open_at(&self.fd, path.as_bytes(), OFlags::PATH | OFlags::NOFOLLOW)
    }

    /// Opens what lies at `path`, following links that stay beneath the root, the one at its end
    /// unless `flags` say otherwise.
    pub(crate) fn open_following(
        &self,
        path: &ResourcePath,
        flags: OFlags,
    ) -> Result<OwnedFd, Errno> {
        match beneath(&self.fd, path.as_bytes(), flags, ResolveFlags::NO_SYMLINKS) {
            Err(Errno::LOOP) => {}
            outcome => return outcome,
        }
        let fd = beneath(&self.fd, path.as_bytes(), flags, ResolveFlags::empty())?;
        if self.is_visible(&fd)? { Ok(fd) } else { Err(Errno::NOENT) }
    }

    /// Opens what lies at `path` if that is known without waiting for a disk or for another machine;
    /// [`Errno::NOENT`] if it is known that there is nothing. What takes more than one look, as links
    /// do, is left to those who may wait.
    pub(crate) fn try_open(
        &self,
        path: &ResourcePath,
        flags: OFlags,
    ) -> Option<Result<OwnedFd, Errno>> {
        if !self.is_local {
            return None;
        }
        let resolve = BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::CACHED;
        let path = if path.is_root() { b"." } else { path.as_bytes() };
        let opened = fs::openat2(&self.fd, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
        matches!(opened, Ok(_) | Err(Errno::NOENT)).then_some(opened)
    }

    /// What reading finds at `path`, if that is known without waiting.
    pub(crate) fn try_find(&self, path: &ResourcePath) -> Option<Result<Found, Errno>> {
        let opened = self.try_open(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let found = opened.and_then(|at| Ok(Found { stat: stat(at)?, link: false }));
        // Who may wait follows it.
        let is_link = found.as_ref().is_ok_and(|found| is_link(&found.stat));
        (!is_link).then_some(found)
    }

    /// What reading finds at `path`.
    pub(crate) fn find(&self, path: &ResourcePath) -> Result<Found, Errno> {
        let at = self.open_following(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let found = stat(&at)?;
        if !is_link(&found) {
            return Ok(Found { stat: found, link: false });
        }
        self.follow(path, found)
    }

    /// What lies behind the link at `path`.
    pub(crate) fn follow(&self, path: &ResourcePath, link: Statx) -> Result<Found, Errno> {
        match self.open_following(path, OFlags::PATH).and_then(stat) {
            Ok(stat) => Ok(Found { stat, link: true }),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::ACCESS) => {
                Ok(Found { stat: link, link: true })
            }
            Err(errno) => Err(errno),
        }
    }

    /// Whether what was reached by links lies outside of everything hidden.
    fn is_visible(&self, fd: &OwnedFd) -> Result<bool, Errno> {
        // Without /proc nobody can tell, and nothing is read through links.
        let place = |fd: BorrowedFd<'_>| {
            let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
            fs::readlinkat(CWD, link, Vec::new()).map_err(|_| Errno::ACCESS)
        };
        let root = place(self.as_fd())?;
        let place = place(fd.as_fd())?;
        let root = root.as_bytes().strip_suffix(b"/").unwrap_or(root.as_bytes());
        let inside = place.as_bytes().strip_prefix(root);
        Ok(inside.is_some_and(|inside| !inside.split(|&byte| byte == b'/').any(is_hidden)))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether it is a symbolic link.
pub(crate) fn is_link(stat: &Statx) -> bool {
    file_type(stat) == fs::FileType::Symlink
}

/// Whether it is a directory.
pub(crate) fn is_dir(stat: &Statx) -> bool {
    file_type(stat) == fs::FileType::Directory
}

/// What it is.
pub(crate) fn file_type(stat: &Statx) -> fs::FileType {
    fs::FileType::from_raw_mode(stat.stx_mode.into())
}

/// A directory to act in.
pub(crate) type Dir = Arc<OwnedFd>;

/// The directories a run acts in, kept open for a while.
///
/// A kept handle follows its directory wherever it is moved; so [`Parents::forget`] what moves.
pub(crate) struct Parents<'a> {
    root: &'a Root,
    kept: HashMap<Box<[u8]>, Dir>,
}

impl<'a> Parents<'a> {
    /// The most directories kept open.
    const KEPT_MAX: usize = 64;

    pub(crate) fn new(root: &'a Root) -> Self {
        Self { root, kept: HashMap::new() }
    }

    /// A directory and a name in it to look at `path` by; for the root, `.` in itself.
    pub(crate) fn at<'p>(&mut self, path: &'p ResourcePath) -> Result<(Dir, &'p [u8]), Errno> {
        if path.is_root() { Ok((self.root.fd.clone(), b".")) } else { self.of(path) }
    }

    /// The directory that holds `path`, and the name of `path` in it.
    pub(crate) fn of<'p>(&mut self, path: &'p ResourcePath) -> Result<(Dir, &'p [u8]), Errno> {
        let joined = path.as_bytes();
        let Some(slash) = joined.iter().rposition(|&byte| byte == b'/') else {
            // The root itself has no name to act on.
            let name = if joined.is_empty() { Err(Errno::BUSY) } else { Ok(joined) };
            return name.map(|name| (self.root.fd.clone(), name));
        };
        let (parent, name) = (&joined[..slash], &joined[slash + 1..]);
        if let Some(dir) = self.kept.get(parent) {
            return Ok((dir.clone(), name));
        }
        if self.kept.len() == Self::KEPT_MAX {
            self.kept.clear();
        }
        let dir = Arc::new(open_at(self.root, parent, OFlags::PATH | OFlags::DIRECTORY)?);
        self.kept.insert(parent.into(), dir.clone());
        Ok((dir, name))
    }

    /// Forgets the directories at and under `path`: they are no longer there.
    pub(crate) fn forget(&mut self, path: &ResourcePath) {
        let joined = path.as_bytes();
        self.kept.retain(|kept, _| match kept.strip_prefix(joined) {
            Some(rest) => !(rest.is_empty() || rest[0] == b'/'),
            None => true,
        });
    }
}
