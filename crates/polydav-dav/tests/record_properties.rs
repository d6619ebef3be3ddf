//! Columns of records as properties: PROPFIND tells them, PROPPATCH changes them.

mod world;

use serde_json::{Value, json};
use world::World;

const COLUMNS: &str = "xmlns:c=\"urn:polydav:columns:1\"";

fn find(target: &str, asked: &str) -> String {
    format!(
        "PROPFIND {target}\nDepth: 0\n\n<D:propfind xmlns:D=\"DAV:\" {COLUMNS}>{asked}</D:propfind>"
    )
}

fn props(names: &str) -> String {
    format!("<D:prop>{names}</D:prop>")
}

fn patch(target: &str, changes: &str) -> String {
    format!(
        "PROPPATCH {target}\n\n<D:propertyupdate xmlns:D=\"DAV:\" {COLUMNS}>{changes}</D:propertyupdate>"
    )
}

fn set(columns: &str) -> String {
    format!("<D:set><D:prop>{columns}</D:prop></D:set>")
}

fn remove(columns: &str) -> String {
    format!("<D:remove><D:prop>{columns}</D:prop></D:remove>")
}

fn row(world: &World, url: &str) -> Value {
    world.ask(format!("GET {url}")).json()
}

#[test]
fn all_properties_of_a_row_are_its_columns_and_the_live_ones() {
    let world = World::of_records();
    for request in ["PROPFIND /person/1\nDepth: 0".to_owned(), find("/person/1", "<D:allprop/>")] {
        let reply = world.ask(request);
        let expected = "/person/1 200: active age displayname getcontentlength getcontenttype \
                        getetag id lockdiscovery name photo resourcetype supportedlock";
        assert_eq!(reply.told(), [expected], "nobody knows when it changed");
        let value = |name| reply.property("/person/1", name).unwrap();
        assert_eq!((&*value("id"), &*value("name"), &*value("active")), ("1", "Ada", "true"));
        assert_eq!(value("getcontenttype"), "application/json");
        assert_eq!(value("displayname"), "1");
        assert_eq!(value("resourcetype"), "");
        let got = world.ask("GET /person/1");
        assert_eq!(value("getetag"), got.header("etag"));
        assert_eq!(value("getcontentlength"), got.bytes().len().to_string());
    }
}

#[test]
fn names_alone_are_told_too() {
    let world = World::of_records();
    let reply = world.ask(find("/person/2", "<D:propname/>"));
    let told = &reply.told()[0];
    assert!(told.starts_with("/person/2 200: active age "), "{told}");
    assert!(
        reply.text().contains("name xmlns") && !reply.text().contains("Bob"),
        "{}",
        reply.text()
    );
}

#[test]
fn columns_are_asked_for_by_name() {
    let world = World::of_records();
    let reply = world.ask(find("/person/1", &props("<c:age/><D:getetag/><c:none/><age/>")));
    assert_eq!(reply.told(), ["/person/1 200: age getetag, 404: age none"]);
    let none = world.ask(find("/person/1", &props("<c:none/>")));
    assert_eq!(none.told(), ["/person/1 404: none"]);
}

#[test]
fn a_listing_tells_the_columns_of_each_row() {
    let world = World::of_records();
    let asked =
        find("/person/", &props("<c:name/><D:resourcetype/>")).replacen("Depth: 0", "Depth: 1", 1);
    let reply = world.ask(asked);
    assert_eq!(
        reply.told(),
        [
            "/person/ 200: resourcetype, 404: name",
            "/person/1 200: name resourcetype",
            "/person/2 200: name resourcetype",
        ]
    );
    assert_eq!(reply.property("/person/2", "name").as_deref(), Some("Bob"));
    let all = world.ask("PROPFIND /\nDepth: infinity").hrefs();
    assert!(all.iter().any(|href| href == "/pair/x,2"), "{all:?}");
}

#[test]
fn no_value_and_bytes_are_marked() {
    let world = World::of_records();
    assert_eq!(world.status("PATCH /person/1\n\n{\"age\": null}"), 204);
    let reply = world.ask(find("/person/1", &props("<c:age/><c:photo/>")));
    let namespace = "urn:polydav:columns:1";
    assert_eq!(
        reply.property("/person/1", "age").unwrap(),
        format!("<ns0:age null=\"true\" xmlns:ns0=\"{namespace}\"/>")
    );
    assert_eq!(
        reply.property("/person/1", "photo").unwrap(),
        format!("<ns0:photo encoding=\"base64\" xmlns:ns0=\"{namespace}\">AP8=</ns0:photo>")
    );
}

