//! Reading files.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use polydav_store::{Failure, FailureKind, Kind, ReadAt, Reading, ResourcePath};
use rustix::fs::OFlags;
use rustix::io::{Errno, pread};

use crate::entry::entry;
use crate::errno;
use crate::resolve::{Found, Root, has_hidden, stat};

/// The content of an open file.
struct Content {
    file: OwnedFd,
    path: ResourcePath,
}

impl ReadAt for Content {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Failure> {
        loop {
            match pread(&self.file, &mut *buffer, offset) {
                Err(Errno::INTR) => {}
                outcome => return outcome.map_err(|errno| errno::failure(errno, &self.path)),
            }
        }
    }
}

/// Opens a file.
pub(crate) fn open(root: &Root, path: &ResourcePath) -> Result<Reading, Failure> {
    let fail = |kind| Failure::new(kind, path.clone());
    if has_hidden(path) {
        return Err(fail(FailureKind::NotFound));
    }
    // A pipe would wait for its other end without O_NONBLOCK.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = root.open_following(path, flags).and_then(|file| Ok((stat(&file)?, file)));
    let (stat, file) = match opened {
        Ok(opened) => opened,
        // There is something, a link, but nothing behind it that may be read.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV) if root.find(path).is_ok() => {
            return Err(fail(FailureKind::Forbidden));
        }
        Err(errno) => return Err(errno::failure(errno, path)),
    };
    let entry = entry(path.clone(), &Found { stat, link: false });
    match entry.kind {
        Kind::File => {}
        Kind::Collection => return Err(fail(FailureKind::IsCollection)),
        Kind::Special => return Err(fail(FailureKind::Forbidden)),
    }
    let content = Content { file, path: path.clone() };
    Ok(Reading { entry, content: Arc::new(content) })
}
