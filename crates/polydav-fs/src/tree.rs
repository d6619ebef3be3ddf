//! Removing whole trees, and what in a tree keeps it from being removed.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use polydav_store::{FailureKind, Member as Failed, Members, ResourcePath};
use rustix::fs::{self, Access, AtFlags, Mode, Statx, StatxAttributes};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::descent::{Descent, Member, Turn};
use crate::errno;
use crate::resolve::{open_dir_at, stat, stat_at};
use crate::rights::mode;
use crate::sys;

/// The permissions of a directory while it is being filled or emptied.
pub(crate) const PRIVATE_DIR: Mode = Mode::RWXU;

/// The path of a member.
pub(crate) fn join(at: &ResourcePath, name: &CStr) -> ResourcePath {
    at.join(name.to_bytes()).expect("the system's names are segments")
}

/// What lies in a directory at `path` that nobody gets rid of by replacing it: what is hidden,
/// another file system, what can't be entered.
pub(crate) fn obstacles(base: OwnedFd, path: &ResourcePath) -> Members {
    look_through(base, path, &|_, _, _| None)
}

/// What lies in a directory at `path` that can't be removed: [`obstacles`], what lies at and under
/// `except`, and what its directory or its own state forbids to remove.
pub(crate) fn kept(base: OwnedFd, path: &ResourcePath, except: &[ResourcePath]) -> Members {
    look_through(base, path, &|dir, name, path| {
        if except.binary_search(path).is_ok() {
            return Some(FailureKind::Locked);
        }
        may_be_removed(dir, name).err().map(errno::kind)
    })
}

/// Whether a member may be removed from its directory, as far as that can be told beforehand.
fn may_be_removed(dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    may_change(dir)?;
    may_leave(Some(&stat_at(dir, name)?), Some(&stat(dir)?))
}

/// Whether the members of a directory may change.
pub(crate) fn may_change(dir: impl AsFd) -> Result<(), Errno> {
    fs::accessat(dir, c".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
}

/// Whether a thing may be removed from a directory whose members may change; what isn't told of is our
/// own.
pub(crate) fn may_leave(there: Option<&Statx>, holder: Option<&Statx>) -> Result<(), Errno> {
    let is_fixed = |stat: &Statx| {
        stat.stx_attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND)
    };
    let me = geteuid();
    let is_others = |stat: &Statx| me.as_raw() != stat.stx_uid;
    let is_sticky = |stat: &Statx| u32::from(stat.stx_mode) & Mode::SVTX.as_raw_mode() != 0;
    let is_denied = holder.is_some_and(|holder| is_sticky(holder) && is_others(holder))
        && there.is_some_and(is_others)
        && !me.is_root();
    if is_denied || there.is_some_and(is_fixed) || holder.is_some_and(is_fixed) {
        return Err(Errno::PERM);
    }
    Ok(())
}

/// Looks for obstacles, and for members of which `why` tells why they stay; below those it doesn't
/// look.
fn look_through(
    base: OwnedFd,
    path: &ResourcePath,
    why: &dyn Fn(BorrowedFd<'_>, &CStr, &ResourcePath) -> Option<FailureKind>,
) -> Members {
    let mut descent = Descent::new(base);
    let (mut at, mut met) = (path.clone(), Members::default());
    loop {
        let mut member = |dir: BorrowedFd<'_>, name: &CStr, _| -> Member<()> {
            let path = join(&at, name);
            if let Some(kind) = why(dir, name, &path) {
                met.push(Failed { path, kind });
            }
            Member::Done
        };
        match descent.next_known(&mut member) {
            Ok(Ok(Turn::Dir(name))) => {
                let path = join(&at, &name);
                let stays = descent.dir().map(|dir| why(dir, &name, &path));
                let entered = match stays {
                    Ok(None) => descent.enter(&name).map_err(errno::kind),
                    Ok(Some(kind)) => Err(kind),
                    Err(errno) => Err(errno::kind(errno)),
                };
                match entered {
                    Ok(()) => at = path,
                    Err(FailureKind::NotFound) => {}
                    Err(kind) => met.push(Failed { path, kind }),
                }
                continue;
            }
            Ok(_) if descent.hides() => {
                met.push(Failed { path: at.clone(), kind: FailureKind::Forbidden });
            }
            Ok(_) => {}
            Err(errno) => met.push(Failed { path: at.clone(), kind: errno::kind(errno) }),
        }
        if descent.leave().is_none() {
            return met;
        }
        at = at.parent().expect("below the root of the descent");
    }
}

/// What became of a tree that was to be removed.
pub(crate) struct Removed {
    /// What is still there, less the collections it lies in.
    pub(crate) failed: Members,
    /// Whether anything was removed.
    pub(crate) changed: bool,
}

/// Removes a directory with all its members, from the bottom up.
pub(crate) struct TreeRemoval<'a> {
    descent: Descent,
    at: ResourcePath,
    /// In order: there may be as many as there are locks.
    except: &'a [ResourcePath],
    /// For the current directory and those it lies in: whether something in it stays.
    stays: Vec<bool>,
    removed: Removed,
    /// Whether permissions are changed where they are in the way.
    force: bool,
}

