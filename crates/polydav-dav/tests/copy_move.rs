//! COPY and MOVE (RFC 4918 §7.6, §9.8, §9.9, §10.3, §10.6).

mod world;

use polydav_store::Principal;
use polydav_store::kit::{mkcol, patch, put, set};
use world::World;

fn tree() -> World {
    World::new().given([
        mkcol("c"),
        put("c/a", "1"),
        patch("c/a", [set("p", "<x/>")]),
        mkcol("c/d"),
        put("c/d/e", "2"),
        patch("c", [set("q", "<y/>")]),
        mkcol("t"),
        put("t/old", "3"),
        put("x", "4"),
    ])
}

const SOURCE: [&str; 4] = ["/c/ [q=<y/>]", "/c/a=1 [p=<x/>]", "/c/d/", "/c/d/e=2"];
const REST: [&str; 3] = ["/t/", "/t/old=3", "/x=4"];

fn all(parts: &[&[&str]]) -> Vec<String> {
    let mut all: Vec<_> = parts.concat().into_iter().map(str::to_owned).collect();
    all.sort_unstable();
    all
}

#[test]
fn a_file_is_copied_with_its_properties_rfc4918_9_8_1_9_8_2() {
    let world = tree();
    let reply = world.ask("COPY /c/a\nDestination: /n");
    assert_eq!((reply.status, reply.bytes()), (201, &b""[..]));
    assert_eq!(world.tree(), all(&[&SOURCE, &["/n=1 [p=<x/>]"], &REST]));
    assert_eq!(world.status("COPY /x\nDestination: /n"), 204, "RFC 4918 §9.8.6: overwritten");
    assert_eq!(world.tree(), all(&[&SOURCE, &["/n=4"], &REST]));
}

#[test]
fn a_tree_is_copied_rfc4918_9_8_3() {
    for depth in ["", "\nDepth: infinity"] {
        let world = tree();
        assert_eq!(world.status(format!("COPY /c/\nDestination: /n/{depth}")), 201);
        let copied = ["/n/ [q=<y/>]", "/n/a=1 [p=<x/>]", "/n/d/", "/n/d/e=2"];
        assert_eq!(world.tree(), all(&[&SOURCE, &copied, &REST]));
    }
}

#[test]
fn a_collection_is_copied_alone_rfc4918_9_8_3() {
    let world = tree();
    assert_eq!(world.status("COPY /c/\nDestination: /n/\nDepth: 0"), 201);
    assert_eq!(world.tree(), all(&[&SOURCE, &["/n/ [q=<y/>]"], &REST]));
}

#[test]
fn a_collection_that_is_overwritten_is_replaced_not_merged_rfc4918_9_8_4_9_9_3() {
    let world = tree();
    assert_eq!(world.status("COPY /c/\nDestination: /t/"), 204);
    let copied = ["/t/ [q=<y/>]", "/t/a=1 [p=<x/>]", "/t/d/", "/t/d/e=2"];
    assert_eq!(world.tree(), all(&[&SOURCE, &copied, &["/x=4"]]));
    let world = tree();
    assert_eq!(world.status("MOVE /c/\nDestination: /t/"), 204);
    assert_eq!(world.tree(), all(&[&copied, &["/x=4"]]));
}

#[test]
fn a_move_takes_all_along_rfc4918_9_9_1_9_9_2() {
    let world = tree();
    let before = world.ask("PROPFIND /c/a\nDepth: 0");
    assert_eq!(world.status("MOVE /c/\nDestination: /n/"), 201);
    let moved = ["/n/ [q=<y/>]", "/n/a=1 [p=<x/>]", "/n/d/", "/n/d/e=2"];
    assert_eq!(world.tree(), all(&[&moved, &REST]));
    let after = world.ask("PROPFIND /n/a\nDepth: 0");
    for name in ["creationdate", "getlastmodified", "getcontentlength", "getcontenttype"] {
        assert_eq!(before.property("/c/a", name), after.property("/n/a", name), "{name}");
    }
}

