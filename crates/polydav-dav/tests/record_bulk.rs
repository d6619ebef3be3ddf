//! POST and PATCH of an array of records: a batch of creates or updates, under another name.
#![allow(clippy::unwrap_used)]

mod world;

use std::sync::Arc;
use std::time::Duration;

use polydav_dav::{BatchCounts, BatchOptions, Options};
use polydav_store::{MemoryRecords, Principal};
use serde_json::{Value, json};
use world::tables::TABLES;
use world::{Made, Reply, World, named, request};

/// The items of an answer in JSON: operation, href, status, outcome, and the column at fault.
fn items(reply: &Reply) -> Vec<String> {
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (207, "application/json"),
        "{reply:?}"
    );
    let body = reply.json();
    let items = body["items"].as_array().unwrap();
    items.iter().map(item).collect()
}

fn item(item: &Value) -> String {
    let text = |name: &str| item[name].as_str().unwrap_or_default();
    let line = format!("{} {} {} {}", text("op"), text("href"), item["status"], text("outcome"));
    match item["problem"]["column"].as_str() {
        Some(column) => format!("{line} [{column}]"),
        None => line,
    }
}

#[test]
fn post_of_an_array_makes_a_row_of_each() {
    let world = World::of_records();
    let reply = world.ask(
        "POST /person/\n\n[{\"name\": \"Cy\"}, {\"name\": \"Ada\"}, {\"name\": \"Di\", \"age\": -1}, {\"name\": \"Ed\"}]",
    );
    assert_eq!(
        items(&reply),
        [
            "create /person/ 201 applied",
            "create /person/ 409 not-applied [name]",
            "create /person/ 422 not-applied [age]",
            "create /person/ 201 applied",
        ]
    );
    assert_eq!(reply.header("batch-result"), "total=4, succeeded=2, failed=2, skipped=0");
    let body = reply.json();
    for (index, url) in [(0, "/person/3"), (3, "/person/4")] {
        let item = &body["items"][index];
        assert_eq!(item["location"], url);
        assert_eq!(item["etag"], world.ask(format!("GET {url}")).header("etag"));
    }
    let detail = body["items"][1]["problem"]["detail"].as_str().unwrap();
    assert!(detail.contains("person_name_key"), "{detail}");
    assert_eq!(world.ask("GET /person/").json().as_array().unwrap().len(), 4);
}

#[test]
fn patch_of_an_array_changes_each_row_by_its_key() {
    let world = World::of_records();
    let reply = world.ask(
        "PATCH /person/\n\n[{\"id\": 1, \"age\": 40}, {\"id\": 9, \"age\": 1}, {\"age\": 1}, \
         {\"id\": \"x\", \"age\": 1}, {\"id\": null}, {\"id\": 2, \"age\": -1}, {\"active\": null, \"id\": 2}]",
    );
    assert_eq!(
        items(&reply),
        [
            "update /person/1 200 applied",
            "update /person/9 404 not-applied",
            "update /person/ 422 not-applied [id]",
            "update /person/ 422 not-applied [id]",
            "update /person/ 422 not-applied [id]",
            "update /person/2 422 not-applied [age]",
            "update /person/2 200 applied",
        ]
    );
    let ada = world.ask("GET /person/1");
    assert_eq!(ada.json()["age"], 40);
    assert_eq!(reply.json()["items"][0]["etag"], ada.header("etag"));
    assert_eq!(world.ask("GET /person/2").json()["active"], Value::Null);
    let pair = world.ask("PATCH /pair/\n\n[{\"b\": 1, \"a\": \"x\"}, {\"a\": \"x\"}]");
    let expected = ["update /pair/x,1 200 applied", "update /pair/ 422 not-applied [b]"];
    assert_eq!(items(&pair), expected);
}

#[test]
fn an_array_may_be_empty() {
    let world = World::of_records();
    for method in ["POST", "PATCH"] {
        let reply = world.ask(format!("{method} /person/\n\n []"));
        assert!(items(&reply).is_empty());
        assert_eq!(reply.header("batch-result"), "total=0, succeeded=0, failed=0, skipped=0");
    }
}

/// Nothing runs before all of it is known to be good.
#[test]
fn what_is_no_array_of_objects_is_refused_as_a_whole() {
    let world = World::of_records();
    for (body, status) in [
        ("[", 400),
        ("[{\"name\": \"Cy\"},", 400),
        ("[{\"name\": \"Cy\"}] x", 400),
        ("[{\"name\": \"Cy\"}, {\"name\": \"Di\", \"name\": \"Di\"}]", 400),
        ("[{\"name\": \"Cy\"}, 7]", 422),
        ("[{\"name\": \"Cy\"}, [{\"name\": \"Di\"}]]", 422),
        ("[{\"name\": \"Cy\"}, null]", 422),
    ] {
        for method in ["POST", "PATCH"] {
            let reply = world.ask(format!("{method} /person/\n\n{body}"));
            assert_eq!(reply.status, status, "{method} {body}");
            reply.problem();
        }
    }
    assert_eq!(world.ask("GET /person/").json().as_array().unwrap().len(), 2);
}

#[test]
fn an_object_that_looks_like_a_reference_is_a_value_here() {
    let world = World::of_records();
    let reply = world.ask("POST /person/\n\n[{\"name\": {\"$ref\": \"a\"}}]");
    assert_eq!(items(&reply), ["create /person/ 422 not-applied [name]"]);
}

