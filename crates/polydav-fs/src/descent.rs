//! Going through a tree with few open handles, however deep it is.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags, RawDir, SeekFrom, seek};
use rustix::io::Errno;

use crate::resolve::{file_type, is_hidden, open_at, open_dir_at, stat_at};

/// A way down a tree: the directories from the first to the current one, few of them open.
pub(crate) struct Trail {
    /// Name and handle; far above the current one it is closed. The first has no name.
    levels: Vec<(Vec<u8>, Option<OwnedFd>)>,
}

impl Trail {
    /// The most directories open at a time.
    const OPEN_MAX: usize = 64;

    /// Starts at an open directory.
    pub(crate) fn new(base: OwnedFd) -> Self {
        Self { levels: vec![(Vec::new(), Some(base))] }
    }

    /// How many levels lie above the current directory; 0 in the first.
    fn depth(&self) -> usize {
        self.levels.len() - 1
    }

    /// The current directory, and whether it had to be opened again.
    fn reach(&mut self) -> Result<(BorrowedFd<'_>, bool), Errno> {
        let depth = self.depth();
        let closed = self.levels[depth].1.is_none();
        if closed {
            let base = self.levels[0].1.as_ref().expect("the first stays open");
            let names = self.levels[1..].iter().map(|(name, _)| &name[..]);
            self.levels[depth].1 = Some(open_far(base.as_fd(), names)?);
        }
        let dir = self.levels[depth].1.as_ref().expect("it is open, or was opened right before");
        Ok((dir.as_fd(), closed))
    }

    /// The current directory.
    pub(crate) fn dir(&mut self) -> Result<BorrowedFd<'_>, Errno> {
        self.reach().map(|(dir, _)| dir)
    }

    /// Enters a directory of the current one.
    pub(crate) fn enter(&mut self, name: &[u8]) -> Result<(), Errno> {
        let dir = open_dir_at(self.dir()?, name)?;
        // The first stays open: the others are found again from there.
        if let Some(far) = self.levels.len().checked_sub(Self::OPEN_MAX)
            && far > 0
        {
            self.levels[far].1 = None;
        }
        self.levels.push((name.to_vec(), Some(dir)));
        Ok(())
    }

    /// Leaves the current directory and tells its name; `None` if it was the first.
    pub(crate) fn leave(&mut self) -> Option<Vec<u8>> {
        if self.levels.len() == 1 {
            return None;
        }
        self.levels.pop().map(|(name, _)| name)
    }
}

