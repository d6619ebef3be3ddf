//! The staging folder, `.polydav/stage`: what isn't visible yet, or not any more.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use polydav_store::{Failure, FailureKind, ResourcePath, Stage, Staged};
use rustix::fs::{Mode, OFlags, RenameFlags, Statx};
use rustix::io::Errno;

use crate::errno;
use crate::resolve::{Dir, open_at, stat, stat_at};
use crate::sys;

/// New files are made with these bits, less the umask.
pub(crate) const FILE_MODE: Mode = Mode::from_raw_mode(0o666);

/// The staging folder.
#[derive(Debug)]
pub(crate) struct StageDir {
    dir: Dir,
    /// Whether files without a name can be made and linked in.
    unnamed: bool,
    next: AtomicU64,
    /// How many files without a name are held open.
    open: AtomicUsize,
}

impl StageDir {
    /// The most files without a name held open, of all requests together. Beyond that, files lie
    /// in the folder under a name, and cost no handle.
    const OPEN_MAX: usize = 256;

    pub(crate) fn new(dir: OwnedFd, unnamed: bool) -> Self {
        // Another one than in earlier processes: what they left may have been there to stay.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let next = AtomicU64::new(u64::try_from(since.as_nanos()).unwrap_or_default());
        Self { dir: Arc::new(dir), unnamed, next, open: AtomicUsize::new(0) }
    }

    /// The folder itself.
    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// A name nobody used before.
    pub(crate) fn new_name(&self) -> Vec<u8> {
        format!("t{}", self.next.fetch_add(1, Ordering::Relaxed)).into_bytes()
    }

    /// Begins a file.
    pub(crate) fn create(self: &Arc<Self>) -> Result<StagedFile, Errno> {
        let unnamed = self.unnamed && self.open.fetch_add(1, Ordering::Relaxed) < Self::OPEN_MAX;
        if unnamed {
            let guard = Counted(self.clone());
            let file = sys::create_unnamed(&self.dir, FILE_MODE)?;
            return Ok(StagedFile { place: Place::Unnamed(file, guard) });
        }
        if self.unnamed {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        self.create_named()
    }

    /// Begins a file that has a name here.
    pub(crate) fn create_named(self: &Arc<Self>) -> Result<StagedFile, Errno> {
        let name = self.new_name();
        let file = sys::create(&self.dir, &name, FILE_MODE)?;
        let name = Named { stage: self.clone(), name };
        Ok(StagedFile { place: Place::Named(Some(file), name) })
    }
}

impl AsFd for StageDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// Counts a file without a name for as long as it is open.
#[derive(Debug)]
struct Counted(Arc<StageDir>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A name in the staging folder. Dropped: what has the name is removed.
#[derive(Debug)]
pub(crate) struct Named {
    stage: Arc<StageDir>,
    name: Vec<u8>,
}

impl Named {
    fn kept(mut self) {
        self.name.clear();
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            // What can't be removed now is when the store is opened again.
            let _ = sys::unlink(&*self.stage, &self.name);
        }
    }
}

#[derive(Debug)]
enum Place {
    Unnamed(OwnedFd, Counted),
    Named(Option<OwnedFd>, Named),
}

/// A file that isn't visible yet. Dropped: discarded.
#[derive(Debug)]
pub(crate) struct StagedFile {
    place: Place,
}

impl StagedFile {
    /// The open file.
    pub(crate) fn file(&mut self) -> Result<BorrowedFd<'_>, Errno> {
        match &mut self.place {
            Place::Unnamed(file, _) => Ok(AsFd::as_fd(file)),
            Place::Named(file, named) => {
                if file.is_none() {
                    *file = Some(open_at(&*named.stage, &named.name, OFlags::RDWR)?);
                }
                Ok(file.as_ref().expect("it was opened right before").as_fd())
            }
        }
    }

    /// What is known of it.
    pub(crate) fn stat(&self) -> Result<Statx, Errno> {
        match &self.place {
            Place::Unnamed(file, _) => stat(file),
            Place::Named(_, named) => stat_at(&*named.stage, &named.name),
        }
    }

