//! Plans and locks over the store in memory.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use polydav_engine::{
    Engine, Environment, LiveView, LockLimits, LockRequest, Options, Plan, PlanMode,
    RefreshRequest, Steps, UnlockRequest,
};
use polydav_store::layer::{Fault, Faulty};
use polydav_store::schema::{Access, Column, Origin, Table, Type};
use polydav_store::{
    Action, Broken, Cancel, Condition, Content, Effect, Failure, FailureKind, Field, Guard, IfList,
    Ledger, Lock, LockDepth, LockScope, LockToken, LockView, MemoryLedger, MemoryRecords,
    MemoryStore, Needed, Outcome, Overwrite, Principal, Report, ResourcePath, Run, Select, Step,
    Store, Value, View as _, delegate,
};

fn path(joined: &str) -> ResourcePath {
    ResourcePath::parse(joined).unwrap()
}

fn put(target: &str) -> Action {
    let content = Content::Inline(Bytes::from_static(b"content"));
    Action::Put { target: path(target), content, modified: None }
}

fn mkcol(target: &str) -> Action {
    Action::MakeCollection { target: path(target) }
}

fn remove(target: &str) -> Action {
    Action::Remove { target: path(target) }
}

fn rename(source: &str, target: &str) -> Action {
    let (source, target) = (path(source), path(target));
    Action::Rename { source, target, overwrite: Overwrite::Replace }
}

/// A clock that tests set, and random numbers that count.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    fn environment(&self) -> Environment {
        let (clock, counter) = (self.clone(), AtomicU64::new(1));
        Environment::new(
            move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.0.load(Ordering::Relaxed)),
            move || u128::from(counter.fetch_add(1, Ordering::Relaxed)),
        )
    }
}

struct World {
    engine: Engine,
    clock: Clock,
    ledger: Arc<MemoryLedger>,
    store: Arc<MemoryStore>,
}

impl World {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let (clock, ledger) = (Clock::default(), Arc::new(MemoryLedger::default()));
        let store = Arc::new(MemoryStore::new());
        let engine =
            Engine::open(store.clone(), ledger.clone(), clock.environment(), options).unwrap();
        Self { engine, clock, ledger, store }
    }

    /// The same store and ledger, opened by another process.
    fn restarted(self) -> Self {
        let Self { clock, ledger, store, .. } = self;
        let options = Options::default();
        let engine =
            Engine::open(store.clone(), ledger.clone(), clock.environment(), options).unwrap();
        Self { engine, clock, ledger, store }
    }

    async fn run(&self, actions: Vec<Action>) -> Vec<Outcome> {
        let guarded = actions.into_iter().map(|action| (Guard::default(), action));
        self.run_guarded(guarded.collect()).await
    }

    async fn run_guarded(&self, steps: Vec<(Guard, Action)>) -> Vec<Outcome> {
        self.engine.run(plan(steps, PlanMode::BestEffort)).await
    }

    async fn one(&self, guard: Guard, action: Action) -> Result<(), FailureKind> {
        let mut outcomes = self.run_guarded(vec![(guard, action)]).await;
        outcomes.pop().unwrap().map(drop).map_err(|failure| failure.kind)
    }

    async fn lock(&self, root: &str, depth: LockDepth) -> Result<Arc<Lock>, Failure> {
        self.engine.lock(asked(root, depth)).await.map(|locked| locked.lock)
    }

    async fn unlock(&self, root: &str, token: &LockToken) -> Result<(), FailureKind> {
        let request =
            UnlockRequest { path: path(root), token: token.clone(), guard: Guard::default() };
        self.engine.unlock(request).await.map_err(|failure| failure.kind)
    }

    fn kept(&self) -> usize {
        self.ledger.locks().unwrap().len()
    }

    fn has(&self, joined: &str) -> bool {
        self.store.stat(&path(joined), &Select::None).is_ok()
    }
}

fn plan(steps: Vec<(Guard, Action)>, mode: PlanMode) -> Plan {
    let steps = steps.into_iter().enumerate();
    let steps = steps.map(|(index, (guard, action))| Step::new(index, guard, action)).collect();
    Plan { steps, mode, cancel: Cancel::never(), ticket: None }
}

fn asked(root: &str, depth: LockDepth) -> LockRequest {
    LockRequest {
        path: path(root),
        scope: LockScope::Exclusive,
        depth,
        owner: None,
        timeout: Some(Duration::from_secs(60)),
        guard: Guard::default(),
    }
}

fn with(token: &LockToken) -> Guard {
    Guard { tokens: [token.clone()].into_iter().collect(), ..Guard::default() }
}

fn both(one: &LockToken, other: &LockToken) -> Guard {
    Guard { tokens: [one.clone(), other.clone()].into_iter().collect(), ..Guard::default() }
}

fn kinds(outcomes: &[Outcome]) -> Vec<Option<FailureKind>> {
    let kind = |outcome: &Outcome| outcome.as_ref().err().map(|failure| failure.kind);
    outcomes.iter().map(kind).collect()
}

