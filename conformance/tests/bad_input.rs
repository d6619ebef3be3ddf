//! Bad input of every kind: a clear 4xx, nothing changed, memory bounded, and soon.

use std::fs;
use std::time::{Duration, Instant};

use conformance::folder::{Tree, assert_same};
use conformance::http::{self, Response};
use conformance::{Database, Folder, Server, require};

/// Far more than any of these needs on a busy machine, far less than work that grows would take.
const SOON: Duration = Duration::from_secs(5);

/// What the server may ever have held in memory, with everything this suite sends.
const PEAK_KIB_MAX: u64 = 96 * 1024;

const LOCKINFO: &str = "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope>\
                        <D:locktype><D:write/></D:locktype></D:lockinfo>";
const UPDATE: &str = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><a>1</a></D:prop></D:set>\
                      </D:propertyupdate>";
const PROPFIND: &str = "<D:propfind xmlns:D=\"DAV:\"><D:prop><D:getetag/></D:prop></D:propfind>";
const BATCH: &str = "<batch xmlns=\"urn:polydav:batch:1\"><delete href=\"/a\"/></batch>";
const JSON: &str = r#"{"mode": "stop", "operations": [{"op": "delete", "href": "/a"}]}"#;

/// What each reader of XML reads when all is well.
const READERS: [(&str, &str); 4] = [
    ("PROPFIND /a", PROPFIND),
    ("PROPPATCH /a", UPDATE),
    ("LOCK /a", LOCKINFO),
    ("POST /batch-operation", BATCH),
];

/// A server over a folder in which nothing may change.
struct World {
    folder: Folder,
    server: Server,
    before: Tree,
}

impl World {
    fn new() -> Option<Self> {
        if !require(&[]) {
            return None;
        }
        let folder = Folder::new();
        folder.write("a", "a").write("c/b", "b").make_folder("empty");
        let before = folder.tree();
        let server = Server::serve(&folder);
        Some(Self { folder, server, before })
    }

    /// Sends a request; the answer must be a 4xx with a sentence, and come soon.
    #[track_caller]
    fn refused(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let begun = Instant::now();
        let (method, target) = line.split_once(' ').expect("a method and a target");
        let response = http::send(&self.server, method, target, headers, body);
        let (status, took) = (response.status, begun.elapsed());
        let shown = format!("{line} {headers:?} {:.200?}", String::from_utf8_lossy(body));
        assert!((400..500).contains(&status), "{status} for {shown}");
        let says = if method == "HEAD" { 9 } else { response.body.len() };
        assert!(says > 8, "{status} says nothing for {shown}");
        assert!(took < SOON, "{took:?} for {shown}");
        response
    }

    /// The same, with that status and these words.
    #[track_caller]
    fn says(&self, line: &str, headers: &[(&str, &str)], body: &[u8], status: u16, words: &str) {
        let response = self.refused(line, headers, body);
        let text = String::from_utf8_lossy(&response.body);
        let shown = format!("{line} {headers:?} {:.200?}", String::from_utf8_lossy(body));
        assert_eq!(response.status, status, "{text} for {shown}");
        assert!(text.contains(words), "no {words:?} in {text:?} for {shown}");
    }

    /// Nothing was changed, and little memory used.
    #[track_caller]
    fn end(self) {
        assert_same(&self.before, &self.folder.tree());
        let answer = http::send(&self.server, "GET", "/a", &[], b"");
        assert_eq!((answer.status, answer.text()), (200, "a"), "it still serves");
        let locks = http::send(&self.server, "PUT", "/a", &[], b"b");
        assert_eq!(locks.status, 204, "nothing is locked");
        let peak = self.memory_kib("VmHWM");
        assert!(peak < PEAK_KIB_MAX, "it had {peak} KiB in memory");
    }

    fn memory_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.id()));
        let status = status.expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let words = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        words.expect("the kernel tells of the memory")
    }
}

