//! A store over a folder, as it is on disk.
//!
//! Files are files and collections are directories; whoever looks into the folder, or changes it,
//! sees what clients see. Beside them lies one folder of the store's own, `.polydav`: dead
//! properties and locks in `state.db`, and `stage/`, where content is prepared before it is
//! published by one system call.
//!
//! # What holds
//!
//! - Nothing is ever reached outside of the root, or on another file system. Reading follows links
//!   that stay beneath the root; nothing is written through a link.
//! - Nothing half-written is ever visible, and what is replaced is there until its replacement is.
//! - With [`Durability::Full`](polydav_store::Durability::Full), a reported success outlives a loss
//!   of power; with `Relaxed`, the death of the process.
//! - After a crash, opening the folder finishes or forgets each step that was under way.

mod act;
mod apply;
mod batches;
mod copy;
mod descent;
mod entry;
mod errno;
mod ground;
mod held;
mod intent;
mod ledger;
mod permit;
mod places;
mod read;
mod receipt;
mod recovery;
mod replica;
mod reserve;
mod resolve;
mod reversible;
mod rights;
mod server_state;
mod stage;
mod state;
mod stats;
mod stretch;
mod sys;
mod touched;
mod tree;
mod undo;
mod wait;
mod walk;
mod whole;
mod writer;

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polydav_store::{
    BatchLedger, Broken, Capabilities, Course, Entry, Failure, FailureKind, Fate, Ledger, LockView,
    LocksOfRun, MemoryLedger, MemoryStore, Reading, Report, ResourcePath, Run, RunId, Select,
    Space, Stage, Store, Visit, Walk, Witness,
};
use rustix::fs::{OFlags, fstatvfs};
use rustix::io::Errno;

use crate::apply::Execution;
use crate::entry::entry;
use crate::held::Held;
use crate::resolve::{Root, has_hidden};
pub use crate::server_state::ServerState;
use crate::state::State;
pub use crate::state::StateError;
use crate::walk::Walker;
use crate::writer::Writer;

/// How a folder is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Nothing is written below the folder. Without [`Options::state`], properties aren't shown,
    /// and locks last as long as the process.
    pub read_only: bool,
    /// The folder that holds `state.db`, if it isn't `.polydav` in the folder itself. It is made
    /// if it isn't there.
    pub state: Option<PathBuf>,
}

impl Options {
    /// Holds an open folder, so that no other process changes what is in it meanwhile.
    fn hold(
        &self,
        dir: impl AsFd,
        path: &Path,
        fail: impl FnOnce(io::Error) -> OpenError,
    ) -> Result<Held, OpenError> {
        let held = if self.read_only { Held::among_readers(dir) } else { Held::alone(dir) };
        held.map_err(|errno| match errno {
            Errno::WOULDBLOCK => OpenError::InUse { path: path.to_owned() },
            errno => fail(errno.into()),
        })
    }
}

