//! The methods that are a plan of one step: PUT, MKCOL, DELETE, COPY, MOVE.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, ETAG, EXPECT};
use http::{Response, StatusCode};
use polydav_engine::Engine;
use polydav_proto::header::{self, Depth as DepthField};
use polydav_store::{
    Action, Content, Depth, Done, Effect, Failure, FailureKind, ResourcePath, Step,
};

use crate::batch::{Asking, run_step};
use crate::body::Body;
use crate::options::ALLOWED_COLLECTION;
use crate::problem::Problem;
use crate::quirk::{self, Quirk};
use crate::request::Request;
use crate::{Options, Service, intake, record};

/// PUT (RFC 4918 §9.7, RFC 9110 §9.3.4).
pub(crate) async fn put(
    engine: &Engine,
    options: &Options,
    request: Request,
) -> Result<Response<Body>, Problem> {
    if header::has_content_range(&request.headers) {
        return Err(Problem::bad_request("a PUT of a part (Content-Range) is not supported"));
    }
    intake::refuse_coding(&request.headers)?;
    if request.slash {
        let detail = "a URL that ends in a slash is that of a collection; PUT makes files";
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail);
        return Err(problem.with_header(ALLOW, ALLOWED_COLLECTION));
    }
    let modified = modified_time(&request)?;
    let guard = request.guard()?;
    let action = |content| Action::Put { target: request.path.clone(), content, modified };
    let (can, length) = (engine.store().capabilities(&request.path), announced_length(&request));
    let empty = || Step::new(0, guard.clone(), action(Content::Inline(Bytes::new())));
    // Of what can't be written the store says why, and before any condition (RFC 4918 §8.5).
    let is_looked_at = can.writable && (can.records || !is_short(&request, length));
    if is_looked_at {
        look_before(engine, empty()).await?;
    }
    if can.records {
        return record::put(engine, options, request, guard).await;
    }
    if let Some(detail) = length.and_then(|length| options.exceeds_put(length)) {
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let content =
        intake::content(engine, &request.path, request.body, length, options.put_bytes_max).await?;
    let done = match engine.run_step(Step::new(0, guard.clone(), action(content))).await {
        Ok(done) => done,
        Err(failure) if is_looked_at || !can.writable => return Err(failure.into()),
        Err(failure) => return Err(better_reason(engine, empty(), failure).await),
    };
    let mut response = written(&done);
    if modified.is_some() {
        let accepted = http::HeaderValue::from_static("accepted");
        response.headers_mut().insert(quirk::MODIFIED_TIME, accepted);
    }
    Ok(response)
}

/// Whether the body is on its way, and so short that a refusal would keep nothing from being sent.
fn is_short(request: &Request, length: Option<u64>) -> bool {
    !request.headers.contains_key(EXPECT)
        && length.is_some_and(|length| length <= intake::INLINE_MAX as u64)
}

/// Refuses what is bound to fail before the body is asked for (`Expect: 100-continue`). It is a
/// courtesy: what decides is the check inside the store. So nothing is refused for what may be the
/// middle of somebody's batch.
async fn look_before(engine: &Engine, step: Step) -> Result<(), Problem> {
    let engine = engine.clone();
    intake::blocking(move || {
        let target = step.subject().clone();
        let stillness = engine.stillness(&target);
        match look(&engine, step) {
            Err(_) if stillness.is_none() || engine.stillness(&target) != stillness => Ok(()),
            looked => looked,
        }
    })
    .await
}

/// Why a step failed that nobody had looked at: whoever looks sees all mounts, and may know better.
async fn better_reason(engine: &Engine, step: Step, failure: Failure) -> Problem {
    if failure.effect == Effect::None
        && let Err(better) = look_before(engine, step).await
    {
        return better;
    }
    failure.into()
}

/// Looks whether what lies at and around a file, and the conditions, let it be put there.
fn look(engine: &Engine, step: Step) -> Result<(), Failure> {
    let store = engine.store();
    let permit = step.open(&engine.view())?;
    let target = permit.action.subject();
    let fail = |kind, path: &ResourcePath| Err(Failure::new(kind, path.clone()));
    match store.find(target)? {
        Some(entry) if entry.is_collection() => fail(FailureKind::IsCollection, target),
        Some(_) => Ok(()),
        None => match target.parent() {
            Some(parent) if !store.find(&parent)?.is_some_and(|entry| entry.is_collection()) => {
                fail(FailureKind::ParentMissing, &parent)
            }
            _ => Ok(()),
        },
    }
}

