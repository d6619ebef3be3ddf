//! POST, PUT, PATCH and DELETE of records: what they do, and why they don't.

mod world;

use std::sync::Arc;

use polydav_dav::{BatchOptions, Options};
use polydav_proto::batch::Limits;
use polydav_store::MemoryRecords;
use serde_json::{Value, json};
use world::tables::TABLES;
use world::{Made, World, named};

fn row(world: &World, url: &str) -> Value {
    let reply = world.ask(format!("GET {url}"));
    if reply.status == 404 { Value::Null } else { reply.json() }
}

#[test]
fn post_makes_a_row_and_says_where_it_is_rfc9110_9_3_3() {
    let world = World::of_records();
    let reply = world.ask("POST /person/\n\n{\"name\": \"Cy\", \"age\": 5}");
    assert_eq!(
        (reply.status, reply.header("location"), reply.bytes()),
        (201, "/person/3", &b""[..])
    );
    let read = world.ask("GET /person/3");
    assert_eq!(read.header("etag"), reply.header("etag"));
    let expected = json!({"id": 3, "name": "Cy", "age": 5, "active": true, "photo": null});
    assert_eq!(read.json(), expected);
    let named = world.ask("POST /person\n\n{\"id\": 70, \"name\": \"Di\"}");
    assert_eq!((named.status, named.header("location")), (201, "/person/70"));
}

#[test]
fn put_says_what_the_whole_row_is() {
    let world = World::of_records();
    let made = world.ask("PUT /person/9\n\n{\"name\": \"Cy\", \"age\": 5}");
    assert_eq!(
        (made.status, made.header("etag")),
        (201, world.ask("GET /person/9").header("etag"))
    );
    let changed = world.ask("PUT /person/9\n\n{\"id\": 9, \"name\": \"Cyd\", \"active\": null}");
    assert_eq!(changed.status, 204);
    assert_ne!(changed.header("etag"), made.header("etag"));
    let expected = json!({"id": 9, "name": "Cyd", "age": null, "active": null, "photo": null});
    assert_eq!(row(&world, "/person/9"), expected);
}

#[test]
fn patch_changes_the_columns_that_are_given_rfc7396() {
    let world = World::of_records();
    let reply = world.ask("PATCH /person/1\n\n{\"age\": 37, \"photo\": null}");
    assert_eq!((reply.status, reply.bytes()), (204, &b""[..]));
    assert_eq!(reply.header("etag"), world.ask("GET /person/1").header("etag"));
    let expected = json!({"id": 1, "name": "Ada", "age": 37, "active": true, "photo": null});
    assert_eq!(row(&world, "/person/1"), expected);
    assert_eq!(world.status("PATCH /person/1\n\n{}"), 204);
    assert_eq!(row(&world, "/person/1"), expected);
}

#[test]
fn delete_removes_a_row() {
    let world = World::of_records();
    assert_eq!(world.status("DELETE /person/2"), 204);
    assert_eq!(row(&world, "/person/2"), Value::Null);
    assert_eq!(world.status("DELETE /person/2"), 404);
    let referred = world.ask("DELETE /person/1");
    assert_eq!(referred.status, 409, "an order refers to it");
    referred.problem();
    assert_eq!(world.status("DELETE /person/"), 403);
}

/// Each with the column that is at fault.
#[test]
fn what_can_be_no_row_is_a_problem_that_names_the_column_rfc9457() {
    let world = World::of_records();
    for (text, status, column) in [
        ("POST /person/\n\n{}", 422, "name"),
        ("POST /person/\n\n{\"name\": null}", 422, "name"),
        ("POST /person/\n\n{\"name\": \"Cy\", \"age\": \"old\"}", 422, "age"),
        ("POST /person/\n\n{\"name\": \"Cy\", \"age\": -1}", 422, "age"),
        ("POST /person/\n\n{\"name\": \"Cy\", \"none\": 1}", 422, "none"),
        ("POST /person/\n\n{\"name\": \"Cy\", \"id\\\"; --\": 1}", 422, "id\"; --"),
        ("POST /person/\n\n{\"name\": \"Ada\"}", 409, "name"),
        ("POST /person/\n\n{\"name\": \"Cy\", \"id\": 1}", 409, "id"),
        ("POST /order/\n\n{\"buyer\": 9}", 409, "buyer"),
        ("PUT /person/1\n\n{\"name\": \"Bob\"}", 409, "name"),
        ("PUT /person/1\n\n{\"id\": 2, \"name\": \"Ada\"}", 422, "id"),
        ("PUT /person/x\n\n{\"name\": \"Cy\"}", 422, ""),
        ("PATCH /person/1\n\n{\"name\": null}", 422, "name"),
        ("PATCH /person/1\n\n{\"age\": 1.5}", 422, "age"),
        ("PATCH /person/1\n\n{\"id\": 3}", 422, "id"),
        ("PATCH /person/9\n\n{}", 404, ""),
        ("POST /none/\n\n{}", 404, ""),
        ("PUT /none/1\n\n{}", 409, ""),
        ("PUT /person/1/x\n\n{}", 409, ""),
        ("POST /fixed/\n\n{\"a\": \"y\"}", 403, ""),
        ("PATCH /fixed/x\n\n{}", 403, ""),
        ("DELETE /fixed/x", 403, ""),
    ] {
        let reply = world.ask(text);
        assert_eq!((reply.status, &*reply.problem()), (status, column), "{text}");
    }
    assert_eq!(world.ask("GET /person/").json().as_array().unwrap().len(), 2);
}

