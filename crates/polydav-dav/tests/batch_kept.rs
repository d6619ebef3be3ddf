//! Batches with a key, and jobs: sent again they aren't done again, and go on without their client.

#![allow(clippy::unwrap_used)]

mod world;

use std::sync::Arc;

use polydav_dav::{BatchOptions, Options};
use polydav_engine::KeepLimits;
use polydav_fs::{FolderStore, Options as FolderOptions};
use polydav_store::kit::put;
use polydav_store::{
    BatchEnd, BatchId, BatchLedger, Durability, Failure, FailureKind, KeptBatch, MemoryLedger,
    Principal, ResourcePath,
};
use tempfile::TempDir;
use world::gate::gated;
use world::{Made, Reply, World, answer, named, request};

const DAY: u64 = 24 * 60 * 60;

/// A batch with a key in the header.
fn keyed(key: &str, operations: &str) -> String {
    format!("POST /batch-operation\nIdempotency-Key: {key}\n\n<batch>{operations}</batch>")
}

/// A batch that its client doesn't wait for.
fn job(operations: &str) -> String {
    format!("POST /batch-operation\nPrefer: respond-async\n\n<batch>{operations}</batch>")
}

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotent-replayed") == "true"
}

#[test]
fn a_batch_that_is_sent_again_is_answered_as_before() {
    let world = World::new();
    let operations = "<put href=\"/a\">x</put><delete href=\"/none\"/>";
    let first = world.ask(keyed("k", operations));
    assert_eq!((first.status, is_replayed(&first)), (207, false));
    assert_eq!(world.status("DELETE /a"), 204);
    for key in ["k", "\"k\""] {
        let again = world.ask(keyed(key, operations));
        assert_eq!((again.status, is_replayed(&again)), (207, true));
        assert_eq!(again.bytes(), first.bytes());
        assert_eq!(again.header("batch-result"), first.header("batch-result"));
        assert_eq!(again.header("content-type"), first.header("content-type"));
    }
    assert!(world.tree().is_empty(), "nothing was done again");
}

#[test]
fn the_key_may_stand_in_the_document() {
    let world = World::new();
    let xml = |key: &str| format!("<batch key=\"{key}\"><mkcol href=\"/a/\"/></batch>");
    let json = |key: &str| {
        format!(
            "{{\"key\": \"{key}\", \"operations\": [{{\"op\": \"mkcol\", \"href\": \"/b/\"}}]}}"
        )
    };
    for (body, other) in [(xml("x"), xml("y")), (json("j"), json("i"))] {
        let ask =
            |head: &str, body: &str| world.ask(format!("POST /batch-operation{head}\n\n{body}"));
        assert!(!is_replayed(&ask("", &body)));
        assert!(is_replayed(&ask("", &body)));
        let key = if body.starts_with('<') { "x" } else { "j" };
        assert!(is_replayed(&ask(&format!("\nIdempotency-Key: {key}"), &body)));
        let reply = ask(&format!("\nIdempotency-Key: {key}"), &other);
        assert_eq!(
            (reply.status, reply.text()),
            (422, "the header and the document have different keys\n")
        );
    }
}

#[test]
fn a_key_belongs_to_one_request_of_one_principal() {
    let world = World::new();
    let make = "<mkcol href=\"/a/\"/>";
    assert_eq!(world.status(keyed("k", make)), 207);
    for other in [
        keyed("k", "<mkcol href=\"/b/\"/>"),
        keyed("k", make).replace("\n\n", "\nPrefer: return=minimal\n\n"),
        keyed("k", make).replace("\n\n", "\nIf: (Not <urn:x>)\n\n"),
    ] {
        let reply = world.ask(&other);
        let said = "this key was sent with another request\n";
        assert_eq!((reply.status, reply.text()), (422, said), "{other}");
    }
    let others = world.ask_as(named("ann"), keyed("k", make));
    assert_eq!((others.status, is_replayed(&others)), (207, false));
    assert_eq!(others.items(), ["mkcol /a/ 405 not-applied"]);
}

