//! Jobs: batches that go on without their client (RFC 7240 §4.1), and how it asks for them.
//!
//! A job lies at `/batch-operation/ID`: `GET` tells where it is, `DELETE` calls it off. Its answer is
//! at `ID/result`, a document of what is worth sending again at `ID/retry`. It is there for nobody but
//! its owner.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use polydav_engine::{Engine, Job, JobState, Plan, PlanMode, Ticket};
use polydav_proto::batch::{BatchRequest, Fate, Format, Mode, Value};
use polydav_proto::header::{self, Prefer};
use polydav_store::{
    BatchId, Cancel, Effect, Failure, FailureKind, Guard, Outcome, Principal, ResourcePath, Retry,
    Step,
};
use serde_json::json;
use tokio::task::JoinHandle;

use super::kept::{self, Came, Course, JobWish, Kept, RowKey, Wish};
use super::told::is_not_attempted;
use super::{Outer, Planner, Slot, slot_for};
use crate::body::Body;
use crate::change::created_or_empty;
use crate::problem::Problem;
use crate::request::{BATCH, Request};
use crate::site::Base;
use crate::{Service, intake, not_allowed, not_implemented, options, reply, status};

/// What a job takes, and what lies below it.
const ALLOWED: &str = "OPTIONS, GET, HEAD, DELETE";
const ALLOWED_BELOW: &str = "OPTIONS, GET, HEAD";

/// Something of a job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Job,
    Result,
    Retry,
}

/// Which job a path names, and what of it.
fn named(path: &ResourcePath) -> Option<(BatchId, Part)> {
    let mut segments = path.segments().skip(1);
    let id = std::str::from_utf8(segments.next()?).ok().filter(|id| id.len() == 32)?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let id = u128::from_str_radix(id, 16).ok().filter(|_| id.bytes().all(is_digit))?;
    let part = match (segments.next(), segments.next()) {
        (None, _) => Part::Job,
        (Some(b"result"), None) => Part::Result,
        (Some(b"retry"), None) => Part::Retry,
        _ => return None,
    };
    Some((BatchId(id), part))
}

/// Where a job lies.
fn href(base: &Base, id: BatchId) -> String {
    let path = ResourcePath::from_segments([BATCH, id.to_string().as_bytes()]);
    base.href(&path.expect("it is made of letters and digits"), false)
}

/// The answer to a client that doesn't wait for a job's end.
pub(super) fn accepted(base: &Base, id: BatchId, total: usize) -> Response<Body> {
    let total = total as u64;
    let job = Job { state: JobState::Running, total, done: 0, failed: 0 };
    let mut response = told(&job);
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    let location = HeaderValue::try_from(href(base, id)).expect("an href is visible ASCII");
    headers.insert(LOCATION, location);
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    note_async(headers);
    response
}

/// Notes in an answer that the client was heard (RFC 7240 §3).
pub(super) fn note_async(headers: &mut http::HeaderMap) {
    let name = HeaderName::from_static("preference-applied");
    headers.append(name, HeaderValue::from_static("respond-async"));
}

fn told(job: &Job) -> Response<Body> {
    let state = match job.state {
        JobState::Running => "running",
        JobState::Interrupted => "interrupted",
        JobState::Cancelled => "cancelled",
        JobState::Finished => "finished",
    };
    let Job { total, done, failed, .. } = job;
    let text = json!({"state": state, "total": total, "done": done, "failed": failed});
    reply::json(format!("{text:#}\n"))
}

/// Answers a request for a job, or for something of it.
pub(crate) async fn answer(
    service: Service<'_>,
    method: &str,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let detail = status::describe(FailureKind::NotFound);
    let nothing = || Problem::new(StatusCode::NOT_FOUND, detail);
    let (id, part) = named(&request.path).ok_or_else(nothing)?;
    let allowed = if part == Part::Job { ALLOWED } else { ALLOWED_BELOW };
    let (batches, principal) = (Arc::clone(service.engine.batches()), request.principal.clone());
    // Whoever doesn't own it learns nothing of it, not even what it takes.
    let job = intake::blocking({
        let (batches, principal) = (batches.clone(), principal.clone());
        move || batches.job(id, &principal)
    });
    let job = job.await?;
    match (method, part) {
        ("OPTIONS", _) => Ok(options::options_beside_dav(allowed)),
        ("GET", Part::Job) => Ok(told(&job)),
        ("GET", Part::Result) => result(service, id, principal, &job).await,
        ("GET", Part::Retry) => retry(service, request.base, id, principal, &job).await,
        ("HEAD", _) => {
            let request = Request { body: Default::default(), ..request };
            Box::pin(answer(service, "GET", request)).await.map(crate::get::header_of)
        }
        ("DELETE", Part::Job) => {
            let cancelled = intake::blocking(move || batches.cancel(id, &principal)).await?;
            if !cancelled {
                return Err(Problem::new(StatusCode::CONFLICT, "the job has ended"));
            }
            let mut response = told(&job);
            *response.status_mut() = StatusCode::ACCEPTED;
            Ok(response)
        }
        _ if options::is_known(method) => Err(not_allowed(allowed)),
        _ => Err(not_implemented()),
    }
}

