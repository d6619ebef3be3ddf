//! `POST /batch-operation` in NDJSON: what runs when, and how the answer ends.
#![allow(clippy::unwrap_used)]

mod world;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use multistatus::{Ending, LineReader};
use polydav_dav::{BatchCounts, BatchOptions, BatchTally, Body, Incoming, Options};
use polydav_store::Principal;
use polydav_store::kit::put;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use world::gate::gated;
use world::{Reply, World, batch, item_line, named, request};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Posts these lines; header fields may stand before, each with a line break behind.
fn post(fields: &str, lines: &str) -> String {
    format!("POST /batch-operation\n{fields}\n{lines}")
}

fn mkcol(href: &str) -> String {
    format!("{{\"op\": \"mkcol\", \"href\": \"{href}\"}}\n")
}

/// What the lines of an answer say: an item each, and how they ended.
fn told(lines: &[u8]) -> (Vec<String>, Ending) {
    let mut reader = LineReader::new(lines);
    let items: Vec<_> =
        reader.by_ref().map(|response| response.unwrap().item.expect("an item")).collect();
    let ending = reader.finish().unwrap();
    let indices: Vec<_> = items.iter().map(|item| item.index).collect();
    assert!(indices.is_sorted(), "{indices:?}");
    assert_eq!(ending.summary.total, items.len() as u64);
    (items.iter().map(item_line).collect(), ending)
}

impl Reply {
    /// The items of an answer that is whole.
    fn lines(&self) -> Vec<String> {
        assert_eq!((self.status, self.header("content-type")), (207, "application/x-ndjson"));
        let (items, ending) = told(self.bytes());
        assert_eq!(ending.broken_off, None, "{}", self.text());
        items
    }
}

/// A body that comes when the test sends it.
struct Sent(UnboundedReceiver<Result<Bytes, Error>>);

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| part.map(Frame::data)))
    }
}

/// A request on its way, and its answer.
struct Talk<'a> {
    world: &'a World,
    sender: Option<UnboundedSender<Result<Bytes, Error>>>,
    call: Option<JoinHandle<Response<Body>>>,
    answer: Option<Body>,
    read: Vec<u8>,
}

impl<'a> Talk<'a> {
    fn begin(world: &'a World, fields: &[(&str, &str)]) -> Self {
        let (sender, parts) = unbounded_channel();
        let mut request = Request::post("/batch-operation");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Incoming::new(Sent(parts))).unwrap();
        let dav = world.dav.clone();
        let call =
            world.runtime.spawn(async move { dav.call(request, Principal::Anonymous).await });
        let (sender, call) = (Some(sender), Some(call));
        Self { world, sender, call, answer: None, read: Vec::new() }
    }

    fn send(&self, lines: &str) {
        let sender = self.sender.as_ref().expect("it goes on");
        sender.send(Ok(Bytes::copy_from_slice(lines.as_bytes()))).expect("it is read");
    }

    /// The status, once there is an answer.
    fn status(&mut self) -> u16 {
        let call = self.call.take().expect("it is asked for once");
        let response = self.world.runtime.block_on(call).unwrap();
        let status = response.status().as_u16();
        self.answer = Some(response.into_body());
        status
    }

    /// What comes next of the answer.
    fn next(&mut self) -> String {
        if self.call.is_some() {
            assert_eq!(self.status(), 207);
        }
        let answer = self.answer.as_mut().expect("it is read");
        let frame = self.world.runtime.block_on(answer.frame()).expect("there is more").unwrap();
        let data = frame.into_data().unwrap();
        self.read.extend_from_slice(&data);
        String::from_utf8(data.to_vec()).unwrap()
    }

    /// Sends no more; all that the answer said.
    fn end(mut self) -> (Vec<String>, Ending) {
        self.sender = None;
        self.rest()
    }

    fn rest(mut self) -> (Vec<String>, Ending) {
        let answer = self.answer.take().expect("it was begun");
        let rest = self.world.runtime.block_on(answer.collect()).unwrap().to_bytes();
        self.read.extend_from_slice(&rest);
        told(&self.read)
    }

    /// Waits until nobody reads what is sent.
    fn until_over(&self) {
        let sender = self.sender.as_ref().expect("it goes on");
        self.world.runtime.block_on(sender.closed());
    }
}