fn announced_length(request: &Request) -> Option<u64> {
    request.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn modified_time(request: &Request) -> Result<Option<SystemTime>, Problem> {
    let Some(value) = request.headers.get(quirk::MODIFIED_TIME) else { return Ok(None) };
    if !quirk::has(Quirk::ModifiedTimeOfPut, &request.headers) {
        return Ok(None);
    }
    let seconds = value.to_str().ok().and_then(|text| text.parse::<f64>().ok());
    let since = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)) {
        Some(time) => Ok(Some(time)),
        None => Err(Problem::bad_request("X-OC-Mtime: expected seconds since 1970")),
    }
}

/// MKCOL (RFC 4918 §9.3).
pub(crate) async fn mkcol(engine: &Engine, request: Request) -> Result<Response<Body>, Problem> {
    let step = Step::new(0, request.guard()?, Action::MakeCollection { target: request.path });
    run(engine, step).await.map(|done| created_or_empty(&done))
}

/// DELETE (RFC 4918 §9.6).
pub(crate) async fn delete(
    service: Service<'_>,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let (engine, asking) = (service.engine, Asking::of(&request)?);
    if request.depth()?.is_some_and(|depth| depth != DepthField::Infinity) {
        refuse_depth(engine, &request.path, "infinity for DELETE of a collection").await?;
    }
    let step = Step::new(0, request.guard()?, Action::Remove { target: request.path });
    run_step(service, asking, step).await
}

/// COPY (RFC 4918 §9.8).
pub(crate) async fn copy(
    service: Service<'_>,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let (engine, asking) = (service.engine, Asking::of(&request)?);
    let depth = match request.depth()? {
        Some(DepthField::Zero) => Depth::Zero,
        None | Some(DepthField::Infinity) => Depth::Infinity,
        Some(DepthField::One) => {
            refuse_depth(engine, &request.path, "0 or infinity for COPY of a collection").await?;
            Depth::Infinity
        }
    };
    let (target, overwrite) = (request.destination()?, request.overwrite()?);
    let guard = request.guard()?;
    let action = Action::Copy { source: request.path, target, depth, overwrite };
    run_step(service, asking, Step::new(0, guard, action)).await
}

/// MOVE (RFC 4918 §9.9).
pub(crate) async fn r#move(
    service: Service<'_>,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let (engine, asking) = (service.engine, Asking::of(&request)?);
    if request.depth()?.is_some_and(|depth| depth != DepthField::Infinity) {
        refuse_depth(engine, &request.path, "infinity for MOVE of a collection").await?;
    }
    let (target, overwrite) = (request.destination()?, request.overwrite()?);
    let guard = request.guard()?;
    let action = Action::Rename { source: request.path, target, overwrite };
    run_step(service, asking, Step::new(0, guard, action)).await
}

/// Refuses a depth that makes no sense, but for what isn't a collection: there it is ignored (RFC
/// 4918 §10.2).
async fn refuse_depth(
    engine: &Engine,
    path: &ResourcePath,
    expected: &'static str,
) -> Result<(), Problem> {
    if intake::is_collection(engine, path).await? {
        return Err(Problem::bad_request(format!("Depth: expected {expected}")));
    }
    Ok(())
}

pub(crate) async fn run(engine: &Engine, step: Step) -> Result<Done, Problem> {
    Ok(engine.run_step(step).await?)
}

pub(crate) fn created_or_empty(done: &Done) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() =
        if done.created { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    response
}

/// The same, with the entity tag of what was written.
pub(crate) fn written(done: &Done) -> Response<Body> {
    let mut response = created_or_empty(done);
    if let Some(etag) = &done.etag {
        let value = etag.to_string().parse().expect("an entity tag is visible ASCII");
        response.headers_mut().insert(ETAG, value);
    }
    response
}