#[tokio::test]
async fn a_plan_of_several_runs_has_an_outcome_for_each_step_in_order() {
    let world = World::new();
    let count = Run::STEPS_MAX * 2 + 500;
    let names = (0..count).map(|index| format!("f{}", index - index % 2)).collect::<Vec<_>>();
    let outcomes = world.run(names.iter().map(|name| put(name)).collect()).await;
    assert_eq!(outcomes.len(), count);
    for (index, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.as_ref().unwrap().created, index % 2 == 0, "{index}");
    }
}

#[tokio::test]
async fn mode_stop_tries_nothing_behind_a_failure_not_even_in_later_runs() {
    let world = World::new();
    let mut steps: Vec<_> = (0..Run::STEPS_MAX + 10)
        .map(|index| (Guard::default(), put(&format!("f{index}"))))
        .collect();
    steps[5].1 = put("missing/f");
    let outcomes = world.engine.run(plan(steps, PlanMode::Stop)).await;
    let kinds = kinds(&outcomes);
    assert!(kinds[..5].iter().all(Option::is_none));
    assert_eq!(kinds[5], Some(FailureKind::ParentMissing));
    assert!(kinds[6..].iter().all(|kind| *kind == Some(FailureKind::Dependency)));
    assert!(!world.has("f6") && !world.has("f1005"));
}

/// These steps, with needs: which step has which.
fn needing<const N: usize>(steps: Vec<Step>, needs: [(usize, usize); N]) -> Vec<Step> {
    let of = |index| needs.into_iter().filter(move |(at, _)| *at == index).map(|(_, need)| need);
    let needing = |step: Step| {
        let needs = of(step.index());
        step.needing(needs)
    };
    steps.into_iter().map(needing).collect()
}

#[tokio::test]
async fn needs_are_met_in_whichever_run_they_are() {
    let world = World::new();
    const FAR: usize = Run::STEPS_MAX * 2;
    for mode in [PlanMode::BestEffort, PlanMode::Atomic] {
        let name = |index| match (index, mode) {
            (7, PlanMode::BestEffort) => "missing/f".to_owned(),
            _ => format!("f{index}"),
        };
        let steps = (0..FAR + 5).map(|index| (Guard::default(), put(&name(index)))).collect();
        let plan = plan(steps, mode);
        // In the same run, from run to run, by way of another, and of several.
        let needs =
            [(8, 7), (9, 6), (FAR, 7), (FAR + 1, 6), (FAR + 2, 8), (FAR + 3, 9), (FAR + 3, 3)];
        let steps = needing(plan.steps, needs);
        let outcomes = kinds(&world.engine.run(Plan { steps, ..plan }).await);
        for (index, outcome) in outcomes.into_iter().enumerate() {
            let expected = match (index, mode) {
                (_, PlanMode::Atomic) => None,
                (7, _) => Some(FailureKind::ParentMissing),
                (8 | FAR, _) => Some(FailureKind::Dependency),
                (index, _) if index == FAR + 2 => Some(FailureKind::Dependency),
                _ => None,
            };
            assert_eq!(outcome, expected, "{index} {mode:?}");
            assert_eq!(world.has(&name(index)), expected.is_none());
        }
    }
}

#[tokio::test]
async fn what_is_no_step_of_the_plan_is_no_need_that_is_met() {
    let world = World::new();
    let plan = plan(vec![(Guard::default(), put("f"))], PlanMode::BestEffort);
    let steps = needing(plan.steps, [(0, 3)]);
    let outcomes = world.engine.run(Plan { steps, ..plan }).await;
    assert_eq!(kinds(&outcomes), [Some(FailureKind::Dependency)]);
    assert!(!world.has("f"));
}

/// Tables whose rows have numbers that the store gives.
const TABLES: &[Table] = &[
    Table {
        name: "t",
        columns: &[
            Column { origin: Origin::Either, ..Column::new("id", Type::Integer) },
            Column { references: Some("t"), ..Column::nullable("of", Type::Integer) },
        ],
        key: &["id"],
        access: Access::Write,
        rows: &[],
    },
    Table {
        name: "pair",
        columns: &[Column::new("a", Type::Integer), Column::new("b", Type::Integer)],
        key: &["a", "b"],
        access: Access::Write,
        rows: &[],
    },
];

