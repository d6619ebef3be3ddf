//! What is refused, why, and that it stays as it was.

use bytes::Bytes;

use crate::kit::{
    Draft, add, apply, copy, given, json, mkcol, patch, put, put_record, remove, rename, run, set,
    snapshot, tell, text, update,
};
use crate::{NoLocks, Store, Value};

use super::item;

trials! { writable:
    rows_are_put_at_names_of_tables_only,
    rows_are_added_to_tables_only,
    only_rows_are_updated,
    only_rows_are_removed,
    what_is_for_files_is_refused,
    columns_are_what_the_table_says,
    what_a_row_would_be_is_checked,
    the_first_reason_is_told,
    a_view_takes_nothing,
    failures_name_the_column,
}

/// Whether each is refused so, and nothing changes: promise 1.
fn check<'a>(store: &dyn Store, cases: impl IntoIterator<Item = (Draft, &'a str)>) {
    let before = snapshot(store);
    for (draft, expected) in cases {
        let shown = format!("{draft:?}");
        assert_eq!(tell(store, [draft]), [expected], "{shown}");
        assert_eq!(snapshot(store), before, "after {shown}");
    }
}

/// A column that no table has.
fn unknown() -> [(&'static str, Value); 1] {
    [("none", text("x"))]
}

fn rows_are_put_at_names_of_tables_only(store: &dyn Store) {
    given(store, [item(1, "a")]);
    check(
        store,
        [
            (put_record("", unknown()), "IsCollection /"),
            (put_record("item", unknown()), "IsCollection /item"),
            (put("item", "x"), "IsCollection /item"),
            (put_record("ro", []), "IsCollection /ro"),
            (put_record("none", unknown()), "Forbidden /none"),
            (put("none", "x"), "Forbidden /none"),
            (put_record("item/1/x", []), "ParentMissing /item/1"),
            (put("none/1/x", "x"), "ParentMissing /none/1"),
            (put("item/1", r#"{"name":"b"}"#), "Unsuited /item/1"),
            (put("item/x", ""), "Unsuited /item/x"),
            (put("none/1", "x"), "Unsuited /none/1"),
            (put_record("none/1", unknown()), "NotFound /none"),
            (put_record("item/x", unknown()), "Invalid /item/x"),
            (put_record("item/1,2", unknown()), "Invalid /item/1,2"),
        ],
    );
}

fn rows_are_added_to_tables_only(store: &dyn Store) {
    given(store, [item(1, "a"), put_record("part/a,1", [])]);
    let part = |kind: &str, no: &str| add("part", [("kind", text(kind)), ("no", text(no))]);
    check(
        store,
        [
            (add("", unknown()), "Unsuited /"),
            (add("none", unknown()), "NotFound /none"),
            (add("item/1", unknown()), "Unsuited /item/1"),
            (add("item/2", unknown()), "NotFound /item/2"),
            (add("item", unknown()), "Invalid /item [none]"),
            (add("item", []), "Invalid /item [name]"),
            (add("item", [("name", text("b")), ("id", text("1"))]), "Conflict /item [id]"),
            (add("item", [("name", text("b")), ("id", Value::Null)]), "Invalid /item [id]"),
            (add("item", [("name", text("b")), ("id", text("x"))]), "Invalid /item [id]"),
            (add("item", [("name", text("a"))]), "Conflict /item [name]"),
            (add("part", [("kind", text("a"))]), "Invalid /part [no]"),
            (add("part", [("no", text("1"))]), "Invalid /part [kind]"),
            (part("a", "1"), "Conflict /part"),
            (add("word", []), "Invalid /word [word]"),
        ],
    );
    assert_eq!(tell(store, [part("a", "2"), part("b", "1")]), ["created", "created"]);
}

fn only_rows_are_updated(store: &dyn Store) {
    given(store, [item(1, "a"), put_record("part/a,1", [])]);
    check(
        store,
        [
            (update("", unknown()), "Unsuited /"),
            (update("item", []), "Unsuited /item"),
            (update("ro", []), "Unsuited /ro"),
            (update("none", []), "NotFound /none"),
            (update("none/1", []), "NotFound /none/1"),
            (update("item/2", unknown()), "NotFound /item/2"),
            (update("item/x", []), "NotFound /item/x"),
            (update("item/1/x", []), "NotFound /item/1/x"),
            (update("item/1", [("id", text("2"))]), "Invalid /item/1 [id]"),
            (update("item/1", [("id", Value::Null)]), "Invalid /item/1 [id]"),
            (update("part/a,1", [("kind", text("b"))]), "Invalid /part/a,1 [kind]"),
            (update("part/a,1", [("no", text("2"))]), "Invalid /part/a,1 [no]"),
        ],
    );
}

fn only_rows_are_removed(store: &dyn Store) {
    given(store, [item(1, "a"), put_record("part/a,1", [("item", text("1"))])]);
    check(
        store,
        [
            (remove(""), "Forbidden /"),
            (remove("item"), "Forbidden /item"),
            (remove("ro"), "Forbidden /ro"),
            (remove("none"), "NotFound /none"),
            (remove("none/1"), "NotFound /none/1"),
            (remove("item/2"), "NotFound /item/2"),
            (remove("item/x"), "NotFound /item/x"),
            (remove("item/1/x"), "NotFound /item/1/x"),
            (remove("item/1"), "Conflict /item/1"),
        ],
    );
}

fn what_is_for_files_is_refused(store: &dyn Store) {
    given(store, [item(1, "a"), item(2, "b")]);
    check(
        store,
        [
            (mkcol(""), "Exists /"),
            (mkcol("item"), "Exists /item"),
            (mkcol("item/1"), "Exists /item/1"),
            (mkcol("none"), "Unsupported /none"),
            (mkcol("item/3"), "Unsupported /item/3"),
            (mkcol("none/1/x"), "Unsupported /none/1/x"),
            (copy("item/1", "item/3"), "Unsupported /item/1"),
            (copy("item/3", "item/1"), "NotFound /item/3"),
            (copy("item", "none"), "Unsupported /item"),
            (rename("item/1", "item/2").refuse(), "Unsupported /item/1"),
            (rename("item/x", "item/3"), "NotFound /item/x"),
            (rename("item/1", "item/1"), "Overlap /item/1"),
            (patch("item/1", [set("p", "x")]), "Unsupported /item/1"),
            (patch("", [set("p", "x")]), "Unsupported /"),
            (patch("item/3", [set("p", "x")]), "NotFound /item/3"),
            (patch("none", []), "NotFound /none"),
        ],
    );
}

fn columns_are_what_the_table_says(store: &dyn Store) {
    given(store, [item(1, "a")]);
    let latin = Value::Bytes(Bytes::from_static(b"\xfc"));
    for (column, value) in [
        ("none", text("1")),
        ("", text("1")),
        ("NAME", text("1")),
        ("qty", text("")),
        ("qty", text("x")),
        ("qty", text("+1")),
        ("qty", text(" 1")),
        ("qty", text("1.0")),
        ("qty", text("9223372036854775808")),
        ("qty", json("1.0")),
        ("qty", json("1e2")),
        ("qty", json("true")),
        ("qty", json("[1]")),
        ("qty", json(r#""x""#)),
        ("qty", latin.clone()),
        ("note", json("1")),
        ("note", json("true")),
        ("note", json("{}")),
        ("note", json(r#""\ud800""#)),
        ("note", latin),
        ("data", text("*")),
        ("data", json("[0]")),
        ("id", text("2")),
        ("id", text("x")),
    ] {
        let field = || [("name", text("b")), (column, value.clone())];
        check(store, [(update("item/1", field()), &*format!("Invalid /item/1 [{column}]"))]);
        check(store, [(put_record("item/1", field()), &*format!("Invalid /item/1 [{column}]"))]);
        if (column, &value) != ("id", &text("2")) {
            check(store, [(add("item", field()), &*format!("Invalid /item [{column}]"))]);
        }
    }
}

fn what_a_row_would_be_is_checked(store: &dyn Store) {
    given(store, [item(1, "a"), item(2, "b"), put_record("part/a,1", [("item", text("1"))])]);
    let name = |name: &str| ("name", text(name));
    check(
        store,
        [
            (put_record("item/3", []), "Invalid /item/3 [name]"),
            (put_record("item/1", []), "Invalid /item/1 [name]"),
            (update("item/1", [("name", Value::Null)]), "Invalid /item/1 [name]"),
            (update("item/1", [("qty", Value::Null)]), "Invalid /item/1 [qty]"),
            (put_record("item/3", [name("c"), ("qty", Value::Null)]), "Invalid /item/3 [qty]"),
            (put_record("item/3", [name("c"), ("qty", json("-1"))]), "Invalid /item/3 [qty]"),
            (update("item/1", [("qty", text("-1"))]), "Invalid /item/1 [qty]"),
            (add("item", [name("c"), ("qty", text("-1"))]), "Invalid /item [qty]"),
            (put_record("item/3", [name("a")]), "Conflict /item/3 [name]"),
            (put_record("item/1", [name("b")]), "Conflict /item/1 [name]"),
            (update("item/1", [name("b")]), "Conflict /item/1 [name]"),
            (add("item", [name("b")]), "Conflict /item [name]"),
            (put_record("part/a,2", [("item", text("3"))]), "Conflict /part/a,2 [item]"),
            (update("part/a,1", [("item", text("3"))]), "Conflict /part/a,1 [item]"),
        ],
    );
}

/// Given columns one after the other, then the row: values, checks, its key, unique values.
fn the_first_reason_is_told(store: &dyn Store) {
    given(store, [item(1, "a"), item(2, "b")]);
    let (no_name, bad_qty) = (|| ("name", Value::Null), || ("qty", text("x")));
    let low = || ("qty", text("-1"));
    let taken = || ("name", text("b"));
    check(
        store,
        [
            (update("item/1", [bad_qty(), ("none", text(""))]), "Invalid /item/1 [qty]"),
            (update("item/1", [("none", text("")), bad_qty()]), "Invalid /item/1 [none]"),
            (update("item/1", [("id", text("2")), bad_qty()]), "Invalid /item/1 [id]"),
            (update("item/1", [no_name(), bad_qty()]), "Invalid /item/1 [qty]"),
            (update("item/1", [low(), no_name()]), "Invalid /item/1 [name]"),
            (update("item/1", [taken(), low()]), "Invalid /item/1 [qty]"),
            (put_record("item/3", [low()]), "Invalid /item/3 [name]"),
            (put_record("item/3", [taken(), low()]), "Invalid /item/3 [qty]"),
            (add("item", [("id", text("1")), taken()]), "Conflict /item [id]"),
            (add("item", [("id", text("1")), low(), taken()]), "Invalid /item [qty]"),
            (
                update("item/1", [("name", Value::Null), ("qty", Value::Null)]),
                "Invalid /item/1 [name]",
            ),
        ],
    );
}

fn a_view_takes_nothing(store: &dyn Store) {
    check(
        store,
        [
            (put_record("ro/a", unknown()), "ReadOnly /ro/a"),
            (put("ro/a", "x"), "Unsuited /ro/a"),
            (add("ro", unknown()), "ReadOnly /ro"),
            (update("ro/a", unknown()), "NotFound /ro/a"),
            (remove("ro/a"), "NotFound /ro/a"),
        ],
    );
}

/// And the constraint, where it has a name; but not the value, which may be a secret.
fn failures_name_the_column(store: &dyn Store) {
    given(store, [item(1, "secret")]);
    let secret = || ("name", text("secret"));
    for (draft, named) in [
        (update("item/1", [("none", text("secret"))]), "none"),
        (update("item/1", [("qty", text("secret"))]), "qty"),
        (update("item/1", [("name", Value::Null)]), "name"),
        (update("item/1", [("qty", text("-1"))]), "item_qty"),
        (add("item", [secret()]), "name"),
        (put_record("part/secret,1", [("item", text("9"))]), "item"),
    ] {
        let outcome = apply(store, &NoLocks, run(vec![draft.step(0)])).remove(0);
        let detail = outcome.expect_err("it is refused").detail.expect("it says why");
        assert!(detail.contains(named), "{named}: {detail}");
        assert!(!detail.contains("secret"), "{detail}");
    }
}
