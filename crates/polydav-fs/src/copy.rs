//! Copying: content, files, and whole trees.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use polydav_store::{Member as Failed, Members, ResourcePath};
use rustix::fs::{self, FileType, OFlags, SeekFrom, Statx, Timespec, Timestamps, UTIME_OMIT, seek};
use rustix::io::Errno;

use crate::descent::{Descent, Member, Trail, Turn};
use crate::errno;
use crate::permit::Permit;
use crate::resolve::{file_type, open_at, stat};
use crate::rights::Rights;
use crate::sys;
use crate::tree::{PRIVATE_DIR, join};

/// The times of a copy: its content changed last when that of the source did.
fn times(stat: &Statx) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec {
            tv_sec: stat.stx_mtime.tv_sec,
            tv_nsec: stat.stx_mtime.tv_nsec.into(),
        },
    }
}

/// Opens a file to be copied.
pub(crate) fn open_source(dir: impl AsFd, name: &[u8]) -> Result<(OwnedFd, Statx), Errno> {
    let file = open_at(dir, name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
    let stat = stat(&file)?;
    if file_type(&stat) == FileType::RegularFile { Ok((file, stat)) } else { Err(Errno::NODEV) }
}

/// Makes `target`, an empty file, the same as `source`, which has these rights: content, permissions,
/// modification time.
pub(crate) fn copy_file(
    source: &OwnedFd,
    known: &Statx,
    rights: &Rights,
    target: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let is_sparse = known.stx_blocks.saturating_mul(512) < known.stx_size;
    if is_sparse {
        copy_sparse(source, known.stx_size, target)?;
    } else {
        copy_range(source, target, known.stx_size)?;
    }
    rights.give(target)?;
    sys::set_times(target, &times(known))
}

/// Copies what lies between the holes of a file.
fn copy_sparse(source: &OwnedFd, length: u64, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut end = 0;
    while end < length {
        let start = match seek(source, SeekFrom::Data(end)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno),
        };
        end = seek(source, SeekFrom::Hole(start))?;
        seek(source, SeekFrom::Start(start))?;
        seek(target, SeekFrom::Start(start))?;
        copy_range(source, target, end - start)?;
    }
    sys::truncate(target, length)
}

