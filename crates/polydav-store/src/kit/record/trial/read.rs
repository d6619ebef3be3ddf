//! Rows: what is said of them, and their content.

use bytes::Bytes;

use crate::kit::{apply, content, found, given, json, path, put_record, run, tag, text, update};
use crate::{
    COLUMNS, Capabilities, Entry, FailureKind, Kind, NoLocks, PropertyName, Select, Store, Value,
};

use super::{item, item_json};
use crate::kit::record::records;

trials! { writable:
    the_root_and_the_tables_are_collections,
    a_row_is_a_file_of_json,
    columns_are_told_as_selected,
    values_are_read_by_the_type_of_their_column,
    equal_rows_have_equal_tags,
    a_change_tells_the_tag_of_the_row,
    only_rows_are_read,
    nothing_is_staged_for_rows,
}

fn the_root_and_the_tables_are_collections(store: &dyn Store) {
    given(store, [item(1, "a")]);
    for joined in ["", "item", "part", "word", "ro"] {
        let expected = Entry {
            path: path(joined),
            kind: Kind::Collection,
            length: 0,
            modified: None,
            created: None,
            etag: None,
            link: false,
            record: true,
            properties: Vec::new(),
            columns: Vec::new(),
        };
        assert_eq!(found(store, joined), expected);
        assert_eq!(store.capabilities(&path(joined)), Capabilities::RECORDS);
        assert!(store.space(&path(joined)).expect("it can be asked").is_none());
    }
}

fn a_row_is_a_file_of_json(store: &dyn Store) {
    let data = Value::Bytes(Bytes::from_static(b"\0\xff"));
    let values = [("data", data), ("note", text("x\"y\\z/\n\u{1}\u{7f}ü")), ("name", text(""))];
    given(store, [put_record("item/-7", values)]);
    let expected = concat!(
        r#"{"id":-7,"name":"","qty":1,"#,
        "\"note\":\"x\\\"y\\\\z/\\n\\u0001\u{7f}ü\",\"data\":\"AP8=\"}"
    );
    assert_eq!(content(store, &path("item/-7")), expected);
    let entry = found(store, "item/-7");
    assert_eq!((entry.kind, entry.length), (Kind::File, expected.len() as u64));
    assert!(entry.record && !entry.link && entry.etag.is_some());
    assert_eq!((entry.modified, entry.created), (None, None));
    assert_eq!(entry.path, path("item/-7"));
    let reading = store.read(&path("item/-7")).expect("it is read");
    assert_eq!(reading.entry, Entry { columns: Vec::new(), ..entry });
    assert_eq!(reading.content.read_at(&mut [0; 4], 1 << 40).expect("it is read"), 0);
}

fn columns_are_told_as_selected(store: &dyn Store) {
    given(store, [put_record("item/7", [("name", text("a")), ("data", text("AP8="))])]);
    let told = |select: Select| -> Vec<(String, Value)> {
        let entry = store.stat(&path("item/7"), &select).expect("it is there");
        entry.columns.into_iter().map(|field| (field.name.to_string(), field.value)).collect()
    };
    let pair = |name: &str, value| (name.to_owned(), value);
    let data = || pair("data", Value::Bytes(Bytes::from_static(b"\0\xff")));
    assert_eq!(told(Select::None), []);
    let names = ["id", "name", "qty", "note", "data"];
    assert_eq!(told(Select::Names), names.map(|name| pair(name, Value::Null)));
    let all = [("id", text("7")), ("name", text("a")), ("qty", text("1")), ("note", Value::Null)];
    let all = all.map(|(name, value)| pair(name, value)).into_iter().chain([data()]);
    assert_eq!(told(Select::All), all.collect::<Vec<_>>());
    let only = [("qty", COLUMNS), ("none", COLUMNS), ("name", "urn:other"), ("data", COLUMNS)];
    let only = only.map(|(local, namespace)| PropertyName::new(namespace, local));
    assert_eq!(told(Select::Only(only.to_vec())), [pair("qty", text("1")), data()]);
}

