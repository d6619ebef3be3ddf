//! `Engine`: claims the paths of a plan, cuts it into runs, and passes the outcomes on.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use polydav_store::{
    BatchLedger, Cancel, Commit, Durability, Effect, Failure, FailureKind, Ledger, Needed,
    OnFailure, Outcome, Receipt, Report, ResourcePath, Run, RunId, Step, Store,
};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use crate::batches::{Batches, KeepLimits, Ticket, is_to_be_tried_again};
use crate::claim::{Claims, Trees};
use crate::group::Groups;
use crate::locking::LockLimits;
use crate::locks::Locks;
use crate::plan::{Listed, Plan, PlanMode, Steps};

/// Where time and randomness come from.
#[derive(Clone)]
pub struct Environment {
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    random: Arc<dyn Fn() -> u128 + Send + Sync>,
}

impl Environment {
    /// An environment of these two sources; `random` must be unpredictable for clients.
    pub fn new(
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
        random: impl Fn() -> u128 + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), random: Arc::new(random) }
    }

    /// The time.
    pub fn now(&self) -> SystemTime {
        (self.now)()
    }

    /// 128 random bits.
    pub fn random(&self) -> u128 {
        (self.random)()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// How an engine works.
#[derive(Debug, Clone)]
pub struct Options {
    /// When a success may be told.
    pub durability: Durability,
    /// How long a plan waits for the paths it wants to change.
    pub patience: Duration,
    /// The bounds of locks.
    pub lock_limits: LockLimits,
    /// How many runs of single steps are under way at one mount at most; whoever comes meanwhile
    /// waits, and goes with the next.
    pub runs_max: usize,
    /// Whether a single step that takes no long time is done by the thread that asks for it, where
    /// its runtime has hardly any other task: the answer waits for no thread to wake. Whatever else the
    /// same task has to do waits meanwhile, other tasks don't; without effect in a runtime of one thread.
    pub in_place: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Full,
            patience: Duration::from_secs(10),
            lock_limits: LockLimits::default(),
            // Others have to read, write and compute meanwhile.
            runs_max: (available_parallelism().map_or(1, NonZero::get) / 2).max(1),
            in_place: false,
        }
    }
}

/// Runs plans over one store. Clones are handles of the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) locks: Locks,
    pub(crate) claims: Claims,
    pub(crate) options: Options,
    pub(crate) environment: Environment,
    pub(crate) groups: Groups,
    batches: Arc<Batches>,
    draining: Arc<AtomicBool>,
    /// Every plan that runs holds a receiver.
    pub(crate) running: watch::Sender<()>,
}