/// Every operation that files have.
const ALL: &str = r#"{"batch": {"base": "/c/"}}
    {"op": "mkcol", "href": "/c/"}
    {"op": "put", "href": "a", "content": "hello"}
    {"op": "put", "href": "b", "contentBase64": "AAEC", "ifNoneMatch": "*"}
    {"op": "copy", "href": "/c/", "dest": "/d/", "overwrite": false}
    {"op": "move", "href": "/d/a", "dest": "/d/z", "id": "m"}
    {"op": "proppatch", "href": "/d/z", "patch": "<D:set><D:prop><D:displayname>Z</D:displayname></D:prop></D:set>"}
    {"op": "delete", "href": "../x"}
    {"op": "delete", "href": "/c/"}"#;

#[test]
fn every_operation_is_done_in_its_order() {
    // As a client sends them that strips line breaks, and as files are.
    for text in [ALL.to_owned(), ALL.replace('\n', "")] {
        let world = World::new();
        let reply = world.ask(post("", &text));
        assert_eq!(
            reply.lines(),
            [
                "mkcol /c/ 201 applied",
                "put a 201 applied",
                "put b 201 applied",
                "copy /c/ 201 applied",
                "move /d/a 201 applied",
                "proppatch /d/z 200 applied",
                "delete ../x 400 not-applied",
                "delete /c/ 204 applied",
            ]
        );
        assert_eq!(reply.header("batch-result"), "", "when the header is sent it isn't known");
        assert!(reply.text().contains("\"id\":\"m\"") && reply.text().contains("\"etag\":"));
        assert_eq!(world.tree().len(), 3);
    }
}

#[test]
fn the_three_clients_are_understood_as_they_are() {
    for kind in [
        "",
        "Content-Type: application/x-www-form-urlencoded\n",
        "Content-Type: application/octet-stream\n",
        "Content-Type: application/x-ndjson\n",
    ] {
        let world = World::new();
        let lines = world.ask(post(kind, &(mkcol("/a") + &mkcol("/b")))).lines();
        assert_eq!(lines, ["mkcol /a 201 applied", "mkcol /b 201 applied"], "{kind}");
    }
    let empty = World::new().ask(post("Content-Type: application/x-ndjson\n", " \n"));
    assert!(empty.lines().is_empty());
}

#[test]
fn operations_run_as_their_lines_arrive() {
    let world = World::new();
    let mut talk = Talk::begin(&world, &[]);
    talk.send("{\"op\": \"mkc");
    talk.send(&format!("ol\", \"href\": \"/a/\"}}\n{}", &mkcol("/b/")[..9]));
    assert!(talk.next().contains("\"index\":0"));
    assert_eq!(world.tree(), ["/a/"], "half a line is not run");
    talk.send(&mkcol("/b/")[9..]);
    assert!(talk.next().contains("\"index\":1"));
    assert_eq!(world.tree(), ["/a/", "/b/"]);
    talk.send(&mkcol("/b/").repeat(2_500));
    let (items, ending) = talk.end();
    assert_eq!((items.len(), ending.broken_off), (2_502, None));
    assert_eq!(items[2_501], "mkcol /b/ 405 not-applied");
    assert_eq!((ending.summary.succeeded, ending.summary.failed), (2, 2_500));
}

/// Also in pieces that come after the one with the failure.
#[test]
fn stop_runs_nothing_behind_the_first_failure() {
    let world = World::new();
    let mut talk = Talk::begin(&world, &[]);
    talk.send(&("{\"batch\": {\"mode\": \"stop\"}}".to_owned() + &mkcol("/a/")));
    talk.next();
    talk.send(&(mkcol("/a/") + &mkcol("/b/")));
    talk.next();
    talk.send("{\"op\": \"put\", \"href\": \"/../c\"}");
    talk.next();
    let (items, ending) = talk.end();
    assert_eq!(
        items,
        [
            "mkcol /a/ 201 applied",
            "mkcol /a/ 405 not-applied",
            "mkcol /b/ 424 not-attempted because of 1",
            "put /../c 424 not-attempted because of 1",
        ]
    );
    let summary = ending.summary;
    assert_eq!((summary.mode.as_str(), summary.skipped), ("stop", 2));
    assert_eq!(world.tree(), ["/a/"]);
}

#[test]
fn a_document_that_makes_no_sense_at_first_runs_nothing() {
    let world = World::new();
    for (lines, status) in [
        ("{\"op\": \"mvoe\", \"href\": \"/a\"}", 422),
        ("{\"op\": \"put\"}", 422),
        ("{\"op\": \"put\", \"href\": \"/b\", \"ifMacth\": \"*\"}", 422),
        ("{\"op\": \"put\", ", 400),
        ("{\"op\": }", 400),
        (", {}", 400),
        ("{\"batch\": {}}", 422),
    ] {
        let reply = world.ask(post("", &(mkcol("/a/") + lines)));
        assert_eq!(reply.status, status, "{lines}: {}", reply.text());
        let places = ["operation 1: ", "line 2, column ", "batch: "];
        assert!(places.iter().any(|place| reply.text().starts_with(place)), "{}", reply.text());
        assert!(world.tree().is_empty(), "{lines}");
    }
}