#[test]
fn texts_are_told_as_they_are_and_in_base64_where_xml_has_no_such_characters() {
    let world = World::of_records();
    let name = |told: &str, attribute: &str| match attribute {
        "" => told.to_owned(),
        _ => format!("<ns0:name {attribute} xmlns:ns0=\"urn:polydav:columns:1\">{told}</ns0:name>"),
    };
    for (text, told, attribute) in [
        ("", "", ""),
        (" a & <b>\r\n", " a & <b>\r\n", ""),
        ("a\u{1}", "YQE=", "encoding=\"base64\""),
        ("\u{fffe}", "77++", "encoding=\"base64\""),
    ] {
        let record = json!({ "name": text });
        assert_eq!(world.status(format!("PATCH /person/1\n\n{record}")), 204);
        let reply = world.ask(find("/person/1", &props("<c:name/>")));
        assert_eq!(reply.property("/person/1", "name"), Some(name(told, attribute)), "{text:?}");
    }
}

#[test]
fn names_that_xml_does_not_have_are_escaped_iso9075_14() {
    let world = World::of_records();
    let reply = world.ask("PROPFIND /order/1\nDepth: 0");
    assert_eq!(reply.property("/order/1", "first_x0020_note").unwrap(), "a, \"b\"\r\nc");
    let asked = world.ask(find("/order/1", &props("<c:first_x0020_note/>")));
    assert_eq!(asked.told(), ["/order/1 200: first_x0020_note"]);
    let changed = world.ask(patch("/order/1", &set("<c:first_x0020_note>x</c:first_x0020_note>")));
    assert_eq!(changed.told(), ["/order/1 200: first_x0020_note"]);
    assert_eq!(row(&world, "/order/1")["first note"], "x");
}

#[test]
fn a_column_may_be_named_like_an_escape_or_not_at_all() {
    let world = World::of_records();
    let record = json!({"key": "k", "": "nameless", "_x0041_": "escape"});
    assert_eq!(world.status(format!("POST /odd/\n\n{record}")), 201);
    let names = "<c:_x_/><c:_x005F_x0041_/><c:_x0041_/>";
    let reply = world.ask(find("/odd/k", &props(names)));
    assert_eq!(reply.told(), ["/odd/k 200: _x005F_x0041_ _x_, 404: _x0041_"]);
    assert_eq!(reply.property("/odd/k", "_x_").as_deref(), Some("nameless"));
    let changes = set("<c:_x_>a</c:_x_><c:_x005F_x0041_>b</c:_x005F_x0041_>");
    assert_eq!(world.status(patch("/odd/k", &changes)), 207);
    assert_eq!(row(&world, "/odd/k"), json!({"key": "k", "": "a", "_x0041_": "b"}));
}

#[test]
fn proppatch_sets_and_removes_values() {
    let world = World::of_records();
    let changes = set("<c:name>Al &amp; Bo</c:name><c:photo encoding=\"base64\">AAE=</c:photo>")
        + &remove("<c:age/>")
        + &set("<c:active null=\"true\"/>");
    let reply = world.ask(patch("/person/1", &changes));
    assert_eq!(reply.told(), ["/person/1 200: active age name photo"]);
    let expected =
        json!({"id": 1, "name": "Al & Bo", "age": null, "active": null, "photo": "AAE="});
    assert_eq!(row(&world, "/person/1"), expected);
    let text =
        set("<c:name encoding=\"base64\">YQE=</c:name><c:active null=\"false\">false</c:active>");
    assert_eq!(world.status(patch("/person/1", &text)), 207);
    assert_eq!(row(&world, "/person/1")["name"], "a\u{1}");
    assert_eq!(row(&world, "/person/1")["active"], false);
}

#[test]
fn changes_are_done_in_their_order_rfc4918_9_2() {
    let world = World::of_records();
    let changes = set("<c:age>1</c:age>") + &remove("<c:age/>") + &set("<c:age>3</c:age>");
    assert_eq!(world.ask(patch("/person/1", &changes)).told(), ["/person/1 200: age"]);
    assert_eq!(row(&world, "/person/1")["age"], 3);
}

#[test]
fn a_success_may_be_told_without_a_body_rfc8144() {
    let world = World::of_records();
    let asked = patch("/person/1", &set("<c:age>1</c:age>"));
    let reply = world.ask(asked.replacen("\n\n", "\nPrefer: return=minimal\n\n", 1));
    assert_eq!((reply.status, reply.header("preference-applied")), (204, "return=minimal"));
}

