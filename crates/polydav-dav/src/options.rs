//! OPTIONS (RFC 9110 §9.3.7, RFC 4918 §10.1), and which methods there are.

use http::Response;
use http::header::{ALLOW, HeaderName, HeaderValue};
use polydav_engine::Engine;

use crate::body::Body;
use crate::problem::Problem;
use crate::request::Request;
use crate::{intake, record};

/// The compliance classes (RFC 4918 §18).
const DAV: HeaderValue = HeaderValue::from_static("1, 2, 3");

/// Every method a resource may take.
pub(crate) const ALLOWED: &str =
    "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, LOCK, UNLOCK";

/// What a resource takes that is there: it can't be made again.
pub(crate) const ALLOWED_MAPPED: &str =
    "OPTIONS, GET, HEAD, PUT, DELETE, COPY, MOVE, PROPFIND, PROPPATCH, LOCK, UNLOCK";

/// What a collection takes that is there.
pub(crate) const ALLOWED_COLLECTION: &str =
    "OPTIONS, GET, HEAD, DELETE, COPY, MOVE, PROPFIND, PROPPATCH, LOCK, UNLOCK";

/// What the batch endpoint takes.
pub(crate) const ALLOWED_BATCH: &str = "OPTIONS, GET, HEAD, POST";

/// Which patches a record takes (RFC 5789 §3.1).
pub(crate) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// RFC 7396.
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// Whether some resource here takes this method.
pub(crate) fn is_known(method: &str) -> bool {
    matches!(method, "POST" | "PATCH") || ALLOWED.split(", ").any(|known| known == method)
}

/// OPTIONS of a resource, or of the server (`*`).
///
/// Windows asks for `MS-Author-Via`: without it, it takes the server for none of WebDAV.
pub(crate) async fn options(engine: &Engine, request: Request) -> Result<Response<Body>, Problem> {
    let store = engine.store().clone();
    let allowed = if store.capabilities(&request.path).records {
        let allowed = move || record::allowed(&*store, &request.path);
        intake::aside(allowed).await?.unwrap_or(ALLOWED)
    } else {
        ALLOWED
    };
    let mut response = Response::new(Body::default());
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allowed));
    if allowed.split(", ").any(|method| method == "PATCH") {
        headers.insert(ACCEPT_PATCH, HeaderValue::from_static(MERGE_PATCH));
    }
    headers.insert(HeaderName::from_static("dav"), DAV);
    headers.insert(HeaderName::from_static("ms-author-via"), HeaderValue::from_static("DAV"));
    Ok(response)
}

/// OPTIONS of the batch endpoint, or of a job, which is no resource of WebDAV and doesn't say so
/// (RFC 4918 §10.1).
pub(crate) fn options_beside_dav(allowed: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::default());
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