#[test]
fn a_document_that_makes_no_sense_later_is_told_behind_what_ran() {
    for (lines, status, detail) in [
        ("{\"op\": \"mvoe\"}", 422, "operation 1: unknown operation \"mvoe\""),
        ("{\"op\": }", 400, "line 2, column 8: expected value"),
        ("x", 400, "line 2, column 1: expected value"),
        ("{\"op\": \"mkcol\", \"href\": \"/b/\", \"needs\": [\"a\"]}", 422, "operation 1: NDJSON"),
    ] {
        let world = World::new();
        let mut talk = Talk::begin(&world, &[]);
        talk.send(&mkcol("/a/"));
        talk.next();
        talk.send(&format!("{lines}\n{}", mkcol("/c/")));
        let (items, ending) = talk.rest();
        assert_eq!(items, ["mkcol /a/ 201 applied"], "{lines}");
        let broken_off = ending.broken_off.expect("it says so");
        assert_eq!(broken_off.status.as_u16(), status);
        assert!(broken_off.detail.unwrap().starts_with(detail), "{lines}");
        assert_eq!(world.tree(), ["/a/"], "{lines}");
    }
}

#[test]
fn an_unfinished_line_at_the_end_is_told_too() {
    let world = World::new();
    let mut talk = Talk::begin(&world, &[]);
    talk.send(&format!("{}{{\"op\": ", mkcol("/a/")));
    talk.next();
    let (items, ending) = talk.end();
    assert_eq!(items.len(), 1);
    assert_eq!(ending.broken_off.unwrap().status.as_u16(), 400);
}

/// What can't be promised of a batch that runs as it arrives is refused, and nothing runs.
#[test]
fn what_takes_the_whole_document_is_refused() {
    let world = World::new();
    let first = "{\"op\": \"mkcol\", \"href\": \"/a/\", \"id\": \"a\"}";
    for (fields, before, behind, status) in [
        ("", "{\"batch\": {\"mode\": \"atomic\"}}", "", 422),
        ("", "{\"batch\": {\"strict\": true}}", "", 422),
        ("", "{\"batch\": {\"key\": \"k\"}}", "", 422),
        ("", "{\"batch\": {\"dryRun\": true}}", "", 422),
        ("", "", "{\"op\": \"mkcol\", \"href\": \"/b/\", \"needs\": [\"a\"]}", 422),
        (
            "",
            "",
            "{\"op\": \"create\", \"href\": \"/b/\", \"values\": {\"c\": {\"$ref\": \"a\"}}}",
            422,
        ),
        ("Prefer: batch-strict\n", "", "", 422),
        ("Prefer: respond-async, wait=1\n", "", "", 422),
        ("Idempotency-Key: k\n", "", "", 422),
        ("Accept: application/xml, application/json\n", "", "", 406),
    ] {
        let reply = world.ask(post(fields, &[before, first, behind].concat()));
        assert_eq!(reply.status, status, "{fields}{before}{behind}: {}", reply.text());
        assert!(world.tree().is_empty());
    }
    for accept in ["*/*", "image/png", "application/json, application/x-ndjson;q=0.1"] {
        assert_eq!(
            world
                .ask(post(&format!("Accept: {accept}\n"), "{\"op\": \"delete\", \"href\": \"/x\"}"))
                .lines()
                .len(),
            1
        );
    }
}

/// Whoever reads operation by operation can't know what comes later.
#[test]
fn there_is_no_swap_guard() {
    let world = World::new().given([put("a", "1"), put("b", "2")]);
    let lines = "{\"op\": \"move\", \"href\": \"/a\", \"dest\": \"/b\"}\
                 {\"op\": \"move\", \"href\": \"/b\", \"dest\": \"/a\"}";
    let items = world.ask(post("", lines)).lines();
    assert_eq!(items, ["move /a 204 applied", "move /b 201 applied"]);
}

#[test]
fn conditions_of_the_request_guard_the_endpoint_and_its_tokens_count() {
    let world = World::new().given([put("a", "1")]);
    let token = world.lock("/a");
    let delete = "{\"op\": \"delete\", \"href\": \"/a\"}";
    assert_eq!(world.status(post("If-Match: *\n", delete)), 412);
    assert_eq!(world.ask(post("", delete)).lines(), ["delete /a 423 not-applied"]);
    let reply = world.ask(post(&format!("If: </a> (<{token}>)\n"), delete));
    assert_eq!(reply.lines(), ["delete /a 204 applied"]);
}

