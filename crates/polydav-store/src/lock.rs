//! Locks (RFC 4918 §6, §7): what one is, and the table that tells which cover a path.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use bytes::Bytes;

use crate::guard::Principal;
use crate::{ResourcePath, Step};

/// The token of a lock: an absolute URI (RFC 4918 §6.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LockToken(Arc<str>);

impl LockToken {
    /// The token with this URI.
    pub fn new(uri: impl Into<Arc<str>>) -> Self {
        Self(uri.into())
    }

    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LockToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether others may lock the same resource (RFC 4918 §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockScope {
    /// No other lock beside it.
    Exclusive,
    /// Other shared locks beside it.
    Shared,
}

/// What a lock on a collection covers (RFC 4918 §9.10.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockDepth {
    /// The resource itself; of a collection also which members it has.
    Zero,
    /// Everything under it too.
    Infinity,
}

/// A write lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Its token.
    pub token: LockToken,
    /// The resource that was asked to be locked.
    pub root: ResourcePath,
    /// Exclusive or shared.
    pub scope: LockScope,
    /// What it covers.
    pub depth: LockDepth,
    /// The content of `DAV:owner` as the client gave it, an XML element; opaque here.
    pub owner: Option<Bytes>,
    /// Who may use it.
    pub principal: Principal,
    /// When it ends by itself.
    pub expires: SystemTime,
}

impl Lock {
    /// Whether it covers the resource at `path`.
    pub fn covers(&self, path: &ResourcePath) -> bool {
        match self.depth {
            LockDepth::Zero => self.root == *path,
            LockDepth::Infinity => self.root.contains(path),
        }
    }
}

/// The locks a store sees while it opens steps.
pub trait LockView: Sync {
    /// Whether there is no lock at all; then the other questions need not be asked.
    fn is_empty(&self) -> bool;
    /// The locks that cover the resource at `path`, whether one is there or not.
    fn covering(&self, path: &ResourcePath) -> Vec<Arc<Lock>>;
    /// The locks whose root lies strictly under `path`, in the order of their roots.
    fn rooted_under(&self, path: &ResourcePath) -> Vec<Arc<Lock>>;
}

/// No locks.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLocks;

impl LockView for NoLocks {
    fn is_empty(&self) -> bool {
        true
    }
    fn covering(&self, _: &ResourcePath) -> Vec<Arc<Lock>> {
        Vec::new()
    }
    fn rooted_under(&self, _: &ResourcePath) -> Vec<Arc<Lock>> {
        Vec::new()
    }
}

/// The locks that end if what they lock is gone after `step`.
pub fn at_stake(locks: &dyn LockView, step: &Step) -> Vec<Arc<Lock>> {
    if locks.is_empty() {
        return Vec::new();
    }
    let of_tree = |root: &ResourcePath| {
        let at = locks.covering(root).into_iter().filter(|lock| lock.root == *root);
        at.chain(locks.rooted_under(root)).collect::<Vec<_>>()
    };
    step.vacates().flat_map(of_tree).collect()
}

/// The locks as the steps of one run see them: without those that ended with the steps before. Whoever
/// keeps the locks ends them once the run is over.
pub struct LocksOfRun<'a> {
    locks: &'a dyn LockView,
    ended: RwLock<HashSet<LockToken>>,
}

impl<'a> LocksOfRun<'a> {
    /// All of these, at the beginning of a run.
    pub fn new(locks: &'a dyn LockView) -> Self {
        Self { locks, ended: RwLock::default() }
    }

    /// Ends those of these locks whose root `is_gone`, behind the step they were [at stake](at_stake)
    /// in.
    pub fn end(&self, at_stake: Vec<Arc<Lock>>, is_gone: impl Fn(&ResourcePath) -> bool) {
        if at_stake.is_empty() {
            return;
        }
        let gone = at_stake.into_iter().filter(|lock| is_gone(&lock.root));
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        ended.extend(gone.map(|lock| lock.token.clone()));
    }

    fn lasting(&self, mut locks: Vec<Arc<Lock>>) -> Vec<Arc<Lock>> {
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|lock| !ended.contains(&lock.token));
        locks
    }
}

impl LockView for LocksOfRun<'_> {
    fn is_empty(&self) -> bool {
        self.locks.is_empty()
    }

    fn covering(&self, path: &ResourcePath) -> Vec<Arc<Lock>> {
        self.lasting(self.locks.covering(path))
    }

    fn rooted_under(&self, path: &ResourcePath) -> Vec<Arc<Lock>> {
        self.lasting(self.locks.rooted_under(path))
    }
}

