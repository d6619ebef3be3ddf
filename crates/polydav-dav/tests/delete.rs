//! DELETE (RFC 4918 §9.6).

mod world;

use polydav_store::kit::{mkcol, put};
use world::World;

fn tree() -> World {
    World::new().given([
        mkcol("c"),
        put("c/a", "1"),
        mkcol("c/d"),
        put("c/d/e", "2"),
        put("c/d/f", "3"),
        put("x", "4"),
    ])
}

#[test]
fn what_is_deleted_is_gone_rfc4918_9_6() {
    let world = tree();
    assert_eq!(world.status("DELETE /x"), 204);
    for method in ["GET", "HEAD", "PROPFIND", "DELETE"] {
        assert_eq!(world.status(format!("{method} /x")), 404, "{method}");
    }
}

#[test]
fn a_collection_goes_with_all_its_members_rfc4918_9_6_1() {
    for depth in ["", "\nDepth: infinity"] {
        let world = tree();
        assert_eq!(world.status(format!("DELETE /c/{depth}")), 204);
        assert_eq!(world.tree(), ["/x=4"]);
    }
}

#[test]
fn another_depth_is_refused_rfc4918_9_6_1() {
    let world = tree();
    for depth in ["0", "1", "2"] {
        assert_eq!(world.status(format!("DELETE /c/\nDepth: {depth}")), 400, "{depth}");
    }
    assert_eq!(world.tree().len(), 6);
    assert_eq!(world.status("DELETE /x\nDepth: 0"), 204, "a file has no members: it is ignored");
}

#[test]
fn the_root_stays() {
    let world = tree();
    assert_eq!(world.status("DELETE /"), 403);
    assert_eq!(world.tree().len(), 6);
}

/// RFC 4918 §9.6.1: a member that stays keeps the collections around it, and only such members are
/// told.
#[test]
fn a_locked_member_stays_and_is_told_rfc4918_9_6_1_9_6_2() {
    let world = tree();
    let token = world.lock("/c/d/e");
    let reply = world.ask("DELETE /c/");
    assert_eq!(reply.told(), ["/c/d/e 423 lock-token-submitted /c/d/e"]);
    assert_eq!(world.tree(), ["/c/", "/c/d/", "/c/d/e=2", "/x=4"]);
    assert_eq!(world.status(format!("DELETE /c/\nIf: </c/d/e> (<{token}>)")), 204);
    assert_eq!(world.tree(), ["/x=4"]);
}

#[test]
fn a_lock_goes_with_its_resource_rfc4918_9_6_6_1_8() {
    let world = tree();
    let token = world.lock("/x");
    assert_eq!(world.status("DELETE /x"), 423);
    assert_eq!(world.status(format!("DELETE /x\nIf: (<{token}>)")), 204);
    assert_eq!(world.status("PUT /x\n\nnew"), 201, "nobody holds it");
    assert_eq!(world.status(format!("UNLOCK /x\nLock-Token: <{token}>")), 409);
}

/// RFC 4918 §7.5.2.
#[test]
fn a_member_of_a_locked_collection_rfc4918_7_5_2() {
    let world = tree();
    let token = world.lock("/c/");
    assert_eq!(world.ask("DELETE /c/a").condition(), "lock-token-submitted /c/");
    assert_eq!(world.status(format!("DELETE /c/a\nIf: </c/> (<{token}>)")), 204);
}

/// RFC 4918 §7.4: of a collection locked with depth 0, the members must not change.
#[test]
fn a_member_of_a_collection_locked_alone_rfc4918_7_4() {
    let world = tree();
    let who = polydav_store::Principal::Anonymous;
    world.lock_by(who, "/c/", "exclusive", "0");
    assert_eq!(world.ask("DELETE /c/a").condition(), "lock-token-submitted /c/");
    assert_eq!(world.status("DELETE /c/d/e"), 204, "it is no internal member of /c/");
}

#[test]
fn conditions_decide_rfc9110_13_1() {
    let world = tree();
    let etag = world.ask("HEAD /x").header("etag").to_owned();
    assert_eq!(world.status("DELETE /x\nIf-Match: \"other\""), 412);
    assert_eq!(world.status(format!("DELETE /x\nIf-None-Match: {etag}")), 412);
    assert_eq!(world.status("DELETE /none\nIf-Match: *"), 404);
    assert_eq!(world.status(format!("DELETE /x\nIf-Match: {etag}")), 204);
}