#[test]
fn what_is_no_json_object_is_refused() {
    let world = World::of_records();
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("{\"name\": \"Cy\"} x", 400),
        ("{\"name\": Cy}", 400),
        ("{\"name\": \"Cy\", \"name\": \"Di\"}", 400),
        ("{\"name\": \"\\ud800\"}", 400),
        ("name=Cy", 400),
        ("\"Cy\"", 422),
        ("null", 422),
        ("7", 422),
    ] {
        for request in ["POST /person/", "PUT /person/3", "PATCH /person/1"] {
            let reply = world.ask(format!("{request}\n\n{body}"));
            assert_eq!((reply.status, &*reply.problem()), (status, ""), "{request} {body}");
        }
    }
    let told = world.ask("POST /person/\n\n{\"name\":\n  Cy}");
    assert!(told.text().contains("the body: line 2, column 3: expected value"), "{}", told.text());
    assert_eq!(world.status("PUT /person/3\n\n[{\"name\": \"Cy\"}]"), 422, "one row is no array");
    assert_eq!(world.ask("GET /person/").json().as_array().unwrap().len(), 2);
}

/// A number keeps all its digits on its way to the store.
#[test]
fn numbers_are_not_rounded() {
    let world = World::of_records();
    let big = i64::MAX - 1;
    assert_eq!(world.status(format!("PATCH /person/1\n\n{{\"age\": {big}}}")), 204);
    assert!(world.ask("GET /person/1").text().contains(&format!("\"age\":{big},")));
    assert_eq!(world.status("PATCH /person/1\n\n{\"age\": 9223372036854775808}"), 422);
}

#[test]
fn whatever_curl_and_others_send_unasked_is_taken() {
    let world = World::of_records();
    for (index, kind) in [
        "",
        "application/json",
        "application/json; charset=utf-8",
        "application/merge-patch+json",
        "application/vnd.example+json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/octet-stream",
    ]
    .iter()
    .enumerate()
    {
        let field = if kind.is_empty() { String::new() } else { format!("\nContent-Type: {kind}") };
        let age = format!("{{\"age\": {index}}}");
        assert_eq!(world.status(format!("PATCH /person/1{field}\n\n{age}")), 204, "{kind}");
        assert_eq!(row(&world, "/person/1")["age"], index, "{kind}");
    }
    let mark = world.ask("PATCH /person/1\n\n\u{feff} {\"age\": 50}");
    assert_eq!((mark.status, &row(&world, "/person/1")["age"]), (204, &json!(50)));
}

#[test]
fn other_types_are_refused_rfc5789_2_2() {
    let world = World::of_records();
    for request in ["POST /person/", "PUT /person/3", "PATCH /person/1"] {
        for kind in ["application/xml", "text/csv", "application/json-patch+json", "image/png"] {
            let reply = world.ask(format!("{request}\nContent-Type: {kind}\n\n{{\"age\": 1}}"));
            assert_eq!(reply.status, 415, "{request} {kind}");
            let patches =
                if request.starts_with("PATCH") { "application/merge-patch+json" } else { "" };
            assert_eq!(reply.header("accept-patch"), patches, "{request}");
            reply.problem();
        }
        let coded = format!("{request}\nContent-Encoding: gzip\n\n{{}}");
        assert_eq!(world.status(coded), 415);
    }
}

