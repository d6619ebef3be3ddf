//! OPTIONS (RFC 9110 §9.3.7, RFC 4918 §10.1).

use http::Response;
use http::header::{ALLOW, HeaderMap, HeaderName, HeaderValue};

use crate::body::Body;

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
pub(crate) const ALLOWED_BATCH: &str = "OPTIONS, POST";

/// OPTIONS of a resource, of the batch endpoint, or of the server (`*`).
pub(crate) fn options(is_batch: bool) -> Response<Body> {
    let mut response = Response::new(Body::default());
    let headers = response.headers_mut();
    let allowed = if is_batch { ALLOWED_BATCH } else { ALLOWED };
    headers.insert(ALLOW, HeaderValue::from_static(allowed));
    classes(headers);
    response
}

/// Windows asks for the second: without it, it takes the server for none of WebDAV.
pub(crate) fn classes(headers: &mut HeaderMap) {
    headers.insert(HeaderName::from_static("dav"), DAV);
    headers.insert(HeaderName::from_static("ms-author-via"), HeaderValue::from_static("DAV"));
}
