//! LOCK, refresh and UNLOCK (RFC 4918 §9.10, §9.11).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polydav_store::{
    Action, Content, ETagMatch, Failure, FailureKind, Guard, Lock, LockChange, LockDepth,
    LockScope, LockToken, LockView, Member, Members, Principal, ResourcePath, Step, View,
};

use crate::engine::{Engine, Inner};
use crate::group::{Checked, LockAction};
use crate::view::LiveView;

/// The bounds of locks.
#[derive(Debug, Clone, Copy)]
pub struct LockLimits {
    /// The longest time a lock lasts without being refreshed; what a client gets who asks for an
    /// infinite one.
    pub timeout_max: Duration,
    /// The most locks at a time.
    pub count_max: usize,
    /// The most locks of one principal at a time.
    pub count_max_each: usize,
    /// The most locks that cover one resource: whoever asks is told of all of them.
    pub shared_max: usize,
    /// The most bytes of an owner.
    pub owner_bytes_max: usize,
}

/// The shortest time a lock lasts.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);

impl Default for LockLimits {
    fn default() -> Self {
        Self {
            timeout_max: Duration::from_secs(24 * 3600),
            count_max: 20_000,
            count_max_each: 10_000,
            shared_max: 100,
            owner_bytes_max: 4 * 1024,
        }
    }
}

/// What a LOCK asks for.
#[derive(Debug, Clone)]
pub struct LockRequest {
    /// The resource.
    pub path: ResourcePath,
    /// Exclusive or shared.
    pub scope: LockScope,
    /// With or without what lies under it.
    pub depth: LockDepth,
    /// The `DAV:owner` element.
    pub owner: Option<Bytes>,
    /// For how long; `None` for as long as possible.
    pub timeout: Option<Duration>,
    /// The conditions of the request, and on whose behalf.
    pub guard: Guard,
}

/// What a LOCK without a body asks for.
#[derive(Debug, Clone)]
pub struct RefreshRequest {
    /// The resource; the lock's root, or within its scope.
    pub path: ResourcePath,
    /// For how long from now; `None` for as long as possible.
    pub timeout: Option<Duration>,
    /// The conditions of the request, among them the token.
    pub guard: Guard,
}

/// What an UNLOCK asks for.
#[derive(Debug, Clone)]
pub struct UnlockRequest {
    /// The resource; the lock's root, or within its scope.
    pub path: ResourcePath,
    /// The lock.
    pub token: LockToken,
    /// The conditions of the request, and on whose behalf.
    pub guard: Guard,
}

/// A lock that was made.
#[derive(Debug, Clone)]
pub struct Locked {
    /// The lock.
    pub lock: Arc<Lock>,
    /// Whether an empty file was made to be locked (RFC 4918 §7.3).
    pub created: bool,
}

impl Engine {
    /// Makes a lock.
    ///
    /// # Errors
    /// [`FailureKind::LockConflict`] with the root of the other lock; [`FailureKind::Members`] if
    /// members hold it up; what stops a PUT, if nothing lies at the path;
    /// [`FailureKind::Exhausted`] beyond the bounds, [`FailureKind::Forbidden`] for a longer owner.
    pub async fn lock(&self, request: LockRequest) -> Result<Locked, Failure> {
        self.change_lock(request).await
    }

    /// Prolongs the lock whose token was submitted.
    ///
    /// # Errors
    /// [`FailureKind::Precondition`] if no token submitted is of a lock on this resource.
    pub async fn refresh(&self, request: RefreshRequest) -> Result<Arc<Lock>, Failure> {
        self.change_lock(request).await
    }

    /// Ends a lock.
    ///
    /// # Errors
    /// [`FailureKind::NoSuchLock`] if the token isn't of a lock on this resource;
    /// [`FailureKind::Forbidden`] if it is somebody else's.
    pub async fn unlock(&self, request: UnlockRequest) -> Result<(), Failure> {
        self.change_lock(request).await
    }
}

impl LockAction for LockRequest {
    type Done = Locked;

