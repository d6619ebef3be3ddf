//! LOCK and UNLOCK (RFC 4918 §6, §7, §9.10, §9.11, §10.5, §10.7).

mod world;

use multistatus::xml::{Element, Name};
use polydav_store::Principal;
use polydav_store::kit::{mkcol, put};
use world::{Reply, World, info, named};

/// The locks in the answer to a LOCK.
fn active(reply: &Reply) -> Vec<Element> {
    let prop = reply.xml();
    assert!(prop.name().is_dav("prop"), "{}", reply.text());
    let discovery = prop.child(&Name::dav("lockdiscovery")).expect("it has one");
    discovery.elements().cloned().collect()
}

fn text(lock: &Element, path: &[&str]) -> String {
    let found = path.iter().try_fold(lock.clone(), |element, name| {
        element.elements().find(|child| child.name().is_dav(name)).cloned()
    });
    found.map(|element| element.text()).unwrap_or_default()
}

fn tree() -> World {
    World::new().given([
        mkcol("c"),
        put("c/a", "1"),
        mkcol("c/d"),
        put("c/d/e", "2"),
        put("f", "3"),
    ])
}

const OWNER: &str =
    "<D:owner>\n  <D:href>http://example.org/~ejw/contact.html</D:href>\n</D:owner>";

fn owned(scope: &str) -> String {
    info(scope).replace("</D:lockinfo>", &format!("{OWNER}</D:lockinfo>"))
}

#[test]
fn a_simple_lock_rfc4918_9_10_7_9_10_1() {
    let world = tree();
    let body = owned("exclusive");
    let reply = world.ask(format!("LOCK /f\nTimeout: Infinite, Second-4100000000\n\n{body}"));
    assert_eq!(reply.status, 200);
    assert!(reply.header("lock-token").starts_with("<urn:uuid:"));
    let locks = active(&reply);
    let [lock] = &locks[..] else { panic!("{locks:?}") };
    assert_eq!(text(lock, &["locktoken", "href"]), reply.token());
    assert_eq!(text(lock, &["lockroot", "href"]), "/f");
    assert_eq!(text(lock, &["depth"]), "infinity");
    assert_eq!(text(lock, &["owner", "href"]), "http://example.org/~ejw/contact.html");
    assert!(text(lock, &["timeout"]).starts_with("Second-"));
    assert!(lock.elements().any(|child| child.child(&Name::dav("exclusive")).is_some()));
    assert!(lock.elements().any(|child| child.child(&Name::dav("write")).is_some()));
}

#[test]
fn the_owner_is_kept_as_it_is_rfc4918_14_17() {
    let world = tree();
    let owner =
        "<D:owner xml:lang=\"de\"><x:y xmlns:x=\"urn:x\" z=\"1\">Jürgen</x:y> &amp; Co</D:owner>";
    let body = info("exclusive").replace("</D:lockinfo>", &format!("{owner}</D:lockinfo>"));
    world.ask(format!("LOCK /f\n\n{body}"));
    let discovery = world.ask("PROPFIND /f\nDepth: 0").property("/f", "lockdiscovery");
    let discovery = discovery.expect("it is locked");
    for part in ["xml:lang=\"de\"", "z=\"1\"", ">Jürgen</x:y> &amp; Co</D:owner>"] {
        assert!(discovery.contains(part), "{discovery}");
    }
}

#[test]
fn tokens_are_unique_rfc4918_6_5() {
    let world = tree();
    let tokens: std::collections::BTreeSet<_> = (0..20)
        .map(|_| {
            let token = world.lock("/f");
            assert_eq!(world.status(format!("UNLOCK /f\nLock-Token: <{token}>")), 204);
            token
        })
        .collect();
    assert_eq!(tokens.len(), 20);
}

