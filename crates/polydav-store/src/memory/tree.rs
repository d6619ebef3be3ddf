//! `Tree`: files and collections in memory, alone or over a [`Ground`].
//!
//! What was changed is known; for everything else the tree looks below. A copy or move of a collection
//! takes the collection alone: what lies in it is found where it lay. So what is held grows with the
//! steps, and not with the trees they are about.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::ground::Ground;
use super::node::{Body, Node, Origin, would_be};
use super::{MemoryContent, bytes_of};
use crate::guard::{Overwrite, View};
use crate::run::{Done, Outcome};
use crate::step::{Action, Content, Depth, Permit, Step};
use crate::store::{ReadAt, Reading, Visit, Walk, WalkDepth};
use crate::{
    ETag, Entry, Failure, FailureKind, LockView, Member, Members, Property, PropertyChange,
    PropertyName, ResourcePath, Select,
};

/// The most resources known over a ground: copies of copies would double them.
const KNOWN_MAX: usize = 100_000;

/// All there is, by path. Without a ground, the root is always known.
#[derive(Clone)]
pub(super) struct Tree {
    /// What is known; `None` where nothing is, whatever the ground has there.
    known: BTreeMap<ResourcePath, Option<Node>>,
    /// How many entity tags and copies were made.
    made: u64,
    ground: Option<Arc<dyn Ground>>,
    room: Room,
}

/// The bytes that were taken of the ground's space, and given back.
#[derive(Debug, Clone, Copy, Default)]
struct Room {
    taken: u64,
    freed: u64,
}

/// What a tour of a tree meets.
enum Met<'a> {
    /// A resource that is no collection.
    Member(&'a ResourcePath, &'a Node),
    /// A collection: it is entered if the visitor says so.
    Collection(&'a ResourcePath, &'a Node),
    /// It was to be entered, and can't be.
    Shut(&'a ResourcePath, FailureKind),
    /// All in it was told of. Whether there are others, which nobody sees.
    End(&'a ResourcePath, bool),
}

/// A collection on a tour: its members that weren't told of yet, the last first.
struct Level {
    path: ResourcePath,
    pending: Vec<(ResourcePath, Node)>,
    hides: bool,
}

/// What stays of a tree that is removed.
struct Rest {
    path: ResourcePath,
    kind: FailureKind,
    /// Whether all that lies in it stays too.
    is_whole: bool,
}

/// How a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// As far as it goes.
    Partly,
    /// Wholly, or not at all.
    Wholly,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Node::new(Body::Collection { open: false });
        let known = BTreeMap::from([(ResourcePath::root(), Some(root))]);
        Self { known, made: 0, ground: None, room: Room::default() }
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("known", &self.known).finish_non_exhaustive()
    }
}

/// Looking.
impl Tree {
    /// All that lies in the ground.
    pub(super) fn over(ground: Arc<dyn Ground>) -> Self {
        Self { known: BTreeMap::new(), ground: Some(ground), ..Self::default() }
    }

    pub(super) fn ground(&self) -> Option<&dyn Ground> {
        self.ground.as_deref()
    }

