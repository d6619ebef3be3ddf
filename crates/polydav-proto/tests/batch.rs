//! The batch document: one meaning in every spelling, and the limits on it.

#![allow(clippy::unwrap_used)]

use polydav_proto::batch::{
    BatchRequest, Fault, Format, InvalidBatch, Kind, Limits, Mode, Place, Value, Verb, sniff,
};
use polydav_proto::header::{Depth, Matching, Overwrite};
use polydav_proto::reference::Path;

fn parse_within(
    format: Format,
    body: &[u8],
    limits: &Limits,
) -> Result<BatchRequest, InvalidBatch> {
    BatchRequest::parse(format, body, &Path::root(), limits)
}

fn parse(body: &[u8]) -> BatchRequest {
    parse_within(sniff(None, body).unwrap(), body, &Limits::default()).unwrap()
}

const KINDS_XML: &str = include_str!("corpus/batch-xml/kinds.xml");
const KINDS_JSON: &str = include_str!("corpus/batch-json/kinds.json");

/// All but the item with a wrong value, whose message has the spelling of its format; and texts of
/// JSON as XML has them.
fn right(mut batch: BatchRequest) -> BatchRequest {
    batch.operations.retain(|operation| operation.action.is_ok());
    for operation in &mut batch.operations {
        let kind = operation.action.as_mut().map(|action| &mut action.kind);
        if let Ok(Kind::Create(fields) | Kind::Update(fields)) = kind {
            fields.iter_mut().for_each(|field| field.value = as_xml(&field.value));
        }
    }
    batch
}

fn as_xml(value: &Value) -> Value {
    match value {
        Value::Json(json) => Value::Text(serde_json::from_str(json).unwrap()),
        other => other.clone(),
    }
}

#[test]
fn xml_and_json_mean_the_same() {
    assert_eq!(right(parse(KINDS_XML.as_bytes())), right(parse(KINDS_JSON.as_bytes())));
    let settings = parse(include_bytes!("corpus/batch-xml/settings.xml"));
    assert_eq!(settings, parse(include_bytes!("corpus/batch-json/settings.json")));
    let plain = parse(include_bytes!("corpus/batch-json/plain.json"));
    assert_eq!(plain, parse(include_bytes!("corpus/batch-ndjson/plain.ndjson")));
    assert_eq!(plain, parse(include_bytes!("corpus/batch-xml/no-namespace.xml")));
}

#[test]
fn every_word_is_understood() {
    let batch = parse(KINDS_XML.as_bytes());
    assert_eq!((batch.mode, batch.strict, batch.dry_run), (Mode::Stop, true, false));
    let verbs: Vec<_> = batch.operations.iter().map(|operation| operation.verb).collect();
    use Verb::*;
    let expected = [MkCol, Put, Put, Copy, Move, PropPatch, Delete, Delete, Create, Update, Delete];
    assert_eq!(verbs, expected);

    let moved = &batch.operations[4];
    assert_eq!(
        (moved.index, moved.id.as_deref(), &*moved.href),
        (4, Some("m.1"), "inbox/draft v1")
    );
    let action = moved.action.as_ref().unwrap();
    assert_eq!(action.resource.to_string(), "/team/inbox/draft%20v1");
    assert!(matches!(&action.conditions.if_match, Some(Matching::Tags(tags)) if tags.len() == 2));
    let Kind::Move(transfer) = &action.kind else { panic!() };
    assert_eq!(transfer.dest.to_string(), "/team/plans/final");
    assert_eq!((transfer.depth, transfer.overwrite), (Depth::Infinity, Some(Overwrite::Replace)));

    let Kind::Put { content, .. } = &batch.operations[2].action.as_ref().unwrap().kind else {
        panic!()
    };
    assert_eq!(content, b"\xff\xfe\xfd\x00\x01");
    assert_eq!(batch.operations[6].action.as_ref().unwrap().conditions.tokens.len(), 2);
    let locked = batch.operations[7].action.as_ref().unwrap();
    assert_eq!(locked.conditions.state.as_ref().unwrap().lists.len(), 2);
    assert_eq!(batch.operations[9].needs, [4, 8]);
}