#[test]
fn overwrite_f_replaces_nothing_rfc4918_10_6_9_8_7() {
    for method in ["COPY", "MOVE"] {
        let world = tree();
        let before = world.tree();
        for (source, target) in [("/x", "/t/old"), ("/x", "/t/"), ("/c/", "/t/"), ("/c/", "/x")] {
            let text = format!("{method} {source}\nDestination: {target}\nOverwrite: F");
            assert_eq!(world.status(&text), 412, "{text}");
        }
        assert_eq!(world.tree(), before);
        assert_eq!(world.status(format!("{method} /x\nDestination: /n\nOverwrite: F")), 201);
        assert_eq!(world.status(format!("{method} /n\nDestination: /t/old\nOverwrite: T")), 204);
        assert_eq!(world.status(format!("{method} /t/old\nDestination: /y\nOverwrite: x")), 400);
    }
}

/// RFC 4918 §9.8.5, §9.9.4: a resource onto itself, into itself, or over what it lies in.
#[test]
fn source_and_target_must_not_overlap_rfc4918_9_8_5_9_9_4() {
    for method in ["COPY", "MOVE"] {
        let world = tree();
        let before = world.tree();
        for (source, target) in [
            ("/x", "/x"),
            ("/c/", "/c"),
            ("/c/", "/c/n/"),
            ("/c/a", "/c"),
            ("/", "/n/"),
            ("/c/", "/"),
        ] {
            let text = format!("{method} {source}\nDestination: {target}");
            assert_eq!(world.status(&text), 403, "{text}");
        }
        assert_eq!(world.tree(), before);
    }
}

#[test]
fn a_missing_source_or_collection_rfc4918_9_8_5_9_9_4() {
    for method in ["COPY", "MOVE"] {
        let world = tree();
        let before = world.tree();
        assert_eq!(world.status(format!("{method} /none\nDestination: /n")), 404);
        assert_eq!(world.status(format!("{method} /x\nDestination: /none/n")), 409);
        assert_eq!(world.status(format!("{method} /c/\nDestination: /x/n")), 409);
        assert_eq!(world.tree(), before);
    }
}

#[test]
fn the_destination_rfc4918_10_3() {
    for method in ["COPY", "MOVE"] {
        let world = tree();
        let before = world.tree();
        for (field, status) in [
            ("", 400),
            ("Destination: ", 400),
            ("Destination: n", 400),
            ("Destination: /a/../n", 400),
            ("Destination: /n?q", 400),
            ("Destination: http://elsewhere.example/n", 502),
            ("Destination: /batch-operation", 403),
            ("Destination: /batch-operation/n", 403),
        ] {
            assert_eq!(world.status(format!("{method} /x\n{field}")), status, "{field}");
        }
        assert_eq!(world.status(format!("{method} /x\nDestination: /{}", "n".repeat(5000))), 400);
        assert_eq!(world.tree(), before);
        let text = format!("{method} /x\nHost: a.example\nDestination: https://A.EXAMPLE/%6E");
        assert_eq!(world.status(text), 201);
        assert!(world.tree().contains(&"/n=4".to_owned()));
    }
}

#[test]
fn depths_rfc4918_9_8_3_9_9_2_10_2() {
    let world = tree();
    assert_eq!(world.status("COPY /c/\nDestination: /n/\nDepth: 1"), 400);
    assert_eq!(world.status("MOVE /c/\nDestination: /n/\nDepth: 0"), 400);
    assert_eq!(world.status("MOVE /c/\nDestination: /n/\nDepth: 1"), 400);
    // RFC 4918 §10.2: without members, it is ignored.
    assert_eq!(world.status("COPY /x\nDestination: /n\nDepth: 1"), 201);
    assert_eq!(world.status("MOVE /n\nDestination: /m\nDepth: 0"), 201);
    assert_eq!(world.tree(), all(&[&SOURCE, &["/m=4"], &REST]));
}

/// RFC 4918 §7.6: locks stay where they are.
#[test]
fn a_copy_is_not_locked_rfc4918_7_6() {
    let world = tree();
    world.lock("/x");
    assert_eq!(world.status("COPY /x\nDestination: /n"), 201);
    assert_eq!(world.status("PUT /n\n\nfree"), 204);
    assert_eq!(world.status("PUT /x\n\nlocked"), 423);
}

