//! PROPFIND (RFC 4918 §9.1, §13, §15; RFC 4331; RFC 8144).

mod world;

use std::ops::ControlFlow;
use std::sync::Arc;

use polydav_dav::Options;
use polydav_store::kit::{Draft, mkcol, patch, put, set};
use polydav_store::{
    Action, Entry, Failure, FailureKind, MemoryStore, Property, PropertyChange, PropertyName,
    ResourcePath, Select, Space, Store, Visit, Walk, delegate,
};
use world::World;

fn find(target: &str, depth: &str, content: &str) -> String {
    format!(
        "PROPFIND {target}\nDepth: {depth}\n\n\
         <?xml version=\"1.0\" encoding=\"utf-8\" ?>\n\
         <D:propfind xmlns:D=\"DAV:\" xmlns:R=\"http://ns.example.com/boxschema/\">{content}</D:propfind>"
    )
}

/// A property of RFC 4918's box schema.
fn boxed(local: &str, content: &str) -> PropertyChange {
    let value =
        format!("<R:{local} xmlns:R=\"http://ns.example.com/boxschema/\">{content}</R:{local}>");
    let name = PropertyName::new("http://ns.example.com/boxschema/", local);
    PropertyChange::Set(Property { name, value: value.into() })
}

fn patched(target: &str, changes: Vec<PropertyChange>) -> Draft {
    Action::Patch { target: polydav_store::kit::path(target), changes }.into()
}

const FILE: &str = "creationdate displayname getcontentlength getcontenttype getetag \
                    getlastmodified lockdiscovery resourcetype supportedlock";
const COLLECTION: &str =
    "creationdate displayname getlastmodified lockdiscovery resourcetype supportedlock";

/// The container of RFC 4918 §9.1.
fn container() -> World {
    let type_a = "<R:BoxType>Box type A</R:BoxType>";
    World::new().given([
        put("file", "x"),
        patched(
            "file",
            vec![boxed("bigbox", type_a), boxed("author", "<R:Name>J.J. Johnson</R:Name>")],
        ),
        mkcol("container"),
        patched(
            "container",
            vec![boxed("bigbox", type_a), boxed("author", "<R:Name>Hadrian</R:Name>")],
        ),
        put("container/front.html", "front"),
        patched("container/front.html", vec![boxed("bigbox", "<R:BoxType>Box type B</R:BoxType>")]),
    ])
}

#[test]
fn named_properties_rfc4918_9_1_3() {
    let names = "<D:prop><R:bigbox/><R:author/><R:DingALing/><R:Random/></D:prop>";
    let reply = container().ask(find("/file", "0", names));
    assert_eq!(reply.told(), ["/file 200: author bigbox, 404: DingALing Random"]);
    let author = reply.property("/file", "author").expect("it was told");
    assert!(author.contains("J.J. Johnson"), "{author}");
}

/// A propstat without a property would say that something was found.
#[test]
fn of_what_is_not_found_at_all_only_404_is_told() {
    let reply = container().ask(find("/file", "0", "<D:prop><R:none/></D:prop>"));
    assert_eq!(reply.told(), ["/file 404: none"]);
    assert!(!reply.text().contains("200 OK"), "{}", reply.text());
}

#[test]
fn names_of_properties_rfc4918_9_1_4() {
    let reply =
        container().ask("PROPFIND /container/\n\n<propfind xmlns=\"DAV:\"><propname/></propfind>");
    assert_eq!(
        reply.told(),
        [
            "/container/ 200: author bigbox ".to_owned() + COLLECTION,
            "/container/front.html 200: bigbox ".to_owned() + FILE,
        ]
    );
    assert_eq!(reply.property("/container/", "author").as_deref(), Some(""), "names alone");
    assert_eq!(reply.property("/container/", "resourcetype").as_deref(), Some(""));
}

