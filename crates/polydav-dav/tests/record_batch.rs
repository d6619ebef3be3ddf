//! Records in `POST /batch-operation`: what every operation does to rows, in XML and in JSON.
#![allow(clippy::unwrap_used)]

mod world;

use std::sync::Arc;

use multistatus::Report;
use polydav_dav::{BatchOptions, Options};
use polydav_store::kit::{mkcol, put};
use polydav_store::layer::Mounts;
use polydav_store::{MemoryRecords, MemoryStore, ResourcePath, Store};
use serde_json::{Value, json};
use world::tables::TABLES;
use world::{Made, Reply, World, batch, batch_with};

/// A batch in JSON.
fn batch_json(operations: &Value) -> String {
    format!("POST /batch-operation\n\n{}", json!({ "operations": operations }))
}

/// Statuses, outcomes and columns at fault of an answer in JSON.
fn told(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let items = body["items"].as_array().unwrap().iter().map(|item| {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let column = item["problem"]["column"].as_str();
        let column = column.map_or(String::new(), |column| format!(" [{column}]"));
        format!("{} {} {}{column}", text("op"), item["status"], text("outcome"))
    });
    items.collect()
}

/// The same of an answer in XML.
fn told_xml(reply: &Reply) -> Vec<String> {
    let responses = reply.any_multistatus().responses;
    let items = responses.iter().map(|response| {
        let item = response.item.as_ref().unwrap();
        let column = item.column.as_ref().map_or(String::new(), |column| format!(" [{column}]"));
        format!("{} {} {}{column}", item.op, item.status.as_u16(), item.outcome.as_str())
    });
    items.collect()
}

const COLUMNS: &str = "xmlns:c=\"urn:polydav:columns:1\"";

fn set(columns: &str) -> String {
    format!("<D:set><D:prop {COLUMNS}>{columns}</D:prop></D:set>")
}

/// One batch, spelled twice.
fn spelled() -> (String, String) {
    let patch = set("<c:age>8</c:age>");
    let xml = format!(
        "<create href=\"/person/\"><field name=\"name\">Cy</field><field name=\"age\">5</field>\
           <field name=\"photo\" encoding=\"base64\">AAE=</field></create>\
         <create href=\"/person/\"><field name=\"name\">Ada</field></create>\
         <create href=\"/person/\"><field name=\"name\" null=\"true\"/></create>\
         <update href=\"/person/1\"><field name=\"age\" null=\"true\"/></update>\
         <update href=\"/person/1\"><field name=\"age\">old</field></update>\
         <update href=\"/person/9\"/>\
         <put href=\"/person/5\">{{\"name\": \"Ed\"}}</put>\
         <put href=\"/person/5\">{{\"name\": \"Edd\"}}</put>\
         <put href=\"/person/6\">{{\"name\": \"Flo\"</put>\
         <put href=\"/person/6\">[]</put>\
         <put href=\"/person/6\" type=\"text/csv\">{{}}</put>\
         <proppatch href=\"/person/2\">{patch}</proppatch>\
         <delete href=\"/person/5\"/>\
         <delete href=\"/person/5\"/>\
         <delete href=\"/person/1\"/>\
         <mkcol href=\"/new/\"/>\
         <copy href=\"/person/1\" dest=\"/person/7\"/>\
         <create href=\"/order/\"><field name=\"buyer\">99</field></create>"
    );
    let patch = patch.replace('"', "'");
    let operations = json!([
        {"op": "create", "href": "/person/", "values": {"name": "Cy", "age": 5, "photo": "AAE="}},
        {"op": "create", "href": "/person/", "values": {"name": "Ada"}},
        {"op": "create", "href": "/person/", "values": {"name": null}},
        {"op": "update", "href": "/person/1", "values": {"age": null}},
        {"op": "update", "href": "/person/1", "values": {"age": "old"}},
        {"op": "update", "href": "/person/9"},
        {"op": "put", "href": "/person/5", "content": "{\"name\": \"Ed\"}"},
        {"op": "put", "href": "/person/5", "content": "{\"name\": \"Edd\"}"},
        {"op": "put", "href": "/person/6", "content": "{\"name\": \"Flo\""},
        {"op": "put", "href": "/person/6", "content": "[]"},
        {"op": "put", "href": "/person/6", "type": "text/csv", "content": "{}"},
        {"op": "proppatch", "href": "/person/2", "patch": patch},
        {"op": "delete", "href": "/person/5"},
        {"op": "delete", "href": "/person/5"},
        {"op": "delete", "href": "/person/1"},
        {"op": "mkcol", "href": "/new/"},
        {"op": "copy", "href": "/person/1", "dest": "/person/7"},
        {"op": "create", "href": "/order/", "values": {"buyer": 99}},
    ]);
    (batch(&xml), batch_json(&operations))
}