impl<'a> TreeRemoval<'a> {
    /// Removes the directory `name` of `dir`, which lies at `path`, but for what lies at and under
    /// `except`.
    ///
    /// # Errors
    /// If nothing at all can be done with it.
    pub(crate) fn run(
        dir: impl AsFd,
        name: &[u8],
        path: &ResourcePath,
        except: &'a [ResourcePath],
    ) -> Result<Removed, Errno> {
        let base = match open_dir_at(&dir, name) {
            Ok(base) => base,
            // One that may not be read may still be empty.
            Err(errno) => {
                sys::remove_dir(&dir, name).map_err(|_| errno)?;
                return Ok(Removed { failed: Members::default(), changed: true });
            }
        };
        Ok(Self::of(Descent::new(base), path, except).whole(dir, name))
    }

    fn of(descent: Descent, path: &ResourcePath, except: &'a [ResourcePath]) -> Self {
        let removed = Removed { failed: Members::default(), changed: false };
        Self { descent, at: path.clone(), except, stays: vec![false], removed, force: false }
    }

    fn whole(mut self, dir: impl AsFd, name: &[u8]) -> Removed {
        let path = self.at.clone();
        self.empty();
        if self.stays == [false] {
            self.remove_dir(&dir, name, path);
        }
        self.removed
    }

    /// Removes what lies in the first directory.
    fn empty(&mut self) {
        loop {
            let Self { descent, at, except, stays, removed, .. } = self;
            let stays = stays.last_mut().expect("one for each level");
            let mut member = |dir: BorrowedFd<'_>, name: &CStr, _| -> Member<()> {
                let path = join(at, name);
                let kind = if except.binary_search(&path).is_ok() {
                    FailureKind::Locked
                } else {
                    match sys::unlink(dir, name.to_bytes()) {
                        Ok(()) => {
                            removed.changed = true;
                            return Member::Done;
                        }
                        Err(Errno::NOENT) => return Member::Done,
                        Err(Errno::ISDIR) => return Member::IsDir,
                        Err(errno) => errno::kind(errno),
                    }
                };
                *stays = true;
                removed.failed.push(Failed { path, kind });
                Member::Done
            };
            match descent.next(&mut member) {
                Ok(Ok(Turn::Dir(name))) => self.enter(&name),
                Ok(Ok(Turn::End) | Err(())) => {
                    if self.descent.hides() {
                        self.fail(self.at.clone(), FailureKind::Forbidden);
                    }
                    if !self.leave() {
                        return;
                    }
                }
                Err(errno) => {
                    self.fail(self.at.clone(), errno::kind(errno));
                    if !self.leave() {
                        return;
                    }
                }
            }
        }
    }

    /// Notes a member that stays.
    fn fail(&mut self, path: ResourcePath, kind: FailureKind) {
        *self.stays.last_mut().expect("one for each level") = true;
        self.removed.failed.push(Failed { path, kind });
    }

    fn enter(&mut self, name: &CString) {
        let path = join(&self.at, name);
        if self.except.binary_search(&path).is_ok() {
            return self.fail(path, FailureKind::Locked);
        }
        if self.force {
            let _ = self.descent.dir().map(|dir| open_up(dir, name.to_bytes()));
        }
        match self.descent.enter(name) {
            Ok(()) => {
                self.stays.push(false);
                self.at = path;
            }
            Err(Errno::NOENT) => {}
            Err(errno) => {
                let emptied =
                    self.descent.dir().and_then(|dir| sys::remove_dir(dir, name.to_bytes()));
                match emptied {
                    Ok(()) => self.removed.changed = true,
                    Err(_) => self.fail(path, errno::kind(errno)),
                }
            }
        }
    }

    /// Leaves the current directory and removes it, if nothing in it stays.
    fn leave(&mut self) -> bool {
        let Some(name) = self.descent.leave() else { return false };
        let path = self.at.clone();
        self.at = path.parent().expect("below the root of the removal");
        if self.stays.pop() == Some(true) {
            *self.stays.last_mut().expect("one for each level") = true;
            return true;
        }
        match self.descent.dir().map(|dir| dir.try_clone_to_owned()) {
            Ok(Ok(dir)) => self.remove_dir(dir, &name, path),
            _ => self.fail(path, FailureKind::Internal),
        }
        true
    }

    fn remove_dir(&mut self, dir: impl AsFd, name: &[u8], path: ResourcePath) {
        match sys::remove_dir(dir, name) {
            Ok(()) => self.removed.changed = true,
            Err(Errno::NOENT) => {}
            // Others put something in meanwhile.
            Err(Errno::NOTEMPTY) => self.fail(path, FailureKind::Busy),
            Err(errno) => self.fail(path, errno::kind(errno)),
        }
    }
}

/// Makes a directory one that can be emptied, if we may.
fn open_up(dir: BorrowedFd<'_>, name: &[u8]) {
    if stat_at(dir, name).is_ok_and(|stat| !mode(&stat).contains(PRIVATE_DIR)) {
        let _ = sys::set_mode_at(dir, name, PRIVATE_DIR);
    }
}

/// Removes whatever has this name in the staging folder; nothing there is fine.
///
/// # Errors
/// If some of it can't be removed.
pub(crate) fn purge(stage: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    match sys::unlink(&stage, name) {
        Err(Errno::ISDIR) => {}
        Err(Errno::NOENT) => return Ok(()),
        outcome => return outcome,
    }
    open_up(stage.as_fd(), name);
    let base = open_dir_at(&stage, name)?;
    let removal = TreeRemoval::of(Descent::bare(base), &ResourcePath::root(), &[]);
    let removed = TreeRemoval { force: true, ..removal }.whole(stage, name);
    if removed.failed.is_empty() { Ok(()) } else { Err(Errno::NOTEMPTY) }
}