#[test]
fn all_properties_rfc4918_9_1_5() {
    let reply = container().ask(find("/container/", "1", "<D:allprop/>"));
    assert_eq!(
        reply.told(),
        [
            "/container/ 200: author bigbox ".to_owned() + COLLECTION,
            "/container/front.html 200: bigbox ".to_owned() + FILE,
        ]
    );
    let value = |name| reply.property("/container/front.html", name).expect(name);
    assert_eq!(value("displayname"), "front.html");
    assert_eq!(value("getcontentlength"), "5");
    assert_eq!(value("getcontenttype"), "text/html");
    assert_eq!((value("resourcetype"), value("lockdiscovery")), (String::new(), String::new()));
    assert_eq!(value("supportedlock").matches("lockentry>").count(), 4);
    assert!(value("creationdate").ends_with('Z') && value("creationdate").len() == 20);
    assert!(value("getlastmodified").ends_with(" GMT"));
    let kind = reply.property("/container/", "resourcetype").expect("it has one");
    assert!(kind.contains("collection"), "{kind}");
}

#[test]
fn all_properties_and_more_rfc4918_9_1_6() {
    let include = "<D:allprop/><D:include><D:supported-live-property-set/>\
                   <D:supported-report-set/></D:include>";
    let reply = container().ask(find("/container/", "1", include));
    let missing = ", 404: supported-live-property-set supported-report-set";
    assert_eq!(
        reply.told(),
        [
            "/container/ 200: author bigbox ".to_owned() + COLLECTION + missing,
            "/container/front.html 200: bigbox ".to_owned() + FILE + missing,
        ]
    );
}

#[test]
fn an_empty_body_asks_for_all_rfc4918_9_1() {
    let world = container();
    let all = world.ask(find("/container/", "1", "<D:allprop/>"));
    assert_eq!(world.ask("PROPFIND /container/\nDepth: 1").told(), all.told());
}

#[test]
fn values_are_those_of_get_rfc4918_15() {
    let world = World::new().given([put("a b.txt", "12345")]);
    let (head, found) = (world.ask("HEAD /a%20b.txt"), world.ask("PROPFIND /a%20b.txt\nDepth: 0"));
    for (field, name) in [
        ("etag", "getetag"),
        ("content-length", "getcontentlength"),
        ("content-type", "getcontenttype"),
        ("last-modified", "getlastmodified"),
    ] {
        assert_eq!(found.property("/a%20b.txt", name).as_deref(), Some(head.header(field)));
    }
}

fn deep() -> World {
    World::new().given([
        mkcol("a"),
        put("a/f", "1"),
        mkcol("a/b"),
        put("a/b/g", "2"),
        mkcol("a/b/c"),
        put("a/b/c/h", "3"),
    ])
}

#[test]
fn depths_rfc4918_9_1_10_2() {
    let world = deep();
    let all = ["/a/", "/a/b/", "/a/b/c/", "/a/b/c/h", "/a/b/g", "/a/f"];
    for (depth, hrefs) in [
        ("\nDepth: 0", &all[..1]),
        ("\nDepth: 1", &["/a/", "/a/b/", "/a/f"][..]),
        ("\nDepth: infinity", &all[..]),
        ("\nDepth: Infinity", &all[..]),
        ("", &all[..]),
    ] {
        assert_eq!(world.ask(format!("PROPFIND /a/{depth}")).hrefs(), hrefs, "{depth}");
    }
    assert_eq!(world.ask("PROPFIND /a/f\nDepth: 1").hrefs(), ["/a/f"]);
    assert_eq!(world.status("PROPFIND /a/\nDepth: 2"), 400);
    assert_eq!(world.status("PROPFIND /none\nDepth: 0"), 404);
}

/// RFC 4918 §5.2: hrefs of collections end in a slash, whatever the request wrote.
#[test]
fn a_collection_without_its_slash_rfc4918_5_2() {
    let world = deep();
    let reply = world.ask("PROPFIND /a\nDepth: 1");
    assert_eq!(reply.hrefs(), ["/a/", "/a/b/", "/a/f"]);
    assert_eq!(reply.header("content-location"), "/a/");
    assert_eq!(world.ask("PROPFIND /a/\nDepth: 1").header("content-location"), "");
}

