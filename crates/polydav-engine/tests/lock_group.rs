//! LOCKs, refreshes and UNLOCKs that are written down together, because they came while others were
//! under way.
#![allow(clippy::unwrap_used)]

mod asked;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime};

use polydav_engine::{
    Engine, Environment, LockLimits, LockRequest, Locked, Options, RefreshRequest, UnlockRequest,
};
use polydav_store::{
    Broken, Durability, Failure, FailureKind, Guard, Ledger, Lock, LockChange, LockDepth,
    LockScope, LockToken, LockView, MemoryLedger, MemoryStore, Principal, Report, ResourcePath,
    Run, Select, Store, delegate,
};

use self::asked::{Asked, ask, kind, path, put};

/// A ledger that writes down how many changes each commit has, and holds commits up as long as it is
/// closed. There is no space for a lock on `full`, and one on `broken` makes it fail.
#[derive(Default)]
struct Watched {
    inner: MemoryLedger,
    commits: Mutex<Vec<usize>>,
    is_closed: Mutex<bool>,
    moved: Condvar,
}

impl Watched {
    fn set_closed(&self, is_closed: bool) {
        *self.is_closed.lock().unwrap() = is_closed;
        self.moved.notify_all();
    }

    fn commits(&self) -> Vec<usize> {
        self.commits.lock().unwrap().clone()
    }

    fn roots(&self) -> Vec<String> {
        let mut roots: Vec<_> =
            self.inner.locks().unwrap().iter().map(|lock| lock.root.to_string()).collect();
        roots.sort();
        roots
    }
}

impl Ledger for Watched {
    fn locks(&self) -> Result<Vec<Lock>, Failure> {
        self.inner.locks()
    }

    fn change_locks(&self, changes: &[LockChange], durability: Durability) -> Result<(), Failure> {
        self.commits.lock().unwrap().push(changes.len());
        self.moved.notify_all();
        let is_closed = self.is_closed.lock().unwrap();
        drop(self.moved.wait_while(is_closed, |is_closed| *is_closed).unwrap());
        for (root, kind) in [("full", FailureKind::NoSpace), ("broken", FailureKind::Internal)] {
            let is_on = |change: &LockChange| change.kept().is_some_and(|to| to.root == path(root));
            if changes.iter().any(is_on) {
                return Err(Failure::new(kind, ResourcePath::root()));
            }
        }
        self.inner.change_locks(changes, durability)
    }
}

/// A store that panics at what is called `panic`.
#[derive(Default)]
struct Panicky(MemoryStore);

impl Store for Panicky {
    delegate!(this => this.0; capabilities, stat, walk, read, stage, space);

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        let panics = run.steps.iter().any(|step| *step.subject() == path("panic"));
        assert!(!panics, "a store that panics");
        self.0.apply(run, locks, report)
    }
}

/// An engine, its store and ledger, and what is asked of it.
struct Scene {
    engine: Engine,
    store: Arc<Panicky>,
    ledger: Arc<Watched>,
    now: Arc<AtomicU64>,
}

