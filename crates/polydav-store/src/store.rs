//! `Store`: what an adapter implements.

use std::any::Any;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::{
    Entry, Failure, FailureKind, Fate, Fields, Listed, LockView, Page, Report, ResourcePath, Run,
    Select, Witness, delegate,
};

/// What a store can do beyond the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// It keeps dead properties.
    pub properties: bool,
    /// It takes changes at all.
    pub writable: bool,
    /// Its resources are records, and collections of them; else they are files, and collections
    /// that clients make.
    pub records: bool,
    /// It takes runs that are done whole or not at all:
    /// [`OnFailure::UndoAll`](crate::OnFailure::UndoAll).
    pub atomic: bool,
}

impl Capabilities {
    /// A store of files that takes changes, also all or none, and keeps dead properties.
    pub const ALL: Self = Self { properties: true, writable: true, records: false, atomic: true };

    /// A store of records that takes changes, also all or none.
    pub const RECORDS: Self =
        Self { properties: false, writable: true, records: true, atomic: true };
}

/// How far a walk goes (RFC 4918 §10.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkDepth {
    /// The members of the root.
    One,
    /// Everything under the root, until this many resources were met.
    Infinity {
        /// The most resources met; collections met after that are reported as [`Visit::Cut`].
        /// Other members of a collection that is being told are told all the same: none is missing
        /// without a word.
        budget: u64,
    },
}

/// What a walk is to tell of each resource.
#[derive(Debug, Clone)]
pub struct Walk {
    /// How far it goes.
    pub depth: WalkDepth,
    /// Which dead properties it brings.
    pub select: Select,
}

/// What a walk meets.
#[derive(Debug)]
pub enum Visit {
    /// A resource.
    Entry(Entry),
    /// A collection whose members aren't told, because the budget is spent.
    Cut(Entry),
    /// A resource that can't be told of, or, where the walk goes on below it, a collection that
    /// can't be read: it stands in place of its entry.
    Failure(ResourcePath, FailureKind),
}

impl Visit {
    /// The resource that is met.
    pub fn path(&self) -> &ResourcePath {
        match self {
            Self::Entry(entry) | Self::Cut(entry) => &entry.path,
            Self::Failure(path, _) => path,
        }
    }
}

/// Where a store's space stands (RFC 4331 §3, §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that may still be written.
    pub available: u64,
    /// Bytes in use.
    pub used: u64,
}

/// The content of a file, open for reading.
pub trait ReadAt: Send + Sync {
    /// Reads at `offset` into `buffer`; returns how many bytes, 0 only at the end.
    ///
    /// # Errors
    /// If the system fails.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Failure>;

    /// The same for a thread that must not block; `None` if it would have to wait.
    fn try_read_at(&self, buffer: &mut [u8], offset: u64) -> Option<Result<usize, Failure>> {
        let _ = (buffer, offset);
        None
    }
}

/// A file opened for reading: its entry and its content belong together.
pub struct Reading {
    /// The entry, with the length of this very content.
    pub entry: Entry,
    /// The content.
    pub content: Arc<dyn ReadAt>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("entry", &self.entry).finish_non_exhaustive()
    }
}

/// Content on its way into a store, aside from everything visible. Dropped: discarded.
pub trait Stage: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// [`FailureKind::NoSpace`] and others of the system.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure>;

    /// Ends the content.
    ///
    /// # Errors
    /// As [`Stage::write`].
    fn finish(self: Box<Self>) -> Result<Staged, Failure>;
}

/// Content that lies complete in a store's staging. Only that store can use it. Dropped: discarded.
pub struct Staged {
    /// How many bytes.
    pub length: u64,
    /// What the store needs to publish it.
    pub handle: Box<dyn Any + Send>,
}

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staged").field("length", &self.length).finish_non_exhaustive()
    }
}

/// The store can't tell any more what happened: every step without an outcome is unknown, and the
/// store takes no further changes.
#[derive(Debug, thiserror::Error)]
#[error("the store is broken: {reason}")]
pub struct Broken {
    /// What happened, for the log.
    pub reason: String,
}

