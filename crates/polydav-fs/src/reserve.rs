//! Space that is kept for the commits that must not fail: those of rows whose files have been moved
//! already.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::resolve::stat_at;
use crate::sys;

/// A file beside the state database that is there only to be given up.
#[derive(Debug)]
pub(crate) struct Reserve {
    dir: OwnedFd,
    held: Cell<bool>,
}

impl Reserve {
    const NAME: &[u8] = b"reserve";
    const BYTES: u64 = 1024 * 1024;

    /// The reserve in `dir`, made if there is space for it.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = fs::openat(CWD, dir, flags, Mode::empty())?;
        let whole = |stat: fs::Statx| stat.stx_blocks.saturating_mul(512) >= Self::BYTES;
        let held = stat_at(&dir, Self::NAME).is_ok_and(whole);
        let reserve = Self { dir, held: Cell::new(held) };
        reserve.is_held();
        Ok(reserve)
    }

    /// Whether it is there; if it isn't, it is made, if there is space.
    pub(crate) fn is_held(&self) -> bool {
        if !self.held.get() {
            let made = self.make().is_ok();
            // What was had of it isn't enough.
            if !made {
                let _ = self.remove();
            }
            self.held.set(made);
        }
        self.held.get()
    }

    fn make(&self) -> Result<(), Errno> {
        self.remove()?;
        let file = sys::create(&self.dir, Self::NAME, Mode::RUSR | Mode::WUSR)?;
        match sys::allocate(&file, Self::BYTES) {
            // The file system can't, but by writing.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                sys::write_all(&file, &vec![0; Self::BYTES as usize])
            }
            outcome => outcome,
        }
    }

    fn remove(&self) -> Result<(), Errno> {
        match sys::unlink(&self.dir, Self::NAME) {
            Err(Errno::NOENT) => Ok(()),
            outcome => outcome,
        }
    }

    /// Gives the space back; tells whether there was any.
    pub(crate) fn spend(&self) -> bool {
        self.held.replace(false) && self.remove().is_ok()
    }
}