#[test]
fn a_wrong_value_is_the_fault_of_its_item_alone() {
    let items = [
        (r#""href": "../a""#, "href: expected a path without dot segments at byte 0"),
        (r#""href": "/a?b""#, "href: expected no query (write ? as %3F) at byte 2"),
        (r#""href": """#, "href: expected an absolute URI or an absolute path at byte 0"),
        (
            r#""href": "a", "ifMatch": "v1""#,
            "ifMatch: expected an entity tag in double quotes at byte 0",
        ),
        (
            r#""href": "a", "ifUnmodifiedSince": "x""#,
            "ifUnmodifiedSince: expected an HTTP date, such as Sun, 06 Nov 1994 08:49:37 GMT at byte 0",
        ),
        (r#""href": "a", "depth": "2""#, "depth: expected 0, 1 or infinity at byte 0"),
        (r#""href": "a", "if": "()""#, "if: expected a condition in each list at byte 2"),
        (
            r#""href": "a", "tokens": ["x"]"#,
            "tokens: expected a URI with a scheme, such as urn:uuid:… at byte 0",
        ),
    ];
    let operations = items.map(|(members, _)| format!(r#"{{"op": "delete", {members}}}"#));
    let body = format!("[{}, {{\"op\": \"mkcol\", \"href\": \"b\"}}]", operations.join(","));
    let batch = parse(body.as_bytes());
    for (operation, (_, said)) in batch.operations.iter().zip(items) {
        assert_eq!(operation.action.as_ref().unwrap_err().to_string(), said);
    }
    assert!(batch.operations[items.len()].action.is_ok());
    let transfers = parse(
        br#"[{"op": "move", "href": "a", "dest": "b", "depth": "0"},
             {"op": "copy", "href": "a", "dest": "b", "depth": "1"},
             {"op": "copy", "href": "a", "dest": "b\\c"},
             {"op": "put", "href": "a", "type": "text/plain;\nx=y"}]"#,
    );
    let said: Vec<_> =
        transfers.operations.into_iter().map(|o| o.action.unwrap_err().to_string()).collect();
    assert_eq!(
        said,
        [
            "depth: expected infinity at byte 0",
            "depth: expected 0 or infinity at byte 0",
            "dest: expected a path without backslashes at byte 1",
            "type: expected visible ASCII characters at byte 11",
        ]
    );
}

#[test]
fn relative_hrefs_start_from_the_base() {
    let hrefs = |base: &str| {
        let body =
            format!(r#"{{"base": "{base}", "operations": [{{"op": "mkcol", "href": "a"}}]}}"#);
        let collection = Path::new([&b"c"[..]], true).unwrap();
        let batch =
            BatchRequest::parse(Format::Json, body.as_bytes(), &collection, &Limits::default());
        batch.unwrap().operations[0].action.as_ref().unwrap().resource.to_string()
    };
    assert_eq!(hrefs("/b/"), "/b/a");
    assert_eq!(hrefs("/b"), "/b/a");
    assert_eq!(hrefs("b"), "/c/b/a");
    assert_eq!(hrefs("http://example.com/"), "http://example.com/a");
    let body = br#"[{"op": "mkcol", "href": "a"}]"#;
    assert_eq!(parse(body).operations[0].action.as_ref().unwrap().resource.to_string(), "/a");
}

#[test]
fn shipped_documents_survive_curl_d() {
    for document in [KINDS_XML, include_str!("corpus/batch-xml/no-namespace.xml")] {
        let stripped = document.replace(['\r', '\n'], "");
        assert_eq!(parse(stripped.as_bytes()), parse(document.as_bytes()));
    }
    let stripped = include_str!("corpus/batch-ndjson/plain.ndjson").replace('\n', "");
    assert_eq!(parse(stripped.as_bytes()).operations.len(), 3);
}

#[test]
fn xml_may_be_utf16_and_have_a_byte_order_mark() {
    let document = include_str!("corpus/batch-xml/no-namespace.xml");
    let utf8 = [b"\xef\xbb\xbf", document.as_bytes()].concat();
    assert_eq!(parse(&utf8), parse(document.as_bytes()));
    let units = || std::iter::once(0xfeff).chain(document.encode_utf16());
    let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
    assert_eq!(parse(&little), parse(document.as_bytes()));
    assert_eq!(parse(&big), parse(document.as_bytes()));
}

#[test]
fn limits_hold_in_every_format() {
    let limits = Limits {
        items_max: 2,
        document_bytes_max: 200,
        content_bytes_max: 9,
        depth_max: 5,
        ..Limits::default()
    };
    let documents = |count: usize, content: &str| {
        let xml = format!("<put href='a'>{content}</put>").repeat(count);
        let json =
            vec![format!("{{\"op\":\"put\",\"href\":\"a\",\"content\":\"{content}\"}}"); count];
        [
            (Format::Xml, format!("<batch>{xml}</batch>")),
            (Format::Json, format!("[{}]", json.join(","))),
            (Format::NdJson, json.concat()),
        ]
    };
    for (format, body) in documents(2, "123456789") {
        assert!(parse_within(format, body.as_bytes(), &limits).is_ok(), "{body}");
    }
    for (count, content, said) in [
        (3, "", "a batch has at most 2 operations"),
        (1, "1234567890", "a body has at most 9 bytes"),
        (1, &"1".repeat(200), "the document is longer than 200 bytes"),
    ] {
        for (format, body) in documents(count, content) {
            let error = parse_within(format, body.as_bytes(), &limits).unwrap_err();
            assert_eq!((error.fault, &*error.message), (Fault::TooLarge, said), "{body}");
        }
    }
    let nested = br#"[{"op": "put", "href": [[[[[1]]]]]}]"#;
    let error = parse_within(Format::Json, nested, &limits).unwrap_err();
    assert_eq!(error.fault, Fault::TooLarge);
    assert!(matches!(error.place, Place::Line { line: 1, .. }));
}

/// A few bytes of text that stand for a lot of memory are counted over the whole document.
#[test]
fn a_small_document_does_not_grow_large_in_memory() {
    let limits = Limits { states_max: 4, path_bytes_max: 20, needs_max: 3, ..Limits::default() };
    let said = |operations: &str, base: &str| {
        let body = format!(r#"{{"base": "{base}", "operations": [{operations}]}}"#);
        parse_within(Format::Json, body.as_bytes(), &limits).err().map(|error| {
            assert_eq!(error.fault, Fault::TooLarge, "{body}");
            error.message
        })
    };
    let states = Some("a batch names at most 4 entity tags and tokens".to_owned());
    let delete = |more: &str| format!(r#"{{"op": "delete", "href": "a"{more}}}"#);
    let lists = delete(r#", "if": "<a:b> ([\"c\"])""#).replace("<a:b>", "</d>");
    assert_eq!(said(&[lists.as_str(); 4].join(","), "/"), None);
    assert_eq!(said(&[lists.as_str(); 5].join(","), "/"), states);
    let tokens = delete(r#", "tokens": ["a:b", "a:c"], "ifMatch": "\"d\"""#);
    assert_eq!(said(&tokens, "/"), None);
    assert_eq!(said(&[tokens.as_str(); 2].join(","), "/"), states);

    let paths = Some("the paths of a batch have at most 20 bytes".to_owned());
    let copy = r#"{"op": "copy", "href": "a", "dest": "b"}"#;
    assert_eq!(said(copy, "/12345678"), None);
    assert_eq!(said(copy, "/123456789"), paths);
    assert_eq!(said(&[copy; 10].join(","), "/"), None);
    assert_eq!(said(&[copy; 11].join(","), "/"), paths);

    let needs = Some("a batch has at most 3 needs and references".to_owned());
    let mkcol = |id: &str, needs: &str| {
        format!(r#"{{"op": "mkcol", "href": "a", "id": "{id}", "needs": [{needs}]}}"#)
    };
    let three = [mkcol("a", ""), mkcol("b", r#""a""#), mkcol("c", r#""a", "b", "a""#)].join(",");
    assert_eq!(said(&three, "/"), None);
    assert_eq!(said(&format!("{three},{}", mkcol("d", r#""a""#)), "/"), needs);
    let create = |count: usize| {
        let refs: Vec<_> = (0..count).map(|n| format!(r#""{n}": {{"$ref": "a"}}"#)).collect();
        let first = r#"{"op": "create", "href": "a", "id": "a"}"#;
        let values = refs.join(",");
        format!(r#"{first}, {{"op": "create", "href": "a", "values": {{{values}}}}}"#)
    };
    assert_eq!(said(&create(3), "/"), None);
    assert_eq!(said(&create(4), "/"), needs);
}

/// XML in a JSON document has the bound of XML in an XML document.
#[test]
fn elements_are_counted_in_both_formats() {
    let limits = Limits { elements_max: 20, ..Limits::default() };
    let set = |count: usize| format!("<D:set><D:prop>{}</D:prop></D:set>", "<a/>".repeat(count));
    let json = |count: usize| {
        let item = format!(r#"{{"op": "proppatch", "href": "a", "patch": "{}"}}"#, set(count));
        format!("[{item}, {item}]")
    };
    let xml = |count: usize| {
        let item = format!("<proppatch href='a'>{}</proppatch>", set(count));
        format!(
            "<batch xmlns='{}' xmlns:D='DAV:'>{item}{item}</batch>",
            polydav_proto::batch::NAMESPACE
        )
        .replace("<a/>", "<a xmlns='urn:a'/>")
    };
    let fault = |format, body: String| {
        parse_within(format, body.as_bytes(), &limits).err().map(|error| error.fault)
    };
    assert_eq!(fault(Format::Json, json(8)), None);
    assert_eq!(fault(Format::Json, json(9)), Some(Fault::TooLarge));
    assert_eq!(fault(Format::Xml, xml(6)), None);
    assert_eq!(fault(Format::Xml, xml(7)), Some(Fault::TooLarge));
}

/// It made an empty file, and told of success.
#[test]
fn markup_in_a_put_is_refused_and_not_left_out() {
    let put = |content: &str| {
        let body = format!("<batch><put href='a.svg'>{content}</put></batch>");
        parse_within(Format::Xml, body.as_bytes(), &Limits::default())
            .map_err(|error| error.message)
    };
    let svg = "<svg xmlns='http://www.w3.org/2000/svg'/>";
    assert_eq!(put(svg).unwrap_err(), "put holds text: write markup in CDATA or in base64");
    assert!(put(&format!("<![CDATA[{svg}]]>")).is_ok());
}

/// One operation has its bounds too, and what is beyond them is that operation's fault.
#[test]
fn an_operation_has_so_many_conditions() {
    let body = |key: &str, value: &str, count: usize| {
        let value = vec![value; count].join(",");
        format!(r#"[{{"op": "delete", "href": "a", "{key}": {value}}}]"#)
    };
    let wrong = |body: String| parse(body.as_bytes()).operations[0].action.clone().err();
    let tags = |count| format!("\"{}\"", vec![r#"\"t\""#; count].join(","));
    assert_eq!(wrong(body("ifMatch", &tags(1024), 1)), None);
    let said = wrong(body("ifMatch", &tags(1025), 1)).map(|error| error.to_string());
    assert_eq!(said.as_deref(), Some("ifMatch: expected at most 1024 entity tags at byte 4096"));
    let tokens = |count| format!("[{}]", vec![r#""a:b""#; count].join(","));
    assert_eq!(wrong(body("tokens", &tokens(1024), 1)), None);
    let said = wrong(body("tokens", &tokens(1025), 1)).map(|error| error.to_string());
    assert_eq!(said.as_deref(), Some("tokens: expected at most 1024 tokens at byte 0"));
}
