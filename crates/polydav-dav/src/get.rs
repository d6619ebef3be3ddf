//! GET and HEAD (RFC 9110 §9.3, §13, §14; RFC 4918 §9.4).

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use polydav_engine::{Engine, Environment, LiveView};
use polydav_proto::header::{
    IfModifiedSince, IfNoneMatch, IfRange, InvalidHeader, Range as RangeField, Resolved, read,
};
use polydav_store::{ETagMatch, Entry, Failure, FailureKind, Guard, ReadAt, ResourcePath, Select};

use crate::body::{Body, Feed};
use crate::buffer::{BUFFER_BYTES, Buffer};
use crate::problem::Problem;
use crate::record::{self, Form};
use crate::request::{Query, Request};
use crate::{guard, intake, live, page};

/// A file up to this size is read in one go.
const WHOLE_MAX: u64 = 64 * 1024;

/// Whether the content is wanted, or the header alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// GET.
    Content,
    /// HEAD.
    Header,
}

/// GET and HEAD.
pub(crate) async fn get(
    engine: &Engine,
    request: Request,
    want: Want,
) -> Result<Response<Body>, Problem> {
    let conditions = Conditions::read(&request, want)?;
    let form = Form::chosen(&request)?;
    let asked = Asked {
        engine: engine.clone(),
        path: request.path.clone(),
        conditions,
        want,
        form,
        query: request.query.as_ref().map(|query| query.at),
    };
    match intake::look(engine, move |view| asked.find(view)).await? {
        Found::File(mut response, entry) => {
            headers_of_file(&mut response, &entry, engine.environment().now());
            Ok(response)
        }
        Found::Collection(entry, members) => {
            let is_record = entry.record;
            // One of many members takes long to be written.
            let page = move || page::respond(&request.base, &entry, members, request.slash);
            let mut response = intake::aside(page).await?;
            if is_record {
                response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
            }
            Ok(if want == Want::Header { header_of(response) } else { response })
        }
        Found::Records => record::list(engine, request, form, want).await,
        Found::Known => Ok(bare(StatusCode::NOT_MODIFIED)),
    }
}

/// What is to be looked for.
struct Asked {
    engine: Engine,
    path: ResourcePath,
    conditions: Conditions,
    want: Want,
    form: Form,
    /// Where a query began, which only a collection of records has.
    query: Option<usize>,
}

enum Found {
    File(Response<Body>, Entry),
    Collection(Entry, page::Members),
    /// A collection of records, to be told otherwise than as a page.
    Records,
    /// A collection that the client knows already.
    Known,
}

/// The conditional fields of a request that reads.
struct Conditions {
    guard: Guard,
    none_match: Option<ETagMatch>,
    modified_since: Option<SystemTime>,
    /// Whether one that can't be read is refused shows when it would count (RFC 9110 §13.2.2).
    range: Option<Result<RangeField, InvalidHeader>>,
    if_range: Option<IfRange>,
}

impl Conditions {
    fn read(request: &Request, want: Want) -> Result<Self, Problem> {
        // If-None-Match makes a reading request 304, not 412: it isn't the guard's business.
        let guard = Guard { if_none_match: None, ..request.guard()? };
        let none_match = read::<IfNoneMatch>(&request.headers)?;
        // RFC 9110 §14.2, §13.1.5: Range is for GET alone, and If-Range for Range.
        let range = match want {
            Want::Content => read::<RangeField>(&request.headers).transpose(),
            Want::Header => None,
        };
        let if_range = if range.is_some() { read::<IfRange>(&request.headers)? } else { None };
        Ok(Self {
            guard,
            none_match: none_match.map(|field| guard::weak(&field.0)),
            modified_since: read::<IfModifiedSince>(&request.headers)?.and_then(|since| since.0),
            range,
            if_range,
        })
    }

    /// Whether the client has this already (RFC 9110 §13.2.2).
    fn is_known(&self, entry: &Entry) -> bool {
        match (&self.none_match, self.modified_since) {
            (Some(ETagMatch::Any), _) => true,
            (Some(ETagMatch::OneOf(tags)), _) => {
                entry.etag.as_ref().is_some_and(|etag| tags.iter().any(|tag| tag == etag.as_str()))
            }
            (None, Some(since)) => entry
                .modified
                .is_some_and(|modified| whole_seconds(modified) <= whole_seconds(since)),
            (None, None) => false,
        }
    }