#[test]
fn what_does_not_suit_is_405_and_says_what_does_rfc9110_15_5_6() {
    let world = World::of_records();
    let (row, table, tables) = (
        "OPTIONS, GET, HEAD, PUT, PATCH, DELETE, PROPFIND, PROPPATCH, LOCK, UNLOCK",
        "OPTIONS, GET, HEAD, POST, PATCH, PROPFIND, LOCK, UNLOCK",
        "OPTIONS, GET, HEAD, PROPFIND, LOCK, UNLOCK",
    );
    for (text, allowed) in [
        ("POST /person/1\n\n{}", row),
        ("POST /person/1\n\n[]", row),
        ("PATCH /person/1\n\n[]", row),
        ("PUT /person/1/\n\n{}", row),
        ("PUT /person\n\n{}", table),
        ("PATCH /person/\n\n{}", table),
        ("MKCOL /person/", table),
        ("POST /\n\n{}", tables),
        ("POST /\n\n[]", tables),
        ("PATCH /\n\n[]", tables),
        ("PATCH /\n\n{}", tables),
    ] {
        let reply = world.ask(text);
        assert_eq!((reply.status, reply.header("allow")), (405, allowed), "{text}");
        reply.problem();
    }
    for (text, status) in [
        ("MKCOL /new/", 403),
        ("COPY /person/1\nDestination: /person/3", 403),
        ("MOVE /person/1\nDestination: /person/3", 403),
    ] {
        assert_eq!(world.status(text), status, "{text}");
    }
}

#[test]
fn where_there_are_files_records_do_not_suit() {
    let world = World::new().given([polydav_store::kit::put("f", "x")]);
    for text in ["POST /f\n\n{}", "POST /\n\n{}", "POST /\n\n[]", "PATCH /f\n\n{}", "PATCH /\n\n[]"]
    {
        let reply = world.ask(text);
        assert_eq!(reply.status, 405, "{text}");
        assert!(reply.header("allow").contains("MKCOL"), "{text}");
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    }
    assert_eq!(world.status("PUT /g\nContent-Type: application/json\n\nnot JSON"), 201);
    assert_eq!(world.ask("OPTIONS /f").header("accept-patch"), "");
}

#[test]
fn options_tell_what_a_path_takes_rfc5789_3_1() {
    let world = World::of_records();
    for (target, allowed, patches) in [
        (
            "/person/1",
            "OPTIONS, GET, HEAD, PUT, PATCH, DELETE, PROPFIND, PROPPATCH, LOCK, UNLOCK",
            "application/merge-patch+json",
        ),
        (
            "/person/99",
            "OPTIONS, GET, HEAD, PUT, PATCH, DELETE, PROPFIND, PROPPATCH, LOCK, UNLOCK",
            "application/merge-patch+json",
        ),
        (
            "/person/",
            "OPTIONS, GET, HEAD, POST, PATCH, PROPFIND, LOCK, UNLOCK",
            "application/merge-patch+json",
        ),
        ("/", "OPTIONS, GET, HEAD, PROPFIND, LOCK, UNLOCK", ""),
    ] {
        let reply = world.ask(format!("OPTIONS {target}"));
        assert_eq!((reply.status, reply.header("allow")), (200, allowed), "{target}");
        assert_eq!(reply.header("accept-patch"), patches, "{target}");
        assert_eq!(reply.header("dav"), "1, 2, 3");
    }
    assert_eq!(world.ask("OPTIONS /batch-operation").header("allow"), "OPTIONS, GET, HEAD, POST");
    assert_eq!(world.status("PATCH /batch-operation\n\n{}"), 405);
}

#[test]
fn conditions_are_honoured_rfc9110_13() {
    let world = World::of_records();
    let etag = world.ask("GET /person/1").header("etag").to_owned();
    for (text, fields) in [
        ("PATCH /person/1", "If-Match: \"other\"".to_owned()),
        ("PUT /person/1", "If-Match: \"other\"".to_owned()),
        ("PUT /person/1", "If-None-Match: *".to_owned()),
        ("PUT /person/9", "If-Match: *".to_owned()),
        ("PATCH /person/1", format!("If-None-Match: {etag}")),
        ("PATCH /person/1", "If: ([\"other\"])".to_owned()),
        ("POST /person/", "If-Match: \"other\"".to_owned()),
        ("POST /person/", "If: </person/1> ([\"other\"])".to_owned()),
    ] {
        let reply = world.ask(format!("{text}\n{fields}\n\n{{\"name\": \"Cy\"}}"));
        assert_eq!(reply.status, 412, "{text} {fields}");
    }
    assert_eq!(world.status("DELETE /person/2\nIf-Match: \"other\""), 412);
    assert_eq!(world.status("PATCH /person/1\nIf-Match: x\n\n{}"), 400, "malformed is not absent");
    assert_eq!(row(&world, "/person/1")["name"], "Ada");
    let patch =
        |etag: &str| world.ask(format!("PATCH /person/1\nIf-Match: {etag}\n\n{{\"age\": 1}}"));
    let changed = patch(&etag);
    assert_eq!(changed.status, 204);
    assert_eq!(patch(&etag).status, 412, "it is another row by now");
    assert_eq!(patch(changed.header("etag")).status, 204);
    let tagged = format!("POST /person/\nIf: </person/2> (Not [{etag}])\n\n{{\"name\": \"Cy\"}}");
    assert_eq!(world.status(tagged), 201);
}