#[test]
fn a_listing_too_long_says_what_it_leaves_out() {
    let world = World::of(world::Made {
        options: Options { infinity_budget: Some(3), ..Options::default() },
        ..world::Made::default()
    })
    .given([
        mkcol("a"),
        mkcol("a/b"),
        put("a/b/g", "2"),
        mkcol("a/c"),
        put("a/c/h", "3"),
        mkcol("d"),
        put("d/i", "4"),
    ]);
    let told = world.ask("PROPFIND /\nDepth: infinity").told();
    let cut: Vec<_> = told.iter().filter(|line| line.ends_with(" 507")).collect();
    assert_eq!(cut, ["/a/c/ 507", "/d/ 507"]);
    assert!(!told.iter().any(|line| line.starts_with("/a/c/h") || line.starts_with("/d/i")));
    assert!(told.iter().any(|line| line.starts_with("/a/b/g 200")));
}

#[test]
fn infinity_may_be_switched_off_rfc4918_9_1_1() {
    let options = Options { infinity_budget: None, ..Options::default() };
    let world = World::with(options).given([mkcol("a"), put("a/f", "x")]);
    for depth in ["", "\nDepth: infinity"] {
        let reply = world.ask(format!("PROPFIND /a/{depth}"));
        assert_eq!((reply.status, reply.condition().as_str()), (403, "propfind-finite-depth"));
    }
    assert_eq!(world.status("PROPFIND /a/\nDepth: 1"), 207);
}

#[test]
fn what_is_no_propfind_is_refused_rfc4918_8_2() {
    let world = container();
    for body in
        ["x", "<D:propfind xmlns:D=\"DAV:\">", "<propfind/>", "<D:propfind xmlns:D=\"DAV:\"/>"]
    {
        assert_eq!(world.status(format!("PROPFIND /\nDepth: 0\n\n{body}")), 400, "{body}");
    }
    let entity = "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>\
                  <D:propfind xmlns:D=\"DAV:\"><D:prop>&e;</D:prop></D:propfind>";
    let reply = world.ask(format!("PROPFIND /\nDepth: 0\n\n{entity}"));
    assert_eq!((reply.status, reply.condition().as_str()), (403, "no-external-entities"));
    let deep = format!("{}{}", "<a>".repeat(1000), "</a>".repeat(1000));
    assert_eq!(world.status(find("/", "0", &deep)), 413);
    let long = "<D:prop/>".to_owned() + &" ".repeat(2_000_000);
    assert_eq!(world.status(find("/", "0", &long)), 413);
    let many: String = (0..1001).map(|number| format!("<D:p{number}/>")).collect();
    assert_eq!(world.status(find("/", "0", &format!("<D:prop>{many}</D:prop>"))), 400);
}

#[test]
fn types_of_the_body_rfc4918_8_2() {
    let world = container();
    let body = "<D:propfind xmlns:D=\"DAV:\"><D:propname/></D:propfind>";
    for kind in ["application/xml", "text/xml", "application/xml; charset=\"utf-8\"", ""] {
        let text = format!("PROPFIND /\nDepth: 0\nContent-Type: {kind}\n\n{body}");
        assert_eq!(world.status(text), 207, "{kind}");
    }
}

/// RFC 4918 §17, Appendix A.
#[test]
fn unknown_elements_and_instructions_are_passed_over_rfc4918_17() {
    let more = "<?do something?><E:x xmlns:E=\"urn:e\"><D:prop/></E:x><D:prop E:y=\"z\" \
                xmlns:E=\"urn:e\"><D:getetag/></D:prop>";
    assert_eq!(container().ask(find("/file", "0", more)).told(), ["/file 200: getetag"]);
}

