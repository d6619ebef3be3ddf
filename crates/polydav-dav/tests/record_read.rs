//! GET of records: a row, and collections of them in every form, page by page.
#![allow(clippy::unwrap_used)]

mod world;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use polydav_store::schema::{Access, Column, Table, Type};
use polydav_store::{
    Failure, FailureKind, Listed, MemoryRecords, Page, Principal, ResourcePath, Store, delegate,
};
use serde_json::json;
use world::{Reply, World, request};

const ADA: &str = r#"{"id":1,"name":"Ada","age":36,"active":true,"photo":"AP8="}"#;
const BOB: &str = r#"{"id":2,"name":"Bob","age":7,"active":false,"photo":""}"#;

#[test]
fn a_row_is_a_json_object() {
    let world = World::of_records();
    let reply = world.ask("GET /person/1");
    assert_eq!((reply.status, reply.text()), (200, ADA));
    for (name, value) in [
        ("content-type", "application/json"),
        ("content-length", &ADA.len().to_string()),
        ("last-modified", ""),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox"),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
    let head = world.ask("HEAD /person/1");
    assert_eq!((head.status, head.bytes()), (200, &b""[..]));
    for name in ["content-type", "content-length", "etag"] {
        assert_eq!(head.header(name), reply.header(name), "{name}");
    }
}

#[test]
fn a_row_is_read_as_a_file_is() {
    let world = World::of_records();
    let etag = world.ask("GET /person/1").header("etag").to_owned();
    for (fields, status) in [
        (format!("If-None-Match: {etag}"), 304),
        ("If-None-Match: \"other\"".to_owned(), 200),
        (format!("If-Match: {etag}"), 200),
        ("If-Match: \"other\"".to_owned(), 412),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT".to_owned(), 200),
        ("Range: bytes=0-5".to_owned(), 206),
        (format!("Range: bytes=0-5\nIf-Range: {etag}"), 206),
        ("Range: bytes=1000-".to_owned(), 416),
    ] {
        assert_eq!(world.status(format!("GET /person/1\n{fields}")), status, "{fields}");
    }
    assert_eq!(world.ask("GET /person/1\nRange: bytes=1-6").text(), "\"id\":1");
    let several = world.ask("GET /person/1\nRange: bytes=0-0, 58-58");
    assert!(several.text().contains("Content-Type: application/json\r\n"), "{}", several.text());
}

#[test]
fn a_row_that_is_not_there_is_a_problem_in_json() {
    let world = World::of_records();
    for target in ["/person/9", "/person/01", "/person/x", "/none", "/none/1", "/person/1/x"] {
        let reply = world.ask(format!("GET {target}"));
        assert_eq!((reply.status, &*reply.problem()), (404, ""), "{target}");
    }
}

/// Names come to be parts of statements elsewhere; here they name nothing.
#[test]
fn a_name_that_looks_like_a_statement_names_nothing() {
    let world = World::of_records();
    for target in [
        "/person/1%20OR%201=1",
        "/person/1;DROP%20TABLE%20person",
        "/person%22;--/1",
        "/person'/1",
        "/sqlite_master",
        "/person/%27%27",
    ] {
        assert_eq!(world.status(format!("GET {target}")), 404, "{target}");
        assert_eq!(world.status(format!("DELETE {target}")), 404, "{target}");
    }
    for query in ["id%22=1", "1=1", "name%27%20OR%201=1", "rowid=1"] {
        assert_eq!(world.status(format!("GET /person/?{query}")), 422, "{query}");
    }
    let statement = world.ask("GET /person/?name=%27%20OR%20%27a%27=%27a");
    assert_eq!((statement.status, statement.json()), (200, json!([])));
    assert_eq!(world.ask("GET /person/").json().as_array().unwrap().len(), 2);
}

#[test]
fn keys_of_all_kinds_have_a_url() {
    let world = World::of_records();
    for (key, name) in [
        ("a,b", "a%252Cb"),
        ("a/b", "a%252Fb"),
        ("50%", "50%2525"),
        ("", "%25"),
        ("ü é", "%C3%BC%20%C3%A9"),
        ("..", "%252E%252E"),
        ("a&b=c+d;e", "a%26b=c%2Bd%3Be"),
        ("?#", "%3F%23"),
    ] {
        let record = json!({ "key": key });
        let reply = world.ask(format!("POST /odd/\n\n{record}"));
        let url = format!("/odd/{name}");
        assert_eq!((reply.status, reply.header("location")), (201, &*url), "{key}");
        assert_eq!(world.ask(format!("GET {url}")).json()["key"], key);
        let told = world.ask("PROPFIND /odd/\nDepth: 1").hrefs();
        assert!(told.contains(&url), "{key}: {told:?}");
        assert_eq!(world.status(format!("DELETE {url}")), 204, "{key}");
    }
    assert_eq!(world.ask("GET /pair/x,1").json(), json!({"a": "x", "b": 1}));
    assert_eq!(world.status("GET /pair/x%2C1"), 200, "it is the same URL");
    assert_eq!(world.status("GET /pair/x"), 404);
}

#[test]
fn a_collection_is_an_array_unless_asked_otherwise() {
    let world = World::of_records();
    let array = format!("[\n{ADA},\n{BOB}\n]\n");
    for accept in ["", "Accept: */*", "Accept: application/json", "Accept: image/png"] {
        let reply = world.ask(format!("GET /person/\n{accept}"));
        assert_eq!((reply.status, reply.text()), (200, &*array), "{accept}");
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("vary"), "accept");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("content-security-policy"), "sandbox");
    }
    assert_eq!(world.ask("GET /odd/").text(), "[]\n");
}

