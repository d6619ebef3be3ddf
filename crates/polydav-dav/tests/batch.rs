//! `POST /batch-operation`: what runs, in which order, and what is told of it.

mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use multistatus::batch::Retry;
use multistatus::xml::Element;
use multistatus::{Report, Response};
use polydav_dav::{BatchCounts, BatchOptions, Options};
use polydav_store::FailureKind::Internal;
use polydav_store::kit::{mkcol, put};
use polydav_store::layer::{Fault, Faulty};
use polydav_store::{MemoryLedger, MemoryStore, Principal, Run};
use serde_json::Value;
use world::gate::{gated, gated_for};
use world::{Made, World, answer, batch, batch_with, named, request};

const NONE: [&str; 0] = [];

/// How many operations run at once, and more than that.
const PART: usize = Run::STEPS_MAX;
const MANY: usize = 3 * PART + 10;

/// Every operation there is.
const ALL: &str = "<mkcol href=\"/c/\"/>\
    <put href=\"/c/a\">hello</put>\
    <put href=\"/c/b\" encoding=\"base64\" if-none-match=\"*\">AAEC</put>\
    <copy href=\"/c/\" dest=\"/d/\" overwrite=\"F\"/>\
    <move href=\"/d/a\" dest=\"/d/z\"/>\
    <proppatch href=\"/d/z\"><D:set><D:prop><D:displayname>Z</D:displayname></D:prop></D:set></proppatch>\
    <delete href=\"/c/\"/>";

/// What is told of the endpoint is what it does.
#[test]
fn the_endpoint_says_what_it_takes() {
    let mut options = Options { put_bytes_max: Some(9), ..Options::default() };
    options.batch.limits.items_max = 3;
    let world = World::with(options);
    let reply = world.ask("GET /batch-operation");
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    let told: Value = serde_json::from_slice(reply.bytes()).unwrap();
    let limits = &told["limits"];
    assert_eq!((&limits["operations"], &limits["fileBytes"]), (&3.into(), &9.into()));
    let head = world.ask("HEAD /batch-operation");
    assert_eq!(head.header("content-length"), reply.bytes().len().to_string());
    assert!(head.bytes().is_empty());

    let deletes = |count: usize| "<delete href=\"/x\"/>".repeat(count);
    assert_eq!(world.ask(batch(&deletes(3))).status, 207);
    assert_eq!(world.ask(batch(&deletes(4))).status, 413);
    let told_modes: Vec<_> = told["modes"].as_array().unwrap().iter().collect();
    for mode in ["best-effort", "stop", "atomic"] {
        let status = world.ask(batch_with(&format!("mode=\"{mode}\""), &deletes(1))).status;
        assert_eq!(status == 207, told_modes.contains(&&mode.into()), "{mode}");
    }
    assert_eq!(told["atomic"], serde_json::json!(["/"]));
    for operation in told["operations"].as_array().unwrap() {
        let document = format!("<{}/>", operation.as_str().unwrap());
        let said = world.ask(batch(&document)).text().to_owned();
        assert!(said.contains("lacks href"), "{operation} is known: {said}");
    }
}

#[test]
fn every_operation_is_done_in_its_order() {
    let world = World::new();
    let reply = world.ask(batch(ALL));
    assert_eq!(reply.status, 207);
    assert_eq!(
        reply.items(),
        [
            "mkcol /c/ 201 applied",
            "put /c/a 201 applied",
            "put /c/b 201 applied",
            "copy /c/ 201 applied",
            "move /d/a 201 applied",
            "proppatch /d/z 200 applied",
            "delete /c/ 204 applied",
        ]
    );
    assert_eq!(world.ask("PROPFIND /d/\nDepth: 1").hrefs(), ["/d/", "/d/b", "/d/z"]);
    assert_eq!(world.ask("GET /d/b").bytes(), [0, 1, 2]);
    let shown = world.ask("PROPFIND /d/z\nDepth: 0").property("/d/z", "displayname");
    assert_eq!((world.ask("GET /d/z").text(), shown.as_deref()), ("hello", Some("Z")));
    assert_eq!(reply.header("location"), "", "RFC 4918 §13.1");
    assert_eq!(reply.header("batch-result"), "total=7, succeeded=7, failed=0, skipped=0");
}

/// A client has one parser, and takes no 200 for "all well".
/// They run part by part; what is told is one document all the same.
#[test]
fn what_is_told_does_not_depend_on_how_many_run_at_once() {
    let mut operations: Vec<_> = (0..MANY).map(|n| format!("<mkcol href=\"/{n}/\"/>")).collect();
    let mut expected: Vec<_> = (0..MANY).map(|n| format!("mkcol /{n}/ 201 applied")).collect();
    let (gone, bad, end) = (PART + 1, 2 * PART + 1, MANY);
    for (at, operation, told) in [
        (gone, "delete id='g' href='/gone'", "delete /gone 404 not-applied".to_owned()),
        (bad, "delete id='b' href='http://b/'", "delete http://b/ 502 not-applied".to_owned()),
        (end - 4, "mkcol needs='g' href='/x/'", skipped("mkcol /x/", gone)),
        (end - 3, "mkcol needs='b' href='/y/'", skipped("mkcol /y/", bad)),
        (end - 2, "mkcol href='/2/'", "mkcol /2/ 405 not-applied".to_owned()),
        (end - 1, "delete href='/nothing'", "delete /nothing 404 not-applied".to_owned()),
    ] {
        (operations[at], expected[at]) = (format!("<{operation}/>"), told);
    }
    let told = |mode: &str, is_dry: bool| {
        let attributes = format!("mode=\"{mode}\" dry-run=\"{is_dry}\"");
        let reply = World::new().ask(batch_with(&attributes, &operations.concat()));
        let hrefs: BTreeSet<_> = reply.hrefs().into_iter().collect();
        assert_eq!(hrefs.len(), MANY, "each has an href of its own (RFC 4918 \u{a7}14.24)");
        reply.items()
    };
    assert_eq!(told("best-effort", false), expected);
    let would = expected.iter().map(|told| told.replace("201 applied", "201 would-apply"));
    assert_eq!(told("best-effort", true), would.collect::<Vec<_>>());
    for told in &mut expected[gone + 1..] {
        let asked: Vec<_> = told.split(' ').take(2).collect();
        *told = skipped(&asked.join(" "), gone);
    }
    assert_eq!(told("stop", false), expected);
    expected.iter_mut().for_each(|told| {
        let asked: Vec<_> = told.split(' ').take(2).collect();
        *told = skipped(&asked.join(" "), bad);
    });
    expected[bad] = "delete http://b/ 502 not-applied".to_owned();
    assert_eq!(told("atomic", false), expected);
}

