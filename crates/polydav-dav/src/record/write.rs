//! The methods that write one record: POST, PATCH (RFC 5789, RFC 7396) and PUT.
//!
//! An array in place of an object is many records: `bulk`.

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, Response};
use polydav_engine::Engine;
use polydav_proto::batch::Verb;
use polydav_proto::record::begins_list;
use polydav_store::{Action, Content, Guard, Step};

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
    let start = begin(service, &mut request).await?;
    if begins_list(&start) == Some(true) {
        return bulk::bulk(service, request, start, Verb::Create).await;
    }
    let Service { engine, options, .. } = service;
    let max = options.batch.limits.content_bytes_max;
    let body = intake::collect_rest(start, std::mem::take(&mut request.body), max).await?;
    let record = body::read(&body, &options.batch.limits)?;
    let action = Action::add(request.path.clone(), record);
    let done = change::run(engine, Step::new(0, request.guard()?, action)).await?;
    let mut response = change::written(&done);
    if let Some(path) = &done.added {
        let location = HeaderValue::try_from(request.base.href(path, false));
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
    let start = begin(service, &mut request).await?;
    if begins_list(&start) == Some(true) {
        return bulk::bulk(service, request, start, Verb::Update).await;
    }
    let Service { engine, options, .. } = service;
    let max = options.batch.limits.content_bytes_max;
    let body = intake::collect_rest(start, std::mem::take(&mut request.body), max).await?;
    let record = body::read(&body, &options.batch.limits)?;
    let guard = request.guard()?;
    let action = Action::Update { target: request.path, record };
    Ok(change::written(&change::run(engine, Step::new(0, guard, action)).await?))
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
    let content = Content::Record(body::read(&body, limits)?);
    let action = Action::Put { target: request.path, content, modified: None };
    Ok(change::written(&change::run(engine, Step::new(0, guard, action)).await?))
}

/// Refuses what is bound to fail before the body is asked for; and takes so much of it that it
/// shows what it is.
async fn begin(service: Service<'_>, request: &mut Request) -> Result<Bytes, Problem> {
    let capabilities = intake::capabilities(service.engine, &request.path).await?;
    if !capabilities.records {
        return Err(not_allowed(options::ALLOWED));
    }
    batch::refuse_key(&request.headers)?;
    body::check_type(&request.headers)?;
    intake::begin(&mut request.body).await
}
