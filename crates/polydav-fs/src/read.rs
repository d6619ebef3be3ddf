//! Reading files.

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use polydav_store::{Failure, FailureKind, Kind, ReadAt, Reading, ResourcePath};
use rustix::fs::{OFlags, Statx};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};

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

    fn try_read_at(&self, buffer: &mut [u8], offset: u64) -> Option<Result<usize, Failure>> {
        let mut buffers = [IoSliceMut::new(buffer)];
        // What isn't in memory, or in a file system that can't tell, is left to those who may wait.
        let read = preadv2(&self.file, &mut buffers, offset, ReadWriteFlags::NOWAIT);
        // Some kernels tell of nothing at all as of the end.
        read.ok().filter(|&count| count > 0 || buffer.is_empty()).map(Ok)
    }
}

// A pipe would wait for its other end without O_NONBLOCK.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Opens a file.
pub(crate) fn open(root: &Root, path: &ResourcePath) -> Result<Reading, Failure> {
    let fail = |kind| Failure::new(kind, path.clone());
    if has_hidden(path) {
        return Err(fail(FailureKind::NotFound));
    }
    let opened = root.open_following(path, FLAGS).and_then(|file| Ok((stat(&file)?, file)));
    let (stat, file) = match opened {
        Ok(opened) => opened,
        // There is something, a link, but nothing behind it that may be read.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV) if root.find(path).is_ok() => {
            return Err(fail(FailureKind::Forbidden));
        }
        Err(errno) => return Err(errno::failure(errno, path)),
    };
    reading(stat, file, path)
}

/// Opens a file, if that is possible without waiting.
pub(crate) fn try_open(root: &Root, path: &ResourcePath) -> Option<Result<Reading, Failure>> {
    if has_hidden(path) {
        return Some(Err(Failure::new(FailureKind::NotFound, path.clone())));
    }
    let opened = root.try_open(path, FLAGS)?;
    let opened = opened.and_then(|file| Ok((stat(&file)?, file)));
    Some(match opened {
        Ok((stat, file)) => reading(stat, file, path),
        Err(errno) => Err(errno::failure(errno, path)),
    })
}

/// What there is to read in what was opened.
fn reading(stat: Statx, file: OwnedFd, path: &ResourcePath) -> Result<Reading, Failure> {
    let entry = entry(path.clone(), &Found { stat, link: false });
    let fail = |kind| Failure::new(kind, path.clone());
    match entry.kind {
        Kind::File => {}
        Kind::Collection => return Err(fail(FailureKind::IsCollection)),
        Kind::Special => return Err(fail(FailureKind::Forbidden)),
    }
    let content = Content { file, path: path.clone() };
    Ok(Reading { entry, content: Arc::new(content) })
}