#[test]
fn a_locked_resource_shows_its_locks_rfc4918_6_8_15_8() {
    let world = deep();
    let owner = "<D:owner>Ann &amp; Bob</D:owner>";
    let body = world::info("exclusive").replace("</D:lockinfo>", &format!("{owner}</D:lockinfo>"));
    let token = world.ask(format!("LOCK /a/b/\nTimeout: Second-600\n\n{body}")).token();
    let reply = world.ask("PROPFIND /a/\nDepth: infinity");
    for href in ["/a/b/", "/a/b/g", "/a/b/c/h"] {
        let discovery = reply.property(href, "lockdiscovery").expect("it has one");
        for part in [
            "lockscope><D:exclusive",
            "<D:depth>infinity</D:depth>",
            "Ann &amp; Bob",
            &format!("<D:locktoken><D:href>{token}</D:href></D:locktoken>"),
            "<D:lockroot><D:href>/a/b/</D:href></D:lockroot>",
            "<D:timeout>Second-",
        ] {
            assert!(discovery.contains(part), "{part} of {href}: {discovery}");
        }
    }
    assert_eq!(reply.property("/a/f", "lockdiscovery").as_deref(), Some(""));
}

#[test]
fn the_timeout_told_is_what_is_left_rfc4918_6_6() {
    let world = deep();
    world.ask(format!("LOCK /a/f\nTimeout: Second-600\n\n{}", world::info("exclusive")));
    world.wait(590);
    let discovery = world.ask("PROPFIND /a/f\nDepth: 0").property("/a/f", "lockdiscovery");
    let discovery = discovery.expect("it has one");
    let (_, left) = discovery.split_once("Second-").expect("it has a timeout");
    let left: u32 = left[..left.find('<').expect("it ends")].parse().expect("a number");
    assert!((1..=10).contains(&left), "{left}");
    world.wait(10);
    let discovery = world.ask("PROPFIND /a/f\nDepth: 0").property("/a/f", "lockdiscovery");
    assert_eq!(discovery.as_deref(), Some(""));
}

/// A store that knows its space, and has a member and collections that can't be told of.
#[derive(Debug, Default)]
struct Odd(MemoryStore);

impl Store for Odd {
    delegate!(this => this.0; capabilities, read, stage, apply);

    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        let entry = self.0.stat(path, select)?;
        Ok(Entry { link: path.name() == Some(b"link"), ..entry })
    }
    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        if root.name() == Some(b"unreadable") {
            return Err(Failure::new(FailureKind::Forbidden, root.clone()));
        }
        self.0.walk(root, walk, &mut |met| {
            let path = met.path().clone();
            visit(match path.name() {
                Some(b"unreadable") => Visit::Failure(path, FailureKind::Forbidden),
                _ => met,
            })
        })
    }
    fn space(&self, _: &ResourcePath) -> Result<Option<Space>, Failure> {
        Ok(Some(Space { available: 596_650, used: 403_350 }))
    }
}

fn odd() -> World {
    World::over(Arc::new(Odd::default()))
}

#[test]
fn space_is_told_to_who_asks_for_it_rfc4331_3_4_5() {
    let world = odd().given([mkcol("c")]);
    let names = "<D:prop><D:quota-available-bytes/><D:quota-used-bytes/></D:prop>";
    let reply = world.ask(find("/c/", "0", names));
    assert_eq!(reply.told(), ["/c/ 200: quota-available-bytes quota-used-bytes"]);
    assert_eq!(reply.property("/c/", "quota-available-bytes").as_deref(), Some("596650"));
    assert_eq!(reply.property("/c/", "quota-used-bytes").as_deref(), Some("403350"));
}

#[test]
fn space_is_not_told_of_all_yet_named_rfc4331_2() {
    let world = odd().given([mkcol("c")]);
    assert!(!world.ask(find("/c/", "0", "<D:allprop/>")).text().contains("quota"));
    let names = world.ask(find("/c/", "0", "<D:propname/>")).told();
    assert!(names[0].contains("quota-available-bytes quota-used-bytes"), "{names:?}");
    let asked = "<D:allprop/><D:include><D:quota-used-bytes/></D:include>";
    let told = world.ask(find("/c/", "0", asked)).told();
    assert!(told[0].contains(" quota-used-bytes "), "{told:?}");
}

