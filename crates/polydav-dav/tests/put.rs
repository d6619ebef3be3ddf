//! PUT (RFC 4918 §9.7; RFC 9110 §9.3.4).

mod world;

use std::sync::Arc;

use polydav_dav::Options;
use polydav_store::kit::{mkcol, patch, put, set};
use polydav_store::layer::ReadOnly;
use polydav_store::{MemoryStore, Principal};
use world::{World, full};

#[test]
fn a_file_is_made_and_replaced_rfc9110_9_3_4() {
    let world = World::new();
    let made = world.ask("PUT /f\n\none");
    assert_eq!((made.status, made.bytes()), (201, &b""[..]));
    assert_eq!(made.header("etag"), world.ask("HEAD /f").header("etag"));
    let replaced = world.ask("PUT /f\n\ntwo");
    assert_eq!(replaced.status, 204);
    assert_ne!(replaced.header("etag"), made.header("etag"));
    assert_eq!(world.tree(), ["/f=two"]);
}

#[test]
fn an_empty_file_is_a_file() {
    let world = World::new();
    assert_eq!(world.status("PUT /f\nContent-Length: 0"), 201);
    assert_eq!(world.tree(), ["/f="]);
}

#[test]
fn a_long_file_is_stored_whole() {
    let world = World::new();
    let content = "0123456789".repeat(50_000);
    assert_eq!(world.status(format!("PUT /f\n\n{content}")), 201);
    assert!(world.ask("GET /f").text() == content);
}

#[test]
fn without_its_collection_there_is_a_conflict_rfc4918_9_7_1() {
    let world = World::new().given([put("f", "x")]);
    assert_eq!(world.status("PUT /none/f\n\nx"), 409);
    assert_eq!(world.status("PUT /f/x\n\nx"), 409);
    assert_eq!(world.tree(), ["/f=x"]);
}

#[test]
fn a_collection_takes_no_put_rfc4918_9_7_2() {
    let world = World::new().given([mkcol("c")]);
    for target in ["/", "/c", "/c/", "/new/"] {
        assert_eq!(world.status(format!("PUT {target}\n\nx")), 405, "{target}");
    }
    assert_eq!(world.tree(), ["/c/"]);
}

#[test]
fn properties_stay_rfc4918_9_7_1() {
    let world = World::new().given([put("f", "one"), patch("f", [set("p", "<x/>")])]);
    assert_eq!(world.status("PUT /f\n\ntwo"), 204);
    assert_eq!(world.tree(), ["/f=two [p=<x/>]"]);
}

#[test]
fn conditions_decide_rfc9110_13_1() {
    let world = World::new().given([put("f", "x")]);
    let etag = world.ask("HEAD /f").header("etag").to_owned();
    for (text, status) in [
        ("PUT /f\nIf-None-Match: *\n\ny".to_owned(), 412),
        ("PUT /f\nIf-Match: \"other\"\n\ny".to_owned(), 412),
        ("PUT /none\nIf-Match: *\n\ny".to_owned(), 412),
        ("PUT /f\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\n\ny".to_owned(), 412),
        ("PUT /f\nIf: ([\"other\"])\n\ny".to_owned(), 412),
        ("PUT /f\nIf: \n\ny".to_owned(), 400),
        ("PUT /f\nIf-Match: other\n\ny".to_owned(), 400),
    ] {
        assert_eq!(world.status(&text), status, "{text}");
        assert_eq!(world.tree(), ["/f=x"], "{text}");
    }
    assert_eq!(world.status(format!("PUT /f\nIf-Match: {etag}\n\ny")), 204);
    assert_eq!(world.status("PUT /new\nIf-None-Match: *\n\nz"), 201);
    assert_eq!(world.tree(), ["/f=y", "/new=z"]);
}

#[test]
fn a_failed_condition_tells_the_tag_there_is() {
    let world = World::new().given([put("f", "x")]);
    let etag = world.ask("HEAD /f").header("etag").to_owned();
    assert!(world.ask("PUT /f\nIf-Match: \"other\"\n\ny").text().contains(&etag));
}

