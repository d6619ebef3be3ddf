//! What the tests of batches that are written share.

use polydav_proto::batch::{BatchRequest, Field, Format, Kind, Limits, Operation, Value};
use polydav_proto::encoding::encode_base64;
use polydav_proto::reference::Path;

/// What is read of what is written, whatever collection it is sent to.
pub(crate) fn again(batch: &BatchRequest) -> BatchRequest {
    let elsewhere = Path::new([&b"else"[..], b"where"], true).unwrap();
    let json = batch.to_json();
    BatchRequest::parse(Format::Json, &json, &elsewhere, &Limits::default())
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&json)))
}

/// The batch with its values as JSON has them.
pub(crate) fn in_json(mut batch: BatchRequest) -> BatchRequest {
    let json = |text: &str| Value::Json(serde_json::to_string(text).unwrap().into());
    for field in batch.operations.iter_mut().flat_map(fields) {
        field.value = match &field.value {
            Value::Text(text) => json(text),
            Value::Bytes(bytes) => json(&encode_base64(bytes)),
            other => other.clone(),
        };
    }
    batch
}

pub(crate) fn fields(operation: &mut Operation) -> &mut [Field] {
    match operation.action.as_mut().map(|action| &mut action.kind) {
        Ok(Kind::Create(fields) | Kind::Update(fields)) => fields,
        _ => &mut [],
    }
}
