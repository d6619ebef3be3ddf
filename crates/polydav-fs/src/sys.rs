//! Every system call that changes something on disk, and nothing else.
//!
//! Nothing outside this module may make, write, link, rename, remove or sync anything. With the
//! feature `crash-test`, `fault` counts these calls, makes the Nth fail, or kills the process
//! before or after it; without the feature, a call costs nothing more than itself.
//!
//! `openat2` gives up with EAGAIN when something is renamed while it looks; that is for callers in
//! [`crate::resolve`], which alone look at paths of more than one segment.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{
    self, AtFlags, CWD, FallocateFlags, Mode, OFlags, RenameFlags, Timestamps, XattrFlags,
};
use rustix::fs::{Gid, Uid};
use rustix::io::Errno;

#[cfg(feature = "crash-test")]
pub(crate) mod fault;
#[cfg(all(test, feature = "crash-test"))]
mod trial;

/// Passes a call through the fault hook.
#[cfg(feature = "crash-test")]
fn call<T>(act: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    fault::around(act, |errno| errno)
}

/// Passes a call through.
#[cfg(not(feature = "crash-test"))]
#[inline(always)]
fn call<T>(act: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    act()
}

/// Has `work` counted and failed on another thread as if it were done on this one.
#[cfg(feature = "crash-test")]
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let fault = fault::shared();
    move || {
        fault::share(fault);
        work()
    }
}

/// Work for another thread, as it is.
#[cfg(not(feature = "crash-test"))]
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    work
}

/// Makes a file without a name, in the directory's file system.
pub(crate) fn create_unnamed(dir: impl AsFd, mode: Mode) -> Result<OwnedFd, Errno> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    call(|| fs::openat(dir, c".", flags, mode))
}

/// Makes a file; nothing may be there.
pub(crate) fn create(dir: impl AsFd, name: &[u8], mode: Mode) -> Result<OwnedFd, Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    call(|| fs::openat(dir, name, flags, mode))
}

/// Writes all the bytes at the file's position.
pub(crate) fn write_all(file: impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match call(|| rustix::io::write(&file, bytes)) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Copies up to `length` bytes between the positions of two files, within the kernel.
pub(crate) fn copy_range(
    source: impl AsFd,
    target: impl AsFd,
    length: usize,
) -> Result<usize, Errno> {
    call(|| fs::copy_file_range(source, None, target, None, length))
}

/// Sets the length of a file.
pub(crate) fn truncate(file: impl AsFd, length: u64) -> Result<(), Errno> {
    call(|| fs::ftruncate(file, length))
}

/// Takes space for a new file.
pub(crate) fn allocate(file: impl AsFd, length: u64) -> Result<(), Errno> {
    call(|| fs::fallocate(&file, FallocateFlags::empty(), 0, length))
}

/// Gives a file without a name one; nothing may be there.
pub(crate) fn link(file: impl AsFd, dir: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    // Linking by AT_EMPTY_PATH would need a capability on most kernels.
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    call(|| fs::linkat(CWD, path.as_str(), dir, name, AtFlags::SYMLINK_FOLLOW))
}

/// Makes a symbolic link; nothing may be there.
pub(crate) fn symlink(content: &[u8], dir: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    call(|| fs::symlinkat(content, dir, name))
}

/// Makes a directory; nothing may be there.
pub(crate) fn make_dir(dir: impl AsFd, name: &[u8], mode: Mode) -> Result<(), Errno> {
    call(|| fs::mkdirat(dir, name, mode))
}

/// Renames, replacing what can be replaced.
pub(crate) fn rename(
    source: (impl AsFd, &[u8]),
    target: (impl AsFd, &[u8]),
    flags: RenameFlags,
) -> Result<(), Errno> {
    call(|| fs::renameat_with(source.0, source.1, target.0, target.1, flags))
}

/// Removes a name that isn't a directory's.
pub(crate) fn unlink(dir: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    call(|| fs::unlinkat(dir, name, AtFlags::empty()))
}

/// Removes an empty directory.
pub(crate) fn remove_dir(dir: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    call(|| fs::unlinkat(dir, name, AtFlags::REMOVEDIR))
}

/// Sets the permission bits of an open file.
pub(crate) fn set_mode(file: impl AsFd, mode: Mode) -> Result<(), Errno> {
    call(|| fs::fchmod(file, mode))
}

/// Sets the permission bits of a directory by name; a link is not followed.
pub(crate) fn set_mode_at(dir: impl AsFd, name: &[u8], mode: Mode) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = fs::openat(dir, name, flags, Mode::empty())?;
    // Nothing but its place in /proc changes what is open for its path alone.
    let path = format!("/proc/self/fd/{}", dir.as_raw_fd());
    call(|| fs::chmodat(CWD, path.as_str(), mode, AtFlags::empty()))
}

/// Sets the access control list of an open file.
pub(crate) fn set_list(file: impl AsFd, name: &str, list: &[u8]) -> Result<(), Errno> {
    call(|| fs::fsetxattr(file, name, list, XattrFlags::empty()))
}

/// Removes an access control list of an open file or directory.
pub(crate) fn remove_list(file: impl AsFd, name: &str) -> Result<(), Errno> {
    call(|| fs::fremovexattr(file, name))
}

/// Sets the owner and the group of an open file.
pub(crate) fn set_owner(
    file: impl AsFd,
    owner: Option<u32>,
    group: Option<u32>,
) -> Result<(), Errno> {
    call(|| fs::fchown(file, owner.map(Uid::from_raw), group.map(Gid::from_raw)))
}

/// Sets the times of an open file.
pub(crate) fn set_times(file: impl AsFd, times: &Timestamps) -> Result<(), Errno> {
    call(|| fs::futimens(file, times))
}

/// Waits until the content of a file is on disk.
pub(crate) fn sync_data(file: impl AsFd) -> Result<(), Errno> {
    call(|| fs::fdatasync(file))
}

/// Waits until a directory is on disk.
pub(crate) fn sync(dir: impl AsFd) -> Result<(), Errno> {
    call(|| fs::fsync(dir))
}

/// Waits until the whole file system is on disk.
pub(crate) fn sync_all(any: impl AsFd) -> Result<(), Errno> {
    call(|| fs::syncfs(any))
}

/// Commits a transaction of the state database: one call, whatever SQLite makes of it.
#[cfg(feature = "crash-test")]
pub(crate) fn commit(transaction: rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
    fault::around(
        || transaction.commit(),
        |errno| {
            let code = match errno {
                Errno::NOSPC => rusqlite::ffi::SQLITE_FULL,
                Errno::IO => rusqlite::ffi::SQLITE_IOERR_FSYNC,
                _ => rusqlite::ffi::SQLITE_IOERR,
            };
            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
        },
    )
}

/// Commits a transaction of the state database.
#[cfg(not(feature = "crash-test"))]
pub(crate) fn commit(transaction: rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn permissions_are_not_set_through_a_link() {
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        symlink("d", dir.path().join("link")).unwrap();
        let at = File::open(dir.path()).unwrap();
        let mode = || std::fs::metadata(dir.path().join("d")).unwrap().mode() & 0o777;
        set_mode_at(&at, b"d", Mode::RWXU).unwrap();
        assert_eq!(mode(), 0o700);
        set_mode_at(&at, b"link", Mode::RWXU | Mode::RWXO).unwrap_err();
        assert_eq!(mode(), 0o700);
    }
}
