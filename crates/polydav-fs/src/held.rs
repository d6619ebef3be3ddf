//! Folders that one process has for itself.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A folder that is held. Dropped: given up at once, whoever inherited a handle of it.
#[derive(Debug)]
pub(crate) struct Held(OwnedFd);

impl Held {
    /// Holds an open folder, beside others if all only read.
    ///
    /// # Errors
    /// [`Errno::WOULDBLOCK`] if another process has it.
    pub(crate) fn hold(dir: impl AsFd, reads_only: bool) -> Result<Self, Errno> {
        let dir = dir.as_fd().try_clone_to_owned().map_err(|_| Errno::MFILE)?;
        let operation = if reads_only {
            FlockOperation::NonBlockingLockShared
        } else {
            FlockOperation::NonBlockingLockExclusive
        };
        flock(&dir, operation)?;
        Ok(Self(dir))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}