    fn range_of(&self, entry: &Entry) -> Resolved {
        let unchanged = match &self.if_range {
            None => true,
            Some(IfRange::Tag(tag)) => {
                let etag = entry.etag.as_ref().map(polydav_store::ETag::as_str);
                !tag.weak && etag == Some(&*tag.tag)
            }
            // A date is no strong validator unless we knew that the file didn't change twice within
            // its second (RFC 9110 §8.8.2.2). We don't; and whoever has the date has the tag.
            Some(IfRange::Date(_)) => false,
        };
        match &self.range {
            Some(Ok(range)) if unchanged => range.resolve(entry.length),
            Some(Err(_)) if unchanged => Resolved::Unsatisfiable,
            _ => Resolved::Whole,
        }
    }
}

/// HTTP dates have no more than seconds.
fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Asked {
    fn find(&self, view: LiveView<'_>) -> Result<Found, Problem> {
        let reading = match view.read(&self.path) {
            Err(failure) if failure.kind == FailureKind::IsCollection => {
                return self.find_collection(view);
            }
            // That it can't be told is the better reason.
            Err(failure) if failure.kind != FailureKind::NotFound => return Err(failure.into()),
            reading => {
                self.refuse_query()?;
                reading?
            }
        };
        self.conditions.guard.judge(&view, &self.path, Some(&reading.entry))?;
        let response = self.respond(view, &reading.entry, reading.content)?;
        Ok(Found::File(response, reading.entry))
    }

    fn find_collection(&self, view: LiveView<'_>) -> Result<Found, Problem> {
        let Self { path, conditions, .. } = self;
        let entry = view.stat(path, &Select::None)?;
        if !entry.is_collection() {
            // A file has come to its place right now.
            return Err(Failure::new(FailureKind::NotFound, path.clone()).into());
        }
        if !entry.record {
            self.refuse_query()?;
        }
        conditions.guard.judge(&view, path, Some(&entry))?;
        // Its page has no tag and no date: nothing but `*` can match.
        if conditions.none_match == Some(ETagMatch::Any) {
            return Ok(Found::Known);
        }
        if entry.record && self.form != Form::Html {
            return Ok(Found::Records);
        }
        let members = page::Members::read(view, path)?;
        Ok(Found::Collection(entry, members))
    }

    fn refuse_query(&self) -> Result<(), Problem> {
        self.query.map_or(Ok(()), |at| Err(Query::refused(at)))
    }

    fn respond(
        &self,
        view: LiveView<'_>,
        entry: &Entry,
        content: Arc<dyn ReadAt>,
    ) -> Result<Response<Body>, Failure> {
        if self.conditions.is_known(entry) {
            return Ok(bare(StatusCode::NOT_MODIFIED));
        }
        let (status, kind, pieces) = match self.conditions.range_of(entry) {
            Resolved::Whole => (StatusCode::OK, None, vec![Piece::Part(0..entry.length)]),
            Resolved::Unsatisfiable => return Ok(unsatisfiable(entry.length)),
            Resolved::Parts(parts) => {
                let (field, pieces) = partial(&parts, entry, self.engine.environment());
                (StatusCode::PARTIAL_CONTENT, Some(field), pieces)
            }
        };
        let length = pieces.iter().map(Piece::length).sum();
        let body = match self.want {
            Want::Header => Body::default(),
            Want::Content => body_of(pieces, length, view, content)?,
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        // Those of a file are more than the map begins with.
        response.headers_mut().reserve(12);
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        if let Some((name, value)) = kind {
            response.headers_mut().insert(name, value);
        }
        Ok(response)
    }
}

/// What HEAD gets where GET gets this: the body's length in its place.
pub(crate) fn header_of(mut response: Response<Body>) -> Response<Body> {
    let length = http_body::Body::size_hint(response.body()).lower();
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    *response.body_mut() = Body::default();
    response
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

fn unsatisfiable(length: u64) -> Response<Body> {
    let mut response = bare(StatusCode::RANGE_NOT_SATISFIABLE);
    response.headers_mut().insert(header::CONTENT_RANGE, ascii(format!("bytes */{length}")));
    response
}

/// A piece of a body: text of ours, or a part of the file.
enum Piece {
    Text(Bytes),
    Part(Range<u64>),
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Part(part) => part.end - part.start,
        }
    }
}