#[tokio::test]
async fn references_are_known_in_whichever_run_they_are() {
    const FAR: usize = Run::STEPS_MAX * 2;
    let field = |name: &str, value| Field { name: name.into(), value };
    let of = |value| Action::add(path("t"), vec![field("of", value)]);
    let text = |text: &str| Value::Text(text.into());
    for mode in [PlanMode::BestEffort, PlanMode::Atomic] {
        let action = |index| match (index, mode) {
            (0, _) => of(Value::Null),
            (1, PlanMode::BestEffort) => of(text("90000")),
            (2, _) => {
                let pair = vec![field("a", text("1")), field("b", text("2"))];
                Action::add(path("pair"), pair)
            }
            (3, PlanMode::BestEffort) => of(Value::Added(1)),
            (4, PlanMode::BestEffort) => of(Value::Added(2)),
            (5 | FAR, _) => of(Value::Added(0)),
            (index, PlanMode::BestEffort) if index == FAR + 1 => of(Value::Added(1)),
            (index, PlanMode::BestEffort) if index == FAR + 2 => of(Value::Added(2)),
            (index, _) if index == FAR + 3 => of(Value::Added(FAR)),
            _ => of(Value::Null),
        };
        let (clock, ledger) = (Clock::default(), Arc::new(MemoryLedger::default()));
        let store = Arc::new(MemoryRecords::new(TABLES));
        let environment = clock.environment();
        let engine = Engine::open(store.clone(), ledger, environment, Options::default()).unwrap();
        let steps = (0..FAR + 4).map(|index| (Guard::default(), action(index))).collect();
        let outcomes = engine.run(plan(steps, mode)).await;
        let row = |index: usize| outcomes[index].as_ref().unwrap().added.clone().unwrap();
        for (index, kind) in kinds(&outcomes).into_iter().enumerate() {
            let expected = match (index, mode) {
                (_, PlanMode::Atomic) => None,
                (1, _) => Some(FailureKind::Conflict),
                (3, _) => Some(FailureKind::Dependency),
                (4, _) => Some(FailureKind::Invalid),
                (index, _) if index == FAR + 1 => Some(FailureKind::Dependency),
                (index, _) if index == FAR + 2 => Some(FailureKind::Invalid),
                _ => None,
            };
            assert_eq!(kind, expected, "{index} {mode:?}");
        }
        for (index, other) in [(5, 0), (FAR, 0), (FAR + 3, FAR)] {
            let entry = store.stat(&row(index).path, &Select::All).unwrap();
            assert_eq!(Some(entry.columns[1].value.clone()), row(other).key, "{index} {mode:?}");
        }
    }
}

#[tokio::test]
async fn a_cancelled_plan_tells_of_every_step() {
    let world = World::new();
    let asked = AtomicUsize::new(0);
    let cancel = Cancel::when(move || asked.fetch_add(1, Ordering::Relaxed) >= 2);
    let steps = (0..4).map(|index| (Guard::default(), put(&format!("f{index}")))).collect();
    let outcomes = world.engine.run(Plan { cancel, ..plan(steps, PlanMode::BestEffort) }).await;
    let not_attempted = Some(FailureKind::NotAttempted);
    assert_eq!(kinds(&outcomes), [None, None, not_attempted, not_attempted]);
}

#[tokio::test]
async fn rfc4918_7_a_lock_holds_up_whoever_lacks_its_token() {
    let world = World::new();
    world.run(vec![mkcol("c"), put("c/f")]).await;
    let lock = world.lock("c", LockDepth::Infinity).await.unwrap();
    assert_eq!(world.one(Guard::default(), put("c/f")).await, Err(FailureKind::Locked));
    assert_eq!(world.one(Guard::default(), put("c/g")).await, Err(FailureKind::Locked));
    assert_eq!(world.one(with(&lock.token), put("c/g")).await, Ok(()));
    world.unlock("c", &lock.token).await.unwrap();
    assert_eq!(world.one(Guard::default(), put("c/f")).await, Ok(()));
}

#[tokio::test]
async fn rfc4918_7_3_locking_an_unmapped_url_makes_an_empty_file() {
    let world = World::new();
    let locked = world.engine.lock(asked("f", LockDepth::Zero)).await.unwrap();
    assert!(locked.created && world.has("f"));
    assert_eq!(world.store.stat(&path("f"), &Select::None).unwrap().length, 0);
    let failure = world.engine.lock(asked("missing/f", LockDepth::Zero)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ParentMissing);
    assert_eq!(world.kept(), 1, "the lock of the file that wasn't made is gone too");
}

#[tokio::test]
async fn locks_conflict_upwards_and_downwards_rfc4918_9_10_3() {
    let world = World::new();
    world.run(vec![mkcol("c"), put("c/f")]).await;
    let lock = world.lock("c/f", LockDepth::Zero).await.unwrap();
    let failure = world.lock("c", LockDepth::Infinity).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Members);
    assert_eq!(failure.members.list()[0].path, path("c/f"));
    assert_eq!(failure.members.list()[0].kind, FailureKind::LockConflict);
    world.unlock("c/f", &lock.token).await.unwrap();
    world.lock("c", LockDepth::Infinity).await.unwrap();
    let failure = world.lock("c/f", LockDepth::Zero).await.unwrap_err();
    assert_eq!((failure.kind, failure.path), (FailureKind::LockConflict, path("c")));
}

