//! Folders that one process has for itself.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A folder that is held. Dropped: given up at once, whoever inherited a handle of it.
#[derive(Debug)]
pub(crate) struct Held(OwnedFd);

impl Held {
    /// Holds an open folder alone.
    ///
    /// # Errors
    /// [`Errno::WOULDBLOCK`] if another process has it.
    pub(crate) fn alone(dir: impl AsFd) -> Result<Self, Errno> {
        Self::hold(dir, FlockOperation::NonBlockingLockExclusive)
    }

    /// Holds an open folder beside others that only read.
    ///
    /// # Errors
    /// [`Errno::WOULDBLOCK`] if another process has it for itself.
    pub(crate) fn among_readers(dir: impl AsFd) -> Result<Self, Errno> {
        Self::hold(dir, FlockOperation::NonBlockingLockShared)
    }

    fn hold(dir: impl AsFd, operation: FlockOperation) -> Result<Self, Errno> {
        let dir = dir.as_fd().try_clone_to_owned().map_err(|_| Errno::MFILE)?;
        flock(&dir, operation)?;
        Ok(Self(dir))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}
