//! What the tests of batches that are written share.

use polydav_proto::batch::{BatchRequest, Format, Limits};
use polydav_proto::reference::Path;

/// What is read of what is written, whatever collection it is sent to.
pub(crate) fn again(batch: &BatchRequest) -> BatchRequest {
    let elsewhere = Path::new([&b"else"[..], b"where"], true).unwrap();
    let json = batch.to_json();
    BatchRequest::parse(Format::Json, &json, &elsewhere, &Limits::default())
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&json)))
}
