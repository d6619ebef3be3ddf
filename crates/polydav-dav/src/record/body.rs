//! The JSON that a request brings: a record, or an array of them.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use polydav_proto::batch::Limits;
use polydav_proto::header::{self, ContentType};
use polydav_proto::record::{self, InvalidRecord, Member};
use polydav_store::{Field, Fields, Value};

use crate::problem::Problem;
use crate::{intake, status};

/// What `curl -d`, PHP and Python send unasked: then the body shows whether it is JSON.
const UNTOLD: [&str; 3] =
    ["application/x-www-form-urlencoded", "text/plain", "application/octet-stream"];

/// Refuses a body that is said to be no JSON.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    intake::refuse_coding(headers)?;
    match header::read::<ContentType>(headers)? {
        Some(media) if !may_be_json(&media) => {
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, no_json(&media)))
        }
        _ => Ok(()),
    }
}

/// A list of instructions in JSON (RFC 6902): to take it for records would be wrong.
const JSON_PATCH: &str = "application/json-patch+json";

/// Whether a body of this type may be a record, or records.
pub(crate) fn may_be_json(media: &ContentType) -> bool {
    let media_is = |known: &str| media.essence == known;
    (media.is_json() && !media_is(JSON_PATCH)) || UNTOLD.into_iter().any(media_is)
}

/// What to say of a type that is none for a record.
pub(crate) fn no_json(media: &ContentType) -> String {
    format!("{} is no type of a record: send application/json", media.essence)
}

/// The most columns that a request for one record gives. There may be as many of them as
/// connections, and a column takes far more memory than its text.
const FIELDS_MAX: usize = 10_000;

/// A body up to this size is read at once; a longer one keeps nobody waiting.
const SHORT: usize = 64 * 1024;

/// The columns of the one record that a request brings.
pub(super) async fn read_one(body: Bytes, limits: &Limits) -> Result<Fields, Problem> {
    let limits = Limits { fields_max: limits.fields_max.min(FIELDS_MAX), ..*limits };
    if body.len() <= SHORT {
        return Ok(read(&body, &limits)?);
    }
    intake::blocking(move || read(&body, &limits)).await
}

/// The columns that an object gives.
pub(crate) fn read(body: &[u8], limits: &Limits) -> Result<Fields, InvalidRecord> {
    record::parse(body, limits).map(fields)
}

/// The columns that each object of an array gives.
pub(super) fn read_list(body: &[u8], limits: &Limits) -> Result<Vec<Fields>, InvalidRecord> {
    Ok(record::parse_list(body, limits)?.into_iter().map(fields).collect())
}

fn fields(members: Vec<Member>) -> Fields {
    let field =
        |Member { name, value }| Field { name, value: value.map_or(Value::Null, Value::Json) };
    members.into_iter().map(field).collect()
}

impl From<InvalidRecord> for Problem {
    fn from(error: InvalidRecord) -> Self {
        Self::new(status::of_fault(error.fault), format!("the body: {error}"))
    }
}
