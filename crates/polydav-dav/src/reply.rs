//! Bodies of XML and JSON: whole documents, and the 207 of failed members.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use multistatus::MultiStatus;
use multistatus::xml::Element;
use polydav_store::{Failure, Member};

use crate::body::Body;
use crate::naming::Naming;
use crate::{problem, status};

/// The type of every XML body.
pub(crate) const XML: HeaderValue = HeaderValue::from_static("application/xml; charset=\"utf-8\"");

/// A document of this root element.
pub(crate) fn document(root: &Element) -> Vec<u8> {
    let mut document = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n".to_vec();
    document.extend_from_slice(root.to_fragment().as_bytes());
    document.push(b'\n');
    document
}

/// A success with a body of JSON.
pub(crate) fn json(text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(text.into().into());
    let kind = HeaderValue::from_static(multistatus::JSON_CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A 207 with this body.
pub(crate) fn multi_status(body: impl Into<Body>) -> Response<Body> {
    multi_status_of(body.into())
}

/// As [`multi_status`], of whatever the body is yet.
pub(crate) fn multi_status_of<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::MULTI_STATUS;
    response.headers_mut().insert(CONTENT_TYPE, XML);
    response
}

/// Notes in an answer that the client gets no more than it asked for (RFC 8144 §2).
pub(crate) fn note_minimal<B>(response: &mut Response<B>) {
    let name = HeaderName::from_static("preference-applied");
    response.headers_mut().insert(name, HeaderValue::from_static("return=minimal"));
}

/// A success of which the client wants no body (RFC 8144 §2.2).
pub(crate) fn minimal() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    note_minimal(&mut response);
    response
}

/// A 207 of these responses.
pub(crate) fn of(responses: impl IntoIterator<Item = multistatus::Response>) -> Response<Body> {
    whole(&MultiStatus::new(responses))
}

fn whole(multistatus: &MultiStatus) -> Response<Body> {
    match multistatus.to_xml() {
        Ok(body) => multi_status(body),
        Err(error) => {
            tracing::error!(%error, "a multistatus could not be written");
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

/// The 207 of a tree operation with failed members (RFC 4918 §9.6.1, §9.8.3, §9.9.2): a response
/// for each of them, and none for what went well.
pub(crate) fn members(failure: &Failure, naming: Naming<'_>) -> Response<Body> {
    let told = failure.members.list().iter().map(|member| member_response(member, naming));
    let untold = failure.members.untold();
    let mut multistatus = MultiStatus::new(told);
    if untold > 0 {
        let text = format!("{untold} more members failed, which are not listed");
        multistatus.trailer.description = Some(text);
    }
    whole(&multistatus)
}

fn member_response(member: &Member, naming: Naming<'_>) -> multistatus::Response {
    let href = naming.href(&member.path);
    let response = multistatus::Response::status(href, status::of_kind(member.kind))
        .with_description(status::describe(member.kind));
    match problem::condition_of_kind(member.kind, &member.path, naming) {
        Some(condition) => response.with_condition(condition.to_element()),
        None => response,
    }
}
