//! GET and HEAD (RFC 9110 §9.3, §13, §14; RFC 4918 §5.2, §9.4).

mod world;

use std::time::{Duration, SystemTime};

use polydav_store::kit::{Draft, mkcol, patch, put, set};
use world::World;

/// Sunday, 6 November 1994, 08:49:37 GMT.
fn at_1994() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

fn old(name: &str, content: &'static str) -> Draft {
    put(name, content).modified(at_1994())
}

fn digits() -> World {
    World::new().given([old("d.txt", "0123456789")])
}

#[test]
fn a_file_is_told_with_its_validators() {
    let world = digits();
    let reply = world.ask("GET /d.txt");
    assert_eq!((reply.status, reply.text()), (200, "0123456789"));
    assert_eq!(reply.header("content-type"), "text/plain");
    assert_eq!(reply.header("content-length"), "10");
    assert_eq!(reply.header("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(reply.header("accept-ranges"), "bytes");
    assert!(reply.header("etag").starts_with('"'));
}

#[test]
fn an_empty_file_has_an_answer_rfc4918_9_10_4() {
    let reply = World::new().given([put("e", "")]).ask("GET /e");
    assert_eq!((reply.status, reply.bytes(), reply.header("content-length")), (200, &b""[..], "0"));
}

#[test]
fn head_is_get_without_a_body_rfc9110_9_3_2() {
    let world = digits().given([mkcol("c"), put("c/f", "x")]);
    for target in ["/d.txt", "/c/", "/c", "/none"] {
        let get = world.ask(format!("GET {target}"));
        let head = world.ask(format!("HEAD {target}"));
        assert_eq!(get.status, head.status);
        for name in ["content-type", "etag", "last-modified", "content-location"] {
            assert_eq!(get.header(name), head.header(name), "{name} of {target}");
        }
        if get.status == 200 {
            assert!(head.bytes().is_empty());
            assert_eq!(head.header("content-length"), get.bytes().len().to_string(), "{target}");
        }
    }
}

/// What is stored must not act on our origin.
#[test]
fn stored_content_is_put_into_a_sandbox() {
    let world = World::new().given([put("evil.html", "<script>alert(1)</script>")]);
    let reply = world.ask("GET /evil.html");
    assert_eq!(reply.header("content-type"), "text/html");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("content-security-policy"), "sandbox");
}

/// RFC 9110 §8.8.2.1.
#[test]
fn no_date_of_the_future_is_told_rfc9110_8_8_2_1() {
    let later = SystemTime::now() + Duration::from_secs(1_000_000);
    let world = World::new().given([put("f", "x").modified(later)]);
    let told =
        |reply: &str| polydav_proto::header::parse_date(reply.as_bytes()).expect("it is a date");
    assert!(told(world.ask("GET /f").header("last-modified")) < later);
    let reply = world.ask("PROPFIND /f\nDepth: 0");
    assert!(told(&reply.property("/f", "getlastmodified").expect("it has one")) < later);
}

#[test]
fn conditions_rfc9110_13_1() {
    let world = digits();
    let etag = world.ask("HEAD /d.txt").header("etag").to_owned();
    let (same, before, after) = (
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:36 GMT",
        "Sun, 06 Nov 1994 08:49:38 GMT",
    );
    for (fields, status) in [
        (format!("If-Match: {etag}"), 200),
        (format!("If-Match: \"x\", {etag}"), 200),
        ("If-Match: *".to_owned(), 200),
        ("If-Match: \"x\"".to_owned(), 412),
        (format!("If-Match: W/{etag}"), 412),
        ("If-None-Match: \"x\"".to_owned(), 200),
        (format!("If-None-Match: {etag}"), 304),
        (format!("If-None-Match: W/{etag}"), 304),
        ("If-None-Match: *".to_owned(), 304),
        (format!("If-Modified-Since: {before}"), 200),
        (format!("If-Modified-Since: {same}"), 304),
        (format!("If-Modified-Since: {after}"), 304),
        ("If-Modified-Since: yesterday".to_owned(), 200),
        (format!("If-Unmodified-Since: {before}"), 412),
        (format!("If-Unmodified-Since: {same}"), 200),
        ("If-Unmodified-Since: yesterday".to_owned(), 200),
        // RFC 9110 §13.2.2: what is looked at before what, and what then isn't.
        (format!("If-Match: {etag}\nIf-Unmodified-Since: {before}"), 200),
        (format!("If-None-Match: \"x\"\nIf-Modified-Since: {after}"), 200),
        (format!("If-Match: \"x\"\nIf-None-Match: {etag}"), 412),
        (format!("If-Match: {etag}\nIf-None-Match: {etag}"), 304),
        (format!("If: ([{etag}])"), 200),
        ("If: ([\"x\"])".to_owned(), 412),
        ("If-Match: x".to_owned(), 400),
        ("If-None-Match: \"x".to_owned(), 400),
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(world.status(format!("{method} /d.txt\n{fields}")), status, "{fields}");
        }
    }
    assert_eq!(world.status("GET /none\nIf-None-Match: *"), 404);
}