#[test]
fn a_collection_as_lines() {
    let world = World::of_records();
    let reply = world.ask("GET /person/\nAccept: application/x-ndjson");
    assert_eq!(reply.text(), format!("{ADA}\n{BOB}\n"));
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    assert_eq!(world.ask("GET /odd/\nAccept: application/x-ndjson").text(), "");
}

#[test]
fn a_collection_as_csv_rfc4180() {
    let world = World::of_records();
    assert_eq!(world.status("PATCH /person/2\n\n{\"age\": null}"), 204);
    let reply = world.ask("GET /person/\nAccept: text/csv");
    let lines = "id,name,age,active,photo\r\n1,Ada,36,true,AP8=\r\n2,Bob,,false,\"\"\r\n";
    assert_eq!(reply.text(), lines);
    assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8; header=present");
    let quoted = world.ask("GET /order/\nAccept: text/csv");
    assert_eq!(quoted.text(), "id,buyer,first note\r\n1,1,\"a, \"\"b\"\"\r\nc\"\r\n");
}

#[test]
fn a_collection_as_a_page_for_people() {
    let world = World::of_records();
    let browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8";
    let page = world.ask(format!("GET /person/\n{browser}"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("vary"), "accept");
    assert!(page.text().contains("<a href=\"/person/1\">1</a>"), "{}", page.text());
    let asked = world.ask(format!("GET /person/?limit=1\n{browser}"));
    assert_eq!(asked.header("content-type"), "application/json", "a page has no query");
}

#[test]
fn the_tables_are_listed_too() {
    let world = World::of_records();
    let tables = world.ask("GET /").json();
    let names: Vec<_> = tables.as_array().unwrap().iter().map(|table| &table["table"]).collect();
    assert_eq!(names, ["fixed", "odd", "order", "pair", "person"]);
}

#[test]
fn head_of_a_collection_says_what_get_would() {
    let world = World::of_records();
    let (get, head) = (world.ask("GET /person/?limit=1"), world.ask("HEAD /person/?limit=1"));
    assert_eq!((head.status, head.bytes()), (200, &b""[..]));
    let sent = request("HEAD /person/");
    let response = world.runtime.block_on(world.dav.call(sent, Principal::Anonymous));
    assert_eq!(response.body().size_hint().exact(), None, "it isn't known, and not nothing");
    for name in ["content-type", "link", "vary"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(world.status("HEAD /person/?limit=0"), 400);
}

#[test]
fn without_its_slash_a_collection_says_where_it_is_rfc4918_5_2() {
    let world = World::of_records();
    assert_eq!(world.ask("GET /person").header("content-location"), "/person/");
    assert_eq!(world.ask("GET /person/").header("content-location"), "");
    assert_eq!(world.ask("GET /person").json().as_array().unwrap().len(), 2);
}

fn next(reply: &Reply) -> Option<String> {
    let link = reply.header("link").strip_prefix('<')?;
    let (target, rest) = link.split_once('>').unwrap();
    assert_eq!(rest, "; rel=\"next\"");
    Some(target.to_owned())
}

#[test]
fn pages_follow_one_another_rfc8288() {
    let world = World::of_records();
    let more: Vec<_> = (3..=7).map(|id| json!({"id": id, "name": format!("p{id}")})).collect();
    world.ask(format!("POST /person/\n\n{}", json!(more)));
    let mut target = Some("/person/?limit=3&active=true".to_owned());
    let mut pages = Vec::new();
    while let Some(asked) = target {
        let reply = world.ask(format!("GET {asked}"));
        let rows = reply.json();
        let ids = rows.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap());
        pages.push(ids.collect::<Vec<_>>());
        target = next(&reply);
        if let Some(next) = &target {
            assert!(next.starts_with("/person/?limit=3&cursor="), "{next}");
            assert!(next.ends_with("&active=true"), "{next}");
        }
    }
    assert_eq!(pages, [vec![1, 3, 4], vec![5, 6, 7]]);
    assert_eq!(next(&world.ask("GET /person/")), None);
}

#[test]
fn cursors_and_filters_are_encoded_in_links() {
    let world = World::of_records();
    for key in ["a&b", "c+d"] {
        let record = json!({"key": key, "": "x y&z"});
        assert_eq!(world.status(format!("POST /odd/\n\n{record}")), 201);
    }
    let first = world.ask("GET /odd/?limit=1&=x+y%26z");
    let link = next(&first).unwrap();
    assert_eq!(link, "/odd/?limit=1&cursor=a%26b&=x%20y%26z");
    let second = world.ask(format!("GET {link}"));
    assert_eq!((second.json()[0]["key"].as_str(), next(&second)), (Some("c+d"), None));
}

#[test]
fn a_filter_is_read_as_its_column_is() {
    let world = World::of_records();
    for (query, ids) in [
        ("id=2", vec![2]),
        ("name=Ada", vec![1]),
        ("active=false&age=7", vec![2]),
        ("active=true&age=7", vec![]),
        ("photo=AP8%3D", vec![1]),
        ("", vec![1, 2]),
    ] {
        let rows = world.ask(format!("GET /person/?{query}")).json();
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.iter().map(|row| &row["id"]).collect::<Vec<_>>(), ids, "{query}");
    }
}

