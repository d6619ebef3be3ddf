//! What needs a clock, an option or a body that hangs: in process, over the store in memory.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use polydav_dav::{BatchOptions, Body, Dav, Incoming, Options, Site};
use polydav_engine::{Engine, Environment};
use polydav_store::{MemoryLedger, MemoryStore, Principal};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A service of its own, and its clock.
struct World {
    dav: Dav,
    seconds: Arc<AtomicU64>,
}

impl World {
    fn new(options: Options) -> Self {
        let seconds = Arc::new(AtomicU64::new(1_000_000_000));
        let (clock, count) = (seconds.clone(), AtomicU64::new(1));
        let environment = Environment::new(
            move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)),
            move || u128::from(count.fetch_add(1, Ordering::Relaxed)),
        );
        let (store, ledger) = (Arc::new(MemoryStore::new()), Arc::new(MemoryLedger::default()));
        let engine =
            Engine::open(store, ledger, environment, polydav_engine::Options::default()).unwrap();
        Self { dav: Dav::new(engine, Site::default(), options), seconds }
    }

    async fn call(&self, line: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
        self.call_with(line, headers, whole(body)).await
    }

    async fn call_with(&self, line: &str, headers: &[(&str, &str)], body: Incoming) -> Answer {
        let (method, target) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).unwrap();
        Answer::of(self.dav.call(request, Principal::Anonymous).await).await
    }
}

struct Answer {
    status: StatusCode,
    lock_token: String,
    text: String,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let status = response.status();
        let lock_token = response.headers().get("lock-token");
        let lock_token = lock_token.map_or("", |token| token.to_str().unwrap()).to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Self { status, lock_token, text: String::from_utf8(body.to_vec()).unwrap() }
    }
}

fn whole(body: &'static str) -> Incoming {
    let body = http_body_util::Full::new(Bytes::from_static(body.as_bytes()));
    body.map_err(|never| -> Error { match never {} }).boxed_unsync()
}

const LOCK: &str = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope>\
                    <D:locktype><D:write/></D:locktype></D:lockinfo>";
const TYPES: &str = "<D:propfind xmlns:D='DAV:'><D:prop><D:resourcetype/></D:prop></D:propfind>";

/// Each response of a multistatus: its href, and the first status said of it.
fn told(multistatus: &str) -> Vec<(&str, &str)> {
    fn within<'a>(text: &'a str, element: &str) -> &'a str {
        let (_, rest) = text.split_once(&format!("<D:{element}>")).unwrap();
        rest.split_once("</D:").unwrap().0
    }
    let responses = multistatus.split("<D:response>").skip(1);
    responses.map(|text| (within(text, "href"), &within(text, "status")[9..12])).collect()
}

/// Once the budget is spent, each collection that isn't descended into is told as 507 instead of
/// with its properties; none is missing.
#[tokio::test]
async fn propfind_of_depth_infinity_keeps_to_its_budget() {
    let world = World::new(Options { infinity_budget: Some(4), ..Options::default() });
    for line in ["MKCOL /a/", "MKCOL /b/", "MKCOL /b/d/", "PUT /a/1", "PUT /b/2", "PUT /b/d/3"] {
        assert_eq!(world.call(line, &[], "").await.status, StatusCode::CREATED, "{line}");
    }
    let answer = world.call("PROPFIND /", &[("depth", "infinity")], TYPES).await;
    assert_eq!(answer.status, StatusCode::MULTI_STATUS);
    let told = told(&answer.text);
    let cut: Vec<_> = told.iter().filter(|(_, status)| *status == "507").collect();
    assert!(!cut.is_empty() && cut.iter().all(|(href, _)| href.ends_with('/')), "{told:?}");
    // Whatever isn't told lies below a collection that is told as cut off.
    for href in ["/", "/a/", "/b/", "/b/d/", "/a/1", "/b/2", "/b/d/3"] {
        let is_told = told.iter().any(|(told, _)| *told == href);
        let is_cut = cut.iter().any(|(collection, _)| href.starts_with(collection));
        assert!(is_told || is_cut, "{href} is missing in {told:?}");
    }
    let answer = world.call("PROPFIND /b/", &[("depth", "infinity")], TYPES).await;
    assert!(!answer.text.contains("507"), "a listing within the budget is whole: {}", answer.text);
}