/// RFC 4918 §9.1: what can't be told of is told so.
#[test]
fn a_member_that_cannot_be_read_is_told_rfc4918_9_1() {
    let world = odd().given([mkcol("c"), mkcol("c/unreadable"), put("c/f", "x")]);
    let told = world.ask(find("/c/", "1", "<D:prop><D:resourcetype/></D:prop>")).told();
    assert_eq!(told, ["/c/ 200: resourcetype", "/c/f 200: resourcetype", "/c/unreadable/ 403"]);
}

/// A 207 of the collection alone would look as if it had no members.
#[test]
fn a_collection_that_cannot_be_read_does_not_look_empty() {
    let world = odd().given([mkcol("unreadable"), put("unreadable/f", "x")]);
    assert_eq!(world.status("PROPFIND /unreadable/\nDepth: 1"), 403);
    assert_eq!(world.status("PROPFIND /unreadable/\nDepth: 0"), 207);
}

#[test]
fn what_is_reached_through_a_link_supports_no_lock() {
    let world = odd().given([put("link", "x")]);
    let supported = world.ask("PROPFIND /link\nDepth: 0").property("/link", "supportedlock");
    assert_eq!(supported.as_deref(), Some(""));
    assert_eq!(world.status(format!("LOCK /link\n\n{}", world::info("exclusive"))), 403);
}

/// What the endpoint hides can be neither read nor written, so it isn't listed either.
#[test]
fn what_the_batch_endpoint_hides_is_not_listed() {
    let world = World::new().given([put("batch-operation", "x"), put("f", "x")]);
    assert_eq!(world.ask("PROPFIND /\nDepth: 1").hrefs(), ["/", "/f"]);
    assert!(!world.ask("GET /").text().contains("batch-operation"));
}

#[test]
fn odd_names_are_told_and_keep_the_answer_well_formed_rfc4918_8_3() {
    let world = World::new().given([
        put("a&b<c>.txt", "x"),
        put("bell\u{7}", "x"),
        put("new\nline", "x"),
        put(b"latin\xe9", "x"),
        put("ümlaut", "x"),
        put("back\\slash", "x"),
        put("per%cent", "x"),
    ]);
    let reply = world.ask(find("/", "1", "<D:prop><D:displayname/></D:prop>"));
    assert_eq!(
        reply.told(),
        [
            "/ 200: displayname",
            "/%C3%BCmlaut 200: displayname",
            "/a%26b%3Cc%3E.txt 200: displayname",
            "/back%5Cslash 403",
            "/bell%07 200: displayname",
            "/latin%E9 200: displayname",
            "/new%0Aline 200: displayname",
            "/per%25cent 200: displayname",
        ]
    );
    assert_eq!(reply.property("/a%26b%3Cc%3E.txt", "displayname").as_deref(), Some("a&b<c>.txt"));
    assert_eq!(reply.property("/bell%07", "displayname").as_deref(), Some("bell\u{fffd}"));
    for response in reply.multistatus().responses {
        let status = if response.href().contains("back") { 400 } else { 207 };
        assert_eq!(world.status(format!("PROPFIND {}\nDepth: 0", response.href())), status);
    }
}

#[test]
fn a_stored_displayname_counts_but_for_windows_rfc4918_15_2() {
    let name = PropertyName::new("DAV:", "displayname");
    let value = "<D:displayname xmlns:D=\"DAV:\">Shown</D:displayname>".into();
    let change = PropertyChange::Set(Property { name, value });
    let world = World::new().given([put("f", "x"), patched("f", vec![change])]);
    for content in ["<D:allprop/>", "<D:prop><D:displayname/></D:prop>"] {
        let text = find("/f", "0", content);
        let reply = world.ask(&text);
        assert_eq!(reply.property("/f", "displayname").as_deref(), Some("Shown"));
        assert_eq!(reply.text().matches("<D:displayname").count(), 1, "once");
        let agent = "User-Agent: Microsoft-WebDAV-MiniRedir/10.0.19045";
        let text = text.replacen("\n\n", &format!("\n{agent}\n\n"), 1);
        assert_eq!(world.ask(text).property("/f", "displayname").as_deref(), Some("f"));
    }
}