#[test]
fn a_304_has_the_validators_and_no_content_rfc9110_15_4_5() {
    let world = digits();
    let reply = world.ask("GET /d.txt\nIf-None-Match: *");
    assert_eq!((reply.status, reply.bytes()), (304, &b""[..]));
    assert!(!reply.header("etag").is_empty() && !reply.header("last-modified").is_empty());
    assert_eq!((reply.header("content-type"), reply.header("content-length")), ("", ""));
}

#[test]
fn a_collection_is_there_too_for_if_none_match_rfc9110_13_1_2() {
    let world = World::new().given([mkcol("c")]);
    assert_eq!(world.status("GET /c/\nIf-None-Match: *"), 304);
    assert_eq!(world.status("GET /c/\nIf-None-Match: \"x\""), 200);
    assert_eq!(world.status("GET /c/\nIf-Match: *"), 200);
    assert_eq!(world.status("GET /c/\nIf-Match: \"x\""), 412);
}

#[test]
fn a_single_range_rfc9110_14_2_15_3_7_1() {
    let world = digits();
    for (range, content, field) in [
        ("bytes=0-4", "01234", "bytes 0-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
        ("bytes=0-2,1-3", "0123", "bytes 0-3/10"),
        ("bytes=20-,4-4", "4", "bytes 4-4/10"),
    ] {
        let reply = world.ask(format!("GET /d.txt\nRange: {range}"));
        assert_eq!((reply.status, reply.text()), (206, content), "{range}");
        assert_eq!(reply.header("content-range"), field);
        assert_eq!(reply.header("content-length"), content.len().to_string());
        assert_eq!(reply.header("content-type"), "text/plain");
        assert!(!reply.header("etag").is_empty());
    }
}

#[test]
fn several_ranges_rfc9110_14_6() {
    let world = digits();
    let reply = world.ask("GET /d.txt\nRange: bytes=0-1, 5-6, -1");
    assert_eq!(reply.status, 206);
    let kind = reply.header("content-type");
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("it is multipart");
    assert_eq!(reply.header("content-range"), "", "it stands in the parts");
    let part = |range: &str, content: &str| {
        format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes {range}/10\
             \r\n\r\n{content}"
        )
    };
    let expected =
        [part("0-1", "01"), part("5-6", "56"), part("9-9", "9"), format!("\r\n--{boundary}--\r\n")];
    assert_eq!(reply.text(), expected.concat());
    assert_eq!(reply.header("content-length"), reply.bytes().len().to_string());
}

#[test]
fn ranges_that_are_none_rfc9110_14_2_15_5_17() {
    let world = digits().given([put("empty", "")]);
    for range in ["bytes=10-", "bytes=-0", "bytes=2-1", "bytes=x", "bytes="] {
        let reply = world.ask(format!("GET /d.txt\nRange: {range}"));
        assert_eq!((reply.status, reply.header("content-range")), (416, "bytes */10"), "{range}");
        assert!(reply.bytes().is_empty());
    }
    let many = vec!["0-0"; 17].join(",");
    assert_eq!(world.status(format!("GET /d.txt\nRange: bytes={many}")), 416);
    assert_eq!(world.status("GET /d.txt\nRange: lines=1-2"), 200, "an unknown unit is ignored");
    assert_eq!(world.status("GET /empty\nRange: bytes=0-"), 416);
    assert_eq!(world.status("GET /empty\nRange: bytes=-1"), 200);
}

