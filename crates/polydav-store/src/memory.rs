//! `MemoryStore`: a store that lasts as long as the process, and the model others are held
//! against.
//!
//! It is written to be obviously right, not to be fast. Of several reasons to refuse a step, the
//! first of these is told, here and by every store:
//!
//! 1. what [`Step::open`] finds: its needs, the shape of the step, its conditions, the locks;
//! 2. [`FailureKind::NotFound`]: there is no subject, or no source;
//! 3. [`FailureKind::ParentMissing`]: the target would be a member of nothing;
//! 4. [`FailureKind::TargetExists`], [`FailureKind::Exists`], [`FailureKind::IsCollection`]: what
//!    lies at the target is in the way.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use crate::guard::{Overwrite, View};
use crate::lock::{LocksOfRun, at_stake};
use crate::run::{Course, Done, Outcome, Report, Run};
use crate::step::{Action, Content, Depth, Permit, Step};
use crate::store::{
    Broken, Capabilities, ReadAt, Reading, Space, Stage, Staged, Store, Visit, Walk, WalkDepth,
};
use crate::{
    ETag, Entry, Failure, FailureKind, Kind, LockView, Member, Members, Property, PropertyChange,
    PropertyName, ResourcePath, Select,
};

/// A store in memory: files, collections, dead properties. Each step is its own commit.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tree: Mutex<Tree>,
}

impl MemoryStore {
    /// An empty store: there is a root, and nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn capabilities(&self, _: &ResourcePath) -> Capabilities {
        Capabilities::ALL
    }

    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        Ok(self.tree().find(path)?.entry(path, select))
    }

    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        // Collected before, so that `visit` may ask the store.
        let visits = self.tree().walk(root, walk)?;
        for met in visits {
            if visit(met).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        let tree = self.tree();
        let node = tree.find(path)?;
        let Body::File { content, .. } = &node.body else {
            return fail(FailureKind::IsCollection, path);
        };
        let content = Arc::new(MemoryContent(content.clone()));
        Ok(Reading { entry: node.entry(path, &Select::None), content })
    }

    fn stage(&self, _: &ResourcePath, _: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        Ok(Box::<MemoryStage>::default())
    }

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        let is_gone = |tree: &Tree, path: &ResourcePath| !tree.nodes.contains_key(path);
        apply_to(&self.tree, run, (locks, is_gone), report, Tree::perform);
        Ok(())
    }

    fn space(&self, _: &ResourcePath) -> Result<Option<Space>, Failure> {
        Ok(None)
    }

    /// Another one that holds the same.
    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Store>, Failure> {
        Ok(Arc::new(Self { tree: Mutex::new(self.tree().clone()) }))
    }
}

/// Applies a run to what is held in memory. Each step is its own commit; but where all or none are to
/// be done, nobody sees anything of it before it is known which.
pub(crate) fn apply_to<T: Clone>(
    held: &Mutex<T>,
    run: Run,
    (locks, is_gone): (&dyn LockView, impl Fn(&T, &ResourcePath) -> bool),
    report: &mut dyn Report,
    mut perform: impl FnMut(&mut T, Step, &dyn LockView) -> Outcome,
) {
    let lock = || held.lock().unwrap_or_else(PoisonError::into_inner);
    let mut course = Course::of(&run);
    if !course.undoes_all() {
        for step in run.steps {
            let index = step.index();
            let outcome = course.attempt(step, |step| perform(&mut lock(), step, locks));
            report.outcome(index, outcome);
        }
        return;
    }
    let mut all = lock();
    let before = all.clone();
    let locks = LocksOfRun::new(locks);
    let mut outcomes = Vec::with_capacity(run.steps.len());
    for step in run.steps {
        let (index, subject) = (step.index(), step.subject().clone());
        let at_stake = at_stake(&locks, &step);
        let outcome = course.attempt(step, |step| perform(&mut all, step, &locks));
        locks.end(at_stake, |root| is_gone(&all, root));
        outcomes.push((index, subject, outcome));
    }
    if course.undoes() {
        *all = before;
    }
    drop(all);
    for (index, subject, outcome) in outcomes {
        let outcome = if course.undoes() { course.undone(outcome, &subject) } else { outcome };
        report.outcome(index, outcome);
    }
}

/// All there is, by path; the root is always there.
#[derive(Debug, Clone)]
struct Tree {
    nodes: BTreeMap<ResourcePath, Node>,
    etags: u64,
}

#[derive(Debug, Clone)]
struct Node {
    body: Body,
    modified: SystemTime,
    created: SystemTime,
    properties: BTreeMap<PropertyName, Bytes>,
}

#[derive(Debug, Clone)]
enum Body {
    Collection,
    File { content: Bytes, etag: ETag },
}

impl Default for Tree {
    fn default() -> Self {
        let root = Node::new(Body::Collection);
        Self { nodes: BTreeMap::from([(ResourcePath::root(), root)]), etags: 0 }
    }
}

impl Node {
    fn new(body: Body) -> Self {
        let now = SystemTime::now();
        Self { body, modified: now, created: now, properties: BTreeMap::new() }
    }