/// One part as it is, several as `multipart/byteranges` (RFC 9110 §14.6).
fn partial(
    parts: &[Range<u64>],
    entry: &Entry,
    environment: &Environment,
) -> ((HeaderName, HeaderValue), Vec<Piece>) {
    let range =
        |part: &Range<u64>| format!("bytes {}-{}/{}", part.start, part.end - 1, entry.length);
    if let [part] = parts {
        return ((header::CONTENT_RANGE, ascii(range(part))), vec![Piece::Part(part.clone())]);
    }
    let kind = live::content_type(entry);
    let boundary = format!("{:032x}", environment.random());
    let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
    for part in parts {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {}\r\n\r\n",
            range(part)
        );
        pieces.push(Piece::Text(head.into()));
        pieces.push(Piece::Part(part.clone()));
    }
    pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n").into()));
    let field = format!("multipart/byteranges; boundary={boundary}");
    ((header::CONTENT_TYPE, ascii(field)), pieces)
}

fn ascii(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("it is made of visible ASCII")
}

fn body_of(
    pieces: Vec<Piece>,
    length: u64,
    view: LiveView<'_>,
    content: Arc<dyn ReadAt>,
) -> Result<Body, Failure> {
    if length <= WHOLE_MAX {
        let read_at = |buffer: &mut [u8], offset: u64| view.read_at(&*content, buffer, offset);
        return Ok(gather(pieces, length, read_at)?.into());
    }
    let (feed, body) = Body::stream(Some(length));
    tokio::task::spawn_blocking(move || {
        if let Err(failure) = stream(&feed, pieces, &*content) {
            tracing::warn!(%failure, "a file could not be read to its end");
            feed.fail(io::Error::other(failure));
        }
    });
    Ok(body)
}

/// All pieces in one.
fn gather(
    pieces: Vec<Piece>,
    length: u64,
    read_at: impl Fn(&mut [u8], u64) -> Result<usize, Failure>,
) -> Result<Vec<u8>, Failure> {
    let mut whole = Vec::with_capacity(length as usize);
    for piece in pieces {
        match piece {
            Piece::Text(text) => whole.extend_from_slice(&text),
            Piece::Part(part) => {
                let start = whole.len();
                whole.resize(start + (part.end - part.start) as usize, 0);
                read_full(&mut whole[start..], part.start, &read_at)?;
            }
        }
    }
    Ok(whole)
}

/// A buffer with a part that fits into it.
fn fill(
    part: &Range<u64>,
    read_at: impl Fn(&mut [u8], u64) -> Result<usize, Failure>,
) -> Result<Buffer, Failure> {
    let mut buffer = Buffer::of((part.end - part.start) as usize);
    read_full(buffer.room(), part.start, read_at)?;
    Ok(buffer)
}

fn stream(feed: &Feed, pieces: Vec<Piece>, content: &dyn ReadAt) -> Result<(), Failure> {
    for piece in pieces {
        let part = match piece {
            Piece::Text(text) => match feed.send(text) {
                Ok(()) => continue,
                Err(_) => return Ok(()),
            },
            Piece::Part(part) => part,
        };
        let mut offset = part.start;
        while offset < part.end {
            let end = part.end.min(offset + BUFFER_BYTES as u64);
            let portion = fill(&(offset..end), |buffer, offset| content.read_at(buffer, offset))?;
            offset = end;
            if feed.send(portion.into()).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn read_full(
    buffer: &mut [u8],
    offset: u64,
    read_at: impl Fn(&mut [u8], u64) -> Result<usize, Failure>,
) -> Result<(), Failure> {
    let mut done = 0;
    while done < buffer.len() {
        match read_at(&mut buffer[done..], offset + done as u64)? {
            0 => {
                let root = ResourcePath::root();
                return Err(Failure::new(FailureKind::Internal, root)
                    .with_detail("the file became shorter while it was read"));
            }
            count => done += count,
        }
    }
    Ok(())
}

/// What every answer about a file carries. Stored content must not act on our origin: the browser
/// takes its type as given and puts it into a sandbox.
fn headers_of_file(response: &mut Response<Body>, entry: &Entry, now: SystemTime) {
    let is_content = response.status().is_success();
    let headers = response.headers_mut();
    if is_content {
        let kind = live::content_type(entry);
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
    }
    if let Some(etag) = &entry.etag {
        headers.insert(header::ETAG, ascii(etag.to_string()));
    }
    if let Some(date) = live::last_modified(entry, now) {
        headers.insert(header::LAST_MODIFIED, ascii(date));
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
}
