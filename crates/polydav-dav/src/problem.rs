//! `Problem`: why a request as a whole is not done, and how that is answered.

use std::borrow::Cow;

use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use multistatus::xml::{Element, ErrorKind, Name};
use polydav_engine::{Engine, LiveView, Panicked};
use polydav_proto::condition::Condition;
use polydav_proto::header::InvalidHeader;
use polydav_proto::reference::{InvalidKind, InvalidReference};
use polydav_store::{Effect, Failure, FailureKind, ResourcePath};

use crate::body::Body;
use crate::naming::Naming;
use crate::request::is_reserved;
use crate::site::{Base, Foreign};
use crate::{options, record, status};

/// The most failed members that are looked up where the answer is made.
const MEMBERS_AT_ONCE: usize = 32;

/// Seconds after which a client may try again where others kept a resource busy.
const RETRY_SECONDS: &str = "2";

/// Why a request isn't done: a status and a sentence, or a store's failure.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The request itself is at fault, or the server.
    Refused(Box<Refused>),
    /// The store, the locks or the conditions of the request are in the way.
    Failed(Box<Failure>),
}

/// A status, a sentence for people, and perhaps an element for programs (RFC 4918 §16).
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    detail: Cow<'static, str>,
    condition: Option<Element>,
    headers: HeaderMap,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        let headers = HeaderMap::new();
        Self::Refused(Box::new(Refused { status, detail, condition: None, headers }))
    }

    pub(crate) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The server is at fault; its log says why.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed")
    }

    /// With the element of a precondition or postcondition.
    pub(crate) fn with_condition(mut self, element: Element) -> Self {
        if let Self::Refused(refused) = &mut self {
            refused.condition = Some(element);
        }
        self
    }

    /// With a header field.
    pub(crate) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        if let Self::Refused(refused) = &mut self {
            refused.headers.insert(name, HeaderValue::from_static(value));
        }
        self
    }

    /// The status and the sentence, for where no answer of their own can be made of them.
    pub(crate) fn in_short(&self) -> (StatusCode, Cow<'_, str>) {
        match self {
            Self::Refused(refused) => (refused.status, Cow::Borrowed(&refused.detail)),
            Self::Failed(failure) => {
                log(failure);
                (status::of(failure), sentence(failure))
            }
        }
    }

    /// The answer to a request for the resource at `path`, if it got so far. Failed members become a
    /// 207, which only some methods may answer; `base` is how the client writes hrefs.
    pub(crate) async fn answer(
        self,
        engine: &Engine,
        base: Base,
        path: Option<ResourcePath>,
    ) -> Response<Body> {
        let store = engine.store().clone();
        let path = path.filter(|path| !is_reserved(path));
        // Each member that failed is looked up.
        let is_long = matches!(
            &self,
            Self::Failed(failure) if failure.members.list().len() > MEMBERS_AT_ONCE
        );
        let answered = match path.filter(|path| store.capabilities(path).records) {
            None if is_long => {
                let answer = move || self.told(Naming { base: &base, ground: &store }, Form::Text);
                tokio::task::spawn_blocking(answer).await.map_err(|_| Panicked)
            }
            None => {
                let answer = move |view: LiveView<'_>| {
                    self.told(Naming { base: &base, ground: &view }, Form::Text)
                };
                engine.look(answer).await
            }
            Some(path) => {
                let answer = move || {
                    let naming = Naming { base: &base, ground: &store };
                    let mut response = self.told(naming, Form::Json);
                    if response.status() == StatusCode::METHOD_NOT_ALLOWED
                        && let Some(allowed) = record::allowed(&*store, &path)
                    {
                        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
                    }
                    response
                };
                tokio::task::spawn_blocking(answer).await.map_err(|_| Panicked)
            }
        };
        answered.unwrap_or_else(|panic| {
            tracing::error!(%panic, "a failure could not be told");
            Form::Text.response(StatusCode::INTERNAL_SERVER_ERROR, "the server failed", None)
        })
    }

    fn told(&self, naming: Naming<'_>, form: Form) -> Response<Body> {
        match self {
            Self::Refused(refused) => refused.response(form),
            Self::Failed(failure) => answer_failure(failure, naming, form),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl From<InvalidHeader> for Problem {
    fn from(error: InvalidHeader) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<InvalidReference> for Problem {
    fn from(error: InvalidReference) -> Self {
        let status = match error.kind {
            InvalidKind::TooLong => StatusCode::URI_TOO_LONG,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, format!("the path of the request: {error}"))
    }
}

/// A body that can't be read. A DTD could name external entities; RFC 4918 §16 has a condition for
/// refusing it.
impl From<multistatus::xml::Error> for Problem {
    fn from(error: multistatus::xml::Error) -> Self {
        let detail = format!("the body: {error}");
        match error.kind() {
            ErrorKind::Doctype => Self::new(StatusCode::FORBIDDEN, detail)
                .with_condition(Condition::NoExternalEntities.to_element()),
            ErrorKind::Limit(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail),
            _ => Self::bad_request(detail),
        }
    }
}

impl From<Foreign> for Problem {
    fn from(_: Foreign) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "that is a resource of another server")
    }
}

impl Refused {
    fn response(&self, form: Form) -> Response<Body> {
        let mut response = match &self.condition {
            Some(condition) => error_response(self.status, condition.clone()),
            None => form.response(self.status, &self.detail, None),
        };
        response.headers_mut().extend(self.headers.clone());
        response
    }
}

fn answer_failure(failure: &Failure, naming: Naming<'_>, form: Form) -> Response<Body> {
    log(failure);
    if failure.kind == FailureKind::Members {
        return crate::reply::members(failure, naming);
    }
    let status = status::of(failure);
    let mut response = match condition_of(failure, naming) {
        Some(condition) => error_response(status, condition),
        None => form.response(status, &sentence(failure), failure.column.as_deref()),
    };
    // RFC 9110 §15.5.6: a 405 says what is allowed.
    let allowed = match failure.kind {
        FailureKind::Exists => Some(options::ALLOWED_MAPPED),
        FailureKind::IsCollection => Some(options::ALLOWED_COLLECTION),
        _ => None,
    };
    if let Some(allowed) = allowed {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    }
    if failure.kind == FailureKind::Busy {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
    }
    response
}

/// Failures of the system are told in the log in full; clients see a sentence alone.
pub(crate) fn log(failure: &Failure) {
    if failure.kind == FailureKind::Internal {
        let source = failure.source.as_deref().map(tracing::field::display);
        tracing::error!(%failure, source, "a request failed");
    }
}

/// What a failure is told as to people.
pub(crate) fn sentence(failure: &Failure) -> Cow<'_, str> {
    match (&failure.detail, &failure.etag) {
        (Some(detail), Some(etag)) => Cow::Owned(format!("{detail}: the entity tag is {etag}")),
        (None, Some(etag)) => Cow::Owned(format!("the entity tag is {etag}")),
        (Some(detail), None) => Cow::Borrowed(detail),
        (None, None) if failure.effect == Effect::RolledBack => {
            Cow::Borrowed("undone: all or none of the operations are done")
        }
        (None, None) => Cow::Borrowed(status::describe(failure.kind)),
    }
}

