//! Listing: a collection's members, or everything under it, in constant memory.

use std::ffi::CStr;
use std::ops::ControlFlow;
use std::os::fd::{BorrowedFd, OwnedFd};

use polydav_store::{Entry, FailureKind, Property, ResourcePath, Select, Visit, Walk, WalkDepth};
use rustix::fs::{FileType, Statx, StatxAttributes};
use rustix::io::Errno;

use crate::descent::{Descent, Member, Turn};
use crate::entry::entry;
use crate::errno;
use crate::resolve::{Found, Root, file_type, stat_at};
use crate::state::Rows;

/// The properties of so many members are read as they are at one moment. Who listens may be slow.
const LOOKS_MAX: u64 = 128;

/// A walk under way.
pub(crate) struct Walker<'a> {
    root: &'a Root,
    rows: Option<&'a Rows<'a>>,
    walk: &'a Walk,
    visit: &'a mut dyn FnMut(Visit) -> ControlFlow<()>,
    met: u64,
    /// Of how many members it looked for properties.
    looked: u64,
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
        let mut walker = Self { root, rows, walk, visit, met: 0, looked: 0, at, nodes: vec![node] };
        // A visitor who has enough is no failure.
        let _ = walker.go(&mut Descent::new(dir));
        Ok(())
    }

    fn go(&mut self, descent: &mut Descent) -> ControlFlow<()> {
        loop {
            let mut member = |dir: BorrowedFd<'_>, name: &CStr, kind| self.member(dir, name, kind);
            match descent.next(&mut member) {
                Ok(Ok(Turn::Dir(name))) => {
                    self.dir(descent, &name)?;
                    continue;
                }
                Ok(Ok(Turn::End)) => {}
                Ok(Err(())) => return ControlFlow::Break(()),
                Err(errno) => self.fail(self.at.clone(), errno)?,
            }
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

    /// Tells of a member that is no directory, unless it turns out to be one.
    fn member(&mut self, dir: BorrowedFd<'_>, name: &CStr, kind: FileType) -> Member<()> {
        let stat = stat_at(dir, name);
        if kind == FileType::Unknown
            && stat.as_ref().is_ok_and(|stat| file_type(stat) == FileType::Directory)
        {
            return Member::IsDir;
        }
        let path = self.at.join(name.to_bytes()).expect("the system's names are segments");
        let found = stat.and_then(|stat| match file_type(&stat) {
            FileType::Symlink => self.root.follow(&path, stat),
            _ => Ok(Found { stat, link: false }),
        });
        self.met += 1;
        match self.tell(path, name, found) {
            ControlFlow::Continue(()) => Member::Done,
            ControlFlow::Break(()) => Member::Break(()),
        }
    }

    fn tell(
        &mut self,
        path: ResourcePath,
        name: &CStr,
        found: Result<Found, Errno>,
    ) -> ControlFlow<()> {
        match found {
            Ok(found) => {
                let entry = self.entry(path, name, &found);
                (self.visit)(entry.map_or_else(unreadable, Visit::Entry))
            }
            // It is gone meanwhile.
            Err(Errno::NOENT) => ControlFlow::Continue(()),
            Err(errno) => self.fail(path, errno),
        }
    }

    /// The entry of what was found, or, without, that its properties can't be read.
    fn entry(
        &mut self,
        path: ResourcePath,
        name: &CStr,
        found: &Found,
    ) -> Result<Entry, (ResourcePath, FailureKind)> {
        let mut entry = entry(path, found);
        match self.properties(name) {
            Ok(properties) => entry.properties = properties,
            Err(error) => {
                tracing::error!(%error, path = %entry.path, "properties can't be read");
                return Err((entry.path, FailureKind::Internal));
            }
        }
        Ok(entry)
    }

    /// The properties of a member of the current directory.
    fn properties(&mut self, name: &CStr) -> rusqlite::Result<Vec<Property>> {
        let node = self.nodes.last().copied().flatten();
        let Some((node, rows)) = node.zip(self.rows) else { return Ok(Vec::new()) };
        if self.looked.is_multiple_of(LOOKS_MAX) {
            rows.look_anew()?;
        }
        self.looked += 1;
        rows.member_properties(node, name.to_bytes(), &self.walk.select)
    }

    /// The node of a member of the current directory.
    fn node(&self, name: &CStr) -> Option<i64> {
        let node = self.nodes.last().copied().flatten()?;
        self.rows?.member(node, name.to_bytes()).ok().flatten()
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
        let found = Found { stat, link: false };
        let entry = match self.entry(path.clone(), name, &found) {
            Ok(entry) => entry,
            Err(failure) => return (self.visit)(unreadable(failure)),
        };
        match self.walk.depth {
            WalkDepth::One => return (self.visit)(Visit::Entry(entry)),
            WalkDepth::Infinity { budget } if self.met > budget => {
                return (self.visit)(Visit::Cut(entry));
            }
            WalkDepth::Infinity { .. } => {}
        }
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

fn unreadable((path, kind): (ResourcePath, FailureKind)) -> Visit {
    Visit::Failure(path, kind)
}