#[tokio::test]
async fn locks_outlive_a_restart_unless_their_resource_is_gone() {
    let world = World::new();
    world.run(vec![put("f"), put("g")]).await;
    let lock = world.lock("f", LockDepth::Zero).await.unwrap();
    world.lock("g", LockDepth::Zero).await.unwrap();
    let gone = Step::new(0, Guard::default(), remove("g"));
    let run = Run {
        id: polydav_store::RunId(0),
        steps: vec![gone],
        on_failure: polydav_store::OnFailure::Continue,
        durability: polydav_store::Durability::Relaxed,
        cancel: Cancel::never(),
    };
    world.store.apply(run, &polydav_store::NoLocks, &mut |_, _| ()).unwrap();
    let world = world.restarted();
    assert_eq!(world.kept(), 1);
    assert_eq!(world.one(Guard::default(), put("f")).await, Err(FailureKind::Locked));
    assert_eq!(world.one(with(&lock.token), put("f")).await, Ok(()));
}

#[tokio::test]
async fn a_lock_on_what_cannot_be_looked_at_is_kept_and_no_reason_not_to_start() {
    let (clock, ledger) = (Clock::default(), Arc::new(MemoryLedger::default()));
    let store = Arc::new(Faulty::new(MemoryStore::new()));
    let open = || {
        let (store, ledger) = (store.clone(), ledger.clone());
        Engine::open(store, ledger, clock.environment(), Options::default())
    };
    let lock = open().unwrap().lock(asked("f", LockDepth::Zero)).await.unwrap().lock;
    store.arm(1, Fault::Fails(FailureKind::Internal));
    let engine = open().unwrap();
    assert!(store.struck());
    assert_eq!(engine.view().locks().covering(&path("f")), [lock]);
}

#[tokio::test]
async fn a_lock_ends_at_its_time_and_giving_it_up_later_is_no_error() {
    let world = World::new();
    let lock = world.lock("f", LockDepth::Zero).await.unwrap();
    world.clock.advance(60);
    assert_eq!(world.one(Guard::default(), put("f")).await, Ok(()));
    assert_eq!(world.unlock("f", &lock.token).await, Ok(()));
    assert_eq!(world.kept(), 0);
    let unknown = LockToken::new("urn:uuid:00000000-0000-4000-8000-0000000000ff");
    assert_eq!(world.unlock("f", &unknown).await, Err(FailureKind::NoSuchLock));
}

#[tokio::test]
async fn a_refresh_prolongs_rfc4918_9_10_2() {
    let world = World::new();
    let lock = world.lock("f", LockDepth::Zero).await.unwrap();
    world.clock.advance(59);
    let timeout = Some(Duration::from_secs(60));
    let request = RefreshRequest { path: path("f"), timeout, guard: with(&lock.token) };
    world.engine.refresh(request.clone()).await.unwrap();
    world.clock.advance(59);
    assert_eq!(world.one(Guard::default(), put("f")).await, Err(FailureKind::Locked));
    let stranger = Guard { principal: Principal::Named("eve".into()), ..with(&lock.token) };
    let refused = world.engine.refresh(RefreshRequest { guard: stranger, ..request }).await;
    assert_eq!(refused.unwrap_err().kind, FailureKind::Precondition);
}

#[tokio::test]
async fn only_its_owner_unlocks_and_uses_a_lock() {
    let world = World::new();
    let lock = world.lock("f", LockDepth::Zero).await.unwrap();
    let eve = Guard { principal: Principal::Named("eve".into()), ..with(&lock.token) };
    assert_eq!(world.one(eve.clone(), put("f")).await, Err(FailureKind::Locked));
    let request = UnlockRequest { path: path("f"), token: lock.token.clone(), guard: eve };
    assert_eq!(world.engine.unlock(request).await.unwrap_err().kind, FailureKind::Forbidden);
    assert_eq!(world.unlock("other", &lock.token).await, Err(FailureKind::NoSuchLock));
}

#[tokio::test]
async fn locks_are_capped_in_time_number_and_owner() {
    let lock_limits = LockLimits {
        timeout_max: Duration::from_secs(10),
        count_max: 2,
        owner_bytes_max: 8,
        ..LockLimits::default()
    };
    let world = World::with(Options { lock_limits, ..Options::default() });
    let lock = world.lock("f", LockDepth::Zero).await.unwrap();
    assert_eq!(lock.expires, SystemTime::UNIX_EPOCH + Duration::from_secs(10));
    let wordy = LockRequest {
        owner: Some(Bytes::from_static(b"<too-long/>")),
        ..asked("g", LockDepth::Zero)
    };
    let failure = world.engine.lock(wordy).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Forbidden);
    world.lock("g", LockDepth::Zero).await.unwrap();
    let failure = world.lock("h", LockDepth::Zero).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Exhausted);
    world.clock.advance(11);
    world.lock("h", LockDepth::Zero).await.unwrap();
}

