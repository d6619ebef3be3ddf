//! Listing: a collection's members, or everything under it, in constant memory.

use std::ffi::CStr;
use std::ops::ControlFlow;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::vec;

use polydav_store::{Entry, FailureKind, Property, ResourcePath, Select, Visit, Walk, WalkDepth};
use rustix::fs::{FileType, Statx, StatxAttributes};
use rustix::io::Errno;

use crate::descent::{Descent, Member, Turn};
use crate::entry::entry;
use crate::errno;
use crate::resolve::{Found, Root, file_type, stat_at};
use crate::state::Rows;
use crate::stats::Stats;

/// So many members wait for their properties, which are read at one moment.
const WAITING_MAX: usize = 128;

/// Fewer, if their properties have so many bytes.
const WAITING_BYTES: usize = 64 * 1024;

/// A walk under way.
pub(crate) struct Walker<'a> {
    root: &'a Root,
    rows: Option<&'a Rows<'a>>,
    walk: &'a Walk,
    visit: &'a mut dyn FnMut(Visit) -> ControlFlow<()>,
    met: u64,
    /// Members of the current directory of which nothing is known yet but their names.
    stats: Stats,
    /// Members of the current directory of whose properties nothing is known yet. Nobody is told of
    /// anything while they are read: who listens may be slow, and what lies there may change.
    waiting: Vec<Entry>,
    /// The current directory.
    at: ResourcePath,
    /// The nodes of the current directory and those it lies in, where there are any.
    nodes: Vec<Option<i64>>,
}

impl<'a> Walker<'a> {
    /// Walks under `path`, whose directory is open.
    pub(crate) fn run(
        root: &'a Root,
        rows: Option<&'a Rows<'a>>,
        path: &ResourcePath,
        dir: OwnedFd,
        walk: &'a Walk,
        visit: &'a mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> rusqlite::Result<()> {
        let rows = rows.filter(|_| walk.select != Select::None);
        let node = rows.map_or(Ok(None), |rows| rows.node(path))?;
        let at = path.clone();
        let (stats, waiting) = (Stats::default(), Vec::new());
        let mut walker =
            Self { root, rows, walk, visit, met: 0, stats, waiting, at, nodes: vec![node] };
        // A visitor who has enough is no failure.
        let _ = walker.go(&mut Descent::new(dir));
        Ok(())
    }

    fn go(&mut self, descent: &mut Descent) -> ControlFlow<()> {
        loop {
            let mut member = |dir: BorrowedFd<'_>, name: &CStr, kind| self.member(dir, name, kind);
            let next = descent.next(&mut member);
            if let Ok(Err(())) = next {
                return ControlFlow::Break(());
            }
            self.tell_gathered(descent)?;
            match next {
                Ok(Ok(Turn::Dir(name))) => {
                    self.dir(descent, &name)?;
                    continue;
                }
                Ok(_) => {}
                Err(errno) => self.fail(self.at.clone(), errno)?,
            }
            self.tell_waiting()?;
            if descent.leave().is_none() {
                return ControlFlow::Continue(());
            }
            self.nodes.pop();
            self.at = self.at.parent().expect("below the root of the walk");
        }
    }

    fn fail(&mut self, path: ResourcePath, errno: Errno) -> ControlFlow<()> {
        (self.visit)(Visit::Failure(path, errno::kind(errno)))
    }

    /// Meets a member that is no directory, unless it turns out to be one.
    fn member(&mut self, dir: BorrowedFd<'_>, name: &CStr, kind: FileType) -> Member<()> {
        let met = if kind == FileType::Unknown {
            let stat = stat_at(dir, name);
            if stat.as_ref().is_ok_and(|stat| file_type(stat) == FileType::Directory) {
                return Member::IsDir;
            }
            self.known(name, stat)
        } else if self.stats.push(name) {
            self.ask(dir)
        } else {
            ControlFlow::Continue(())
        };
        self.met += 1;
        match met {
            ControlFlow::Continue(()) => Member::Done,
            ControlFlow::Break(()) => Member::Break(()),
        }
    }

    /// Tells of the members of the current directory that were met so far.
    fn tell_gathered(&mut self, descent: &mut Descent) -> ControlFlow<()> {
        match descent.dir() {
            _ if self.stats.is_empty() => ControlFlow::Continue(()),
            Ok(dir) => self.ask(dir),
            Err(errno) => {
                self.stats = Stats::default();
                self.fail(self.at.clone(), errno)
            }
        }
    }

    fn ask(&mut self, dir: BorrowedFd<'_>) -> ControlFlow<()> {
        for known in self.stats.ask(dir) {
            known.iter().try_for_each(|(name, stat)| self.known(name, stat))?;
        }
        ControlFlow::Continue(())
    }

