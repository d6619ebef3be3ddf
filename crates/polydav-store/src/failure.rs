//! `Failure`: what went wrong with a step or a reading, in the words of a store.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ETag, ResourcePath};

/// What went wrong. Every kind has one status code, in the one map that `polydav-dav` owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FailureKind {
    /// Nothing lies at the path.
    NotFound,
    /// The collection the resource would be a member of doesn't exist, or is no collection.
    ParentMissing,
    /// Something lies where a new collection should be made.
    Exists,
    /// Something lies at the target, and the request forbids to replace it.
    TargetExists,
    /// The action can't be done to a collection.
    IsCollection,
    /// The action isn't one for this kind of resource: a record is made where files are, or the
    /// other way round.
    Unsuited,
    /// What is given can't be the content of the resource: a column is unknown, lacks a value, or
    /// has one that its type or a check doesn't allow.
    Invalid,
    /// What is given goes against other resources: the key of a record is taken, or one it refers
    /// to isn't there.
    Conflict,
    /// A condition of the request doesn't hold.
    Precondition,
    /// A lock, whose token wasn't submitted, covers the resource.
    Locked,
    /// The request conflicts with another lock (RFC 4918 §9.10.5).
    LockConflict,
    /// The token submitted for an UNLOCK or a refresh isn't a lock on this resource.
    NoSuchLock,
    /// The store, or the system under it, doesn't let us.
    Forbidden,
    /// Source and target are the same resource, or one lies within the other.
    Overlap,
    /// The store was opened for reading alone.
    ReadOnly,
    /// A name or path is longer than the store can hold.
    NameTooLong,
    /// Source and target belong to different stores.
    CrossStore,
    /// There is no space left, or a quota is used up.
    NoSpace,
    /// A bound of the server was reached, of the kind that only time or others can lift.
    Exhausted,
    /// Others kept the resources busy for too long; sending it again may succeed.
    Busy,
    /// It wasn't attempted: time was up, or the server is going down.
    NotAttempted,
    /// It wasn't attempted, or was undone, because another step failed.
    Dependency,
    /// The content ended before its announced length, or went beyond it.
    ContentLength,
    /// The store can't do this at all.
    Unsupported,
    /// Members failed; they are listed.
    Members,
    /// The system failed in a way that is nobody's wish.
    Internal,
}

/// What became of the resources a failed step was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Effect {
    /// They are as they were.
    #[default]
    None,
    /// Some of a tree was changed, the listed members weren't.
    Partial,
    /// They were changed, and put back as they were.
    RolledBack,
    /// It isn't known.
    Unknown,
}

/// Whether sending the same again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// No: the request asks for what can't be.
    Never,
    /// Only after the request was changed.
    Fix,
    /// After reading the resource's state anew.
    AfterRefresh,
    /// Yes: nothing was done.
    Safe,
}

impl FailureKind {
    /// Whether a step that failed so was tried at all.
    pub fn was_tried(self) -> bool {
        !matches!(self, Self::NotAttempted | Self::Dependency)
    }

    /// Whether sending the same again may help.
    pub fn retry(self) -> Retry {
        match self {
            Self::Precondition => Retry::AfterRefresh,
            Self::Busy | Self::NotAttempted | Self::Dependency => Retry::Safe,
            Self::ContentLength
            | Self::NotFound
            | Self::ParentMissing
            | Self::Exists
            | Self::TargetExists
            | Self::IsCollection
            | Self::Invalid
            | Self::Conflict
            | Self::Locked
            | Self::LockConflict
            | Self::NoSuchLock
            | Self::Members
            | Self::NameTooLong
            | Self::Overlap => Retry::Fix,
            Self::NoSpace | Self::Exhausted | Self::Internal => Retry::AfterRefresh,
            Self::Forbidden
            | Self::ReadOnly
            | Self::CrossStore
            | Self::Unsuited
            | Self::Unsupported => Retry::Never,
        }
    }
}

/// A member of a tree that could not be treated as the tree was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where it lies. For a member that couldn't be read: in the source.
    pub path: ResourcePath,
    /// Why.
    pub kind: FailureKind,
}

/// The failed members of a tree operation: at most [`Members::MAX`], and how many more there were.
///
/// Most failures have none; then it takes no more than a pointer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members(Option<Box<Told>>);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Told {
    list: Vec<Member>,
    untold: u64,
}

impl Members {
    /// The most members listed for one operation.
    pub const MAX: usize = 1_000;

    /// Notes a failed member; beyond [`Members::MAX`] it is only counted.
    pub fn push(&mut self, member: Member) {
        let told = self.0.get_or_insert_default();
        if told.list.len() < Self::MAX {
            told.list.push(member);
        } else {
            told.untold += 1;
        }
    }

    /// The members listed, in the order they were met.
    pub fn list(&self) -> &[Member] {
        self.0.as_ref().map_or(&[], |told| &told.list)
    }

    /// How many failed members aren't listed.
    pub fn untold(&self) -> u64 {
        self.0.as_ref().map_or(0, |told| told.untold)
    }

    /// Has what lay within `from` lie within `to`.
    fn rebase(&mut self, from: &ResourcePath, to: &ResourcePath) {
        for member in self.0.iter_mut().flat_map(|told| &mut told.list) {
            if let Some(there) = member.path.rebase(from, to) {
                member.path = there;
            }
        }
    }

    /// Whether no member failed.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl FromIterator<Member> for Members {
    fn from_iter<I: IntoIterator<Item = Member>>(members: I) -> Self {
        let mut all = Self::default();
        members.into_iter().for_each(|member| all.push(member));
        all
    }
}

/// What went wrong, where, and what became of it.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What went wrong.
    pub kind: FailureKind,
    /// With which resource: for a lock, its root; for a missing parent, the parent.
    pub path: ResourcePath,
    /// What became of the resources of the step.
    pub effect: Effect,
    /// The members of a tree that failed; with [`FailureKind::Members`] at least one.
    pub members: Members,
    /// The entity tag the resource has, where a condition on it failed.
    pub etag: Option<ETag>,
    /// The column of a record that is at fault, where it is one.
    pub column: Option<Box<str>>,
    /// A sentence for the client, in addition to what the kind says.
    pub detail: Option<Box<str>>,
    /// The cause below, for the log only.
    pub source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Failure {
    /// A failure that left everything as it was.
    pub fn new(kind: FailureKind, path: ResourcePath) -> Self {
        Self {
            kind,
            path,
            effect: Effect::None,
            members: Members::default(),
            etag: None,
            column: None,
            detail: None,
            source: None,
        }
    }

    /// Failed members of a tree; `changed` tells whether others were treated.
    pub fn of_members(path: ResourcePath, members: Members, changed: bool) -> Self {
        let effect = if changed { Effect::Partial } else { Effect::None };
        Self { members, effect, ..Self::new(FailureKind::Members, path) }
    }

    /// With the column that is at fault.
    pub fn with_column(self, column: impl Into<Box<str>>) -> Self {
        Self { column: Some(column.into()), ..self }
    }

    /// With a sentence for the client.
    pub fn with_detail(self, detail: impl Into<Box<str>>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// With the cause below it.
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(Arc::from(source.into())), ..self }
    }

    /// The same failure, where what lay within `from` lies within `to`.
    pub(crate) fn rebase(mut self, from: &ResourcePath, to: &ResourcePath) -> Self {
        self.members.rebase(from, to);
        let path = self.path.rebase(from, to).unwrap_or(self.path);
        Self { path, ..self }
    }

    /// With another effect.
    pub fn with_effect(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.kind, self.path)?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