/// Why a folder can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It isn't there, is no folder, or may not be read.
    #[error("the folder {path} can't be opened")]
    Root {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process serves it.
    #[error("the folder {path} is in use by another process")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Its file system takes names that differ in case alone for one.
    #[error(
        "the file system of {path} takes upper for lower case: locks and conditions on one spelling \
         of a name would not hold for another; it can be served for reading only"
    )]
    Folding {
        /// The folder.
        path: PathBuf,
    },
    /// The folder for the store's own files can't be used.
    #[error("the folder {path} can't be prepared")]
    Prepare {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Clients would see the folder of the state, and could write to it.
    #[error("the folder of the state, {path}, lies in the folder that is served")]
    StateWithin {
        /// The folder of the state.
        path: PathBuf,
    },
    /// The state database can't be used.
    #[error("the state database {path} can't be used")]
    State {
        /// The database.
        path: PathBuf,
        /// Why.
        source: StateError,
    },
    /// What an earlier process had begun can't be finished.
    #[error("what was begun in {path} can't be finished")]
    Recovery {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A store over a folder.
#[derive(Debug)]
pub struct FolderStore {
    root: Root,
    /// What it needs to change anything; `None` if it is read only.
    writer: Option<Writer>,
    /// `None` if it is read only and no place was given.
    state: Option<Arc<State>>,
    memory: MemoryLedger,
    _held: Held,
}

impl FolderStore {
    /// Opens a folder, and finishes what an earlier process had begun in it.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is served then.
    pub fn open(root: &Path, options: &Options) -> Result<Self, OpenError> {
        let path = || root.to_owned();
        let opened = Root::open(root).and_then(|opened| Ok((opened, root.canonicalize()?)));
        let (opened, whole) = opened.map_err(|source| OpenError::Root { path: path(), source })?;
        let held =
            options.hold(&opened, root, |source| OpenError::Root { path: path(), source })?;
        let own = whole.join(std::str::from_utf8(resolve::STATE_DIR).expect("it is ASCII"));
        let writer = if options.read_only {
            None
        } else {
            let prepare =
                |errno: Errno| OpenError::Prepare { path: own.clone(), source: errno.into() };
            Some(Writer::open(&opened).map_err(prepare)?)
        };
        if writer.as_ref().is_some_and(|writer| !writer.abilities.case) {
            return Err(OpenError::Folding { path: path() });
        }
        let state = match (&options.state, &writer) {
            (Some(dir), _) => {
                check_apart(dir, &whole, &own)?;
                Some(open_state(dir, options)?)
            }
            (None, Some(_)) => Some(open_state(&own, options)?),
            (None, None) => None,
        };
        if let (Some(writer), Some(state)) = (&writer, &state) {
            recovery::recover(&opened, writer, state)
                .map_err(|source| OpenError::Recovery { path: path(), source: Box::new(source) })?;
        }
        let state = state.map(Arc::new);
        Ok(Self { root: opened, writer, state, memory: MemoryLedger::default(), _held: held })
    }

    /// Where batches can be kept; `None` if the folder is served for reading only.
    pub fn batch_ledger(&self) -> Option<Arc<dyn BatchLedger>> {
        let state = self.state.as_ref().filter(|_| self.writer.is_some())?;
        Some(Arc::clone(state) as Arc<dyn BatchLedger>)
    }

    /// Where locks are kept.
    fn ledger(&self) -> &dyn Ledger {
        match &self.state {
            Some(state) => &**state,
            None => &self.memory,
        }
    }

    /// Whether the disk failed, so that no more changes are taken until the store is opened again.
    fn has_given_up(&self) -> bool {
        self.writer.as_ref().is_some_and(Writer::has_given_up)
            || self.state.as_ref().is_some_and(|state| state.is_in_doubt())
    }

    /// Whether what was done can be undone, which depends on the file system.
    fn can_undo(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.abilities.can_undo())
    }

    /// What can change things, or why nothing can.
    fn writable(&self) -> Result<(&Writer, &State), &'static str> {
        match (&self.writer, &self.state) {
            (Some(_), Some(_)) if self.has_given_up() => {
                Err("the disk failed; nothing is taken until the server is started again")
            }
            (Some(writer), Some(state)) => Ok((writer, state)),
            _ => Err("the folder is served for reading only"),
        }
    }
}

/// Refuses a folder for the state that clients could reach: what they write there would be what the
/// store goes by. Of folders that aren't there yet, the one they will be made in counts.
fn check_apart(dir: &Path, root: &Path, own: &Path) -> Result<(), OpenError> {
    let within = |source| OpenError::Prepare { path: dir.to_owned(), source };
    let dir_whole = std::path::absolute(dir).map_err(within)?;
    let there = dir_whole.ancestors().find_map(|above| above.canonicalize().ok());
    let there = there.unwrap_or_default();
    if there.starts_with(root) && !there.starts_with(own) {
        return Err(OpenError::StateWithin { path: dir.to_owned() });
    }
    Ok(())
}

/// Opens the state in `dir`, unless another store has it: its rows would be taken for ours.
fn open_state(dir: &Path, options: &Options) -> Result<State, OpenError> {
    make_state_dir(dir)?;
    let prepare = |source| OpenError::Prepare { path: dir.to_owned(), source };
    let held = options.hold(File::open(dir).map_err(prepare)?, dir, prepare)?;
    let path = dir.join("state.db");
    State::open(&path, held).map_err(|source| OpenError::State { path, source })
}

/// Makes a folder for state, unless it is there.
fn make_state_dir(dir: &Path) -> Result<(), OpenError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| OpenError::Prepare { path: dir.to_owned(), source })
}