#[tokio::test]
async fn one_principal_does_not_get_all_locks() {
    let lock_limits = LockLimits { count_max_each: 2, ..LockLimits::default() };
    let world = World::with(Options { lock_limits, ..Options::default() });
    let first = world.lock("a", LockDepth::Zero).await.unwrap();
    world.lock("b", LockDepth::Zero).await.unwrap();
    let failure = world.lock("c", LockDepth::Zero).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Exhausted);
    let guard = Guard { principal: Principal::Named("ann".into()), ..Guard::default() };
    world.engine.lock(LockRequest { guard, ..asked("c", LockDepth::Zero) }).await.unwrap();
    world.unlock("a", &first.token).await.unwrap();
    world.lock("d", LockDepth::Zero).await.unwrap();
}

/// Each of them is told of with every member of a listing.
#[tokio::test]
async fn shared_locks_on_one_resource_are_bounded() {
    let lock_limits = LockLimits { shared_max: 2, ..LockLimits::default() };
    let world = World::with(Options { lock_limits, ..Options::default() });
    world.run(vec![mkcol("c"), put("c/f")]).await;
    let shared = |at| LockRequest { scope: LockScope::Shared, ..asked(at, LockDepth::Infinity) };
    world.engine.lock(shared("c")).await.unwrap();
    world.engine.lock(shared("c/f")).await.unwrap();
    let failure = world.engine.lock(shared("c/f")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Exhausted);
    world.engine.lock(shared("c")).await.unwrap();
}

/// The owner of each is written anew whenever somebody is told of it.
#[tokio::test]
async fn many_locks_are_told_of_where_that_holds_nobody_up() {
    let world = World::new();
    world.run(vec![put("f")]).await;
    let shared = || LockRequest { scope: LockScope::Shared, ..asked("f", LockDepth::Zero) };
    let (mut here, mut elsewhere) = (0, 0);
    for count in 1..=20 {
        world.engine.lock(shared()).await.unwrap();
        let look = |view: LiveView<'_>| (view.covering(&path("f")), thread::current().id());
        let (locks, thread) = world.engine.look(look).await.unwrap();
        assert_eq!(locks.unwrap().len(), count);
        *if thread == thread::current().id() { &mut here } else { &mut elsewhere } += 1;
    }
    assert_eq!((here, elsewhere), (8, 12));
}

#[tokio::test]
async fn a_removal_ends_locks_and_the_steps_behind_it_see_that() {
    let world = World::new();
    world.run(vec![mkcol("c"), put("c/f")]).await;
    let lock = world.lock("c/f", LockDepth::Zero).await.unwrap();
    let steps = vec![
        (with(&lock.token), remove("c")),
        (Guard::default(), mkcol("c")),
        (Guard::default(), put("c/f")),
    ];
    assert_eq!(kinds(&world.run_guarded(steps).await), [None, None, None]);
    assert_eq!(world.kept(), 0);
}

#[tokio::test]
async fn needs_are_met_behind_steps_that_end_locks() {
    let world = World::new();
    world.run(vec![mkcol("c"), mkcol("d"), put("d/f")]).await;
    let c = world.lock("c", LockDepth::Infinity).await.unwrap();
    let d = world.lock("d", LockDepth::Zero).await.unwrap();
    let (with, none) = (with(&c.token), Guard::default);
    let steps = vec![
        (with, remove("c")),
        (none(), remove("d")),
        (none(), put("c")),
        (none(), put("e")),
        (none(), put("g")),
    ];
    let plan = plan(steps, PlanMode::BestEffort);
    let steps = needing(plan.steps, [(2, 0), (3, 1), (4, 2), (4, 0)]);
    let outcomes = kinds(&world.engine.run(Plan { steps, ..plan }).await);
    let (locked, hangs) = (Some(FailureKind::Locked), Some(FailureKind::Dependency));
    assert_eq!(outcomes, [None, locked, None, hangs, None]);
    assert_eq!(world.engine.view().locks().covering(&path("d"))[0].token, d.token);
}

#[tokio::test]
async fn a_move_leaves_the_locks_of_the_source_behind_rfc4918_7_6() {
    let world = World::new();
    world.run(vec![put("f"), put("g")]).await;
    let source = world.lock("f", LockDepth::Zero).await.unwrap();
    let target = world.lock("g", LockDepth::Zero).await.unwrap();
    let guard = both(&source.token, &target.token);
    assert_eq!(world.one(guard, rename("f", "g")).await, Ok(()));
    let view = world.engine.view();
    assert!(view.locks().covering(&path("f")).is_empty());
    assert_eq!(view.locks().covering(&path("g"))[0].token, target.token);
}

fn whole(steps: impl IntoIterator<Item = (Guard, Action)>) -> Plan {
    plan(steps.into_iter().collect(), PlanMode::Atomic)
}