#[test]
fn a_move_leaves_its_lock_behind_rfc4918_7_6() {
    let world = tree();
    let token = world.lock("/x");
    assert_eq!(world.ask("MOVE /x\nDestination: /n").condition(), "lock-token-submitted /x");
    assert_eq!(world.status(format!("MOVE /x\nDestination: /n\nIf: (<{token}>)")), 201);
    assert_eq!(world.status("PUT /n\n\nfree"), 204);
    assert_eq!(world.status("PUT /x\n\nfree"), 201);
}

#[test]
fn what_comes_into_a_locked_collection_is_locked_rfc4918_7_4_7_6() {
    for method in ["COPY", "MOVE"] {
        let world = tree();
        let token = world.lock("/t/");
        let text = format!("{method} /x\nDestination: /t/n");
        assert_eq!(world.ask(&text).condition(), "lock-token-submitted /t/");
        assert_eq!(world.status(format!("{text}\nIf: </t/> (<{token}>)")), 201);
        assert_eq!(world.ask("PUT /t/n\n\ny").condition(), "lock-token-submitted /t/");
    }
}

/// RFC 4918 §7.5.1: the token of the destination, tagged.
#[test]
fn example_of_rfc4918_7_5_1() {
    let world = World::new().given([
        mkcol("~f"),
        put("~f/index.html", "i"),
        mkcol("users"),
        put("users/index.html", "o"),
    ]);
    let token = world.lock("/users/index.html");
    let copy = "COPY /~f/index.html\nHost: www.example.com\n\
                Destination: http://www.example.com/users/index.html";
    assert_eq!(world.status(copy), 423);
    let if_ = format!("If: <http://www.example.com/users/index.html> (<{token}>)");
    assert_eq!(world.status(format!("{copy}\n{if_}")), 204);
    assert_eq!(world.ask("GET /users/index.html").text(), "i");
    assert_eq!(world.status("DELETE /users/index.html"), 423, "it is locked still");
}

/// RFC 4918 §9.8.5, §9.9.4: a locked member holds all of it up (see the decision on trees).
#[test]
fn a_locked_member_is_told_and_nothing_moves_rfc4918_9_9_2_9_9_4() {
    for (text, told) in [
        ("MOVE /c/\nDestination: /n/", "/c/d/e 423 lock-token-submitted /c/d/e"),
        ("MOVE /t/\nDestination: /c/", "/c/d/e 423 lock-token-submitted /c/d/e"),
        ("COPY /t/\nDestination: /c/", "/c/d/e 423 lock-token-submitted /c/d/e"),
    ] {
        let world = tree();
        let token = world.lock("/c/d/e");
        let before = world.tree();
        assert_eq!(world.ask(text).told(), [told], "{text}");
        assert_eq!(world.tree(), before);
        let status = world.status(format!("{text}\nIf: </c/d/e> (<{token}>)"));
        assert!(matches!(status, 201 | 204), "{text}: {status}");
    }
}

#[test]
fn a_lock_needs_the_one_who_made_it_rfc4918_6_4() {
    let world = tree();
    let token = world.lock_by(world::named("ann"), "/x", "exclusive", "0");
    let text = format!("MOVE /x\nDestination: /n\nIf: (<{token}>)");
    assert_eq!(world.ask_as(world::named("bob"), &text).status, 423);
    assert_eq!(world.ask_as(Principal::Anonymous, &text).status, 423);
    assert_eq!(world.ask_as(world::named("ann"), &text).status, 201);
}

#[test]
fn conditions_are_about_the_source_rfc4918_10_4_1() {
    for method in ["COPY", "MOVE"] {
        let world = tree();
        let etag = world.ask("HEAD /x").header("etag").to_owned();
        let text = format!("{method} /x\nDestination: /t/old");
        assert_eq!(world.status(format!("{text}\nIf-Match: \"other\"")), 412);
        assert_eq!(world.status(format!("{text}\nIf: </t/old> ([{etag}])")), 412);
        assert_eq!(world.status(format!("{text}\nIf-Match: {etag}")), 204);
    }
}