#[test]
fn minimal_leaves_out_what_succeeded() {
    let world = World::new();
    let lines = mkcol("/a/") + &mkcol("/a/") + &mkcol("/b/");
    let reply = world.ask(post("Prefer: return=minimal\n", &lines));
    assert_eq!(reply.header("preference-applied"), "return=minimal");
    let mut reader = LineReader::new(reply.bytes());
    assert_eq!(reader.read().unwrap().unwrap().item.unwrap().index, 1);
    assert_eq!(reader.finish().unwrap().summary.total, 3);
    // Nothing is told, but something ran: what is wrong later has no status of its own.
    let mut talk = Talk::begin(&world, &[("prefer", "return=minimal")]);
    talk.send(&mkcol("/c/"));
    assert_eq!(talk.status(), 207);
    talk.send("x");
    let answer = talk.answer.take().unwrap();
    let rest = world.runtime.block_on(answer.collect()).unwrap().to_bytes();
    let ending = LineReader::new(&rest[..]).finish().unwrap();
    assert_eq!((ending.summary.total, ending.broken_off.is_some()), (1, true));
}

#[test]
fn hanging_up_does_not_cut_a_piece_in_half() {
    let world = World::new();
    let talk = Talk::begin(&world, &[]);
    talk.send(&format!("{}{}{}", mkcol("/a/"), mkcol("/b/"), "{\"op\": \"mkcol\""));
    while world.tree().is_empty() {
        std::thread::yield_now();
    }
    talk.call.as_ref().unwrap().abort();
    talk.sender.as_ref().unwrap().send(Err("it hung up".into())).unwrap();
    talk.until_over();
    assert_eq!(world.tree(), ["/a/", "/b/"]);
}

/// Where only that half of the connection is closed, it is told.
#[test]
fn who_sends_less_than_announced_is_told() {
    let world = World::new();
    let mut talk = Talk::begin(&world, &[]);
    talk.send(&format!("{}{}", mkcol("/a/"), "{\"op\": \"mkcol\""));
    talk.sender.as_ref().unwrap().send(Err("it hung up".into())).unwrap();
    assert_eq!(talk.status(), 207);
    let (items, ending) = talk.rest();
    assert_eq!(items, ["mkcol /a/ 201 applied"]);
    let broken_off = ending.broken_off.unwrap();
    assert_eq!(broken_off.status.as_u16(), 400);
    assert!(broken_off.detail.unwrap().contains("it hung up"));
}

#[test]
fn a_client_that_reads_no_more_is_served_no_further() {
    let world = World::new();
    let mut talk = Talk::begin(&world, &[]);
    talk.send(&mkcol("/a/"));
    talk.next();
    talk.answer = None;
    talk.send(&mkcol("/b/"));
    talk.until_over();
    assert_eq!(world.tree(), ["/a/"]);
}

/// A body of as many parts as one likes, each a thousand lines, which are counted as they are taken.
struct Endless {
    parts: usize,
    taken: Arc<AtomicUsize>,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(left) = self.parts.checked_sub(1) else { return Poll::Ready(None) };
        self.parts = left;
        self.taken.fetch_add(1_000, Ordering::Relaxed);
        let lines = "{\"op\": \"delete\", \"href\": \"/none\"}\n".repeat(1_000);
        Poll::Ready(Some(Ok(Frame::data(lines.into()))))
    }
}

/// Lines that wait, and answers that wait, are memory.
#[test]
fn lines_are_not_read_faster_than_the_answer() {
    const PARTS: usize = 20;
    let world = World::new();
    let taken = Arc::new(AtomicUsize::new(0));
    let body = Incoming::new(Endless { parts: PARTS, taken: Arc::clone(&taken) });
    let request = Request::post("/batch-operation").body(body).unwrap();
    let response = world.runtime.block_on(world.dav.call(request, Principal::Anonymous));
    // While another one runs to its end, it would have had the time to do so too.
    let other = "{\"op\": \"delete\", \"href\": \"/none\"}\n".repeat(PARTS * 1_000);
    assert_eq!(world.ask(post("", &other)).lines().len(), PARTS * 1_000);
    // Two pieces wait to be read and one to be among them; one was gathered meanwhile, one begun.
    let ahead = taken.load(Ordering::Relaxed);
    assert!(ahead <= 6_000, "{ahead} taken, and none told");
    let answer = world.runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
    assert_eq!(told(&answer).0.len(), PARTS * 1_000);
}

