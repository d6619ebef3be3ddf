//! Single steps that go together, because they came while others were under way.
#![allow(clippy::unwrap_used)]

mod asked;

use std::future::pending;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use polydav_engine::{Engine, Environment, LockRequest, Locked, Options};
use polydav_store::layer::Mounts;
use polydav_store::{
    Action, Broken, Durability, Effect, Failure, FailureKind, Guard, Ledger, Lock, LockChange,
    LockDepth, LockScope, LockView, MemoryLedger, MemoryStore, Outcome, Overwrite, Principal,
    Property, PropertyChange, PropertyName, Report, ResourcePath, Run, Step, Store, delegate,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::asked::{Asked, ask, kind, path, put, step};

fn mkcol(target: &str) -> Step {
    step(Action::MakeCollection { target: path(target) })
}

fn rename(source: &str, target: &str) -> Step {
    let (source, target) = (path(source), path(target));
    step(Action::Rename { source, target, overwrite: Overwrite::Replace })
}

fn patch(target: &str) -> Step {
    let property =
        Property { name: PropertyName::new("", "p"), value: Bytes::from_static(b"<p/>") };
    step(Action::Patch { target: path(target), changes: vec![PropertyChange::Set(property)] })
}

/// A store that writes down how many steps its runs have, and holds them up as long as it is closed.
/// It panics at what is called `panic`.
#[derive(Default)]
struct Watched {
    inner: MemoryStore,
    runs: Mutex<Vec<usize>>,
    /// Who did the last one.
    thread: Mutex<Option<ThreadId>>,
    /// So many more it lets through.
    open_for: Mutex<usize>,
    moved: Condvar,
}

impl Watched {
    fn closed() -> Arc<Self> {
        Arc::default()
    }

    fn open(&self) {
        self.open_for(usize::MAX);
    }

    fn open_for(&self, runs: usize) {
        *self.open_for.lock().unwrap() = runs;
        self.moved.notify_all();
    }

    fn wait_until_open(&self) {
        let open_for = self.open_for.lock().unwrap();
        *self.moved.wait_while(open_for, |runs| *runs == 0).unwrap() -= 1;
    }

    fn runs(&self) -> Vec<usize> {
        self.runs.lock().unwrap().clone()
    }

    /// Waits until so many runs have begun.
    fn wait_for_runs(&self, count: usize) {
        let runs = self.runs.lock().unwrap();
        drop(self.moved.wait_while(runs, |runs| runs.len() < count).unwrap());
    }
}

impl Store for Watched {
    delegate!(this => this.inner; capabilities, stat, walk, read, stage, space);

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        self.runs.lock().unwrap().push(run.steps.len());
        *self.thread.lock().unwrap() = Some(thread::current().id());
        self.moved.notify_all();
        self.wait_until_open();
        let panics = run.steps.iter().any(|step| *step.subject() == path("panic"));
        assert!(!panics, "a store that panics");
        self.inner.apply(run, locks, report)
    }
}

fn engine_over(store: Arc<dyn Store>, options: Options) -> Engine {
    let environment = Environment::new(|| SystemTime::UNIX_EPOCH, || 7);
    Engine::open(store, Arc::new(MemoryLedger::default()), environment, options).unwrap()
}

fn one_at_a_time() -> Options {
    Options { runs_max: 1, durability: Durability::Relaxed, ..Options::default() }
}

fn ask_for(engine: &Engine, step: Step) -> Asked<Outcome> {
    let engine = engine.clone();
    ask(Box::pin(async move { engine.run_step(step).await }))
}

/// Has a step done beside the test.
fn spawn(engine: &Engine, step: Step) -> JoinHandle<Outcome> {
    let engine = engine.clone();
    tokio::spawn(async move { engine.run_step(step).await })
}