impl Engine {
    /// An engine over `store`, with the locks of `ledger`. Blocks.
    ///
    /// # Errors
    /// If the ledger can't be read.
    pub fn open(
        store: Arc<dyn Store>,
        ledger: Arc<dyn Ledger>,
        environment: Environment,
        options: Options,
    ) -> Result<Self, Failure> {
        let locks = Locks::open(&*store, ledger, environment.clone())?;
        let batches = Batches::none(store.clone(), environment.clone());
        let inner = Inner {
            groups: Groups::of(&*store, &options),
            store,
            locks,
            claims: Claims::default(),
            options,
            environment,
            batches,
            draining: Arc::default(),
            running: watch::channel(()).0,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The same engine, with word of batches kept in `ledger`. Blocks.
    ///
    /// # Errors
    /// If the ledger can't be read.
    ///
    /// # Panics
    /// If there are other handles of it.
    pub fn keeping(
        mut self,
        ledger: Arc<dyn BatchLedger>,
        limits: KeepLimits,
    ) -> Result<Self, Failure> {
        let inner = Arc::get_mut(&mut self.inner).expect("it was opened just now");
        let (store, environment) = (inner.store.clone(), inner.environment.clone());
        let durability = inner.options.durability;
        inner.batches = Batches::open(ledger, store, environment, durability, limits)?;
        Ok(self)
    }

    /// The batches of which word is kept.
    pub fn batches(&self) -> &Arc<Batches> {
        &self.inner.batches
    }

    /// The store, for reading; nothing but a plan changes it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Where time and randomness come from.
    pub fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    /// What stays the same as long as no plan is about what lies at `path`, around it or under it;
    /// `None` if one is: what is there now may be the middle of it.
    pub fn stillness(&self, path: &ResourcePath) -> Option<u64> {
        self.inner.claims.count_without(path)
    }

    /// Runs a plan; the outcomes come in the order of its steps, one for each.
    ///
    /// It runs to its end even if the future returned is dropped.
    pub async fn run(&self, plan: Plan) -> Vec<Outcome> {
        let count = plan.steps.len();
        self.pass(plan.map(Listed::from)).await.map_or_else(|| broken(count), Listed::into_outcomes)
    }

    /// Tells what would come of a plan, as [`Engine::run`] does, in a
    /// [rehearsal](Store::rehearsal) of the store: nothing is changed. What others do meanwhile may
    /// make it come out differently.
    pub async fn rehearse(&self, plan: Plan) -> Vec<Outcome> {
        let count = plan.steps.len();
        let listed = self.pass_in_rehearsal(plan.map(Listed::from)).await;
        listed.map_or_else(|| broken(count), Listed::into_outcomes)
    }

    /// Runs a plan whose steps are made while it runs; `None` if that ended in a panic, and it isn't
    /// known what of it was done.
    ///
    /// It runs to its end even if the future returned is dropped.
    pub async fn pass<S: Steps>(&self, plan: Plan<S>) -> Option<S> {
        let inner = Arc::clone(&self.inner);
        self.to_the_end(inner.run(plan)).await
    }

    /// The same in a rehearsal, as [`Engine::rehearse`] has it.
    pub async fn pass_in_rehearsal<S: Steps>(&self, plan: Plan<S>) -> Option<S> {
        let inner = Arc::clone(&self.inner);
        self.to_the_end(inner.rehearse(plan)).await
    }

    /// What a task comes to that ends whatever happens; `None` if it ended in a panic.
    async fn to_the_end<T: Send + 'static>(
        &self,
        run: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let running = self.inner.running.subscribe();
        let task = tokio::spawn(async move {
            let done = run.await;
            drop(running);
            done
        });
        let said = |panic: &JoinError| tracing::error!(%panic, "a plan ended in a panic");
        task.await.inspect_err(said).ok()
    }

    /// Has [`Engine::drain`] wait until what this gives is dropped.
    pub fn hold(&self) -> impl Send + Sync + 'static + use<> {
        self.inner.running.subscribe()
    }

    /// No step of a plan starts any more; returns once everything that runs has ended.
    pub async fn drain(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
        self.inner.running.closed().await;
    }

    /// Whether [`Engine::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

/// How the steps of a plan are run.
#[derive(Clone)]
pub(crate) struct Manner {
    mode: PlanMode,
    cancel: Cancel,
    ticket: Option<Arc<Ticket>>,
}

impl Manner {
    /// That of steps which have nothing to do with each other.
    pub(crate) fn plain() -> Self {
        Self { mode: PlanMode::BestEffort, cancel: Cancel::never(), ticket: None }
    }

    /// How a step went that an earlier process did, or may have done.
    fn known(&self, index: usize) -> Option<&Outcome> {
        self.ticket.as_ref()?.known(index)
    }

    /// Whether nothing may be done behind a step that went so.
    fn stops_at(&self, outcome: &Outcome) -> bool {
        self.mode == PlanMode::Stop && outcome.is_err()
    }
}

/// Steps of a plan that run together.
struct Part {
    /// What they are reported under.
    indices: Vec<usize>,
    /// Those that no earlier process did.
    steps: Vec<Step>,
    /// What these claim.
    trees: Trees,
}

impl Part {
    /// The paths of more steps take more than a moment to be put in order: a thread that may not block
    /// has others to serve.
    const AT_ONCE_MAX: usize = 64;