    fn is_collection(&self) -> bool {
        matches!(self.body, Body::Collection)
    }

    fn entry(&self, path: &ResourcePath, select: &Select) -> Entry {
        let (kind, length, etag) = match &self.body {
            Body::Collection => (Kind::Collection, 0, None),
            Body::File { content, etag } => (Kind::File, content.len() as u64, Some(etag.clone())),
        };
        let property = |(name, value): (&PropertyName, &Bytes)| {
            select.pick(&Property { name: name.clone(), value: value.clone() })
        };
        Entry {
            path: path.clone(),
            kind,
            length,
            modified: Some(self.modified),
            created: Some(self.created),
            etag,
            link: false,
            record: false,
            columns: Vec::new(),
            properties: self.properties.iter().filter_map(property).collect(),
        }
    }
}

/// Looking.
impl Tree {
    fn find(&self, path: &ResourcePath) -> Result<&Node, Failure> {
        match self.nodes.get(path) {
            Some(node) => Ok(node),
            None => fail(FailureKind::NotFound, path),
        }
    }

    fn under(&self, root: &ResourcePath) -> impl Iterator<Item = (&ResourcePath, &Node)> {
        let from = (Bound::Excluded(root), Bound::Unbounded);
        self.nodes.range(from).take_while(|(path, _)| root.is_above(path))
    }

    fn walk(&self, root: &ResourcePath, walk: &Walk) -> Result<Vec<Visit>, Failure> {
        self.find(root)?;
        let mut visits = Vec::new();
        let mut cut: Option<&ResourcePath> = None;
        for (path, node) in self.under(root) {
            let entry = || node.entry(path, &walk.select);
            match walk.depth {
                WalkDepth::One if path.parent().as_ref() == Some(root) => {
                    visits.push(Visit::Entry(entry()));
                }
                WalkDepth::One => {}
                WalkDepth::Infinity { .. } if cut.is_some_and(|cut| cut.is_above(path)) => {}
                WalkDepth::Infinity { budget }
                    if node.is_collection() && visits.len() as u64 >= budget =>
                {
                    cut = Some(path);
                    visits.push(Visit::Cut(entry()));
                }
                WalkDepth::Infinity { .. } => visits.push(Visit::Entry(entry())),
            }
        }
        Ok(visits)
    }
}

