//! Who may do what with a file: its permission bits, its access control list, its owner.
//!
//! Where there is a list, the permission bits of the group are the most that it grants to anyone
//! but the owner. Taken alone they would grant that to the whole group: so the list goes along with
//! them, or they don't go either.

use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{self, Mode, Statx};
use rustix::io::Errno;

use crate::resolve::stat;
use crate::stage::StagedFile;
use crate::sys;

const ACCESS_LIST: &str = "system.posix_acl_access";

/// What is made in a directory begins with.
const DEFAULT_LIST: &str = "system.posix_acl_default";

/// More than a list of 500 entries.
const LIST_BYTES_MAX: usize = 4096;

/// What is granted on a file or directory.
pub(crate) struct Rights {
    mode: Mode,
    list: Result<Option<Vec<u8>>, Errno>,
}

/// The permission bits, without those that lend rights.
pub(crate) fn mode(stat: &Statx) -> Mode {
    Mode::from_raw_mode((stat.stx_mode & 0o777).into())
}

impl Rights {
    /// The rights on an open file, whose state is known.
    pub(crate) fn of(file: impl AsFd, known: &Statx) -> Self {
        Self::read(known, |list| fs::fgetxattr(file, ACCESS_LIST, list))
    }

    /// The rights on a name in a directory; a link is not followed.
    pub(crate) fn at(dir: impl AsFd, name: &[u8], known: &Statx) -> Self {
        let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
        path.extend_from_slice(name);
        Self::read(known, |list| fs::lgetxattr(path, ACCESS_LIST, list))
    }

    fn read(known: &Statx, get: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) -> Self {
        let mut list = [0; LIST_BYTES_MAX];
        let list = match get(&mut list) {
            Ok(length) => Ok(Some(list[..length].to_vec())),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            Err(errno) => Err(errno),
        };
        Self { mode: mode(known), list }
    }

    /// These rights, and more.
    pub(crate) fn with(self, more: Mode) -> Self {
        Self { mode: self.mode | more, ..self }
    }

    /// The permission bits to make a file with that is given these rights later: those it is to have in
    /// the end, if no list goes before them, and those to write to it.
    pub(crate) fn mode_of_new(&self) -> Mode {
        let granted = if matches!(self.list, Ok(None)) { self.mode } else { Mode::empty() };
        granted | Mode::RUSR | Mode::WUSR
    }

    /// Gives others the same rights on an open file. What it has already isn't set again, for even that
    /// would be written to disk.
    pub(crate) fn give(&self, file: impl AsFd) -> Result<(), Errno> {
        let has_bits = |own: Statx| u32::from(own.stx_mode) & 0o7777 == self.mode.as_raw_mode();
        let listed = match &self.list {
            Ok(None) if stat(&file).is_ok_and(has_bits) => return Ok(()),
            Ok(None) => return sys::set_mode(file, self.mode),
            Ok(Some(list)) => sys::set_list(&file, ACCESS_LIST, list),
            Err(errno) => Err(*errno),
        };
        sys::set_mode(file, if listed.is_ok() { self.mode } else { self.mode - Mode::RWXG })
    }
}

/// Has what is made in a directory begin with no list: it is given its own, or none.
pub(crate) fn hand_nothing_down(dir: impl AsFd) -> Result<(), Errno> {
    match sys::remove_list(dir, DEFAULT_LIST) {
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        outcome => outcome,
    }
}

/// Gives a file that comes to a directory the directory's group, if that is what its members
/// inherit; only then it is opened.
pub(crate) fn inherit_group(file: &mut StagedFile, dir: impl AsFd) -> Result<(), Errno> {
    let parent = stat(dir)?;
    if u32::from(parent.stx_mode) & Mode::SGID.as_raw_mode() == 0 {
        return Ok(());
    }
    give_to_group(file.file()?, parent.stx_gid)
}

/// Gives a file the owner, the group and the rights of what has a name in a directory, as far as we
/// may.
pub(crate) fn take_over(
    file: impl AsFd,
    (dir, name): (impl AsFd, &[u8]),
    there: &Statx,
) -> Result<(), Errno> {
    let own = stat(&file)?;
    if (own.stx_uid, own.stx_gid) != (there.stx_uid, there.stx_gid) {
        give_away(&file, there)?;
    }
    Rights::at(dir, name, there).give(file)
}

/// Gives a file the owner and the group of another, as far as we may.
fn give_away(file: impl AsFd, to: &Statx) -> Result<(), Errno> {
    let may_not = |errno| matches!(errno, Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP);
    match sys::set_owner(&file, Some(to.stx_uid), Some(to.stx_gid)) {
        Err(errno) if may_not(errno) => {}
        outcome => return outcome,
    }
    give_to_group(file, to.stx_gid)
}

/// Gives a file to a group, if we may.
fn give_to_group(file: impl AsFd, group: u32) -> Result<(), Errno> {
    match sys::set_owner(&file, None, Some(group)) {
        Err(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        outcome => outcome,
    }
}