/// It is named when nothing runs any more, not at some moment in between.
#[test]
fn what_failed_is_named_as_it_is_in_the_end() {
    let world = World::new().given([mkcol("x")]);
    let token = world.lock("/x");
    let mut operations: Vec<_> = (0..MANY).map(|n| format!("<mkcol href=\"/{n}/\"/>")).collect();
    operations[0] = "<delete href=\"/x/\"/>".to_owned();
    operations[2 * PART] = format!("<delete href=\"/x/\" if=\"(&lt;{token}&gt;)\"/>");
    let reply = world.ask(batch(&operations.concat()));
    let told = reply.multistatus();
    let [locked, unlocked] = [0, 2 * PART].map(|at| &told.responses[at]);
    let status = |response: &Response| response.item.as_ref().unwrap().status.as_u16();
    assert_eq!([locked, unlocked].map(status), [423, 204]);
    let named = locked.conditions.iter().flat_map(|condition| condition.elements());
    assert_eq!(named.map(Element::text).collect::<Vec<_>>(), ["/x"]);
}

fn skipped(asked: &str, because_of: usize) -> String {
    format!("{asked} 424 not-attempted because of {because_of}")
}

#[test]
fn an_accepted_document_is_answered_by_207_always() {
    let world = World::new();
    for operations in
        ["", "<mkcol href=\"/a/\"/>", "<delete href=\"/none\"/>", "<put href=\"/x/../y\"/>"]
    {
        assert_eq!(world.ask(batch(operations)).status, 207, "{operations}");
    }
    assert_eq!(world.ask(batch("")).items(), NONE);
}

#[test]
fn the_counts_stand_in_the_extensions_too() {
    let world = World::new();
    let sent = request(&batch("<mkcol href=\"/a/\"/><delete href=\"/none\"/>"));
    let response = world.runtime.block_on(world.dav.call(sent, Principal::Anonymous));
    let counts = BatchCounts { total: 2, succeeded: 1, failed: 1, skipped: 0 };
    assert_eq!(response.extensions().get::<BatchCounts>(), Some(&counts));
}

#[test]
fn best_effort_goes_on_after_a_failure() {
    let world = World::new();
    let reply = world.ask(batch(
        "<put href=\"/none/a\">x</put><mkcol href=\"/c/\"/><mkcol href=\"/c/\"/><put href=\"/c/a\">x</put>",
    ));
    assert_eq!(
        reply.items(),
        [
            "put /none/a 409 not-applied",
            "mkcol /c/ 201 applied",
            "mkcol /c/ 405 not-applied",
            "put /c/a 201 applied",
        ]
    );
    assert_eq!(world.tree(), ["/c/", "/c/a=x"]);
}

#[test]
fn stop_runs_nothing_behind_the_first_failure() {
    let world = World::new();
    let reply = world.ask(batch_with(
        "mode=\"stop\"",
        "<mkcol href=\"/c/\"/><mkcol href=\"/c/\"/><put href=\"/c/a\">x</put><put href=\"/../b\">x</put>",
    ));
    assert_eq!(
        reply.items(),
        [
            "mkcol /c/ 201 applied",
            "mkcol /c/ 405 not-applied",
            "put /c/a 424 not-attempted because of 1",
            "put /../b 424 not-attempted because of 1",
        ]
    );
    assert_eq!(world.tree(), ["/c/"]);
}

#[test]
fn stop_stops_at_what_is_known_to_fail_too() {
    let world = World::new();
    let protected = "<proppatch href=\"/a\"><D:set><D:prop><D:getetag>x</D:getetag></D:prop></D:set></proppatch>";
    for failing in ["<put href=\"/../x\">x</put>", protected] {
        let operations = format!("<put href=\"/a\">x</put>{failing}<put href=\"/b\">x</put>");
        let items = world.ask(batch_with("mode=\"stop\"", &operations)).items();
        assert_eq!(items[2], "put /b 424 not-attempted because of 1", "{items:?}");
        assert_eq!(world.tree(), ["/a=x"]);
    }
}

#[test]
fn conditions_see_the_effects_of_earlier_items() {
    let world = World::new();
    let reply = world.ask(batch(
        "<put href=\"/a\" if-match=\"*\">1</put><put href=\"/a\" if-none-match=\"*\">2</put>\
         <put href=\"/a\" if-none-match=\"*\">3</put><put href=\"/a\" if-match=\"*\">4</put>\
         <put href=\"/b\" if=\"&lt;/a> (Not [&quot;x&quot;])\">5</put>\
         <delete href=\"/a\" if-unmodified-since=\"Sun, 06 Nov 1994 08:49:37 GMT\"/>",
    ));
    let statuses: Vec<_> = reply.items().iter().map(|item| item[7..].to_owned()).collect();
    assert_eq!(statuses[0], "412 not-applied");
    assert_eq!(reply.items()[1], "put /a 201 applied");
    assert_eq!(reply.items()[2], "put /a 412 not-applied");
    assert_eq!(reply.items()[3], "put /a 204 applied");
    assert_eq!(reply.items()[4], "put /b 201 applied");
    assert_eq!(reply.items()[5], "delete /a 412 not-applied");
    assert_eq!(world.tree(), ["/a=4", "/b=5"]);
}

#[test]
fn an_item_tells_the_tag_it_made() {
    let world = World::new();
    let multistatus = world.ask(batch("<put href=\"/a\">x</put>")).multistatus();
    let item = multistatus.responses[0].item.as_ref().expect("it is an item");
    assert_eq!(item.etag.as_deref(), Some(world.ask("HEAD /a").header("etag")));
}