fn values_are_read_by_the_type_of_their_column(store: &dyn Store) {
    let bytes = |bytes: &'static [u8]| Value::Bytes(Bytes::from_static(bytes));
    given(store, [item(1, "a")]);
    for (column, value, expected) in [
        ("qty", text("007"), "7"),
        ("qty", text("-0"), "0"),
        ("qty", text("9223372036854775807"), "9223372036854775807"),
        ("qty", json("42"), "42"),
        ("qty", json("\"042\""), "42"),
        ("qty", bytes(b"5"), "5"),
        ("note", text("042"), r#""042""#),
        ("note", text(""), r#""""#),
        ("note", text("null"), r#""null""#),
        ("note", text(" \"a\" "), r#"" \"a\" ""#),
        ("note", json(r#""\u00fc\n\ud83d\ude00""#), "\"ü\\n\u{1f600}\""),
        ("note", json(r#""42""#), r#""42""#),
        ("note", bytes(b"true"), r#""true""#),
        ("note", Value::Null, "null"),
        ("data", text("AP8="), r#""AP8=""#),
        ("data", json(r#""AP8=""#), r#""AP8=""#),
        ("data", bytes(b"\0\xff"), r#""AP8=""#),
        ("data", text(""), r#""""#),
        ("data", Value::Null, "null"),
    ] {
        let shown = format!("{column} {value:?}");
        given(store, [update("item/1", [(column, value)])]);
        let row = &records(store, "item")[0];
        assert!(row.contains(&format!(r#""{column}":{expected}"#)), "{shown}: {row}");
    }
}

fn equal_rows_have_equal_tags(store: &dyn Store) {
    given(store, [item(1, "a"), item(2, "b")]);
    let first = tag(store, "item/1");
    assert_ne!(tag(store, "item/2"), first);
    given(store, [update("item/2", [("qty", text("5"))]), item(1, "a")]);
    assert_eq!(tag(store, "item/1"), first, "the same was put, and another row changed");
    for (column, value) in [("qty", "2"), ("note", ""), ("data", "AA=="), ("name", "c")] {
        given(store, [item(1, "a"), update("item/1", [(column, text(value))])]);
        assert_ne!(tag(store, "item/1"), first, "{column} is another");
    }
    given(store, [item(1, "a")]);
    assert_eq!(tag(store, "item/1"), first, "it is as it was");
}

fn a_change_tells_the_tag_of_the_row(store: &dyn Store) {
    let drafts = || {
        [
            item(1, "a"),
            item(1, "b"),
            update("item/1", [("qty", text("5"))]),
            update("item/1", []),
            crate::kit::add("item", [("id", text("2")), ("name", text("c"))]),
        ]
    };
    for (draft, row) in drafts().into_iter().zip([1, 1, 1, 1, 2]) {
        let outcome = apply(store, &NoLocks, run(vec![draft.step(0)])).remove(0);
        let told = outcome.expect("it is done").etag.expect("a row has a tag");
        assert_eq!(told.as_str(), tag(store, format!("item/{row}")));
    }
}

fn only_rows_are_read(store: &dyn Store) {
    given(store, [item(1, "a")]);
    for joined in ["", "item", "ro"] {
        let failure = store.read(&path(joined)).expect_err("it is a collection");
        assert_eq!((failure.kind, failure.path), (FailureKind::IsCollection, path(joined)));
    }
    for joined in ["none", "none/1", "item/2", "item/x", "item/1/x", "ro/a", "item/1/1"] {
        let failure = store.read(&path(joined)).expect_err("nothing is there");
        assert_eq!((failure.kind, &failure.path), (FailureKind::NotFound, &path(joined)));
        let failure = store.stat(&path(joined), &Select::All).expect_err("nothing is there");
        assert_eq!((failure.kind, &failure.path), (FailureKind::NotFound, &path(joined)));
    }
    assert_eq!(content(store, &path("item/1")), item_json(1, "a"));
}

fn nothing_is_staged_for_rows(store: &dyn Store) {
    given(store, [item(1, "a")]);
    for joined in ["item/1", "item/2", "item"] {
        let failure = store.stage(&path(joined), Some(1)).err().expect("a row isn't staged");
        assert_eq!((failure.kind, failure.path), (FailureKind::Unsupported, path(joined)));
    }
}
