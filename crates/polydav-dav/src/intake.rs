//! Taking in the body of a request: into memory up to a bound, or into the store's staging.

use std::num::NonZero;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use bytes::{Bytes, BytesMut};
use futures_util::future::join;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use multistatus::xml::Limits;
use polydav_engine::{Engine, LiveView};
use polydav_proto::batch::Beginning;
use polydav_proto::record::begins_list;
use polydav_store::{Content, Failure, ResourcePath, Stage, Staged, Store, View as _};
use tokio::sync::Semaphore;

use crate::body::Incoming;
use crate::problem::Problem;

/// Content up to this size stays in memory.
pub(crate) const INLINE_MAX: usize = 64 * 1024;

/// So many bytes are gathered before they are handed to the store.
const GATHER: usize = 1024 * 1024;

/// So much white space may stand before a body shows what it is.
const SPACE_MAX: usize = 4096;

/// The most elements in the XML body of a method. Each takes a hundred times its text in memory, and
/// there may be as many bodies as connections.
const ELEMENTS_MAX: u64 = 10_000;

/// Work on a longer body takes more than a millisecond, in which its thread serves nobody else.
const AT_ONCE_MAX: usize = 16 * 1024;

/// The right to such work: more of it at a time wouldn't be done earlier.
static LONG_WORK: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, NonZero::get)));

/// Reads the XML body of a method.
pub(crate) async fn read_xml<T: Send + 'static>(
    body: Bytes,
    read: impl FnOnce(&[u8], Limits) -> Result<T, multistatus::xml::Error> + Send + 'static,
) -> Result<T, Problem> {
    let limits = Limits { elements: ELEMENTS_MAX, ..Limits::default() };
    Ok(compute(body.len(), move || read(&body, limits)).await??)
}

/// Does work for a request that has a body of this length: for a long one, on a thread that may block.
pub(crate) async fn compute<T: Send + 'static>(
    length: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    if length <= AT_ONCE_MAX {
        return Ok(work());
    }
    let permit = LONG_WORK.acquire().await.expect("nobody closes it");
    // The permit goes along: who hangs up doesn't end what was begun.
    let work = move || {
        let done = work();
        drop(permit);
        done
    };
    aside(work).await
}

/// The whole body, if it isn't longer than `max` bytes.
pub(crate) async fn collect(body: Incoming, max: usize) -> Result<Bytes, Problem> {
    collect_rest(Bytes::new(), body, max).await
}

/// The body up to something that isn't white space, to see what it is before all of it is taken in.
/// Who sends more than a little white space isn't waited for.
pub(crate) async fn begin(body: &mut Incoming) -> Result<Bytes, Problem> {
    let mut start = Bytes::new();
    while begins_list(&start).is_none() && start.len() < SPACE_MAX {
        let Some(data) = next(body).await? else { break };
        start = if start.is_empty() { data } else { [start, data].concat().into() };
    }
    Ok(start)
}

/// A batch document up to where it shows its format, or all of it if it never does.
pub(crate) async fn begin_batch(body: &mut Incoming, max: usize) -> Result<Bytes, Problem> {
    let (mut beginning, mut start) = (Beginning::default(), BytesMut::new());
    while let Some(data) = next(body).await? {
        let shows = beginning.shows(&data);
        if shows && start.is_empty() {
            return Ok(data);
        }
        start.extend_from_slice(&data);
        if shows {
            break;
        }
        if start.len() > max {
            return Err(too_large(max as u64));
        }
    }
    Ok(start.freeze())
}