#[test]
fn every_operation_does_to_rows_what_it_says_in_both_formats() {
    let (xml, json) = spelled();
    let expected = [
        "create 201 applied",
        "create 409 not-applied [name]",
        "create 422 not-applied [name]",
        "update 200 applied",
        "update 422 not-applied [age]",
        "update 404 not-applied",
        "put 201 applied",
        "put 204 applied",
        "put 400 not-applied",
        "put 422 not-applied",
        "put 415 not-applied",
        "proppatch 200 applied",
        "delete 204 applied",
        "delete 404 not-applied",
        "delete 409 not-applied",
        "mkcol 403 not-applied",
        "copy 403 not-applied",
        "create 409 not-applied [buyer]",
    ];
    let rows = json!([
        {"id": 1, "name": "Ada", "age": null, "active": true, "photo": "AP8="},
        {"id": 2, "name": "Bob", "age": 8, "active": false, "photo": ""},
        {"id": 3, "name": "Cy", "age": 5, "active": true, "photo": "AAE="},
    ]);
    let world = World::of_records();
    assert_eq!(told_xml(&world.ask(xml)), expected);
    assert_eq!(world.ask("GET /person/").json(), rows);
    for json in [json.clone(), in_words(&json)] {
        let world = World::of_records();
        assert_eq!(told(&world.ask(json)), expected);
        assert_eq!(world.ask("GET /person/").json(), rows);
    }
}

