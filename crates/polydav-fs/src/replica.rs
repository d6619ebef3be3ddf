//! Copies on their way to where they are to be: made in the staging folder, published by one call.

use std::os::fd::{AsFd, OwnedFd};

use polydav_store::{Depth, Members, ResourcePath};
use rustix::fs::{self, FileType, Mode, Statx};
use rustix::io::Errno;

use crate::Writer;
use crate::copy::{TreeCopy, copy_file, open_source};
use crate::resolve::{file_type, open_dir_at, stat, stat_at};
use crate::rights::{self, Rights};
use crate::stage::{StagedFile, rename_new};
use crate::sys;

/// A copy that isn't visible yet.
pub(crate) enum Replica {
    /// Of a file.
    File(StagedFile),
    /// Of something else, or one that needs a name: it lies under it in the staging folder.
    Named {
        /// The name.
        name: Vec<u8>,
        /// The permissions it is to have in the end, if it is a directory.
        mode: Option<Mode>,
    },
}

impl Replica {
    /// Copies what `name` is in `dir`, which lies at `path`. A named copy gets the name `aside`.
    /// Tells of members that couldn't be read.
    pub(crate) fn make(
        writer: &Writer,
        (dir, name): (impl AsFd, &[u8]),
        known: &Statx,
        path: &ResourcePath,
        depth: Depth,
        aside: &[u8],
    ) -> Result<(Self, Members), Errno> {
        let stage = &*writer.stage;
        match file_type(known) {
            FileType::RegularFile => {
                let (source, known) = open_source(dir, name)?;
                let mut file = writer.stage.create()?;
                copy_file(&source, &known, &Rights::of(&source, &known), file.file()?)?;
                file.rest();
                Ok((Self::File(file), Members::default()))
            }
            FileType::Symlink => {
                let content = fs::readlinkat(dir, name, Vec::new())?;
                sys::symlink(content.as_bytes(), stage, aside)?;
                Ok((Self::Named { name: aside.to_vec(), mode: None }, Members::default()))
            }
            FileType::Directory => {
                let source = open_dir_at(dir, name)?;
                let failed = copy_dir(stage, source, path, depth, aside)?;
                let mode = Some(rights::mode(known));
                Ok((Self::Named { name: aside.to_vec(), mode }, failed))
            }
            _ => Err(Errno::NODEV),
        }
    }

    /// Gives it the name `aside`, if it has none.
    pub(crate) fn into_named(self, writer: &Writer, aside: &[u8]) -> Result<Self, Errno> {
        match self {
            Self::File(file) => {
                file.into_name(&writer.stage, aside)?;
                Ok(Self::Named { name: aside.to_vec(), mode: None })
            }
            named @ Self::Named { .. } => Ok(named),
        }
    }

    /// What is known of it.
    pub(crate) fn stat(&self, writer: &Writer) -> Result<Statx, Errno> {
        match self {
            Self::File(file) => file.stat(),
            Self::Named { name, .. } => stat_at(&*writer.stage, name),
        }
    }

    /// Makes it visible, if nothing is there. On [`Errno::EXIST`] it comes back.
    pub(crate) fn publish_new(
        self,
        writer: &Writer,
        (dir, name): (impl AsFd, &[u8]),
    ) -> Result<(), (Errno, Self)> {
        let noreplace = writer.abilities.noreplace;
        match self {
            Self::File(file) => file
                .publish_new(dir, name, noreplace)
                .map_err(|(errno, file)| (errno, Self::File(file))),
            Self::Named { name: staged, mode } => {
                match rename_new((&*writer.stage, &staged), (&dir, name), noreplace) {
                    Ok(()) => {
                        finish(dir, name, mode);
                        Ok(())
                    }
                    Err(errno) => Err((errno, Self::Named { name: staged, mode })),
                }
            }
        }
    }

    /// Makes it visible in place of what is there, which goes to `aside`, or for good.
    pub(crate) fn publish_over(
        self,
        writer: &Writer,
        (dir, name): (impl AsFd, &[u8]),
        over_dir: bool,
        aside: &[u8],
    ) -> Result<(), Errno> {
        match self {
            Self::File(file) if !over_dir => file.publish_over(&writer.stage, dir, name),
            Self::File(file) => {
                file.into_name(&writer.stage, aside)?;
                Self::Named { name: aside.to_vec(), mode: None }.publish_over(
                    writer,
                    (dir, name),
                    over_dir,
                    aside,
                )
            }
            Self::Named { name: staged, mode } => {
                writer.swap_in(&staged, (&dir, name), aside)?;
                finish(dir, name, mode);
                Ok(())
            }
        }
    }
}

/// Gives a directory the permissions it is to have in the end; so far it had all for its owner, for
/// without them it could not be moved.
fn finish(dir: impl AsFd, name: &[u8], mode: Option<Mode>) {
    let Some(mode) = mode else { return };
    if !mode.contains(Mode::RWXU) {
        let _ = sys::set_mode_at(dir, name, mode);
    }
}

fn copy_dir(
    stage: impl AsFd,
    source: OwnedFd,
    path: &ResourcePath,
    depth: Depth,
    aside: &[u8],
) -> Result<Members, Errno> {
    let rights = Rights::of(&source, &stat(&source)?);
    sys::make_dir(&stage, aside, Mode::RWXU)?;
    let target = open_dir_at(&stage, aside)?;
    let handle = target.try_clone().map_err(|_| Errno::MFILE)?;
    let failed = match depth {
        Depth::Zero => Members::default(),
        Depth::Infinity => TreeCopy::run(source, path, target)?,
    };
    rights.with(Mode::RWXU).give(handle)?;
    Ok(failed)
}
