//! Listings: pages of rows, filters; and where the row of a key lies.

use std::ops::ControlFlow;

use crate::kit::record::{Listing, list, records};
use crate::kit::{fields, given, json, path, put_record, remove, text, verdict};
use crate::{Done, Failure, Page, Store, Value};

use super::{item, item_json};

trials! { writable:
    the_root_lists_the_tables,
    rows_are_listed_in_the_order_of_their_keys,
    pages_go_on_where_the_last_one_ended,
    a_page_goes_on_after_a_row_that_is_gone,
    filters_pick_equal_values,
    filtered_rows_are_paged,
    a_listing_is_broken_off,
    what_cannot_be_listed_is_told,
    keys_are_located,
    what_cannot_be_located_is_told,
}

fn told(failure: Failure) -> String {
    verdict(&Err::<Done, _>(failure))
}

fn the_root_lists_the_tables(store: &dyn Store) {
    let listing = list(store, "", &Page::default()).expect("the root can be listed");
    assert_eq!(listing.columns, ["table", "kind", "key", "columns"]);
    assert_eq!(listing.next, None);
    let parsed = listing.records.iter().map(|record| {
        let table: serde_json::Value = serde_json::from_str(record).expect("it is JSON");
        let names = |of: &str, column: fn(&serde_json::Value) -> String| -> String {
            let list = table[of].as_array().expect("it is a list");
            list.iter().map(column).collect::<Vec<_>>().join(" ")
        };
        let key = names("key", |name| name.as_str().expect("a name").to_owned());
        let columns = names("columns", |column| {
            assert!(column["type"].is_string(), "a column has a type: {column}");
            let is = |of: &str| column[of].as_bool().expect("it is so or not");
            let optional = if is("nullable") { "?" } else { "" };
            let fixed = if is("readOnly") { "!" } else { "" };
            format!("{}{optional}{fixed}", column["name"].as_str().expect("a name"))
        });
        let kind = table["kind"].as_str().expect("a kind");
        format!("{} {kind}: {key}: {columns}", table["table"].as_str().expect("a name"))
    });
    let mut tables: Vec<_> = parsed.collect();
    assert_eq!(tables.len(), 4);
    let ro = tables.remove(2);
    assert!(ro.starts_with("ro view:") || ro.starts_with("ro table:"), "{ro}");
    let expected = [
        "item table: id: id name qty note? data?",
        "part table: kind no: kind no item? label?",
        "word table: word: word",
    ];
    assert_eq!(tables, expected);
}