#[tokio::test]
async fn an_atomic_plan_is_one_run_however_many_steps_it_has() {
    let world = World::new();
    let count = Run::STEPS_MAX * 2 + 500;
    let puts = |count| (0..count).map(|index| (Guard::default(), put(&format!("f{index}"))));
    let failing = [(Guard::default(), put("missing/f")), (Guard::default(), put("g"))];
    let outcomes = world.engine.run(whole(puts(count).chain(failing))).await;
    let failure = |index: usize| outcomes[index].as_ref().unwrap_err();
    for index in 0..count {
        let Failure { kind, effect, .. } = failure(index);
        assert_eq!((*kind, *effect), (FailureKind::Dependency, Effect::RolledBack), "{index}");
    }
    assert_eq!(failure(count).kind, FailureKind::ParentMissing);
    let Failure { kind, effect, .. } = failure(count + 1);
    assert_eq!((*kind, *effect), (FailureKind::Dependency, Effect::None));
    assert!(!world.has("f0") && !world.has("g"));
    let outcomes = world.engine.run(whole(puts(count))).await;
    assert!(outcomes.iter().all(Outcome::is_ok) && world.has("f0"));
}

/// As where the steps come one after the other.
#[tokio::test]
async fn an_atomic_plan_ends_the_locks_of_what_it_removes() {
    for mode in [PlanMode::BestEffort, PlanMode::Atomic] {
        let world = World::new();
        world.run(vec![mkcol("a"), put("a/x"), put("b"), put("c"), put("d")]).await;
        let inner = world.lock("a/x", LockDepth::Zero).await.unwrap();
        let source = world.lock("b", LockDepth::Zero).await.unwrap();
        let target = world.lock("c", LockDepth::Zero).await.unwrap();
        let untouched = world.lock("d", LockDepth::Zero).await.unwrap();
        let steps = vec![
            (with(&inner.token), remove("a")),
            (Guard::default(), mkcol("a")),
            (Guard::default(), put("a/x")),
            (both(&source.token, &target.token), rename("b", "c")),
            (Guard::default(), put("b")),
        ];
        let outcomes = world.engine.run(plan(steps, mode)).await;
        assert_eq!(kinds(&outcomes), [None; 5], "{mode:?}");
        for (at, is_locked) in [("a/x", false), ("b", false), ("c", true), ("d", true)] {
            let expected = if is_locked { Err(FailureKind::Locked) } else { Ok(()) };
            assert_eq!(world.one(Guard::default(), put(at)).await, expected, "{at} {mode:?}");
        }
        assert_eq!(world.kept(), 2, "{mode:?}");
        assert_eq!(world.one(with(&untouched.token), put("d")).await, Ok(()));
    }
}

#[tokio::test]
async fn what_an_atomic_plan_undoes_stays_locked() {
    let world = World::new();
    world.run(vec![mkcol("a"), put("a/x")]).await;
    let lock = world.lock("a", LockDepth::Infinity).await.unwrap();
    let steps = [(with(&lock.token), remove("a")), (Guard::default(), remove("none"))];
    let outcomes = world.engine.run(whole(steps)).await;
    assert_eq!(kinds(&outcomes), [FailureKind::Dependency, FailureKind::NotFound].map(Some));
    assert_eq!(world.one(Guard::default(), put("a/x")).await, Err(FailureKind::Locked));
    assert_eq!(world.one(with(&lock.token), put("a/x")).await, Ok(()));
}

#[tokio::test]
async fn a_partial_removal_keeps_the_lock_of_what_is_left() {
    let world = World::new();
    world.run(vec![mkcol("c"), put("c/f"), put("c/g")]).await;
    let lock = world.lock("c/f", LockDepth::Zero).await.unwrap();
    let outcomes = world.run(vec![remove("c")]).await;
    let failure = outcomes[0].as_ref().unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Members, Effect::Partial));
    assert!(world.has("c/f") && !world.has("c/g"));
    assert_eq!(world.engine.view().locks().covering(&path("c/f"))[0].token, lock.token);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Closed,
    Open,
    Passed,
}

/// A store that waits at a gate before it applies anything, and may panic there.
struct Gated {
    inner: MemoryStore,
    gate: Mutex<Gate>,
    moved: Condvar,
    panics: bool,
}

impl Gated {
    fn new(gate: Gate, panics: bool) -> Arc<Self> {
        let (inner, moved) = (MemoryStore::new(), Condvar::new());
        Arc::new(Self { inner, gate: Mutex::new(gate), moved, panics })
    }

    fn set(&self, gate: Gate) {
        *self.gate.lock().unwrap() = gate;
        self.moved.notify_all();
    }

    fn wait_while(&self, gate: Gate) {
        let at = self.gate.lock().unwrap();
        drop(self.moved.wait_while(at, |at| *at == gate).unwrap());
    }
}

impl Store for Gated {
    delegate!(this => this.inner; capabilities, stat, walk, read, stage, space);

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        self.wait_while(Gate::Closed);
        assert!(!self.panics, "a store that panics");
        let applied = self.inner.apply(run, locks, report);
        self.set(Gate::Passed);
        applied
    }
    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Store>, Failure> {
        Ok(Arc::new(MemoryStore::new()))
    }
}

