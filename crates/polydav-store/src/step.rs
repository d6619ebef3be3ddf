//! `Step`: one guarded change. Opening it is the only way to its action.

use std::time::SystemTime;

use bytes::Bytes;

use crate::guard::{Guard, Overwrite, View};
use crate::store::Staged;
use crate::{Entry, Failure, FailureKind, Member, Members, PropertyChange, ResourcePath};

/// How deep a COPY goes (RFC 4918 §9.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// A collection without its members.
    Zero,
    /// The whole tree.
    #[default]
    Infinity,
}

/// The content of a PUT.
#[derive(Debug)]
pub enum Content {
    /// Small enough to be held in memory.
    Inline(Bytes),
    /// Already in the store's staging.
    Staged(Staged),
}

/// A change to resources, in the store's own terms.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Make a file, or replace the content of one; its dead properties stay.
    Put {
        /// The file.
        target: ResourcePath,
        /// Its content.
        content: Content,
        /// The modification time it gets; `None` for now.
        modified: Option<SystemTime>,
    },
    /// Make an empty collection.
    MakeCollection {
        /// The collection.
        target: ResourcePath,
    },
    /// Remove a resource, a collection with all its members.
    Remove {
        /// The resource.
        target: ResourcePath,
    },
    /// Duplicate a resource with its dead properties.
    Copy {
        /// What is duplicated.
        source: ResourcePath,
        /// What the duplicate becomes.
        target: ResourcePath,
        /// How much of a collection.
        depth: Depth,
        /// Whether something at the target is replaced.
        overwrite: Overwrite,
    },
    /// Move a resource with its dead properties.
    Rename {
        /// What is moved.
        source: ResourcePath,
        /// What it becomes.
        target: ResourcePath,
        /// Whether something at the target is replaced.
        overwrite: Overwrite,
    },
    /// Change dead properties: all of them, or none (RFC 4918 §9.2).
    Patch {
        /// Whose properties.
        target: ResourcePath,
        /// The instructions, in order.
        changes: Vec<PropertyChange>,
    },
}

impl Action {
    /// The resource the request is about: its Request-URI, or a batch item's href.
    pub fn subject(&self) -> &ResourcePath {
        match self {
            Self::Put { target, .. }
            | Self::MakeCollection { target }
            | Self::Remove { target }
            | Self::Patch { target, .. } => target,
            Self::Copy { source, .. } | Self::Rename { source, .. } => source,
        }
    }

    /// The trees in which something may change.
    pub fn changes(&self) -> impl Iterator<Item = &ResourcePath> {
        let (first, second) = match self {
            Self::Put { target, .. }
            | Self::MakeCollection { target }
            | Self::Remove { target }
            | Self::Patch { target, .. }
            | Self::Copy { target, .. } => (target, None),
            Self::Rename { source, target, .. } => (source, Some(target)),
        };
        std::iter::once(first).chain(second)
    }

    /// The trees that must not change meanwhile: those it changes, and the source of a copy.
    pub fn claims(&self) -> impl Iterator<Item = &ResourcePath> {
        let source = match self {
            Self::Copy { source, .. } => Some(source),
            _ => None,
        };
        self.changes().chain(source)
    }

    /// The trees whose members, and for the first of a removal or move the root, may be gone
    /// afterwards; locks on what is gone end with it.
    pub fn vacates(&self) -> impl Iterator<Item = &ResourcePath> {
        let (first, second) = match self {
            Self::Put { .. } | Self::MakeCollection { .. } | Self::Patch { .. } => (None, None),
            Self::Remove { target } | Self::Copy { target, .. } => (Some(target), None),
            Self::Rename { source, target, .. } => (Some(source), Some(target)),
        };
        first.into_iter().chain(second)
    }

    /// Whether it works only on a resource that is there.
    fn needs_subject(&self) -> bool {
        !matches!(self, Self::Put { .. } | Self::MakeCollection { .. })
    }
}

/// One change and the conditions under which it may happen.
#[derive(Debug)]
pub struct Step {
    index: usize,
    guard: Guard,
    action: Action,
}

/// Leave to act: what [`Step::open`] gives.
#[derive(Debug)]
pub struct Permit {
    /// What to do.
    pub action: Action,
    /// The roots of trees below the target of a removal that must be left alone, because they are
    /// locked. The store reports each as a failed member, and keeps the collections they lie in.
    pub except: Vec<ResourcePath>,
}

impl Step {
    /// A step; `index` is what its outcome is reported under.
    pub fn new(index: usize, guard: Guard, action: Action) -> Self {
        Self { index, guard, action }
    }

    /// What its outcome is reported under.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The resource the request is about.
    pub fn subject(&self) -> &ResourcePath {
        self.action.subject()
    }

    /// The trees that must not change while it runs.
    pub fn claims(&self) -> impl Iterator<Item = &ResourcePath> {
        self.action.claims()
    }

    /// The trees whose locks may end with it.
    pub fn vacates(&self) -> impl Iterator<Item = &ResourcePath> {
        self.action.vacates()
    }