/// RFC 4918 §14.24: each href once. Later items on a resource, and those without one, have an href
/// of their own.
#[test]
fn each_href_stands_once_rfc4918_14_24() {
    let world = World::new();
    let reply = world.ask(batch(
        "<put href=\"/a\">1</put><put href=\"/a\">2</put><put href=\"/%61\">3</put><delete href=\"/a/\"/>\
         <put href=\"/../x\">4</put><put href=\"http://elsewhere.example/y\">5</put>\
         <put href=\"/batch-operation\">6</put>",
    ));
    assert_eq!(
        reply.items(),
        [
            "put /a 201 applied",
            "put /a 204 applied",
            "put /%61 204 applied",
            "delete /a/ 204 applied",
            "put /../x 400 not-applied",
            "put http://elsewhere.example/y 502 not-applied",
            "put /batch-operation 403 not-applied",
        ]
    );
    let hrefs = reply.hrefs();
    assert_eq!(hrefs[0], "/a");
    for (index, href) in hrefs.iter().enumerate().skip(1) {
        let place = href.strip_prefix("/batch-operation/").expect("it is one of ours");
        let (id, item) = place.split_once("/items/").expect("it names the item");
        assert_eq!((id.len(), item), (32, index.to_string().as_str()));
    }
    assert!(world.tree().is_empty());
}

#[test]
fn hrefs_are_relative_to_the_base() {
    let world = World::new().given([mkcol("c")]);
    let items =
        world.ask(batch_with("base=\"/c\"", "<put href=\"a b\">x</put><put href=\"ü\">y</put>"));
    assert_eq!(items.hrefs(), ["/c/a%20b", "/c/%C3%BC"]);
    assert_eq!(world.ask(batch("<put href=\"top\">x</put>")).hrefs(), ["/top"]);
}

#[test]
fn copies_and_moves_tell_where_they_led() {
    let world = World::new().given([put("a", "x"), mkcol("c")]);
    let reply = world.ask(batch(
        "<copy href=\"/a\" dest=\"/b b\"/><move href=\"/c/\" dest=\"/d\"/><copy href=\"/a\" dest=\"/none/b\"/>",
    ));
    let told = reply.multistatus().responses;
    let locations: Vec<_> = told.iter().map(|response| response.location.as_deref()).collect();
    assert_eq!(locations, [Some("/b%20b"), Some("/d/"), None]);
}

#[test]
fn a_proppatch_tells_of_each_property() {
    let world = World::new().given([put("a", "x")]);
    let patch = |content: &str| {
        format!("<proppatch href=\"/a\"><D:set><D:prop>{content}</D:prop></D:set></proppatch>")
    };
    let reply = world.ask(batch(&patch("<x/><D:getetag>e</D:getetag>")));
    assert_eq!(reply.items(), ["proppatch /a 403 not-applied"]);
    assert_eq!(
        reply.told(),
        ["/a 403: getetag because of cannot-modify-protected-property, 424: x"]
    );
    assert_eq!(world.tree(), ["/a=x"]);
    let reply = world.ask(batch(&patch("<D:displayname>A</D:displayname>")));
    assert_eq!(
        (reply.items(), reply.told()),
        (vec!["proppatch /a 200 applied".into()], vec!["/a 200: displayname".into()])
    );
    // The whole of it: a status, and no properties.
    let reply = world.ask(batch(&patch("<x/>").replace("\"/a\"", "\"/a\" if-match='\"other\"'")));
    assert_eq!(reply.items(), ["proppatch /a 412 not-applied"]);
    assert!(matches!(reply.multistatus().responses[0].report, Report::Status(_)));
}

#[test]
fn a_tree_with_failed_members_is_no_success() {
    let world = World::new().given([
        mkcol("c"),
        put("c/a", "1"),
        mkcol("c/d"),
        put("c/d/e", "2"),
        mkcol("t"),
    ]);
    world.lock("/c/d/e");
    let reply = world.ask(batch(
        "<move href=\"/c/\" dest=\"/n/\"/><copy href=\"/t/\" dest=\"/c/\"/><delete href=\"/c/\"/><put href=\"/c/b\">3</put>",
    ));
    assert_eq!(
        reply.items(),
        [
            "move /c/ 423 not-applied, /c/d/e 423",
            "copy /t/ 423 not-applied, /c/d/e 423",
            "delete /c/ 423 partial, /c/d/e 423",
            "put /c/b 201 applied",
        ]
    );
    assert_eq!(world.tree(), ["/c/", "/c/b=3", "/c/d/", "/c/d/e=2", "/t/"]);
}

#[test]
fn members_told_are_bounded() {
    let files = (0..1_002).map(|number| put(format!("c/{number:04}"), ""));
    let world = World::new().given([mkcol("c")]).given(files);
    for number in 0..1_002 {
        world.lock(&format!("/c/{number:04}"));
    }
    let reply = world.ask(batch("<delete href=\"/c/\"/>"));
    let item = reply.multistatus().responses[0].item.clone().expect("it is an item");
    assert_eq!((item.members.len(), item.members_truncated), (1_000, true));
    let told = world.ask("DELETE /c/").multistatus();
    assert_eq!(told.responses.len(), 1_000);
    assert_eq!(
        told.trailer.description.as_deref(),
        Some("2 more members failed, which are not listed")
    );
}