fn engine_over(store: Arc<Gated>) -> Engine {
    let environment = Clock::default().environment();
    Engine::open(store, Arc::new(MemoryLedger::default()), environment, Options::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_began_ends_though_nobody_waits_for_it() {
    let store = Gated::new(Gate::Closed, false);
    let engine = engine_over(store.clone());
    {
        let plan = plan(vec![(Guard::default(), put("f"))], PlanMode::BestEffort);
        let mut asked = std::pin::pin!(engine.run(plan));
        let waker = std::task::Waker::noop();
        let polled = asked.as_mut().poll(&mut std::task::Context::from_waker(waker));
        assert!(polled.is_pending());
    }
    store.set(Gate::Open);
    store.wait_while(Gate::Open);
    engine.drain().await;
    assert!(store.stat(&path("f"), &Select::None).is_ok());
}

/// RFC 4918 §10.4: a tagged list is about another resource, which others may be about to change.
#[tokio::test]
async fn what_a_condition_looks_at_does_not_change_before_the_step_acted() {
    let store = Gated::new(Gate::Closed, false);
    let environment = Clock::default().environment();
    let options = Options { patience: Duration::ZERO, ..Options::default() };
    let engine =
        Engine::open(store.clone(), Arc::new(MemoryLedger::default()), environment, options)
            .unwrap();
    let first = plan(vec![(Guard::default(), put("other"))], PlanMode::BestEffort);
    let first = tokio::spawn({
        let engine = engine.clone();
        async move { engine.run(first).await }
    });
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    let list =
        IfList { resource: Some(Arc::new(path("other"))), conditions: vec![Condition::Never] };
    let guard = Guard { if_lists: vec![list], ..Guard::default() };
    let second = vec![(guard.clone(), put("f")), (Guard::default(), put("g"))];
    let mut second = plan(second, PlanMode::BestEffort);
    second.steps = needing(second.steps, [(1, 0)]);
    let second = engine.run(second);
    let second = tokio::time::timeout(Duration::from_secs(20), second).await;
    let lock = engine.lock(LockRequest { guard, ..asked("f", LockDepth::Zero) });
    let lock = tokio::time::timeout(Duration::from_secs(20), lock).await;
    store.set(Gate::Open);
    let second = kinds(&second.unwrap());
    assert_eq!(second, [Some(FailureKind::Busy), Some(FailureKind::Dependency)]);
    assert_eq!(lock.unwrap().unwrap_err().kind, FailureKind::Busy);
    assert_eq!(kinds(&first.await.unwrap()), [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_panics_leaves_its_steps_unknown_and_its_paths_free() {
    let engine = engine_over(Gated::new(Gate::Open, true));
    for _ in 0..2 {
        let plan = plan(vec![(Guard::default(), put("f"))], PlanMode::BestEffort);
        let outcomes = engine.run(plan).await;
        let failure = outcomes[0].as_ref().unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::Internal, Effect::Unknown));
    }
}

/// Steps that are given one at a time. When it is asked for the second one, something happens.
struct OneByOne<F> {
    left: std::vec::IntoIter<Step>,
    asked: usize,
    second: F,
    /// Before the so many-eth was asked for, this was told.
    told: Vec<(usize, Option<FailureKind>)>,
}

impl<F: Fn() + Send + Sync + 'static> OneByOne<F> {
    fn of(actions: impl IntoIterator<Item = Action>, second: F) -> Plan<Self> {
        let guarded = actions.into_iter().map(|action| (Guard::default(), action));
        let Plan { steps, mode, cancel, ticket } = plan(guarded.collect(), PlanMode::BestEffort);
        let steps = Self { left: steps.into_iter(), asked: 0, second, told: Vec::new() };
        Plan { steps, mode, cancel, ticket }
    }
}

impl<F: Fn() + Send + Sync + 'static> Steps for OneByOne<F> {
    fn needed(&self) -> Needed {
        Needed::default()
    }

    async fn next(mut self, _: usize) -> (Self, Vec<Step>) {
        self.asked += 1;
        if self.asked == 2 {
            (self.second)();
        }
        let steps = self.left.next().into_iter().collect();
        (self, steps)
    }

    fn told(&mut self, outcomes: Vec<Outcome>) {
        self.told.extend(kinds(&outcomes).into_iter().map(|kind| (self.asked, kind)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_steps_run_the_next_are_made_and_those_before_are_told_of() {
    let store = Gated::new(Gate::Closed, false);
    let engine = engine_over(store.clone());
    // The first ends only once the second was asked for.
    let plan = OneByOne::of([mkcol("a"), remove("b"), put("a/f")], move || store.set(Gate::Open));
    let steps = tokio::time::timeout(Duration::from_secs(60), engine.pass(plan)).await;
    let steps = steps.expect("what runs waits for nobody").unwrap();
    assert_eq!(steps.told, [(2, None), (3, Some(FailureKind::NotFound)), (4, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_waited_for_though_the_next_steps_cannot_be_made() {
    let store = Gated::new(Gate::Closed, false);
    let engine = engine_over(store.clone());
    let opened = store.clone();
    let plan = OneByOne::of([mkcol("a"), mkcol("b")], move || {
        opened.set(Gate::Open);
        panic!("steps that can't be made");
    });
    assert!(engine.pass(plan).await.is_none());
    assert!(store.stat(&path("a"), &Select::None).is_ok());
    assert!(engine.stillness(&path("a")).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_that_are_made_later_are_rehearsed_too_and_refused_if_nothing_can_be() {
    let world = World::new();
    let actions = || [mkcol("a"), put("a/f"), put("b/f")];
    let rehearsed = world.engine.pass_in_rehearsal(OneByOne::of(actions(), || ())).await.unwrap();
    let missing = Some(FailureKind::ParentMissing);
    assert_eq!(rehearsed.told, [(2, None), (3, None), (4, missing)]);
    assert!(!world.has("a"));
    // A store that can't be rehearsed.
    let (environment, ledger) = (Clock::default().environment(), MemoryLedger::default());
    let store = Arc::new(Faulty::new(MemoryStore::new()));
    let engine = Engine::open(store, Arc::new(ledger), environment, Options::default()).unwrap();
    let refused = engine.pass_in_rehearsal(OneByOne::of(actions(), || ())).await.unwrap();
    assert_eq!(refused.told, [1, 2, 3].map(|asked| (asked, Some(FailureKind::Unsupported))));
}

#[tokio::test]
async fn nothing_starts_while_the_engine_drains() {
    let world = World::new();
    world.engine.drain().await;
    let outcomes = world.run(vec![put("f")]).await;
    assert_eq!(kinds(&outcomes), [Some(FailureKind::NotAttempted)]);
}

/// Locks that would end end only there, whatever the mode.
#[tokio::test]
async fn a_rehearsal_tells_what_would_come_of_a_plan_and_changes_nothing() {
    for mode in [PlanMode::BestEffort, PlanMode::Stop, PlanMode::Atomic] {
        let world = World::new();
        world.run(vec![mkcol("a"), put("a/f"), put("g")]).await;
        let lock = world.lock("a/f", LockDepth::Zero).await.unwrap();
        let guard = with(&lock.token);
        let steps = || {
            vec![
                (guard.clone(), remove("a")),
                (Guard::default(), mkcol("a")),
                (Guard::default(), put("a/f")),
                (Guard::default(), rename("g", "a/g")),
                (Guard::default(), rename("g", "h")),
                (Guard::default(), put("i")),
            ]
        };
        let rehearsed = world.engine.rehearse(plan(steps(), mode)).await;
        assert!(world.has("a/f") && world.has("g") && !world.has("i"));
        assert_eq!(world.kept(), 1);
        assert_eq!(world.one(Guard::default(), put("a/f")).await, Err(FailureKind::Locked));
        let done = world.engine.run(plan(steps(), mode)).await;
        assert_eq!(kinds(&rehearsed), kinds(&done), "{mode:?}");
        assert_eq!(kinds(&done)[4], Some(FailureKind::NotFound));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_keeps_nobody_waiting() {
    let store = Gated::new(Gate::Closed, false);
    let engine = engine_over(store.clone());
    let running = tokio::spawn({
        let engine = engine.clone();
        let plan = plan(vec![(Guard::default(), put("f"))], PlanMode::BestEffort);
        async move { engine.run(plan).await }
    });
    let rehearsed =
        engine.rehearse(plan(vec![(Guard::default(), put("f"))], PlanMode::BestEffort)).await;
    store.set(Gate::Open);
    assert_eq!(kinds(&running.await.unwrap()), [None]);
    assert_eq!(kinds(&rehearsed), [None]);
}

#[tokio::test]
async fn a_store_that_cannot_be_rehearsed_says_so_of_each_step() {
    let store = Arc::new(Faulty::new(MemoryStore::new()));
    let (environment, ledger) = (Clock::default().environment(), MemoryLedger::default());
    let engine = Engine::open(store, Arc::new(ledger), environment, Options::default()).unwrap();
    let steps = vec![(Guard::default(), put("f")), (Guard::default(), remove("g"))];
    let outcomes = engine.rehearse(plan(steps, PlanMode::BestEffort)).await;
    assert_eq!(kinds(&outcomes), [Some(FailureKind::Unsupported); 2]);
    assert_eq!(outcomes[1].as_ref().unwrap_err().path, path("g"));
    engine.drain().await;
}

#[tokio::test]
async fn a_rehearsal_is_called_off_as_a_plan_is() {
    let world = World::new();
    let steps = vec![(Guard::default(), put("f"))];
    let plan = Plan { cancel: Cancel::when(|| true), ..plan(steps, PlanMode::BestEffort) };
    let outcomes = world.engine.rehearse(plan).await;
    assert_eq!(kinds(&outcomes), [Some(FailureKind::NotAttempted)]);
}
