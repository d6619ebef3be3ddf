//! PROPPATCH (RFC 4918 §4.3, §9.2, §14.23, §14.26).

mod world;

use std::sync::Arc;

use multistatus::xml::{Element, Limits, Name};
use polydav_store::kit::{mkcol, put};
use polydav_store::layer::{Fault, Faulty};
use polydav_store::{FailureKind, MemoryStore};
use world::{Reply, World};

const Z: &str = "http://ns.example.com/standards/z39.50/";

fn update(target: &str, content: &str) -> String {
    format!(
        "PROPPATCH {target}\n\n<D:propertyupdate xmlns:D=\"DAV:\" xmlns:Z=\"{Z}\">{content}\
         </D:propertyupdate>"
    )
}

fn set(properties: &str) -> String {
    format!("<D:set><D:prop>{properties}</D:prop></D:set>")
}

fn remove(properties: &str) -> String {
    format!("<D:remove><D:prop>{properties}</D:prop></D:remove>")
}

fn found(world: &World, href: &str) -> Reply {
    world.ask(format!("PROPFIND {href}\nDepth: 0"))
}

fn bar() -> World {
    World::new().given([put("bar.html", "x")])
}

/// RFC 4918 §9.2.2, in which a protected property takes the other with it.
#[test]
fn a_protected_property_fails_all_rfc4918_9_2_2() {
    let world = bar();
    let authors = "<Z:Authors><Z:Author>Jim Whitehead</Z:Author><Z:Author>Roy Fielding</Z:Author>\
                   </Z:Authors>";
    let content = set(authors) + &remove("<D:getetag/>");
    let reply = world.ask(update("/bar.html", &content));
    assert_eq!(
        reply.told(),
        ["/bar.html 403: getetag because of cannot-modify-protected-property, 424: Authors"]
    );
    assert_eq!(world.tree(), ["/bar.html=x"], "nothing was done");
    let reply = world.ask(update("/bar.html", &(set(authors) + &remove("<Z:Copyright-Owner/>"))));
    assert_eq!(reply.told(), ["/bar.html 200: Authors Copyright-Owner"]);
    let stored = found(&world, "/bar.html").property("/bar.html", "Authors").expect("it is there");
    assert!(stored.contains("<Z:Author>Roy Fielding</Z:Author>"), "{stored}");
}

#[test]
fn live_properties_are_protected_rfc4918_15_rfc4331_3() {
    let world = bar();
    for name in [
        "creationdate",
        "getcontentlength",
        "getcontenttype",
        "getetag",
        "getlastmodified",
        "lockdiscovery",
        "resourcetype",
        "supportedlock",
        "quota-available-bytes",
        "quota-used-bytes",
    ] {
        for content in [set(&format!("<D:{name}>x</D:{name}>")), remove(&format!("<D:{name}/>"))] {
            let told = world.ask(update("/bar.html", &content)).told();
            let expected =
                format!("/bar.html 403: {name} because of cannot-modify-protected-property");
            assert_eq!(told, [expected]);
        }
    }
}

#[test]
fn these_are_not_protected_rfc4918_15_2_15_3() {
    let world = bar();
    let values =
        "<D:displayname>Shown</D:displayname><D:getcontentlanguage>de</D:getcontentlanguage>";
    let told = world.ask(update("/bar.html", &set(values))).told();
    assert_eq!(told, ["/bar.html 200: displayname getcontentlanguage"]);
    let reply = found(&world, "/bar.html");
    assert_eq!(reply.property("/bar.html", "displayname").as_deref(), Some("Shown"));
    assert_eq!(reply.property("/bar.html", "getcontentlanguage").as_deref(), Some("de"));
    world.ask(update("/bar.html", &remove("<D:displayname/>")));
    let reply = found(&world, "/bar.html");
    assert_eq!(reply.property("/bar.html", "displayname").as_deref(), Some("bar.html"));
}

#[test]
fn instructions_are_done_in_their_order_rfc4918_9_2() {
    let world = bar();
    let content = set("<Z:a>1</Z:a><Z:b>1</Z:b>")
        + &remove("<Z:a/>")
        + &set("<Z:b>2</Z:b>")
        + &remove("<Z:c/>")
        + &set("<Z:c>3</Z:c>");
    assert_eq!(world.ask(update("/bar.html", &content)).told(), ["/bar.html 200: a b c"]);
    let reply = found(&world, "/bar.html");
    let value = |name| reply.property("/bar.html", name);
    assert_eq!((value("a"), value("b"), value("c")), (None, Some("2".into()), Some("3".into())));
}

#[test]
fn removing_what_is_not_there_is_no_error_rfc4918_14_23() {
    let world = bar();
    assert_eq!(world.ask(update("/bar.html", &remove("<Z:a/>"))).told(), ["/bar.html 200: a"]);
}