/// The element that tells programs why (RFC 4918 §16).
pub(crate) fn condition_of(failure: &Failure, naming: Naming<'_>) -> Option<Element> {
    condition_of_kind(failure.kind, &failure.path, naming).map(|condition| condition.to_element())
}

/// The same, of a failure or a failed member at `path`.
pub(crate) fn condition_of_kind(
    kind: FailureKind,
    path: &ResourcePath,
    naming: Naming<'_>,
) -> Option<Condition> {
    let hrefs = || vec![naming.href(path)];
    match kind {
        FailureKind::Locked => Some(Condition::LockTokenSubmitted { hrefs: hrefs() }),
        FailureKind::LockConflict => Some(Condition::NoConflictingLock { hrefs: hrefs() }),
        FailureKind::NoSuchLock => Some(Condition::LockTokenMatchesRequestUri),
        FailureKind::NoSpace => Some(Condition::SufficientDiskSpace),
        _ => None,
    }
}

fn error_response(status: StatusCode, condition: Element) -> Response<Body> {
    let error = Element::new(Name::dav("error")).with_child(condition);
    let mut response = Response::new(Body::from(crate::reply::document(&error)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, crate::reply::XML);
    response
}

/// How people and programs are told what no condition of WebDAV says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As a sentence.
    Text,
    /// As RFC 9457 has it, where resources are JSON.
    Json,
}

/// There is no `type`, which means `about:blank`: the status says it all (RFC 9457 §4.2.1).
#[derive(serde::Serialize)]
struct Details<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'static str>,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<&'a str>,
}

impl Form {
    fn response(self, status: StatusCode, detail: &str, column: Option<&str>) -> Response<Body> {
        let (kind, body) = match self {
            Self::Text => ("text/plain; charset=utf-8", format!("{detail}\n")),
            Self::Json => {
                let title = status.canonical_reason();
                let details = Details { title, status: status.as_u16(), detail, column };
                let json = serde_json::to_string(&details).expect("texts and a number are JSON");
                ("application/problem+json", json + "\n")
            }
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}