/// A place where resources are kept.
///
/// A thread that must not block may call [`Store::capabilities`], [`Store::try_stat`] and
/// [`Store::try_read`]; all others block.
pub trait Store: Send + Sync + 'static {
    /// What it can do at and under `path`. It knows that by heart.
    fn capabilities(&self, path: &ResourcePath) -> Capabilities;

    /// The resource at `path`.
    ///
    /// # Errors
    /// [`FailureKind::NotFound`], [`FailureKind::Forbidden`], and others of the system.
    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure>;

    /// [`Store::stat`] for a thread that must not block; `None` if it would have to wait.
    fn try_stat(&self, path: &ResourcePath, select: &Select) -> Option<Result<Entry, Failure>> {
        let _ = (path, select);
        None
    }

    /// Tells `visit` of the resources under `root`, in no particular order but a collection before
    /// its members; not of `root` itself. Constant memory, whatever there is. `visit` breaks the
    /// walk off by [`ControlFlow::Break`].
    ///
    /// # Errors
    /// If `root` can't be walked; what fails under it is a [`Visit::Failure`].
    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure>;

    /// Opens a file.
    ///
    /// # Errors
    /// As [`Store::stat`]; [`FailureKind::IsCollection`].
    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure>;

    /// [`Store::read`] for a thread that must not block; `None` if it would have to wait.
    fn try_read(&self, path: &ResourcePath) -> Option<Result<Reading, Failure>> {
        let _ = path;
        None
    }

    /// Tells `visit` of the records in a collection, in the order of their keys, in constant
    /// memory. `visit` breaks it off by [`ControlFlow::Break`].
    ///
    /// # Errors
    /// [`FailureKind::Unsuited`] if it is no collection of records; [`FailureKind::Invalid`] if the
    /// page asks for what can't be; and others of the system.
    fn list(
        &self,
        collection: &ResourcePath,
        page: &Page,
        visit: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let _ = (page, visit);
        Err(Failure::new(FailureKind::Unsuited, collection.clone()))
    }

    /// Where stores begin, of which each can be changed whole
    /// ([`OnFailure::UndoAll`](crate::OnFailure::UndoAll)), but no two together. A path belongs to the
    /// innermost; there is always one at the root.
    fn mounts(&self) -> Vec<ResourcePath> {
        vec![ResourcePath::root()]
    }

    /// Where the record of `collection` lies that has the key in `record`; whether it is there or
    /// not.
    ///
    /// # Errors
    /// [`FailureKind::Unsuited`] if it is no collection of records; [`FailureKind::Invalid`] if the
    /// columns of the key aren't all given, or can't be a key.
    fn locate(&self, collection: &ResourcePath, record: &Fields) -> Result<ResourcePath, Failure> {
        let _ = record;
        Err(Failure::new(FailureKind::Unsuited, collection.clone()))
    }

    /// Begins to take in what is to become the content of `target`. `length` is what was announced,
    /// if anything.
    ///
    /// # Errors
    /// [`FailureKind::NoSpace`] if `length` can't fit, and others of the system.
    fn stage(&self, target: &ResourcePath, length: Option<u64>) -> Result<Box<dyn Stage>, Failure>;

    /// Performs the steps of a run in order, each opened right before it, and reports every one, in
    /// that order.
    ///
    /// Where there are several reasons to refuse a step, the first of these is told: what
    /// [`Step::open`](crate::Step::open) finds; no subject or source; no collection around the
    /// target; what lies at the target. [`Course`](crate::Course) knows which steps may still start.
    ///
    /// # Errors
    /// [`Broken`]: steps without an outcome are unknown.
    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken>;

    /// What became of a commit of which a receipt was kept, also by an earlier process. After
    /// [`FATE_KNOWN`](crate::FATE_KNOWN) it may have forgotten what it did.
    ///
    /// # Errors
    /// If it can't be asked now.
    fn fate(&self, commit: &Witness) -> Result<Fate, Failure> {
        let _ = commit;
        Ok(Fate::Unknown)
    }

    /// Where the space stands for resources under `path`; `None` if the store has no notion of it.
    ///
    /// # Errors
    /// If the system fails.
    fn space(&self, path: &ResourcePath) -> Result<Option<Space>, Failure>;

    /// A store that shows what this one holds, takes runs as this one would, and loses all of it when
    /// it is dropped: nothing of it comes to this one. What others do here meanwhile may show in it, or
    /// not; they may be kept waiting as by a run, so it had better not last.
    ///
    /// Entity tags, and names that the store chooses, may be others than a run would make.
    ///
    /// # Errors
    /// [`FailureKind::Unsupported`] if the store can't do this, and others of the system.
    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Store>, Failure> {
        Err(Failure::new(FailureKind::Unsupported, ResourcePath::root())
            .with_detail("what would come of a change can't be told here"))
    }
}

impl<S: Store + ?Sized> Store for Arc<S> {
    delegate!(
        this => **this;
        capabilities, stat, try_stat, walk, read, try_read, list, mounts, locate, stage, apply, fate, space,
    );

    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Store>, Failure> {
        Self::clone(&self).rehearsal()
    }
}

impl dyn Store {
    /// The resource at `path`, `None` if there is none.
    ///
    /// # Errors
    /// As [`Store::stat`], but for [`FailureKind::NotFound`].
    pub fn find(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        match self.stat(path, &Select::None) {
            Ok(entry) => Ok(Some(entry)),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}
