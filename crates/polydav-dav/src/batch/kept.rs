//! Batches of which word is kept: sent again with their key they are answered as before, and a job
//! goes on without its client.

use std::sync::Arc;
use std::time::Duration;

use blake2::Blake2b;
use blake2::digest::Digest as _;
use blake2::digest::consts::U32;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use polydav_engine::{Engine, Entry, NewBatch, Ticket, Unkept};
use polydav_proto::header::IdempotencyKey;
use polydav_store::{Principal, Value};
use serde::{Deserialize, Serialize};

use super::{BatchCounts, Outer, Slot};
use crate::body::Body;
use crate::intake;
use crate::problem::Problem;

/// Tells a client that this is the answer that a request with its key had before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// That word of a batch be kept, and how it is told from others.
pub(crate) struct Wish {
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) fingerprint: Bytes,
    pub(crate) job: Option<JobWish>,
}

/// That a batch go on without its client.
pub(crate) struct JobWish {
    /// What was asked for, as it is kept.
    pub(crate) document: Bytes,
    /// So long its client waits for the answer.
    pub(crate) wait: Duration,
}

/// What tells requests apart: the same parts in the same order have the same fingerprint.
pub(crate) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    let mut hash = Blake2b::<U32>::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Bytes::copy_from_slice(&hash.finalize())
}

/// Begins a batch of `total` operations if its conditions hold, or finds the answer that it had.
pub(crate) async fn begin(
    engine: &Engine,
    principal: Principal,
    wish: Wish,
    total: usize,
    outer: Outer,
) -> Result<Result<Arc<Ticket>, Kept>, Problem> {
    let new = NewBatch {
        principal,
        key: wish.key.map(|key| key.as_str().into()),
        fingerprint: wish.fingerprint,
        total: total as u64,
        document: wish.job.map(|job| job.document),
    };
    let engine = engine.clone();
    let enter = move || match engine.batches().enter(new, || outer.judge(&engine)) {
        Ok(Entry::Begin(ticket)) => Ok(Ok(Arc::new(ticket))),
        Ok(Entry::Ended(kept)) => Kept::decode(kept).map(Err),
        Err(unkept) => Err(refusal(unkept)),
    };
    intake::blocking(enter).await
}

fn refusal(unkept: Unkept) -> Problem {
    match unkept {
        Unkept::Failed(failure) => failure.into(),
        Unkept::Running => {
            let detail = "the request with this key is still running";
            Problem::new(StatusCode::CONFLICT, detail).with_header(RETRY_AFTER, "2")
        }
        Unkept::KeyTaken => {
            let detail = "this key was sent with another request";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
        }
        Unkept::Full => {
            let detail = "the answers of too many requests are kept already; send it again later";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).with_header(RETRY_AFTER, "3600")
        }
        Unkept::Nowhere => {
            let detail = "this server has nowhere to keep answers: send it without a key, and wait";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
        }
    }
}

/// What became of an operation, for whoever sends some of a batch again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Came {
    /// It was done.
    #[serde(rename = "d")]
    Done,
    /// It wasn't, and may be sent again as it is.
    #[serde(rename = "a")]
    Again,
    /// It wasn't, or that isn't known.
    #[serde(rename = "f")]
    Failed,
}

/// What became of each operation of a batch, and the keys of the rows that were made.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Course {
    pub(crate) came: Vec<Came>,
    /// With the index of the operation, in that order.
    pub(crate) keys: Vec<(usize, RowKey)>,
}

/// The key of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RowKey {
    Text(Box<str>),
    Json(Box<str>),
}

impl RowKey {
    /// A key as the store has it; `None` if no document can say it.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(Self::Text(text.clone())),
            Value::Json(json) => Some(Self::Json(json.clone())),
            Value::Bytes(_) | Value::Null | Value::Added(_) => None,
        }
    }
}

/// An answer as it is kept.
pub(crate) struct Kept {
    head: Head,
    body: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
    /// All, succeeded, failed, skipped.
    counts: Option<[u64; 4]>,
    course: Course,
}

impl Kept {
    /// This answer, of a batch that went so.
    pub(crate) fn new(response: &Response<impl AsRef<[u8]>>, course: Course) -> Self {
        let headers = response.headers().iter();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let counts = response.extensions().get::<BatchCounts>();
        let head = Head {
            status: response.status().as_u16(),
            headers: headers.map(|(name, value)| (name.to_string(), text(value))).collect(),
            counts: counts
                .map(|counts| [counts.total, counts.succeeded, counts.failed, counts.skipped]),
            course,
        };
        Self { head, body: response.body().as_ref().to_vec() }
    }

