//! Writing steps and locks tersely.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::{
    Action, Condition, Content, Depth, ETagMatch, Field, Fields, Guard, IfList, Lock, LockDepth,
    LockScope, LockTable, LockToken, LockView, Overwrite, Principal, Property, PropertyChange,
    PropertyName, ResourcePath, Step, Value,
};

/// The path of these segments, joined by slashes; the empty string is the root.
///
/// # Panics
/// If they are no path.
pub fn path(joined: impl AsRef<[u8]>) -> ResourcePath {
    ResourcePath::parse(joined).expect("a test writes valid paths")
}

/// The property of this local name, in a namespace of tests.
pub fn name(local: &str) -> PropertyName {
    PropertyName::new("urn:kit", local)
}

/// A step that has no index yet.
#[derive(Debug)]
pub struct Draft {
    /// Its guard.
    pub guard: Guard,
    /// Its action.
    pub action: Action,
    /// The indices of the steps it needs.
    pub needs: Vec<usize>,
}

impl From<Action> for Draft {
    fn from(action: Action) -> Self {
        Self { guard: Guard::default(), action, needs: Vec::new() }
    }
}

/// Puts a file.
pub fn put(target: impl AsRef<[u8]>, content: impl Into<Bytes>) -> Draft {
    put_content(target, Content::Inline(content.into()))
}

/// Puts a file with content that may be staged.
pub fn put_content(target: impl AsRef<[u8]>, content: Content) -> Draft {
    Action::Put { target: path(target), content, modified: None }.into()
}

/// Puts a record with these columns.
pub fn put_record<'a>(
    target: impl AsRef<[u8]>,
    record: impl IntoIterator<Item = (&'a str, Value)>,
) -> Draft {
    put_content(target, Content::Record(fields(record)))
}

/// Adds a record to a collection.
pub fn add<'a>(
    collection: impl AsRef<[u8]>,
    record: impl IntoIterator<Item = (&'a str, Value)>,
) -> Draft {
    Action::add(path(collection), fields(record)).into()
}

/// Updates columns of a record.
pub fn update<'a>(
    target: impl AsRef<[u8]>,
    record: impl IntoIterator<Item = (&'a str, Value)>,
) -> Draft {
    Action::Update { target: path(target), record: fields(record) }.into()
}

/// Columns, by name.
pub fn fields<'a>(record: impl IntoIterator<Item = (&'a str, Value)>) -> Fields {
    let field = |(name, value): (&str, Value)| Field { name: name.into(), value };
    record.into_iter().map(field).collect()
}

/// A value as text.
pub fn text(value: &str) -> Value {
    Value::Text(value.into())
}

/// A value as JSON.
pub fn json(value: &str) -> Value {
    Value::Json(value.into())
}

/// The key of the record that the step of this index adds.
pub fn added(index: usize) -> Value {
    Value::Added(index)
}

/// Makes a collection.
pub fn mkcol(target: impl AsRef<[u8]>) -> Draft {
    Action::MakeCollection { target: path(target) }.into()
}

/// Removes a resource.
pub fn remove(target: impl AsRef<[u8]>) -> Draft {
    Action::Remove { target: path(target) }.into()
}