#[test]
fn an_unmapped_url_becomes_an_empty_file_rfc4918_7_3_9_10_4() {
    let world = tree();
    let reply = world.ask(format!("LOCK /c/new\n\n{}", info("exclusive")));
    assert_eq!(
        (reply.status, text(&active(&reply)[0], &["lockroot", "href"])),
        (201, "/c/new".into())
    );
    let token = reply.token();
    assert!(world.ask("PROPFIND /c/\nDepth: 1").hrefs().contains(&"/c/new".to_owned()));
    assert_eq!(world.ask("GET /c/new").bytes(), b"");
    assert_eq!(world.status("MKCOL /c/new"), 423);
    assert_eq!(world.status(format!("MKCOL /c/new\nIf: (<{token}>)")), 405);
    assert_eq!(world.status(format!("PUT /c/new\nIf: (<{token}>)\n\nx")), 204);
    assert_eq!(world.status(format!("UNLOCK /c/new\nLock-Token: <{token}>")), 204);
    assert_eq!(world.ask("GET /c/new").text(), "x", "it stays");
}

#[test]
fn no_collection_is_made_for_a_lock_rfc4918_9_10_6() {
    let world = tree();
    let before = world.tree();
    let text = format!("LOCK /none/new\n\n{}", info("exclusive"));
    assert_eq!(world.status(&text), 409);
    assert_eq!(world.tree(), before);
    assert_eq!(world.status("MKCOL /none"), 201, "no lock is left");
    assert_eq!(world.status(&text), 201);
}

/// RFC 4918 §9.10.5, §6.1: who may have a lock beside which.
#[test]
fn the_compatibility_of_locks_rfc4918_9_10_5() {
    for (held, asked, status) in [
        ("exclusive", "exclusive", 423),
        ("exclusive", "shared", 423),
        ("shared", "exclusive", 423),
        ("shared", "shared", 200),
    ] {
        for (root, other) in [("/f", "/f"), ("/c/", "/c/d/e"), ("/c/", "/c/")] {
            let world = tree();
            world.lock_by(named("ann"), root, held, "infinity");
            let text = format!("LOCK {other}\n\n{}", info(asked));
            let reply = world.ask_as(named("bob"), text);
            assert_eq!(reply.status, status, "{held} on {root}, {asked} on {other}");
            if status == 423 {
                assert_eq!(reply.condition(), format!("no-conflicting-lock {root}"));
                assert_eq!(reply.header("lock-token"), "");
            }
        }
    }
}

#[test]
fn the_same_lock_twice_is_a_conflict_rfc4918_7_7() {
    let world = tree();
    world.lock("/f");
    assert_eq!(world.status(format!("LOCK /f\n\n{}", info("exclusive"))), 423);
}

/// RFC 4918 §9.10.9, §9.10.3: all or nothing, and the resource asked for is told of too.
#[test]
fn a_member_holds_the_lock_up_rfc4918_9_10_9_9_10_3() {
    let world = tree();
    world.lock("/c/d/e");
    let reply = world.ask(format!("LOCK /c/\nDepth: infinity\n\n{}", info("exclusive")));
    assert_eq!(reply.told(), ["/c/ 424", "/c/d/e 423 no-conflicting-lock /c/d/e"]);
    assert_eq!(world.status("PUT /c/a\n\nx"), 204, "nothing is locked");
    assert_eq!(world.status(format!("LOCK /c/\nDepth: 0\n\n{}", info("exclusive"))), 200);
}

#[test]
fn a_member_with_several_locks_is_told_once_rfc4918_14_24() {
    let world = tree();
    world.lock_by(named("ann"), "/c/d/e", "shared", "0");
    world.lock_by(named("bob"), "/c/d/e", "shared", "0");
    let told = ["/c/ 424", "/c/d/e 423 no-conflicting-lock /c/d/e"];
    let reply = world.ask(format!("LOCK /c/\n\n{}", info("exclusive")));
    assert_eq!(reply.told(), told);
    for text in ["DELETE /c/d/", "MOVE /c/\nDestination: /n/", "COPY /f\nDestination: /c/"] {
        let told = world.ask(text).told();
        assert_eq!(told, ["/c/d/e 423 lock-token-submitted /c/d/e"], "{text}");
    }
}