/// The answer that the job came to.
async fn result(
    service: Service<'_>,
    id: BatchId,
    principal: Principal,
    job: &Job,
) -> Result<Response<Body>, Problem> {
    let (batches, owner) = (Arc::clone(service.engine.batches()), principal.clone());
    match job.state {
        JobState::Running => {
            let detail = "the job is still running";
            return Err(Problem::new(StatusCode::CONFLICT, detail).with_header(RETRY_AFTER, "1"));
        }
        JobState::Interrupted => {
            let document = intake::blocking(move || batches.document(id, &owner)).await?;
            let what_to_do = match read_document(&document) {
                Some(_) => "retry has what is left of it",
                None => "send it again",
            };
            let detail = format!("the server ended before the job did: {what_to_do}");
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        JobState::Cancelled | JobState::Finished => {}
    }
    let kept = intake::blocking(move || Kept::decode(batches.answer(id, &owner)?)).await?;
    let slot = slot_for(service, &principal, kept.length())?;
    Ok(kept.into_response(slot))
}

/// A document of the operations that are worth sending again. Reading the one that was sent, and
/// holding what is written until the client has taken it, takes a slot.
async fn retry(
    service: Service<'_>,
    base: Base,
    id: BatchId,
    principal: Principal,
    job: &Job,
) -> Result<Response<Body>, Problem> {
    if job.state == JobState::Running {
        return Err(Problem::new(StatusCode::CONFLICT, "the job is still running"));
    }
    let is_interrupted = job.state == JobState::Interrupted;
    let slot = service.telling.enter(&principal, service.options.batch.running_max)?;
    let (engine, options) = (service.engine.clone(), service.options.clone());
    let text = intake::blocking(move || {
        let batches = engine.batches();
        let kept = batches.document(id, &principal)?;
        let Some((format, body)) = read_document(&kept) else {
            let detail = "what was asked for was no batch: send it again";
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        };
        let batch = BatchRequest::parse(format, body, &base.collection(), &options.batch.limits)?;
        let course = if is_interrupted {
            let store = engine.store().clone();
            let planner = Planner::new(Guard::default(), base, options, store);
            let known = batches.known_outcomes(id)?;
            course_of(&known, &planner.refused(&batch))
        } else {
            Kept::decode(batches.answer(id, &principal)?)?.into_course()
        };
        refuse_part_of_whole(batch.mode, &course)?;
        Ok(batch.retain(|operation| fate(&course, operation.index)).to_json())
    });
    let text = text.await?;
    Ok(reply::json(slot.body(text)))
}

/// What is to be done whole is worth sending again as a whole only.
fn refuse_part_of_whole(mode: Mode, course: &Course) -> Result<(), Problem> {
    let failed = course.came.iter().position(|came| *came == Came::Failed);
    match failed.filter(|_| mode == Mode::Atomic) {
        Some(index) => {
            let detail =
                format!("nothing was done: mend operation {index}, and send all of it again");
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        None => Ok(()),
    }
}

/// How a batch went that a server left when it ended; of each operation it is known whether planning
/// refused it.
fn course_of(known: &HashMap<usize, Outcome>, refused: &[bool]) -> Course {
    let came = |(index, is_refused): (usize, &bool)| match known.get(&index) {
        _ if *is_refused => Came::Failed,
        None => Came::Again,
        Some(Ok(_)) => Came::Done,
        Some(Err(failure)) if failure.effect == Effect::Unknown => Came::Failed,
        Some(Err(failure)) if failure.kind.retry() == Retry::Safe => Came::Again,
        Some(Err(_)) => Came::Failed,
    };
    let key = |index: usize| {
        let added = known.get(&index)?.as_ref().ok()?.added.as_ref()?;
        Some((index, RowKey::of(added.key.as_ref()?)?))
    };
    let keys = (0..refused.len()).filter_map(key).collect();
    Course { came: refused.iter().enumerate().map(came).collect(), keys }
}

fn fate(course: &Course, index: usize) -> Fate {
    match course.came.get(index) {
        Some(Came::Again) => Fate::Kept,
        Some(Came::Done) => {
            let at = course.keys.binary_search_by_key(&index, |(of, _)| *of);
            let key = at.ok().map(|at| match &course.keys[at].1 {
                RowKey::Text(text) => Value::Text(text.clone()),
                RowKey::Json(json) => Value::Json(json.clone()),
            });
            Fate::Done { key }
        }
        Some(Came::Failed) | None => Fate::Dropped,
    }
}

/// What was asked for, as it is kept: the media type, and the document behind a line end.
pub(super) fn document(format: Format, body: &[u8]) -> Bytes {
    [format.media_type().as_bytes(), b"\n", body].concat().into()
}

/// The format and the document that [`document`] kept; `None` if it was no batch.
fn read_document(kept: &[u8]) -> Option<(Format, &[u8])> {
    let end = kept.iter().position(|&byte| byte == b'\n')?;
    let format = [Format::Xml, Format::Json]
        .into_iter()
        .find(|format| format.media_type().as_bytes() == &kept[..end])?;
    Some((format, &kept[end + 1..]))
}

/// How long a client waits that asks for a job, if it does.
pub(super) fn wait(prefer: &Prefer) -> Option<Duration> {
    prefer.respond_async.then(|| Duration::from_secs(prefer.wait.unwrap_or(0).into()))
}

/// Does a step, as a job if that is asked for.
pub(crate) async fn run(
    service: Service<'_>,
    request: Asking,
    step: Step,
) -> Result<Response<Body>, Problem> {
    let Asking { prefer, principal, base } = request;
    // Where nothing can be kept, it is done while the client waits (RFC 7240 §2).
    let kept = service.engine.batches().are_kept();
    let Some(wait) = wait(&prefer).filter(|_| kept) else {
        let done = crate::change::run(service.engine, step).await?;
        return Ok(created_or_empty(&done));
    };
    let max = service.options.batch.running_max;
    let slot = service.running.enter(&principal, max)?;
    let document = Bytes::new();
    let job = Some(JobWish { document, wait });
    let wish = Wish { key: None, fingerprint: Bytes::new(), job };
    let ticket = match kept::begin(service.engine, principal, wish, 1, Outer::default()).await? {
        Ok(ticket) => ticket,
        Err(kept) => return Ok(kept.into_replay(slot)),
    };
    let (engine, id, hrefs) = (service.engine.clone(), ticket.id(), base.clone());
    let task = tokio::spawn(run_to_end(engine, base, (ticket, slot), step));
    answer_within(wait, task, || accepted(&hrefs, id, 1)).await
}

/// The answer of a job that ends within this time, else another. Who doesn't wait never gets it, lest
/// what a client sees depend on how fast the server is.
pub(super) async fn answer_within(
    wait: Duration,
    task: JoinHandle<Result<Response<Body>, Problem>>,
    otherwise: impl FnOnce() -> Response<Body>,
) -> Result<Response<Body>, Problem> {
    if wait.is_zero() {
        return Ok(otherwise());
    }
    match tokio::time::timeout(wait, task).await {
        Ok(ended) => ended.map_err(intake::panicked)?,
        Err(_) => Ok(otherwise()),
    }
}

/// What a job needs of the request it was asked for by.
pub(crate) struct Asking {
    prefer: Prefer,
    principal: Principal,
    base: Base,
}

impl Asking {
    pub(crate) fn of(request: &Request) -> Result<Self, Problem> {
        let prefer = header::read::<Prefer>(&request.headers)?.unwrap_or_default();
        Ok(Self { prefer, principal: request.principal.clone(), base: request.base.clone() })
    }
}

async fn run_to_end(
    engine: Engine,
    base: Base,
    (ticket, _slot): (Arc<Ticket>, Slot),
    step: Step,
) -> Result<Response<Body>, Problem> {
    let _held = engine.hold();
    let path = step.subject().clone();
    let plan = Plan {
        steps: vec![step],
        mode: PlanMode::BestEffort,
        cancel: Cancel::never(),
        ticket: Some(Arc::clone(&ticket)),
    };
    let outcome = engine.run(plan).await.pop();
    let is_left = matches!(&outcome, Some(Err(failure)) if is_not_attempted(failure));
    let is_cut = is_left && engine.is_draining();
    let untold = || Err(Failure::new(FailureKind::Internal, ResourcePath::root()));
    let response = match outcome.unwrap_or_else(untold) {
        Ok(done) => created_or_empty(&done),
        Err(failure) => Problem::from(failure).answer(&engine, base, Some(path)).await,
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| Problem::internal())?.to_bytes();
    let response = Response::from_parts(parts, body);
    if !is_cut {
        let kept = Kept::new(&response, Course::default());
        intake::aside(move || kept.keep(&ticket)).await?;
    }
    Ok(response.map(Body::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_have_names_that_nobody_guesses() {
        let id = "0123456789abcdef0123456789abcdef";
        let of = |rest: &str| {
            let path = ResourcePath::parse(format!("batch-operation/{rest}")).unwrap();
            named(&path).map(|(id, _)| id.to_string())
        };
        for rest in ["", "/result", "/retry"] {
            assert_eq!(of(&format!("{id}{rest}")).as_deref(), Some(id));
        }
        for rest in ["x", "0123", &id.to_uppercase(), &format!("+{}", &id[1..])] {
            assert_eq!(of(rest), None, "{rest}");
        }
        for rest in ["/other", "/result/x", "/items/1"] {
            assert_eq!(of(&format!("{id}{rest}")), None, "{rest}");
        }
    }
}