fn rows_are_listed_in_the_order_of_their_keys(store: &dyn Store) {
    for id in [9, 10, -1, 100, 0] {
        given(store, [item(id, &id.to_string())]);
    }
    let ordered = [-1, 0, 9, 10, 100].map(|id| item_json(id, &id.to_string()));
    assert_eq!(records(store, "item"), ordered);
    for name in ["ä", "b", "B", "a", "aa", "%", "a b", "~"] {
        given(store, [put_record(format!("word/{name}"), [])]);
    }
    let ordered = ["", "B", "a", "a b", "aa", "b", "~", "ä"];
    assert_eq!(records(store, "word"), ordered.map(|word| format!(r#"{{"word":"{word}"}}"#)));
    for name in ["b,1", "a,10", "a,9", "B,2"] {
        given(store, [put_record(format!("part/{name}"), [])]);
    }
    let ordered = [("B", 2), ("a", 9), ("a", 10), ("b", 1)]
        .map(|(kind, no)| format!(r#"{{"kind":"{kind}","no":{no},"item":null,"label":null}}"#));
    assert_eq!(records(store, "part"), ordered);
    let listing = list(store, "part", &Page::default()).expect("it can be listed");
    assert_eq!((listing.columns, listing.next), (columns_of_part(), None));
    let nothing = list(store, "ro", &Page::default()).expect("it can be listed");
    assert_eq!(nothing, Listing { columns: vec!["word".into()], ..Listing::default() });
}

fn columns_of_part() -> Vec<String> {
    ["kind", "no", "item", "label"].map(str::to_owned).to_vec()
}

/// The rows of each page, until there is no next one.
fn pages(store: &dyn Store, table: &str, mut page: Page) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    loop {
        let listing = list(store, table, &page).expect("a page can be listed");
        pages.push(listing.records);
        match listing.next {
            Some(next) => page.after = Some(next),
            None => return pages,
        }
        assert!(pages.len() < 100, "pages come to an end");
    }
}

fn pages_go_on_where_the_last_one_ended(store: &dyn Store) {
    let names = ["a,2", "a,10", "%,1", "b%2Cc,1", "b%2Cc,2"];
    given(store, names.map(|name| put_record(format!("part/{name}"), [])));
    let all = records(store, "part");
    for limit in 1..=names.len() + 1 {
        let page = Page { limit: Some(limit as u64), ..Page::default() };
        let expected: Vec<_> = all.chunks(limit).map(<[_]>::to_vec).collect();
        assert_eq!(pages(store, "part", page), expected, "{limit} at a time");
    }
    let first = Page { limit: Some(2), ..Page::default() };
    let first = list(store, "part", &first).expect("it can be listed");
    assert_eq!(first.next.as_deref(), Some("a,2"), "the next page is behind the last row");
    let rest = Page { after: first.next, ..Page::default() };
    assert_eq!(list(store, "part", &rest).expect("it can be listed").records, all[2..]);
    let none = Page { limit: Some(1), ..Page::default() };
    let none = list(store, "word", &none).expect("it can be listed");
    assert_eq!((none.records, none.next), (Vec::new(), None));
}

fn a_page_goes_on_after_a_row_that_is_gone(store: &dyn Store) {
    given(store, [item(1, "a"), item(5, "b"), item(9, "c")]);
    given(store, [remove("item/5")]);
    for (after, expected) in [("5", 1), ("9", 0), ("1", 1), ("0", 2), ("-3", 2), ("100", 0)] {
        let page = Page { after: Some(after.to_owned()), ..Page::default() };
        let listing = list(store, "item", &page).expect("it can be listed");
        assert_eq!(listing.records.len(), expected, "after {after}");
    }
}

fn filters_pick_equal_values(store: &dyn Store) {
    let row = |id: i64, values: [Value; 3]| {
        let [qty, note, data] = values;
        let name = text(&id.to_string());
        put_record(
            format!("item/{id}"),
            [("name", name), ("qty", qty), ("note", note), ("data", data)],
        )
    };
    given(
        store,
        [
            row(1, [text("1"), text("x"), Value::Null]),
            row(2, [text("1"), Value::Null, text("AP8=")]),
            row(3, [text("2"), text("X"), text("")]),
            row(4, [text("2"), text(""), Value::Null]),
        ],
    );
    let bytes = Value::Bytes(bytes::Bytes::from_static(b"\0\xff"));
    for (filter, expected) in [
        (vec![], &[1, 2, 3, 4][..]),
        (vec![("qty", text("01"))], &[1, 2]),
        (vec![("qty", json("2"))], &[3, 4]),
        (vec![("note", text("x"))], &[1]),
        (vec![("note", text(""))], &[4]),
        (vec![("note", Value::Null)], &[2]),
        (vec![("data", Value::Null)], &[1, 4]),
        (vec![("data", bytes)], &[2]),
        (vec![("data", text(""))], &[3]),
        (vec![("id", text("3"))], &[3]),
        (vec![("qty", text("1")), ("note", Value::Null)], &[2]),
        (vec![("qty", text("1")), ("note", text("X"))], &[]),
        (vec![("name", Value::Null)], &[]),
    ] {
        let shown = format!("{filter:?}");
        let page = Page { filter: fields(filter), ..Page::default() };
        let listing = list(store, "item", &page).expect("it can be listed");
        assert_eq!(listing.records.len(), expected.len(), "{shown}: {listing:?}");
        for (record, id) in listing.records.iter().zip(expected) {
            assert!(record.starts_with(&format!(r#"{{"id":{id},"#)), "{shown}: {listing:?}");
        }
    }
}

fn filtered_rows_are_paged(store: &dyn Store) {
    for no in 0..9 {
        let label = if no % 2 == 0 { text("even") } else { Value::Null };
        given(store, [put_record(format!("part/a,{no}"), [("label", label)])]);
    }
    for (label, rows) in [(text("even"), 5), (Value::Null, 4)] {
        for limit in 1..=5 {
            let filter = fields([("label", label.clone())]);
            let page = Page { limit: Some(limit), filter, ..Page::default() };
            let pages = pages(store, "part", page);
            assert_eq!(pages.concat().len(), rows);
            let full = pages[..pages.len() - 1].iter().all(|page| page.len() as u64 == limit);
            assert!(full && pages.iter().all(|page| !page.is_empty()), "{limit}: {pages:?}");
        }
    }
}

fn a_listing_is_broken_off(store: &dyn Store) {
    given(store, [item(1, "a"), item(2, "b"), item(3, "c")]);
    for collection in ["", "item"] {
        let mut met = 0;
        let listed = store.list(&path(collection), &Page::default(), &mut |_| {
            met += 1;
            if met == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(listed.is_ok());
        assert_eq!(met, 2, "{collection}");
    }
}

fn what_cannot_be_listed_is_told(store: &dyn Store) {
    given(store, [item(1, "a")]);
    for (collection, expected) in [
        ("none", "NotFound /none"),
        ("item/1", "Unsuited /item/1"),
        ("item/2", "NotFound /item/2"),
        ("item/1/x", "NotFound /item/1/x"),
    ] {
        let failure = list(store, collection, &Page::default()).expect_err("it is no table");
        assert_eq!(told(failure), expected);
    }
    let after = |after: &str| Page { after: Some(after.to_owned()), ..Page::default() };
    for page in ["x", "", "01", "1,2", "%31"].map(after) {
        let failure = list(store, "item", &page).expect_err("it is no key");
        assert_eq!(told(failure), "Invalid /item", "{page:?}");
    }
    for page in ["a", "a,x", "1,2,3", "a,b,1", ",1", "%2c,1"].map(after) {
        let failure = list(store, "part", &page).expect_err("it is no key");
        assert_eq!(told(failure), "Invalid /part", "{page:?}");
    }
    for (column, value) in [
        ("none", text("1")),
        ("qty", text("x")),
        ("qty", json("[1]")),
        ("note", json("1")),
        ("data", text("*")),
        ("ID", text("1")),
    ] {
        let page = Page { filter: fields([(column, value)]), ..Page::default() };
        let failure = list(store, "item", &page).expect_err("no row can have that");
        assert_eq!(told(failure), format!("Invalid /item [{column}]"));
    }
}

/// Whether their rows are there or not.
fn keys_are_located(store: &dyn Store) {
    given(store, [item(7, "a"), put_record("word/%2E%2E", [])]);
    for (collection, record, expected) in [
        ("item", vec![("id", text("7"))], "item/7"),
        ("item", vec![("name", text("a")), ("id", json("-7"))], "item/-7"),
        ("item", vec![("id", text("007"))], "item/7"),
        ("part", vec![("no", text("01")), ("kind", text("a,b"))], "part/a%2Cb,1"),
        ("part", vec![("kind", json(r#""""#)), ("no", json("1"))], "part/%,1"),
        ("word", vec![("word", text(".."))], "word/%2E%2E"),
    ] {
        let located = store.locate(&path(collection), &fields(record));
        assert_eq!(located.expect("it can be located"), path(expected));
    }
}

fn what_cannot_be_located_is_told(store: &dyn Store) {
    given(store, [item(1, "a")]);
    for (collection, record, expected) in [
        ("item", vec![], "Invalid /item [id]"),
        ("item", vec![("name", text("a"))], "Invalid /item [id]"),
        ("item", vec![("id", Value::Null)], "Invalid /item [id]"),
        ("item", vec![("id", text("x"))], "Invalid /item [id]"),
        ("item", vec![("id", json("1.5"))], "Invalid /item [id]"),
        ("part", vec![("kind", text("a"))], "Invalid /part [no]"),
        ("part", vec![("no", text("1"))], "Invalid /part [kind]"),
        ("part", vec![("kind", json("1")), ("no", text("1"))], "Invalid /part [kind]"),
        ("", vec![("id", text("1"))], "Unsuited /"),
        ("item/1", vec![("id", text("1"))], "Unsuited /item/1"),
        ("none", vec![("id", text("1"))], "NotFound /none"),
    ] {
        let located = store.locate(&path(collection), &fields(record));
        assert_eq!(told(located.expect_err("it can't be located")), expected);
    }
}