impl fmt::Debug for LocksOfRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocksOfRun").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// The locks of a store, found by root and by token.
///
/// A lock whose time is over is as good as gone; [`LockTable::expire`] makes it gone. The time is
/// always an argument.
#[derive(Debug, Clone, Default)]
pub struct LockTable {
    by_root: BTreeMap<ResourcePath, Vec<Arc<Lock>>>,
    roots: HashMap<LockToken, ResourcePath>,
    /// By when their time is over.
    by_end: BTreeSet<(SystemTime, LockToken)>,
    by_principal: HashMap<Principal, usize>,
}

impl LockTable {
    /// How many locks there are, expired ones included.
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// How many of them are this principal's.
    pub fn count_of(&self, principal: &Principal) -> usize {
        self.by_principal.get(principal).copied().unwrap_or_default()
    }

    /// Adds a lock, or replaces the one with its token.
    pub fn insert(&mut self, lock: impl Into<Arc<Lock>>) {
        let lock = lock.into();
        self.remove(&lock.token);
        self.roots.insert(lock.token.clone(), lock.root.clone());
        self.by_end.insert((lock.expires, lock.token.clone()));
        *self.by_principal.entry(lock.principal.clone()).or_default() += 1;
        self.by_root.entry(lock.root.clone()).or_default().push(lock);
    }

    /// Prolongs the lock with this token, if its time isn't over; whether it was there.
    pub fn prolong(&mut self, lock: &Arc<Lock>, now: SystemTime) -> bool {
        let is_there = self.find(&lock.token, now).is_some();
        if is_there {
            self.insert(Arc::clone(lock));
        }
        is_there
    }