#[test]
fn malformed_header_fields() {
    let Some(world) = World::new() else { return };
    let own = format!("http://{}/x", world.server.host());
    for (line, name, value, status, words) in [
        ("PROPFIND /", "Depth", "2", 400, "Depth: expected 0, 1 or infinity"),
        ("PROPFIND /", "Depth", "", 400, "Depth"),
        ("PROPFIND /", "Depth", "infinity, noroot!", 400, "Depth"),
        ("COPY /c/", "Depth", "1", 400, "Depth"),
        ("COPY /a", "Overwrite", "true", 400, "Destination"),
        ("COPY /a", "Destination", "", 400, "Destination"),
        ("COPY /a", "Destination", "x", 400, "Destination"),
        ("COPY /a", "Destination", "http://", 400, "Destination"),
        ("COPY /a", "Destination", "http://[::1/x", 400, "Destination"),
        ("COPY /a", "Destination", "/x y%", 400, "Destination"),
        ("COPY /a", "Destination", "/%00", 400, "Destination"),
        ("COPY /a", "Destination", "/x\\y", 400, "Destination"),
        ("COPY /a", "Destination", "/x/../../y", 400, "Destination"),
        ("COPY /a", "Destination", "/x?y", 400, "Destination"),
        ("COPY /a", "Destination", "/x#y", 400, "Destination"),
        ("COPY /a", "Destination", "http://elsewhere.example/x", 502 - 102, ""),
        ("MOVE /c/", "Depth", "0", 400, "Depth"),
        ("DELETE /c/", "Depth", "0", 400, "Depth"),
        ("DELETE /a", "If", "", 400, "If"),
        ("DELETE /a", "If", "(", 400, "If"),
        ("DELETE /a", "If", "()", 400, "If"),
        ("DELETE /a", "If", "(<no-scheme>)", 400, "If"),
        ("DELETE /a", "If", "([\"x\")", 400, "If"),
        ("DELETE /a", "If", "(Not)", 400, "If"),
        ("DELETE /a", "If", "<http://x", 400, "If"),
        ("DELETE /a", "If", "</a>", 400, "If"),
        ("DELETE /a", "If", "(<urn:a>) </a> (<urn:b>)", 400, "If"),
        ("DELETE /a", "If-Match", "x", 400, "If-Match"),
        ("DELETE /a", "If-Match", "\"x", 400, "If-Match"),
        ("DELETE /a", "If-Match", "*, \"x\"", 400, "If-Match"),
        ("DELETE /a", "If-None-Match", "\"x\" \"y\"", 400, "If-None-Match"),
        ("LOCK /a", "Timeout", "soon", 400, "Timeout"),
        ("LOCK /a", "Timeout", "Second-", 400, "Timeout"),
        ("LOCK /a", "Depth", "1", 400, ""),
        ("UNLOCK /a", "Lock-Token", "", 400, "Lock-Token"),
        ("UNLOCK /a", "Lock-Token", "<>", 400, "Lock-Token"),
        ("UNLOCK /a", "Lock-Token", "<urn:x", 400, "Lock-Token"),
        ("PUT /x", "Content-Range", "bytes 0-1/2", 400, "Content-Range"),
        ("PUT /x", "Content-Encoding", "gzip", 415, "Content-Encoding"),
        ("PUT /x", "X-OC-Mtime", "-1e99", 400, "X-OC-Mtime"),
        ("PROPFIND /", "Content-Encoding", "gzip", 415, "Content-Encoding"),
        ("PROPPATCH /a", "Content-Encoding", "br", 415, "Content-Encoding"),
        ("LOCK /a", "Content-Encoding", "deflate", 415, "Content-Encoding"),
        ("POST /batch-operation", "Content-Encoding", "gzip", 415, "Content-Encoding"),
        ("POST /batch-operation", "Content-Type", "text/html", 415, "text/html"),
        ("POST /batch-operation", "Idempotency-Key", "\"", 400, "Idempotency-Key"),
    ] {
        if value == "http://elsewhere.example/x" {
            let response = http::send(&world.server, "COPY", "/a", &[(name, value)], b"");
            assert_eq!(response.status, 502);
            continue;
        }
        world.says(line, &[(name, value)], b"", status, words);
    }
    world.says("COPY /a", &[("Destination", &own), ("Overwrite", "true")], b"", 400, "Overwrite");
    world.end();
}

/// One field line too many is as bad as a malformed one: it could be read in two ways.
#[test]
fn header_fields_that_stand_twice() {
    let Some(world) = World::new() else { return };
    for (line, name, first, second) in [
        ("COPY /a", "Destination", "/x", "/y"),
        ("COPY /a", "Overwrite", "F", "T"),
        ("DELETE /c/", "Depth", "infinity", "0"),
        ("UNLOCK /a", "Lock-Token", "<urn:a>", "<urn:b>"),
    ] {
        let mut headers = vec![(name, first), (name, second)];
        if name == "Overwrite" {
            headers.push(("Destination", "/x"));
        }
        world.says(line, &headers, b"", 400, name);
    }
    world.end();
}