#[tokio::test]
async fn propfind_of_depth_infinity_can_be_switched_off() {
    let world = World::new(Options { infinity_budget: None, ..Options::default() });
    for depth in [&[("depth", "infinity")][..], &[]] {
        let answer = world.call("PROPFIND /", depth, TYPES).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.text.contains("<D:propfind-finite-depth/>"), "{}", answer.text);
    }
    let answer = world.call("PROPFIND /", &[("depth", "1")], TYPES).await;
    assert_eq!(answer.status, StatusCode::MULTI_STATUS);
}

/// Microsoft Office ends locks that ran out meanwhile.
#[tokio::test]
async fn unlock_with_a_token_that_ran_out_is_tolerated() {
    let world = World::new(Options::default());
    let lock = world.call("LOCK /a", &[("timeout", "Second-60")], LOCK).await;
    assert_eq!(lock.status, StatusCode::CREATED);
    world.seconds.fetch_add(61, Ordering::Relaxed);
    assert_eq!(world.call("PUT /a", &[], "x").await.status, StatusCode::NO_CONTENT);
    let header = [("lock-token", &*lock.lock_token)];
    assert_eq!(world.call("UNLOCK /a", &header, "").await.status, StatusCode::NO_CONTENT);
    let unknown = [("lock-token", "<urn:uuid:00000000-0000-4000-8000-00000000ffff>")];
    assert_eq!(world.call("UNLOCK /a", &unknown, "").await.status, StatusCode::CONFLICT);
}

/// It was a 500: the lock was gone before it was answered.
#[tokio::test]
async fn lock_for_no_time_lasts_a_moment() {
    let world = World::new(Options::default());
    let lock = world.call("LOCK /a", &[("timeout", "Second-0")], LOCK).await;
    assert_eq!(lock.status, StatusCode::CREATED, "{}", lock.text);
    assert!(lock.text.contains("<D:timeout>Second-1</D:timeout>"), "{}", lock.text);
    world.seconds.fetch_add(2, Ordering::Relaxed);
    assert_eq!(world.call("PUT /a", &[], "x").await.status, StatusCode::NO_CONTENT);
}

/// A body that gives what it has, and then waits for the end to be told.
struct Slow {
    chunks: VecDeque<&'static str>,
    end: tokio::sync::oneshot::Receiver<()>,
}

impl http_body::Body for Slow {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(chunk) = self.chunks.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))));
        }
        Pin::new(&mut self.end).poll(cx).map(|_| None)
    }
}

#[tokio::test]
async fn more_batches_than_may_run_are_refused() {
    let batch = BatchOptions { running_max: 1, ..BatchOptions::default() };
    let world = World::new(Options { batch, ..Options::default() });
    let (end, ended) = tokio::sync::oneshot::channel();
    let document = "<batch><mkcol href='/a/'/></batch>";
    let slow = Slow { chunks: VecDeque::from([document]), end: ended };
    let mut first = Box::pin(world.call_with("POST /batch-operation", &[], slow.boxed_unsync()));
    // It has begun once it was asked for the first time, and waits for the end of its body.
    let waits = std::future::poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await;
    assert!(waits);
    let second = world.call("POST /batch-operation", &[], document).await;
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS, "{}", second.text);
    end.send(()).unwrap();
    assert_eq!(first.await.status, StatusCode::MULTI_STATUS);
    let third = world.call("POST /batch-operation", &[], document).await;
    assert_eq!(third.status, StatusCode::MULTI_STATUS);
}

/// Whoever sends slowly is not told that time was up before anything ran.
#[tokio::test(start_paused = true)]
async fn the_time_of_a_batch_begins_when_its_document_is_there() {
    let world = World::new(Options::default());
    let (end, ended) = tokio::sync::oneshot::channel();
    let slow = Slow { chunks: VecDeque::from(["<batch><mkcol href='/a/'/></batch>"]), end: ended };
    let mut batch = Box::pin(world.call_with("POST /batch-operation", &[], slow.boxed_unsync()));
    let waits = std::future::poll_fn(|cx| Poll::Ready(batch.as_mut().poll(cx).is_pending())).await;
    assert!(waits);
    tokio::time::advance(Duration::from_secs(3600)).await;
    end.send(()).unwrap();
    let answer = batch.await;
    assert!(answer.text.contains("201 Created"), "{}", answer.text);
}