#[test]
fn the_column_at_fault_gets_the_status_and_the_others_424() {
    let world = World::of_records();
    for (changes, told) in [
        (set("<c:age>x</c:age><c:name>A</c:name>"), "422: age, 424: name"),
        (set("<c:age>-1</c:age><c:name>A</c:name>"), "422: age, 424: name"),
        (set("<c:name>Bob</c:name><c:age>1</c:age>"), "409: name, 424: age"),
        (remove("<c:name/>") + &set("<c:age>1</c:age>"), "422: name, 424: age"),
        (set("<c:none>x</c:none><c:age>1</c:age>"), "422: none, 424: age"),
        (set("<c:id>7</c:id>"), "422: id"),
        (set("<c:id--_x003B_>7</c:id--_x003B_>"), "422: id--_x003B_"),
    ] {
        let reply = world.ask(patch("/person/1", &changes));
        assert_eq!(reply.told(), [format!("/person/1 {told}")], "{changes}");
    }
    assert_eq!(row(&world, "/person/1")["name"], "Ada");
    assert_eq!(row(&world, "/person/1")["age"], 36);
}

#[test]
fn a_record_has_no_properties_but_its_columns() {
    let world = World::of_records();
    for (changes, told) in [
        (
            set("<D:getetag>x</D:getetag><c:age>1</c:age>"),
            "403: getetag because of cannot-modify-protected-property, 424: age",
        ),
        (set("<D:displayname>x</D:displayname><c:age>1</c:age>"), "403: displayname, 424: age"),
        (set("<x xmlns=\"urn:x\">x</x>"), "403: x"),
        (remove("<age/>"), "200: age"),
        (set("<x xmlns=\"urn:x\">x</x>") + &remove("<y xmlns=\"urn:x\"/>"), "403: x, 424: y"),
        (set("<c:age>1<c:x/></c:age><c:name>A</c:name>"), "422: age, 424: name"),
        (set("<c:age null=\"yes\"/>"), "422: age"),
        (set("<c:age null=\"true\">1</c:age>"), "422: age"),
        (set("<c:age nul=\"true\"/>"), "422: age"),
        (set("<c:photo encoding=\"hex\">00</c:photo>"), "422: photo"),
        (set("<c:photo encoding=\"base64\">?</c:photo>"), "422: photo"),
    ] {
        let reply = world.ask(patch("/person/1", &changes));
        assert_eq!(reply.told(), [format!("/person/1 {told}")], "{changes}");
    }
    assert_eq!(row(&world, "/person/1")["age"], 36);
}

/// What holds for the resource as a whole is no status of a property.
#[test]
fn conditions_and_locks_come_before_properties() {
    let world = World::of_records();
    let refused = set("<D:getetag>x</D:getetag>");
    for changes in [set("<c:age>1</c:age>"), refused.clone()] {
        let asked = patch("/person/1", &changes);
        let conditional = asked.replacen("\n\n", "\nIf-Match: \"other\"\n\n", 1);
        assert_eq!(world.status(conditional), 412, "{changes}");
        assert_eq!(world.status(patch("/person/9", &changes)), 404, "{changes}");
    }
    let token = world.lock("/person/1");
    for changes in [set("<c:age>1</c:age>"), refused] {
        assert_eq!(world.status(patch("/person/1", &changes)), 423, "{changes}");
    }
    let with_token = patch("/person/1", &set("<c:age>1</c:age>")).replacen(
        "\n\n",
        &format!("\nIf: (<{token}>)\n\n"),
        1,
    );
    assert_eq!(world.status(with_token), 207);
}

#[test]
fn tables_have_no_columns_and_views_stay_as_they_are() {
    let world = World::of_records();
    for target in ["/person/", "/"] {
        let reply = world.ask(patch(target, &set("<c:age>1</c:age>")));
        assert_eq!(reply.status, 405, "{target}");
        assert!(!reply.header("allow").contains("PROPPATCH"));
    }
    let view = world.ask(patch("/fixed/x", &set("<c:a>y</c:a>")));
    assert_eq!(view.status, 403);
    view.problem();
}

/// In a store of files a property of that namespace is a property like every other.
#[test]
fn a_file_keeps_properties_of_that_namespace() {
    let world = World::new().given([polydav_store::kit::put("f", "x")]);
    let changes = set("<c:_x0041_ a=\"b\"><c:x/></c:_x0041_>");
    assert_eq!(world.ask(patch("/f", &changes)).told(), ["/f 200: _x0041_"]);
    let reply = world.ask(find("/f", &props("<c:_x0041_/>")));
    assert_eq!(reply.told(), ["/f 200: _x0041_"]);
    assert!(reply.property("/f", "_x0041_").unwrap().contains("a=\"b\""));
}
