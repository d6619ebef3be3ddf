//! `If` (RFC 4918 §10.4), with the examples of the RFC.

mod world;

use polydav_store::kit::{mkcol, put};
use world::World;

/// A locked file with its token, and its entity tag with quotes.
fn locked() -> (World, String, String) {
    let world = World::new().given([put("f", "x"), put("g", "y")]);
    let (token, etag) = (world.lock("/f"), world.ask("HEAD /f").header("etag").to_owned());
    (world, token, etag)
}

/// PUTs to `/f` with an `If` of its own; the status.
fn check(cases: &[(&str, u16)]) {
    for (field, status) in cases {
        let (world, token, etag) = locked();
        let field = field.replace("TOKEN", &token).replace("\"ETAG\"", &etag);
        assert_eq!(world.status(format!("PUT /f\nIf: {field}\n\nnew")), *status, "{field}");
    }
}

#[test]
fn untagged_lists_rfc4918_10_4_6() {
    check(&[
        ("(<TOKEN> [\"I am an ETag\"]) ([\"I am another ETag\"])", 412),
        ("(<TOKEN> [\"ETAG\"]) ([\"I am another ETag\"])", 204),
        ("([\"ETAG\"])", 423),
        ("(<TOKEN> [\"I am an ETag\"]) ([\"ETAG\"])", 204),
    ]);
}

#[test]
fn not_rfc4918_10_4_7() {
    check(&[
        ("(Not <urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2> <TOKEN>)", 204),
        ("(Not <TOKEN> <urn:uuid:58f202ac-22cf-11d1-b12d-002035b29092>)", 412),
    ]);
}

/// RFC 4918 §10.4.8, §10.4.1: a token is submitted wherever it stands.
#[test]
fn a_condition_that_always_holds_rfc4918_10_4_8_10_4_1() {
    check(&[
        ("(<TOKEN>) (Not <DAV:no-lock>)", 204),
        ("(<urn:uuid:other>) (Not <DAV:no-lock>)", 423),
        ("(Not <TOKEN>) (Not <DAV:no-lock>)", 204),
        ("(<TOKEN> [\"x\"]) (Not <DAV:no-lock>)", 204),
        ("(<DAV:no-lock>)", 412),
    ]);
}

#[test]
fn weak_tags_never_match_rfc4918_10_4_4() {
    check(&[("(<TOKEN> [W/\"ETAG\"])", 412), ("(<TOKEN> Not [W/\"ETAG\"])", 204)]);
}

#[test]
fn tags_rfc4918_10_4_2() {
    check(&[
        ("</f> (<TOKEN>)", 204),
        ("</f> (<TOKEN>) </g> ([\"x\"])", 204),
        ("</f> (<TOKEN> [\"x\"]) </g> (Not [\"x\"])", 204),
        ("</g> (<TOKEN>)", 412),
        ("<http://elsewhere.example/f> (<TOKEN>)", 412),
        ("<http://elsewhere.example/f> (Not <TOKEN>)", 204),
        ("</none> (Not [\"ETAG\"] <TOKEN>)", 412),
    ]);
}

#[test]
fn what_is_no_if_is_refused_and_never_ignored() {
    check(&[
        ("", 400),
        ("<TOKEN>", 400),
        ("(<TOKEN>", 400),
        ("()", 400),
        ("(<TOKEN>) </f> (<TOKEN>)", 400),
        ("</f> (<TOKEN>) x", 400),
        ("</a/../f> (<TOKEN>)", 400),
    ]);
}

#[test]
fn a_tagged_list_in_copy_rfc4918_10_4_9() {
    let world = World::new().given([put("resource1", "r"), put("resource2", "old")]);
    let etag = world.ask("HEAD /resource1").header("etag").to_owned();
    let token = world.lock("/resource1");
    for (strong, status) in [("\"strong ETag\"", 412), (etag.as_str(), 204)] {
        let text = format!(
            "COPY /resource1\nHost: www.example.com\n\
             Destination: http://www.example.com/resource2\n\
             If: </resource1> (<{token}> [W/\"A weak ETag\"]) ([{strong}])"
        );
        assert_eq!(world.status(text), status);
    }
}

#[test]
fn tokens_of_collections_rfc4918_10_4_10() {
    let world = World::new().given([mkcol("specs"), put("specs/rfc2518.txt", "x")]);
    let delete = |token: &str| {
        format!(
            "DELETE /specs/rfc2518.txt\nHost: www.example.com\n\
             If: <http://www.example.com/specs/> (<{token}>)"
        )
    };
    assert_eq!(world.status(delete("urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2")), 412);
    let token = world.lock("/specs/");
    assert_eq!(world.status(delete(&token)), 204);
}

#[test]
fn tags_of_unmapped_urls_rfc4918_10_4_11() {
    let world = World::new().given([mkcol("specs")]);
    let put = |condition: &str| {
        format!("PUT /specs/rfc2518.doc\nIf: </specs/rfc2518.doc> ({condition})\n\nx")
    };
    assert_eq!(world.status(put("[\"4217\"]")), 412);
    assert_eq!(world.status(put("Not [\"4217\"]")), 201);
}

/// RFC 4918 §10.4.4: the token of a collection matches its members, if they are there.
#[test]
fn a_member_is_in_the_scope_of_the_lock_rfc4918_10_4_4() {
    let world = World::new().given([mkcol("c"), put("c/f", "x")]);
    let token = world.lock("/c/");
    assert_eq!(world.status(format!("PUT /c/f\nIf: (<{token}>)\n\ny")), 204);
    assert_eq!(world.status(format!("PUT /c/new\nIf: (<{token}>)\n\ny")), 412);
    assert_eq!(world.status(format!("PUT /c/new\nIf: </c/> (<{token}>)\n\ny")), 201);
}

/// RFC 4918 §10.4.1: it counts for methods that need no token, too.
#[test]
fn a_condition_for_reading_rfc4918_10_4_1() {
    let (world, token, etag) = locked();
    for (field, status) in [
        (format!("(<{token}>)"), 200),
        (format!("([{etag}])"), 200),
        ("([\"x\"])".to_owned(), 412),
        ("x".to_owned(), 400),
    ] {
        assert_eq!(world.status(format!("GET /f\nIf: {field}")), status, "{field}");
    }
}

/// RFC 4918 §12.1: 412 is for conditions alone.
#[test]
fn without_a_condition_nothing_is_a_412_rfc4918_12_1() {
    let world = World::new().given([mkcol("c"), put("c/f", "x"), put("f", "x")]);
    let locked = world.lock("/c/f");
    for (text, status) in [
        ("PUT /c/f\n\ny", 423),
        ("PUT /none/f\n\ny", 409),
        ("PUT /c\n\ny", 405),
        ("MKCOL /f", 405),
        ("DELETE /none", 404),
        ("DELETE /c/f", 423),
        ("DELETE /c/", 207),
        ("COPY /f\nDestination: /c/f", 423),
        ("COPY /f\nDestination: /c/", 207),
        ("MOVE /c/f\nDestination: /g", 423),
        ("UNLOCK /f\nLock-Token: <urn:uuid:other>", 409),
        ("GET /none", 404),
    ] {
        assert_eq!(world.status(text), status, "{text}");
    }
    let info = world::info("exclusive");
    assert_eq!(world.status(format!("LOCK /c/f\n\n{info}")), 423);
    assert_eq!(world.status(format!("UNLOCK /c/f\nLock-Token: <{locked}>")), 204);
}