/// What it did may have changed what they look at; to say 412 would be to say that nothing ran.
#[test]
fn the_conditions_of_a_batch_that_ran_are_not_judged_again() {
    let world = World::new().given([put("a", "x")]);
    let token = world.lock("/a");
    let make = keyed("k", "<delete href=\"/a\"/>");
    let make = make.replace("\n\n", &format!("\nIf: </a> (<{token}>)\n\n"));
    let first = world.ask(&make);
    assert_eq!((first.status, first.items()), (207, vec!["delete /a 204 applied".into()]));
    let again = world.ask(&make);
    assert_eq!((again.status, is_replayed(&again)), (207, true));
    assert_eq!(world.status(make.replace("Key: k", "Key: other")), 412);
    world.ask("PUT /a\n\nx");
    assert_eq!(world.status(make.replace("Key: k", "Key: other")), 412, "it kept no key");
}

#[test]
fn what_never_ran_keeps_no_key() {
    let world = World::new();
    assert_eq!(world.status(keyed("k", "<mvoe href=\"/a\"/>")), 422);
    assert_eq!(world.status(keyed("k", "<mkcol/>")), 422);
    assert_eq!(world.status(keyed("k", "<mkcol href=\"/a/\"/>")), 207);
}

#[test]
fn a_key_is_forgotten_after_a_day() {
    let world = World::new();
    let make = keyed("k", "<mkcol href=\"/a/\"/>");
    world.ask(&make);
    world.wait(DAY - 10);
    assert!(is_replayed(&world.ask(&make)));
    world.wait(20);
    let reply = world.ask(&make);
    assert_eq!(
        (is_replayed(&reply), reply.items()),
        (false, vec!["mkcol /a/ 405 not-applied".into()])
    );
}

#[test]
fn a_batch_that_runs_is_not_begun_again() {
    let (world, reached, go) = gated(4);
    let make = keyed("k", "<mkcol href=\"/a/\"/>");
    let first = request(&make);
    let first = world.runtime.spawn(answer(world.dav.clone(), first, Principal::Anonymous));
    reached.recv().unwrap();
    let again = world.ask(&make);
    assert_eq!((again.status, again.header("retry-after")), (409, "2"));
    go.send(()).unwrap();
    assert_eq!(world.runtime.block_on(first).unwrap().status, 207);
    assert!(is_replayed(&world.ask(&make)));
}

/// A ledger that can't keep answers: as if the server ended before it could.
struct Forgetful(MemoryLedger);

impl BatchLedger for Forgetful {
    fn batches(&self) -> Result<Vec<KeptBatch>, Failure> {
        self.0.batches()
    }
    fn begin_batch(
        &self,
        batch: &KeptBatch,
        document: Option<&[u8]>,
        durability: Durability,
    ) -> Result<(), Failure> {
        self.0.begin_batch(batch, document, durability)
    }
    fn document(&self, batch: BatchId) -> Result<Vec<u8>, Failure> {
        self.0.document(batch)
    }
    fn keep_receipt(&self, batch: BatchId, receipt: &[u8], d: Durability) -> Result<i64, Failure> {
        self.0.keep_receipt(batch, receipt, d)
    }
    fn confirm_receipt(&self, number: i64) -> Result<(), Failure> {
        self.0.confirm_receipt(number)
    }
    fn receipts(&self, batch: BatchId) -> Result<Vec<(Vec<u8>, bool)>, Failure> {
        self.0.receipts(batch)
    }
    fn end_batch(&self, _: BatchId, _: BatchEnd, _: &[u8], _: Durability) -> Result<(), Failure> {
        Err(Failure::new(FailureKind::NoSpace, ResourcePath::root()))
    }
    fn answer(&self, batch: BatchId) -> Result<Vec<u8>, Failure> {
        self.0.answer(batch)
    }
    fn forget_batches(&self, batches: &[BatchId]) -> Result<(), Failure> {
        self.0.forget_batches(batches)
    }
}