    fn subject(&self) -> (&ResourcePath, &Guard) {
        (&self.path, &self.guard)
    }

    fn is_behind(&self, ahead: usize, inner: &Inner) -> bool {
        inner.lacks_room(&self.guard.principal, ahead).is_some()
    }

    fn check(&self, inner: &Inner) -> Result<Checked<Locked>, Failure> {
        inner.lock(self)
    }
}

impl LockAction for RefreshRequest {
    type Done = Arc<Lock>;

    fn subject(&self) -> (&ResourcePath, &Guard) {
        (&self.path, &self.guard)
    }

    fn tokens(&self) -> Vec<&LockToken> {
        self.guard.tokens.iter().collect()
    }

    fn check(&self, inner: &Inner) -> Result<Checked<Arc<Lock>>, Failure> {
        inner.refresh(self)
    }
}

impl LockAction for UnlockRequest {
    type Done = ();

    fn subject(&self) -> (&ResourcePath, &Guard) {
        (&self.path, &self.guard)
    }

    fn tokens(&self) -> Vec<&LockToken> {
        vec![&self.token]
    }

    fn check(&self, inner: &Inner) -> Result<Checked<()>, Failure> {
        inner.unlock(self)
    }
}

impl Inner {
    fn lock(&self, request: &LockRequest) -> Result<Checked<Locked>, Failure> {
        let LockRequest { path, guard, .. } = request;
        if !self.store.capabilities(path).writable {
            return Err(Failure::new(FailureKind::ReadOnly, path.clone()));
        }
        let view = LiveView::of(self);
        let entry = view.entry(path)?;
        if entry.as_ref().is_some_and(|entry| entry.link) {
            return Err(Failure::new(FailureKind::Forbidden, path.clone())
                .with_detail("what is reached through a link can't be locked"));
        }
        guard.judge(&view, path, entry.as_ref())?;
        self.check_conflicts(request)?;
        self.check_limits(request)?;
        let lock = Arc::new(self.new_lock(request));
        let created = entry.is_none();
        let then = created.then(|| make_empty(request, &lock));
        let change = Some(LockChange::Keep(Arc::clone(&lock)));
        Ok(Checked { change, then, done: Locked { lock, created } })
    }

    fn new_lock(&self, request: &LockRequest) -> Lock {
        Lock {
            token: LockToken::new(format!("urn:uuid:{}", uuid(self.environment.random()))),
            root: request.path.clone(),
            scope: request.scope,
            depth: request.depth,
            owner: request.owner.clone(),
            principal: request.guard.principal.clone(),
            expires: self.environment.now() + self.capped(request.timeout),
        }
    }

    fn capped(&self, timeout: Option<Duration>) -> Duration {
        let max = self.options.lock_limits.timeout_max;
        // A lock of no time at all would be gone before it is answered.
        timeout.map_or(max, |timeout| timeout.max(TIMEOUT_MIN).min(max))
    }

    fn check_conflicts(&self, request: &LockRequest) -> Result<(), Failure> {
        let LockRequest { path, scope, depth, .. } = request;
        let now = self.environment.now();
        let conflicts = self.locks.read().conflicts(path, *scope, *depth, now);
        let Some(first) = conflicts.first() else { return Ok(()) };
        if first.covers(path) {
            return Err(Failure::new(FailureKind::LockConflict, first.root.clone()));
        }
        // A member may have several shared locks, and is told once (RFC 4918 §14.24).
        let roots: BTreeSet<_> = conflicts.iter().map(|lock| &lock.root).collect();
        let members: Members = roots
            .into_iter()
            .map(|root| Member { path: root.clone(), kind: FailureKind::LockConflict })
            .collect();
        Err(Failure::of_members(path.clone(), members, false))
    }