    /// How many operations failed.
    fn failed(&self) -> u64 {
        let is_failure = !(200..300).contains(&self.head.status);
        self.head.counts.map_or(u64::from(is_failure), |[_, _, failed, _]| failed)
    }

    /// How many were not tried, or undone.
    fn skipped(&self) -> u64 {
        let was_left = self.head.status == StatusCode::SERVICE_UNAVAILABLE;
        self.head.counts.map_or(u64::from(was_left), |[.., skipped]| skipped)
    }

    /// How the batch went.
    pub(crate) fn into_course(self) -> Course {
        self.head.course
    }

    /// Keeps it as the answer of a batch that has ended. Blocks.
    pub(crate) fn keep(&self, ticket: &Ticket) {
        let mut text = serde_json::to_vec(&self.head).expect("it is made of numbers and texts");
        text.push(b'\n');
        text.extend_from_slice(&self.body);
        // Its receipts are kept: sent again, it is answered the same.
        if let Err(failure) = ticket.end(self.failed(), self.skipped(), &text) {
            tracing::error!(%failure, batch = %ticket.id(), "an answer can't be kept");
        }
    }

    /// What [`Kept::keep`] kept.
    pub(crate) fn decode(mut text: Vec<u8>) -> Result<Self, Problem> {
        let end = text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| at + 1);
        let body = text.split_off(end);
        let head = serde_json::from_slice(&text).map_err(|error| {
            tracing::error!(%error, "what was kept is no answer");
            Problem::internal()
        })?;
        Ok(Self { head, body })
    }

    /// How long its body is, in bytes.
    pub(super) fn length(&self) -> usize {
        self.body.len()
    }

    /// The answer once more, to the same request. A large one holds the slot.
    pub(super) fn into_replay(self, slot: Slot) -> Response<Body> {
        let mut response = self.into_response(Some(slot));
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }

    /// The answer once more. A large one holds the slot.
    pub(super) fn into_response(self, slot: Option<Slot>) -> Response<Body> {
        let body = match slot {
            Some(slot) => slot.body(self.body),
            None => self.body.into(),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.head.status).unwrap_or_default();
        for (name, value) in self.head.headers {
            let name = HeaderName::try_from(name);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        if let Some([total, succeeded, failed, skipped]) = self.head.counts {
            response.extensions_mut().insert(BatchCounts { total, succeeded, failed, skipped });
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_known_by_its_parts() {
        let of = |parts: &[&[u8]]| fingerprint(parts.iter().copied());
        assert_eq!(of(&[b"a", b"b"]), of(&[b"a", b"b"]));
        for other in [&[&b"ab"[..], b""][..], &[b"", b"ab"], &[b"a"], &[b"b", b"a"]] {
            assert_ne!(of(&[b"a", b"b"]), of(other), "{other:?}");
        }
    }

    #[test]
    fn an_answer_comes_back_as_it_was() {
        let mut response = Response::new(b"line\nline\n\xff".to_vec());
        *response.status_mut() = StatusCode::MULTI_STATUS;
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(http::header::CONTENT_TYPE, kind.clone());
        let counts = BatchCounts { total: 4, succeeded: 1, failed: 2, skipped: 1 };
        response.extensions_mut().insert(counts);
        let course = Course { came: vec![Came::Done, Came::Again], keys: Vec::new() };
        let kept = Kept::new(&response, course);
        assert_eq!((kept.failed(), kept.head.course.came.len()), (2, 2));
        let mut text = serde_json::to_vec(&kept.head).unwrap();
        text.extend_from_slice(b"\nline\nline\n\xff");
        let again = Kept::decode(text).unwrap();
        assert_eq!(&again.body[..], b"line\nline\n\xff");
        let again = again.into_response(None);
        assert_eq!(again.status(), StatusCode::MULTI_STATUS);
        assert_eq!(again.headers()[http::header::CONTENT_TYPE], kind);
        assert_eq!(again.extensions().get(), Some(&counts));
        assert!(Kept::decode(Vec::new()).is_err() && Kept::decode(b"{}\nx".to_vec()).is_err());
    }
}