#[test]
fn depths_rfc4918_9_10_3() {
    let world = tree();
    assert_eq!(world.status(format!("LOCK /c/\nDepth: 1\n\n{}", info("exclusive"))), 400);
    let reply = world.ask(format!("LOCK /c/\n\n{}", info("exclusive")));
    assert_eq!(text(&active(&reply)[0], &["depth"]), "infinity", "without the field");
    assert_eq!(text(&active(&reply)[0], &["lockroot", "href"]), "/c/", "RFC 4918 §5.2");
    assert_eq!(world.status("PUT /c/d/e\n\nx"), 423);
    let token = reply.token();
    assert_eq!(world.status(format!("UNLOCK /c/d/e\nLock-Token: <{token}>")), 204);
    let reply = world.ask(format!("LOCK /c\nDepth: 0\n\n{}", info("exclusive")));
    assert_eq!(text(&active(&reply)[0], &["depth"]), "0");
    assert_eq!(text(&active(&reply)[0], &["lockroot", "href"]), "/c/", "RFC 4918 §5.2");
    assert_eq!(world.status("PUT /c/d/e\n\nx"), 204);
    assert_eq!(world.status("PUT /c/new\n\nx"), 423);
}

#[test]
fn a_refresh_rfc4918_9_10_8_9_10_2() {
    let world = tree();
    let token =
        world.ask(format!("LOCK /c/\nTimeout: Second-100\n\n{}", info("exclusive"))).token();
    world.wait(90);
    let refresh = |target: &str| {
        world.ask(format!("LOCK {target}\nDepth: 1\nTimeout: Second-100\nIf: (<{token}>)"))
    };
    for target in ["/c/", "/c/d/e"] {
        let reply = refresh(target);
        assert_eq!((reply.status, reply.header("lock-token")), (200, ""));
        let lock = &active(&reply)[0];
        assert_eq!(text(lock, &["locktoken", "href"]), token);
        assert_eq!(text(lock, &["lockroot", "href"]), "/c/");
        assert_eq!(text(lock, &["timeout"]), "Second-100");
        world.wait(90);
    }
    assert_eq!(world.status("PUT /c/a\n\nx"), 423);
    world.wait(20);
    assert_eq!(refresh("/c/").status, 412);
    assert_eq!(world.status("PUT /c/a\n\nx"), 204);
}

#[test]
fn a_refresh_makes_no_lock_rfc4918_7_7() {
    let world = tree();
    let token = world.lock("/f");
    assert_eq!(world.status("LOCK /f"), 400, "which one?");
    assert_eq!(world.status("LOCK /f\nIf: (<urn:uuid:other>)"), 412);
    assert_eq!(world.status(format!("LOCK /c/\nIf: (<{token}>)")), 412, "it is elsewhere");
    assert_eq!(world.status("PUT /c/a\n\nx"), 204);
}

/// RFC 4918 §9.10.2: the property as it is now, with the shared locks beside the one refreshed.
#[test]
fn a_refresh_tells_all_locks_rfc4918_9_10_2() {
    let world = tree();
    let one = world.lock_by(named("ann"), "/f", "shared", "0");
    let other = world.lock_by(named("bob"), "/f", "shared", "0");
    let reply = world.ask_as(named("ann"), format!("LOCK /f\nIf: (<{one}>)"));
    assert_eq!(active(&reply).len(), 2);
    assert!(reply.text().contains(&one) && !reply.text().contains(&other), "{}", reply.text());
}

/// Nobody else can use it.
#[test]
fn a_token_is_told_to_its_own_principal_rfc4918_15_8() {
    let world = tree();
    let token = world.lock_by(named("ann"), "/f", "exclusive", "0");
    for (who, told) in [("ann", true), ("bob", false)] {
        let reply = world.ask_as(named(who), "PROPFIND /f\nDepth: 0");
        let discovery = reply.property("/f", "lockdiscovery").expect("it has one");
        assert!(discovery.contains("<D:lockroot><D:href>/f</D:href>"), "{discovery}");
        assert_eq!(discovery.contains(&token), told, "{who}: {discovery}");
    }
}