/// RFC 9110 §14.5, §8.4: what would be stored wrongly is refused.
#[test]
fn a_part_and_a_coded_body_are_refused_rfc9110_14_5_8_4() {
    let world = World::new().given([put("f", "0123456789")]);
    assert_eq!(world.status("PUT /f\nContent-Range: bytes 0-0/10\n\nx"), 400);
    let reply = world.ask("PUT /f\nContent-Encoding: gzip\n\nx");
    assert_eq!((reply.status, reply.header("accept-encoding")), (415, "identity"));
    assert_eq!(world.status("PUT /f\nContent-Encoding: identity\n\n0123456789"), 204);
    // Its second line was not looked at.
    let coded = "PUT /f\nContent-Encoding: identity\nContent-Encoding: gzip\n\nx";
    assert_eq!(world.status(coded), 415);
    assert_eq!(world.tree(), ["/f=0123456789"]);
}

#[test]
fn a_body_that_ends_early_is_no_file() {
    let world = World::new().given([put("f", "old")]);
    for length in [10, 100_000] {
        let body = "x".repeat(length - 1);
        assert_eq!(world.status(format!("PUT /f\nContent-Length: {length}\n\n{body}")), 400);
    }
    assert_eq!(world.tree(), ["/f=old"]);
}

#[test]
fn a_body_that_breaks_off_is_no_file() {
    let world = World::new().given([put("f", "old")]);
    let frames = [Ok(http_body::Frame::data("new".into())), Err("the peer is gone".into())];
    let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
    let body = http_body_util::BodyExt::boxed_unsync(body);
    let request = http::Request::builder().method("PUT").uri("/f").body(body).expect("it is one");
    assert_eq!(world.send(request, Principal::Anonymous).status, 400);
    assert_eq!(world.tree(), ["/f=old"]);
}

#[test]
fn too_long_a_file_is_refused() {
    let world = World::with(Options { put_bytes_max: Some(100_000), ..Options::default() });
    assert_eq!(world.status("PUT /f\nContent-Length: 100001"), 413, "before the body is read");
    let request = |length: usize| {
        let body = full("x".repeat(length).into());
        http::Request::builder().method("PUT").uri("/f").body(body).expect("it is one")
    };
    assert_eq!(world.send(request(100_001), Principal::Anonymous).status, 413);
    assert!(world.tree().is_empty());
    assert_eq!(world.send(request(100_000), Principal::Anonymous).status, 201);
}

#[test]
fn a_locked_file_needs_its_token_rfc4918_7() {
    let world = World::new().given([put("f", "old")]);
    let token = world.lock("/f");
    let refused = world.ask("PUT /f\n\nnew");
    assert_eq!((refused.status, refused.condition().as_str()), (423, "lock-token-submitted /f"));
    assert_eq!(world.status("PUT /f\nIf: (<urn:uuid:other>) (Not <DAV:no-lock>)\n\nnew"), 423);
    assert_eq!(world.status(format!("PUT /f\nIf: (<{token}>)\n\nnew")), 204);
    assert_eq!(world.tree(), ["/f=new"]);
}

/// RFC 4918 §8.5: that nothing may be changed comes before what a condition would say.
#[test]
fn a_server_for_reading_alone_says_so_before_any_condition_rfc4918_8_5() {
    let store = MemoryStore::new();
    polydav_store::kit::given(&store, [put("f", "x")]);
    let world = World::over(Arc::new(ReadOnly::new(store)));
    let update = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><a/></D:prop></D:set>\
                  </D:propertyupdate>";
    for (head, body) in [
        ("PUT /f", "y"),
        ("DELETE /f", ""),
        ("MKCOL /f", ""),
        ("COPY /f\nDestination: /g", ""),
        ("MOVE /f\nDestination: /g", ""),
        ("PROPPATCH /f", update),
        ("LOCK /f", &world::info("exclusive")),
    ] {
        assert_eq!(world.status(format!("{head}\nIf-Match: \"z\"\n\n{body}")), 403, "{head}");
    }
}

/// ownCloud's clients and rclone send the time of the file.
#[test]
fn the_time_of_a_file_may_be_sent() {
    let world = World::new();
    let reply = world.ask("PUT /f\nX-OC-Mtime: 784111777\n\nx");
    assert_eq!((reply.status, reply.header("x-oc-mtime")), (201, "accepted"));
    let told = world.ask("HEAD /f");
    assert_eq!(told.header("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(told.header("etag"), reply.header("etag"));
    assert_eq!(world.status("PUT /f\nX-OC-Mtime: soon\n\nx"), 400);
}