/// Copies `length` bytes, or fewer if the source ends earlier.
fn copy_range(source: &OwnedFd, target: BorrowedFd<'_>, length: u64) -> Result<(), Errno> {
    const CHUNK: u64 = 1 << 30;
    let mut left = length;
    while left > 0 {
        let chunk = usize::try_from(left.min(CHUNK)).expect("a chunk fits");
        match sys::copy_range(source, target, chunk) {
            Ok(0) => return Ok(()),
            Ok(copied) => left -= copied as u64,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return copy_through(source, target, left);
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// As [`copy_range`], where the kernel can't do it by itself.
fn copy_through(source: &OwnedFd, target: BorrowedFd<'_>, mut left: u64) -> Result<(), Errno> {
    let mut buffer = vec![0; 128 * 1024];
    while left > 0 {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        match rustix::io::read(source, &mut buffer[..most]) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                sys::write_all(target, &buffer[..read])?;
                left -= read as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Copies the members of one directory, however deep, into another.
pub(crate) struct TreeCopy {
    source: Descent,
    target: Trail,
    /// The current directory of the source.
    at: ResourcePath,
    /// Members of it that are still to be copied.
    portion: Portion,
    /// The rights on the directories that are being filled.
    rights: Vec<Rights>,
    failed: Members,
}

impl TreeCopy {
    /// Copies the members of `source`, which lies at `path`, into `target`. Returns the members
    /// that couldn't be read.
    ///
    /// # Errors
    /// If the copy can't be made at all: there is no space left, the disk fails.
    pub(crate) fn run(
        source: OwnedFd,
        path: &ResourcePath,
        target: OwnedFd,
    ) -> Result<Members, Errno> {
        let mut copy = Self {
            source: Descent::new(source),
            target: Trail::new(target),
            at: path.clone(),
            portion: Portion::default(),
            rights: Vec::new(),
            failed: Members::default(),
        };
        while copy.turn()? {}
        Ok(copy.failed)
    }

    /// Copies files up to the next directory, and enters or leaves that; whether there is more.
    fn turn(&mut self) -> Result<bool, Errno> {
        let Self { source, target, at, portion, failed, .. } = self;
        let into = target.dir()?;
        let turn = source.next_known(&mut |from: BorrowedFd<'_>, name: &CStr, kind| {
            if !portion.push(name, kind) {
                return Member::Done;
            }
            portion.copy(from, into, at, failed).map_or_else(Member::Break, |()| Member::Done)
        });
        if !portion.is_empty() {
            portion.copy(source.dir()?, into, at, failed)?;
        }
        match turn {
            Ok(Ok(Turn::Dir(name))) => self.enter(&name).map(|()| true),
            Ok(Ok(Turn::End)) => self.leave(),
            Ok(Err(fatal)) => Err(fatal),
            Err(errno) => {
                fail(&mut self.failed, self.at.clone(), errno)?;
                self.leave()
            }
        }
    }

    fn enter(&mut self, name: &CString) -> Result<(), Errno> {
        let path = join(&self.at, name);
        let rights = match self.source.enter(name) {
            Ok(()) => {
                let dir = self.source.dir()?;
                Rights::of(dir, &stat(dir)?)
            }
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return fail(&mut self.failed, path, errno),
        };
        sys::make_dir(self.target.dir()?, name.to_bytes(), PRIVATE_DIR)?;
        self.target.enter(name.to_bytes())?;
        self.rights.push(rights);
        self.at = path;
        Ok(())
    }

    fn leave(&mut self) -> Result<bool, Errno> {
        if self.source.leave().is_none() {
            return Ok(false);
        }
        if let Some(rights) = self.rights.pop() {
            rights.give(self.target.dir()?)?;
        }
        self.target.leave();
        self.at = self.at.parent().expect("below the root of the copy");
        Ok(true)
    }
}

/// Why a member couldn't be read; what ails the disk ends the whole copy.
fn unreadable(errno: Errno) -> Result<Errno, Errno> {
    match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::MFILE | Errno::NFILE | Errno::NOMEM => {
            Err(errno)
        }
        errno => Ok(errno),
    }
}

/// Notes a member that couldn't be read, unless that ends the whole copy.
fn fail(failed: &mut Members, path: ResourcePath, errno: Errno) -> Result<(), Errno> {
    let kind = errno::kind(unreadable(errno)?);
    failed.push(Failed { path, kind });
    Ok(())
}

/// Members of one directory that are to be copied together, none of them a directory. Each takes some
/// ten system calls: two threads share them.
#[derive(Default)]
struct Portion(Vec<(CString, FileType)>);

impl Portion {
    const MAX: usize = 1_000;
    /// Fewer are copied before another thread has begun.
    const SHARED_MIN: usize = 16;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a member in; whether it is time to copy.
    fn push(&mut self, name: &CStr, kind: FileType) -> bool {
        self.0.push((name.to_owned(), kind));
        self.0.len() == Self::MAX
    }

    /// Copies them all from one directory, which lies at `at`, into another; none is left then.
    fn copy(
        &mut self,
        from: BorrowedFd<'_>,
        into: BorrowedFd<'_>,
        at: &ResourcePath,
        failed: &mut Members,
    ) -> Result<(), Errno> {
        let (members, next) = (std::mem::take(&mut self.0), AtomicUsize::new(0));
        let share = || copy_share(Taken { members: &members, next: &next }, from, into);
        let permit = if members.len() < Self::SHARED_MIN { None } else { Permit::take() };
        let mut unread = if permit.is_some() { by_two(&share) } else { share() }?;
        unread.sort_unstable_by_key(|(number, _)| *number);
        for (number, errno) in unread {
            let path = join(at, &members[number].0);
            failed.push(Failed { path, kind: errno::kind(errno) });
        }
        Ok(())
    }
}

/// The members that a share copies: each time whichever is next.
struct Taken<'a> {
    members: &'a [(CString, FileType)],
    next: &'a AtomicUsize,
}

impl<'a> Iterator for Taken<'a> {
    type Item = (usize, &'a (CString, FileType));

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.members.get(number).map(|member| (number, member))
    }
}

impl Drop for Taken<'_> {
    /// None is left for the other share, however this one ends: after an error or a panic it needn't go
    /// on.
    fn drop(&mut self) {
        self.next.store(self.members.len(), Ordering::Relaxed);
    }
}

/// Copies members until none is left; which ones couldn't be read.
fn copy_share(
    taken: Taken<'_>,
    from: BorrowedFd<'_>,
    into: BorrowedFd<'_>,
) -> Result<Vec<(usize, Errno)>, Errno> {
    let mut unread = Vec::new();
    for (number, (name, kind)) in taken {
        match copy_member(from, into, name, *kind)? {
            None | Some(Errno::NOENT) => {}
            Some(errno) => unread.push((number, errno)),
        }
    }
    Ok(unread)
}

/// Has another thread do the same beside this one, if there can be one; what both came to.
fn by_two<T: Send>(share: &(impl Fn() -> Result<Vec<T>, Errno> + Sync)) -> Result<Vec<T>, Errno> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("copy".to_owned());
        let other = thread.spawn_scoped(scope, sys::aside(share));
        let own = share();
        let other = match other {
            Ok(other) => other.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => Ok(Vec::new()),
        };
        let mut all = own?;
        all.extend(other?);
        Ok(all)
    })
}