impl Store for FolderStore {
    fn capabilities(&self, _: &ResourcePath) -> Capabilities {
        let mut capabilities = Capabilities::ALL;
        capabilities.properties = self.state.is_some();
        capabilities.writable = self.writer.is_some() && !self.has_given_up();
        capabilities.atomic = self.can_undo();
        capabilities
    }

    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        if has_hidden(path) {
            return Err(Failure::new(FailureKind::NotFound, path.clone()));
        }
        let found = self.root.find(path).map_err(|errno| errno::failure(errno, path))?;
        let mut entry = entry(path.clone(), &found);
        if let Some(state) = self.state_for(select) {
            let properties = state.read(|rows| match rows.node(path)? {
                Some(node) => rows.properties(node, select),
                None => Ok(Vec::new()),
            });
            entry.properties = properties.map_err(|error| unreadable(error, path))?;
        }
        Ok(entry)
    }

    fn try_stat(&self, path: &ResourcePath, select: &Select) -> Option<Result<Entry, Failure>> {
        if has_hidden(path) {
            return Some(Err(Failure::new(FailureKind::NotFound, path.clone())));
        }
        // The database may have to read.
        if self.state_for(select).is_some() {
            return None;
        }
        Some(match self.root.try_find(path)? {
            Ok(found) => Ok(entry(path.clone(), &found)),
            Err(errno) => Err(errno::failure(errno, path)),
        })
    }

    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        if has_hidden(root) {
            return Err(Failure::new(FailureKind::NotFound, root.clone()));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let dir = match self.root.open_following(root, flags) {
            Ok(dir) => dir,
            // What is no collection has no members.
            Err(Errno::NOTDIR) if self.root.find(root).is_ok() => return Ok(()),
            Err(errno) => return Err(errno::failure(errno, root)),
        };
        let walked = match self.state_for(&walk.select) {
            Some(state) => {
                state.read(|rows| Walker::run(&self.root, Some(rows), root, dir, walk, visit))
            }
            None => Walker::run(&self.root, None, root, dir, walk, visit),
        };
        walked.map_err(|error| unreadable(error, root))
    }

    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        read::open(&self.root, path)
    }

    fn try_read(&self, path: &ResourcePath) -> Option<Result<Reading, Failure>> {
        read::try_open(&self.root, path)
    }

    fn stage(&self, target: &ResourcePath, length: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        let (writer, _) = self
            .writable()
            .map_err(|why| Failure::new(FailureKind::ReadOnly, target.clone()).with_detail(why))?;
        let space = self.space(target)?;
        if let (Some(length), Some(space)) = (length, space)
            && length > space.available
        {
            return Err(Failure::new(FailureKind::NoSpace, target.clone()));
        }
        stage::begin(&writer.stage)
    }

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        let root = ResourcePath::root();
        let mut course = Course::of(&run);
        let locks = LocksOfRun::new(locks);
        let begun = match self.writable() {
            Ok(_) if course.undoes_all() && !self.can_undo() => {
                Err(Failure::new(FailureKind::Unsupported, root))
            }
            Ok(able) => Execution::begin(self, able, &run, &locks, report.keeps_receipts())
                .map_err(|errno| errno::failure(errno, &root)),
            Err(why) => Err(Failure::new(FailureKind::ReadOnly, root).with_detail(why)),
        };
        match begun {
            Ok(execution) if course.undoes_all() => execution.run_whole(run.steps, report),
            Ok(execution) => execution.run(run.steps, report),
            Err(failure) => course.refuse(&run.steps, &failure, report),
        }
        Ok(())
    }

    fn fate(&self, commit: &Witness) -> Result<Fate, Failure> {
        let (Some(state), Some((run, number))) = (&self.state, named(commit)) else {
            return Ok(Fate::Unknown);
        };
        let marked = state.is_marked(run, number);
        let fate = |made| if made { Fate::Done } else { Fate::Undone };
        marked.map(fate).map_err(|error| unreadable(error, &ResourcePath::root()))
    }

    fn space(&self, _: &ResourcePath) -> Result<Option<Space>, Failure> {
        let space =
            fstatvfs(&self.root).map_err(|errno| errno::failure(errno, &ResourcePath::root()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
        Ok(Some(Space {
            available: bytes(space.f_bavail),
            used: bytes(space.f_blocks.saturating_sub(space.f_bfree)),
        }))
    }

    /// The store in memory, over this one; where nothing can be changed, nothing comes of a run.
    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Store>, Failure> {
        match self.writable() {
            Ok(_) => Ok(Arc::new(MemoryStore::over(self))),
            Err(_) => Ok(self),
        }
    }
}

impl FolderStore {
    /// The state, if it has anything to tell about these properties.
    fn state_for(&self, select: &Select) -> Option<&State> {
        self.state.as_deref().filter(|state| *select != Select::None && state.has_any())
    }
}

/// The name of a commit of a run.
pub(crate) fn name_of(run: RunId, number: i64) -> Witness {
    Witness::new(format!("{run}-{number}"))
}

/// The run and the number that [`name_of`] made a name of.
fn named(commit: &Witness) -> Option<(RunId, i64)> {
    let (run, number) = std::str::from_utf8(commit.as_bytes()).ok()?.split_once('-')?;
    Some((RunId(u128::from_str_radix(run, 16).ok()?), number.parse().ok()?))
}

fn unreadable(error: rusqlite::Error, path: &ResourcePath) -> Failure {
    Failure::new(FailureKind::Internal, path.clone()).with_source(error)
}

/// The store is shared between threads.
const _: fn(Arc<FolderStore>) = |store| drop(store as Arc<dyn Store>);