    /// The resources beside its own that its conditions look at (the tags of an `If` header). A
    /// step must be opened after the steps before it that change one of them.
    pub fn watches(&self) -> impl Iterator<Item = &ResourcePath> {
        self.guard.if_lists.iter().filter_map(|list| list.resource.as_ref())
    }

    /// The paths at or under which it may change something.
    pub fn changes(&self) -> impl Iterator<Item = &ResourcePath> {
        self.action.changes()
    }

    /// Checks the guard against what the store sees right now.
    ///
    /// What the check doesn't decide, because the store's own act decides it best, is left to the
    /// store: whether source and parent exist, and whether something is at the target.
    ///
    /// # Errors
    /// Why the step must not be done; nothing was changed.
    pub fn open(self, view: &dyn View) -> Result<Permit, Failure> {
        check_shape(&self.action)?;
        if self.guard.is_conditional() {
            let subject = self.action.subject();
            let entry = view.entry(subject)?;
            if entry.is_none() && self.action.needs_subject() {
                return Err(Failure::new(FailureKind::NotFound, subject.clone()));
            }
            self.guard.judge(view, subject, entry.as_ref())?;
        }
        let except = if view.locks().is_empty() {
            Vec::new()
        } else {
            check_locks(&self.guard, &self.action, view)?
        };
        Ok(Permit { action: self.action, except })
    }

    /// Gives up the step, and with it its staged content.
    pub fn discard(self) {}
}

/// The rules that need no look at the store.
fn check_shape(action: &Action) -> Result<(), Failure> {
    let fail = |kind, path: &ResourcePath, detail: &str| {
        Err(Failure::new(kind, path.clone()).with_detail(detail))
    };
    match action {
        Action::Put { target, .. } if target.is_root() => {
            fail(FailureKind::IsCollection, target, "the root is a collection")
        }
        Action::MakeCollection { target } if target.is_root() => {
            fail(FailureKind::Exists, target, "the root is a collection already")
        }
        Action::Remove { target } if target.is_root() => {
            fail(FailureKind::Forbidden, target, "the root can't be removed")
        }
        Action::Copy { source, target, .. } | Action::Rename { source, target, .. }
            if source == target =>
        {
            fail(FailureKind::Overlap, source, "source and target are the same resource")
        }
        Action::Rename { source, target, .. } if source.overlaps(target) => {
            fail(FailureKind::Overlap, target, "one of source and target lies within the other")
        }
        Action::Copy { source, target, depth, .. }
            if target.is_above(source)
                || (source.is_above(target) && *depth == Depth::Infinity) =>
        {
            fail(FailureKind::Overlap, target, "one of source and target lies within the other")
        }
        _ => Ok(()),
    }
}

/// Checks the locks on all the action changes (RFC 4918 §7); returns what a removal must leave.
fn check_locks(
    guard: &Guard,
    action: &Action,
    view: &dyn View,
) -> Result<Vec<ResourcePath>, Failure> {
    match action {
        Action::Put { target, .. } | Action::MakeCollection { target } => {
            check_target(guard, view, target)?;
        }
        Action::Patch { target, .. } => guard.unlock(view.locks(), target)?,
        Action::Copy { target, .. } => check_replaced(guard, view, target)?,
        Action::Rename { source, target, .. } => {
            check_removed(guard, view, source)?;
            refuse_locked_under(guard, view, source)?;
            // What is replaced is removed first (RFC 4918 §9.9.3): that too changes the collection.
            check_removed(guard, view, target)?;
            check_replaced(guard, view, target)?;
        }
        Action::Remove { target } => {
            check_removed(guard, view, target)?;
            return Ok(guard.locked_under(view.locks(), target));
        }
    }
    Ok(Vec::new())
}

/// A resource that is made or changed; making it also changes the collection it becomes a member
/// of (RFC 4918 §7.4).
fn check_target(
    guard: &Guard,
    view: &dyn View,
    target: &ResourcePath,
) -> Result<Option<Entry>, Failure> {
    guard.unlock(view.locks(), target)?;
    let entry = view.entry(target)?;
    if entry.is_none()
        && let Some(parent) = target.parent()
    {
        guard.unlock(view.locks(), &parent)?;
    }
    Ok(entry)
}

fn check_replaced(guard: &Guard, view: &dyn View, target: &ResourcePath) -> Result<(), Failure> {
    match check_target(guard, view, target)? {
        Some(_) => refuse_locked_under(guard, view, target),
        None => Ok(()),
    }
}

fn check_removed(guard: &Guard, view: &dyn View, target: &ResourcePath) -> Result<(), Failure> {
    guard.unlock(view.locks(), target)?;
    target.parent().map_or(Ok(()), |parent| guard.unlock(view.locks(), &parent))
}

/// A tree is moved or replaced as a whole: a locked member forbids all of it.
fn refuse_locked_under(guard: &Guard, view: &dyn View, root: &ResourcePath) -> Result<(), Failure> {
    let locked = guard.locked_under(view.locks(), root);
    if locked.is_empty() {
        return Ok(());
    }
    let member = |path| Member { path, kind: FailureKind::Locked };
    let members: Members = locked.into_iter().map(member).collect();
    Err(Failure::of_members(root.clone(), members, false))
}