/// The same batch, with the values that XML would have said.
fn in_words(json: &str) -> String {
    let said = [
        (r#""age":5"#, r#""age":{"$text":"5"}"#),
        (r#""age":"old""#, r#""age":{"$text":"old"}"#),
        (r#""name":"Ada""#, r#""name":{"$text":"Ada"}"#),
        (r#""photo":"AAE=""#, r#""photo":{"$base64":"AAE="}"#),
        (r#""buyer":99"#, r#""buyer":{"$text":"99"}"#),
    ];
    said.iter().fold(json.to_owned(), |json, (value, word)| {
        assert!(json.contains(value), "{value}");
        json.replace(value, word)
    })
}

#[test]
fn what_is_left_of_rows_in_xml_is_sent_again_in_json() {
    let made = |options| {
        let store = Arc::new(MemoryRecords::new(TABLES));
        World::of(Made { store, options, ..Made::default() })
    };
    let (xml, _) = spelled();
    let whole = made(Options::default());
    whole.ask(&xml);
    let job_deadline = std::time::Duration::ZERO;
    let batch = BatchOptions { job_deadline, ..BatchOptions::default() };
    let world = made(Options { batch, ..Options::default() });
    let job = world.ask(xml.replacen("\n\n", "\nPrefer: respond-async, wait=60\n\n", 1));
    assert_eq!(job.header("batch-result"), "total=18, succeeded=0, failed=3, skipped=15");
    let id = job.hrefs()[0].split('/').nth(2).unwrap().to_owned();
    let left = world.ask(format!("GET /batch-operation/{id}/retry"));
    let again = made(Options::default());
    let reply = again.ask(format!("POST /batch-operation\n\n{}", left.text()));
    assert_eq!(reply.status, 207, "{}", reply.text());
    assert_eq!(again.ask("GET /person/").json(), whole.ask("GET /person/").json());
}

#[test]
fn a_created_row_is_told_by_its_own_url() {
    let world = World::of_records();
    let create = |name: &str| {
        format!("<create href=\"/person/\"><field name=\"name\">{name}</field></create>")
    };
    let operations = format!("{}{}<delete href=\"/person/3\"/>", create("Cy"), create("Ada"));
    let reply = world.ask(batch(&operations));
    let responses = reply.multistatus().responses;
    let made = &responses[0];
    assert_eq!((made.href(), made.location.as_deref()), ("/person/3", Some("/person/3")));
    let item = made.item.as_ref().unwrap();
    assert_eq!(item.href, "/person/", "as it was asked");
    assert!(item.etag.as_ref().is_some_and(|etag| etag.starts_with('"')));
    assert_eq!(responses[1].location, None);
    for response in &responses[1..] {
        assert!(response.href().starts_with("/batch-operation/"), "each href once: {response:?}");
    }
    let reply = world.ask(batch_json(&json!([
        {"op": "create", "href": "/person/", "values": {"name": "Di"}},
    ])));
    let item = &reply.json()["items"][0];
    assert_eq!((&item["href"], &item["location"]), (&json!("/person/"), &json!("/person/3")));
    assert_eq!(item["etag"], world.ask("GET /person/3").header("etag"));
}

/// One batch, spelled twice: an order of somebody new, another that goes over to them, and a third
/// of somebody who can't be made.
fn referring(mode: &str) -> (String, String) {
    let xml = batch_with(
        &format!("mode=\"{mode}\""),
        "<create href=\"/person/\" id=\"new\"><field name=\"name\">Cy</field></create>\
         <create href=\"/order/\"><field name=\"buyer\"><ref item=\"new\"/></field></create>\
         <update href=\"/order/1\"><field name=\"buyer\"><ref item=\"new\"/></field>\
           <field name=\"first note\"><ref item=\"new\"/></field></update>\
         <create href=\"/person/\" id=\"taken\"><field name=\"name\">Ada</field></create>\
         <create href=\"/order/\" id=\"order\"><field name=\"buyer\"><ref item=\"taken\"/></field></create>\
         <delete href=\"/order/1\" needs=\"new order\"/>",
    );
    let operations = json!([
        {"op": "create", "href": "/person/", "id": "new", "values": {"name": "Cy"}},
        {"op": "create", "href": "/order/", "values": {"buyer": {"$ref": "new"}}},
        {"op": "update", "href": "/order/1",
            "values": {"buyer": {"$ref": "new"}, "first note": {"$ref": "new"}}},
        {"op": "create", "href": "/person/", "id": "taken", "values": {"name": "Ada"}},
        {"op": "create", "href": "/order/", "id": "order", "values": {"buyer": {"$ref": "taken"}}},
        {"op": "delete", "href": "/order/1", "needs": ["new", "order"]},
    ]);
    let json = json!({"mode": mode, "operations": operations});
    (xml, format!("POST /batch-operation\n\n{json}"))
}

#[test]
fn a_row_may_refer_to_one_that_the_same_batch_makes() {
    let done = [
        "create 201 applied",
        "create 201 applied",
        "update 200 applied",
        "create 409 not-applied [name]",
        "create 424 not-attempted",
        "delete 424 not-attempted",
    ];
    let undone = [
        "create 424 rolled-back",
        "create 424 rolled-back",
        "update 424 rolled-back",
        "create 409 not-applied [name]",
        "create 424 not-attempted",
        "delete 424 not-attempted",
    ];
    let orders = json!([
        {"id": 1, "buyer": 3, "first note": "3"},
        {"id": 2, "buyer": 3, "first note": null},
    ]);
    for (mode, expected, last) in
        [("best-effort", done, 4), ("stop", done, 3), ("atomic", undone, 3)]
    {
        let (xml, json) = referring(mode);
        let before = World::of_records().ask("GET /order/").json();
        let orders = if mode == "atomic" { &before } else { &orders };
        let world = World::of_records();
        let reply = world.ask(xml);
        assert_eq!(told_xml(&reply), expected, "{mode}");
        let causes: Vec<_> = reply.any_multistatus().responses[4..]
            .iter()
            .map(|response| response.item.as_ref().unwrap().cause)
            .collect();
        assert_eq!(causes, [Some(3), Some(last)], "{mode}");
        assert_eq!(world.ask("GET /order/").json(), *orders, "{mode}");
        let world = World::of_records();
        let reply = world.ask(json);
        assert_eq!(told(&reply), expected, "{mode}");
        let items = &reply.json()["items"];
        assert_eq!((&items[4]["cause"], &items[5]["cause"]), (&json!(3), &json!(last)), "{mode}");
        assert_eq!(items[4]["retry"], "safe", "{mode}");
        assert_eq!(world.ask("GET /order/").json(), *orders, "{mode}");
    }
}

#[test]
fn what_has_no_key_of_one_column_can_not_be_referred_to() {
    let world = World::of_records();
    let reply = world.ask(batch(
        "<create href=\"/pair/\" id=\"pair\"><field name=\"a\">y</field><field name=\"b\">1</field></create>\
         <update href=\"/order/1\" id=\"order\"><field name=\"first note\"><ref item=\"pair\"/></field></update>\
         <delete href=\"/pair/y,1\" needs=\"order\"/>",
    ));
    let expected =
        ["create 201 applied", "update 422 not-applied [first note]", "delete 424 not-attempted"];
    assert_eq!(told_xml(&reply), expected);
    let said = reply.multistatus().responses[1].description.clone();
    let expected = "column first note: only a key of one column, of 256 bytes at most, can be \
                    referred to";
    assert_eq!(said.as_deref(), Some(expected));
    let put = "<put href=\"/person/3\" id=\"put\">{\"name\": \"Cy\"}</put>";
    let order =
        "<create href=\"/order/\"><field name=\"buyer\"><ref item=\"put\"/></field></create>";
    assert_eq!(world.status(batch(&format!("{put}{order}"))), 422, "that is known before");
    assert_eq!(world.status("GET /person/3"), 404);
}

#[test]
fn files_and_rows_may_need_each_other() {
    let store: Arc<dyn Store> = Arc::new(MemoryRecords::new(TABLES));
    let at = |path: &str| ResourcePath::parse(path).unwrap();
    let files: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let world = World::over(Arc::new(Mounts::new([(at(""), files), (at("db"), store)])));
    let reply = world.ask(batch(
        "<put href=\"/photo\" id=\"photo\">x</put>\
         <create href=\"/db/person/\" id=\"cy\" needs=\"photo\"><field name=\"name\">Cy</field></create>\
         <create href=\"/db/order/\" id=\"order\"><field name=\"buyer\"><ref item=\"cy\"/></field></create>\
         <put href=\"/done\" needs=\"order\">x</put>\
         <put href=\"/none/photo\" id=\"lost\">x</put>\
         <create href=\"/db/person/\" id=\"di\" needs=\"lost\"><field name=\"name\">Di</field></create>\
         <put href=\"/told\" needs=\"di\">x</put>",
    ));
    let expected = [
        "put /photo 201 applied",
        "create /db/person/ 201 applied",
        "create /db/order/ 201 applied",
        "put /done 201 applied",
        "put /none/photo 409 not-applied",
        "create /db/person/ 424 not-attempted because of 4",
        "put /told 424 not-attempted because of 5",
    ];
    assert_eq!(reply.items(), expected);
    assert_eq!(world.ask("GET /db/order/2").json()["buyer"], 3);
    assert_eq!([world.status("GET /done"), world.status("GET /told")], [200, 404]);
}

#[test]
fn problems_of_items_have_a_sentence_and_a_column_rfc9457() {
    let world = World::of_records();
    let reply = world.ask(batch_json(&json!([
        {"op": "update", "href": "/person/1", "values": {"none": 1}},
        {"op": "put", "href": "/person/1", "content": "{\"a\": \"b"},
        {"op": "proppatch", "href": "/person/1", "patch": set("<c:age>x</c:age>")},
        {"op": "proppatch", "href": "/person/1", "patch": set("<c:age><c:x/></c:age>")},
    ])));
    let body = reply.json();
    let problem = |index: usize| {
        let problem = &body["items"][index]["problem"];
        (problem["detail"].as_str().unwrap_or_default(), problem["column"].as_str())
    };
    assert_eq!(problem(0), ("the table has no column \"none\"", Some("none")));
    assert_eq!(problem(1), ("content: line 1, column 8: EOF while parsing a string", None));
    assert_eq!(problem(2).1, Some("age"));
    assert!(problem(2).0.contains("whole number"), "{body}");
    assert_eq!(problem(3), ("expected a text, without elements", None));
}

#[test]
fn conditions_of_rows_count_and_see_earlier_items() {
    let world = World::of_records();
    let etag = world.ask("GET /person/1").header("etag").to_owned();
    let update = |condition: &str| {
        format!("<update href=\"/person/1\" {condition}><field name=\"age\">1</field></update>")
    };
    let operations = [
        update("if-match='\"other\"'"),
        update(&format!("if-match='{etag}'")),
        update(&format!("if-match='{etag}'")),
        "<create href=\"/person/\" if-match='\"other\"'><field name=\"name\">Cy</field></create>"
            .to_owned(),
        "<put href=\"/person/1\" if-none-match=\"*\">{\"name\": \"Cy\"}</put>".to_owned(),
        "<delete href=\"/person/2\" if='([\"other\"])'/>".to_owned(),
    ];
    let expected = [
        "update 412 not-applied",
        "update 200 applied",
        "update 412 not-applied",
        "create 412 not-applied",
        "put 412 not-applied",
        "delete 412 not-applied",
    ];
    assert_eq!(told_xml(&world.ask(batch(&operations.concat()))), expected);
}

#[test]
fn locks_of_rows_count() {
    let world = World::of_records();
    let token = world.lock("/person/1");
    let update = |more: &str| {
        format!("<update href=\"/person/1\" {more}><field name=\"age\">1</field></update>")
    };
    let operations = update("") + &update(&format!("tokens=\"{token}\""));
    let expected = ["update /person/1 423 not-applied", "update /person/1 200 applied"];
    assert_eq!(world.ask(batch(&operations)).items(), expected);
}

#[test]
fn in_mode_stop_a_row_that_may_not_be_is_the_end() {
    let world = World::of_records();
    let reply = world.ask(batch_with(
        "mode=\"stop\"",
        "<create href=\"/person/\"><field name=\"name\">Cy</field></create>\
         <create href=\"/person/\"><field name=\"name\">Ada</field></create>\
         <create href=\"/person/\"><field name=\"name\">Di</field></create>",
    ));
    let expected =
        ["create 201 applied", "create 409 not-applied [name]", "create 424 not-attempted"];
    assert_eq!(told_xml(&reply), expected);
    let reply = world.ask(batch_with(
        "mode=\"stop\"",
        "<put href=\"/person/9\">no JSON</put><delete href=\"/person/3\"/>",
    ));
    assert_eq!(told_xml(&reply), ["put 400 not-applied", "delete 424 not-attempted"]);
    assert_eq!(world.status("GET /person/3"), 200);
}

#[test]
fn bad_base64_is_the_fault_of_its_item() {
    let world = World::of_records();
    let reply = world.ask(batch(
        "<update href=\"/person/1\"><field name=\"photo\" encoding=\"base64\">?</field></update>\
         <update href=\"/person/1\"><field name=\"photo\" encoding=\"base64\">AA==</field></update>",
    ));
    assert_eq!(told_xml(&reply), ["update 400 not-applied", "update 200 applied"]);
    assert_eq!(world.ask("GET /person/1").json()["photo"], "AA==");
}

#[test]
fn folders_take_no_records_and_files_no_columns() {
    let world = World::new().given([put("f", "x"), mkcol("c")]);
    let reply = world.ask(batch(
        "<create href=\"/c/\"><field name=\"a\">b</field></create><create href=\"/f\"/>\
         <create href=\"/none/\"/><update href=\"/f\"><field name=\"a\">b</field></update>\
         <update href=\"/none\"/><put href=\"/c/g\">no JSON</put>",
    ));
    assert_eq!(
        told_xml(&reply),
        [
            "create 405 not-applied",
            "create 405 not-applied",
            "create 404 not-applied",
            "update 405 not-applied",
            "update 404 not-applied",
            "put 201 applied",
        ]
    );
    assert_eq!(world.tree(), ["/c/", "/c/g=no JSON", "/f=x"]);
}

#[test]
fn a_failed_proppatch_tells_of_each_column() {
    let world = World::of_records();
    let patch =
        |columns: &str| format!("<proppatch href=\"/person/1\">{}</proppatch>", set(columns));
    let reply = world.ask(batch(
        &[
            patch("<c:age>x</c:age><c:name>Al</c:name>"),
            patch("<c:age><c:x/></c:age><c:name>Al</c:name><D:displayname>x</D:displayname>"),
            patch("<c:age>1</c:age><c:name>Al</c:name>"),
        ]
        .concat(),
    ));
    let stats = |index: usize| {
        let responses = reply.multistatus().responses;
        let Report::Properties(stats) = &responses[index].report else { panic!("{responses:?}") };
        let stats = stats.iter().map(|stat| {
            let names = stat.properties.iter().map(|property| property.name().local());
            format!("{} {}", stat.status.as_u16(), names.collect::<Vec<_>>().join(" "))
        });
        stats.collect::<Vec<_>>()
    };
    assert_eq!(stats(0), ["422 age", "424 name"]);
    assert_eq!(stats(1), ["422 age", "403 displayname", "424 name"]);
    assert_eq!(stats(2), ["200 age name"]);
    let expected =
        ["proppatch 422 not-applied [age]", "proppatch 422 not-applied", "proppatch 200 applied"];
    assert_eq!(told_xml(&reply), expected);
    assert_eq!(world.ask("GET /person/1").json()["name"], "Al");
}

/// Fields are counted over the whole document, however they are spelled.
#[test]
fn the_fields_of_a_batch_are_bounded() {
    let limits = polydav_proto::batch::Limits { fields_max: 3, ..Default::default() };
    let batch_options = polydav_dav::BatchOptions { limits, ..Default::default() };
    let world = World::of(world::Made {
        store: std::sync::Arc::new(polydav_store::MemoryRecords::new(world::tables::TABLES)),
        options: polydav_dav::Options { batch: batch_options, ..Default::default() },
        ..world::Made::default()
    });
    let put = |id: u64| {
        json!({"op": "put", "href": format!("/person/{id}"),
            "content": format!("{{\"name\": \"p{id}\", \"age\": 1}}")})
    };
    let told = told(&world.ask(batch_json(&json!([put(3), put(4)]))));
    assert_eq!(told, ["put 201 applied", "put 413 not-applied"]);
    let create = json!({"op": "create", "href": "/person/", "values": {"a": 1, "b": 1}});
    assert_eq!(world.status(batch_json(&json!([create, create]))), 413);
}