#[test]
fn a_query_that_asks_for_what_cannot_be_is_refused() {
    let world = World::of_records();
    for (query, status) in [
        ("limit=0", 400),
        ("limit=-1", 400),
        ("limit=1.5", 400),
        ("limit=", 400),
        ("limit=99999999999999999999", 400),
        ("limit=1&limit=2", 400),
        ("name=a&n%61me=b", 400),
        ("limit", 400),
        ("name=%", 400),
        ("name=%ff", 400),
        ("none=1", 422),
        ("age=old", 422),
        ("cursor=x", 422),
    ] {
        let reply = world.ask(format!("GET /person/?{query}"));
        assert_eq!(reply.status, status, "{query}: {}", reply.text());
        reply.problem();
    }
    assert_eq!(world.ask("GET /person/?age=old").problem(), "age");
}

/// Elsewhere a query is what it always was.
#[test]
fn nothing_else_has_a_query() {
    let world = World::of_records();
    for text in [
        "GET /person/1?a=b",
        "GET /none?a=b",
        "GET /batch-operation?a=b",
        "PUT /person/1?a=b\n\n{}",
        "POST /person/?a=b\n\n{}",
        "DELETE /person/1?a=b",
        "PROPFIND /person/?a=b",
    ] {
        let reply = world.ask(text);
        assert_eq!(reply.status, 400, "{text}");
        assert!(reply.text().contains("expected no query"), "{text}: {}", reply.text());
    }
}