#[test]
fn a_lock_runs_out_rfc4918_6_6() {
    let world = tree();
    let token = world.ask(format!("LOCK /f\nTimeout: Second-10\n\n{}", info("exclusive"))).token();
    world.wait(9);
    assert_eq!(world.status("PUT /f\n\nx"), 423);
    assert_eq!(world.status(format!("PUT /f\nIf: (<{token}>)\n\nx")), 204, "that is no refresh");
    world.wait(2);
    assert_eq!(world.status("PUT /f\n\nx"), 204);
}

#[test]
fn timeouts_rfc4918_10_7() {
    for (field, expected) in [
        ("Second-600", "Second-600"),
        ("Second-600, Second-10", "Second-600"),
        ("Infinite", "Second-86400"),
        ("Second-4100000000", "Second-86400"),
        ("Second-99999999999999999999", "Second-86400"),
    ] {
        let reply = tree().ask(format!("LOCK /f\nTimeout: {field}\n\n{}", info("exclusive")));
        assert_eq!(text(&active(&reply)[0], &["timeout"]), expected, "{field}");
    }
    assert_eq!(tree().status(format!("LOCK /f\nTimeout: soon\n\n{}", info("exclusive"))), 400);
}

#[test]
fn a_lock_of_no_time_is_no_failure_of_the_server() {
    let world = tree();
    let text = format!("LOCK /new\nTimeout: Second-0\n\n{}", info("exclusive"));
    assert_eq!(world.status(&text), 201);
    world.wait(2);
    assert_eq!(world.status("PUT /new\n\nx"), 204);
}

#[test]
fn what_is_no_lockinfo_is_refused_rfc4918_9_10_8_2() {
    let world = tree();
    for body in
        ["x", "<D:lockinfo xmlns:D=\"DAV:\"/>", "<lockinfo/>", "<D:lockinfo xmlns:D=\"DAV:\">"]
    {
        assert_eq!(world.status(format!("LOCK /f\n\n{body}")), 400, "{body}");
    }
    let long = info("exclusive").replace(
        "</D:lockinfo>",
        &format!("<D:owner>{}</D:owner></D:lockinfo>", "x".repeat(5_000)),
    );
    assert_eq!(world.status(format!("LOCK /f\n\n{long}")), 403);
    assert_eq!(world.status("PUT /f\n\nx"), 204);
}

/// RFC 4918 §6.2, §6.4: each of several shared locks is good for its maker.
#[test]
fn shared_locks_rfc4918_6_2() {
    let world = tree();
    let ann = world.lock_by(named("ann"), "/f", "shared", "0");
    let bob = world.lock_by(named("bob"), "/f", "shared", "0");
    assert_ne!(ann, bob);
    let put = |who: Principal, token: &str| {
        world.ask_as(who, format!("PUT /f\nIf: (<{token}>)\n\nx")).status
    };
    assert_eq!(put(named("ann"), &ann), 204);
    assert_eq!(put(named("bob"), &bob), 204);
    assert_eq!(put(named("eve"), &bob), 423);
    assert_eq!(world.status("PUT /f\n\nx"), 423);
}

#[test]
fn an_unlock_rfc4918_9_11_2() {
    let world = tree();
    let token = world.lock("/c/");
    let reply = world.ask(format!("UNLOCK /c/d/e\nLock-Token: <{token}>"));
    assert_eq!((reply.status, reply.bytes()), (204, &b""[..]), "from anywhere in its scope");
    assert_eq!(world.status("PUT /c/a\n\nx"), 204);
    let discovery = world.ask("PROPFIND /c/\nDepth: 0").property("/c/", "lockdiscovery");
    assert_eq!(discovery.as_deref(), Some(""));
}

