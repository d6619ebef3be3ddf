//! `POST /batch-operation`: many operations in one request, and a 207 that tells of each.
//!
//! `plan` makes steps of the document, the engine runs them, `reply` tells what became of them
//! (`told`); `passage` has all three go on beside each other. `describe` tells what may be asked for.
//! [`serve`] is that way without the document: arrays of records go it too. `stream` is the way of
//! NDJSON, of which a piece runs while the next arrives.
//!
//! Nothing here changes a resource: a batch goes the way of every other request.

mod describe;
mod job;
mod kept;
mod passage;
mod plan;
mod reply;
mod stream;
mod told;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use multistatus::batch::Summary;
use polydav_engine::{Engine, Plan, PlanMode, Ticket};
use polydav_proto::batch::{self as document, BatchRequest, Format, InvalidBatch};
use polydav_proto::header::{self, Accept, ContentType, Header as _, IdempotencyKey, If, Prefer};
use polydav_store::{BatchId, Cancel, Failure, Guard, Principal, ResourcePath};
use tokio::time::Instant;

pub(crate) use self::describe::describe;
pub(crate) use self::job::{Asking, answer as answer_job, run as run_step};
use self::kept::{JobWish, Kept, Wish};
pub(crate) use self::passage::Operations;
use self::passage::{Passage, Selection};
pub(crate) use self::plan::{Item, Planned, Planner, Verdict};
pub(crate) use self::reply::Answer;
use self::reply::Written;
use crate::body::Body;
use crate::problem::Problem;
use crate::request::{Request, is_reserved};
use crate::site::Base;
use crate::{Service, intake, status};

/// The types of documents, and of answers.
const OFFERED: [(&str, Format); 3] = [
    (Format::Xml.media_type(), Format::Xml),
    (Format::Json.media_type(), Format::Json),
    (Format::NdJson.media_type(), Format::NdJson),
];

/// The bounds of batches.
#[derive(Debug, Clone)]
pub struct BatchOptions {
    /// The bounds of a document.
    pub limits: document::Limits,
    /// After this time no further operation starts; the answer still tells of all.
    pub deadline: Duration,
    /// The same for jobs, which no client waits for.
    pub job_deadline: Duration,
    /// How many batches of one principal may run at a time.
    pub running_max: usize,
}

impl Default for BatchOptions {
    fn default() -> Self {
        let deadline = Duration::from_secs(50);
        let job_deadline = Duration::from_secs(60 * 60);
        Self { limits: document::Limits::default(), deadline, job_deadline, running_max: 4 }
    }
}

/// How many operations of a batch went how; stands in the extensions of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchCounts {
    /// All.
    pub total: u64,
    /// Those with a 2xx.
    pub succeeded: u64,
    /// Those that were tried, and failed.
    pub failed: u64,
    /// Those that were not tried, or undone.
    pub skipped: u64,
}

/// The counts of a batch that is answered while it runs, as far as it has got; stands in the
/// extensions of such an answer. Clones are handles of the same tally.
#[derive(Debug, Clone, Default)]
pub struct BatchTally(Arc<Mutex<Option<BatchCounts>>>);

impl BatchTally {
    /// The counts; `None` until an operation was told of.
    pub fn get(&self) -> Option<BatchCounts> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, counts: BatchCounts) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(counts);
    }
}

impl From<&Summary> for BatchCounts {
    fn from(summary: &Summary) -> Self {
        let Summary { total, succeeded, failed, skipped, .. } = *summary;
        Self { total, succeeded, failed, skipped }
    }
}

/// The batches that run, by principal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<Principal, usize>>>);

/// One of them. Dropped when it has ended.
struct Slot {
    running: Running,
    principal: Principal,
}