/// Changing.
impl Tree {
    fn perform(&mut self, step: Step, locks: &dyn LockView) -> Outcome {
        let Permit { action, except } = step.open(&Live { tree: self, locks })?;
        match action {
            Action::Put { target, content, modified } => self.put(&target, content, modified),
            Action::MakeCollection { target } => self.make_collection(&target),
            Action::Remove { target } => self.remove(&target, &except),
            Action::Copy { source, target, depth, overwrite } => {
                let created = self.make_way(&source, &target, overwrite)?;
                self.copy(&source, &target, depth);
                Ok(Done { created, ..Done::default() })
            }
            Action::Rename { source, target, overwrite } => {
                let created = self.make_way(&source, &target, overwrite)?;
                self.rename(&source, &target);
                Ok(Done { created, ..Done::default() })
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
    ) -> Outcome {
        self.check_parent(target)?;
        if self.nodes.get(target).is_some_and(Node::is_collection) {
            return fail(FailureKind::IsCollection, target);
        }
        let content = bytes_of(content, target)?;
        let etag = self.next_etag();
        let created = !self.nodes.contains_key(target);
        let body = Body::File { content, etag: etag.clone() };
        let node = self.nodes.entry(target.clone()).or_insert_with(|| Node::new(body.clone()));
        node.body = body;
        node.modified = modified.unwrap_or_else(SystemTime::now);
        Ok(Done { created, etag: Some(etag), ..Done::default() })
    }

    fn make_collection(&mut self, target: &ResourcePath) -> Outcome {
        self.check_parent(target)?;
        if self.nodes.contains_key(target) {
            return fail(FailureKind::Exists, target);
        }
        self.nodes.insert(target.clone(), Node::new(Body::Collection));
        Ok(Done { created: true, ..Done::default() })
    }

    /// Removes the tree at `target`, but for the trees at `except` and the collections they lie
    /// in. A lock on what isn't there keeps nothing.
    fn remove(&mut self, target: &ResourcePath, except: &[ResourcePath]) -> Outcome {
        self.find(target)?;
        let kept: Vec<_> = except.iter().filter(|path| self.nodes.contains_key(path)).collect();
        let before = self.nodes.len();
        self.nodes.retain(|path, _| {
            !target.contains(path) || kept.iter().any(|kept| kept.overlaps(path))
        });
        if kept.is_empty() {
            return Ok(Done::default());
        }
        let changed = self.nodes.len() < before;
        let member = |path: &ResourcePath| Member { path: path.clone(), kind: FailureKind::Locked };
        let members: Members = kept.into_iter().map(member).collect();
        Err(Failure::of_members(target.clone(), members, changed))
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
        let free = !self.nodes.contains_key(target);
        if !free && overwrite == Overwrite::Refuse {
            return fail(FailureKind::TargetExists, target);
        }
        Ok(free)
    }

    fn copy(&mut self, source: &ResourcePath, target: &ResourcePath, depth: Depth) {
        let wanted = |path: &ResourcePath| match depth {
            Depth::Zero => path == source,
            Depth::Infinity => source.contains(path),
        };
        let originals: Vec<_> = self
            .nodes
            .iter()
            .filter(|(path, _)| wanted(path))
            .map(|(path, node)| (path.clone(), node.clone()))
            .collect();
        self.take(target);
        for (path, original) in originals {
            let mut node = Node::new(original.body);
            node.properties = original.properties;
            if let Body::File { etag, .. } = &mut node.body {
                *etag = self.next_etag();
            }
            self.nodes.extend(path.rebase(source, target).map(|path| (path, node)));
        }
    }

    fn rename(&mut self, source: &ResourcePath, target: &ResourcePath) {
        self.take(target);
        for (path, node) in self.take(source) {
            self.nodes.extend(path.rebase(source, target).map(|path| (path, node)));
        }
    }

    fn patch(&mut self, target: &ResourcePath, changes: Vec<PropertyChange>) -> Outcome {
        let Some(node) = self.nodes.get_mut(target) else {
            return fail(FailureKind::NotFound, target);
        };
        let bytes =
            |(name, value): (&PropertyName, &Bytes)| (name.clone(), name.bytes() + value.len());
        let before = node.properties.iter().map(bytes).collect();
        PropertyChange::check_bounds(target, &before, &changes)?;
        for change in changes {
            match change {
                PropertyChange::Set(Property { name, value }) => {
                    node.properties.insert(name, value);
                }
                PropertyChange::Remove(name) => {
                    node.properties.remove(&name);
                }
            }
        }
        Ok(Done::default())
    }

    /// Takes out the tree at `root`.
    fn take(&mut self, root: &ResourcePath) -> BTreeMap<ResourcePath, Node> {
        self.nodes.extract_if(.., |path, _| root.contains(path)).collect()
    }

    fn check_parent(&self, target: &ResourcePath) -> Result<(), Failure> {
        match target.parent() {
            Some(parent) if !self.nodes.get(&parent).is_some_and(Node::is_collection) => {
                fail(FailureKind::ParentMissing, &parent)
            }
            _ => Ok(()),
        }
    }

    fn next_etag(&mut self) -> ETag {
        self.etags += 1;
        ETag::new(self.etags.to_string())
    }
}

fn fail<T>(kind: FailureKind, path: &ResourcePath) -> Result<T, Failure> {
    Err(Failure::new(kind, path.clone()))
}

fn bytes_of(content: Content, target: &ResourcePath) -> Result<Bytes, Failure> {
    match content {
        Content::Inline(bytes) => Ok(bytes),
        Content::Record(_) => fail(FailureKind::Unsuited, target),
        Content::Staged(staged) => match staged.handle.downcast::<MemoryStaged>() {
            Ok(staged) => Ok(staged.0),
            Err(_) => Err(Failure::new(FailureKind::Internal, target.clone())
                .with_source("the content was staged in another store")),
        },
    }
}

/// What steps are opened against.
struct Live<'a> {
    tree: &'a Tree,
    locks: &'a dyn LockView,
}

impl View for Live<'_> {
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        Ok(self.tree.nodes.get(path).map(|node| node.entry(path, &Select::None)))
    }

    fn locks(&self) -> &dyn LockView {
        self.locks
    }
}

#[derive(Debug, Default)]
struct MemoryStage(Vec<u8>);

struct MemoryStaged(Bytes);

impl Stage for MemoryStage {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Staged, Failure> {
        let length = self.0.len() as u64;
        Ok(Staged { length, handle: Box::new(MemoryStaged(self.0.into())) })
    }
}

pub(crate) struct MemoryContent(pub(crate) Bytes);

impl ReadAt for MemoryContent {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Failure> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let length = buffer.len().min(self.0.len() - start);
        buffer[..length].copy_from_slice(&self.0[start..start + length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cancel, Durability, Guard, NoLocks, OnFailure, RunId};

    #[test]
    fn what_is_put_is_read() {
        let store = MemoryStore::new();
        let target = ResourcePath::parse("a").unwrap();
        let content = Content::Inline(Bytes::from_static(b"hello"));
        let put = Action::Put { target: target.clone(), content, modified: None };
        let run = Run {
            id: RunId(1),
            steps: vec![Step::new(7, Guard::default(), put)],
            on_failure: OnFailure::Continue,
            durability: Durability::Full,
            cancel: Cancel::never(),
        };
        let mut told = Vec::new();
        store.apply(run, &NoLocks, &mut |index, outcome| told.push((index, outcome))).unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].0, 7);
        assert!(told[0].1.as_ref().unwrap().created);
        let mut buffer = [0; 9];
        let read = store.read(&target).unwrap().content.read_at(&mut buffer, 1).unwrap();
        assert_eq!(&buffer[..read], b"ello");
    }
}
