//! `Guard`: the conditions a step carries, as data, and how they are judged against a view.

use std::sync::Arc;
use std::time::SystemTime;

use crate::lock::{Lock, LockToken, LockView};
use crate::{Entry, Failure, FailureKind, ResourcePath};

/// On whose behalf a request acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Principal {
    /// Nobody in particular; all anonymous requests are one principal.
    #[default]
    Anonymous,
    /// Someone who proved this name.
    Named(Arc<str>),
}

/// Whether something at the target may be replaced (RFC 4918 §10.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// It is replaced.
    #[default]
    Replace,
    /// The step fails.
    Refuse,
}

/// The entity tags of `If-Match` or `If-None-Match` (RFC 9110 §13.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ETagMatch {
    /// `*`: any current representation.
    Any,
    /// One of these, without their quotes.
    OneOf(Vec<String>),
}

impl ETagMatch {
    fn matches(&self, entry: Option<&Entry>) -> bool {
        match (self, entry) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::OneOf(tags), Some(entry)) => {
                entry.etag.as_ref().is_some_and(|etag| tags.iter().any(|tag| tag == etag.as_str()))
            }
        }
    }
}

/// One list of an `If` header (RFC 4918 §10.4.2): all its conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfList {
    /// The resource they are about; `None` for the one the step is about.
    pub resource: Option<ResourcePath>,
    /// The conditions.
    pub conditions: Vec<Condition>,
}

/// One condition of an `If` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The resource is there, and covered by the lock with this token.
    Token(LockToken),
    /// The resource has this entity tag, given without its quotes.
    ETag(String),
    /// It can't hold: a tag of a resource that isn't ours, or a weak entity tag.
    Never,
    /// The condition does not hold (RFC 4918 §10.4.4).
    Not(Box<Condition>),
}

/// What a store sees right before a step: its entries, and the locks.
pub trait View {
    /// The resource at `path`, without its dead properties; `None` if there is none.
    ///
    /// # Errors
    /// A failure if the store can't tell, or won't.
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure>;

    /// The locks.
    fn locks(&self) -> &dyn LockView;
}

/// The conditions under which a step may act.
///
/// All must hold: `If` (RFC 4918 §10.4), the preconditions of RFC 9110 §13, and every lock that
/// covers what the step changes must be among the submitted tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guard {
    /// Who asks. A submitted token counts only if the lock was made by the same principal.
    pub principal: Principal,
    /// The submitted lock tokens: all that stand anywhere in `If`.
    pub tokens: Vec<LockToken>,
    /// The lists of `If`, of which one must hold; none at all is no condition.
    pub if_lists: Vec<IfList>,
    /// `If-Match`.
    pub if_match: Option<ETagMatch>,
    /// `If-None-Match`.
    pub if_none_match: Option<ETagMatch>,
    /// `If-Unmodified-Since`; not looked at beside `If-Match` (RFC 9110 §13.1.4).
    pub if_unmodified_since: Option<SystemTime>,
}

impl Guard {
    /// Whether the guard asks for anything beyond locks.
    pub fn is_conditional(&self) -> bool {
        !self.if_lists.is_empty()
            || self.if_match.is_some()
            || self.if_none_match.is_some()
            || self.if_unmodified_since.is_some()
    }

    /// Judges the conditions; `subject` is the resource the step is about, `entry` what is there.
    ///
    /// # Errors
    /// [`FailureKind::Precondition`] if one doesn't hold, or what the view failed with.
    pub fn judge(
        &self,
        view: &dyn View,
        subject: &ResourcePath,
        entry: Option<&Entry>,
    ) -> Result<(), Failure> {
        let refuse = |detail: &str| {
            let failure = Failure::new(FailureKind::Precondition, subject.clone());
            let etag = entry.and_then(|entry| entry.etag.clone());
            Err(Failure { etag, ..failure.with_detail(detail) })
        };
        if !self.if_lists.is_empty() && !self.any_list_holds(view, subject)? {
            return refuse("no list of the If header holds");
        }
        if let Some(tags) = &self.if_match
            && !tags.matches(entry)
        {
            return refuse(match entry.and_then(|entry| entry.etag.as_ref()) {
                Some(_) => "the entity tag is another one",
                None => "the resource has no entity tag",
            });
        }
        if let Some(tags) = &self.if_none_match
            && tags.matches(entry)
        {
            return refuse("the resource exists, and If-None-Match says it must not");
        }
        if let (Some(since), None, Some(entry)) = (self.if_unmodified_since, &self.if_match, entry)
            && seconds(entry.modified) > seconds(since)
        {
            return refuse("the resource was modified since");
        }
        Ok(())
    }

    fn any_list_holds(&self, view: &dyn View, subject: &ResourcePath) -> Result<bool, Failure> {
        for list in &self.if_lists {
            let resource = list.resource.as_ref().unwrap_or(subject);
            if all_hold(view, resource, &list.conditions)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether this guard's principal submitted the token of `lock`.
    pub fn holds(&self, lock: &Lock) -> bool {
        lock.principal == self.principal && self.tokens.contains(&lock.token)
    }

    /// Refuses unless a token was submitted for the locks that cover `path`; of several shared
    /// ones, a single token is enough (RFC 4918 §6.2).
    ///
    /// # Errors
    /// [`FailureKind::Locked`] with the root of the lock.
    pub fn unlock(&self, locks: &dyn LockView, path: &ResourcePath) -> Result<(), Failure> {
        let covering = locks.covering(path);
        match covering.first() {
            Some(lock) if !covering.iter().any(|lock| self.holds(lock)) => {
                Err(Failure::new(FailureKind::Locked, lock.root.clone()))
            }
            _ => Ok(()),
        }
    }

    /// The roots of the locks strictly under `path` whose tokens weren't submitted.
    pub fn locked_under(&self, locks: &dyn LockView, path: &ResourcePath) -> Vec<ResourcePath> {
        let mut roots: Vec<ResourcePath> = Vec::new();
        for lock in locks.rooted_under(path) {
            let inside = roots.last().is_some_and(|root| root.contains(&lock.root));
            if !inside && self.unlock(locks, &lock.root).is_err() {
                roots.push(lock.root.clone());
            }
        }
        roots
    }
}

fn all_hold(
    view: &dyn View,
    resource: &ResourcePath,
    conditions: &[Condition],
) -> Result<bool, Failure> {
    for condition in conditions {
        if !condition_holds(view, resource, condition)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn condition_holds(
    view: &dyn View,
    resource: &ResourcePath,
    condition: &Condition,
) -> Result<bool, Failure> {
    Ok(match condition {
        // In the scope of the lock, and there: §10.4.4 has nothing match on an unmapped URL.
        Condition::Token(token) => {
            view.locks().covering(resource).iter().any(|lock| lock.token == *token)
                && view.entry(resource)?.is_some()
        }
        Condition::ETag(tag) => view
            .entry(resource)?
            .and_then(|entry| entry.etag)
            .is_some_and(|etag| etag.as_str() == tag),
        Condition::Never => false,
        Condition::Not(condition) => !condition_holds(view, resource, condition)?,
    })
}

/// HTTP dates have no more than seconds.
fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}