fn ask_for_lock(engine: &Engine, at: &str) -> Asked<Result<Locked, Failure>> {
    let request = LockRequest {
        path: path(at),
        scope: LockScope::Exclusive,
        depth: LockDepth::Zero,
        owner: None,
        timeout: Some(Duration::from_secs(60)),
        guard: Guard { principal: Principal::Named("alice".into()), ..Guard::default() },
    };
    let engine = engine.clone();
    ask(Box::pin(async move { engine.lock(request).await }))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_alone_does_not_wait_and_who_comes_meanwhile_goes_with_the_next() {
    let store = Watched::closed();
    let engine = engine_over(store.clone(), one_at_a_time());
    let first = ask_for(&engine, mkcol("a"));
    store.wait_for_runs(1);
    let steps = [put("b"), put("none/c"), mkcol("d"), patch("e"), rename("f", "g")];
    let others: Vec<_> = steps.into_iter().map(|step| ask_for(&engine, step)).collect();
    store.open();
    assert_eq!(kind(&first.await), None);
    let (mut kinds, mut paths) = (Vec::new(), Vec::new());
    for other in others {
        let outcome = other.await;
        kinds.push(kind(&outcome));
        paths.extend(outcome.err().map(|failure| failure.path));
    }
    let (missing, none) = (Some(FailureKind::ParentMissing), Some(FailureKind::NotFound));
    assert_eq!(kinds, [None, missing, None, none, none], "each has an outcome of its own");
    assert_eq!(paths, [path("none"), path("e"), path("f")]);
    assert_eq!(store.runs(), [1, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_take_long_goes_alone() {
    let store = Watched::closed();
    let engine = engine_over(store.clone(), one_at_a_time());
    store.open();
    for step in [mkcol("tree"), put("tree/f"), mkcol("other"), mkcol("a"), put("b")] {
        engine.run_step(step).await.unwrap();
    }
    store.open_for(0);
    let first = ask_for(&engine, put("first"));
    store.wait_for_runs(6);
    let copy = Action::Copy {
        source: path("tree"),
        target: path("copy"),
        depth: polydav_store::Depth::Infinity,
        overwrite: Overwrite::Replace,
    };
    // A tree has to make room for the second.
    let long = [step(copy), rename("a", "other"), step(Action::Remove { target: path("b") })];
    // The first and the last begin though what was before them hasn't ended.
    let long = long.map(|step| spawn(&engine, step));
    store.wait_for_runs(8);
    store.open();
    assert_eq!(kind(&first.await), None);
    for long in long {
        assert_eq!(kind(&long.await.unwrap()), None);
    }
    assert_eq!(store.runs(), [1; 9]);
}

/// One sync would wait for the content of all of them.
#[tokio::test(flavor = "multi_thread")]
async fn contents_that_have_to_come_to_disk_go_alone() {
    let store = Watched::closed();
    let engine = engine_over(store.clone(), Options { runs_max: 1, ..Options::default() });
    let puts = ["a", "b", "c"].map(|name| spawn(&engine, put(name)));
    store.wait_for_runs(3);
    store.open();
    for put in puts {
        assert_eq!(kind(&put.await.unwrap()), None);
    }
    assert_eq!(store.runs(), [1; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_panic_the_turn_is_that_of_the_next() {
    let store = Watched::closed();
    let engine = engine_over(store.clone(), one_at_a_time());
    let first = ask_for(&engine, put("panic"));
    store.wait_for_runs(1);
    let second = ask_for(&engine, put("b"));
    store.open();
    let failure = first.await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Internal, Effect::Unknown));
    assert_eq!(kind(&second.await), None);
    // The paths are free again.
    let failure = engine.run_step(put("panic")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Internal);
    engine.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_done_though_nobody_waits_for_it() {
    let store = Watched::closed();
    let engine = engine_over(store.clone(), one_at_a_time());
    drop(ask_for(&engine, put("a")));
    store.wait_for_runs(1);
    drop(ask_for(&engine, put("b")));
    store.open();
    engine.drain().await;
    assert_eq!(store.runs(), [1, 1]);
    // Where nothing may start any more, what was in line is told so.
    let failure = engine.run_step(put("c")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotAttempted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_has_a_thread_to_itself_waits_for_no_other() {
    let store = Watched::closed();
    let engine = engine_over(store.clone(), Options { in_place: true, ..one_at_a_time() });
    let asked = |at| {
        let (engine, store) = (engine.clone(), store.clone());
        tokio::spawn(async move {
            engine.run_step(put(at)).await.unwrap();
            *store.thread.lock().unwrap() == Some(thread::current().id())
        })
    };
    let alone = asked("a");
    store.wait_for_runs(1);
    let is_served = tokio::spawn(async { true });
    assert!(is_served.await.unwrap(), "another thread takes over whatever comes meanwhile");
    store.open();
    assert!(alone.await.unwrap());
    let others = [tokio::spawn(pending::<()>()), tokio::spawn(pending::<()>())];
    assert!(!asked("b").await.unwrap());
    others.iter().for_each(JoinHandle::abort);
}

/// It served all who came meanwhile, as long as there were any.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_serves_in_place_is_answered_whoever_comes_meanwhile() {
    let store = Watched::closed();
    let engine = engine_over(store.clone(), Options { in_place: true, ..one_at_a_time() });
    let first = spawn(&engine, put("a"));
    store.wait_for_runs(1);
    let second = ask_for(&engine, put("b"));
    store.open_for(1);
    let first = timeout(Duration::from_secs(60), first).await;
    store.open();
    assert_eq!(kind(&first.expect("it is answered").unwrap()), None);
    assert_eq!(kind(&second.await), None);
    assert_eq!(kind(&engine.run_step(put("c")).await), None);
    assert_eq!(store.runs(), [1; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_is_slow_holds_nobody_up_at_another() {
    let (slow, fast) = (Watched::closed(), Watched::closed());
    fast.open();
    let stores: [(ResourcePath, Arc<dyn Store>); 2] =
        [(path(""), fast.clone()), (path("slow"), slow.clone())];
    let scaffold = engine_over(fast.clone(), one_at_a_time());
    scaffold.run_step(mkcol("slow")).await.unwrap();
    let engine = engine_over(Arc::new(Mounts::new(stores)), one_at_a_time());
    let held = ask_for(&engine, put("slow/a"));
    slow.wait_for_runs(1);
    assert_eq!(kind(&engine.run_step(put("a")).await), None);
    slow.open();
    assert_eq!(kind(&held.await), None);
}

/// Where nothing is known of a tree without asking the disk, it was taken for none.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_replaces_a_tree_goes_alone() {
    let store = Watched::closed();
    let engine = engine_over(store.clone(), one_at_a_time());
    store.open();
    for step in [mkcol("big"), put("big/f"), mkcol("small")] {
        engine.run_step(step).await.unwrap();
    }
    store.open_for(0);
    let first = ask_for(&engine, put("a"));
    store.wait_for_runs(4);
    let others = [rename("small", "big"), put("b"), put("c")];
    let others: Vec<_> = others.into_iter().map(|step| ask_for(&engine, step)).collect();
    store.open();
    assert_eq!(kind(&first.await), None);
    for other in others {
        assert_eq!(kind(&other.await), None);
    }
    let mut runs = store.runs().split_off(4);
    runs.sort_unstable();
    assert_eq!(runs, [1, 2]);
}

/// With full durability, more than a few would have the whole file system brought to disk.
#[tokio::test(flavor = "multi_thread")]
async fn few_steps_change_directories_together_where_they_are_synced() {
    let store = Watched::closed();
    let engine = engine_over(store.clone(), Options { runs_max: 1, ..Options::default() });
    let first = ask_for(&engine, mkcol("first"));
    store.wait_for_runs(1);
    let others: Vec<_> =
        (0..20).map(|number| ask_for(&engine, mkcol(&format!("{number}")))).collect();
    store.open();
    assert_eq!(kind(&first.await), None);
    for other in others {
        assert_eq!(kind(&other.await), None);
    }
    assert_eq!(store.runs(), [1, 8, 8, 4]);
}

/// A ledger that holds up whoever asks it to keep a lock.
#[derive(Default)]
struct Slow {
    inner: MemoryLedger,
    store: Arc<Watched>,
}

impl Ledger for Slow {
    fn locks(&self) -> Result<Vec<Lock>, Failure> {
        self.inner.locks()
    }

    fn change_locks(&self, changes: &[LockChange], durability: Durability) -> Result<(), Failure> {
        self.store.wait_until_open();
        self.inner.change_locks(changes, durability)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_hold_no_step_up() {
    let gate = Watched::closed();
    let ledger = Arc::new(Slow { inner: MemoryLedger::default(), store: gate.clone() });
    let environment = Environment::new(|| SystemTime::UNIX_EPOCH, || 7);
    let store = Arc::new(MemoryStore::new());
    let engine = Engine::open(store, ledger, environment, one_at_a_time()).unwrap();
    engine.run_step(put("a")).await.unwrap();
    let lock = ask_for_lock(&engine, "a");
    assert_eq!(kind(&engine.run_step(put("b")).await), None);
    gate.open();
    lock.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_paths_is_waited_for() {
    for _ in 0..100 {
        let store = Watched::closed();
        let ledger = Arc::new(MemoryLedger::default());
        let environment = Environment::new(|| SystemTime::UNIX_EPOCH, || 7);
        let engine =
            Engine::open(store.clone(), ledger.clone(), environment, one_at_a_time()).unwrap();
        let first = ask_for(&engine, put("f"));
        let lock = tokio::spawn(ask_for_lock(&engine, "f"));
        store.open();
        engine.drain().await;
        let kept = ledger.locks().unwrap().len();
        drop(first);
        drop(lock.await.unwrap());
        assert_eq!(ledger.locks().unwrap().len(), kept, "nothing is changed once it is drained");
    }
}

#[tokio::test]
async fn a_look_that_panics_is_an_error() {
    let engine = engine_over(Arc::new(MemoryStore::new()), one_at_a_time());
    assert!(engine.look(|_| -> () { panic!("meant to") }).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_there_for_who_asks_behind_it() {
    let store = Watched::closed();
    let engine = engine_over(store.clone(), one_at_a_time());
    let first = ask_for(&engine, put("a"));
    store.wait_for_runs(1);
    let lock = ask_for_lock(&engine, "b");
    // It was asked for before, so it finds the lock.
    let second = ask_for(&engine, put("b"));
    store.open();
    assert_eq!(kind(&first.await), None);
    assert!(lock.await.unwrap().created);
    assert_eq!(kind(&second.await), Some(FailureKind::Locked));
}