/// RFC 4918 §4.3, §4.3.1: mixed content, attributes, white space, the language in scope.
#[test]
fn values_are_kept_as_they_are_rfc4918_4_3_1_14_26() {
    let world = bar();
    let value = "<x:author xmlns:x='http://example.com/ns'>\n  <x:name>Jane &amp; Doe</x:name> said\t\
                 <!-- gone --><x:uri type='email' added='2005-11-26'>mailto:jane@example.com</x:uri>\
                 <![CDATA[<b>]]> <h:i xmlns:h='http://www.w3.org/1999/xhtml'>x:name</h:i></x:author>";
    let text = update("/bar.html", &set(value)).replacen(
        "<D:propertyupdate ",
        "<D:propertyupdate xml:lang=\"en\" ",
        1,
    );
    assert_eq!(world.ask(text).told(), ["/bar.html 200: author"]);
    let stored = found(&world, "/bar.html").property("/bar.html", "author").expect("it is there");
    for part in [
        "xml:lang=\"en\"",
        "\n  <x:name>Jane &amp; Doe</x:name> said\t",
        "type=\"email\"",
        "added=\"2005-11-26\"",
        "&lt;b&gt; ",
        ">x:name</h:i>",
        "xmlns:x=\"http://example.com/ns\"",
    ] {
        assert!(stored.contains(part), "{part} in {stored}");
    }
}

#[test]
fn properties_of_no_and_of_long_namespaces_are_kept() {
    let world = bar();
    let long = format!("urn:{}", "n".repeat(1_000));
    let values = format!("<none xmlns=\"\">1</none><l:long xmlns:l=\"{long}\">2</l:long>");
    assert_eq!(world.ask(update("/bar.html", &set(&values))).told(), ["/bar.html 200: long none"]);
    let reply = found(&world, "/bar.html");
    assert_eq!(reply.property("/bar.html", "none").as_deref(), Some("1"));
    assert_eq!(reply.property("/bar.html", "long").as_deref(), Some("2"));
}

#[test]
fn collections_have_properties_and_a_slash_rfc4918_5_2() {
    let world = World::new().given([mkcol("c")]);
    for target in ["/c", "/c/", "/"] {
        let href = if target == "/" { "/" } else { "/c/" };
        let told = world.ask(update(target, &set("<Z:a>1</Z:a>"))).told();
        assert_eq!(told, [format!("{href} 200: a")]);
    }
}

#[test]
fn what_is_no_update_is_refused_rfc4918_9_2_8_2() {
    let world = bar();
    for content in ["", "<D:set/>", "<D:set><D:prop/></D:set>"] {
        assert_eq!(world.status(update("/bar.html", content)), 400, "{content}");
    }
    assert_eq!(world.status("PROPPATCH /bar.html"), 400);
    assert_eq!(world.status("PROPPATCH /bar.html\n\n<D:propertyupdate"), 400);
    assert_eq!(world.status(update("/none", &set("<Z:a/>"))), 404);
}

#[test]
fn a_lock_and_conditions_count_even_if_nothing_would_be_changed_rfc4918_7_1() {
    let world = bar();
    let token = world.lock("/bar.html");
    for content in [set("<Z:a>1</Z:a>"), set("<D:getetag>x</D:getetag>")] {
        let text = update("/bar.html", &content);
        let reply = world.ask(&text);
        assert_eq!(
            (reply.status, reply.condition().as_str()),
            (423, "lock-token-submitted /bar.html")
        );
        let with =
            |fields: &str| world.status(text.replacen("\n\n", &format!("\n{fields}\n\n"), 1));
        assert_eq!(with("If-Match: \"x\""), 412);
        assert_eq!(with(&format!("If: (<{token}>)")), 207);
    }
}

/// What Windows sends after each copy; a 204 would be an error to it.
#[test]
fn windows_sets_its_times() {
    let world = bar();
    let times = "<W:Win32CreationTime xmlns:W=\"urn:schemas-microsoft-com:\">Sun, 06 Nov 1994 \
                 08:49:37 GMT</W:Win32CreationTime><W:Win32FileAttributes \
                 xmlns:W=\"urn:schemas-microsoft-com:\">00000020</W:Win32FileAttributes>";
    let told = world.ask(update("/bar.html", &set(times))).told();
    assert_eq!(told, ["/bar.html 200: Win32CreationTime Win32FileAttributes"]);
}

#[test]
fn a_minimal_answer_has_no_body_rfc8144_2_2() {
    let world = bar();
    let ask = |content: &str| {
        let text = update("/bar.html", &set(content));
        world.ask(text.replacen("\n\n", "\nPrefer: return=minimal\n\n", 1))
    };
    let reply = ask("<Z:a>1</Z:a>");
    assert_eq!((reply.status, reply.bytes()), (204, &b""[..]));
    assert_eq!(reply.header("preference-applied"), "return=minimal");
    assert_eq!(ask("<D:getetag>x</D:getetag>").status, 207, "failures are told");
}