    /// The next steps that run together; `None` if that was all.
    async fn next_of<S: Steps>(steps: S, manner: &Manner) -> (S, Option<Self>) {
        let max = if manner.mode == PlanMode::Atomic { usize::MAX } else { Run::STEPS_MAX };
        let (rest, steps) = steps.next(max).await;
        if steps.len() <= Self::AT_ONCE_MAX {
            return (rest, (!steps.is_empty()).then(|| Self::new(steps, manner)));
        }
        let manner = manner.clone();
        let made = tokio::task::spawn_blocking(move || Self::new(steps, &manner)).await;
        (rest, Some(made.unwrap_or_else(|panic| resume_unwind(panic.into_panic()))))
    }

    fn new(mut steps: Vec<Step>, manner: &Manner) -> Self {
        let indices = steps.iter().map(Step::index).collect();
        steps.retain(|step| manner.known(step.index()).is_none());
        let trees = Trees::new(claimed(&steps));
        Self { indices, steps, trees }
    }

    /// What becomes of the steps if none is tried, since another failed.
    fn refuse(&self) -> Vec<Outcome> {
        let told = |step| Err(refused(step, FailureKind::Dependency));
        self.steps.iter().map(told).collect()
    }

    /// The outcomes of all, of which those are `told` that weren't known.
    fn join(&self, told: Vec<Outcome>, manner: &Manner) -> Vec<Outcome> {
        let none_is_known = told.len() == self.indices.len();
        if none_is_known {
            return told;
        }
        let mut told = told.into_iter();
        let all = self.indices.iter().map(|index| {
            let outcome = manner.known(*index).cloned().or_else(|| told.next());
            outcome.unwrap_or_else(|| Err(unknown("it was not told of")))
        });
        all.collect()
    }
}

/// The paths that steps claim.
fn claimed(steps: &[Step]) -> Vec<ResourcePath> {
    let mut paths = Vec::with_capacity(2 * steps.len());
    // Lists of what to move mostly have an order; so have their sources, and their targets.
    paths.extend(steps.iter().filter_map(|step| step.claims().next()).cloned());
    paths.extend(steps.iter().flat_map(|step| step.claims().skip(1)).cloned());
    // Nothing that a condition looks at may change either before the step has acted.
    paths.extend(steps.iter().flat_map(Step::watches).cloned());
    paths
}

/// A part on its way.
enum Running {
    /// So many steps, on a thread that may block.
    Spawned { task: JoinHandle<Vec<Outcome>>, count: usize },
    /// None of its steps is tried.
    Ended(Vec<Outcome>),
}

impl Running {
    async fn outcomes(self) -> Vec<Outcome> {
        match self {
            Self::Ended(outcomes) => outcomes,
            Self::Spawned { task, count } => task.await.unwrap_or_else(|panic| {
                tracing::error!(%panic, "a run ended in a panic");
                broken(count)
            }),
        }
    }
}

/// What those steps have to know that stand behind others.
struct Behind {
    needed: Needed,
    /// Whether none is tried any more.
    is_over: bool,
}

impl Behind {
    fn note<'a>(&mut self, outcomes: impl Iterator<Item = (usize, &'a Outcome)>, manner: &Manner) {
        for (index, outcome) in outcomes {
            self.needed.note(index, outcome);
            self.is_over |= manner.stops_at(outcome);
        }
    }
}

/// Tells all steps that none of them can be tried.
async fn refuse_all<S: Steps>(steps: S, failure: &Failure) -> S {
    let (mut rest, mut steps) = steps.next(Run::STEPS_MAX).await;
    while !steps.is_empty() {
        let because = |step: &Step| Failure { path: step.subject().clone(), ..failure.clone() };
        rest.told(steps.iter().map(|step| Err(because(step))).collect());
        (rest, steps) = rest.next(Run::STEPS_MAX).await;
    }
    rest
}