impl Scene {
    /// With these files.
    async fn new(files: &[&str], lock_limits: LockLimits) -> Self {
        let (ledger, now) = (Arc::<Watched>::default(), Arc::new(AtomicU64::new(0)));
        let (clock, random) = (Arc::clone(&now), AtomicU64::new(0));
        let environment = Environment::new(
            move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)),
            move || u128::from(random.fetch_add(1, Ordering::Relaxed)),
        );
        let options =
            Options { durability: Durability::Relaxed, lock_limits, ..Options::default() };
        let store = Arc::<Panicky>::default();
        let engine = Engine::open(store.clone(), ledger.clone(), environment, options).unwrap();
        for file in files {
            engine.run_step(put(file)).await.unwrap();
        }
        Self { engine, store, ledger, now }
    }

    fn lock(&self, at: &str) -> Asked<Result<Locked, Failure>> {
        let request = LockRequest {
            path: path(at),
            scope: LockScope::Exclusive,
            depth: LockDepth::Infinity,
            owner: None,
            timeout: Some(Duration::from_secs(60)),
            guard: alice([]),
        };
        let engine = self.engine.clone();
        Box::pin(async move { engine.lock(request).await })
    }

    fn refresh(&self, at: &str, token: &LockToken) -> Asked<Result<Arc<Lock>, Failure>> {
        let timeout = Some(Duration::from_secs(60));
        let request = RefreshRequest { path: path(at), timeout, guard: alice([token.clone()]) };
        let engine = self.engine.clone();
        Box::pin(async move { engine.refresh(request).await })
    }

    fn unlock(&self, at: &str, token: &LockToken) -> Asked<Result<(), Failure>> {
        let request = UnlockRequest { path: path(at), token: token.clone(), guard: alice([]) };
        let engine = self.engine.clone();
        Box::pin(async move { engine.unlock(request).await })
    }

    /// Has `asked` come while a first lock is under way, and tells of the commits after that one.
    async fn meanwhile<T>(&self, asked: impl FnOnce() -> T) -> (T, usize) {
        self.ledger.set_closed(true);
        let before = self.ledger.commits().len();
        let first = ask(self.lock("first"));
        let commits = self.ledger.commits.lock().unwrap();
        drop(self.ledger.moved.wait_while(commits, |commits| commits.len() == before).unwrap());
        let asked = asked();
        self.ledger.set_closed(false);
        first.await.unwrap();
        (asked, before + 1)
    }
}

/// Why each of them failed, if it did.
async fn kinds<const N: usize>(
    locks: [Asked<Result<Locked, Failure>>; N],
) -> Vec<Option<FailureKind>> {
    let mut kinds = Vec::new();
    for lock in locks {
        kinds.push(kind(&lock.await));
    }
    kinds
}