/// As the batch endpoint answers: RFC 4918's 207, with the items in it.
#[test]
fn the_answer_is_xml_if_asked_for() {
    let world = World::of_records();
    let ask = |accept: &str, name: &str| {
        world.ask(format!("POST /person/\nAccept: {accept}\n\n[{{\"name\": \"{name}\"}}, {{}}]"))
    };
    let reply = ask("application/xml", "Cy");
    let expected = ["create /person/ 201 applied", "create /person/ 422 not-applied"];
    assert_eq!(reply.items(), expected);
    let made = &reply.multistatus().responses[0];
    assert_eq!((made.href(), made.location.as_deref()), ("/person/3", Some("/person/3")));
    let failed = &reply.multistatus().responses[1];
    assert!(failed.href().starts_with("/batch-operation/"), "it has no URL of its own: {failed:?}");
    assert_eq!(failed.item.as_ref().unwrap().column.as_deref(), Some("name"));
    for accept in ["", "*/*", "application/json", "application/json, application/xml;q=0.5"] {
        assert_eq!(items(&ask(accept, accept)).len(), 2, "{accept}");
    }
}

#[test]
fn preferences_are_those_of_a_batch_rfc7240() {
    let world = World::of_records();
    let array = "[{\"name\": \"Cy\"}, {}]";
    let minimal = world.ask(format!("POST /person/\nPrefer: return=minimal\n\n{array}"));
    assert_eq!(minimal.header("preference-applied"), "return=minimal");
    assert_eq!(items(&minimal), ["create /person/ 422 not-applied [name]"]);
    assert_eq!(minimal.json()["summary"]["succeeded"], 1);
    let strict = world.ask(format!("POST /person/\nPrefer: batch-strict\n\n{array}"));
    assert_eq!((strict.status, strict.json()["summary"]["failed"].as_u64()), (422, Some(2)));
    let good = world.ask("PATCH /person/\nPrefer: batch-strict\n\n[{\"id\": 1, \"age\": 1}]");
    assert_eq!(good.status, 207);
}

#[test]
fn the_counts_stand_in_the_extensions_too() {
    let world = World::of_records();
    let sent = request("POST /person/\n\n[{\"name\": \"Cy\"}, {}]");
    let response = world.runtime.block_on(world.dav.call(sent, Principal::Anonymous));
    let counts = BatchCounts { total: 2, succeeded: 1, failed: 1, skipped: 0 };
    assert_eq!(response.extensions().get::<BatchCounts>(), Some(&counts));
}

#[test]
fn conditions_guard_the_collection_and_tokens_count_for_all() {
    let world = World::of_records();
    let array = "[{\"id\": 1, \"age\": 1}, {\"id\": 2, \"age\": 1}]";
    for condition in ["If-Match: \"other\"", "If-None-Match: *", "If: </person/1> ([\"other\"])"] {
        assert_eq!(world.status(format!("PATCH /person/\n{condition}\n\n{array}")), 412);
    }
    assert_eq!(world.status(format!("PATCH /person/\nIf-Match: *\n\n{array}")), 207);
    let ann = || named("ann");
    let token = world.lock_by(ann(), "/person/1", "exclusive", "0");
    let locked = world.ask(format!("PATCH /person/\n\n{array}"));
    let expected = ["update /person/1 423 not-applied", "update /person/2 200 applied"];
    assert_eq!(items(&locked), expected);
    let condition = &locked.json()["items"][0]["problem"]["conditions"];
    assert_eq!(*condition, json!(["{DAV:}lock-token-submitted"]));
    let submitted = format!("PATCH /person/\nIf: </person/1> (<{token}>)\n\n{array}");
    assert_eq!(items(&world.ask_as(ann(), submitted))[0], "update /person/1 200 applied");
}

#[test]
fn after_the_deadline_no_item_starts() {
    let batch = BatchOptions { deadline: Duration::ZERO, ..BatchOptions::default() };
    let world = World::of(Made {
        store: Arc::new(MemoryRecords::new(TABLES)),
        options: Options { batch, ..Options::default() },
        ..Made::default()
    });
    let reply = world.ask("POST /person/\n\n[{\"name\": \"Cy\"}]");
    assert_eq!(items(&reply), ["create /person/ 503 not-attempted"]);
}

#[test]
fn only_so_many_run_at_a_time() {
    let batch = BatchOptions { running_max: 0, ..BatchOptions::default() };
    let world = World::of(Made {
        store: Arc::new(MemoryRecords::new(TABLES)),
        options: Options { batch, ..Options::default() },
        ..Made::default()
    });
    assert_eq!(world.status("POST /person/\n\n[]"), 429);
    assert_eq!(world.status("PATCH /person/\n\n[]"), 429);
    assert_eq!(world.status("POST /person/\n\n{\"name\": \"Cy\"}"), 201, "one row is no batch");
}

#[test]
fn a_key_to_send_it_again_is_not_taken_for_kept() {
    let world = World::of_records();
    assert_eq!(world.status("POST /person/\nIdempotency-Key: k\n\n[{\"name\": \"Cy\"}]"), 422);
    assert_eq!(world.ask("GET /person/").json().as_array().unwrap().len(), 2);
}

#[test]
fn there_must_be_a_collection_of_records() {
    let world = World::of_records();
    for (text, status) in [
        ("POST /none/", 404),
        ("PATCH /none/", 404),
        ("PATCH /person/9", 404),
        ("POST /person/1", 405),
        ("PATCH /person/1", 405),
        ("POST /", 405),
    ] {
        assert_eq!(world.status(format!("{text}\n\n[{{}}]")), status, "{text}");
    }
    let fixed = world.ask("POST /fixed/\n\n[{\"a\": \"y\"}]");
    assert_eq!(items(&fixed), ["create /fixed/ 403 not-applied"]);
}