/// An answer that nobody takes is memory; so a large one counts as a batch that runs.
#[tokio::test]
async fn large_answers_hold_their_slot_until_they_are_taken() {
    let batch = BatchOptions { running_max: 1, ..BatchOptions::default() };
    let world = World::new(Options { batch, ..Options::default() });
    let post = |document: String| {
        let body = http_body_util::Full::new(Bytes::from(document));
        let body = body.map_err(|never| -> Error { match never {} }).boxed_unsync();
        let request = Request::post("/batch-operation").body(body).unwrap();
        world.dav.call(request, Principal::Anonymous)
    };
    let name = "a".repeat(200);
    let large = format!("<batch>{}</batch>", format!("<delete href='/{name}'/>").repeat(4000));
    let answer = post(large.clone()).await;
    assert_eq!(answer.status(), StatusCode::MULTI_STATUS);
    let waiting = answer.into_body().frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(waiting.len() > 1 << 20);
    assert_eq!(post("<batch/>".to_owned()).await.status(), StatusCode::TOO_MANY_REQUESTS);
    drop(waiting);
    let small = post("<batch/>".to_owned()).await;
    assert_eq!(small.status(), StatusCode::MULTI_STATUS);
    assert_eq!(post(large).await.status(), StatusCode::MULTI_STATUS, "a small one holds none");
}

/// Posts this much NDJSON, and the end of it when that is told.
async fn post_lines(
    world: &World,
    lines: &'static str,
    end: tokio::sync::oneshot::Receiver<()>,
) -> Response<Body> {
    let slow = Slow { chunks: VecDeque::from([lines]), end };
    let request = Request::post("/batch-operation").body(slow.boxed_unsync()).unwrap();
    world.dav.call(request, Principal::Anonymous).await
}

/// How an answer in lines ended: the statuses of its items, and that of its error.
async fn ended(response: Response<Body>) -> (Vec<u16>, Option<u16>) {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let mut reader = multistatus::LineReader::new(&body[..]);
    let items = reader.by_ref().map(|item| item.unwrap().item.unwrap().status.as_u16()).collect();
    let broken_off = reader.finish().unwrap().broken_off;
    (items, broken_off.map(|broken_off| broken_off.status.as_u16()))
}

/// Who sends no more lines is waited for until the deadline, and then told so.
#[tokio::test(start_paused = true)]
async fn lines_are_waited_for_until_the_deadline() {
    let world = World::new(Options::default());
    let begun = tokio::time::Instant::now();
    let (_end, ending) = tokio::sync::oneshot::channel();
    let lines = "{\"op\": \"mkcol\", \"href\": \"/a/\"}{\"op\": \"mkcol\"";
    let answer = post_lines(&world, lines, ending).await;
    assert_eq!(answer.status(), StatusCode::MULTI_STATUS);
    assert_eq!(ended(answer).await, (vec![201], Some(503)));
    assert_eq!(begun.elapsed().as_secs(), 50);
    let (_end, ending) = tokio::sync::oneshot::channel();
    let answer = post_lines(&world, "{\"batch\": {}}", ending).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "nothing ran");
}

/// Of what has arrived by then, each operation is told of; of the rest, that it wasn't tried.
#[tokio::test]
async fn after_the_deadline_no_line_is_run() {
    let batch = BatchOptions { deadline: Duration::ZERO, ..BatchOptions::default() };
    let world = World::new(Options { batch, ..Options::default() });
    let lines = "{\"op\": \"mkcol\", \"href\": \"/a/\"}{\"op\": \"mkcol\", \"href\": \"/b/\"}";
    let (_end, ending) = tokio::sync::oneshot::channel();
    let answer = post_lines(&world, lines, ending).await;
    assert_eq!(ended(answer).await, (vec![503, 503], Some(503)));
    let whole = Request::post("/batch-operation").body(whole(lines)).unwrap();
    let answer = world.dav.call(whole, Principal::Anonymous).await;
    assert_eq!(ended(answer).await, (vec![503, 503], None), "all is told of");
    assert_eq!(world.call("PROPFIND /a/", &[], "").await.status, StatusCode::NOT_FOUND);
}