    /// Tells of a member of which something is known.
    fn known(&mut self, name: &CStr, stat: Result<Statx, Errno>) -> ControlFlow<()> {
        let path = self.at.join(name.to_bytes()).expect("the system's names are segments");
        let found = stat.and_then(|stat| match file_type(&stat) {
            FileType::Symlink => self.root.follow(&path, stat),
            _ => Ok(Found { stat, link: false }),
        });
        self.tell(path, found)
    }

    fn tell(&mut self, path: ResourcePath, found: Result<Found, Errno>) -> ControlFlow<()> {
        match found {
            Ok(found) => self.take(entry(path, &found)),
            // It is gone meanwhile.
            Err(Errno::NOENT) => ControlFlow::Continue(()),
            Err(errno) => self.fail(path, errno),
        }
    }

    /// Tells of a member, at once if it has no properties for sure.
    fn take(&mut self, entry: Entry) -> ControlFlow<()> {
        if self.node_here().is_none() {
            return (self.visit)(Visit::Entry(entry));
        }
        self.waiting.push(entry);
        if self.waiting.len() < WAITING_MAX {
            return ControlFlow::Continue(());
        }
        self.tell_waiting()
    }

    /// Tells of those who wait.
    fn tell_waiting(&mut self) -> ControlFlow<()> {
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        while waiting.len() > 0 {
            let read = self.read_properties(&mut waiting);
            read.into_iter().try_for_each(&mut *self.visit)?;
        }
        ControlFlow::Continue(())
    }

    /// The next of those who wait, with their properties, or, without, that these can't be read.
    fn read_properties(&self, waiting: &mut vec::IntoIter<Entry>) -> Vec<Visit> {
        let (mut read, mut bytes) = (Vec::with_capacity(waiting.len()), 0);
        let mut begun = self.rows.map_or(Ok(()), Rows::look);
        while bytes < WAITING_BYTES
            && let Some(entry) = waiting.next()
        {
            let begun = std::mem::replace(&mut begun, Ok(()));
            let properties = begun.and_then(|()| self.properties(&entry.path));
            let values = properties.iter().flatten().map(|property| property.value.len());
            bytes += values.sum::<usize>();
            read.push(with_properties(entry, properties));
        }
        if let Err(error) = self.rows.map_or(Ok(()), Rows::look_away) {
            tracing::error!(%error, "reading properties could not be ended");
        }
        read
    }

    /// The node of the current directory, if there may be properties in it.
    fn node_here(&self) -> Option<(i64, &'a Rows<'a>)> {
        self.nodes.last().copied().flatten().zip(self.rows)
    }

    /// The properties of a member of the current directory.
    fn properties(&self, path: &ResourcePath) -> rusqlite::Result<Vec<Property>> {
        let Some(((node, rows), name)) = self.node_here().zip(path.name()) else {
            return Ok(Vec::new());
        };
        rows.member_properties(node, name, &self.walk.select)
    }

    /// The node of a member of the current directory.
    fn node(&self, name: &CStr) -> Option<i64> {
        let (node, rows) = self.node_here()?;
        rows.member(node, name.to_bytes()).ok().flatten()
    }

    /// Tells of a directory, and enters it, if the walk goes so far.
    fn dir(&mut self, descent: &mut Descent, name: &CStr) -> ControlFlow<()> {
        let path = self.at.join(name.to_bytes()).expect("the system's names are segments");
        let stat = descent.dir().and_then(|dir| stat_at(dir, name));
        self.met += 1;
        let stat = match stat {
            Ok(stat) if !is_mount_point(&stat) => stat,
            Ok(_) => return self.fail(path, Errno::XDEV),
            Err(Errno::NOENT) => return ControlFlow::Continue(()),
            Err(errno) => return self.fail(path, errno),
        };
        let entry = entry(path.clone(), &Found { stat, link: false });
        let WalkDepth::Infinity { budget } = self.walk.depth else { return self.take(entry) };
        let properties = self.properties(&path);
        let entry = match with_properties(entry, properties) {
            Visit::Entry(entry) if self.met > budget => return (self.visit)(Visit::Cut(entry)),
            Visit::Entry(entry) => entry,
            unreadable => return (self.visit)(unreadable),
        };
        self.tell_waiting()?;
        // Entered first: a collection that can't be read is told of once, as a failure.
        match descent.enter(name) {
            Ok(()) => {
                self.nodes.push(self.node(name));
                self.at = path;
                (self.visit)(Visit::Entry(entry))
            }
            Err(Errno::NOENT) => ControlFlow::Continue(()),
            Err(errno) => self.fail(path, errno),
        }
    }
}

fn is_mount_point(stat: &Statx) -> bool {
    stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

/// What is told of an entry whose properties were read, or could not be.
fn with_properties(entry: Entry, properties: rusqlite::Result<Vec<Property>>) -> Visit {
    match properties {
        Ok(properties) => Visit::Entry(Entry { properties, ..entry }),
        Err(error) => {
            tracing::error!(%error, path = %entry.path, "properties can't be read");
            Visit::Failure(entry.path, FailureKind::Internal)
        }
    }
}
