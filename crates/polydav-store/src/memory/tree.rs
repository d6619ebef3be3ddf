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

use bytes::Bytes;

use super::MemoryContent;
use super::ground::Ground;
use super::node::{Body, Node, Origin};
use crate::store::{ReadAt, Reading, Visit, Walk, WalkDepth};
use crate::{Entry, Failure, FailureKind, Property, PropertyName, ResourcePath, Select};

/// All there is, by path. Without a ground, the root is always known.
#[derive(Clone)]
pub(super) struct Tree {
    /// What is known; `None` where nothing is, whatever the ground has there.
    pub(super) known: BTreeMap<ResourcePath, Option<Node>>,
    /// How many entity tags and copies were made.
    pub(super) made: u64,
    pub(super) ground: Option<Arc<dyn Ground>>,
    pub(super) room: Room,
}

/// The bytes that were taken of the ground's space, and given back.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Room {
    pub(super) taken: u64,
    pub(super) freed: u64,
}

/// What a tour of a tree meets.
pub(super) enum Met<'a> {
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
    pub(super) fn get(&self, path: &ResourcePath) -> Result<Option<Cow<'_, Node>>, Failure> {
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

    pub(super) fn find(&self, path: &ResourcePath) -> Result<Cow<'_, Node>, Failure> {
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
    pub(super) fn itself(&self, path: &ResourcePath) -> Option<ResourcePath> {
        let origin = match self.known.get(path) {
            Some(known) => known.as_ref()?.origin.clone(),
            None => self.origin(path),
        };
        origin.filter(|origin| origin.copy == 0).map(|origin| origin.path)
    }

    /// What is known at and under `root`.
    pub(super) fn known_in(
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
    pub(super) fn see(
        &self,
        path: &ResourcePath,
        select: &Select,
    ) -> Result<Option<Entry>, Failure> {
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

    pub(super) fn properties(
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
    pub(super) fn tour(
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

pub(super) fn fail<T>(kind: FailureKind, path: &ResourcePath) -> Result<T, Failure> {
    Err(Failure::new(kind, path.clone()))
}
