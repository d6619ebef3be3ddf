//! LOCK and UNLOCK (RFC 4918 §9.10, §9.11).

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use multistatus::xml::{Element, Name};
use polydav_engine::{Engine, LiveView, LockRequest, Locked, RefreshRequest, UnlockRequest};
use polydav_proto::body::{LockInfo, LockScope as Scope};
use polydav_proto::header::{
    self, Depth, Header as _, LockToken as LockTokenField, TimeType, Timeout,
};
use polydav_store::{Failure, FailureKind, Lock, LockDepth, LockScope, LockToken, Member, Members};

use crate::body::Body;
use crate::naming::Naming;
use crate::problem::Problem;
use crate::request::Request;
use crate::{Options, guard, intake, live, reply};

/// LOCK: makes a lock, or with an empty body prolongs one.
pub(crate) async fn lock(
    engine: &Engine,
    options: &Options,
    mut request: Request,
) -> Result<Response<Body>, Problem> {
    intake::refuse_coding(&request.headers)?;
    let body = std::mem::take(&mut request.body);
    let body = intake::collect(body, options.xml_bytes_max).await?;
    let timeout = timeout(&request)?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return refresh(engine, request, timeout).await;
    }
    let read = |xml: &[u8], limits| {
        let LockInfo { scope, owner, .. } = LockInfo::parse(xml, limits)?;
        Ok((scope, owner.map(|owner| owner.to_fragment().into_bytes().into())))
    };
    let (scope, owner) = intake::read_xml(body, read).await?;
    let depth = match request.depth()? {
        Some(Depth::Zero) => LockDepth::Zero,
        None | Some(Depth::Infinity) => LockDepth::Infinity,
        Some(Depth::One) => {
            return Err(Problem::bad_request("Depth: expected 0 or infinity for LOCK"));
        }
    };
    let guard = request.guard()?;
    let scope = match scope {
        Scope::Exclusive => LockScope::Exclusive,
        Scope::Shared => LockScope::Shared,
    };
    let path = request.path.clone();
    let asked = LockRequest { path, scope, depth, owner, timeout, guard };
    let Locked { lock, created } = engine.lock(asked).await.map_err(with_requested)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = discovery(lock.clone(), engine, request).await?;
    *response.status_mut() = status;
    let token = HeaderValue::try_from(format!("<{}>", lock.token));
    let token = token.expect("a token of ours is visible ASCII");
    response.headers_mut().insert(LockTokenField::FIELD, token);
    Ok(response)
}

async fn refresh(
    engine: &Engine,
    request: Request,
    timeout: Option<Duration>,
) -> Result<Response<Body>, Problem> {
    let guard = request.guard()?;
    if guard.tokens.is_empty() {
        let detail = "a LOCK without a body prolongs a lock, whose token If must name";
        return Err(Problem::bad_request(detail));
    }
    let path = request.path.clone();
    let lock = engine.refresh(RefreshRequest { path, timeout, guard }).await?;
    discovery(lock, engine, request).await
}

/// Where members hold a lock up, the answer tells of the resource asked for too (RFC 4918 §9.10.3).
fn with_requested(failure: Failure) -> Failure {
    if failure.kind != FailureKind::Members {
        return failure;
    }
    let requested = Member { path: failure.path.clone(), kind: FailureKind::Dependency };
    let others = failure.members.list().iter().cloned();
    let members: Members = [requested].into_iter().chain(others).collect();
    Failure { members, ..failure }
}

/// The wish that counts: the first we can read, or as long as possible.
fn timeout(request: &Request) -> Result<Option<Duration>, Problem> {
    let timeout = header::read::<Timeout>(&request.headers)?;
    Ok(match timeout.as_ref().and_then(|timeout| timeout.0.first()) {
        Some(TimeType::Second(seconds)) => Some(Duration::from_secs(u64::from(*seconds))),
        Some(TimeType::Infinite) | None => None,
    })
}

/// The locks on the resource: the one asked for, and the shared ones beside it (RFC 4918 §9.10.2).
async fn discovery(
    lock: Arc<Lock>,
    engine: &Engine,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let now = engine.environment().now();
    let Request { path, base, principal, .. } = request;
    let discovery = move |view: LiveView<'_>| {
        let naming = Naming { base: &base, ground: &view };
        let mut others = view.covering(&path)?;
        others.retain(|other| other.token != lock.token);
        let mut discovery = Element::new(Name::dav("lockdiscovery"));
        for lock in [&lock].into_iter().chain(&others) {
            let root = naming.href(&lock.root);
            discovery.push(live::active_lock(lock, &root, &principal, now));
        }
        Ok::<_, Problem>(discovery)
    };
    let discovery = intake::look(engine, discovery).await?;
    let prop = Element::new(Name::dav("prop")).with_child(discovery);
    let mut response = Response::new(Body::from(reply::document(&prop)));
    response.headers_mut().insert(CONTENT_TYPE, reply::XML);
    Ok(response)
}

/// UNLOCK.
pub(crate) async fn unlock(engine: &Engine, request: Request) -> Result<Response<Body>, Problem> {
    let missing = || Problem::bad_request("the header field Lock-Token is missing");
    let token = guard::lock_token(&request.headers)?.ok_or_else(missing)?;
    let token = LockToken::new(token.0.as_str());
    // The token of UNLOCK stands in Lock-Token for its own sake, not as a condition.
    let guard = request.guard()?;
    engine.unlock(UnlockRequest { path: request.path, token, guard }).await?;
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