fn alice<const N: usize>(tokens: [LockToken; N]) -> Guard {
    let tokens = tokens.into_iter().collect();
    Guard { principal: Principal::Named("alice".into()), tokens, ..Guard::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_that_come_meanwhile_are_one_commit() {
    let scene = Scene::new(&["first", "a", "b", "c"], LockLimits::default()).await;
    let held = scene.lock("c").await.unwrap().lock;
    let ((locks, unlock), before) = scene
        .meanwhile(|| {
            (
                ["a", "b", "none/d"].map(|at| ask(scene.lock(at))),
                ask(scene.unlock("c", &held.token)),
            )
        })
        .await;
    assert_eq!(kinds(locks).await, [None, None, Some(FailureKind::ParentMissing)]);
    unlock.await.unwrap();
    // A lock where nothing can be is written down, and ends again.
    assert_eq!(scene.ledger.commits()[before..], [4, 1]);
    assert_eq!(scene.ledger.roots(), ["/a", "/b", "/first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_cannot_be_kept_the_others_are() {
    let scene = Scene::new(&["first", "a", "full", "b"], LockLimits::default()).await;
    let (locks, before) =
        scene.meanwhile(|| ["a", "full", "b", "new"].map(|at| ask(scene.lock(at)))).await;
    let mut told = Vec::new();
    for lock in locks {
        let result = lock.await;
        told.push((kind(&result), result.is_ok_and(|locked| locked.created)));
    }
    let full = Some(FailureKind::NoSpace);
    assert_eq!(told, [(None, false), (full, false), (None, false), (None, true)]);
    assert_eq!(scene.ledger.commits()[before..], [4, 1, 1, 1, 1]);
    assert_eq!(scene.ledger.roots(), ["/a", "/b", "/first", "/new"]);
}

/// A sync that failed is never taken for success, nor is the next one believed.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_another_reason_is_not_tried_again() {
    let scene = Scene::new(&["first", "a", "broken"], LockLimits::default()).await;
    let (locks, before) = scene.meanwhile(|| ["a", "broken"].map(|at| ask(scene.lock(at)))).await;
    for lock in locks {
        assert_eq!(kind(&lock.await), Some(FailureKind::Internal));
    }
    assert_eq!(scene.ledger.commits()[before..], [2]);
    assert_eq!(scene.ledger.roots(), ["/first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_panics_takes_no_lock_along_that_needs_no_file() {
    let scene = Scene::new(&["first", "a"], LockLimits::default()).await;
    let (locks, _) = scene.meanwhile(|| ["a", "panic"].map(|at| ask(scene.lock(at)))).await;
    assert_eq!(kinds(locks).await, [None, Some(FailureKind::Internal)]);
    assert_eq!(scene.ledger.roots(), ["/a", "/first"]);
}

/// Another program made it, after it was looked whether there is something.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_be_where_a_lock_was_asked_for_is_not_emptied() {
    let scene = Scene::new(&["first"], LockLimits::default()).await;
    scene.ledger.set_closed(true);
    let lock = ask(scene.lock("new"));
    let commits = scene.ledger.commits.lock().unwrap();
    drop(scene.ledger.moved.wait_while(commits, |commits| commits.is_empty()).unwrap());
    let environment = Environment::new(|| SystemTime::UNIX_EPOCH, || 7);
    let ledger = Arc::new(MemoryLedger::default());
    let other = Engine::open(scene.store.clone(), ledger, environment, Options::default());
    other.unwrap().run_step(put("new")).await.unwrap();
    scene.ledger.set_closed(false);
    assert_eq!(kind(&lock.await), Some(FailureKind::Busy));
    assert_eq!(scene.store.stat(&path("new"), &Select::None).unwrap().length, 7);
    assert_eq!(scene.ledger.roots(), [""; 0]);
    assert!(!scene.lock("new").await.unwrap().created);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_refreshed_in_time_does_not_run_out_meanwhile() {
    let scene = Scene::new(&["first", "a"], LockLimits::default()).await;
    let token = scene.lock("a").await.unwrap().lock.token.clone();
    scene.now.store(59, Ordering::Relaxed);
    let (refresh, _) = scene.meanwhile(|| ask(scene.refresh("a", &token))).await;
    refresh.await.unwrap();
    scene.now.store(61, Ordering::Relaxed);
    assert_eq!(kind(&scene.lock("a").await), Some(FailureKind::LockConflict));
    scene.unlock("a", &token).await.unwrap();
    assert_eq!(scene.ledger.roots(), ["/first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_locks_are_made_together_than_there_may_be() {
    let limits = LockLimits { count_max_each: 3, ..LockLimits::default() };
    let scene = Scene::new(&["first", "a", "b", "c"], limits).await;
    let (locks, _) = scene.meanwhile(|| ["a", "b", "c"].map(|at| ask(scene.lock(at)))).await;
    assert_eq!(kinds(locks).await, [None, None, Some(FailureKind::Exhausted)]);
    assert_eq!(scene.ledger.roots().len(), 3);
}

/// Through members of what is locked: their paths don't overlap, so both may come together.
#[tokio::test(flavor = "multi_thread")]
async fn of_one_lock_one_thing_is_done_after_the_other() {
    let scene = Scene::new(&["first", "tree"], LockLimits::default()).await;
    let token = scene.lock("tree").await.unwrap().lock.token.clone();
    let ((first, second), _) = scene
        .meanwhile(|| (ask(scene.unlock("tree/a", &token)), ask(scene.refresh("tree/b", &token))))
        .await;
    first.await.unwrap();
    assert_eq!(kind(&second.await), Some(FailureKind::Precondition));
    assert_eq!(scene.ledger.roots(), ["/first"], "what was ended isn't kept again");

    let scene = Scene::new(&["first", "tree"], LockLimits::default()).await;
    let token = scene.lock("tree").await.unwrap().lock.token.clone();
    let ((first, second), _) = scene
        .meanwhile(|| (ask(scene.unlock("tree/a", &token)), ask(scene.unlock("tree/b", &token))))
        .await;
    first.await.unwrap();
    assert_eq!(kind(&second.await), Some(FailureKind::NoSuchLock));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_out_makes_room() {
    let limits = LockLimits { count_max: 2, ..LockLimits::default() };
    let scene = Scene::new(&["first", "a", "b"], limits).await;
    let token = scene.lock("a").await.unwrap().lock.token.clone();
    scene.lock("b").await.unwrap();
    assert_eq!(kind(&scene.lock("first").await), Some(FailureKind::Exhausted));
    scene.now.store(61, Ordering::Relaxed);
    scene.lock("first").await.unwrap();
    scene.unlock("a", &token).await.unwrap();
    assert_eq!(scene.ledger.roots(), ["/first"]);
}
