//! `Buffer`: room for a piece of a file on its way to a client, used again and again.
//!
//! New room is given by the system zeroed, page by page, which takes longer than reading into it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// How many bytes a buffer has.
pub(crate) const BUFFER_BYTES: usize = 256 * 1024;

/// How many of them are kept that nobody uses.
const IDLE_MAX: usize = 16;

static IDLE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Box<[u8]>>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for [`BUFFER_BYTES`]; what is in it at first is anything.
#[derive(Debug)]
pub(crate) struct Buffer {
    room: Box<[u8]>,
    length: usize,
}

impl Buffer {
    /// Room for `length` bytes, no more than a buffer has.
    pub(crate) fn of(length: usize) -> Self {
        // The one that was used last is likely in the processor's cache.
        let room = idle().pop();
        let room = room.unwrap_or_else(|| vec![0; BUFFER_BYTES].into());
        Self { room, length }
    }

    /// The room, to be filled.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.room[..self.length]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.room[..self.length]
    }
}

impl From<Buffer> for Bytes {
    fn from(buffer: Buffer) -> Self {
        Self::from_owner(buffer)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut idle = idle();
        if idle.len() < IDLE_MAX {
            idle.push(std::mem::take(&mut self.room));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_what_the_room_was_filled_with() {
        let mut buffer = Buffer::of(3);
        buffer.room().copy_from_slice(b"abc");
        let at = buffer.room().as_ptr();
        let bytes = Bytes::from(buffer);
        let part = bytes.slice(1..);
        drop(bytes);
        assert_eq!((&part[..], part.as_ptr()), (&b"bc"[..], at.wrapping_add(1)));
        drop(part);
        // Others may have taken it meanwhile.
        assert!(idle().len() <= IDLE_MAX);
    }
}
