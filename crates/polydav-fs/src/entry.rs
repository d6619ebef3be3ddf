//! From what the system knows of a file to an [`Entry`].

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
        modified: Some(time(stat.stx_mtime)),
        created: knows_birth.then(|| time(stat.stx_btime)),
        etag: is_file.then(|| etag(stat)),
        link: found.link,
        record: false,
        properties: Vec::new(),
        columns: Vec::new(),
    }
}

/// The entity tag of a file: another one whenever its content may be another.
///
/// The inode tells a replaced file from its replacement. Where a number is used again at once, the
/// times tell: every publication sets a modification time of its own.
pub(crate) fn etag(stat: &Statx) -> ETag {
    let mut tag = Vec::with_capacity(104);
    push_hex(&mut tag, stat.stx_ino);
    tag.push(b'-');
    push_hex(&mut tag, stat.stx_size);
    for time in [stat.stx_mtime, stat.stx_ctime] {
        tag.push(b'-');
        push_hex(&mut tag, time.tv_sec as u64);
        tag.push(b'.');
        push_hex(&mut tag, time.tv_nsec.into());
    }
    ETag::new(String::from_utf8(tag).expect("digits are ASCII"))
}

/// Appends a number in hexadecimal digits, without the ado of a format string: a listing has six
/// for each member.
fn push_hex(out: &mut Vec<u8>, number: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 16];
    let mut first = digits.len();
    let mut left = number;
    while left > 0 || first == digits.len() {
        first -= 1;
        digits[first] = DIGITS[(left & 0xf) as usize];
        left >>= 4;
    }
    out.extend_from_slice(&digits[first..]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_are_those_of_the_formatter() {
        for number in [0, 1, 0xf, 0x10, 0xabc, 999_999_999, u64::MAX, u64::MAX >> 4] {
            let mut out = Vec::new();
            push_hex(&mut out, number);
            assert_eq!(out, format!("{number:x}").into_bytes());
        }
    }
}
