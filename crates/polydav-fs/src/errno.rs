//! From error numbers to failures.

use polydav_store::{Failure, FailureKind, ResourcePath};
use rustix::io::Errno;

/// What an error number means for a resource that should be there.
pub(crate) fn kind(errno: Errno) -> FailureKind {
    match errno {
        Errno::NOENT | Errno::NOTDIR => FailureKind::NotFound,
        // ELOOP: a link where none may be. EXDEV: a mount point, or a link out of the root.
        // EBUSY: a mount point. ENXIO, ENODEV: neither a file nor a directory.
        Errno::ACCESS
        | Errno::PERM
        | Errno::ROFS
        | Errno::LOOP
        | Errno::XDEV
        | Errno::BUSY
        | Errno::TXTBSY
        | Errno::NXIO
        | Errno::NODEV
        | Errno::ILSEQ => FailureKind::Forbidden,
        Errno::ISDIR => FailureKind::IsCollection,
        Errno::EXIST => FailureKind::Exists,
        Errno::NAMETOOLONG => FailureKind::NameTooLong,
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::MLINK => FailureKind::NoSpace,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => FailureKind::Exhausted,
        Errno::AGAIN => FailureKind::Busy,
        _ => FailureKind::Internal,
    }
}

/// A failure that left everything as it was.
pub(crate) fn failure(errno: Errno, path: &ResourcePath) -> Failure {
    Failure::new(kind(errno), path.clone()).with_source(std::io::Error::from(errno))
}

/// As [`failure`], where the resource is to be made: what isn't there is its parent.
pub(crate) fn creating(errno: Errno, path: &ResourcePath) -> Failure {
    match (errno, path.parent()) {
        (Errno::NOENT | Errno::NOTDIR, Some(parent)) => {
            Failure::new(FailureKind::ParentMissing, parent)
                .with_source(std::io::Error::from(errno))
        }
        _ => failure(errno, path),
    }
}