    /// Removes and returns the lock with this token.
    pub fn remove(&mut self, token: &LockToken) -> Option<Arc<Lock>> {
        let root = self.roots.remove(token)?;
        let locks = self.by_root.get_mut(&root)?;
        let index = locks.iter().position(|lock| lock.token == *token)?;
        let lock = locks.swap_remove(index);
        if locks.is_empty() {
            self.by_root.remove(&root);
        }
        self.by_end.remove(&(lock.expires, lock.token.clone()));
        if let Entry::Occupied(mut count) = self.by_principal.entry(lock.principal.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(lock)
    }

    /// Removes and returns the locks whose time is over at `now`.
    pub fn expire(&mut self, now: SystemTime) -> Vec<Arc<Lock>> {
        let over = self.by_end.iter().take_while(|(end, _)| *end <= now);
        let over: Vec<_> = over.map(|(_, token)| token.clone()).collect();
        over.iter().filter_map(|token| self.remove(token)).collect()
    }

    /// The lock with this token, if its time isn't over.
    pub fn find(&self, token: &LockToken, now: SystemTime) -> Option<Arc<Lock>> {
        let locks = self.by_root.get(self.roots.get(token)?)?;
        locks.iter().find(|lock| lock.token == *token && lock.expires > now).cloned()
    }

    /// The locks that cover the resource at `path`.
    pub fn covering(&self, path: &ResourcePath, now: SystemTime) -> Vec<Arc<Lock>> {
        if self.is_empty() {
            return Vec::new();
        }
        std::iter::once(path.clone())
            .chain(path.ancestors())
            .filter_map(|root| self.by_root.get(&root))
            .flatten()
            .filter(|lock| lock.expires > now && lock.covers(path))
            .cloned()
            .collect()
    }

    /// The locks whose root lies strictly under `path`.
    pub fn rooted_under(&self, path: &ResourcePath, now: SystemTime) -> Vec<Arc<Lock>> {
        self.by_root
            .range((Bound::Excluded(path), Bound::Unbounded))
            .take_while(|(root, _)| path.is_above(root))
            .flat_map(|(_, locks)| locks)
            .filter(|lock| lock.expires > now)
            .cloned()
            .collect()
    }

    /// The locks that forbid a new lock of this kind on `root`, in the order of their roots.
    pub fn conflicts(
        &self,
        root: &ResourcePath,
        scope: LockScope,
        depth: LockDepth,
        now: SystemTime,
    ) -> Vec<Arc<Lock>> {
        let mut others = self.covering(root, now);
        if depth == LockDepth::Infinity {
            others.extend(self.rooted_under(root, now));
        }
        others.retain(|other| scope == LockScope::Exclusive || other.scope == LockScope::Exclusive);
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn path(joined: &str) -> ResourcePath {
        ResourcePath::parse(joined).unwrap()
    }

    fn later() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(100)
    }

    fn lock(token: &str, root: &str, depth: LockDepth, scope: LockScope) -> Lock {
        Lock {
            token: LockToken::new(token),
            root: path(root),
            scope,
            depth,
            owner: None,
            principal: Principal::Anonymous,
            expires: later(),
        }
    }

    fn tokens(locks: &[Arc<Lock>]) -> Vec<&str> {
        locks.iter().map(|lock| lock.token.as_str()).collect()
    }

    #[test]
    fn a_table_tells_what_covers_a_path() {
        use {LockDepth::*, LockScope::*};
        let mut table = LockTable::default();
        table.insert(lock("a0", "a", Zero, Shared));
        table.insert(lock("ab", "a/b", Infinity, Exclusive));
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(tokens(&table.covering(&path("a"), now)), ["a0"]);
        assert_eq!(tokens(&table.covering(&path("a/c"), now)), [""; 0]);
        assert_eq!(tokens(&table.covering(&path("a/b/c/d"), now)), ["ab"]);
        assert_eq!(tokens(&table.rooted_under(&path(""), now)), ["a0", "ab"]);
        assert_eq!(tokens(&table.rooted_under(&path("a/b"), now)), [""; 0]);
        assert_eq!(tokens(&table.conflicts(&path("a"), Shared, Zero, now)), [""; 0]);
        assert_eq!(tokens(&table.conflicts(&path("a"), Shared, Infinity, now)), ["ab"]);
        assert_eq!(tokens(&table.conflicts(&path("a"), Exclusive, Zero, now)), ["a0"]);
    }

    /// RFC 4918 §9.10.5.
    #[test]
    fn a_new_lock_conflicts_with_those_it_meets() {
        use {LockDepth::*, LockScope::*};
        for (held, root, scope, depth, conflict) in [
            (Shared, "a", Shared, Infinity, false),
            (Shared, "a", Exclusive, Zero, true),
            (Exclusive, "a", Shared, Zero, true),
            (Exclusive, "a", Exclusive, Zero, true),
            (Exclusive, "a/b", Exclusive, Zero, true),
            (Exclusive, "b", Exclusive, Infinity, false),
            (Exclusive, "", Exclusive, Zero, false),
            (Exclusive, "", Exclusive, Infinity, true),
            (Exclusive, "", Shared, Infinity, true),
            (Shared, "", Shared, Infinity, false),
        ] {
            let mut table = LockTable::default();
            table.insert(lock("t", "a", Infinity, held));
            let told = table.conflicts(&path(root), scope, depth, SystemTime::UNIX_EPOCH);
            assert_eq!(!told.is_empty(), conflict, "{scope:?} {depth:?} {root:?} on {held:?}");
        }
    }

    #[test]
    fn a_table_keeps_one_lock_for_a_token() {
        use {LockDepth::*, LockScope::*};
        let mut table = LockTable::default();
        assert!(table.is_empty());
        for (token, root) in [("1", "a"), ("2", "a"), ("3", "b"), ("1", "c")] {
            table.insert(lock(token, root, Infinity, Shared));
        }
        assert_eq!((table.is_empty(), table.len()), (false, 3));
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(tokens(&table.covering(&path("a"), now)), ["2"]);
        assert_eq!(
            table.find(&LockToken::new("1"), now).map(|lock| lock.root.clone()),
            Some(path("c"))
        );
        assert!(table.find(&LockToken::new("4"), now).is_none());
        assert!(table.remove(&LockToken::new("4")).is_none());
        for token in ["2", "3", "1"] {
            let token = LockToken::new(token);
            assert_eq!(table.remove(&token).map(|lock| lock.token.clone()), Some(token.clone()));
            assert!(table.find(&token, now).is_none());
        }
        assert!(table.is_empty() && table.rooted_under(&path(""), now).is_empty());
    }

    #[test]
    fn no_locks_are_none() {
        assert!(NoLocks.is_empty());
        assert!(NoLocks.covering(&path("a")).is_empty());
        assert!(NoLocks.rooted_under(&path("")).is_empty());
        assert_eq!(LockToken::new("urn:t").to_string(), "urn:t");
    }

    #[test]
    fn a_lock_ends_at_its_time() {
        let mut table = LockTable::default();
        table.insert(lock("a", "a", LockDepth::Zero, LockScope::Shared));
        let longer = lock("b", "b", LockDepth::Zero, LockScope::Shared);
        table.insert(Lock { expires: later() + Duration::from_secs(1), ..longer });
        let before = later() - Duration::from_secs(1);
        for (token, now, there) in
            [("a", before, true), ("a", later(), false), ("b", later(), true)]
        {
            assert_eq!(table.find(&LockToken::new(token), now).is_some(), there);
            assert_eq!(!table.covering(&path(token), now).is_empty(), there);
            assert_eq!(tokens(&table.rooted_under(&path(""), now)).contains(&token), there);
        }
        assert!(table.expire(before).is_empty());
        assert_eq!(tokens(&table.expire(later())), ["a"]);
        assert_eq!(table.len(), 1);
    }
}