#[test]
fn paths_that_lead_elsewhere() {
    let Some(world) = World::new() else { return };
    for path in [
        "/..",
        "/../x",
        "/../../etc/passwd",
        "/c/../a",
        "/c/./b",
        "/.",
        "/%2e%2e/x",
        "/%2E%2e/x",
        "/.%2e/x",
        "/%2e./x",
        "/c/%2e/b",
        "/c/%2e%2e%2fa",
        "/c%2fb",
        "/c%2Fb",
        "/c%5Cb",
        "/..%5cx",
        "/a%00",
        "/%00",
        "/%",
        "/a%",
        "/a%2",
        "/a%zz",
        "/a%u0061",
        "//a",
        "/c//b",
        "/c/b//",
    ] {
        for method in ["GET", "PUT", "DELETE", "MKCOL", "PROPFIND", "PROPPATCH", "LOCK", "HEAD"] {
            let response = world.refused(&format!("{method} {path}"), &[], b"");
            assert_eq!(response.status, 400, "{method} {path}");
        }
        for method in ["COPY", "MOVE"] {
            world.says(&format!("{method} /a"), &[("Destination", path)], b"", 400, "Destination");
        }
        let batch =
            format!("<batch><delete href=\"{path}\"/><move href=\"/a\" dest=\"{path}\"/></batch>");
        let answer = http::send(&world.server, "POST", "/batch-operation", &[], batch.as_bytes());
        assert_eq!(answer.status, 207, "{path}");
        let statuses = conformance::batch::parse(answer.text()).statuses();
        assert_eq!(statuses, [400, 400], "{path}");
    }
    // Decoded once, and no more: this is a name like any other.
    let twice = http::send(&world.server, "GET", "/%252e%252e/%252e%252e/etc/passwd", &[], b"");
    assert_eq!(twice.status, 404);
    world.end();
}

