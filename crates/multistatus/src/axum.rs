//! For axum: a 207 as return value, in the format the client asks for.

use std::convert::Infallible;

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use crate::batch::BATCH_RESULT;
use crate::format::Format;
use crate::model::MultiStatus;

/// A 207 in a format: what a handler returns that takes a [`Format`] as argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated(
    /// The format to write it in.
    pub Format,
    /// What to write.
    pub MultiStatus,
);

/// The format the request's `Accept` likes best; XML where it likes none, since a request that
/// changed something must be answered all the same.
impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let values = parts.headers.get_all(header::ACCEPT).iter();
        let accept: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        let accept = Some(accept.join(",")).filter(|accept| !accept.is_empty());
        Ok(Self::negotiate(accept.as_deref(), Self::Xml).unwrap_or_default())
    }
}

/// 207 with `Content-Type` and, where there is a summary, `Batch-Result`. A body that makes no
/// sense is a 500.
impl IntoResponse for Negotiated {
    fn into_response(self) -> Response {
        let Self(format, body) = self;
        let Ok(bytes) = body.to_bytes(format) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut response = (StatusCode::MULTI_STATUS, bytes).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        if let Some(summary) = &body.trailer.summary {
            headers.insert(BATCH_RESULT, summary.to_header());
        }
        response
    }
}

/// As [`Negotiated`], in XML.
impl IntoResponse for MultiStatus {
    fn into_response(self) -> Response {
        Negotiated(Format::Xml, self).into_response()
    }
}