/// RFC 8144 §2.1, §4.
#[test]
fn preferences_rfc8144_2_1_4() {
    let world = container();
    let ask = |prefer: &str, content: &str| {
        let text = find("/container/", "1", content);
        world.ask(text.replacen("\n\n", &format!("\nPrefer: {prefer}\n\n"), 1))
    };
    let reply = ask("return=minimal", "<D:prop><R:author/><R:none/></D:prop>");
    assert_eq!(reply.told(), ["/container/ 200: author", "/container/front.html 200: "]);
    assert_eq!(reply.header("preference-applied"), "return=minimal");
    let reply = ask("depth-noroot", "<D:prop><R:bigbox/></D:prop>");
    assert_eq!(reply.told(), ["/container/front.html 200: bigbox"]);
    let reply = ask("return=minimal, depth-noroot", "<D:prop><R:none/></D:prop>");
    assert_eq!(reply.told(), ["/container/front.html 200: "]);
    let alone = find("/file", "0", "<D:prop><R:author/></D:prop>");
    let alone = alone.replacen("\n\n", "\nPrefer: depth-noroot\n\n", 1);
    assert_eq!(world.ask(alone).told(), ["/file 200: author"], "it says nothing for depth 0");
}

#[test]
fn conditions_decide_rfc4918_10_4() {
    let world = container();
    assert_eq!(world.status("PROPFIND /file\nDepth: 0\nIf-Match: \"x\""), 412);
    assert_eq!(world.status("PROPFIND /file\nDepth: 0\nIf: (Not [\"x\"])"), 207);
}

/// 3,000 members are far more than goes out in one portion.
#[test]
fn a_long_listing_is_streamed_and_complete() {
    let files = (0..3_000).map(|number| put(format!("c/file {number:04} & more"), "x"));
    let world = World::new().given([mkcol("c"), patch("c", [set("p", "<x/>")])]).given(files);
    let reply = world.ask("PROPFIND /c/\nDepth: 1");
    assert!(reply.bytes().len() > 10 * 64 * 1024);
    let hrefs = reply.hrefs();
    assert_eq!(hrefs.len(), 3_001);
    assert_eq!(hrefs[3_000], "/c/file%202999%20%26%20more");
}

/// RFC 4918 §14: elements have a prefix, which Windows insists on.
#[test]
fn elements_of_dav_have_a_prefix() {
    let reply = container().ask("PROPFIND /container/\nDepth: 1");
    assert!(reply.text().contains("<D:multistatus xmlns:D=\"DAV:\">"));
    assert!(!reply.text().contains("xmlns=\"DAV:\""));
    assert!(!reply.text().contains("<D:location"), "the Finder would show it twice");
}

/// RFC 4918 §19: XML may be UTF-8 or UTF-16, and says which; another encoding isn't guessed at.
#[test]
fn a_body_says_its_encoding_rfc4918_19() {
    let world = World::new().given([put("f", "x")]);
    let ask = |body: Vec<u8>| {
        let body = world::full(body.into());
        let request = http::Request::builder().method("PROPFIND").uri("/f").header("depth", "0");
        world.send(request.body(body).expect("it is one"), polydav_store::Principal::Anonymous)
    };
    let text = |encoding: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"{encoding}\"?><D:propfind xmlns:D=\"DAV:\">\
             <D:prop><D:\u{e4}/></D:prop></D:propfind>"
        )
    };
    let utf16 = format!("\u{feff}{}", text("utf-16"));
    let utf16: Vec<u8> = utf16.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for body in [text("utf-8").into_bytes(), utf16] {
        assert_eq!(ask(body).told(), ["/f 404: \u{e4}"]);
    }
    let latin: Vec<u8> = text("iso-8859-1").chars().map(|c| c as u8).collect();
    assert_eq!(ask(latin).status, 400);
}