/// RFC 4918 §7.5: each of the locks needs its token.
#[test]
fn source_and_target_need_their_tokens_each_rfc4918_7_5() {
    let world = tree();
    let (source, target) = (world.lock("/x"), world.lock("/t/old"));
    let text = "MOVE /x\nDestination: /t/old";
    for (field, condition) in [
        (format!("If: </x> (<{source}>)"), "lock-token-submitted /t/old"),
        (format!("If: </t/old> (<{target}>)"), "lock-token-submitted /x"),
    ] {
        assert_eq!(world.ask(format!("{text}\n{field}")).condition(), condition);
    }
    let both = format!("If: </x> (<{source}>) </t/old> (<{target}>)");
    assert_eq!(world.status(format!("{text}\n{both}")), 204);
}

/// RFC 4918 §7.6: what moves within the scope of a lock stays in it.
#[test]
fn what_moves_within_a_locked_collection_stays_locked_rfc4918_7_6() {
    let world = tree();
    let token = world.lock("/c/");
    let text = "MOVE /c/a\nDestination: /c/d/a";
    assert_eq!(world.ask(text).condition(), "lock-token-submitted /c/");
    assert_eq!(world.status(format!("{text}\nIf: </c/> (<{token}>)")), 201);
    assert_eq!(world.ask("PUT /c/d/a\n\ny").condition(), "lock-token-submitted /c/");
}

/// RFC 4918 §9.8.2, §9.9.1, §15: properties that are the client's come along, and live ones are
/// live at the target.
#[test]
fn live_properties_stay_live_rfc4918_9_8_2_9_9_1_15() {
    for method in ["COPY", "MOVE"] {
        let world = tree();
        let patch = |target: &str, name: &str| {
            let set = format!("<D:set><D:prop><D:{name}>de</D:{name}></D:prop></D:set>");
            let root = "<D:propertyupdate xmlns:D=\"DAV:\">";
            world.ask(format!("PROPPATCH {target}\n\n{root}{set}</D:propertyupdate>")).told()
        };
        for name in ["displayname", "getcontentlanguage"] {
            assert_eq!(patch("/c/a", name), [format!("/c/a 200: {name}")]);
        }
        let before = world.ask("PROPFIND /c/a\nDepth: 0").told();
        assert_eq!(world.status(format!("{method} /c/a\nDestination: /n")), 201);
        let found = world.ask("PROPFIND /n\nDepth: 0");
        assert_eq!(found.told(), [before[0].replacen("/c/a", "/n", 1)], "the same properties");
        for name in ["displayname", "getcontentlanguage"] {
            assert_eq!(found.property("/n", name).as_deref(), Some("de"), "{name}");
        }
        let refused = "/n 403: getetag because of cannot-modify-protected-property";
        assert_eq!(patch("/n", "getetag"), [refused]);
        world.lock("/n");
        let locked = world.ask("PROPFIND /n\nDepth: 0").property("/n", "lockdiscovery");
        assert!(locked.expect("it is defined").contains("activelock"));
    }
}

/// RFC 4918 §6.1: where an overwrite leaves nothing at the root of a lock, the lock ends.
#[test]
fn a_lock_ends_with_what_an_overwrite_removes_rfc4918_6_1() {
    for text in
        ["COPY /c/\nDestination: /t/", "MOVE /c/\nDestination: /t/", "COPY /x\nDestination: /t/"]
    {
        let world = tree();
        let token = world.lock("/t/old");
        assert_eq!(world.status(format!("{text}\nIf: </t/old> (<{token}>)")), 204, "{text}");
        if text.contains("/x") {
            assert_eq!(world.status("DELETE /t"), 204);
            assert_eq!(world.status("MKCOL /t/"), 201);
        }
        assert_eq!(world.status("PUT /t/old\n\nfree"), 201, "{text}");
        assert_eq!(world.status(format!("UNLOCK /t/old\nLock-Token: <{token}>")), 409, "{text}");
    }
}