/// A condition of WebDAV stays what its clients read, also where problems are JSON.
#[test]
fn locks_of_rows_are_honoured_rfc4918_7() {
    let world = World::of_records();
    let token = world.lock_by(named("ann"), "/person/1", "exclusive", "0");
    for text in [
        "PATCH /person/1\n\n{\"age\": 1}",
        "PUT /person/1\n\n{\"name\": \"A\"}",
        "DELETE /person/1",
        "PROPPATCH /person/1\n\n<D:propertyupdate xmlns:D=\"DAV:\" xmlns:c=\"urn:polydav:columns:1\">\
         <D:set><D:prop><c:age>1</c:age></D:prop></D:set></D:propertyupdate>",
    ] {
        let reply = world.ask(text);
        assert_eq!((reply.status, &*reply.condition()), (423, "lock-token-submitted /person/1"));
    }
    assert_eq!(world.status("PATCH /person/2\n\n{\"age\": 1}"), 204);
    let with_token = format!("PATCH /person/1\nIf: (<{token}>)\n\n{{\"age\": 1}}");
    assert_eq!(world.status(&with_token), 423, "it is somebody else's");
    assert_eq!(world.ask_as(named("ann"), &with_token).status, 204);
}

/// RFC 4918 §7.3 has a LOCK make what isn't there; a row without values can't be made.
#[test]
fn a_row_that_is_not_there_is_not_locked() {
    let world = World::of_records();
    let reply = world.ask(format!("LOCK /person/9\n\n{}", world::info("exclusive")));
    assert_eq!(reply.status, 405);
    assert_eq!(world.status("GET /person/9"), 404);
}

#[test]
fn a_lock_of_a_table_forbids_new_rows() {
    let world = World::of_records();
    let token = world.lock_by(named("ann"), "/person/", "exclusive", "0");
    let post = "POST /person/\n\n{\"name\": \"Cy\"}";
    assert_eq!(world.status(post), 423);
    assert_eq!(world.status("PUT /person/3\n\n{\"name\": \"Cy\"}"), 423);
    assert_eq!(world.status("PATCH /person/1\n\n{\"age\": 1}"), 204, "a row itself isn't locked");
    let with_token = post.replacen("\n\n", &format!("\nIf: </person/> (<{token}>)\n\n"), 1);
    assert_eq!(world.ask_as(named("ann"), with_token).status, 201);
}

#[test]
fn a_key_to_send_it_again_is_not_taken_for_kept() {
    let world = World::of_records();
    for text in ["POST /person/", "PATCH /person/1"] {
        let reply = world.ask(format!("{text}\nIdempotency-Key: k\n\n{{\"name\": \"Cy\"}}"));
        assert_eq!(reply.status, 422, "{text}");
    }
    assert_eq!(row(&world, "/person/1")["name"], "Ada");
}

fn world_within(limits: Limits) -> World {
    let batch = BatchOptions { limits, ..BatchOptions::default() };
    World::of(Made {
        store: Arc::new(MemoryRecords::new(TABLES)),
        options: Options { batch, ..Options::default() },
        ..Made::default()
    })
}

#[test]
fn bodies_are_bounded() {
    let limits = Limits {
        content_bytes_max: 100,
        document_bytes_max: 200,
        depth_max: 3,
        fields_max: 4,
        items_max: 2,
        ..Limits::default()
    };
    let world = world_within(limits);
    let name = |length: usize| format!("{{\"name\": \"{}\"}}", "x".repeat(length));
    let deep = "{\"name\": [[[]]]}".to_owned();
    let wide = "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1}".to_owned();
    for body in [name(89), deep, wide] {
        for text in ["POST /person/", "PUT /person/3", "PATCH /person/1"] {
            assert_eq!(world.status(format!("{text}\n\n{body}")), 413, "{text} {body}");
        }
    }
    assert_eq!(world.status(format!("POST /person/\n\n{}", name(88))), 201);
    for body in [
        format!("[{}]", name(190)),
        "[{}, {}, {}]".to_owned(),
        "[{\"a\": [[]]}]".to_owned(),
        "[{\"a\":1,\"b\":1,\"c\":1},{\"a\":1,\"b\":1}]".to_owned(),
    ] {
        assert_eq!(world.status(format!("POST /person/\n\n{body}")), 413, "{body}");
        assert_eq!(world.status(format!("PATCH /person/\n\n{body}")), 413, "{body}");
    }
    assert_eq!(world.status(format!("POST /person/\n\n[{}]", name(180))), 207);
    let spaces = " ".repeat(101);
    assert_eq!(world.status(format!("POST /person/\n\n{spaces}{{}}")), 413);
}