impl Inner {
    /// Runs a plan in parts. While one of them runs, the next is made ready, and those before are
    /// told of.
    async fn run<S: Steps>(self: Arc<Self>, plan: Plan<S>) -> S {
        let Plan { steps, mode, cancel, ticket } = plan;
        let cancel = self.cancel(cancel, ticket.clone());
        let manner = Manner { mode, cancel, ticket };
        let mut behind = Behind { needed: steps.needed(), is_over: false };
        let (mut steps, mut next) = Part::next_of(steps, &manner).await;
        while let Some(mut part) = next {
            let known = |index: &usize| Some((*index, manner.known(*index)?));
            behind.note(part.indices.iter().filter_map(known), &manner);
            let running = match behind.is_over {
                true => Running::Ended(part.refuse()),
                false => self.begin(&mut part, &manner, &behind.needed).await,
            };
            let made = AssertUnwindSafe(Part::next_of(steps, &manner)).catch_unwind().await;
            // Whatever becomes of those behind it, what runs is waited for.
            let told = running.outcomes().await;
            (steps, next) = made.unwrap_or_else(|panic| resume_unwind(panic));
            let outcomes = part.join(told, &manner);
            behind.note(part.indices.iter().copied().zip(&outcomes), &manner);
            steps.told(outcomes);
        }
        steps
    }

    /// Runs a plan over a rehearsal, with locks and claims of its own. It begins and ends where it may
    /// block.
    async fn rehearse<S: Steps>(self: Arc<Self>, plan: Plan<S>) -> S {
        let begun = tokio::task::spawn_blocking(move || self.rehearsal()).await;
        let rehearsal = match begun {
            Ok(Ok(rehearsal)) => Arc::new(rehearsal),
            Ok(Err(failure)) => return refuse_all(plan.steps, &failure).await,
            Err(panic) => resume_unwind(panic.into_panic()),
        };
        let steps = Arc::clone(&rehearsal).run(plan).await;
        let ended = tokio::task::spawn_blocking(move || drop(rehearsal)).await;
        if let Err(panic) = ended {
            tracing::error!(%panic, "the end of a rehearsal ended in a panic");
        }
        steps
    }

    fn rehearsal(&self) -> Result<Self, Failure> {
        Ok(Self {
            // Nothing goes together there but what is in one plan.
            groups: Groups::default(),
            store: Arc::clone(&self.store).rehearsal()?,
            locks: self.locks.rehearsal(),
            claims: Claims::default(),
            options: self.options.clone(),
            environment: self.environment.clone(),
            batches: Batches::none(self.store.clone(), self.environment.clone()),
            draining: Arc::clone(&self.draining),
            running: watch::channel(()).0,
        })
    }

    /// How steps are run that have nothing to do with each other, until the engine is drained.
    pub(crate) fn manner(&self) -> Manner {
        Manner { cancel: self.cancel(Cancel::never(), None), ..Manner::plain() }
    }

    fn cancel(&self, asked: Cancel, ticket: Option<Arc<Ticket>>) -> Cancel {
        let draining = Arc::clone(&self.draining);
        let is_called_off = move || ticket.as_ref().is_some_and(|ticket| ticket.is_cancelled());
        Cancel::when(move || {
            draining.load(Ordering::Relaxed) || is_called_off() || asked.is_asked()
        })
    }