/// Copies a tree, replacing what is at the target.
pub fn copy(source: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Draft {
    let (source, target) = (path(source), path(target));
    Action::Copy { source, target, depth: Depth::Infinity, overwrite: Overwrite::Replace }.into()
}

/// Copies a resource without its members, replacing what is at the target.
pub fn copy_alone(source: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Draft {
    let (source, target) = (path(source), path(target));
    Action::Copy { source, target, depth: Depth::Zero, overwrite: Overwrite::Replace }.into()
}

/// Moves a resource, replacing what is at the target.
pub fn rename(source: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Draft {
    let (source, target) = (path(source), path(target));
    Action::Rename { source, target, overwrite: Overwrite::Replace }.into()
}

/// Changes properties.
pub fn patch(target: impl AsRef<[u8]>, changes: impl IntoIterator<Item = PropertyChange>) -> Draft {
    Action::Patch { target: path(target), changes: changes.into_iter().collect() }.into()
}

/// Sets the property [`name`]`(local)`.
pub fn set(local: &str, value: impl Into<Bytes>) -> PropertyChange {
    PropertyChange::Set(Property { name: name(local), value: value.into() })
}

/// Removes the property [`name`]`(local)`.
pub fn unset(local: &str) -> PropertyChange {
    PropertyChange::Remove(name(local))
}

impl Draft {
    /// The step, reported under this index.
    pub fn step(self, index: usize) -> Step {
        Step::new(index, self.guard, self.action).needing(self.needs)
    }

    /// Done only if the steps of these indices succeeded.
    #[must_use]
    pub fn needing(mut self, others: impl IntoIterator<Item = usize>) -> Self {
        self.needs.extend(others);
        self
    }

    /// A copy or move that replaces nothing.
    #[must_use]
    pub fn refuse(mut self) -> Self {
        if let Action::Copy { overwrite, .. } | Action::Rename { overwrite, .. } = &mut self.action
        {
            *overwrite = Overwrite::Refuse;
        }
        self
    }

    /// A put that sets the modification time.
    #[must_use]
    pub fn modified(mut self, time: SystemTime) -> Self {
        if let Action::Put { modified, .. } = &mut self.action {
            *modified = Some(time);
        }
        self
    }

    /// On behalf of this principal, instead of an anonymous one.
    #[must_use]
    pub fn by(mut self, principal: &str) -> Self {
        self.guard.principal = Principal::Named(principal.into());
        self
    }

    /// With this lock token submitted.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.guard.tokens.extend([LockToken::new(token)]);
        self
    }

    /// With one more list of `If`, about the subject itself.
    #[must_use]
    pub fn when(self, conditions: impl IntoIterator<Item = Condition>) -> Self {
        self.when_list(None, conditions)
    }

    /// With one more list of `If`, about another resource.
    #[must_use]
    pub fn when_at(
        self,
        resource: impl AsRef<[u8]>,
        conditions: impl IntoIterator<Item = Condition>,
    ) -> Self {
        self.when_list(Some(path(resource)), conditions)
    }

    fn when_list(
        mut self,
        resource: Option<ResourcePath>,
        conditions: impl IntoIterator<Item = Condition>,
    ) -> Self {
        let conditions = conditions.into_iter().collect();
        self.guard.if_lists.push(IfList { resource: resource.map(Arc::new), conditions });
        self
    }

    /// With `If-Match` of this tag, or of any if it is `*`.
    #[must_use]
    pub fn if_match(mut self, tag: &str) -> Self {
        self.guard.if_match = Some(tag_match(tag));
        self
    }

    /// With `If-None-Match` of this tag, or of any if it is `*`.
    #[must_use]
    pub fn if_none_match(mut self, tag: &str) -> Self {
        self.guard.if_none_match = Some(tag_match(tag));
        self
    }

    /// With `If-Unmodified-Since`.
    #[must_use]
    pub fn if_unmodified_since(mut self, time: SystemTime) -> Self {
        self.guard.if_unmodified_since = Some(time);
        self
    }
}

fn tag_match(tag: &str) -> ETagMatch {
    match tag {
        "*" => ETagMatch::Any,
        _ => ETagMatch::OneOf(vec![tag.to_owned()]),
    }
}

/// An exclusive lock of infinite depth, made by an anonymous principal.
pub fn lock(token: &str, root: impl AsRef<[u8]>) -> Lock {
    Lock {
        token: LockToken::new(token),
        root: path(root),
        scope: LockScope::Exclusive,
        depth: LockDepth::Infinity,
        owner: None,
        principal: Principal::Anonymous,
        expires: SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1),
    }
}

/// Locks that are held as long as this lives.
#[derive(Debug, Default)]
pub struct Held(LockTable);

/// Holds these locks.
pub fn held(locks: impl IntoIterator<Item = Lock>) -> Held {
    let mut table = LockTable::default();
    locks.into_iter().for_each(|lock| table.insert(lock));
    Held(table)
}

impl LockView for Held {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    fn covering(&self, path: &ResourcePath) -> Vec<Arc<Lock>> {
        self.0.covering(path, SystemTime::UNIX_EPOCH)
    }
    fn rooted_under(&self, path: &ResourcePath) -> Vec<Arc<Lock>> {
        self.0.rooted_under(path, SystemTime::UNIX_EPOCH)
    }
}