#[test]
fn conditions_of_a_collection_count() {
    let world = World::of_records();
    assert_eq!(world.status("GET /person/\nIf-None-Match: *"), 304);
    assert_eq!(world.status("GET /person/\nIf-None-Match: \"a\""), 200);
    assert_eq!(world.status("GET /person/\nIf-Match: \"a\""), 412);
    assert_eq!(world.status("GET /person/\nIf-Match: *"), 200);
}

/// A table of very many rows of a kilobyte; after some of them, it may fail.
struct Long {
    under: MemoryRecords,
    fails_after: usize,
    told: Arc<AtomicUsize>,
}

const TABLE: &[Table] = &[Table {
    name: "t",
    columns: &[Column::new("a", Type::Text)],
    key: &["a"],
    access: Access::Write,
    rows: &[],
}];

impl Long {
    const ROWS: usize = 10_000;

    fn world(fails_after: usize) -> (World, Arc<AtomicUsize>) {
        let told = Arc::new(AtomicUsize::new(0));
        let under = MemoryRecords::new(TABLE);
        (World::over(Arc::new(Self { under, fails_after, told: told.clone() })), told)
    }
}

impl Store for Long {
    delegate!(this => this.under; capabilities, stat, walk, read, locate, stage, apply, space);

    fn list(
        &self,
        collection: &ResourcePath,
        _: &Page,
        visit: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        if visit(Listed::Head { columns: vec!["a".into()], next: None }).is_break() {
            return Ok(());
        }
        let record = Bytes::from(format!("{{\"a\":\"{}\"}}", "x".repeat(1000)));
        for index in 0..Self::ROWS {
            if index == self.fails_after {
                return Err(Failure::new(FailureKind::Busy, collection.clone()));
            }
            self.told.fetch_add(1, Ordering::Relaxed);
            if visit(Listed::Record(record.clone())).is_break() {
                break;
            }
        }
        Ok(())
    }
}

#[test]
fn a_long_listing_is_whole() {
    let (world, _) = Long::world(usize::MAX);
    for (form, breaks) in
        [("application/json", Long::ROWS + 2), ("application/x-ndjson", Long::ROWS)]
    {
        let reply = world.ask(format!("GET /t/\nAccept: {form}"));
        assert_eq!(reply.text().matches('\n').count(), breaks, "{form}");
    }
    assert_eq!(world.ask("GET /t/").json().as_array().unwrap().len(), Long::ROWS);
}

/// A client that reads slowly holds a few portions of 64 KiB, however long the table is.
#[test]
fn a_listing_waits_for_its_reader() {
    let (world, told) = Long::world(usize::MAX);
    world.runtime.block_on(async {
        let response = world.dav.call(request("GET /t/"), Principal::Anonymous).await;
        let mut body = response.into_body();
        body.frame().await.unwrap().unwrap();
        assert!(told.load(Ordering::Relaxed) < 500, "{told:?}");
    });
    let before = told.load(Ordering::Relaxed);
    assert_eq!(world.status("HEAD /t/"), 200);
    assert!(told.load(Ordering::Relaxed) < before + 500, "who hung up is told no more");
}

#[test]
fn a_failure_before_the_first_byte_is_an_answer() {
    let (world, _) = Long::world(0);
    let reply = world.ask("GET /t/");
    assert_eq!((reply.status, reply.header("retry-after")), (503, "2"));
    reply.problem();
    let (world, _) = Long::world(10);
    assert_eq!(world.status("GET /t/"), 503, "nothing was sent yet");
}

#[test]
fn a_failure_after_the_first_byte_breaks_the_answer_off() {
    let (world, _) = Long::world(5_000);
    for form in ["application/json", "application/x-ndjson", "text/csv"] {
        let reply = world.ask(format!("GET /t/\nAccept: {form}"));
        assert_eq!((reply.status, reply.body), (200, None), "{form}");
    }
}
