//! Needs and references: rows that are made of what others became.

use crate::kit::record::records;
use crate::kit::{
    Draft, add, added, apply, given, put_record, remove, run, steps, tell, text, update, verdict,
};
use crate::{NoLocks, Outcome, Store, Value};

use super::{item, item_json};

trials! { writable:
    steps_on_rows_are_done_only_if_those_they_need_succeeded,
    a_reference_is_the_key_of_the_row_that_was_added,
    an_addition_tells_its_key_if_that_is_one_column,
    a_reference_is_read_as_its_column_reads_texts,
    a_reference_fails_with_what_it_refers_to,
    what_adds_no_row_with_one_key_can_not_be_referred_to,
    a_long_key_can_not_be_referred_to,
    a_reference_is_checked_as_any_value,
    each_row_may_refer_to_the_one_before,
    some_of_many_references_fail,
}

fn named(name: &str) -> Draft {
    add("item", [("name", text(name))])
}

/// A row of `part` that belongs to an item.
fn part(no: usize, item: Value) -> Draft {
    put_record(format!("part/a,{no}"), [("item", item)])
}

fn part_json(no: usize, item: &str) -> String {
    format!(r#"{{"kind":"a","no":{no},"item":{item},"label":null}}"#)
}

fn outcomes(store: &dyn Store, drafts: impl IntoIterator<Item = Draft>) -> Vec<Outcome> {
    apply(store, &NoLocks, run(steps(drafts)))
}

/// The name of the row that was added.
fn name(outcome: &Outcome) -> String {
    let added = outcome.as_ref().expect("it succeeded").added.as_ref().expect("it is an addition");
    String::from_utf8(added.path.name().expect("a row has a name").to_vec()).expect("it is UTF-8")
}

fn steps_on_rows_are_done_only_if_those_they_need_succeeded(store: &dyn Store) {
    let told = tell(
        store,
        [
            item(1, "a"),
            item(2, "a"),
            item(3, "c").needing([0]),
            item(4, "d").needing([0, 1]),
            update("item/1", [("note", text("x"))]).needing([3]),
            remove("item/3").needing([2]),
            remove("item/none").needing([5]),
            add("word", [("word", text("w"))]).needing([6]),
            item(5, "e").needing([9]),
            item(6, "f"),
        ],
    );
    let expected = [
        "created",
        "Conflict /item/2 [name]",
        "created",
        "Dependency /item/4",
        "Dependency /item/1",
        "done",
        "NotFound /item/none",
        "Dependency /word",
        "Dependency /item/5",
        "created",
    ];
    assert_eq!(told, expected);
    assert_eq!(records(store, "item"), [item_json(1, "a"), item_json(6, "f")]);
    assert_eq!(records(store, "word"), [""; 0]);
}

fn a_reference_is_the_key_of_the_row_that_was_added(store: &dyn Store) {
    let told = outcomes(
        store,
        [
            named("a"),
            named("b"),
            part(1, added(0)),
            add("part", [("no", text("2")), ("item", added(1)), ("kind", text("a"))]),
            part(3, added(0)),
            update("part/a,3", [("item", added(1))]),
        ],
    );
    let verdicts: Vec<_> = told.iter().map(verdict).collect();
    assert_eq!(verdicts, ["created", "created", "created", "created", "created", "done"]);
    let (a, b) = (name(&told[0]), name(&told[1]));
    assert_ne!(a, b);
    let expected = [part_json(1, &a), part_json(2, &b), part_json(3, &b)];
    assert_eq!(records(store, "part"), expected);
}

fn an_addition_tells_its_key_if_that_is_one_column(store: &dyn Store) {
    let told = outcomes(
        store,
        [
            named("a"),
            add("item", [("id", text("042")), ("name", text("b"))]),
            add("word", [("word", text("a/b,%"))]),
            add("part", [("kind", text("a")), ("no", text("1"))]),
            put_record("word/w", []),
        ],
    );
    let key = |at: usize| {
        let done: &crate::Done = told[at].as_ref().expect("it succeeded");
        done.added.clone().and_then(|added| added.key)
    };
    let first = name(&told[0]);
    let keys = [Some(text(&first)), Some(text("42")), Some(text("a/b,%")), None, None];
    assert_eq!((0..5).map(key).collect::<Vec<_>>(), keys);
}

fn a_reference_is_read_as_its_column_reads_texts(store: &dyn Store) {
    let told = tell(
        store,
        [
            add("item", [("id", text("42")), ("name", text("a"))]),
            add("word", [("word", text("7"))]),
            add("word", [("word", text("\u{fc},/%\""))]),
            update("item/42", [("note", added(0)), ("qty", added(1)), ("name", added(2))]),
            add("word", [("word", added(0))]),
        ],
    );
    assert_eq!(told, ["created", "created", "created", "done", "created"]);
    let row = "{\"id\":42,\"name\":\"\u{fc},/%\\\"\",\"qty\":7,\"note\":\"42\",\"data\":null}";
    assert_eq!(records(store, "item"), [row]);
    assert_eq!(records(store, "word").len(), 3);
}

fn a_reference_fails_with_what_it_refers_to(store: &dyn Store) {
    let told = outcomes(
        store,
        [
            named("a"),
            named("a"),
            part(1, added(1)),
            part(2, added(0)),
            part(3, Value::Null).needing([2]),
            add("item", [("name", text("b")), ("note", added(1))]),
            part(4, added(5)),
            part(5, added(6)),
        ],
    );
    let verdicts: Vec<_> = told.iter().map(verdict).collect();
    let expected = [
        "created",
        "Conflict /item [name]",
        "Dependency /part/a,1",
        "created",
        "Dependency /part/a,3",
        "Dependency /item",
        "Dependency /part/a,4",
        "Dependency /part/a,5",
    ];
    assert_eq!(verdicts, expected);
    assert_eq!(records(store, "part"), [part_json(2, &name(&told[0]))]);
}

fn what_adds_no_row_with_one_key_can_not_be_referred_to(store: &dyn Store) {
    let told = tell(
        store,
        [
            item(1, "a"),
            part(1, added(0)),
            add("part", [("kind", text("a")), ("no", text("2"))]),
            update("item/1", [("qty", text("5")), ("note", added(2))]),
            remove("part/a,2"),
            update("item/1", [("note", added(4))]),
            update("item/1", [("note", added(6))]),
            update("item/1", [("note", added(8))]),
            add("word", [("word", text("w"))]),
            update("item/1", [("note", added(90))]),
        ],
    );
    let expected = [
        "created",
        "Invalid /part/a,1 [item]",
        "created",
        "Invalid /item/1 [note]",
        "done",
        "Invalid /item/1 [note]",
        "Dependency /item/1",
        "Dependency /item/1",
        "created",
        "Dependency /item/1",
    ];
    assert_eq!(told, expected);
    assert_eq!(records(store, "item"), [item_json(1, "a")]);
    assert_eq!(records(store, "part"), [""; 0]);
}

/// Each reference would be a copy of it.
fn a_long_key_can_not_be_referred_to(store: &dyn Store) {
    let word = |length: usize| add("word", [("word", text(&"w".repeat(length)))]);
    let told = tell(
        store,
        [
            item(1, "a"),
            word(256),
            update("item/1", [("note", added(1))]),
            word(257),
            update("item/1", [("note", added(3))]),
        ],
    );
    assert_eq!(told, ["created", "created", "done", "created", "Invalid /item/1 [note]"]);
}

fn a_reference_is_checked_as_any_value(store: &dyn Store) {
    let told = tell(
        store,
        [
            add("word", [("word", text("x"))]),
            part(1, added(0)),
            add("item", [("id", text("5")), ("name", text("a"))]),
            remove("item/5"),
            part(2, added(2)),
            add("word", [("word", added(0))]),
            item(6, "x"),
            add("item", [("name", added(0))]),
            update("item/6", [("id", added(2))]),
            update("item/6", [("none", added(0))]),
        ],
    );
    let expected = [
        "created",
        "Invalid /part/a,1 [item]",
        "created",
        "done",
        "Conflict /part/a,2 [item]",
        "Conflict /word [word]",
        "created",
        "Conflict /item [name]",
        "Invalid /item/6 [id]",
        "Invalid /item/6 [none]",
    ];
    assert_eq!(told, expected);
}

/// Rows of one table, with the same columns: none may be made before the one it refers to.
fn each_row_may_refer_to_the_one_before(store: &dyn Store) {
    const ROWS: usize = 60;
    let row = |n: usize| {
        let note = if n == 0 { text("first") } else { added(n - 1) };
        add("item", [("name", text(&n.to_string())), ("note", note)])
    };
    let told = outcomes(store, (0..ROWS).map(row));
    let keys: Vec<_> = told.iter().map(name).collect();
    let note = |n: usize| if n == 0 { "first" } else { &keys[n - 1] };
    let rows = records(store, "item");
    for (n, key) in keys.iter().enumerate() {
        let note = note(n);
        let row = format!(r#"{{"id":{key},"name":"{n}","qty":1,"note":"{note}","data":null}}"#);
        assert!(rows.contains(&row), "{row}");
    }
    assert_eq!(rows.len(), ROWS);
}

/// Whether each reference stands right behind what it refers to, or all stand behind all: what fails
/// takes its own along, and no other.
fn some_of_many_references_fail(store: &dyn Store) {
    const ROWS: usize = 40;
    let fails = |n: usize| n % 7 == 3 || n == ROWS - 1;
    let new = |n: usize| named(&if fails(n) { "0".to_owned() } else { n.to_string() });
    let mixed: Vec<_> = (0..ROWS).flat_map(|n| [new(n), part(n, added(2 * n))]).collect();
    let apart = (0..ROWS).map(new).chain((0..ROWS).map(|n| part(n, added(n)))).collect();
    let places = |n: usize| [(2 * n, 2 * n + 1), (n, ROWS + n)];
    for (at, drafts) in [mixed, apart].into_iter().enumerate() {
        let told = outcomes(store, drafts);
        let mut parts = Vec::new();
        for n in 0..ROWS {
            let (new, part) = places(n)[at];
            if fails(n) {
                assert_eq!(verdict(&told[new]), "Conflict /item [name]");
                assert_eq!(verdict(&told[part]), format!("Dependency /part/a,{n}"));
            } else {
                assert_eq!([new, part].map(|at| verdict(&told[at])), ["created", "created"]);
                parts.push(part_json(n, &name(&told[new])));
            }
        }
        assert_eq!(records(store, "part"), parts);
        let added = told.iter().filter_map(|outcome| outcome.as_ref().ok()?.added.as_ref());
        let items: Vec<_> = added.map(|added| remove(added.path.as_bytes())).collect();
        given(store, (0..ROWS).filter(|n| !fails(*n)).map(|n| remove(format!("part/a,{n}"))));
        given(store, items);
    }
}
