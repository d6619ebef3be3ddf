//! OPTIONS, and the methods that are not (RFC 4918 §10.1, §18; RFC 9110 §9.1, §9.3.7, §15.5.6).

mod world;

use polydav_store::kit::{mkcol, put};
use world::World;

#[test]
fn options_tells_the_classes_rfc4918_10_1_18() {
    let world = World::new().given([mkcol("c"), put("f", "")]);
    for target in ["/", "/c/", "/f", "/none", "*"] {
        let reply = world.ask(format!("OPTIONS {target}"));
        assert_eq!((reply.status, reply.header("dav")), (200, "1, 2, 3"), "{target}");
        assert_eq!(reply.header("ms-author-via"), "DAV");
        assert!(reply.header("allow").contains("PROPFIND"));
        assert!(!reply.header("allow").contains("POST"));
    }
}

#[test]
fn the_batch_endpoint_is_no_resource_of_webdav_rfc4918_10_1() {
    let world = World::new();
    let reply = world.ask("OPTIONS /batch-operation");
    assert_eq!(
        (reply.status, reply.header("allow"), reply.header("dav")),
        (200, "OPTIONS, GET, HEAD, POST", "")
    );
    let reply = world.ask("PROPFIND /batch-operation");
    assert_eq!((reply.status, reply.header("allow")), (405, "OPTIONS, GET, HEAD, POST"));
    assert_eq!(world.status("OPTIONS /batch-operation/x"), 404);
    assert_eq!(world.status("GET /batch-operation/x"), 404);
}

#[test]
fn a_405_tells_what_is_allowed_rfc9110_15_5_6() {
    let world = World::new().given([mkcol("c"), put("f", "")]);
    for (text, method) in [
        ("PUT /c\n\nx", "PUT"),
        ("PUT /new/", "PUT"),
        ("PUT /", "PUT"),
        ("MKCOL /c", "MKCOL"),
        ("MKCOL /f", "MKCOL"),
        ("MKCOL /", "MKCOL"),
        ("POST /c/", "POST"),
        ("POST /f", "POST"),
        ("PATCH /c/", "PATCH"),
        ("PATCH /f", "PATCH"),
    ] {
        let reply = world.ask(text);
        let allowed: Vec<_> = reply.header("allow").split(", ").collect();
        assert_eq!(reply.status, 405, "{text}");
        assert!(!allowed.contains(&method) && allowed.contains(&"PROPFIND"), "{text}: {allowed:?}");
    }
}

#[test]
fn a_method_nobody_knows_is_not_implemented_rfc9110_9_1() {
    let world = World::new();
    for method in ["FOO", "REPORT", "TRACE", "get"] {
        assert_eq!(world.status(format!("{method} /")), 501, "{method}");
        assert_eq!(world.status(format!("{method} /batch-operation")), 501, "{method}");
    }
}

#[test]
fn a_url_that_is_no_path_is_refused() {
    let world = World::new();
    for target in ["/a?b", "/a/../b", "/%2e%2e/a", "/a%2Fb", "/a//b", "/a%5Cb", "/%zz"] {
        assert_eq!(world.status(format!("GET {target}")), 400, "{target}");
        assert_eq!(world.status(format!("PUT {target}\n\nx")), 400, "{target}");
    }
    assert!(world.tree().is_empty());
}

#[test]
fn a_url_that_is_too_long_says_so_rfc4918_12_2() {
    assert_eq!(World::new().status(format!("GET /{}", "a".repeat(5_000))), 414);
}

/// RFC 4918 §8.4: a body nobody would look at is refused.
#[test]
fn a_body_where_there_should_be_none_is_refused_rfc4918_8_4() {
    let world = World::new().given([mkcol("c"), put("f", "")]);
    let token = world.lock("/f");
    let if_ = format!("If: (<{token}>)\nLock-Token: <{token}>");
    for head in [
        "MKCOL /new".to_owned(),
        format!("COPY /f\nDestination: /new\n{if_}"),
        format!("MOVE /f\nDestination: /new\n{if_}"),
        format!("UNLOCK /f\n{if_}"),
        format!("DELETE /f\n{if_}"),
        "GET /f".to_owned(),
        "HEAD /f".to_owned(),
        "OPTIONS /f".to_owned(),
    ] {
        assert_eq!(world.status(format!("{head}\n\n<x/>")), 415, "{head}");
    }
    assert_eq!(world.tree(), ["/c/", "/f="]);
    assert_eq!(world.status("PUT /f\n\nx"), 423, "the lock is still there");
}

/// Some clients announce every body as chunked, also an empty one.
#[test]
fn an_empty_chunked_body_is_no_body() {
    let world = World::new();
    let empty = || {
        let nothing: [Result<http_body::Frame<bytes::Bytes>, _>; 0] = [];
        http_body_util::BodyExt::boxed_unsync(http_body_util::StreamBody::new(
            futures_util::stream::iter(nothing),
        ))
    };
    let request = http::Request::builder().method("MKCOL").uri("/c").body(empty()).unwrap();
    assert!(!http_body::Body::is_end_stream(request.body()));
    assert_eq!(world.send(request, polydav_store::Principal::Anonymous).status, 201);
}
