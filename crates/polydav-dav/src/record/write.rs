//! The methods that write one record: POST, PATCH (RFC 5789, RFC 7396) and PUT.
//!
//! An array in place of an object is many records: `bulk`.

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Response};
use polydav_engine::Engine;
use polydav_proto::batch::Verb;
use polydav_proto::record::begins_list;
use polydav_store::{Action, Content, Fields, Guard, ResourcePath, Step};

use super::{body, bulk};
use crate::batch;
use crate::body::Body;
use crate::problem::Problem;
use crate::request::Request;
use crate::{Options, Service, change, intake, not_allowed, options};

/// POST to a collection of records makes one, whose name the store chooses (RFC 9110 §9.3.3).
pub(crate) async fn post(
    service: Service<'_>,
    mut request: Request,
) -> Result<Response<Body>, Problem> {
    check(service, &request.path, &request.headers)?;
    body::check_type(&request.headers)?;
    let start = intake::begin(&mut request.body).await?;
    if begins_list(&start) == Some(true) {
        return bulk::bulk(service, request, start, Verb::Create).await;
    }
    let record = record(service, start, &mut request).await?;
    let action = Action::add(request.path.clone(), record);
    let done = change::run(service.engine, Step::new(0, request.guard()?, action)).await?;
    let mut response = change::written(&done);
    if let Some(added) = &done.added {
        let location = HeaderValue::try_from(request.base.href(&added.path, false));
        let location = location.expect("an href is visible ASCII");
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// PATCH changes columns of a record.
pub(crate) async fn patch(
    service: Service<'_>,
    mut request: Request,
) -> Result<Response<Body>, Problem> {
    check(service, &request.path, &request.headers)?;
    // RFC 5789 §2.2.
    let with_types =
        |problem: Problem| problem.with_header(options::ACCEPT_PATCH, options::MERGE_PATCH);
    body::check_type(&request.headers).map_err(with_types)?;
    let start = intake::begin(&mut request.body).await?;
    if begins_list(&start) == Some(true) {
        return bulk::bulk(service, request, start, Verb::Update).await;
    }
    let record = record(service, start, &mut request).await?;
    let guard = request.guard()?;
    let action = Action::Update { target: request.path, record };
    Ok(change::written(&change::run(service.engine, Step::new(0, guard, action)).await?))
}

/// Refuses what is bound to fail before the body is asked for.
fn check(service: Service<'_>, path: &ResourcePath, headers: &HeaderMap) -> Result<(), Problem> {
    if !service.engine.store().capabilities(path).records {
        return Err(not_allowed(options::ALLOWED));
    }
    batch::refuse_key(headers)
}

/// The one record that a request brings, of whose body `start` was taken in already.
async fn record(
    service: Service<'_>,
    start: Bytes,
    request: &mut Request,
) -> Result<Fields, Problem> {
    let limits = &service.options.batch.limits;
    let body = std::mem::take(&mut request.body);
    let body = intake::collect_rest(start, body, limits.content_bytes_max).await?;
    body::read_one(body, limits).await
}

/// PUT of a record: all of its columns that aren't given get what they have in a new one.
pub(crate) async fn put(
    engine: &Engine,
    options: &Options,
    request: Request,
    guard: Guard,
) -> Result<Response<Body>, Problem> {
    body::check_type(&request.headers)?;
    let limits = &options.batch.limits;
    let body = intake::collect(request.body, limits.content_bytes_max).await?;
    let content = Content::Record(body::read_one(body, limits).await?);
    let action = Action::Put { target: request.path, content, modified: None };
    Ok(change::written(&change::run(engine, Step::new(0, guard, action)).await?))
}