    /// Claims what a part changes, and begins to run it in one hop; `needed` is what is known from
    /// before.
    async fn begin(self: &Arc<Self>, part: &mut Part, manner: &Manner, needed: &Needed) -> Running {
        let steps = std::mem::take(&mut part.steps);
        if steps.is_empty() {
            return Running::Ended(Vec::new());
        }
        let count = steps.len();
        let (mut needed, manner) = (needed.clone(), manner.clone());
        let trees = std::mem::take(&mut part.trees);
        let Ok(claim) = self.claims.take(trees, self.options.patience).await else {
            return Running::Ended(busy(&steps, &mut needed));
        };
        let inner = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let outcomes = inner.apply(steps, &manner, needed);
            drop(claim);
            outcomes
        });
        Running::Spawned { task, count }
    }

    /// Applies claimed steps. After a step that may end locks a run ends, so that the steps behind
    /// it see those locks gone. `needed` is what is known of steps from before.
    pub(crate) fn apply(
        &self,
        mut steps: Vec<Step>,
        manner: &Manner,
        mut needed: Needed,
    ) -> Vec<Outcome> {
        if manner.mode == PlanMode::Atomic {
            return self.apply_whole(steps, manner, &mut needed);
        }
        let mut outcomes = Vec::with_capacity(steps.len());
        while !steps.is_empty() {
            let mut at_stake = Vec::new();
            let last = steps.iter().position(|step| {
                at_stake = polydav_store::at_stake(&self.locks, step);
                !at_stake.is_empty()
            });
            let rest = steps.split_off(last.map_or(steps.len(), |last| last + 1));
            let run = std::mem::replace(&mut steps, rest);
            if outcomes.iter().any(|outcome| manner.stops_at(outcome)) {
                outcomes.extend(run.iter().map(|step| Err(refused(step, FailureKind::Dependency))));
                continue;
            }
            self.locks.settle(&*self.store, Vec::new(), self.options.durability);
            outcomes.extend(self.apply_run(run, manner, &mut needed));
            self.locks.settle(&*self.store, at_stake, self.options.durability);
        }
        outcomes
    }

    /// Applies claimed steps as one run that is done whole, or not at all.
    fn apply_whole(&self, steps: Vec<Step>, manner: &Manner, needed: &mut Needed) -> Vec<Outcome> {
        let durability = self.options.durability;
        self.locks.settle(&*self.store, Vec::new(), durability);
        let (mut gone, mut at_stake) = (Vec::new(), Vec::new());
        for step in &steps {
            // What was there is gone, whatever a step behind it makes there; but for what comes to
            // the place of what is replaced.
            let (replaced, removed): (Vec<_>, Vec<_>) =
                polydav_store::at_stake(&self.locks, step).into_iter().partition(|lock| {
                    step.arrives_at().is_some_and(|target| target.contains(&lock.root))
                });
            gone.extend(removed);
            at_stake.extend(replaced);
        }
        let outcomes = self.apply_run(steps, manner, needed);
        if outcomes.iter().all(Outcome::is_ok) {
            self.locks.forget(&gone, durability);
        } else {
            at_stake.append(&mut gone);
        }
        self.locks.settle(&*self.store, at_stake, durability);
        outcomes
    }

    /// Applies a run whose steps need nothing of other runs, once they are settled with those.
    fn apply_run(
        &self,
        mut steps: Vec<Step>,
        manner: &Manner,
        needed: &mut Needed,
    ) -> Vec<Outcome> {
        steps.iter_mut().for_each(|step| needed.settle(step));
        let indices: Vec<usize> = steps.iter().map(Step::index).collect();
        let outcomes: Vec<Option<Outcome>> = vec![None; steps.len()];
        let run = Run {
            id: RunId(self.environment.random()),
            steps,
            on_failure: match manner.mode {
                PlanMode::BestEffort => OnFailure::Continue,
                PlanMode::Stop => OnFailure::Stop,
                PlanMode::Atomic => OnFailure::UndoAll,
            },
            durability: self.options.durability,
            cancel: manner.cancel.clone(),
        };
        let ticket = manner.ticket.as_deref();
        let kept = Kept { is_whole: manner.mode == PlanMode::Atomic, ..Kept::default() };
        let mut told = Told { indices: &indices, outcomes, next: 0, ticket, kept };
        if let Err(broken) = self.store.apply(run, &self.locks, &mut told) {
            tracing::error!(%broken, "the store takes no further changes");
        }
        if let Err(failure) = told.keep_the_rest() {
            tracing::error!(%failure, "how steps went can't be written down");
        }
        let outcomes = told.outcomes;
        let untold = || Err(unknown("the store could not tell what became of it"));
        let told = indices.into_iter().zip(outcomes).map(|(index, outcome)| {
            let outcome = outcome.unwrap_or_else(untold);
            needed.note(index, &outcome);
            outcome
        });
        told.collect()
    }
}

