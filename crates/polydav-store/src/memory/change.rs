//! What becomes of the tree by each step.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use super::bytes_of;
use super::node::{Body, Node, would_be};
use super::rights::is_too_deep;
use super::tree::{Met, Tree, fail};
use crate::guard::{Overwrite, View};
use crate::run::{Done, Outcome};
use crate::step::{Action, Content, Depth, Permit, Step};
use crate::{
    ETag, Entry, Failure, FailureKind, LockView, Member, Members, Property, PropertyBounds,
    PropertyChange, ResourcePath, Select,
};

/// The most resources known over a ground: copies of copies would double them.
const KNOWN_MAX: usize = 100_000;

/// What stays of a tree that is removed.
#[derive(Default)]
struct Leavings {
    rest: Vec<Rest>,
    members: Members,
    /// What was found last to stay.
    last: Option<ResourcePath>,
    /// Whether anything doesn't stay.
    is_changed: bool,
    /// The bytes of what doesn't.
    freed: u64,
}

/// One resource that stays.
struct Rest {
    path: ResourcePath,
    /// Whether all that lies in it stays too.
    is_whole: bool,
}

impl Leavings {
    /// A resource stays. Where there are many, they are told by their number, and taken to be gone;
    /// there are never many that are locked.
    fn stays(&mut self, path: &ResourcePath, kind: FailureKind, is_whole: bool) -> bool {
        self.members.push(Member { path: path.clone(), kind });
        self.last = Some(path.clone());
        if kind == FailureKind::Locked || self.rest.len() < Members::MAX {
            self.rest.push(Rest { path: path.clone(), is_whole });
        }
        false
    }

    fn note(&mut self, path: &ResourcePath, left: Result<(), FailureKind>, bytes: u64) -> bool {
        match left {
            Ok(()) => {
                self.is_changed = true;
                self.freed = self.freed.saturating_add(bytes);
                true
            }
            Err(kind) => self.stays(path, kind, true),
        }
    }

    fn note_emptied(&mut self, path: &ResourcePath, left: Result<(), FailureKind>) -> bool {
        match left {
            Ok(()) => self.note(path, Ok(()), 0),
            Err(kind) => self.stays(path, kind, false),
        }
    }

    /// Whether something in a collection stays, all of which was told of right before.
    fn holds(&self, collection: &ResourcePath) -> bool {
        self.last.as_ref().is_some_and(|last| collection.is_above(last))
    }
}

/// How a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// As far as it goes.
    Partly,
    /// Wholly, or not at all.
    Wholly,
}

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
        let mut leavings = Leavings::default();
        if self.ground.is_some() || !except.is_empty() {
            leavings = self.loosen(target, except, manner)?;
        }
        let Leavings { rest, members, is_changed, freed, .. } = leavings;
        self.give_room(freed, manner);
        if members.is_empty() {
            self.check_leaving(target)?;
            self.bury(target);
            return Ok(Done::default());
        }
        self.keep_only(target, &rest)?;
        match members.list() {
            // It is the resource itself that can't be removed, not a member.
            [only] if only.path == *target && !is_changed => fail(only.kind, target),
            _ => Err(Failure::of_members(target.clone(), members, is_changed)),
        }
    }

    /// Finds out what stays of a tree that is removed.
    fn loosen(
        &self,
        target: &ResourcePath,
        except: &[ResourcePath],
        manner: Manner,
    ) -> Result<Leavings, Failure> {
        let mut leavings = Leavings::default();
        let kept = |path: &ResourcePath| match except.binary_search(path) {
            Ok(_) => Err(FailureKind::Locked),
            Err(_) => Ok(()),
        };
        let leaving = |path: &ResourcePath| {
            kept(path).and_then(|()| self.check_leaving(path).map_err(|failure| failure.kind))
        };
        self.tour(target, &mut |met| match met {
            Met::Member(path, node) => leavings.note(path, leaving(path), node.length()),
            Met::Collection(path, _) => {
                let enters = match manner {
                    Manner::Partly => kept(path),
                    Manner::Wholly => leaving(path),
                };
                enters.map_or_else(|kind| leavings.stays(path, kind, true), |()| true)
            }
            Met::Shut(path, kind) => !is_too_deep(kind) && leavings.stays(path, kind, true),
            Met::End(path, true) => leavings.stays(path, FailureKind::Forbidden, false),
            Met::End(path, false) => {
                let goes = manner == Manner::Partly && path != target && !leavings.holds(path);
                goes && leavings.note_emptied(path, leaving(path))
            }
        })?;
        Ok(leavings)
    }

    /// Removes the tree at `target`, but for what stays of it.
    fn keep_only(&mut self, target: &ResourcePath, rest: &[Rest]) -> Result<(), Failure> {
        let mut kept = BTreeMap::new();
        for Rest { path, is_whole } in rest {
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
                // Something is there, also if it can't be looked at.
                let node = self.find(path).map(Cow::into_owned);
                let node = node.unwrap_or_else(|_| Node::new(Body::Special { link: false }));
                kept.insert(path.clone(), Some(node));
                let under = self.known_in(path);
                kept.extend(under.map(|(path, node)| (path.clone(), node.clone())));
            }
        }
        self.check_count(target, kept.len())?;
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
        self.check_count(source, copies.len())?;
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

    /// Refuses to know so many more.
    fn check_count(&self, path: &ResourcePath, more: usize) -> Result<(), Failure> {
        match self.ground.is_some() && self.known.len() + more > KNOWN_MAX {
            true => fail(FailureKind::Exhausted, path),
            false => Ok(()),
        }
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
        let mut bounds = PropertyBounds::new(&changes);
        for (name, value) in self.properties(target, &node)? {
            bounds.has((name.namespace(), name.local()), value.len());
        }
        bounds.check(target)?;
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