/// RFC 4918 §4.3: white space counts, whatever xml:space says, and so do carriage returns, which a
/// parser keeps only as references; prefixes stay, as texts may use them.
#[test]
fn every_character_of_a_value_is_kept_rfc4918_4_3() {
    let world = bar();
    for value in [
        "<Z:p>  </Z:p>",
        "<Z:p xml:space=\"default\"> a \n\t b </Z:p>",
        "<Z:p>a&#13;&#10;b</Z:p>",
        "<Z:p><Z:q r=\"a&#10;b&#9;c&#13;d &quot;\"/> </Z:p>",
        "<Z:dated xmlns:xs=\"urn:xs\"><Z:q type=\"xs:date\">xs:time</Z:q></Z:dated>",
        "<Z:p>\u{1f980} \u{e4} a\u{308}</Z:p>",
        "<D:unheard-of><D:of><E:it xmlns:E=\"urn:e\">x</E:it></D:of> y</D:unheard-of>",
    ] {
        assert_eq!(world.ask(update("/bar.html", &set(value))).status, 207, "{value}");
        let sent = format!("<x xmlns:D=\"DAV:\" xmlns:Z=\"{Z}\">{value}</x>");
        let sent = Element::parse(sent.as_bytes(), Limits::default()).expect("it is XML");
        let sent = sent.elements().next().expect("there is one");
        let found = found(&world, "/bar.html").xml();
        let kept = search(&found, sent.name()).expect("it is there");
        assert_eq!(kept.children(), sent.children(), "{value}");
    }
    let last = found(&world, "/bar.html").xml();
    let dated = search(&last, &Name::new(Z, "dated").expect("it is one")).expect("it is there");
    let declared: Vec<_> = dated.declarations().chain(last.declarations()).collect();
    assert!(declared.contains(&("xs", "urn:xs")), "{declared:?}");
}

fn search<'a>(element: &'a Element, name: &Name) -> Option<&'a Element> {
    if element.name() == name {
        return Some(element);
    }
    element.elements().find_map(|child| search(child, name))
}

/// RFC 4918 §17: what isn't known, or known elsewhere, is as if it weren't there.
#[test]
fn unknown_parts_of_an_update_are_passed_over_rfc4918_17() {
    let world = bar();
    let content = "<?do something?><E:x xmlns:E=\"urn:e\"><D:set><D:prop><Z:b/></D:prop></D:set></E:x>\
                   <D:propfind/><D:set E:y=\"z\" xmlns:E=\"urn:e\"><E:x/><D:owner/><D:prop>\
                   <Z:a>1</Z:a></D:prop></D:set>";
    assert_eq!(world.ask(update("/bar.html", content)).told(), ["/bar.html 200: a"]);
}

/// RFC 4918 §9.2, §9.2.1: once the body was read, each property has its status, also where there
/// is no room for it.
#[test]
fn no_room_for_a_property_is_told_of_it_rfc4918_9_2_1() {
    let store = Arc::new(Faulty::new(MemoryStore::new()));
    let world = World::over(store.clone()).given([put("bar.html", "x")]);
    store.arm(1, Fault::Fails(FailureKind::NoSpace));
    let told = world.ask(update("/bar.html", &(set("<Z:a>1</Z:a>") + &remove("<Z:b/>")))).told();
    assert_eq!(told, ["/bar.html 507: a b because of sufficient-disk-space"]);
}

/// A body of 1 MiB could have 250,000 elements, and took 140 MiB.
#[test]
fn a_body_has_so_many_elements() {
    let world = World::new().given([put("f", "x")]);
    let update = |count: usize| {
        let inner = "<a/>".repeat(count);
        format!("<D:set><D:prop><b xmlns='urn:b'>{inner}</b></D:prop></D:set>")
    };
    let ask = |method: &str, body: String| world.status(format!("{method} /f\n\n{body}"));
    let patch = |inner: String| {
        ask("PROPPATCH", format!("<D:propertyupdate xmlns:D='DAV:'>{inner}</D:propertyupdate>"))
    };
    assert_eq!(patch(update(9_000)), 207);
    assert_eq!(patch(update(10_000)), 413);
    let names = format!("<prop>{}</prop>", "<a/>".repeat(10_000));
    assert_eq!(ask("PROPFIND", format!("<propfind xmlns='DAV:'>{names}</propfind>")), 413);
}

/// One file could be given a gigabyte of properties, a megabyte a request; then listing it held all
/// of them in memory.
#[test]
fn a_resource_has_so_many_properties() {
    let world = World::new().given([put("f", "x")]);
    let value = "v".repeat(400_000);
    let long = |name: &str| update("/f", &set(&format!("<Z:{name}>{value}</Z:{name}>")));
    assert_eq!(world.status(long("a")), 207);
    assert_eq!(world.status(long("b")), 207);
    let reply = world.ask(long("c"));
    assert_eq!((reply.status, reply.text().contains("at most 1000 properties")), (403, true));
    assert_eq!(world.status(long("a")), 207, "what is replaced makes room");
}
