//! From what the system knows of a file to an [`Entry`].

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use polydav_store::{ETag, Entry, Kind, ResourcePath};
use rustix::fs::{FileType, Statx, StatxFlags, StatxTimestamp};

use crate::resolve::{Found, file_type};

/// The entry of what was found at `path`, without its dead properties.
pub(crate) fn entry(path: ResourcePath, found: &Found) -> Entry {
    let stat = &found.stat;
    let kind = match file_type(stat) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Collection,
        _ => Kind::Special,
    };
    let is_file = kind == Kind::File;
    let knows_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    Entry {
        path,
        kind,
        length: if is_file { stat.stx_size } else { 0 },
        modified: time(stat.stx_mtime),
        created: knows_birth.then(|| time(stat.stx_btime)),
        etag: is_file.then(|| etag(stat)),
        link: found.link,
        properties: Vec::new(),
    }
}

/// The entity tag of a file: another one whenever its content may be another.
///
/// The inode tells a replaced file from its replacement. Where a number is used again at once, the
/// times tell: every publication sets a modification time of its own.
pub(crate) fn etag(stat: &Statx) -> ETag {
    let mut tag = String::with_capacity(56);
    let _ = write!(
        tag,
        "{:x}-{:x}-{:x}.{:x}-{:x}.{:x}",
        stat.stx_ino,
        stat.stx_size,
        stat.stx_mtime.tv_sec,
        stat.stx_mtime.tv_nsec,
        stat.stx_ctime.tv_sec,
        stat.stx_ctime.tv_nsec,
    );
    ETag::new(tag)
}

fn time(stamp: StatxTimestamp) -> SystemTime {
    let seconds = Duration::from_secs(stamp.tv_sec.unsigned_abs());
    let whole = if stamp.tv_sec < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    let exact = whole.and_then(|t| t.checked_add(Duration::from_nanos(stamp.tv_nsec.into())));
    exact.unwrap_or(SystemTime::UNIX_EPOCH)
}