#[test]
fn an_unlock_of_another_lock_rfc4918_9_11_1_16() {
    let world = tree();
    let token = world.lock("/f");
    for target in ["/c/", "/none"] {
        let reply = world.ask(format!("UNLOCK {target}\nLock-Token: <{token}>"));
        assert_eq!(
            (reply.status, reply.condition().as_str()),
            (409, "lock-token-matches-request-uri")
        );
    }
    assert_eq!(world.status("UNLOCK /f\nLock-Token: <urn:uuid:other>"), 409);
    assert_eq!(world.status("UNLOCK /f"), 400);
    assert_eq!(world.status("UNLOCK /f\nLock-Token: <other"), 400);
    assert_eq!(world.status("PUT /f\n\nx"), 423);
    // The npm package webdav forgets the brackets.
    assert_eq!(world.status(format!("UNLOCK /f\nLock-Token: {token}")), 204);
}

#[test]
fn only_its_maker_unlocks_rfc4918_6_4_9_11_1() {
    let world = tree();
    let token = world.lock_by(named("ann"), "/f", "exclusive", "0");
    let text = format!("UNLOCK /f\nLock-Token: <{token}>");
    assert_eq!(world.ask_as(named("bob"), &text).status, 403);
    assert_eq!(world.status(&text), 403);
    assert_eq!(world.ask_as(named("ann"), &text).status, 204);
}

/// Office unlocks long after its lock ran out, and takes an error to heart.
#[test]
fn unlocking_what_ran_out_is_no_error() {
    let world = tree();
    let token = world.ask(format!("LOCK /f\nTimeout: Second-10\n\n{}", info("exclusive"))).token();
    world.wait(11);
    assert_eq!(world.status(format!("UNLOCK /f\nLock-Token: <{token}>")), 204);
}

/// Office puts the token where it doesn't belong.
#[test]
fn office_submits_its_token_in_lock_token() {
    let world = tree();
    let token = world.lock("/f");
    assert_eq!(world.status(format!("PUT /f\nLock-Token: <{token}>\n\nx")), 204);
    assert_eq!(world.status("PUT /f\nLock-Token: <urn:uuid:other>\n\nx"), 423);
}

#[test]
fn a_new_member_of_a_locked_collection_rfc4918_7_4() {
    let world = tree();
    let token = world.lock("/c/");
    for text in ["PUT /c/new\n\nx", "MKCOL /c/new", "COPY /f\nDestination: /c/new", "DELETE /c/a"] {
        assert_eq!(world.ask(text).condition(), "lock-token-submitted /c/", "{text}");
    }
    assert_eq!(world.status(format!("PUT /c/new\nIf: </c/> (<{token}>)\n\nx")), 201);
    assert_eq!(world.ask("PUT /c/new\n\ny").condition(), "lock-token-submitted /c/", "at once");
    assert_eq!(world.status("COPY /c/a\nDestination: /n"), 201, "reading is free");
    assert_eq!(world.status("GET /c/a"), 200);
}

/// RFC 4918 §7.4: a member that leaves is locked no more.
#[test]
fn a_member_that_leaves_a_locked_collection_rfc4918_6_1() {
    let world = tree();
    let token = world.lock("/c/");
    assert_eq!(world.status(format!("MOVE /c/a\nDestination: /n\nIf: </c/> (<{token}>)")), 201);
    assert_eq!(world.status("PUT /n\n\nx"), 204);
}

#[test]
fn conditions_decide_rfc9110_13_1() {
    let world = tree();
    let body = info("exclusive");
    assert_eq!(world.status(format!("LOCK /f\nIf-Match: \"x\"\n\n{body}")), 412);
    assert_eq!(world.status(format!("LOCK /f\nIf-None-Match: *\n\n{body}")), 412);
    assert_eq!(world.status(format!("LOCK /new\nIf-None-Match: *\n\n{body}")), 201);
    assert_eq!(world.status("PUT /f\n\nx"), 204);
}