#[test]
fn there_may_be_more_than_a_document_has_but_an_operation_is_bounded() {
    let mut options = BatchOptions::default();
    options.limits.items_max = 2;
    options.limits.document_bytes_max = 100;
    let world = World::with(Options { batch: options, ..Options::default() });
    let reply = world.ask(post("", &mkcol("/a/").repeat(100)));
    assert_eq!(reply.lines().len(), 100);
    let long = mkcol(&"b".repeat(100));
    assert_eq!(world.status(post("", &long)), 413);
    assert_eq!(world.status(post("", &(mkcol("/c/") + &long))), 413);
    let mut talk = Talk::begin(&world, &[]);
    talk.send(&mkcol("/a/"));
    talk.next();
    talk.send(&(mkcol("/d/") + &long));
    let (items, ending) = talk.rest();
    assert_eq!(items.len(), 2, "what was whole before it ran");
    assert_eq!(ending.broken_off.unwrap().status.as_u16(), 413);
    assert_eq!(world.tree(), ["/a/", "/d/"]);
}

#[test]
fn a_batch_holds_its_slot_until_its_lines_end() {
    let batch_options = BatchOptions { running_max: 1, ..BatchOptions::default() };
    let world = World::with(Options { batch: batch_options, ..Options::default() });
    let mut talk = Talk::begin(&world, &[]);
    talk.send(&mkcol("/a/"));
    talk.next();
    assert_eq!(world.status(batch("")), 429);
    assert_eq!(world.ask_as(named("bob"), batch("")).status, 207);
    talk.sender = None;
    talk.next();
    talk.rest();
    while world.status(batch("")) == 429 {
        std::thread::yield_now();
    }
}

#[test]
fn a_server_that_stops_tells_what_it_did_not_do() {
    let (world, reached, go) = gated(1);
    let mut talk = Talk::begin(&world, &[]);
    talk.send(&mkcol("/a/"));
    go.send(()).unwrap();
    talk.next();
    reached.recv().unwrap();
    talk.send(&mkcol("/b/"));
    reached.recv().unwrap();
    talk.send(&mkcol("/c/"));
    let drained = world.runtime.block_on(async {
        let mut drained = std::pin::pin!(world.dav.engine().drain());
        std::future::poll_fn(|cx| Poll::Ready(drained.as_mut().poll(cx).is_ready())).await
    });
    assert!(!drained, "what runs is waited for");
    go.send(()).unwrap();
    go.send(()).unwrap();
    let (items, ending) = talk.rest();
    let left = ["mkcol /b/ 503 not-attempted", "mkcol /c/ 503 not-attempted"];
    assert_eq!(items, [&["mkcol /a/ 201 applied"], &left[..]].concat());
    assert_eq!(world.tree(), ["/a/"]);
    assert_eq!(ending.broken_off.unwrap().status.as_u16(), 503);
}

/// For the log: when the answer begins, they aren't known.
#[test]
fn the_counts_stand_in_the_extensions_once_they_are_known() {
    let world = World::new();
    let sent = request(&post("", &(mkcol("/a/") + &mkcol("/a/"))));
    let response = world.runtime.block_on(world.dav.call(sent, Principal::Anonymous));
    let tally = response.extensions().get::<BatchTally>().expect("it is there").clone();
    world.runtime.block_on(response.into_body().collect()).unwrap();
    let counts = BatchCounts { total: 2, succeeded: 1, failed: 1, skipped: 0 };
    assert_eq!(tally.get(), Some(counts));
}

/// An answer is told in lines also where the document was there as a whole.
#[test]
fn xml_and_json_may_be_answered_in_lines() {
    let world = World::new();
    let document = batch("<mkcol href=\"/a/\"/><mkcol href=\"/a/\"/>");
    let reply = world.ask(document.replacen("\n\n", "\nAccept: application/x-ndjson\n\n", 1));
    assert_eq!(reply.lines(), ["mkcol /a/ 201 applied", "mkcol /a/ 405 not-applied"]);
    assert_eq!(reply.header("batch-result"), "total=2, succeeded=1, failed=1, skipped=0");
    let json = "{\"mode\": \"atomic\", \"operations\": [{\"op\": \"delete\", \"href\": \"/a/\"}]}";
    let reply = world.ask(post("Accept: application/x-ndjson\n", json));
    assert_eq!(reply.lines(), ["delete /a/ 204 applied"]);
}
