//! `Front`: the way of a request from hyper to the methods, and of the answer back.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use polydav_dav::{Body, Dav};
use polydav_proto::header::Origin;
use polydav_store::Principal;
use tracing::Instrument;

use crate::access::{Access, RequestId, Tracked};
use crate::refusal::Refusal;
use crate::users::Users;
use crate::{origin, target};

/// The name under which a failed request stands in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Front {
    dav: Dav,
    users: Option<Users>,
    allowed_origins: Vec<Origin>,
    process: u32,
    requests: AtomicU64,
}

impl Front {
    pub(crate) fn new(dav: Dav, users: Option<Users>, allowed_origins: Vec<Origin>) -> Self {
        // It only tells two logs apart: without randomness all are process 0.
        let process = getrandom::u32().unwrap_or_default();
        Self { dav, users, allowed_origins, process, requests: AtomicU64::new(0) }
    }

    pub(crate) fn dav(&self) -> &Dav {
        &self.dav
    }

    /// Answers a request. A panic is an answer too.
    pub(crate) async fn answer(
        &self,
        client: SocketAddr,
        request: Request<hyper::body::Incoming>,
    ) -> Response<Tracked> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = RequestId { process: self.process, number };
        let mut access = Access::new(id, client, &request);
        let span = tracing::info_span!("request", %id);
        let response = settle(id, self.pass(request, &mut access)).instrument(span).await;
        access.track(response)
    }

    async fn pass(
        &self,
        mut request: Request<hyper::body::Incoming>,
        access: &mut Access,
    ) -> Result<Response<Body>, Refusal> {
        let site = self.dav.site();
        target::check(&mut request, site)?;
        origin::check(request.method(), request.headers(), site, &self.allowed_origins)?;
        let principal = match &self.users {
            Some(users) => users.authenticate(request.headers()).await?,
            None => Principal::Anonymous,
        };
        access.set_principal(principal.clone());
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        Ok(self.dav.call(request, principal).await)
    }
}

/// Makes an answer of whatever comes of it.
async fn settle(
    id: RequestId,
    answering: impl Future<Output = Result<Response<Body>, Refusal>>,
) -> Response<Body> {
    match AssertUnwindSafe(answering).catch_unwind().await {
        Ok(Ok(mut response)) => {
            if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
                name(&mut response, id);
            }
            response
        }
        Ok(Err(refusal)) => refusal.into(),
        Err(_) => panicked(id),
    }
}

fn name(response: &mut Response<Body>, id: RequestId) {
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

/// The panic itself is told by its hook, on standard error.
fn panicked(id: RequestId) -> Response<Body> {
    tracing::error!(%id, "answering a request ended in a panic");
    let detail = format!("the server failed; its log tells of request {id}");
    let mut response: Response<Body> =
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into();
    name(&mut response, id);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_and_ends_the_connection() {
        let id = RequestId { process: 0xab, number: 7 };
        let response = settle(id, async { panic!("meant to") }).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["connection"], "close");
        assert_eq!(response.headers()["request-id"], "000000ab-7");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.ends_with(b"000000ab-7\n"));
    }
}