/// What was done is known by its receipts, and told again in the same words.
#[test]
fn a_batch_whose_answer_was_lost_is_not_done_again() {
    let dir = TempDir::new().unwrap();
    let batches = Arc::new(Forgetful(MemoryLedger::default()));
    let open = || {
        let store = FolderStore::open(dir.path(), &FolderOptions::default()).unwrap();
        World::of(Made { store: Arc::new(store), batches: batches.clone(), ..Made::default() })
    };
    let operations = "<put href=\"/a\">x</put><mkcol href=\"/a/\"/><copy href=\"/a\" dest=\"/b\"/>\
                      <delete href=\"/a\"/><put href=\"/c\" if-none-match=\"*\">y</put>\
                      <proppatch href=\"/c\"><set xmlns=\"DAV:\"><prop><p xmlns=\"u\"/></prop></set></proppatch>";
    for (key, mode) in [("k", "best-effort"), ("l", "stop"), ("m", "atomic")] {
        let make = keyed(key, operations).replace("<batch>", &format!("<batch mode=\"{mode}\">"));
        let world = open();
        let first = world.ask(&make);
        assert_eq!(first.status, 207);
        let tree = world.tree();
        drop(world);
        let world = open();
        let again = world.ask(&make);
        assert!(!is_replayed(&again));
        let told = |reply: &Reply| reply.text().replace(char::is_numeric, "");
        if mode == "atomic" {
            assert_eq!(again.items(), first.items());
        } else {
            assert_eq!(told(&again), told(&first), "{mode}");
        }
        assert_eq!(world.tree(), tree, "{mode}");
        world.ask("DELETE /a");
        world.ask("DELETE /b");
        world.ask("DELETE /c");
    }
}

#[test]
fn a_job_goes_on_without_its_client() {
    let (world, reached, go) = gated(4);
    let reply = world.ask(job("<mkcol href=\"/a/\"/><delete href=\"/none\"/>"));
    assert_eq!(reply.status, 202);
    assert_eq!(reply.header("preference-applied"), "respond-async");
    let at = reply.header("location").to_owned();
    assert!(at.starts_with("/batch-operation/"), "{at}");
    assert_eq!(reply.json()["state"], "running");
    reached.recv().unwrap();
    assert_eq!(world.ask(format!("GET {at}")).json()["state"], "running");
    let early = world.ask(format!("GET {at}/result"));
    assert_eq!((early.status, early.header("retry-after")), (409, "1"));
    go.send(()).unwrap();
    let job = ended(&world, &at);
    assert_eq!(
        (&job["state"], &job["total"], &job["done"], &job["failed"]),
        (&"finished".into(), &2.into(), &2.into(), &1.into())
    );
    let result = world.ask(format!("GET {at}/result"));
    assert_eq!(result.status, 207);
    assert_eq!(result.items(), ["mkcol /a/ 201 applied", "delete /none 404 not-applied"]);
    let head = world.ask(format!("HEAD {at}/result"));
    assert_eq!((head.status, head.bytes().len()), (207, 0));
    assert_eq!(world.status(format!("DELETE {at}")), 409, "it has ended");
}