/// The outcomes of a run, by the places of its steps.
struct Told<'a> {
    indices: &'a [usize],
    outcomes: Vec<Option<Outcome>>,
    /// Where the next one belongs, if the store reports in order.
    next: usize,
    ticket: Option<&'a Ticket>,
    kept: Kept,
}

/// Which outcomes there are receipts of.
#[derive(Default)]
struct Kept {
    /// Whether all steps are done or none: one that fails alone says nothing of the others.
    is_whole: bool,
    /// Whether the last receipt of a step told of success.
    successes: HashMap<usize, bool>,
    /// Outcomes without one.
    rest: Vec<(usize, Outcome)>,
}

impl Kept {
    /// Takes note of an outcome that is final: of a failure there is no receipt yet where the store
    /// refused a step before, or instead of, a commit.
    fn note(&mut self, index: usize, outcome: &Outcome) {
        match (self.successes.get(&index), outcome) {
            (None, Err(failure)) if self.is_whole || is_to_be_tried_again(failure) => {}
            (Some(was_success), outcome) if *was_success == outcome.is_ok() => {}
            _ => self.rest.push((index, outcome.clone())),
        }
    }
}

impl Told<'_> {
    /// Keeps a receipt of what the store kept none of: it is final.
    fn keep_the_rest(&mut self) -> Result<(), Failure> {
        let outcomes = std::mem::take(&mut self.kept.rest);
        match self.ticket {
            Some(ticket) if !outcomes.is_empty() => {
                ticket.keep(&Receipt { commit: Commit::Nothing, outcomes })
            }
            _ => Ok(()),
        }
    }
}

impl Report for Told<'_> {
    fn outcome(&mut self, index: usize, outcome: Outcome) {
        if let Some(ticket) = self.ticket {
            ticket.note(&outcome);
            self.kept.note(index, &outcome);
        }
        // Looking from the last place on keeps this linear.
        let mut places = (self.next..self.indices.len()).chain(0..self.next);
        if let Some(place) = places.find(|&at| self.indices[at] == index) {
            self.outcomes[place] = Some(outcome);
            self.next = place + 1;
        }
    }

    fn keeps_receipts(&self) -> bool {
        self.ticket.is_some()
    }

    fn receipt(&mut self, receipt: Receipt) -> Result<(), Failure> {
        let Some(ticket) = self.ticket else { return Ok(()) };
        self.keep_the_rest()?;
        let Receipt { commit, mut outcomes } = receipt;
        // Of one that was announced it must be said.
        outcomes.retain(|(index, outcome)| {
            let is_announced = self.kept.successes.contains_key(index);
            is_announced || !outcome.as_ref().is_err_and(is_to_be_tried_again)
        });
        let successes = outcomes.iter().map(|(index, outcome)| (*index, outcome.is_ok()));
        self.kept.successes.extend(successes);
        if outcomes.is_empty() { Ok(()) } else { ticket.keep(&Receipt { commit, outcomes }) }
    }

    fn confirm(&mut self) {
        self.ticket.iter().for_each(|ticket| ticket.confirm());
    }
}

pub(crate) fn refused(step: &Step, kind: FailureKind) -> Failure {
    let path = step.claims().next().cloned().unwrap_or_default();
    Failure::new(kind, path)
}

/// None of these steps is tried, since others are in the way; or since it needs one of them.
fn busy(steps: &[Step], needed: &mut Needed) -> Vec<Outcome> {
    let told = |step: &Step| {
        let unmet = needed.check(step).err();
        let outcome = Err(unmet.unwrap_or_else(|| refused(step, FailureKind::Busy)));
        needed.note(step.index(), &outcome);
        outcome
    };
    steps.iter().map(told).collect()
}

/// What is told of steps that ended in a panic.
fn broken(count: usize) -> Vec<Outcome> {
    (0..count).map(|_| Err(unknown("the server failed"))).collect()
}

pub(crate) fn unknown(detail: &str) -> Failure {
    Failure::new(FailureKind::Internal, ResourcePath::root())
        .with_detail(detail)
        .with_effect(Effect::Unknown)
}