    fn check_limits(&self, request: &LockRequest) -> Result<(), Failure> {
        let limits = &self.options.lock_limits;
        let owner = request.owner.as_ref().map_or(0, Bytes::len);
        if owner > limits.owner_bytes_max {
            // Not exhausted: sending it again later doesn't help.
            return Err(Failure::new(FailureKind::Forbidden, request.path.clone())
                .with_detail("the owner of the lock is too long"));
        }
        let is_crowded = || self.locks.covering(&request.path).len() >= limits.shared_max;
        let detail = match self.lacks_room(&request.guard.principal, 0) {
            Some(detail) => detail,
            None if is_crowded() => "there are too many locks on the resource",
            None => return Ok(()),
        };
        Err(Failure::new(FailureKind::Exhausted, request.path.clone()).with_detail(detail))
    }

    /// Why there may be no lock of `principal` beside all others and so many more.
    fn lacks_room(&self, principal: &Principal, more: usize) -> Option<&'static str> {
        let (limits, locks) = (&self.options.lock_limits, self.locks.read());
        if locks.len() + more >= limits.count_max {
            Some("there are too many locks")
        } else if locks.count_of(principal) + more >= limits.count_max_each {
            Some("there are too many locks of one user")
        } else {
            None
        }
    }

    fn refresh(&self, request: &RefreshRequest) -> Result<Checked<Arc<Lock>>, Failure> {
        let RefreshRequest { path, timeout, guard } = request;
        let view = LiveView::of(self);
        guard.judge(&view, path, view.entry(path)?.as_ref())?;
        let covering = self.locks.covering(path);
        let lock = covering.iter().find(|lock| guard.holds(lock)).map(|lock| {
            let expires = self.environment.now() + self.capped(*timeout);
            Arc::new(Lock { expires, ..Lock::clone(lock) })
        });
        let Some(lock) = lock.filter(|lock| self.locks.prolong(lock)) else {
            return Err(Failure::new(FailureKind::Precondition, path.clone())
                .with_detail("no submitted token is of a lock of yours on this resource"));
        };
        let change = Some(LockChange::Keep(Arc::clone(&lock)));
        Ok(Checked { change, then: None, done: lock })
    }

    fn unlock(&self, request: &UnlockRequest) -> Result<Checked<()>, Failure> {
        let UnlockRequest { path, token, guard } = request;
        // Conditions come last (RFC 4918 §8.5): who may not end the lock isn't told of them.
        let ran_out = self.locks.ran_out(token);
        if !ran_out {
            self.may_unlock(path, token, guard)?;
        }
        let view = LiveView::of(self);
        guard.judge(&view, path, view.entry(path)?.as_ref())?;
        let change = (!ran_out).then(|| LockChange::Forget(token.clone()));
        Ok(Checked { change, then: None, done: () })
    }

    fn may_unlock(
        &self,
        path: &ResourcePath,
        token: &LockToken,
        guard: &Guard,
    ) -> Result<(), Failure> {
        let lock = self.locks.find(token).filter(|lock| lock.covers(path));
        let Some(lock) = lock else {
            return Err(Failure::new(FailureKind::NoSuchLock, path.clone()));
        };
        if lock.principal != guard.principal {
            return Err(Failure::new(FailureKind::Forbidden, path.clone())
                .with_detail("the lock is somebody else's"));
        }
        Ok(())
    }
}

/// LOCK where nothing lies makes an empty file, under all rules of a PUT; but nothing that another
/// program has put there meanwhile is emptied.
fn make_empty(request: &LockRequest, lock: &Lock) -> Step {
    let mut tokens = request.guard.tokens.clone();
    tokens.extend([lock.token.clone()]);
    let guard = Guard {
        principal: request.guard.principal.clone(),
        tokens,
        if_none_match: Some(ETagMatch::Any),
        ..Guard::default()
    };
    let content = Content::Inline(Bytes::new());
    Step::new(0, guard, Action::Put { target: request.path.clone(), content, modified: None })
}

/// A version 4 UUID (RFC 9562 §5.4) of these random bits.
fn uuid(random: u128) -> String {
    let bits = (random & !(0xf << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn tokens_are_version_4_uuids() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