/// Copies a member that is no directory. What keeps it from being read is told beside what keeps the
/// copy from being made.
fn copy_member(
    from: BorrowedFd<'_>,
    into: BorrowedFd<'_>,
    name: &CStr,
    kind: FileType,
) -> Result<Option<Errno>, Errno> {
    let bytes = name.to_bytes();
    match kind {
        FileType::Symlink => match fs::readlinkat(from, name, Vec::new()) {
            Ok(content) => sys::symlink(content.as_bytes(), into, bytes).map(|()| None),
            Err(errno) => unreadable(errno).map(Some),
        },
        FileType::RegularFile | FileType::Unknown => match open_source(from, bytes) {
            Ok((file, stat)) => {
                let rights = Rights::of(&file, &stat);
                let target = sys::create(into, bytes, rights.mode_of_new())?;
                copy_file(&file, &stat, &rights, target.as_fd()).map(|()| None)
            }
            Err(errno) => unreadable(errno).map(Some),
        },
        _ => Ok(Some(Errno::NODEV)),
    }
}

#[cfg(all(test, feature = "crash-test"))]
mod tests {
    use std::fs::{File, create_dir, read_dir, write};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::sys::fault::{PANIC, fail_nth};

    /// It copied what was left of a thousand first, if the end was a panic.
    #[test]
    fn however_one_share_ends_the_other_goes_no_further() {
        for errno in [Errno::NOSPC, PANIC] {
            let dir = tempfile::TempDir::new().unwrap();
            let [from, into] = ["from", "into"].map(|name| dir.path().join(name));
            for dir in [&from, &into] {
                create_dir(dir).unwrap();
            }
            let members = [c"a", c"b", c"c"].map(|name| (name.to_owned(), FileType::RegularFile));
            for (name, _) in &members {
                write(from.join(name.to_str().unwrap()), "content").unwrap();
            }
            let (source, target) = (File::open(from).unwrap(), File::open(&into).unwrap());
            let next = AtomicUsize::new(0);
            let taken = || Taken { members: &members, next: &next };
            let share = || copy_share(taken(), source.as_fd(), target.as_fd());
            fail_nth(1, errno);
            let one = catch_unwind(AssertUnwindSafe(share));
            assert!(!matches!(one, Ok(Ok(_))), "{errno:?}");
            assert_eq!(share().unwrap(), [], "{errno:?}");
            assert_eq!(read_dir(into).unwrap().count(), 0, "{errno:?}");
        }
    }
}