impl Running {
    fn enter(&self, principal: &Principal, max: usize) -> Result<Slot, Problem> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(principal.clone()).or_default();
        if *count >= max {
            let detail = format!("{max} batches are running already; send it again later");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
                .with_header(http::header::RETRY_AFTER, "5"));
        }
        *count += 1;
        Ok(Slot { running: self.clone(), principal: principal.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(self.principal.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// An answer up to this size waits for its client without holding a slot.
const SMALL_ANSWER: usize = 1 << 20;

/// A large answer. It holds the slot of its batch until the client has taken it: else clients that
/// take nothing could have the server keep any number of them.
struct LargeAnswer {
    text: Vec<u8>,
    _slot: Slot,
}

impl AsRef<[u8]> for LargeAnswer {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// A slot for the answer of a job that has ended, if it is large: it has this many bytes.
fn slot_for(
    service: Service<'_>,
    principal: &Principal,
    length: usize,
) -> Result<Option<Slot>, Problem> {
    let max = service.options.batch.running_max;
    (length > SMALL_ANSWER).then(|| service.telling.enter(principal, max)).transpose()
}

impl Slot {
    /// The body of an answer.
    fn body(self, text: Vec<u8>) -> Bytes {
        if text.len() <= SMALL_ANSWER {
            return text.into();
        }
        Bytes::from_owner(LargeAnswer { text, _slot: self })
    }
}

/// What the header says about a batch.
pub(crate) struct Asked {
    key: Option<IdempotencyKey>,
    /// The fields that change what is asked for, as they came.
    fields: Vec<Bytes>,
    prefer: Prefer,
    accept: Accept,
    content_type: Option<ContentType>,
}

/// A batch that may run.
pub(crate) struct Entered {
    asked: Asked,
    slot: Slot,
}

/// Reads what the header says about a batch, and lets it in unless too many run.
pub(crate) fn enter(service: Service<'_>, request: &Request) -> Result<Entered, Problem> {
    let asked = Asked::read(request)?;
    let max = service.options.batch.running_max;
    let slot = service.running.enter(&request.principal, max)?;
    Ok(Entered { asked, slot })
}

/// Answers `POST /batch-operation`.
pub(crate) async fn batch(
    service: Service<'_>,
    mut request: Request,
) -> Result<Response<Body>, Problem> {
    intake::refuse_coding(&request.headers)?;
    let entered = enter(service, &request)?;
    let max = service.options.batch.limits.document_bytes_max;
    let start = intake::begin_batch(&mut request.body, max).await?;
    let format = document::sniff(entered.asked.content_type.as_ref(), &start)
        .map_err(|error| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error.to_string()))?;
    if format == Format::NdJson {
        return stream::stream(service, request, entered, start).await;
    }
    let read = move |body: &[u8], asked: &Asked, planner| read(format, body, asked, planner);
    serve(service, request, entered, start, read).await
}

/// Answers a request for many operations, which `read` reads and plans. Of its body, `start` was
/// taken in already.
pub(crate) async fn serve(
    service: Service<'_>,
    mut request: Request,
    entered: Entered,
    start: Bytes,
    read: impl FnOnce(&[u8], &Asked, Planner) -> Result<(Operations, Answer), Problem> + Send + 'static,
) -> Result<Response<Body>, Problem> {
    let Service { engine, options, .. } = service;
    let Entered { asked, slot } = entered;
    let body = std::mem::take(&mut request.body);
    let body = intake::collect_rest(start, body, options.batch.limits.document_bytes_max).await?;
    // A proxy's patience begins here too, once it has passed the request on.
    let begun = Instant::now();
    let BatchOptions { deadline, job_deadline, .. } = options.batch;
    let principal = request.principal.clone();
    let outer = Outer::of(&request)?;
    let (base, store) = (request.base, engine.store().clone());
    let planner = Planner::new(outer.submitted(), base.clone(), options.clone(), store);
    let read = move || read(&body, &asked, planner);
    let (operations, mut answer) = intake::blocking(read).await?;
    let total = operations.len();
    let wish = answer.wish.take();
    let wait = wish.as_ref().and_then(|wish| wish.job.as_ref()).map(|job| job.wait);
    let ticket = match wish {
        Some(wish) => match kept::begin(engine, principal, wish, total, outer).await? {
            Ok(ticket) => Some(ticket),
            Err(kept) => return Ok(kept.into_replay(slot)),
        },
        None => {
            outer.judged(engine).await?;
            None
        }
    };
    let id = ticket.as_ref().map_or_else(|| engine.environment().random(), |ticket| ticket.id().0);
    let deadline = if wait.is_some() { begun + job_deadline } else { begun + deadline };
    let hrefs = base.clone();
    let batch = Batch { engine: engine.clone(), base, answer, id, ticket, slot };
    // The batch ends, and holds its slot so long, even if the client hangs up.
    let task = tokio::spawn(batch.run(operations, deadline));
    let Some(wait) = wait else { return task.await.map_err(intake::panicked)? };
    job::answer_within(wait, task, || job::accepted(&hrefs, BatchId(id), total)).await
}

/// A batch that runs, and what its answer takes.
struct Batch {
    engine: Engine,
    base: Base,
    answer: Answer,
    id: u128,
    ticket: Option<Arc<Ticket>>,
    slot: Slot,
}

impl Batch {
    async fn run(
        self,
        operations: Operations,
        deadline: Instant,
    ) -> Result<Response<Body>, Problem> {
        let Self { engine, base, answer, id, ticket, slot } = self;
        let _held = engine.hold();
        let Answer { mode, is_dry, is_doomed, .. } = answer;
        let writing = answer.begin(id, operations.len(), ticket.is_some())?;
        let selection = Selection::new(mode, is_doomed, ticket.clone());
        let around = (base, engine.store().clone());
        let steps = Passage::new(operations, selection, writing, around);
        let plan = plan_of(steps, mode, deadline, ticket.clone());
        let passed = match is_dry {
            true => engine.pass_in_rehearsal(plan).await,
            false => engine.pass(plan).await,
        };
        let passed = passed.ok_or_else(Problem::internal)?;
        let is_going_down = engine.is_draining();
        let write = move || {
            let Written { response, course, was_left } = passed.end()?;
            // What the server left when it went down goes on if it is sent again.
            let is_cut = was_left && is_going_down;
            if let (Some(ticket), Some(course), false) = (ticket, course, is_cut) {
                Kept::new(&response, course).keep(&ticket);
            }
            Ok::<_, Problem>(response.map(|text| slot.body(text).into()))
        };
        intake::blocking(write).await
    }
}

/// Steps to be done as a batch has it.
fn plan_of<S>(
    steps: S,
    mode: document::Mode,
    deadline: Instant,
    ticket: Option<Arc<Ticket>>,
) -> Plan<S> {
    let mode = match mode {
        document::Mode::BestEffort => PlanMode::BestEffort,
        document::Mode::Stop => PlanMode::Stop,
        document::Mode::Atomic => PlanMode::Atomic,
    };
    Plan { steps, mode, cancel: Cancel::when(move || Instant::now() >= deadline), ticket }
}

/// Reads the whole document: nothing runs before it is known to be good.
fn read(
    format: Format,
    body: &[u8],
    asked: &Asked,
    planner: Planner,
) -> Result<(Operations, Answer), Problem> {
    let limits = &planner.options.batch.limits;
    let batch = BatchRequest::parse(format, body, &planner.base.collection(), limits)?;
    let mut answer = Answer::new(asked, format, batch.mode);
    answer.strict |= batch.strict;
    answer.wish = wish(asked, format, body, &batch, &planner.base)?;
    answer.is_dry = batch.dry_run;
    let is_whole = answer.mode == document::Mode::Atomic;
    let around = is_whole.then(|| (planner.base.clone(), planner.store.clone()));
    let mut operations = planner.plan(batch);
    if let Some((base, store)) = around {
        let planned = operations.plan_all();
        plan::check_whole(planned, &base, &*store)?;
        answer.is_doomed = planned.iter().any(Planned::is_refused);
    }
    Ok((operations, answer))
}

/// That word of a batch be kept, if the request has a key or asks for a job.
fn wish(
    asked: &Asked,
    format: Format,
    body: &[u8],
    batch: &BatchRequest,
    base: &Base,
) -> Result<Option<Wish>, Problem> {
    let key = match (&asked.key, &batch.key) {
        (Some(header), Some(document)) if header != document => {
            let detail = "the header and the document have different keys";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        (header, document) => header.as_ref().or(document.as_ref()).cloned(),
    };
    let wait = job::wait(&asked.prefer);
    if key.is_none() && wait.is_none() {
        return Ok(None);
    }
    if batch.dry_run {
        let detail =
            "of a dry run no word is kept: leave the key and respond-async to the real one";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let root = base.href(&ResourcePath::root(), true);
    let parts = [format.media_type().as_bytes(), root.as_bytes(), body].into_iter();
    let fingerprint = kept::fingerprint(parts.chain(asked.fields.iter().map(|field| &field[..])));
    let job = wait.map(|wait| JobWish { document: job::document(format, body), wait });
    Ok(Some(Wish { key, fingerprint, job }))
}

/// Refuses a key: whoever sends it counts on its being kept.
pub(crate) fn refuse_key(headers: &HeaderMap) -> Result<(), Problem> {
    if header::read::<IdempotencyKey>(headers)?.is_some() {
        let detail = "Idempotency-Key is not supported by this server";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    Ok(())
}

impl Asked {
    fn read(request: &Request) -> Result<Self, Problem> {
        let accept = header::read::<Accept>(&request.headers)?;
        let content_type = header::read::<ContentType>(&request.headers)?;
        let lines = [Prefer::FIELD, If::FIELD].map(|name| request.headers.get_all(name).iter());
        let fields = lines.into_iter().flatten();
        Ok(Self {
            key: header::read::<IdempotencyKey>(&request.headers)?,
            fields: fields.map(|value| Bytes::copy_from_slice(value.as_bytes())).collect(),
            prefer: header::read::<Prefer>(&request.headers)?.unwrap_or_default(),
            accept: accept.unwrap_or_default(),
            content_type,
        })
    }

    /// The format of the answer to a document of this one: what the client likes best, which is the
    /// same again among equals, and if it likes none.
    fn answered_in(&self, own: Format) -> Format {
        let mut offered = OFFERED;
        offered.sort_by_key(|(_, format)| *format != own);
        let favourite = self.accept.choose(&offered.map(|(media, _)| media));
        favourite.map_or(own, |place| offered[place].1)
    }
}

/// The conditions of the header guard the resource of the request, be it the endpoint, where nothing
/// lies; the tokens they submit count for every operation (RFC 4918 §10.4.1).
#[derive(Default)]
pub(crate) struct Outer {
    guard: Guard,
    path: ResourcePath,
}

impl Outer {
    fn of(request: &Request) -> Result<Self, Problem> {
        Ok(Self { guard: request.guard()?, path: request.path.clone() })
    }

    /// What they submit.
    fn submitted(&self) -> Guard {
        let Guard { principal, tokens, .. } = &self.guard;
        Guard {
            principal: principal.clone(),
            tokens: tokens.clone().into_shared(),
            ..Guard::default()
        }
    }

    /// Judges them. Blocks.
    fn judge(&self, engine: &Engine) -> Result<(), Failure> {
        if !self.guard.is_conditional() {
            return Ok(());
        }
        let Self { guard, path } = self;
        let entry = if is_reserved(path) { None } else { engine.store().find(path)? };
        guard.judge(&engine.view(), path, entry.as_ref())
    }

    /// Judges them on a thread that may block.
    async fn judged(self, engine: &Engine) -> Result<(), Problem> {
        if !self.guard.is_conditional() {
            return Ok(());
        }
        let engine = engine.clone();
        intake::blocking(move || self.judge(&engine)).await
    }
}

impl From<InvalidBatch> for Problem {
    fn from(error: InvalidBatch) -> Self {
        Self::new(status::of_fault(error.fault), error.to_string())
    }
}