/// The whole body, of which `start` was taken in already.
pub(crate) async fn collect_rest(
    start: Bytes,
    mut body: Incoming,
    max: usize,
) -> Result<Bytes, Problem> {
    if start.len() > max {
        return Err(too_large(max as u64));
    }
    if http_body::Body::is_end_stream(&body) {
        return Ok(start);
    }
    let mut whole = BytesMut::from(start);
    while let Some(data) = next(&mut body).await? {
        if whole.len() + data.len() > max {
            return Err(too_large(max as u64));
        }
        if whole.is_empty() && http_body::Body::is_end_stream(&body) {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// The content of a PUT. The store sees it in portions, while the next is on its way.
pub(crate) async fn content(
    engine: &Engine,
    target: &ResourcePath,
    mut body: Incoming,
    length: Option<u64>,
    max: Option<u64>,
) -> Result<Content, Problem> {
    let mut taken = 0;
    let (mut portion, mut ended) = gather(&mut body, INLINE_MAX + 1, &mut taken, max).await?;
    if ended {
        check_length(length, taken)?;
    }
    if ended && taken <= INLINE_MAX as u64 {
        return Ok(Content::Inline(joined(portion)));
    }
    let (store, target) = (engine.store().clone(), target.clone());
    let mut stage = blocking(move || store.stage(&target, length)).await?;
    loop {
        let writing = write(stage, portion);
        if ended {
            stage = writing.await?;
            break;
        }
        let (written, gathered) = join(writing, gather(&mut body, GATHER, &mut taken, max)).await;
        stage = written?;
        (portion, ended) = gathered?;
    }
    check_length(length, taken)?;
    Ok(Content::Staged(blocking(move || stage.finish()).await?))
}

/// Content that is in memory; more than a little goes to the store's staging. Blocks.
///
/// What can't go there now stays where it is: when its step comes, the store may have room again,
/// or there may be a better reason to refuse it.
pub(crate) fn keep(store: &dyn Store, target: &ResourcePath, content: Vec<u8>) -> Content {
    if content.len() > INLINE_MAX
        && let Ok(staged) = stage(store, target, &content)
    {
        return Content::Staged(staged);
    }
    Content::Inline(content.into())
}

fn stage(store: &dyn Store, target: &ResourcePath, content: &[u8]) -> Result<Staged, Failure> {
    let mut stage = store.stage(target, Some(content.len() as u64))?;
    stage.write(content)?;
    stage.finish()
}

/// What was announced must be what came.
fn check_length(announced: Option<u64>, taken: u64) -> Result<(), Problem> {
    match announced {
        Some(length) if length != taken => {
            Err(Problem::bad_request("the body does not have the announced length"))
        }
        _ => Ok(()),
    }
}

async fn write(mut stage: Box<dyn Stage>, portion: Vec<Bytes>) -> Result<Box<dyn Stage>, Problem> {
    blocking(move || {
        portion.iter().try_for_each(|data| stage.write(data))?;
        Ok::<_, Failure>(stage)
    })
    .await
}

/// Takes at least `enough` bytes, unless the body ends before.
async fn gather(
    body: &mut Incoming,
    enough: usize,
    taken: &mut u64,
    max: Option<u64>,
) -> Result<(Vec<Bytes>, bool), Problem> {
    let mut portion = Vec::new();
    let mut length = 0;
    while length < enough {
        let Some(data) = next(body).await? else { return Ok((portion, true)) };
        length += data.len();
        *taken += data.len() as u64;
        if let Some(max) = max
            && *taken > max
        {
            return Err(too_large(max));
        }
        portion.push(data);
    }
    Ok((portion, false))
}

/// What comes next of a body; `None` at its end. It may be dropped at any time.
pub(crate) async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("the body could not be read: {error}"))
        })?;
        // Trailers say nothing we act upon.
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

fn joined(mut portion: Vec<Bytes>) -> Bytes {
    match portion.len() {
        0 => Bytes::new(),
        1 => portion.swap_remove(0),
        _ => portion.concat().into(),
    }
}

fn too_large(max: u64) -> Problem {
    let detail = format!("the body is longer than {max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// Refuses a body where the method has none (RFC 4918 §8.4). One of no bytes is none, also if it was
/// announced as chunked.
pub(crate) async fn refuse(body: &mut Incoming) -> Result<(), Problem> {
    if http_body::Body::is_end_stream(body) || next(body).await?.is_none() {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this method takes no body"))
}

/// Refuses a coded body: stored as it comes it would be gibberish (RFC 9110 §8.4).
pub(crate) fn refuse_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(http::header::CONTENT_ENCODING).iter();
    if codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let detail = "a body with Content-Encoding is not accepted; send it as it is";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
        .with_header(http::header::ACCEPT_ENCODING, "identity"))
}

/// Whether a collection lies at the path.
pub(crate) async fn is_collection(engine: &Engine, path: &ResourcePath) -> Result<bool, Problem> {
    let path = path.clone();
    let entry = look(engine, move |view| view.entry(&path)).await?;
    Ok(entry.is_some_and(|entry| entry.is_collection()))
}

/// Runs `work` that can fail on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static, E: Into<Problem> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Problem> {
    aside(work).await?.map_err(Into::into)
}

/// Has `look` look at the store, on this thread if that has to wait for nothing.
pub(crate) async fn look<T: Send + 'static, E: Into<Problem> + Send + 'static>(
    engine: &Engine,
    look: impl Fn(LiveView<'_>) -> Result<T, E> + Send + 'static,
) -> Result<T, Problem> {
    let seen = engine.look(look).await.map_err(|panic| {
        tracing::error!(%panic, "a look at the store for a request failed");
        Problem::internal()
    })?;
    seen.map_err(Into::into)
}

/// Runs `work` on a thread that may block. Fails only if that panics.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(panicked)
}

/// What to say of work that ended in a panic.
pub(crate) fn panicked(panic: tokio::task::JoinError) -> Problem {
    tracing::error!(%panic, "work for a request ended in a panic");
    Problem::internal()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn work_on_a_long_body_holds_nobody_up() {
        let here = thread::current().id();
        let is_here = async |length| compute(length, thread::current).await.unwrap().id() == here;
        assert!(is_here(AT_ONCE_MAX).await);
        assert!(!is_here(AT_ONCE_MAX + 1).await);
    }
}