#[test]
fn locks_are_held_against_items_and_tokens_count_for_them() {
    let world = World::new().given([put("a", "1"), put("b", "2")]);
    let (a, b) = (world.lock("/a"), world.lock("/b"));
    let items = |fields: &str, attributes: &str| {
        let text = batch(&format!("<put href=\"/a\"{attributes}>x</put><put href=\"/b\">y</put>"));
        let text = text.replacen("\n\n", &format!("{fields}\n\n"), 1);
        let items = world.ask(text).items();
        items.iter().map(|item| item[7..10].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(items("", ""), ["423", "423"]);
    assert_eq!(items("", &format!(" tokens=\"{a}\"")), ["204", "423"]);
    assert_eq!(items("", &format!(" if=\"(&lt;{a}>)\"")), ["204", "423"]);
    // RFC 4918 §10.4.1: what the outer If submits, it submits for all.
    assert_eq!(items(&format!("\nIf: </a> (<{a}>) </b> (<{b}>)"), ""), ["204", "204"]);
    assert_eq!(items(&format!("\nIf: (Not <{a}> Not <{b}>)"), ""), ["204", "204"]);
    let foreign = batch(&format!("<put href=\"/a\" tokens=\"{a}\">x</put>"));
    assert_eq!(world.ask_as(named("eve"), foreign).items(), ["put /a 423 not-applied"]);
}

/// `delete` with the token ends the lock, so that the items behind it find none.
#[test]
fn a_lock_ends_within_a_batch() {
    let world = World::new().given([put("a", "1")]);
    let token = world.lock("/a");
    let operations = format!("<delete href=\"/a\" tokens=\"{token}\"/><put href=\"/a\">x</put>");
    assert_eq!(
        world.ask(batch(&operations)).items(),
        ["delete /a 204 applied", "put /a 201 applied"]
    );
}

#[test]
fn conditions_of_the_request_guard_the_endpoint() {
    let world = World::new();
    for (fields, status) in [
        ("If-Match: *", 412),
        ("If-None-Match: *", 207),
        ("If: (<urn:uuid:other>)", 412),
        ("If: (Not <DAV:no-lock>)", 207),
        ("If: x", 400),
    ] {
        let text =
            batch("<put href=\"/a\">x</put>").replacen("\n\n", &format!("\n{fields}\n\n"), 1);
        assert_eq!(world.status(text), status, "{fields}");
        assert_eq!(world.tree().len(), usize::from(status == 207), "{fields}");
        world.ask("DELETE /a");
    }
}

/// `a -> b, b -> a` is meant as a swap, and done in order would lose b.
#[test]
fn the_swap_guard() {
    let world = World::new().given([put("a", "1"), put("b", "2")]);
    let swap = |overwrite: &str| {
        format!("<move href=\"/a\" dest=\"/b\"{overwrite}/><move href=\"/b\" dest=\"/a\"/>")
    };
    let reply = world.ask(batch(&swap("")));
    assert_eq!(reply.items(), ["move /a 409 not-applied", "move /b 409 not-applied"]);
    assert!(reply.text().contains("overwrites-later-source"));
    assert_eq!(world.tree(), ["/a=1", "/b=2"]);
    let reply = world.ask(batch(&swap(" overwrite=\"T\"")));
    assert_eq!(reply.items(), ["move /a 204 applied", "move /b 201 applied"]);
    assert_eq!(world.tree(), ["/a=1"]);
}

/// Structure is judged for the whole request, before anything runs.
#[test]
fn a_document_that_makes_no_sense_runs_nothing() {
    let world = World::new();
    let first = "<put href=\"/a\">x</put>";
    for (operations, status) in [
        ("<put href=\"/b\">", 400),
        ("</batch><batch>", 400),
        ("<mvoe href=\"/b\" dest=\"/c\"/>", 422),
        ("<put href=\"/b\" if-macth=\"*\">x</put>", 422),
        ("<put>x</put>", 422),
        ("<move href=\"/b\"/>", 422),
        ("<lock href=\"/b\"/>", 422),
        ("<batch/>", 422),
        ("<put id=\"a\" href=\"/b\"/><put id=\"a\" href=\"/c\"/>", 422),
        ("<put id=\"a b\" href=\"/b\"/>", 422),
        ("<put href=\"/b\" needs=\"later\"/>", 422),
    ] {
        let reply = world.ask(batch(&format!("{first}{operations}")));
        assert_eq!(reply.status, status, "{operations}: {}", reply.text());
        assert!(world.tree().is_empty(), "{operations}");
    }
    assert_eq!(world.status(batch_with("mode=\"soon\"", first)), 422);
    assert_eq!(world.status("POST /batch-operation\n\n{\"operations\": [{\"op\": \"put\"}]}"), 422);
    assert_eq!(world.status("POST /batch-operation\n\n{\"operations\": [}"), 400);
    assert!(world.tree().is_empty());
}

#[test]
fn an_atomic_batch_is_done_whole_or_not_at_all() {
    let world = World::new();
    let reply = world.ask(batch_with("mode=\"atomic\"", ALL));
    assert_eq!(reply.header("batch-result"), "total=7, succeeded=7, failed=0, skipped=0");
    let before = world.tree();
    let failing = "<put href=\"/d/z\">other</put>\
        <move href=\"/d/b\" dest=\"/d/c\"/>\
        <delete href=\"/none\" id=\"culprit\"/>\
        <put href=\"/e\">e</put>";
    let reply = world.ask(batch_with("mode=\"atomic\"", failing));
    assert_eq!(reply.status, 207);
    assert_eq!(
        reply.items(),
        [
            "put /d/z 424 rolled-back because of 2",
            "move /d/b 424 rolled-back because of 2",
            "delete /none 404 not-applied",
            "put /e 424 not-attempted because of 2",
        ]
    );
    assert_eq!(reply.header("batch-result"), "total=4, succeeded=0, failed=1, skipped=3");
    assert_eq!(world.tree(), before);
}

/// The cause is the one that it needs, and not where it all began.
#[test]
fn what_needs_an_operation_that_failed_hangs_on_it() {
    let world = World::new();
    let operations = "<mkcol href=\"/c/\" id=\"a\"/>\
        <mkcol href=\"/c/\" id=\"b\"/>\
        <put href=\"/c/met\" id=\"c\" needs=\"a\">x</put>\
        <put href=\"/c/unmet\" id=\"d\" needs=\"a b\">x</put>\
        <put href=\"/c/chain\" needs=\"c d\">x</put>\
        <delete href=\"/c/met\" needs=\"c a\"/>\
        <copy href=\"/none\" dest=\"/e\" id=\"n\" needs=\"c\"/>\
        <put href=\"/f\" needs=\"d b n\">x</put>\
        <put href=\"/g\">x</put>";
    let reply = world.ask(batch(operations));
    let expected = [
        "mkcol /c/ 201 applied",
        "mkcol /c/ 405 not-applied",
        "put /c/met 201 applied",
        "put /c/unmet 424 not-attempted because of 1",
        "put /c/chain 424 not-attempted because of 3",
        "delete /c/met 204 applied",
        "copy /none 404 not-applied",
        "put /f 424 not-attempted because of 1",
        "put /g 201 applied",
    ];
    assert_eq!(reply.items(), expected);
    assert_eq!(world.tree(), ["/c/", "/g=x"]);
    let hanging = &reply.multistatus().responses[3];
    assert_eq!(hanging.item.as_ref().unwrap().retry, Some(Retry::Safe));
    let said = hanging.description.as_deref();
    assert_eq!(said, Some("not attempted: another operation failed"));
}

#[test]
fn what_needs_an_operation_that_is_refused_hangs_on_it_too() {
    let world = World::new().given([put("a", "x")]);
    let protected = "<D:set><D:prop><D:getetag>x</D:getetag></D:prop></D:set>";
    let patch = |attributes: &str| format!("<proppatch {attributes}>{protected}</proppatch>");
    let operations = [
        "<delete href=\"/a?b\" id=\"bad\"/>",
        "<put href=\"/b\" id=\"one\" needs=\"bad\">x</put>",
        "<put href=\"/c\" needs=\"one\">x</put>",
        "<delete href=\"/a?c\" needs=\"bad\"/>",
        &patch("href=\"/a\" id=\"patch\""),
        "<put href=\"/d\" needs=\"patch\">x</put>",
        &patch("href=\"/a\" needs=\"bad\""),
        "<delete href=\"/none\" id=\"none\"/>",
        &patch("href=\"/a\" needs=\"none\""),
        "<put href=\"/e\" id=\"e\">x</put>",
        "<put href=\"/f\" needs=\"e\">x</put>",
    ];
    let expected = [
        "delete /a?b 400 not-applied",
        "put /b 424 not-attempted because of 0",
        "put /c 424 not-attempted because of 1",
        "delete /a?c 400 not-applied",
        "proppatch /a 403 not-applied",
        "put /d 424 not-attempted because of 4",
        "proppatch /a 424 not-attempted because of 0",
        "delete /none 404 not-applied",
        "proppatch /a 424 not-attempted because of 7",
        "put /e 201 applied",
        "put /f 201 applied",
    ];
    assert_eq!(world.ask(batch(&operations.concat())).items(), expected);
    assert_eq!(world.tree(), ["/a=x", "/e=x", "/f=x"]);
}

/// In the other modes the first failure ends everything anyway.
#[test]
fn needs_count_in_every_mode() {
    for (mode, failing, last) in [
        ("best-effort", "404 not-applied", "201 applied"),
        ("stop", "404 not-applied", "424 not-attempted because of 1"),
        ("atomic", "404 not-applied", "424 not-attempted because of 1"),
    ] {
        let world = World::new();
        let document = |operations: &str| {
            let operations = format!("[{operations}]").replace('\'', "\"");
            format!(
                "POST /batch-operation\n\n{{\"mode\": \"{mode}\", \"operations\": {operations}}}"
            )
        };
        let told = |operations: &str| {
            let reply = world.ask(document(operations)).json();
            let item = |item: &Value| {
                let cause = item["cause"].as_u64().map(|cause| format!(" because of {cause}"));
                let (status, outcome) = (&item["status"], item["outcome"].as_str().unwrap());
                format!("{status} {outcome}{}", cause.unwrap_or_default())
            };
            reply["items"].as_array().unwrap().iter().map(item).collect::<Vec<_>>()
        };
        let all = "{'op': 'mkcol', 'id': 'a', 'href': '/a/'},
            {'op': 'put', 'id': 'b', 'href': '/a/b', 'content': 'x', 'needs': ['a']},
            {'op': 'copy', 'href': '/a/', 'dest': '/c/', 'needs': ['a', 'b']}";
        assert_eq!(told(all), ["201 applied"; 3], "{mode}");
        let there = world.tree();
        let some = "{'op': 'put', 'id': 'a', 'href': '/d', 'content': 'x'},
            {'op': 'delete', 'id': 'b', 'href': '/none', 'needs': ['a']},
            {'op': 'delete', 'href': '/a/', 'needs': ['b']},
            {'op': 'put', 'href': '/e', 'content': 'x', 'needs': ['a']}";
        let is_undone = mode == "atomic";
        let first = if is_undone { "424 rolled-back because of 1" } else { "201 applied" };
        let expected = [first, failing, "424 not-attempted because of 1", last];
        assert_eq!(told(some), expected, "{mode}");
        assert_eq!(world.tree() == there, is_undone, "{mode}");
    }
}

/// An operation that is known to fail is the one at fault, and nothing is tried.
#[test]
fn nothing_of_an_atomic_batch_runs_if_an_operation_is_refused() {
    let world = World::new();
    for (refused, told) in [
        ("<delete href=\"/a?b\"/>", "delete /a?b 400 not-applied"),
        ("<delete href=\"http://elsewhere.example/a\"/>", "502 not-applied"),
        (
            "<proppatch href=\"/a\"><D:set><D:prop><D:getetag>x</D:getetag></D:prop></D:set></proppatch>",
            "proppatch /a 403 not-applied",
        ),
    ] {
        let operations = format!("<put href=\"/a\">a</put>{refused}<delete href=\"/b?c\"/>");
        let items = world.ask(batch_with("mode=\"atomic\"", &operations)).items();
        assert_eq!(items[0], "put /a 424 not-attempted because of 1", "{refused}");
        assert!(items[1].ends_with(told), "{} for {refused}", items[1]);
        assert_eq!(items[2], "delete /b?c 424 not-attempted because of 1", "{refused}");
    }
    assert!(world.tree().is_empty());
}

/// It is told of each operation what would come of it; no content is taken in, and nothing is left.
#[test]
fn a_dry_run_tells_what_would_be_done() {
    let world = World::new().given([put("f", "x"), mkcol("c"), put("c/old", "y")]);
    let before = world.tree();
    let long = "x".repeat(100_000);
    let operations = format!(
        "<mkcol href=\"/n/\"/><mkcol href=\"/n/\"/><put href=\"/n/a\">{long}</put>\
         <put href=\"/f\" if-none-match=\"*\">x</put><put href=\"/f\">new</put>\
         <move href=\"/c/\" dest=\"/n/c/\"/><delete href=\"/c/old\"/><copy href=\"/n/c/old\" dest=\"/z\"/>\
         <proppatch href=\"/z\"><D:set><D:prop><D:displayname>Z</D:displayname></D:prop></D:set></proppatch>\
         <delete href=\"/n/\"/><put href=\"/n/a\">x</put>"
    );
    let told = [
        "mkcol /n/ 201",
        "mkcol /n/ 405",
        "put /n/a 201",
        "put /f 412",
        "put /f 204",
        "move /c/ 201",
        "delete /c/old 404",
        "copy /n/c/old 201",
        "proppatch /z 200",
        "delete /n/ 204",
        "put /n/a 409",
    ];
    let expected = |applied: &str| {
        let outcome = |line: &&str| if line.contains(" 20") { applied } else { "not-applied" };
        told.iter().map(|line| format!("{line} {}", outcome(line))).collect::<Vec<_>>()
    };
    let dry = world.ask(batch_with("dry-run=\"true\"", &operations));
    assert_eq!((dry.status, dry.items()), (207, expected("would-apply")));
    assert!(!dry.text().contains("etag"), "{}", dry.text());
    assert_eq!(world.tree(), before);
    let real = world.ask(batch_with("dry-run=\"false\"", &operations));
    assert_eq!(real.items(), expected("applied"));
    assert_eq!(dry.header("batch-result"), real.header("batch-result"));
}

/// In each mode, and strictly: a dry run answers as the batch would.
#[test]
fn a_dry_run_stops_and_undoes_as_the_batch_would() {
    for mode in ["stop", "atomic"] {
        let operations = "<put href=\"/a\">x</put><delete href=\"/none\"/><mkcol href=\"/c/\"/>";
        let ask = |world: &World, more: &str| {
            let reply = world
                .ask(batch_with(&format!("strict=\"true\" mode=\"{mode}\"{more}"), operations));
            assert_eq!(reply.status, 422);
            reply.items()
        };
        let world = World::new();
        let dry: Vec<_> = ask(&world, " dry-run=\"true\"")
            .into_iter()
            .map(|item| item.replace("would-apply", "applied"))
            .collect();
        assert!(world.tree().is_empty());
        assert_eq!(dry, ask(&world, ""), "{mode}");
    }
}

/// The key is left to the batch itself.
#[test]
fn a_dry_run_takes_no_key() {
    let world = World::new();
    let reply = world.ask(batch_with("key=\"k\" dry-run=\"true\"", "<mkcol href=\"/a/\"/>"));
    assert_eq!(reply.status, 422);
    assert!(reply.text().contains("dry run"), "{}", reply.text());
}

/// A store that can't tell says so; nothing is done instead.
#[test]
fn a_dry_run_over_a_store_that_has_none_changes_nothing() {
    let world =
        World::of(Made { store: Arc::new(Faulty::new(MemoryStore::new())), ..Made::default() });
    let reply = world.ask(batch_with("dry-run=\"true\"", "<mkcol href=\"/a/\"/>"));
    assert_eq!(reply.items(), ["mkcol /a/ 403 not-applied"]);
    assert!(world.tree().is_empty());
}

/// Values a header would carry are judged for each item.
#[test]
fn a_bad_value_is_the_fault_of_its_item() {
    let world = World::new().given([put("f", "x"), mkcol("c")]);
    let reply = world.ask(batch(
        "<put href=\"/a?b\">x</put><put href=\"/a#b\">x</put><put href=\"/%zz\">x</put><put href=\"/a\\b\">x</put>\
         <put href=\"/a\" if-match=\"x\">x</put><put href=\"/a\" if=\"x\">x</put>\
         <put href=\"/a\" if-unmodified-since=\"soon\">x</put><put href=\"/a\" encoding=\"base64\">?</put>\
         <put href=\"/a/\">x</put><delete href=\"/c/\" depth=\"0\"/><copy href=\"/c/\" dest=\"/d/\" depth=\"1\"/>\
         <move href=\"/c/\" dest=\"/d/\" depth=\"0\"/><copy href=\"/f\" dest=\"/g\" overwrite=\"yes\"/>\
         <copy href=\"/f\" dest=\"http://elsewhere.example/g\"/><copy href=\"/f\" dest=\"/batch-operation\"/>\
         <copy href=\"/f\" dest=\"/f\"/><put href=\"/good\">x</put>",
    ));
    let statuses: Vec<_> = reply
        .multistatus()
        .responses
        .iter()
        .map(|response| response.item.as_ref().map_or(0, |item| item.status.as_u16()))
        .collect();
    assert_eq!(
        statuses,
        [400, 400, 400, 400, 400, 400, 400, 400, 405, 400, 400, 400, 400, 502, 403, 403, 201]
    );
    assert_eq!(world.tree(), ["/c/", "/f=x", "/good=x"]);
}

#[test]
fn retry_says_what_to_do() {
    let world = World::new().given([put("a", "x")]);
    let reply = world.ask(batch_with(
        "mode=\"best-effort\"",
        "<put href=\"/b\">x</put><put href=\"/a\" if-match='\"other\"'>x</put><delete href=\"/none\"/>\
         <put href=\"http://elsewhere.example/a\">x</put><put href=\"/a?\">x</put>",
    ));
    let retries: Vec<_> = reply
        .multistatus()
        .responses
        .iter()
        .map(|response| response.item.as_ref().and_then(|item| item.retry))
        .collect();
    let expected =
        [None, Some(Retry::AfterRefresh), Some(Retry::Fix), Some(Retry::Never), Some(Retry::Fix)];
    assert_eq!(retries, expected);
}

#[test]
fn strict_is_422_with_the_same_body() {
    let world = World::new().given([mkcol("c")]);
    let mixed = "<mkcol href=\"/c/\"/><put href=\"/a\">x</put>";
    let expected = ["mkcol /c/ 405 not-applied", "put /a 201 applied"];
    let by_header = batch(mixed).replacen("\n\n", "\nPrefer: batch-strict\n\n", 1);
    let reply = world.ask(by_header);
    assert_eq!((reply.status, reply.items()), (422, expected.map(str::to_owned).to_vec()));
    let reply = world.ask(batch_with("strict=\"true\"", mixed));
    assert_eq!(reply.status, 422);
    assert_eq!(world.status(batch_with("strict=\"true\"", "<put href=\"/a\">x</put>")), 207);
    assert_eq!(world.status(batch_with("strict=\"true\"", "")), 207);
}

#[test]
fn minimal_leaves_out_what_succeeded() {
    let world = World::new().given([mkcol("c")]);
    let text = batch("<put href=\"/a\">x</put><mkcol href=\"/c/\"/><put href=\"/b\">x</put>");
    let reply = world.ask(text.replacen("\n\n", "\nPrefer: return=minimal\n\n", 1));
    assert_eq!(reply.told(), ["/c/ 405"]);
    assert_eq!(reply.header("preference-applied"), "return=minimal");
    let summary = reply.multistatus().trailer.summary.expect("it stays");
    assert_eq!((summary.total, summary.succeeded, summary.failed), (3, 2, 1));
}

#[test]
fn the_three_clients_are_understood_as_they_are() {
    let xml = "<batch><mkcol href=\"/c/\"/></batch>";
    let json = "{\"operations\": [{\"op\": \"mkcol\", \"href\": \"/c/\"}]}";
    for body in
        [xml, &format!("\u{feff} \n{xml}"), json, "[{\"op\": \"mkcol\", \"href\": \"/c/\"}]"]
    {
        for kind in
            ["", "application/x-www-form-urlencoded", "text/plain", "application/octet-stream"]
        {
            let world = World::new();
            let kind =
                if kind.is_empty() { String::new() } else { format!("\nContent-Type: {kind}") };
            assert_eq!(
                world.status(format!("POST /batch-operation{kind}\n\n{body}")),
                207,
                "{body}"
            );
            assert_eq!(world.tree(), ["/c/"]);
        }
    }
    let world = World::new();
    for (kind, body, status) in [
        ("application/json", xml, 400),
        ("application/xml", json, 400),
        ("image/png", xml, 415),
        ("text/plain", "hello", 415),
        ("text/plain", "", 415),
    ] {
        let text = format!("POST /batch-operation\nContent-Type: {kind}\n\n{body}");
        assert_eq!(world.status(text), status, "{kind}: {body}");
    }
    assert!(world.tree().is_empty());
}

/// The answer comes in the format of the request, unless `Accept` names another.
#[test]
fn formats_follow_the_request_and_accept() {
    let world = World::new();
    let (xml, json) = ("<batch/>", "[]");
    for (body, accept, kind) in [
        (xml, "", "application/xml; charset=\"utf-8\""),
        (json, "", "application/json"),
        (xml, "*/*", "application/xml; charset=\"utf-8\""),
        (json, "*/*", "application/json"),
        (xml, "application/json", "application/json"),
        (json, "application/xml", "application/xml; charset=\"utf-8\""),
        (xml, "application/json;q=0.1, application/xml", "application/xml; charset=\"utf-8\""),
        (json, "application/xml, application/json", "application/json"),
        (xml, "image/png", "application/xml; charset=\"utf-8\""),
        (xml, "application/x-ndjson", "application/x-ndjson"),
        (json, "application/x-ndjson, application/xml;q=0.9", "application/x-ndjson"),
        (json, "application/x-ndjson, application/*", "application/json"),
    ] {
        let reply = world.ask(format!("POST /batch-operation\nAccept: {accept}\n\n{body}"));
        assert_eq!((reply.status, reply.header("content-type")), (207, kind), "{accept}");
    }
}

#[test]
fn json_tells_the_same() {
    let world = World::new();
    let body = "{\"operations\": [{\"op\": \"put\", \"id\": \"p\", \"href\": \"/a\", \"content\": \"x\"}, \
                {\"op\": \"delete\", \"href\": \"/none\"}]}";
    let reply = world.ask(format!("POST /batch-operation\n\n{body}"));
    assert_eq!(reply.status, 207);
    assert_eq!(reply.header("batch-result"), "total=2, succeeded=1, failed=1, skipped=0");
    let told: Value = serde_json::from_slice(reply.bytes()).expect("it is JSON");
    assert_eq!(told["summary"]["total"], 2);
    assert_eq!(told["summary"]["mode"], "best-effort");
    assert_eq!((&told["items"][0]["id"], &told["items"][0]["status"]), (&"p".into(), &201.into()));
    assert_eq!(told["items"][0]["etag"], world.ask("HEAD /a").header("etag"));
    assert_eq!((&told["items"][1]["index"], &told["items"][1]["status"]), (&1.into(), &404.into()));
    assert_eq!(told["items"][1]["outcome"], "not-applied");
}

/// JSON can say what XML can't: the answer is well-formed all the same.
#[test]
fn an_href_that_no_xml_can_hold_is_told() {
    let world = World::new();
    let body = "[{\"op\": \"put\", \"href\": \"/a\\u0001b\", \"content\": \"x\"}, \
                {\"op\": \"put\", \"href\": \"/c\", \"content\": \"x\"}]";
    let reply = world.ask(format!("POST /batch-operation\nAccept: application/xml\n\n{body}"));
    assert_eq!(reply.items(), ["put /a\u{fffd}b 400 not-applied", "put /c 201 applied"]);
}

fn bounded(options: BatchOptions) -> World {
    World::with(Options { batch: options, ..Options::default() })
}

#[test]
fn documents_are_bounded() {
    let mut options = BatchOptions::default();
    options.limits.items_max = 2;
    options.limits.content_bytes_max = 10;
    options.limits.document_bytes_max = 400;
    options.limits.depth_max = 8;
    let world = bounded(options);
    let put = |content: &str| format!("<put href=\"/a\">{content}</put>");
    assert_eq!(world.status(batch(&put("x").repeat(3))), 413);
    assert_eq!(world.status(batch(&put(&"x".repeat(11)))), 413);
    assert_eq!(world.status(batch(&put(&"x".repeat(400)))), 413);
    assert_eq!(world.status(batch(&"<x xmlns=\"urn:x\">".repeat(20))), 413);
    assert!(world.tree().is_empty());
    assert_eq!(world.status(batch(&put(&"x".repeat(10)).repeat(2))), 207);
}

#[test]
fn after_the_deadline_nothing_begins_and_all_is_told() {
    for mode in ["best-effort", "stop", "atomic"] {
        let world = bounded(BatchOptions { deadline: Duration::ZERO, ..BatchOptions::default() });
        let operations = "<put href=\"/a\">x</put><put href=\"/b\">x</put>";
        let reply = world.ask(batch_with(&format!("mode=\"{mode}\""), operations));
        assert_eq!(reply.items(), ["put /a 503 not-attempted", "put /b 503 not-attempted"]);
        assert_eq!(reply.header("batch-result"), "total=2, succeeded=0, failed=0, skipped=2");
        let retries = reply.multistatus().responses;
        assert!(
            retries.iter().all(|r| r.item.as_ref().is_some_and(|i| i.retry == Some(Retry::Safe)))
        );
        assert!(world.tree().is_empty());
    }
}

/// In mode stop, what is known to fail and what stands behind it wasn't reached either.
#[test]
fn the_deadline_comes_before_what_stands_behind_it() {
    let world = bounded(BatchOptions { deadline: Duration::ZERO, ..BatchOptions::default() });
    let operations = "<put href=\"/a\">x</put><put href=\"/../b\">x</put><put href=\"/c\">x</put>";
    let items = world.ask(batch_with("mode=\"stop\"", operations)).items();
    assert!(items.iter().all(|item| item.ends_with(" 503 not-attempted")), "{items:?}");
}

/// A batch that waits holds little of it in memory.
#[test]
fn a_longer_content_waits_in_the_stores_staging() {
    let store = Arc::new(Faulty::new(MemoryStore::new()));
    let world = World::over(store.clone());
    let put = |href: &str, length: usize, fatal: u64| {
        store.arm(fatal, Fault::Fails(Internal));
        let content = "x".repeat(length);
        let items = world.ask(batch(&format!("<put href=\"{href}\">{content}</put>"))).items();
        let calls = store.calls();
        assert_eq!(items, [format!("put {href} 201 applied")]);
        assert_eq!(world.ask(format!("GET {href}")).text(), content);
        calls
    };
    let step_alone = put("/short", 64 * 1024, 0);
    assert!(put("/long", 64 * 1024 + 1, 0) > step_alone, "it was staged");
    assert_eq!(put("/kept", 64 * 1024 + 1, 1), step_alone + 1, "it could not be staged");
}

#[test]
fn a_put_may_be_as_long_as_a_single_one() {
    let world = World::with(Options { put_bytes_max: Some(5), ..Options::default() });
    let items =
        world.ask(batch("<put href=\"/a\">hello</put><put href=\"/b\">hello!</put>")).items();
    assert_eq!(items, ["put /a 201 applied", "put /b 413 not-applied"]);
    assert_eq!(world.status("PUT /b\n\nhello!"), 413);
    assert_eq!(world.tree(), ["/a=hello"]);
}

#[test]
fn too_many_batches_of_one_principal_are_refused() {
    let (world, reached, go) = gated(1);
    let ask = |who: &str, href: &str| {
        let asked = request(&batch(&format!("<mkcol href=\"{href}\"/>")));
        world.runtime.spawn(answer(world.dav.clone(), asked, named(who)))
    };
    let first = ask("ann", "/a/");
    reached.recv().expect("it begins");
    let second = world.runtime.block_on(ask("ann", "/b/")).expect("it ends");
    assert_eq!((second.status, second.header("retry-after")), (429, "5"));
    let other = ask("bob", "/c/");
    reached.recv().expect("they are counted for each");
    for running in [first, other] {
        go.send(()).expect("it waits");
        assert_eq!(world.runtime.block_on(running).expect("it ends").status, 207);
    }
    go.send(()).expect("it will wait");
    assert_eq!(world.runtime.block_on(ask("ann", "/d/")).expect("it ends").status, 207);
    assert_eq!(world.tree(), ["/a/", "/c/", "/d/"]);
}

/// A started batch ends, also if nobody waits for it.
#[test]
fn hanging_up_does_not_cut_a_batch_in_half() {
    let (world, reached, go) = gated(1);
    let asked = request(&batch("<mkcol href=\"/a/\"/><put href=\"/a/b\">x</put>"));
    let call = world.runtime.spawn(answer(world.dav.clone(), asked, Principal::Anonymous));
    reached.recv().expect("it begins");
    call.abort();
    assert!(world.runtime.block_on(call).expect_err("it is cut off").is_cancelled());
    // Whoever comes next waits for it.
    for _ in 0..2 {
        go.send(()).expect("it waits");
    }
    assert_eq!(world.status("MKCOL /a/"), 405);
    assert_eq!(world.tree(), ["/a/", "/a/b=x"]);
}

/// A world whose store fails on demand, and its ledger with it.
fn faulty() -> (World, Arc<Faulty<MemoryStore>>) {
    let store = Arc::new(Faulty::new(MemoryStore::new()));
    let ledger = Arc::new(store.beside(MemoryLedger::default()));
    let made = Made { store: Arc::clone(&store) as _, ledger, ..Made::default() };
    (World::of(made), store)
}

/// The lock on what was deleted refused whoever made something there, for as long as it lasted.
#[test]
fn a_lock_on_what_is_gone_ends_though_the_store_could_not_say_at_first() {
    // The second call asks whether the root is there, the third forgets the lock.
    for nth in [2, 3] {
        let (world, store) = faulty();
        let world = world.given([mkcol("a"), mkcol("b")]);
        let tokens = [world.lock("/a/"), world.lock("/b/")];
        let operations = |[first, second]: &[String; 2]| {
            format!(
                "<delete href=\"/a/\" tokens=\"{first}\"/><put href=\"/a\">x</put>\
                 <delete href=\"/b/\" tokens=\"{second}\"/>"
            )
        };
        store.arm(nth, Fault::Fails(Internal));
        let items = world.ask(batch(&operations(&tokens))).items();
        assert!(store.struck());
        assert_eq!(
            items,
            ["delete /a/ 204 applied", "put /a 201 applied", "delete /b/ 204 applied"]
        );
        // The last step of a request has none behind it that could settle what it left.
        for target in ["/c", "/d"] {
            let (world, store) = (&world, &store);
            assert_eq!(world.status(format!("MKCOL {target}")), 201);
            let token = world.lock(target);
            store.arm(nth, Fault::Fails(Internal));
            assert_eq!(world.status(format!("DELETE {target}\nIf: (<{token}>)")), 204);
            assert!(store.struck());
        }
        assert_eq!(world.status("PUT /c\n\nx"), 201);
        assert_eq!(world.status(format!("LOCK /d\n\n{}", world::info("exclusive"))), 201);
    }
}

/// It was told with a cause, as if it hadn't been tried.
#[test]
fn in_mode_stop_what_may_have_been_done_has_no_cause() {
    let (world, store) = faulty();
    let operations = "<mkcol href=\"/a/\"/><mkcol href=\"/b/\"/><mkcol href=\"/c/\"/>";
    store.arm(2, Fault::BreaksBehind);
    let reply = world.ask(batch_with("mode=\"stop\"", operations));
    let told = ["mkcol /a/ 201 applied", "mkcol /b/ 500 unknown", "mkcol /c/ 500 unknown"];
    assert_eq!(reply.items(), told);
    assert_eq!(world.tree(), ["/a/", "/b/"]);
}

/// All items were told as busy, the later ones with a cause too.
#[test]
fn in_mode_stop_only_the_first_item_is_busy() {
    let (world, is_reached, go) = gated_for(Duration::from_millis(1), 4);
    let first = request("MKCOL /a/");
    let first = world.runtime.spawn(answer(world.dav.clone(), first, Principal::Anonymous));
    is_reached.recv().expect("it begins");
    let operations = "<put href=\"/a/b\">x</put><put href=\"/c\">x</put>";
    let items = world.ask(batch_with("mode=\"stop\"", operations)).items();
    assert_eq!(items, ["put /a/b 503 not-applied", "put /c 424 not-attempted because of 0"]);
    go.send(()).expect("it waits");
    assert_eq!(world.runtime.block_on(first).expect("it ends").status, 201);
}
