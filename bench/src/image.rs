//! A journaled ext4 file system in a file, mounted for as long as it is needed.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::Result;
use crate::process::succeed;

/// The longest file measured is 4 GiB; nothing else takes much. The file has holes.
const BYTES: u64 = 12 << 30;
/// So many bytes of it for each file, a quarter of what is usual: up to three million are made.
const BYTES_PER_FILE: &str = "4096";

/// The mounted image. Dropped: unmounted and removed.
#[derive(Debug)]
pub(crate) struct Image {
    mount: PathBuf,
    /// Holds the image and the mount point.
    _folder: TempDir,
}

impl Image {
    /// Makes one and mounts it.
    pub(crate) fn make() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Err("it takes root to mount an image".into());
        }
        let mut builder = tempfile::Builder::new();
        // PostgreSQL works in it as another user.
        builder.prefix("polydav-bench-").permissions(Permissions::from_mode(0o755));
        let folder = builder.tempdir_in("/var/tmp")?;
        let (image, mount) = (folder.path().join("image"), folder.path().join("mount"));
        File::create(&image)?.set_len(BYTES)?;
        std::fs::create_dir(&mount)?;
        // Initialised at once: else the kernel does it in the background, and disturbs.
        let mut mkfs = Command::new("mkfs.ext4");
        mkfs.args(["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"]);
        mkfs.args(["-i", BYTES_PER_FILE]).arg(&image);
        succeed(&mut mkfs)?;
        succeed(Command::new("mount").args(["-o", "loop,noatime"]).arg(&image).arg(&mount))?;
        Ok(Self { mount, _folder: folder })
    }

    /// The folder to work in.
    pub(crate) fn path(&self) -> &Path {
        &self.mount
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if let Err(error) = succeed(Command::new("umount").arg(&self.mount)) {
            eprintln!("bench: {} stays mounted: {error}", self.mount.display());
        }
    }
}
