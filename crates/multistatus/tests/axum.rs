//! The axum feature: a handler that returns a 207, seen from outside.
#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used)]

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use multistatus::axum::Negotiated;
use multistatus::batch::{BATCH_RESULT, Item, Mode};
use multistatus::{Format, MultiStatus, Response};
use tower::ServiceExt;

async fn bulk(format: Format) -> Negotiated {
    let item = Item::new(0, "put", "/a", StatusCode::CREATED);
    Negotiated(format, MultiStatus::batch(Mode::BestEffort, [Response::item("/a", item)]))
}

async fn broken() -> MultiStatus {
    MultiStatus::new([Response::status("", StatusCode::OK)])
}

async fn call(path: &str, accept: Option<&str>) -> (http::response::Parts, Vec<u8>) {
    let app = Router::new().route("/bulk", post(bulk)).route("/broken", post(broken));
    let mut request = Request::post(path);
    if let Some(accept) = accept {
        request = request.header(header::ACCEPT, accept);
    }
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts, body.collect().await.unwrap().to_bytes().to_vec())
}

#[tokio::test]
async fn the_format_is_negotiated() {
    let (parts, body) = call("/bulk", None).await;
    assert_eq!(parts.status, StatusCode::MULTI_STATUS);
    assert_eq!(parts.headers[header::CONTENT_TYPE], multistatus::CONTENT_TYPE);
    assert_eq!(parts.headers[BATCH_RESULT], "total=1, succeeded=1, failed=0, skipped=0");
    assert_eq!(MultiStatus::from_xml(&body).unwrap().responses.len(), 1);

    let (parts, body) = call("/bulk", Some("application/json")).await;
    assert_eq!(parts.headers[header::CONTENT_TYPE], "application/json");
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["items"][0]["status"], 201);

    let (parts, _) = call("/bulk", Some("image/png")).await;
    assert_eq!(parts.headers[header::CONTENT_TYPE], multistatus::CONTENT_TYPE);
}

#[tokio::test]
async fn nonsense_is_a_500() {
    assert_eq!(call("/broken", None).await.0.status, StatusCode::INTERNAL_SERVER_ERROR);
}