/// Request lines that a client can't write by accident.
#[test]
fn broken_request_lines() {
    let Some(world) = World::new() else { return };
    let host = world.server.host().to_owned();
    for line in [
        "DELETE /c/#x HTTP/1.1",
        "DELETE /c/b#x HTTP/1.1",
        "DELETE /c\\b HTTP/1.1",
        "DELETE  /a HTTP/1.1",
        "DELETE /a",
        "DELETE /a b HTTP/1.1",
        "DELETE a HTTP/1.1",
        "DELETE /a HTTP/9.9",
        "DELETE /\u{1} HTTP/1.1",
        "DELETE * HTTP/1.1",
        "DELETE http://elsewhere.example/a HTTP/1.1",
        "DEL\u{7f}ETE /a HTTP/1.1",
    ] {
        let request = format!("{line}\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = http::broken_off(world.server.address(), request.as_bytes());
        let status = answer.map_or(400, |answer| answer.status);
        assert!((400..=505).contains(&status), "{status} for {line:?}");
    }
    for headers in [
        "Host: elsewhere.example\r\n".to_owned(),
        String::new(),
        format!("Host: {host}\r\nHost: {host}\r\n"),
        format!("Host: {host}\r\nOrigin: http://elsewhere.example\r\n"),
        format!("Host: {host}\r\nOrigin: null\r\n"),
        format!("Host: {host}\r\nSec-Fetch-Site: cross-site\r\n"),
        format!("Host: {host}\r\nSec-Fetch-Site: same-site\r\n"),
        format!("Host: {host}\r\nNo-Colon\r\n"),
        format!("Host: {host}\r\nA: b\r\n continued\r\n"),
        format!("Host: {host}\r\nLong: {}\r\n", "x".repeat(2_000_000)),
        format!("Host: {host}\r\n{}", "A: b\r\n".repeat(100_000)),
    ] {
        let request = format!("DELETE /a HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        let answer = http::broken_off(world.server.address(), request.as_bytes());
        let status = answer.map_or(400, |answer| answer.status);
        assert!((400..500).contains(&status), "{status} for {headers:.100?}");
    }
    world.end();
}

/// A body that isn't as long as it was said: nothing of it is published.
#[test]
fn bodies_of_another_length() {
    let Some(world) = World::new() else { return };
    let host = world.server.host();
    for (headers, body) in [
        ("Content-Length: 100\r\n", "short"),
        ("Content-Length: 100000000\r\n", "short"),
        ("Content-Length: 18446744073709551616\r\n", "x"),
        ("Content-Length: -1\r\n", "x"),
        ("Content-Length: +1\r\n", "x"),
        ("Content-Length: 1e3\r\n", "x"),
        ("Content-Length: one\r\n", "x"),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", "xy"),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "1\r\nx\r\n0\r\n\r\n"),
        ("Transfer-Encoding: gzip, chunked\r\n", "1\r\nx\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "5\r\nxy"),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked\r\n", "zz\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "-5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\nhello"),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhelloXX0\r\n\r\n"),
    ] {
        for target in ["/new", "/a"] {
            let head = format!("PUT {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
            let request = format!("{head}{headers}\r\n{body}");
            let answer = http::broken_off(world.server.address(), request.as_bytes());
            let status = answer.map_or(400, |answer| answer.status);
            assert!((400..=501).contains(&status), "{status} for {headers:?} {body:?}");
        }
    }
    world.end();
}

/// Each document, cut at every byte.
#[test]
fn truncated_documents() {
    let Some(world) = World::new() else { return };
    for (line, document) in READERS {
        for length in 1..document.len() {
            world.refused(line, &[], &document.as_bytes()[..length]);
        }
    }
    for length in 0..JSON.len() {
        world.refused("POST /batch-operation", &[], &JSON.as_bytes()[..length]);
    }
    world.end();
}

#[test]
fn malformed_xml() {
    let Some(world) = World::new() else { return };
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let attributes: String = (0..10_000).map(|n| format!(" a{n}=\"\"")).collect();
    let declarations: String = (0..10_000).map(|n| format!(" xmlns:a{n}=\"urn:{n}\"")).collect();
    let bomb = "<!DOCTYPE a [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">\
                <!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><a>&c;</a>";
    let external = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>";
    let documents: Vec<Vec<u8>> = [
        "<",
        "<a",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>text",
        "text<a/>",
        "<a b=1/>",
        "<a b='1' b='2'/>",
        "<a:b/>",
        "<a b:c=''/>",
        "<a>&none;</a>",
        "<a>&#0;</a>",
        "<a>&#xFFFFFFFFF;</a>",
        "<a>\u{1}</a>",
        "<a b='<'/>",
        "<a>]]></a>",
        "<!-- -- --><a/>",
        "<?xml version='1.0' encoding='utf-7'?><a/>",
        "<?xml version='9'?><a/>",
        "<1/>",
        "< a/>",
        "<a xmlns:b=''/>",
        "<a xmlns:xml='urn:x'/>",
        bomb,
        external,
        "<!DOCTYPE html><a/>",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([
        deep.into_bytes(),
        format!("<a{attributes}/>").into_bytes(),
        format!("<a{declarations}/>").into_bytes(),
        format!("<{}/>", "a".repeat(500_000)).into_bytes(),
        b"<a>\xff</a>".to_vec(),
        b"<a>\xc0\xaf</a>".to_vec(),
        b"\xff\xfe<\x00a\x00".to_vec(),
        b"\x00\x00\x00<".to_vec(),
    ])
    .collect();
    for (line, _) in READERS {
        for document in &documents {
            world.refused(line, &[("Content-Type", "application/xml")], document);
        }
    }
    for (line, _) in READERS.iter().filter(|(line, _)| !line.starts_with("POST")) {
        world.says(line, &[], bomb.as_bytes(), 403, "no-external-entities");
    }
    let document = b"<D:propfind xmlns:D='DAV:'>\n <D:prop></D:propfind>";
    world.says("PROPFIND /a", &[], document, 400, "line 2, column 10");
    world.end();
}

#[test]
fn malformed_json() {
    let Some(world) = World::new() else { return };
    let deep = "[".repeat(100_000);
    let objects = "{\"operations\":".repeat(100_000);
    for document in [
        "{",
        "[",
        "[{}]",
        "[[]]",
        "[1]",
        "[null]",
        "{}",
        "{\"operations\": {}}",
        "{\"operations\": []} x",
        "[{\"op\": \"delete\"}]",
        "[{\"href\": \"/a\"}]",
        "[{\"op\": 1, \"href\": \"/a\"}]",
        "[{\"op\": \"delete\", \"href\": 1}]",
        "[{\"op\": \"delete\", \"op\": \"put\", \"href\": \"/a\"}]",
        "[{\"op\": \"delete\", \"href\": \"/a\", \"tokens\": \"x\"}]",
        "[{\"op\": \"delete\", \"href\": \"\\ud800\"}]",
        "[{\"op\": \"delete\", \"href\": \"\u{1}\"}]",
        "{\"mode\": \"stop\", \"mode\": \"stop\", \"operations\": []}",
        "[1e999]",
        "[{'op': 1}]",
        "[{\"op\": \"put\", \"href\": \"/x\", \"content\": \"\", \"contentBase64\": \"\"}]",
        "{\"operations\": [{\"op\": \"delete\", \"href\": \"/a\"}], \"strict\": \"yes\"}",
        &deep,
        &objects,
    ] {
        world.refused(
            "POST /batch-operation",
            &[("Content-Type", "application/json")],
            document.as_bytes(),
        );
    }
    world.refused("POST /batch-operation", &[], b"[{\"op\": \"delete\", \"href\": \"/\xff\"}]");
    world.end();
}

#[test]
fn too_much() {
    let Some(world) = World::new() else { return };
    let space = vec![b' '; 20 << 20];
    for (line, _) in READERS {
        world.says(line, &[("Content-Type", "application/xml")], &space, 413, "bytes");
    }
    let items = |count: usize| format!("<batch>{}</batch>", "<delete href='/none'/>".repeat(count));
    world.says("POST /batch-operation", &[], items(10_001).as_bytes(), 413, "10000");
    let json = format!("[{}]", vec!["{\"op\": \"delete\", \"href\": \"/none\"}"; 10_001].join(","));
    world.says("POST /batch-operation", &[], json.as_bytes(), 413, "10000");
    let inline = format!("<batch><put href='/x'>{}</put></batch>", "x".repeat(9 << 20));
    world.says("POST /batch-operation", &[], inline.as_bytes(), 413, "bytes");
    let names: String = (0..20_000).map(|n| format!("<a{n}/>")).collect();
    let names = format!("<propfind xmlns='DAV:'><prop>{names}</prop></propfind>");
    world.refused("PROPFIND /", &[("Depth", "infinity")], names.as_bytes());
    let owner = LOCKINFO.replace(
        "</D:lockinfo>",
        &format!("<D:owner>{}</D:owner></D:lockinfo>", "x".repeat(100_000)),
    );
    let answer = http::send(&world.server, "LOCK", "/a", &[], owner.as_bytes());
    assert!((400..=503).contains(&answer.status), "an owner of 100,000 bytes: {}", answer.status);
    for length in [256, 5_000, 60_000] {
        let path = format!("/{}", "x".repeat(length));
        world.refused(&format!("PUT {path}"), &[], b"x");
        world.refused(&format!("MKCOL {path}"), &[], b"");
        world.refused("COPY /a", &[("Destination", &path)], b"");
    }
    let steps = format!("/{}", "x/".repeat(30_000));
    world.refused(&format!("MKCOL {steps}"), &[], b"");
    let lists = "(<urn:a>)".repeat(6_000);
    world.refused("DELETE /a", &[("If", &lists)], b"");
    world.end();
}

/// A document within its limits, of which each byte would have taken a thousand in memory.
#[test]
fn conditions_that_multiply() {
    let Some(world) = World::new() else { return };
    let long = "/x".repeat(2_000);
    let state = format!("<{long}> {}", r#"([\"t\"])"#.repeat(1_000));
    let batch = |count: usize| {
        let item = format!(r#"{{"op": "delete", "href": "/a", "if": "{state}"}}"#);
        format!("[{}]", vec![item; count].join(","))
    };
    let most = http::send(&world.server, "POST", "/batch-operation", &[], batch(100).as_bytes());
    assert_eq!(most.status, 207, "{:.200}", most.text());
    world.says("POST /batch-operation", &[], batch(400).as_bytes(), 413, "100000 entity tags");
    let tokens = format!("(Not <urn:x>){}", " (<urn:y>)".repeat(1_000));
    let items = format!("<batch>{}</batch>", "<mkcol href='/a'/>".repeat(10_000));
    let headers = [("If", &*tokens)];
    let all = http::send(&world.server, "POST", "/batch-operation", &headers, items.as_bytes());
    assert_eq!(all.status, 207, "{:.200}", all.text());
    let based = format!("<batch base='{long}'>{}</batch>", "<mkcol href='a'/>".repeat(10_000));
    world.says("POST /batch-operation", &[], based.as_bytes(), 413, "16777216 bytes");
    world.end();
}

const PEOPLE: &str =
    "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER);
    INSERT INTO person VALUES (1, 'Ada', 36);";

/// A database in which nothing may change either.
fn with_records() -> Option<(World, Database, String)> {
    if !require(&["sqlite3"]) {
        return None;
    }
    let (folder, database) = (Folder::new(), Database::sqlite(PEOPLE));
    folder.write("a", "a");
    let before = folder.tree();
    let server = Server::builder().folder(folder.path()).mount("/records", database.source());
    let world = World { server: server.as_nobody().start(), folder, before };
    let dump = database.dump();
    Some((world, database, dump))
}

#[test]
fn bodies_that_are_no_records() {
    let Some((world, database, dump)) = with_records() else { return };
    let deep = format!("{{\"name\": {}", "[".repeat(100_000));
    let many: Vec<_> = (0..100_000).map(|n| format!("\"c{n}\": 1")).collect();
    let many = format!("{{{}}}", many.join(","));
    let long = format!("{{\"{}\": 1}}", "x".repeat(1_000_000));
    for body in [
        "",
        " ",
        "{",
        "}",
        "null",
        "1",
        "\"name\"",
        "{\"name\"}",
        "{\"name\":}",
        "{\"name\": \"x\",}",
        "{'name': \"x\"}",
        "{name: \"x\"}",
        "{\"name\": \"x\"} {}",
        "{\"name\": \"x\", \"name\": \"y\"}",
        "{\"name\": \"x\", \"n\\u0061me\": \"y\"}",
        "{\"name\": \"\\ud800\"}",
        "{\"name\": \"\\x\"}",
        "{\"name\": \"\u{1}\"}",
        "{\"name\": \"\\u0000\"}",
        "{\"name\": null}",
        "{\"name\": \"x\", \"age\": 1e999}",
        "{\"name\": \"x\", \"age\": NaN}",
        "{\"name\": \"x\", \"age\": 01}",
        "{\"name\": \"x\", \"age\": 1.5}",
        "{\"name\": \"x\", \"age\": 99999999999999999999}",
        "{\"name\": \"x\", \"age\": true}",
        "{\"name\": \"x\", \"age\": \"\"}",
        "{\"name\": \"x\", \"age\": [1]}",
        "{\"name\": \"x\", \"age\": {\"$ref\": \"#\"}}",
        "{\"name\": \"x\", \"id\": \"one\"}",
        "{\"name\": \"x\", \"\": 1}",
        "\u{feff}x{\"name\": \"x\"}",
        "<person><name>x</name></person>",
        &deep,
        &many,
        &long,
    ] {
        for line in ["PUT /records/person/1", "PUT /records/person/9", "PATCH /records/person/1"] {
            world.refused(line, &[], body.as_bytes());
        }
        world.refused("POST /records/person/", &[], body.as_bytes());
    }
    for body in [&b"{\"name\": \"\xff\"}"[..], b"{\"name\": \"\xed\xa0\x80\"}", b"\xff\xfe{\0}\0"] {
        world.refused("PATCH /records/person/1", &[], body);
        world.refused("POST /records/person/", &[], body);
    }
    let huge = format!("{{\"name\": \"{}\"}}", "x".repeat(9 << 20));
    for line in ["PUT /records/person/1", "PATCH /records/person/1", "POST /records/person/"] {
        world.says(line, &[], huge.as_bytes(), 413, "bytes");
        for kind in ["text/html", "application/json-patch+json"] {
            world.says(line, &[("Content-Type", kind)], b"{}", 415, kind);
        }
        let coded = [("Content-Encoding", "gzip")];
        world.says(line, &coded, b"{}", 415, "Content-Encoding");
    }
    assert_eq!(database.dump(), dump);
    world.end();
}

#[test]
fn arrays_that_are_no_records() {
    let Some((world, database, dump)) = with_records() else { return };
    let many = format!("[{}]", vec!["{\"name\": \"x\"}"; 10_001].join(","));
    for body in
        ["[", "[1]", "[null]", "[[]]", "[{}", "[{},]", "[{}] x", "[\"x\"]", "[{\"a\"}]", &many]
    {
        world.refused("POST /records/person/", &[], body.as_bytes());
        world.refused("PATCH /records/person/", &[], body.as_bytes());
    }
    for target in ["/records/person/1", "/records/", "/records/none/", "/a"] {
        world.refused(&format!("POST {target}"), &[], b"[{\"name\": \"x\"}]");
        world.refused(&format!("PATCH {target}"), &[], b"[{\"id\": 1, \"name\": \"x\"}]");
    }
    assert_eq!(database.dump(), dump);
    world.end();
}

#[test]
fn queries_that_ask_for_nothing() {
    let Some((world, database, dump)) = with_records() else { return };
    let long = format!("name={}", "x".repeat(9_000));
    let many: Vec<_> = (0..101).map(|n| format!("c{n}=1")).collect();
    let many = many.join("&");
    for query in [
        "limit=0",
        "limit=-1",
        "limit=",
        "limit=1.5",
        "limit=1e3",
        "limit=99999999999999999999",
        "limit=1&limit=2",
        "limit",
        "cursor=",
        "cursor=x",
        "cursor=1,2",
        "&",
        "=",
        "name",
        "=1",
        "name=1&name=2",
        "name=%",
        "name=%zz",
        "name=%ff",
        "name=%00",
        "none=1",
        "NAME=1",
        "age=x",
        "age=",
        &long,
        &many,
    ] {
        for method in ["GET", "HEAD"] {
            world.refused(&format!("{method} /records/person/?{query}"), &[], b"");
        }
    }
    assert_eq!(database.dump(), dump);
    world.end();
}

/// Columns in XML: as properties, and as fields of operations.
#[test]
fn columns_that_are_none() {
    let Some((world, database, dump)) = with_records() else { return };
    for property in [
        "<c:age null='maybe'/>",
        "<c:age null='true'>1</c:age>",
        "<c:age encoding='hex'>01</c:age>",
        "<c:name encoding='base64'>*</c:name>",
        "<c:name encoding='base64'>AA</c:name>",
        "<c:name><b/></c:name>",
        "<c:name type='text'>x</c:name>",
        "<c:name null='true'/>",
        "<c:age>one</c:age>",
        "<c:none>1</c:none>",
        "<c:_x0000_>1</c:_x0000_>",
        "<c:_xD800_>1</c:_xD800_>",
        "<getetag>x</getetag>",
        "<name xmlns='urn:other'>x</name>",
    ] {
        let set = format!("<set><prop><c:age>1</c:age>{property}</prop></set>");
        let names = "xmlns='DAV:' xmlns:c='urn:polydav:columns:1'";
        let update = format!("<propertyupdate {names}>{set}</propertyupdate>");
        let answer =
            http::send(&world.server, "PROPPATCH", "/records/person/1", &[], update.as_bytes());
        let text = answer.text();
        assert!(answer.status == 207 && !text.contains("200 OK"), "{property}: {text}");
    }
    for fields in [
        "<field>1</field>",
        "<field name='name'><b/></field>",
        "<field name='name'>1</field><field name='name'>2</field>",
        "<field name='age' null='maybe'/>",
        "<field name='age' null='true'>1</field>",
        "<field name='age' encoding='hex'>1</field>",
        "<field name='age' more='x'>1</field>",
        "<value name='age'>1</value>",
        "text",
    ] {
        for op in ["create href='/records/person/'", "update href='/records/person/1'"] {
            let verb = op.split(' ').next().unwrap_or_default();
            let batch = format!("<batch><{op}>{fields}</{verb}></batch>");
            world.refused("POST /batch-operation", &[], batch.as_bytes());
        }
    }
    for values in ["1", "[]", "\"x\"", "null", "{\"age\": 1, \"age\": 2}", "{\"age\"}"] {
        let batch = format!(
            "[{{\"op\": \"update\", \"href\": \"/records/person/1\", \"values\": {values}}}]"
        );
        world.refused("POST /batch-operation", &[], batch.as_bytes());
    }
    assert_eq!(database.dump(), dump);
    world.end();
}