    /// Gives its handle back, if it can be opened again.
    pub(crate) fn rest(&mut self) {
        if let Place::Named(file, _) = &mut self.place {
            *file = None;
        }
    }

    /// Makes it visible, if nothing is there. On [`Errno::EXIST`] it comes back.
    pub(crate) fn publish_new(
        self,
        dir: impl AsFd,
        name: &[u8],
        noreplace: bool,
    ) -> Result<(), (Errno, Self)> {
        match self.place {
            Place::Unnamed(file, counted) => match sys::link(&file, dir, name) {
                Ok(()) => Ok(()),
                Err(errno) => Err((errno, Self { place: Place::Unnamed(file, counted) })),
            },
            Place::Named(file, named) => {
                let source = (&*named.stage, &named.name[..]);
                match rename_new(source, (&dir, name), noreplace) {
                    Ok(()) => {
                        named.kept();
                        Ok(())
                    }
                    Err(errno) => Err((errno, Self { place: Place::Named(file, named) })),
                }
            }
        }
    }

    /// Makes it visible in place of a file.
    pub(crate) fn publish_over(
        self,
        stage: &Arc<StageDir>,
        dir: impl AsFd,
        name: &[u8],
    ) -> Result<(), Errno> {
        let named = self.into_named(stage, stage.new_name())?;
        sys::rename((&*named.stage, &named.name), (dir, name), RenameFlags::empty())?;
        named.kept();
        Ok(())
    }

    /// Gives it a name in the staging folder, if it has none.
    fn into_named(self, stage: &Arc<StageDir>, name: Vec<u8>) -> Result<Named, Errno> {
        match self.place {
            Place::Named(_, named) => Ok(named),
            Place::Unnamed(file, _) => {
                sys::link(&file, &**stage, &name)?;
                Ok(Named { stage: stage.clone(), name })
            }
        }
    }

    /// Gives it this name in the staging folder, and no longer cares for it.
    pub(crate) fn into_name(self, stage: &Arc<StageDir>, name: &[u8]) -> Result<(), Errno> {
        let named = self.into_named(stage, name.to_vec())?;
        if named.name != name {
            sys::rename((&**stage, &named.name), (&**stage, name), RenameFlags::empty())?;
        }
        named.kept();
        Ok(())
    }
}

/// Renames, if nothing is at the target.
pub(crate) fn rename_new(
    source: (impl AsFd, &[u8]),
    target: (impl AsFd, &[u8]),
    noreplace: bool,
) -> Result<(), Errno> {
    if noreplace {
        return sys::rename(source, target, RenameFlags::NOREPLACE);
    }
    // The file system can't tell by itself; claims keep others of ours away meanwhile.
    stat_at(&source.0, source.1)?;
    match stat_at(&target.0, target.1) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => sys::rename(source, target, RenameFlags::empty()),
        Err(errno) => Err(errno),
    }
}

/// Content that is being taken in.
pub(crate) struct Intake {
    file: StagedFile,
    length: u64,
}

impl Intake {
    pub(crate) fn new(file: StagedFile) -> Self {
        Self { file, length: 0 }
    }
}

/// The failure of a call on staged content, which has no path yet.
fn failure(errno: Errno) -> Failure {
    let failure = errno::failure(errno, &ResourcePath::root());
    let kind = match failure.kind {
        kind @ (FailureKind::NoSpace | FailureKind::Exhausted) => kind,
        _ => FailureKind::Internal,
    };
    Failure { kind, ..failure }
}

impl Stage for Intake {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        sys::write_all(self.file.file().map_err(failure)?, bytes).map_err(failure)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Staged, Failure> {
        let Self { mut file, length } = *self;
        file.rest();
        Ok(Staged { length, handle: Box::new(file) })
    }
}

/// Begins to take content in.
pub(crate) fn begin(stage: &Arc<StageDir>) -> Result<Box<dyn Stage>, Failure> {
    Ok(Box::new(Intake::new(stage.create().map_err(failure)?)))
}
