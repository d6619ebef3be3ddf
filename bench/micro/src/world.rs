//! A service over a store in memory, with files and locks in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use polydav_dav::{Dav, Site};
use polydav_engine::{Engine, Environment, Plan, PlanMode};
use polydav_store::{
    Action, Cancel, Content, Durability, Guard, Ledger, Lock, LockChange, MemoryLedger,
    MemoryStore, Outcome, Principal, ResourcePath, Step,
};
use tokio::runtime::Runtime;

/// The same in every run.
const NOW: SystemTime = SystemTime::UNIX_EPOCH;

/// How much is in a file.
const CONTENT: &[u8] = &[b'x'; 1_000];

/// The service, and what its futures run on.
pub(crate) struct World {
    pub(crate) engine: Engine,
    dav: Dav,
    runtime: Runtime,
}

impl World {
    /// A world with so many files in `/from/`, and nothing in `/to/`.
    pub(crate) fn new(files: usize) -> Self {
        Self::with_locks(files, Vec::new())
    }

    /// The same, and a collection beside for each of these locks, which lies on it.
    pub(crate) fn with_locks(files: usize, locks: Vec<Lock>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a thread can be had");
        let store = Arc::new(MemoryStore::new());
        let numbers = AtomicU64::new(0);
        let random = move || u128::from(numbers.fetch_add(1, Ordering::Relaxed));
        let environment = Environment::new(|| NOW, random);
        let ledger = Arc::new(MemoryLedger::default());
        let open = || {
            let (ledger, environment) = (ledger.clone(), environment.clone());
            let engine = Engine::open(store.clone(), ledger, environment, Default::default());
            engine.expect("the ledger can be read")
        };
        let roots = locks.iter().map(|lock| Action::MakeCollection { target: lock.root.clone() });
        let made = furniture(files).into_iter().chain(roots);
        let outcomes = runtime.block_on(open().run(plan(made, PlanMode::BestEffort)));
        assert!(outcomes.iter().all(Outcome::is_ok), "all can be made");
        let kept: Vec<_> = locks.into_iter().map(|lock| LockChange::Keep(lock.into())).collect();
        ledger.change_locks(&kept, Durability::Relaxed).expect("it is kept in memory");
        let engine = open();
        let dav = Dav::new(engine.clone(), Site::default(), Default::default());
        Self { engine, dav, runtime }
    }

    /// What a future comes to.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// What the service says.
    pub(crate) fn ask(&self, request: &Request<Bytes>) -> (StatusCode, Bytes) {
        let request = request.clone().map(|body| Full::new(body).map_err(|e| match e {}));
        let request = request.map(BodyExt::boxed_unsync);
        self.wait(async {
            let answer = self.dav.call(request, Principal::Anonymous).await;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.expect("it doesn't break off");
            (head.status, body.to_bytes())
        })
    }
}

/// A plan of these actions.
pub(crate) fn plan(actions: impl IntoIterator<Item = Action>, mode: PlanMode) -> Plan {
    let step = |(index, action)| Step::new(index, Guard::default(), action);
    let steps = actions.into_iter().enumerate().map(step).collect();
    Plan { steps, mode, cancel: Cancel::never(), ticket: None }
}

/// The name of a file.
pub(crate) fn name(number: usize) -> String {
    format!("minutes-{number:06}.txt")
}

/// A path of a test.
pub(crate) fn path(joined: &str) -> ResourcePath {
    ResourcePath::parse(joined).expect("it is a path")
}

/// A time that doesn't come.
pub(crate) fn late() -> SystemTime {
    NOW + Duration::from_secs(3600)
}

fn furniture(files: usize) -> Vec<Action> {
    let folders =
        ["from", "to", "locked"].map(|name| Action::MakeCollection { target: path(name) });
    let files = (0..files).map(|number| Action::Put {
        target: path(&format!("from/{}", name(number))),
        content: Content::Inline(Bytes::from_static(CONTENT)),
        modified: None,
    });
    folders.into_iter().chain(files).collect()
}