    /// What lies at `path`.
    fn get(&self, path: &ResourcePath) -> Result<Option<Cow<'_, Node>>, Failure> {
        if let Some(known) = self.known.get(path) {
            return Ok(known.as_ref().map(Cow::Borrowed));
        }
        let (Some(ground), Some(origin)) = (&self.ground, self.origin(path)) else {
            return Ok(None);
        };
        match ground.meet(&origin.path) {
            Ok(met) => Ok(met.map(|entry| Cow::Owned(Node::of(entry, origin)))),
            Err(failure) => Err(Failure { path: path.clone(), ..failure }),
        }
    }

    #[cfg(test)]
    pub(super) fn known_count(&self) -> usize {
        self.known.len()
    }

    pub(super) fn lacks(&self, path: &ResourcePath) -> bool {
        matches!(self.get(path), Ok(None))
    }

    fn find(&self, path: &ResourcePath) -> Result<Cow<'_, Node>, Failure> {
        match self.get(path)? {
            Some(node) => Ok(node),
            None => fail(FailureKind::NotFound, path),
        }
    }

    /// Where in the ground that lies, or would, which isn't known.
    fn origin(&self, path: &ResourcePath) -> Option<Origin> {
        for above in path.ancestors() {
            if let Some(known) = self.known.get(&above) {
                let Origin { path: there, copy } = known.as_ref()?.members()?;
                return Some(Origin { path: path.rebase(&above, there)?, copy: *copy });
            }
        }
        self.ground.as_ref().map(|_| Origin { path: path.clone(), copy: 0 })
    }

    /// Where in the ground the very thing lies that is at `path` by now.
    fn itself(&self, path: &ResourcePath) -> Option<ResourcePath> {
        let origin = match self.known.get(path) {
            Some(known) => known.as_ref()?.origin.clone(),
            None => self.origin(path),
        };
        origin.filter(|origin| origin.copy == 0).map(|origin| origin.path)
    }

    /// What is known at and under `root`.
    fn known_in(
        &self,
        root: &ResourcePath,
    ) -> impl Iterator<Item = (&ResourcePath, &Option<Node>)> {
        let from = (Bound::Included(root), Bound::Unbounded);
        self.known.range(from).take_while(|(path, _)| root.contains(path))
    }

    pub(super) fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        if let Some(entry) = self.see(path, select)? {
            return Ok(entry);
        }
        fail(FailureKind::NotFound, path)
    }

    /// What whoever reads sees at `path`: other than a change, they follow the links of the ground.
    fn see(&self, path: &ResourcePath, select: &Select) -> Result<Option<Entry>, Failure> {
        let (Some(ground), Some(origin), None) =
            (&self.ground, self.origin(path), self.known.get(path))
        else {
            return self.get(path)?.map(|node| self.entry(path, &node, select)).transpose();
        };
        match ground.stat(&origin.path, select) {
            Ok(mut entry) => {
                entry.etag = entry.etag.map(|etag| origin.etag(etag));
                Ok(Some(Entry { path: path.clone(), ..entry }))
            }
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(Failure { path: path.clone(), ..failure }),
        }
    }

    fn entry(&self, path: &ResourcePath, node: &Node, select: &Select) -> Result<Entry, Failure> {
        let mut entry = node.entry(path);
        if *select != Select::None {
            let all = self.properties(path, node)?.into_iter();
            let property = |(name, value)| select.pick(&Property { name, value });
            entry.properties = all.filter_map(property).collect();
        }
        Ok(entry)
    }

    fn properties(
        &self,
        path: &ResourcePath,
        node: &Node,
    ) -> Result<BTreeMap<PropertyName, Bytes>, Failure> {
        let mut all = BTreeMap::new();
        if let (Some(ground), Some(origin)) = (&self.ground, &node.origin) {
            let there = ground.stat(&origin.path, &Select::All);
            let there = there.map_err(|failure| Failure { path: path.clone(), ..failure })?;
            all.extend(there.properties.into_iter().map(|Property { name, value }| (name, value)));
        }
        for (name, value) in &node.properties {
            match value {
                Some(value) => all.insert(name.clone(), value.clone()),
                None => all.remove(name),
            };
        }
        Ok(all)
    }

    pub(super) fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        let node = self.find(path)?;
        let content: Arc<dyn ReadAt> = match (&node.body, &self.ground, &node.origin) {
            (Body::File { content: Some(content), .. }, ..) => {
                Arc::new(MemoryContent(content.clone()))
            }
            (Body::File { .. }, Some(ground), Some(origin)) => ground.read(&origin.path)?.content,
            (Body::Collection { .. }, ..) => return fail(FailureKind::IsCollection, path),
            _ => return fail(FailureKind::Forbidden, path),
        };
        Ok(Reading { entry: node.entry(path), content })
    }

    pub(super) fn walk(&self, root: &ResourcePath, walk: &Walk) -> Result<Vec<Visit>, Failure> {
        let mut visits = Vec::new();
        let entry = |path: &ResourcePath, node: &Node| {
            let entry = self.entry(path, node, &walk.select);
            entry.map_or_else(|failure| Visit::Failure(failure.path, failure.kind), Visit::Entry)
        };
        self.tour(root, &mut |met| match met {
            Met::Member(path, node) => {
                visits.push(entry(path, node));
                false
            }
            Met::Collection(path, node) => match (walk.depth, entry(path, node)) {
                (WalkDepth::Infinity { budget }, Visit::Entry(entry))
                    if visits.len() as u64 >= budget =>
                {
                    visits.push(Visit::Cut(entry));
                    false
                }
                (depth, visit) => {
                    visits.push(visit);
                    depth != WalkDepth::One
                }
            },
            Met::Shut(path, kind) => {
                // It stands in place of its entry.
                visits.pop_if(|visit| visit.path() == path);
                visits.push(Visit::Failure(path.clone(), kind));
                false
            }
            Met::End(..) => false,
        })?;
        Ok(visits)
    }

    /// Goes through all that lies under `root`, a collection before its members.
    fn tour(
        &self,
        root: &ResourcePath,
        visit: &mut dyn FnMut(Met<'_>) -> bool,
    ) -> Result<(), Failure> {
        let node = self.find(root)?.into_owned();
        let mut levels = Vec::new();
        if node.is_collection() {
            levels.extend(self.enter(root.clone(), &node, visit));
        }
        while let Some(level) = levels.last_mut() {
            let Some((path, node)) = level.pending.pop() else {
                visit(Met::End(&level.path, level.hides));
                levels.pop();
                continue;
            };
            if !node.is_collection() {
                visit(Met::Member(&path, &node));
            } else if visit(Met::Collection(&path, &node)) {
                levels.extend(self.enter(path, &node, visit));
            }
        }
        Ok(())
    }

    /// Begins with the members of a collection. Those of the ground that are no collections are told of
    /// at once: there may be many.
    fn enter(
        &self,
        path: ResourcePath,
        node: &Node,
        visit: &mut dyn FnMut(Met<'_>) -> bool,
    ) -> Option<Level> {
        let known = self.known_in(&path).filter(|(at, _)| at.parent().as_ref() == Some(&path));
        let known = known.filter_map(|(at, node)| Some((at.clone(), node.clone()?)));
        let mut pending: Vec<_> = known.collect();
        let hides = match (&self.ground, node.members()) {
            (Some(ground), Some(there)) => ground.members(&there.path, &mut |entry| {
                let origin = Origin { path: entry.path.clone(), copy: there.copy };
                let member = entry.path.rebase(&there.path, &path);
                let Some(member) = member.filter(|member| !self.known.contains_key(member)) else {
                    return;
                };
                match Node::of(entry, origin) {
                    node if node.is_collection() => pending.push((member, node)),
                    node => drop(visit(Met::Member(&member, &node))),
                }
            }),
            _ => Ok(false),
        };
        // The last is taken first.
        pending.reverse();
        match hides {
            Ok(hides) => Some(Level { path, pending, hides }),
            Err(kind) => {
                visit(Met::Shut(&path, kind));
                None
            }
        }
    }
}

/// Who may.
impl Tree {
    fn check_parent(&self, target: &ResourcePath) -> Result<(), Failure> {
        let Some(parent) = target.parent() else { return Ok(()) };
        match self.get(&parent) {
            Ok(Some(node)) if node.is_collection() => {}
            // Nothing is made behind a link.
            Ok(Some(node)) if matches!(node.body, Body::Special { link: true }) => {
                return fail(FailureKind::Forbidden, target);
            }
            Ok(_) => return fail(FailureKind::ParentMissing, &parent),
            Err(failure) => return Err(Failure { path: target.clone(), ..failure }),
        }
        self.ask(target, |ground| ground.check_name(target))
    }

    fn ask(
        &self,
        path: &ResourcePath,
        question: impl FnOnce(&dyn Ground) -> Result<(), FailureKind>,
    ) -> Result<(), Failure> {
        let answer = self.ground().map_or(Ok(()), question);
        answer.map_err(|kind| Failure::new(kind, path.clone()))
    }

    /// Whether something may come to `target`, in place of what is there.
    fn check_place(&self, target: &ResourcePath, is_free: bool) -> Result<(), Failure> {
        if !is_free {
            return self.check_leaving(target);
        }
        self.ask(target, |ground| {
            let holder = target.parent().and_then(|parent| self.itself(&parent));
            holder.map_or(Ok(()), |holder| ground.check_holder(&holder))
        })
    }

    fn check_leaving(&self, path: &ResourcePath) -> Result<(), Failure> {
        self.ask(path, |ground| {
            let holder = path.parent().and_then(|parent| self.itself(&parent));
            ground.check_leaving(self.itself(path).as_ref(), holder.as_ref())
        })
    }

    /// Whether a resource may go from one place to another. What it fails with is about the resource.
    fn check_moving(
        &self,
        (source, node): (&ResourcePath, &Node),
        (target, is_free): (&ResourcePath, bool),
    ) -> Result<(), Failure> {
        self.check_leaving(source)?;
        let arrives = self.check_place(target, is_free);
        arrives.map_err(|failure| Failure { path: source.clone(), ..failure })?;
        if !node.is_collection() || source.parent() == target.parent() {
            return Ok(());
        }
        // What a collection says of the one around it changes too.
        self.ask(source, |ground| {
            self.itself(source).map_or(Ok(()), |itself| ground.check_holder(&itself))
        })
    }

    fn check_reading(&self, path: &ResourcePath, node: &Node) -> Result<(), Failure> {
        match (&node.body, &node.origin) {
            (Body::Special { link: false }, _) => fail(FailureKind::Forbidden, path),
            (Body::File { content: None, .. }, Some(origin)) => {
                self.ask(path, |ground| ground.check_reading(&origin.path))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to replace a tree with something in it that nobody gets rid of so.
    fn check_obstacles(&self, target: &ResourcePath) -> Result<(), Failure> {
        if self.ground.is_none() {
            return Ok(());
        }
        let (mut met_there, mut shut) = (Members::default(), None);
        self.tour(target, &mut |met| {
            let (path, kind) = match met {
                Met::Collection(..) => return true,
                Met::Shut(path, kind) if path == target => {
                    shut = Some(kind);
                    return false;
                }
                Met::Shut(path, kind) if !is_too_deep(kind) => (path, kind),
                Met::End(path, true) => (path, FailureKind::Forbidden),
                Met::Member(..) | Met::Shut(..) | Met::End(..) => return false,
            };
            met_there.push(Member { path: path.clone(), kind });
            false
        })?;
        match shut {
            Some(kind) => fail(kind, target),
            None if met_there.is_empty() => Ok(()),
            None => Err(Failure::of_members(target.clone(), met_there, false)),
        }
    }

    /// Takes this much of the ground's space, for a change of this resource.
    fn take_room(&mut self, path: &ResourcePath, bytes: u64) -> Result<(), Failure> {
        let Some(ground) = &self.ground else { return Ok(()) };
        let Room { taken, freed } = self.room;
        let taken = taken.saturating_add(bytes);
        if let Some(space) = ground.space(path)?
            && taken > space.available.saturating_add(freed)
        {
            return fail(FailureKind::NoSpace, path);
        }
        self.room.taken = taken;
        Ok(())
    }

    /// Gives this much of it back. What may have to be undone is kept until the end.
    fn give_room(&mut self, bytes: u64, manner: Manner) {
        if manner == Manner::Partly {
            self.room.freed = self.room.freed.saturating_add(bytes);
        }
    }
}

/// What is deeper than a path can say is reached all the same, by those who go there step by step.
fn is_too_deep(kind: FailureKind) -> bool {
    kind == FailureKind::NameTooLong
}

/// Changing.
impl Tree {
    pub(super) fn perform(&mut self, step: Step, locks: &dyn LockView, manner: Manner) -> Outcome {
        let Permit { action, except } = step.open(&Live { tree: self, locks })?;
        self.ground().map_or(Ok(()), |ground| ground.check_action(&action))?;
        match action {
            Action::Put { target, content, modified } => {
                self.put(&target, content, modified, manner)
            }
            Action::MakeCollection { target } => self.make_collection(&target),
            Action::Remove { target } => self.remove(&target, &except, manner),
            Action::Copy { source, target, depth, overwrite } => {
                let created = self.make_way(&source, &target, overwrite)?;
                self.copy(&source, (&target, created), depth, manner)
            }
            Action::Rename { source, target, overwrite } => {
                let created = self.make_way(&source, &target, overwrite)?;
                self.rename(&source, (&target, created))
            }
            Action::Patch { target, changes } => self.patch(&target, changes),
            Action::Add { collection, .. } => {
                self.find(&collection)?;
                fail(FailureKind::Unsuited, &collection)
            }
            Action::Update { target, .. } => {
                self.find(&target)?;
                fail(FailureKind::Unsuited, &target)
            }
        }
    }

    fn put(
        &mut self,
        target: &ResourcePath,
        content: Content,
        modified: Option<SystemTime>,
        manner: Manner,
    ) -> Outcome {
        self.check_parent(target)?;
        let there = self.get(target)?.map(Cow::into_owned);
        match there.as_ref().map(|node| &node.body) {
            Some(Body::Collection { .. }) => return fail(FailureKind::IsCollection, target),
            Some(Body::Special { .. }) => return fail(FailureKind::Forbidden, target),
            Some(Body::File { .. }) | None => {}
        }
        let content = bytes_of(content, target)?;
        self.check_place(target, there.is_none())?;
        self.take_room(target, content.len() as u64)?;
        let (created, etag) = (there.is_none(), self.next_etag());
        let length = content.len() as u64;
        let body = Body::File { content: Some(content), length, etag: etag.clone() };
        let mut node = match there {
            Some(node) => {
                self.give_room(node.length(), manner);
                self.another(node)
            }
            None => Node::new(body.clone()),
        };
        node.body = body;
        node.modified = Some(modified.unwrap_or_else(SystemTime::now));
        self.known.insert(target.clone(), Some(node));
        Ok(Done { created, etag: Some(etag), ..Done::default() })
    }

    fn make_collection(&mut self, target: &ResourcePath) -> Outcome {
        self.check_parent(target)?;
        if self.get(target)?.is_some() {
            return fail(FailureKind::Exists, target);
        }
        self.check_place(target, true)?;
        let node = Node::new(Body::Collection { open: false });
        self.known.insert(target.clone(), Some(node));
        Ok(Done { created: true, ..Done::default() })
    }

    /// Removes the tree at `target`, but for the trees at `except`, what may not be removed, and the
    /// collections those lie in. A lock on what isn't there keeps nothing.
    fn remove(
        &mut self,
        target: &ResourcePath,
        except: &[ResourcePath],
        manner: Manner,
    ) -> Outcome {
        self.find(target)?;
        if manner == Manner::Partly {
            self.check_leaving(target)?;
        }
        let mut rest = Vec::new();
        let mut is_changed = false;
        if self.ground.is_some() || !except.is_empty() {
            is_changed = self.loosen(target, except, manner, &mut rest)?;
        }
        if rest.is_empty() {
            self.check_leaving(target)?;
            self.bury(target);
            return Ok(Done::default());
        }
        self.keep_only(target, &rest)?;
        let member = |rest: &Rest| Member { path: rest.path.clone(), kind: rest.kind };
        match &rest[..] {
            // It is the resource itself that can't be removed, not a member.
            [only] if only.path == *target && !is_changed => fail(only.kind, target),
            rest => {
                let members = rest.iter().map(member).collect();
                Err(Failure::of_members(target.clone(), members, is_changed))
            }
        }
    }

    /// Finds out what stays of a tree that is removed; whether anything doesn't.
    fn loosen(
        &mut self,
        target: &ResourcePath,
        except: &[ResourcePath],
        manner: Manner,
        rest: &mut Vec<Rest>,
    ) -> Result<bool, Failure> {
        let (mut is_changed, mut freed) = (false, 0_u64);
        let kept = |path: &ResourcePath| match except.binary_search(path) {
            Ok(_) => Err(FailureKind::Locked),
            Err(_) => Ok(()),
        };
        let leaving = |path: &ResourcePath| {
            kept(path).and_then(|()| self.check_leaving(path).map_err(|failure| failure.kind))
        };
        self.tour(target, &mut |met| {
            let (path, left, is_whole) = match met {
                Met::Member(path, node) => {
                    let left = leaving(path);
                    if left.is_ok() {
                        freed = freed.saturating_add(node.length());
                    }
                    is_changed |= left.is_ok();
                    (path, left, true)
                }
                Met::Collection(path, _) => match manner {
                    Manner::Partly => (path, kept(path), true),
                    Manner::Wholly => (path, leaving(path), true),
                },
                Met::Shut(_, kind) if is_too_deep(kind) => return false,
                Met::Shut(path, kind) => (path, Err(kind), true),
                Met::End(path, true) => (path, Err(FailureKind::Forbidden), false),
                Met::End(path, false) => {
                    let holds = rest.last().is_some_and(|rest| path.is_above(&rest.path));
                    if holds || path == target || manner == Manner::Wholly {
                        return false;
                    }
                    let left = leaving(path);
                    is_changed |= left.is_ok();
                    (path, left, false)
                }
            };
            match left {
                Ok(()) => true,
                Err(kind) => {
                    rest.push(Rest { path: path.clone(), kind, is_whole });
                    false
                }
            }
        })?;
        self.give_room(freed, manner);
        Ok(is_changed)
    }

    /// Removes the tree at `target`, but for what stays of it.
    fn keep_only(&mut self, target: &ResourcePath, rest: &[Rest]) -> Result<(), Failure> {
        let mut kept = BTreeMap::new();
        for Rest { path, is_whole, .. } in rest {
            let own = Some(path.clone()).filter(|_| !is_whole);
            let above = path.ancestors().filter(|above| target.contains(above));
            for path in above.chain(own) {
                let mut node = self.find(&path)?.into_owned();
                if let Body::Collection { open } = &mut node.body {
                    *open = false;
                }
                kept.insert(path, Some(node));
            }
            if *is_whole {
                kept.insert(path.clone(), Some(self.find(path)?.into_owned()));
                let under = self.known_in(path);
                kept.extend(under.map(|(path, node)| (path.clone(), node.clone())));
            }
        }
        self.take(target);
        self.known.extend(kept);
        Ok(())
    }

    /// Checks source and target of a copy or move; returns whether nothing is at the target.
    fn make_way(
        &self,
        source: &ResourcePath,
        target: &ResourcePath,
        overwrite: Overwrite,
    ) -> Result<bool, Failure> {
        self.find(source)?;
        self.check_parent(target)?;
        let Some(there) = self.get(target)? else { return Ok(true) };
        if overwrite == Overwrite::Refuse {
            return fail(FailureKind::TargetExists, target);
        }
        if there.is_collection() {
            self.check_obstacles(target)?;
        }
        Ok(false)
    }

    fn copy(
        &mut self,
        source: &ResourcePath,
        (target, is_free): (&ResourcePath, bool),
        depth: Depth,
        manner: Manner,
    ) -> Outcome {
        let mut root = self.find(source)?.into_owned();
        let (missing, bytes) = self.look_through(source, &root, depth)?;
        if !missing.is_empty() && (!is_free || manner == Manner::Wholly) {
            // What it would replace would be gone, with nothing in its place.
            return Err(Failure::of_members(source.clone(), missing, false));
        }
        self.check_place(target, is_free)?;
        self.take_room(source, bytes)?;
        let mut copies = BTreeMap::new();
        match depth {
            Depth::Infinity => {
                let known = self.known_in(source).map(|(path, node)| (path.clone(), node.clone()));
                copies.extend(known);
            }
            Depth::Zero => {
                if let Body::Collection { open } = &mut root.body {
                    *open = false;
                }
            }
        }
        copies.insert(source.clone(), Some(root));
        for Member { path, .. } in missing.list() {
            copies.retain(|copied, _| !path.contains(copied));
            copies.insert(path.clone(), None);
        }
        if self.ground.is_some() && self.known.len() + copies.len() > KNOWN_MAX {
            return fail(FailureKind::Exhausted, source);
        }
        self.take(target);
        for (path, original) in copies {
            let copy = original.map(|original| self.duplicate(original));
            self.known.extend(path.rebase(source, target).map(|path| (path, copy)));
        }
        if missing.is_empty() {
            return Ok(Done { created: is_free, ..Done::default() });
        }
        Err(Failure::of_members(source.clone(), missing, true))
    }

    /// The members of a tree that can't be copied, and the bytes of the others.
    fn look_through(
        &self,
        source: &ResourcePath,
        root: &Node,
        depth: Depth,
    ) -> Result<(Members, u64), Failure> {
        let (mut missing, mut bytes, mut shut) = (Members::default(), root.length(), None);
        self.check_reading(source, root)?;
        if self.ground.is_none() || depth == Depth::Zero {
            return Ok((missing, bytes));
        }
        self.tour(source, &mut |met| {
            match met {
                Met::Collection(..) => return true,
                Met::Member(path, node) => match self.check_reading(path, node) {
                    Ok(()) => bytes = bytes.saturating_add(node.length()),
                    Err(failure) => missing.push(Member { path: path.clone(), kind: failure.kind }),
                },
                Met::Shut(path, kind) if path == source => shut = Some(kind),
                Met::Shut(_, kind) if is_too_deep(kind) => {}
                Met::Shut(path, kind) => missing.push(Member { path: path.clone(), kind }),
                Met::End(..) => {}
            }
            false
        })?;
        match shut {
            Some(kind) => fail(kind, source),
            None => Ok((missing, bytes)),
        }
    }

    /// A copy: another resource with the same content and properties.
    fn duplicate(&mut self, original: Node) -> Node {
        let mut copy = self.another(original);
        copy.created = Some(SystemTime::now());
        if let Body::File { etag, .. } = &mut copy.body {
            *etag = self.next_etag();
        }
        copy
    }

    /// Another resource than that of the ground.
    fn another(&mut self, mut node: Node) -> Node {
        if let Some(origin) = &mut node.origin {
            self.made += 1;
            origin.copy = self.made;
        }
        node
    }

    fn rename(
        &mut self,
        source: &ResourcePath,
        (target, is_free): (&ResourcePath, bool),
    ) -> Outcome {
        let mut root = self.find(source)?.into_owned();
        self.check_moving((source, &root), (target, is_free))?;
        // Whether a file takes its entity tag along is the ground's affair: nobody can count on it.
        if let Body::File { etag, .. } = &mut root.body
            && self.ground.is_some()
        {
            *etag = self.next_etag();
        }
        self.take(target);
        let mut moved = self.bury(source);
        moved.insert(source.clone(), Some(root));
        for (path, node) in moved {
            self.known.extend(path.rebase(source, target).map(|path| (path, node)));
        }
        Ok(Done { created: is_free, ..Done::default() })
    }

    fn patch(&mut self, target: &ResourcePath, changes: Vec<PropertyChange>) -> Outcome {
        let mut node = self.find(target)?.into_owned();
        if matches!(node.body, Body::Special { link: true }) {
            return fail(FailureKind::Forbidden, target);
        }
        let bytes =
            |(name, value): (PropertyName, Bytes)| (name.clone(), name.bytes() + value.len());
        let before = self.properties(target, &node)?.into_iter().map(bytes).collect();
        PropertyChange::check_bounds(target, &before, &changes)?;
        for change in changes {
            match change {
                PropertyChange::Set(Property { name, value }) => {
                    node.properties.insert(name, Some(value));
                }
                PropertyChange::Remove(name) if node.origin.is_some() => {
                    node.properties.insert(name, None);
                }
                PropertyChange::Remove(name) => {
                    node.properties.remove(&name);
                }
            }
        }
        self.known.insert(target.clone(), Some(node));
        Ok(Done::default())
    }

    /// Takes out what is known at and under `root`.
    fn take(&mut self, root: &ResourcePath) -> BTreeMap<ResourcePath, Option<Node>> {
        let paths: Vec<_> = self.known_in(root).map(|(path, _)| path.clone()).collect();
        paths.into_iter().filter_map(|path| self.known.remove_entry(&path)).collect()
    }

    /// Has nothing lie at `root` any more.
    fn bury(&mut self, root: &ResourcePath) -> BTreeMap<ResourcePath, Option<Node>> {
        let taken = self.take(root);
        if self.ground.is_some() {
            self.known.insert(root.clone(), None);
        }
        taken
    }

    fn next_etag(&mut self) -> ETag {
        self.made += 1;
        let tag = self.made.to_string();
        if self.ground.is_some() { would_be(&tag) } else { ETag::new(tag) }
    }
}

fn fail<T>(kind: FailureKind, path: &ResourcePath) -> Result<T, Failure> {
    Err(Failure::new(kind, path.clone()))
}

/// What steps are opened against.
struct Live<'a> {
    tree: &'a Tree,
    locks: &'a dyn LockView,
}

impl View for Live<'_> {
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        self.tree.see(path, &Select::None)
    }

    fn locks(&self) -> &dyn LockView {
        self.locks
    }
}
