//! What a folder would say to a change, as far as that can be told without making it.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use polydav_store::{Action, Entry, Failure, FailureKind, Ground, Kind, ResourcePath};
use rustix::fs::{self, Access, AtFlags, OFlags, Statx, StatxAttributes, fstatvfs};
use rustix::io::Errno;

use crate::FolderStore;
use crate::act::refuse_hidden;
use crate::descent::{Descent, Member, Turn};
use crate::entry::entry;
use crate::errno;
use crate::resolve::{Found, Parents, has_hidden, is_link, open_at, stat, stat_at};
use crate::tree::{may_change, may_leave};

/// The longest path the system takes at once, with its end.
const PATH_BYTES_MAX: usize = 4096;

impl Ground for FolderStore {
    fn meet(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        if has_hidden(path) {
            return Ok(None);
        }
        match self.look(path) {
            Ok(stat) => Ok(Some(met(path.clone(), stat))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(errno::failure(errno, path)),
        }
    }

    fn members(
        &self,
        collection: &ResourcePath,
        visit: &mut dyn FnMut(Entry),
    ) -> Result<bool, FailureKind> {
        let mut tell = |dir: BorrowedFd<'_>, name: &CStr| {
            let path = collection.join(name.to_bytes()).expect("the system's names are segments");
            match stat_at(dir, name) {
                Ok(stat) => visit(met(path, stat)),
                // It is gone meanwhile.
                Err(Errno::NOENT) => {}
                Err(_) => visit(unknown(path)),
            }
        };
        let dir = self.open_dir(collection, OFlags::RDONLY).map_err(errno::kind)?;
        let mut descent = Descent::new(dir);
        loop {
            let mut member = |dir: BorrowedFd<'_>, name: &CStr, _| -> Member<()> {
                tell(dir, name);
                Member::Done
            };
            match descent.next_known(&mut member).map_err(errno::kind)? {
                Ok(Turn::Dir(name)) => tell(descent.dir().map_err(errno::kind)?, &name),
                Ok(Turn::End) | Err(()) => return Ok(descent.hides()),
            }
        }
    }

    fn check_action(&self, action: &Action) -> Result<(), Failure> {
        refuse_hidden(action)
    }

    fn check_name(&self, path: &ResourcePath) -> Result<(), FailureKind> {
        let name_max = fstatvfs(&self.root).map_err(errno::kind)?.f_namemax;
        let is_too_long = |segment: &[u8]| segment.len() as u64 > name_max;
        let parent = path.parent().unwrap_or_default();
        if path.segments().any(is_too_long) || parent.as_bytes().len() >= PATH_BYTES_MAX {
            return Err(FailureKind::NameTooLong);
        }
        Ok(())
    }

    fn check_holder(&self, collection: &ResourcePath) -> Result<(), FailureKind> {
        self.open_dir(collection, OFlags::PATH).and_then(may_change).map_err(errno::kind)
    }

    fn check_leaving(
        &self,
        resource: Option<&ResourcePath>,
        holder: Option<&ResourcePath>,
    ) -> Result<(), FailureKind> {
        let check = || {
            let holder = match holder {
                Some(holder) => {
                    let dir = self.open_dir(holder, OFlags::PATH)?;
                    may_change(&dir)?;
                    Some(stat(dir)?)
                }
                None => None,
            };
            let there = resource.map(|resource| self.look(resource)).transpose()?;
            if there.as_ref().is_some_and(is_mount_point) {
                return Err(Errno::BUSY);
            }
            may_leave(there.as_ref(), holder.as_ref())
        };
        check().map_err(errno::kind)
    }

    fn check_reading(&self, file: &ResourcePath) -> Result<(), FailureKind> {
        let mut parents = Parents::new(&self.root);
        let flags = AtFlags::EACCESS | AtFlags::SYMLINK_NOFOLLOW;
        let at = parents.at(file);
        at.and_then(|(dir, name)| fs::accessat(dir, name, Access::READ_OK, flags))
            .map_err(errno::kind)
    }
}

impl FolderStore {
    /// What is known of the thing at `path` itself.
    fn look(&self, path: &ResourcePath) -> Result<Statx, Errno> {
        Parents::new(&self.root).at(path).and_then(|(dir, name)| stat_at(&dir, name))
    }

    fn open_dir(&self, collection: &ResourcePath, flags: OFlags) -> Result<OwnedFd, Errno> {
        open_at(&self.root, collection.as_bytes(), flags | OFlags::DIRECTORY)
    }
}

/// What a change meets that follows no links.
fn met(path: ResourcePath, stat: Statx) -> Entry {
    let link = is_link(&stat);
    entry(path, &Found { stat, link })
}

/// Something that may not be looked at, and so neither be read.
fn unknown(path: ResourcePath) -> Entry {
    Entry {
        path,
        kind: Kind::Special,
        length: 0,
        modified: None,
        created: None,
        etag: None,
        link: false,
        record: false,
        properties: Vec::new(),
        columns: Vec::new(),
    }
}

fn is_mount_point(stat: &Statx) -> bool {
    stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}