/// RFC 9110 §13.2.2 looks at Range last, §14.2 knows it for GET of what has ranges alone.
#[test]
fn a_range_counts_only_where_it_counts_rfc9110_14_2() {
    let world = digits().given([mkcol("c")]);
    for range in ["bytes=0-1", "bytes=2-1"] {
        let field = format!("Range: {range}");
        let etag = world.ask("HEAD /d.txt").header("etag").to_owned();
        for (head, status) in [
            ("HEAD /d.txt".to_owned(), 200),
            ("GET /c/".to_owned(), 200),
            ("GET /none".to_owned(), 404),
            (format!("GET /d.txt\nIf-None-Match: {etag}"), 304),
            ("GET /d.txt\nIf-Match: \"x\"".to_owned(), 412),
            ("GET /d.txt\nIf-Range: \"x\"".to_owned(), 200),
            (format!("PUT /d.txt\nIf-Match: {etag}\n{field}\n\n0123456789"), 204),
        ] {
            let text = match head.split_once("\n\n") {
                Some(_) => head,
                None => format!("{head}\n{field}"),
            };
            assert_eq!(world.status(&text), status, "{text}");
        }
    }
}

#[test]
fn if_range_rfc9110_13_1_5() {
    let world = digits();
    let etag = world.ask("HEAD /d.txt").header("etag").to_owned();
    for (field, status) in [
        (etag.clone(), 206),
        (format!("W/{etag}"), 200),
        ("\"x\"".to_owned(), 200),
        // We can't know whether the file changed twice within that second.
        ("Sun, 06 Nov 1994 08:49:37 GMT".to_owned(), 200),
        ("Sun, 06 Nov 1994 08:49:38 GMT".to_owned(), 200),
        ("x".to_owned(), 400),
    ] {
        let text = format!("GET /d.txt\nRange: bytes=1-2\nIf-Range: {field}");
        assert_eq!(world.status(text), status, "{field}");
    }
    assert_eq!(world.status("GET /d.txt\nIf-Range: x"), 200, "without Range it is ignored");
}

#[test]
fn a_long_file_is_streamed_whole_and_in_parts() {
    let content: String = (0..100_000).map(|number| format!("{number:06}\n")).collect();
    let world = World::new().given([put("long", content.clone())]);
    let reply = world.ask("GET /long");
    assert_eq!(reply.header("content-length"), "700000");
    assert!(reply.text() == content);
    let reply = world.ask("GET /long\nRange: bytes=70000-699999");
    assert_eq!(reply.header("content-length"), "630000");
    assert!(reply.text() == &content[70_000..]);
    let reply = world.ask("GET /long\nRange: bytes=0-299999,400000-");
    assert_eq!(
        (reply.status, reply.bytes().len().to_string().as_str()),
        (206, reply.header("content-length"))
    );
}

/// RFC 4918 §5.2: without its slash a collection tells where it is.
#[test]
fn a_collection_without_its_slash_rfc4918_5_2() {
    let world = World::new().given([mkcol("a b")]);
    assert_eq!(world.ask("GET /a%20b").header("content-location"), "/a%20b/");
    assert_eq!(world.ask("GET /a%20b/").header("content-location"), "");
}

#[test]
fn a_page_shows_names_as_text_rfc4918_20_8() {
    let evil = "<img src=x onerror=alert(1)>&\"'";
    let world = World::new().given([mkcol(evil), put(format!("{evil}/{evil}.txt"), "x")]);
    let reply = world.ask("GET /%3Cimg%20src=x%20onerror=alert(1)%3E%26%22%27/");
    let escaped = "&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;";
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(reply.text().contains(&format!("<h1>/{escaped}</h1>")), "{}", reply.text());
    assert!(reply.text().contains(&format!(">{escaped}.txt</a>")), "{}", reply.text());
    assert!(!reply.text().contains("<img"));
}

#[test]
fn what_only_properties_change_keeps_its_validators_rfc4918_8_6_15_7() {
    let world = digits();
    let before = world.ask("HEAD /d.txt");
    let same = |what: &str| {
        let after = world.ask("HEAD /d.txt");
        assert_eq!(before.header("etag"), after.header("etag"), "{what}");
        assert_eq!(before.header("last-modified"), after.header("last-modified"), "{what}");
    };
    polydav_store::kit::given(&*world.store, [patch("d.txt", [set("p", "<x/>")])]);
    same("a property was set");
    let token = world.lock("/d.txt");
    same("it was locked");
    assert_eq!(world.status(format!("UNLOCK /d.txt\nLock-Token: <{token}>")), 204);
    same("it was unlocked");
}

#[test]
fn what_is_not_there_is_not_found() {
    let world = World::new().given([put("f", "x")]);
    for target in ["/none", "/none/x", "/f/x"] {
        assert_eq!(world.status(format!("GET {target}")), 404, "{target}");
    }
}
