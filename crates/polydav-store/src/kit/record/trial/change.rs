//! What puts, additions, updates and removals do.

use crate::kit::record::records;
use crate::kit::{add, given, json, patch, put_record, remove, tell, text, update};
use crate::{Store, Value};

use super::{item, item_json};

trials! { writable:
    a_put_makes_a_row,
    a_put_replaces_the_whole_row,
    an_addition_makes_a_row,
    an_update_changes_the_given_columns,
    an_update_of_nothing_is_done,
    a_removal_takes_the_row,
    a_reference_leads_to_a_row,
    a_unique_value_goes_from_row_to_row,
    what_is_as_it_should_be_is_done_again,
}

fn a_put_makes_a_row(store: &dyn Store) {
    let told = tell(
        store,
        [
            item(7, "a"),
            put_record("item/8", [("name", text("b")), ("id", text("008")), ("qty", json("0"))]),
            put_record("word/a", []),
            put_record("part/a,1", [("no", json("1"))]),
        ],
    );
    assert_eq!(told, ["created"; 4]);
    let second = r#"{"id":8,"name":"b","qty":0,"note":null,"data":null}"#;
    assert_eq!(records(store, "item"), [&*item_json(7, "a"), second]);
    let part = r#"{"kind":"a","no":1,"item":null,"label":null}"#;
    assert_eq!(records(store, "part"), [part]);
    assert_eq!(records(store, "word"), [r#"{"word":"a"}"#]);
}

fn a_put_replaces_the_whole_row(store: &dyn Store) {
    let all = [("qty", "5"), ("note", "x"), ("data", "AA=="), ("name", "a")];
    given(store, [put_record("item/1", all.map(|(name, value)| (name, text(value))))]);
    assert_eq!(tell(store, [item(1, "b")]), ["done"]);
    assert_eq!(records(store, "item"), [item_json(1, "b")]);
}

fn an_addition_makes_a_row(store: &dyn Store) {
    given(store, [add("item", [("name", text("a")), ("id", text("3")), ("note", Value::Null)])]);
    assert_eq!(records(store, "item"), [item_json(3, "a")]);
    given(store, [add("item", [("name", text("b")), ("qty", text("5"))])]);
    let rows = records(store, "item");
    let given = rows.iter().filter(|row| row.contains(r#""name":"b","qty":5,"note":null"#));
    assert_eq!((rows.len(), given.count()), (2, 1), "{rows:?}");
}

fn an_update_changes_the_given_columns(store: &dyn Store) {
    given(store, [put_record("item/1", [("name", text("a")), ("note", text("x"))])]);
    let told = tell(
        store,
        [
            update("item/1", [("qty", json("5")), ("data", text("AA=="))]),
            update("item/1", [("note", Value::Null), ("id", text("1"))]),
            update("item/1", [("name", text("b"))]),
        ],
    );
    assert_eq!(told, ["done"; 3]);
    let expected = r#"{"id":1,"name":"b","qty":5,"note":null,"data":"AA=="}"#;
    assert_eq!(records(store, "item"), [expected]);
    given(store, [put_record("part/a,1", []), put_record("part/a,2", [])]);
    given(store, [update("part/a,2", [("label", text("x")), ("kind", text("a"))])]);
    let parts = records(store, "part");
    assert_eq!(parts[0], r#"{"kind":"a","no":1,"item":null,"label":null}"#);
    assert_eq!(parts[1], r#"{"kind":"a","no":2,"item":null,"label":"x"}"#);
}

/// And so is a patch.
fn an_update_of_nothing_is_done(store: &dyn Store) {
    given(store, [item(1, "a")]);
    let told = tell(store, [update("item/1", []), patch("item/1", []), patch("item", [])]);
    assert_eq!(told, ["done"; 3]);
    assert_eq!(records(store, "item"), [item_json(1, "a")]);
}

fn a_removal_takes_the_row(store: &dyn Store) {
    given(store, [item(1, "a"), item(2, "b"), put_record("part/a,1", [])]);
    let told = tell(store, [remove("item/1"), remove("item/1"), remove("part/a,1")]);
    assert_eq!(told, ["done", "NotFound /item/1", "done"]);
    assert_eq!(records(store, "item"), [item_json(2, "b")]);
    assert_eq!(records(store, "part"), [""; 0]);
    assert_eq!(tell(store, [item(1, "a")]), ["created"]);
}

fn a_reference_leads_to_a_row(store: &dyn Store) {
    let of = |id: &str| [("item", text(id))];
    let told = tell(
        store,
        [
            put_record("part/a,1", of("1")),
            item(1, "a"),
            put_record("part/a,1", of("1")),
            remove("item/1"),
            item(1, "b"),
            update("part/a,1", of("2")),
            update("part/a,1", [("item", Value::Null)]),
            remove("item/1"),
            add("part", [("kind", text("b")), ("no", text("1")), ("item", text("1"))]),
        ],
    );
    let expected = [
        "Conflict /part/a,1 [item]",
        "created",
        "created",
        "Conflict /item/1",
        "done",
        "Conflict /part/a,1 [item]",
        "done",
        "done",
        "Conflict /part [item]",
    ];
    assert_eq!(told, expected);
    assert_eq!(records(store, "item"), [""; 0]);
    assert_eq!(records(store, "part"), [r#"{"kind":"a","no":1,"item":null,"label":null}"#]);
}

fn a_unique_value_goes_from_row_to_row(store: &dyn Store) {
    given(store, [item(1, "a"), item(2, "b")]);
    let name = |id: i64, name: &str| update(format!("item/{id}"), [("name", text(name))]);
    let told = tell(
        store,
        [
            name(1, "b"),
            name(2, "c"),
            name(1, "b"),
            name(2, "a"),
            item(3, "a"),
            remove("item/2"),
            item(3, "a"),
            add("item", [("name", text("b"))]),
            item(1, "b"),
        ],
    );
    let expected = [
        "Conflict /item/1 [name]",
        "done",
        "done",
        "done",
        "Conflict /item/3 [name]",
        "done",
        "created",
        "Conflict /item [name]",
        "done",
    ];
    assert_eq!(told, expected);
    assert_eq!(records(store, "item"), [item_json(1, "b"), item_json(3, "a")]);
}

fn what_is_as_it_should_be_is_done_again(store: &dyn Store) {
    given(store, [item(1, "a")]);
    let told = tell(store, [item(1, "a"), update("item/1", [("name", text("a"))]), item(1, "a")]);
    assert_eq!(told, ["done"; 3]);
    assert_eq!(records(store, "item"), [item_json(1, "a")]);
}
