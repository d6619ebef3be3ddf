//! MKCOL (RFC 4918 §9.3).

mod world;

use polydav_store::kit::{mkcol, put};
use world::World;

#[test]
fn an_empty_collection_is_made_rfc4918_9_3() {
    let world = World::new();
    assert_eq!(world.status("MKCOL /a/"), 201);
    assert_eq!(world.status("MKCOL /a/b"), 201, "the slash may be missing");
    assert_eq!(world.ask("PROPFIND /\nDepth: infinity").hrefs(), ["/", "/a/", "/a/b/"]);
}

#[test]
fn what_is_there_stays_rfc4918_9_3_1() {
    let world = World::new().given([mkcol("c"), put("c/f", "x")]);
    for target in ["/", "/c", "/c/", "/c/f", "/c/f/"] {
        assert_eq!(world.status(format!("MKCOL {target}")), 405, "{target}");
    }
    assert_eq!(world.tree(), ["/c/", "/c/f=x"]);
}

#[test]
fn ancestors_are_not_made_rfc4918_9_3() {
    let world = World::new().given([put("f", "x")]);
    for target in ["/a/b/", "/a/b/c/", "/f/c/"] {
        assert_eq!(world.status(format!("MKCOL {target}")), 409, "{target}");
    }
    assert_eq!(world.tree(), ["/f=x"]);
}

#[test]
fn a_body_is_not_understood_rfc4918_9_3() {
    let world = World::new();
    let text = "MKCOL /c/\nContent-Type: application/xml\n\n<D:mkcol xmlns:D=\"DAV:\"/>";
    assert_eq!(world.status(text), 415);
    assert!(world.tree().is_empty());
}

#[test]
fn a_lock_on_the_collection_around_it_rfc4918_7_4() {
    let world = World::new().given([mkcol("c")]);
    let token = world.lock("/c/");
    let refused = world.ask("MKCOL /c/d/");
    assert_eq!((refused.status, refused.condition().as_str()), (423, "lock-token-submitted /c/"));
    assert_eq!(world.status(format!("MKCOL /c/d/\nIf: </c/> (<{token}>)")), 201);
}

#[test]
fn conditions_decide_rfc4918_10_4() {
    let world = World::new().given([put("f", "x")]);
    assert_eq!(world.status("MKCOL /c/\nIf-Match: *"), 412);
    assert_eq!(world.status("MKCOL /c/\nIf: </f> ([\"other\"])"), 412);
    assert_eq!(world.status("MKCOL /c/\nIf: </f> (Not [\"other\"])"), 201);
}