/// Waits until a job has ended.
fn ended(world: &World, at: &str) -> serde_json::Value {
    loop {
        let job = world.ask(format!("GET {at}")).json();
        if job["state"] != "running" {
            return job;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_client_may_wait_a_while() {
    let world = World::new();
    let reply = world.ask(job("<mkcol href=\"/a/\"/>").replace("async", "async, wait=30"));
    assert_eq!(reply.items(), ["mkcol /a/ 201 applied"]);
}

#[test]
fn a_job_is_its_owners_alone() {
    let world = World::new();
    let reply = world.ask_as(named("ann"), job("<mkcol href=\"/a/\"/>"));
    let at = reply.header("location").to_owned();
    for who in [named("bob"), Principal::Anonymous] {
        for method in ["GET", "DELETE", "OPTIONS", "HEAD"] {
            for part in ["", "/result", "/retry"] {
                let reply = world.ask_as(who.clone(), format!("{method} {at}{part}"));
                assert_eq!(reply.status, 404, "{method} {part}");
            }
        }
    }
    let theirs = world.ask_as(named("ann"), format!("OPTIONS {at}"));
    assert_eq!((theirs.status, theirs.header("allow")), (200, "OPTIONS, GET, HEAD, DELETE"));
    for (method, status) in [("PUT", 405), ("FROB", 501)] {
        let theirs = world.ask_as(named("ann"), format!("{method} {at}\n\n"));
        assert_eq!(theirs.status, status, "{method}");
    }
    world.wait(DAY + 10);
    assert_eq!(world.ask_as(named("ann"), format!("GET {at}")).status, 404, "it is forgotten");
}

#[test]
fn a_job_that_is_called_off_starts_no_further_step() {
    for (mode, outcomes) in [
        ("best-effort", ["mkcol /a/ 201 applied", "mkcol /b/ 503 not-attempted"]),
        ("atomic", ["mkcol /a/ 503 not-attempted", "mkcol /b/ 503 not-attempted"]),
    ] {
        let (world, reached, go) = gated(4);
        // What ends no lock is one run: the second begins behind the deletion.
        let operations = "<mkcol href=\"/a/\"/><mkcol href=\"/b/\"/>";
        let reply =
            world.ask(job(operations).replace("<batch>", &format!("<batch mode=\"{mode}\">")));
        let at = reply.header("location").to_owned();
        reached.recv().unwrap();
        let called_off = world.ask(format!("DELETE {at}"));
        assert_eq!(called_off.status, 202);
        go.send(()).unwrap();
        assert_eq!(ended(&world, &at)["state"], "cancelled");
        let items = world.ask(format!("GET {at}/result")).items();
        if mode == "atomic" {
            assert_eq!(items, outcomes);
        }
        assert!(items[1].ends_with("503 not-attempted"), "{items:?}");
    }
}

#[test]
fn trees_are_copied_moved_and_deleted_as_jobs_too() {
    let world = World::new();
    world.ask("MKCOL /a/");
    world.ask("PUT /a/x\n\nx");
    for (asked, status, tree) in [
        ("COPY /a/\nDestination: /b/", 201, &["/a/", "/a/x=x", "/b/", "/b/x=x"][..]),
        ("MOVE /b/\nDestination: /a/", 204, &["/a/", "/a/x=x"]),
        ("MOVE /none\nDestination: /c", 404, &["/a/", "/a/x=x"]),
        ("DELETE /a/", 204, &[]),
    ] {
        let reply = world.ask(format!("{asked}\nPrefer: respond-async"));
        assert_eq!(reply.status, 202, "{asked}");
        let at = reply.header("location").to_owned();
        let job = ended(&world, &at);
        assert_eq!(job["failed"], u64::from(status == 404));
        assert_eq!(world.ask(format!("GET {at}/result")).status, status);
        assert_eq!(world.tree(), tree);
    }
}

#[test]
fn what_is_left_of_a_job_is_a_batch_of_its_own() {
    let world = World::with(polydav_dav::Options {
        batch: polydav_dav::BatchOptions {
            job_deadline: std::time::Duration::ZERO,
            ..Default::default()
        },
        ..Default::default()
    });
    let operations = "<put id=\"p\" href=\"/a b\" type=\"text/plain\">x</put>\
                      <copy href=\"/a b\" dest=\"/c\" needs=\"p\"/><delete href=\"/x?y\"/>";
    let reply = world.ask(job(operations));
    let at = reply.header("location").to_owned();
    assert_eq!(ended(&world, &at)["state"], "finished");
    let left = world.ask(format!("GET {at}/retry"));
    assert_eq!(left.header("content-type"), "application/json");
    let document = left.json();
    let of = |index: usize| document["operations"][index].clone();
    assert_eq!(document["operations"].as_array().map(Vec::len), Some(2), "{document}");
    assert_eq!((&of(0)["op"], &of(0)["href"]), (&"put".into(), &"/a b".into()));
    assert_eq!((&of(1)["op"], &of(1)["needs"][0]), (&"copy".into(), &"p".into()));
    let again = World::new().ask(format!("POST /batch-operation\n\n{}", left.text()));
    assert_eq!(again.header("batch-result"), "total=2, succeeded=2, failed=0, skipped=0");
}

/// Whoever may send a hundred documents of many bytes would fill the disk with them.
#[test]
fn the_documents_of_jobs_count_as_what_is_kept() {
    let (dir, limits) = (TempDir::new().unwrap(), KeepLimits::default());
    let open = || {
        let store = FolderStore::open(dir.path(), &FolderOptions::default()).unwrap();
        let batches = store.batch_ledger().unwrap();
        let keep = KeepLimits { bytes_of_one_max: 100_000, ..limits };
        World::of(Made { store: Arc::new(store), batches, keep, ..Made::default() })
    };
    let world = open();
    let long = "x".repeat(100_000);
    let at =
        world.ask(job(&format!("<put href=\"/a\">{long}</put>"))).header("location").to_owned();
    ended(&world, &at);
    let make = keyed("k", "<mkcol href=\"/b/\"/>");
    assert_eq!(world.ask(&make).status, 429);
    assert_eq!(world.ask_as(named("ann"), &make).status, 207, "each principal has a share");
    drop(world);
    let world = open();
    assert_eq!(world.ask(&make).status, 429, "also after a restart");
    world.wait(DAY + 10);
    assert_eq!(world.ask(&make).status, 207);
}

#[test]
fn jobs_of_one_step_take_a_slot_too() {
    let (world, reached, go) = gated(1);
    let delete = "DELETE /none\nPrefer: respond-async";
    let at = world.ask(delete).header("location").to_owned();
    reached.recv().unwrap();
    assert_eq!(world.status(delete), 429);
    assert_eq!(world.ask_as(named("ann"), delete).status, 202);
    go.send(()).unwrap();
    go.send(()).unwrap();
    ended(&world, &at);
}

fn with_one_slot() -> World {
    let options = BatchOptions { running_max: 1, ..BatchOptions::default() };
    World::with(Options { batch: options, ..Options::default() })
}

/// Operations of which there is much to tell.
fn many_far(verb: &str) -> String {
    let far = "n".repeat(200);
    (0..5000).map(|at| format!("<{verb} href=\"/{far}/{at}\"/>")).collect()
}

/// An answer of which nothing was taken yet.
fn hold(world: &World, text: &str) -> http::Response<polydav_dav::Body> {
    let call = world.dav.call(request(text), Principal::Anonymous);
    world.runtime.block_on(call)
}

/// Else clients that take nothing could have the server hold any number of them.
#[test]
fn a_large_answer_holds_a_slot_when_it_is_told_again() {
    let (world, many) = (with_one_slot(), many_far("delete"));
    let make = keyed("k", &many);
    assert!(world.ask(&make).bytes().len() > 1 << 20);
    let hold = |text: &str| hold(&world, text);
    let held = hold(&make);
    assert_eq!(held.headers()["idempotent-replayed"], "true");
    assert_eq!(world.status(&make), 429);
    drop(held);
    assert!(is_replayed(&world.ask(&make)));
    let at = world.ask(job(&many)).header("location").to_owned();
    ended(&world, &at);
    let result = format!("GET {at}/result");
    let held = hold(&result);
    assert_eq!((held.status().as_u16(), world.status(&result)), (207, 429));
    drop(held);
    assert_eq!(world.status(&result), 207);
}

/// What was not done because the server goes down is no failure of the job: it may go on.
#[test]
fn a_job_that_the_server_left_when_it_went_down_is_interrupted() {
    let world = World::new().given([put("a", "x")]);
    world.runtime.block_on(world.dav.engine().drain());
    let single = "DELETE /a\nPrefer: respond-async\n\n".to_owned();
    let batch = job("<delete href=\"/a\"/>");
    for (asked, what_to_do) in [(single, "send it again"), (batch, "retry has what is left of it")]
    {
        let at = world.ask(&asked).header("location").to_owned();
        assert_eq!(ended(&world, &at)["state"], "interrupted", "{asked}");
        let result = world.ask(format!("GET {at}/result"));
        assert_eq!(result.status, 409, "{asked}");
        assert!(result.text().contains(what_to_do), "{}", result.text());
    }
    assert_eq!(world.status("GET /a"), 200);
}

#[test]
fn a_job_counts_what_is_known_to_fail_as_soon_as_it_is_planned() {
    let (world, reached, go) = gated(1);
    let operations = "<mkcol href=\"/a/\" id=\"a\"/><put href=\"/b/\" id=\"b\"/>\
                      <mkcol href=\"/c/\" needs=\"b\"/>";
    let at = world.ask(job(operations)).header("location").to_owned();
    reached.recv().unwrap();
    let told = world.ask(format!("GET {at}")).json();
    assert_eq!((&told["total"], &told["done"], &told["failed"]), (&3.into(), &2.into(), &1.into()));
    go.send(()).unwrap();
    assert_eq!(ended(&world, &at)["done"], 3);
}

/// The 403 is its own, though the store was asked nothing but whether its conditions hold; and what
/// needs it would run without it.
#[test]
fn what_needs_a_refused_proppatch_is_not_worth_sending_again() {
    let refused = "<proppatch href=\"/a\" id=\"p\" xmlns:D=\"DAV:\"><D:set><D:prop>\
                   <D:getetag>x</D:getetag></D:prop></D:set></proppatch>";
    let operations = format!("{refused}<mkcol href=\"/b/\" needs=\"p\"/>");
    let world = World::new().given([put("a", "x")]);
    let left = |at: &str| world.ask(format!("GET {at}/retry"));
    let at = world.ask(job(&operations)).header("location").to_owned();
    ended(&world, &at);
    assert_eq!(left(&at).json()["operations"], serde_json::json!([]));
    let whole = job(&operations).replace("<batch>", "<batch mode=\"atomic\">");
    let at = world.ask(whole).header("location").to_owned();
    ended(&world, &at);
    let told = left(&at);
    let said = "nothing was done: mend operation 0, and send all of it again\n";
    assert_eq!((told.status, told.text()), (409, said));
}

#[test]
fn what_planning_refused_of_an_interrupted_job_is_not_worth_sending_again() {
    let world = World::new().given([put("a", "x")]);
    world.runtime.block_on(world.dav.engine().drain());
    let operations = "<put href=\"/batch-operation/x\" id=\"p\"/><mkcol href=\"/b/\" needs=\"p\"/>\
                      <delete href=\"/a\"/>";
    let at = world.ask(job(operations)).header("location").to_owned();
    assert_eq!(ended(&world, &at)["state"], "interrupted");
    let left = world.ask(format!("GET {at}/retry")).json();
    assert_eq!(left["operations"], serde_json::json!([{"op": "delete", "href": "/a"}]));
}

#[test]
fn what_is_left_of_a_job_takes_a_slot_to_tell() {
    let (world, many) = (with_one_slot(), many_far("mkcol"));
    world.runtime.block_on(world.dav.engine().drain());
    let at = world.ask(job(&many)).header("location").to_owned();
    assert_eq!(ended(&world, &at)["state"], "interrupted");
    let left = format!("GET {at}/retry");
    let held = hold(&world, &left);
    assert_eq!((held.status().as_u16(), world.status(&left)), (200, 429));
    drop(held);
    assert_eq!(world.status(&left), 200);
}