/// RFC 4918 §7.3: what a lock made is a resource like any other, and stays when the lock goes.
#[test]
fn an_empty_file_stays_when_its_lock_goes_rfc4918_7_3_9_10_4() {
    let world = tree();
    let body = info("exclusive");
    let token = world.ask(format!("LOCK /c/given\n\n{body}")).token();
    assert_eq!(world.status(format!("LOCK /c/kept\nTimeout: Second-10\n\n{body}")), 201);
    let found = world.ask("PROPFIND /c/given\nDepth: 0");
    let value = |name| found.property("/c/given", name).expect("it is defined");
    assert!(value("lockdiscovery").contains(&token), "{}", found.text());
    assert!(value("supportedlock").contains("exclusive"), "{}", found.text());
    assert_eq!(world.status(format!("UNLOCK /c/given\nLock-Token: <{token}>")), 204);
    world.wait(11);
    let hrefs = world.ask("PROPFIND /c/\nDepth: 1").hrefs();
    for href in ["/c/given", "/c/kept"] {
        assert!(hrefs.contains(&href.to_owned()), "{hrefs:?}");
        assert_eq!(world.ask(format!("GET {href}")).header("content-length"), "0");
        assert_eq!(world.status(format!("PUT {href}\n\nx")), 204, "it is free");
    }
}

/// RFC 4918 §7.4: also what comes to be by a LOCK is covered at once by the lock around it.
#[test]
fn what_a_lock_makes_in_a_locked_collection_is_covered_rfc4918_7_4() {
    let world = tree();
    let around = world.lock_by(named("ann"), "/c/", "shared", "infinity");
    let text = format!("LOCK /c/new\n{{if}}\n\n{}", info("shared"));
    let refused = world.ask_as(named("ann"), text.replace("\n{if}", ""));
    assert_eq!(refused.condition(), "lock-token-submitted /c/");
    let text = text.replace("{if}", &format!("If: </c/> (<{around}>)"));
    let own = world.ask_as(named("ann"), text).token();
    let reply = world.ask_as(named("ann"), "PROPFIND /c/new\nDepth: 0");
    let discovery = reply.property("/c/new", "lockdiscovery").expect("it is locked");
    assert!(discovery.contains(&around) && discovery.contains(&own), "{discovery}");
}

/// RFC 4918 §14.17, §4.3: the owner is kept like a dead property, with the language in scope.
#[test]
fn the_language_around_an_owner_is_kept_rfc4918_14_17() {
    let world = tree();
    let body = owned("exclusive").replacen("<D:lockinfo ", "<D:lockinfo xml:lang=\"de\" ", 1);
    let reply = world.ask(format!("LOCK /f\n\n{body}"));
    let owner = active(&reply)[0].child(&Name::dav("owner")).cloned().expect("it has one");
    assert_eq!(owner.lang(), Some("de"), "{}", reply.text());
    assert!(owner.text().starts_with("\n  "), "{}", reply.text());
}

/// RFC 4918 §17.
#[test]
fn unknown_parts_of_a_lockinfo_are_passed_over_rfc4918_17() {
    let more = "<?do something?><E:x xmlns:E=\"urn:e\"><D:lockscope><D:shared/></D:lockscope></E:x>\
                <D:prop/></D:lockinfo>";
    let body = info("exclusive").replace("</D:lockinfo>", more);
    let reply = tree().ask(format!("LOCK /f\n\n{body}"));
    assert!(active(&reply)[0].elements().any(|it| it.child(&Name::dav("exclusive")).is_some()));
}

/// RFC 4918 §8.5: who may not unlock isn't told whether a condition holds.
#[test]
fn conditions_come_after_permission_rfc4918_8_5() {
    let world = tree();
    let token = world.lock_by(named("ann"), "/f", "exclusive", "0");
    let text = format!("UNLOCK /f\nLock-Token: <{token}>\nIf-Match: \"x\"");
    assert_eq!(world.ask_as(named("bob"), &text).status, 403);
    assert_eq!(world.ask_as(named("ann"), &text).status, 412);
    assert_eq!(world.status("PUT /f\n\nx"), 423, "it is locked still");
}