/// Opens a directory below another, also where the path to it is longer than the system takes.
fn open_far<'n>(
    base: BorrowedFd<'_>,
    names: impl Iterator<Item = &'n [u8]>,
) -> Result<OwnedFd, Errno> {
    const PATH_BYTES_MAX: usize = 4_000;
    let mut way: Option<OwnedFd> = None;
    let mut path = Vec::new();
    for name in names {
        if path.len() + name.len() >= PATH_BYTES_MAX {
            let dir = way.as_ref().map_or(base, AsFd::as_fd);
            way = Some(open_at(dir, &path, OFlags::PATH | OFlags::DIRECTORY)?);
            path.clear();
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
    }
    open_dir_at(way.as_ref().map_or(base, AsFd::as_fd), &path)
}

/// Whether a directory lists this very name, byte for byte.
pub(crate) fn lists(dir: impl AsFd, name: &[u8]) -> Result<bool, Errno> {
    let dir = open_dir_at(dir, b".")?;
    let mut buffer = vec![MaybeUninit::uninit(); Descent::BUFFER];
    let mut names = RawDir::new(dir, &mut buffer);
    while let Some(entry) = names.next() {
        if entry?.file_name().to_bytes() == name {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether nothing lies in an open directory.
pub(crate) fn is_empty(dir: impl AsFd) -> Result<bool, Errno> {
    let mut buffer = vec![MaybeUninit::uninit(); 1024];
    let mut names = RawDir::new(dir, &mut buffer);
    while let Some(entry) = names.next() {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How far a directory was gone through.
#[derive(Default)]
struct Progress {
    /// Where to go on reading.
    cookie: u64,
    /// Directories found in it that weren't entered yet.
    pending: Vec<CString>,
    /// Whether all was read.
    ended: bool,
    /// Whether something hidden was met in it.
    hides: bool,
}

/// What [`Descent::next`] comes to.
pub(crate) enum Turn {
    /// A directory in the current one: to enter it or not.
    Dir(CString),
    /// The current directory is done; [`Descent::leave`] it.
    End,
}

/// Goes through a tree, depth first, a directory before its members. What it holds in memory grows
/// with the depth, never with the number of members.
pub(crate) struct Descent {
    trail: Trail,
    levels: Vec<Progress>,
    buffer: Box<[MaybeUninit<u8>]>,
    /// Whether what is hidden is met like everything else.
    bare: bool,
}

impl Descent {
    /// Bytes of names read at a time.
    const BUFFER: usize = 32 * 1024;

    /// Starts at an open directory.
    pub(crate) fn new(base: OwnedFd) -> Self {
        let buffer = vec![MaybeUninit::uninit(); Self::BUFFER].into_boxed_slice();
        Self { trail: Trail::new(base), levels: vec![Progress::default()], buffer, bare: false }
    }

    /// Starts at an open directory; meets what is hidden too.
    pub(crate) fn bare(base: OwnedFd) -> Self {
        Self { bare: true, ..Self::new(base) }
    }

    fn top(&mut self) -> &mut Progress {
        self.levels.last_mut().expect("a descent ends with its first level")
    }

    /// Whether something hidden was met in the current directory.
    pub(crate) fn hides(&self) -> bool {
        self.levels.last().is_some_and(|level| level.hides)
    }

    /// The current directory.
    pub(crate) fn dir(&mut self) -> Result<BorrowedFd<'_>, Errno> {
        let (dir, again) = self.trail.reach()?;
        if again {
            let cookie = self.levels.last().map_or(0, |level| level.cookie);
            seek(dir, SeekFrom::Start(cookie))?;
        }
        Ok(dir)
    }

    /// Enters a directory of the current one.
    pub(crate) fn enter(&mut self, name: &CStr) -> Result<(), Errno> {
        self.dir()?;
        self.trail.enter(name.to_bytes())?;
        self.levels.push(Progress::default());
        Ok(())
    }

    /// Leaves the current directory and tells its name; `None` if it was the first.
    pub(crate) fn leave(&mut self) -> Option<Vec<u8>> {
        let name = self.trail.leave()?;
        self.levels.pop();
        Some(name)
    }

    /// Goes on in the current directory: tells `member` of what is no directory, with the handle of
    /// the current one, until it comes to a directory or the end.
    ///
    /// Where the file system doesn't say what something is, it is told as a member of unknown type, and
    /// comes back as a directory if that is what `member` finds.
    pub(crate) fn next<B>(
        &mut self,
        member: &mut dyn FnMut(BorrowedFd<'_>, &CStr, FileType) -> Member<B>,
    ) -> Result<Result<Turn, B>, Errno> {
        loop {
            if let Some(name) = self.top().pending.pop() {
                return Ok(Ok(Turn::Dir(name)));
            }
            if self.top().ended {
                return Ok(Ok(Turn::End));
            }
            if let Some(broken) = self.read(member)? {
                return Ok(Err(broken));
            }
        }
    }

    /// As [`Self::next`], but asks what the file system doesn't say: `member` meets no directory, and
    /// what is of unknown type only if it may not be looked at.
    pub(crate) fn next_known<B>(
        &mut self,
        member: &mut dyn FnMut(BorrowedFd<'_>, &CStr, FileType) -> Member<B>,
    ) -> Result<Result<Turn, B>, Errno> {
        self.next(&mut |dir, name, told| {
            let known = (told == FileType::Unknown).then(|| stat_at(dir, name));
            match known.and_then(Result::ok).map_or(told, |stat| file_type(&stat)) {
                FileType::Directory => Member::IsDir,
                kind => member(dir, name, kind),
            }
        })
    }

    /// Reads one buffer of names.
    fn read<B>(
        &mut self,
        member: &mut dyn FnMut(BorrowedFd<'_>, &CStr, FileType) -> Member<B>,
    ) -> Result<Option<B>, Errno> {
        self.dir()?;
        let Self { trail, levels, buffer, bare } = self;
        let level = levels.last_mut().expect("a descent ends with its first level");
        let dir = trail.dir()?;
        let mut names = RawDir::new(dir, buffer);
        loop {
            let Some(entry) = names.next() else {
                level.ended = true;
                return Ok(None);
            };
            let entry = entry?;
            level.cookie = entry.next_entry_cookie();
            let (name, kind) = (entry.file_name(), entry.file_type());
            #[cfg(feature = "crash-test")]
            let kind = if crate::sys::fault::is_poor() { FileType::Unknown } else { kind };
            if !*bare && is_hidden(name.to_bytes()) {
                level.hides = true;
            } else if kind == FileType::Directory {
                if !matches!(name.to_bytes(), b"." | b"..") {
                    level.pending.push(name.to_owned());
                }
            } else if !matches!(name.to_bytes(), b"." | b"..") {
                match member(dir, name, kind) {
                    Member::Done => {}
                    Member::IsDir => level.pending.push(name.to_owned()),
                    Member::Break(broken) => return Ok(Some(broken)),
                }
            }
            if names.is_buffer_empty() {
                return Ok(None);
            }
        }
    }
}

/// What became of a member.
pub(crate) enum Member<B> {
    /// It is done with.
    Done,
    /// It is a directory after all.
    IsDir,
    /// The descent ends.
    Break(B),
}
