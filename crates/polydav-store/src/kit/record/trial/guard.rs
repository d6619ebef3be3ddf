//! Conditions on rows: judged against what the store has right before the step.

use crate::kit::record::records;
use crate::kit::{
    add, apply, given, held, lock, put, put_record, remove, run, tag, tell, tell_locked, text,
    update,
};
use crate::{Condition, NoLocks, Store};

use super::{item, item_json};

trials! { writable:
    a_row_is_changed_if_it_has_the_tag,
    a_row_is_made_if_it_is_not_there,
    tables_match_as_collections_do,
    conditions_see_rows_as_the_steps_before_left_them,
    a_tag_holds_as_soon_as_a_step_before_makes_it,
    a_condition_may_be_about_another_row,
    a_failed_condition_tells_the_tag_of_the_row,
    conditions_come_before_all_that_is_wrong_with_a_record,
}

fn qty(id: i64, qty: i64) -> crate::kit::Draft {
    update(format!("item/{id}"), [("qty", text(&qty.to_string()))])
}

fn a_row_is_changed_if_it_has_the_tag(store: &dyn Store) {
    given(store, [item(1, "a")]);
    let current = tag(store, "item/1");
    let told = tell(store, [qty(1, 2).if_match("other"), qty(1, 1).if_match(&current)]);
    assert_eq!(told, ["Precondition /item/1", "done"]);
    let told = tell(store, [item(1, "b").if_match("other"), remove("item/1").if_match("other")]);
    assert_eq!(told, ["Precondition /item/1", "Precondition /item/1"]);
    assert_eq!(records(store, "item"), [item_json(1, "a")]);
    let told = tell(store, [item(1, "b").if_match(&current), remove("item/1").if_match("*")]);
    assert_eq!(told, ["done", "done"]);
}

fn a_row_is_made_if_it_is_not_there(store: &dyn Store) {
    given(store, [item(1, "a")]);
    let current = tag(store, "item/1");
    let told = tell(
        store,
        [
            item(1, "b").if_none_match("*"),
            item(1, "b").if_none_match(&current),
            item(2, "b").if_none_match("*"),
            item(2, "c").if_none_match("*"),
            item(3, "c").if_match("*"),
            item(3, "c").if_match("other"),
            qty(3, 1).if_none_match("*"),
            remove("item/3").if_match("other"),
            remove("item/x").if_match("other"),
            qty(1, 1).if_none_match("other"),
        ],
    );
    let expected = [
        "Precondition /item/1",
        "Precondition /item/1",
        "created",
        "Precondition /item/2",
        "Precondition /item/3",
        "Precondition /item/3",
        "NotFound /item/3",
        "NotFound /item/3",
        "NotFound /item/x",
        "done",
    ];
    assert_eq!(told, expected);
    assert_eq!(records(store, "item"), [item_json(1, "a"), item_json(2, "b")]);
}

fn tables_match_as_collections_do(store: &dyn Store) {
    let named = |name: &str| add("item", [("name", text(name))]);
    let told = tell(
        store,
        [
            named("a").if_match("*"),
            named("b").if_match("t"),
            named("b").if_none_match("*"),
            named("b").if_none_match("t"),
            add("none", []).if_match("*"),
            add("none", []).if_none_match("*"),
        ],
    );
    let expected = [
        "created",
        "Precondition /item",
        "Precondition /item",
        "created",
        "NotFound /none",
        "NotFound /none",
    ];
    assert_eq!(told, expected);
}

fn conditions_see_rows_as_the_steps_before_left_them(store: &dyn Store) {
    given(store, [item(1, "a"), item(2, "b")]);
    let old = tag(store, "item/1");
    let told = tell(
        store,
        [
            qty(1, 2).if_match(&old),
            qty(1, 3).if_match(&old),
            qty(2, 2).when_at("item/1", [Condition::ETag(old.clone())]),
            item(1, "b").if_none_match(&old),
            qty(1, 1).if_none_match(&old),
            qty(2, 5).when_at("item/1", [Condition::ETag(old.clone())]),
            remove("item/1").if_match(&old),
            item(1, "a").if_match("*"),
            add("item", [("id", text("1")), ("name", text("a"))]),
            item(1, "c").if_none_match("*"),
            remove("item/1").if_match(&old),
        ],
    );
    let expected = [
        "done",
        "Precondition /item/1",
        "Precondition /item/2",
        "Conflict /item/1 [name]",
        "done",
        "done",
        "done",
        "Precondition /item/1",
        "created",
        "Precondition /item/1",
        "done",
    ];
    assert_eq!(told, expected);
    assert_eq!(records(store, "item").len(), 1);
}

fn a_tag_holds_as_soon_as_a_step_before_makes_it(store: &dyn Store) {
    given(store, [item(1, "a")]);
    let old = tag(store, "item/1");
    given(store, [qty(1, 2)]);
    let new = tag(store, "item/1");
    given(store, [qty(1, 1)]);
    let told = tell(
        store,
        [
            qty(1, 3).if_match(&new),
            qty(1, 2).if_match(&old),
            qty(1, 3).if_match(&old),
            item(1, "a").if_match(&new),
            remove("item/1").when([Condition::ETag(new)]),
            remove("item/1").when([Condition::ETag(old)]),
        ],
    );
    let expected = [
        "Precondition /item/1",
        "done",
        "Precondition /item/1",
        "done",
        "Precondition /item/1",
        "done",
    ];
    assert_eq!(told, expected);
}

fn a_condition_may_be_about_another_row(store: &dyn Store) {
    given(store, [item(1, "a"), item(2, "b"), put_record("part/a,1", [])]);
    let is = |joined: &str| Condition::ETag(tag(store, joined));
    let not = |condition| Condition::Not(Box::new(condition));
    let told = tell(
        store,
        [
            qty(1, 2).when_at("item/2", [is("item/1")]),
            qty(1, 2).when_at("item", [is("item/1")]),
            qty(1, 2).when_at("item/02", [is("item/2")]),
            qty(1, 2).when_at("item/x", [not(is("item/2"))]),
            qty(2, 2).when_at("none/1", [is("item/2")]).when_at("part/a,1", [is("part/a,1")]),
            add("word", [("word", text("a"))]).when_at("part/a,1", [is("part/a,1")]),
            add("word", [("word", text("b"))]).when_at("part/a,1", [is("item/1")]),
        ],
    );
    let expected = [
        "Precondition /item/1",
        "Precondition /item/1",
        "Precondition /item/1",
        "done",
        "done",
        "created",
        "Precondition /word",
    ];
    assert_eq!(told, expected);
}

fn a_failed_condition_tells_the_tag_of_the_row(store: &dyn Store) {
    given(store, [item(1, "a")]);
    let drafts = [qty(1, 2).if_match("other"), item(1, "b").if_none_match("*")];
    let absent = [item(2, "b").if_match("other"), add("item", []).if_match("other")];
    let steps = drafts.into_iter().chain(absent).enumerate();
    let steps = steps.map(|(index, draft)| draft.step(index)).collect();
    let outcomes = apply(store, &NoLocks, run(steps)).into_iter();
    let tags: Vec<_> = outcomes
        .map(|outcome| outcome.expect_err("the condition fails").etag)
        .map(|etag| etag.map(|etag| etag.as_str().to_owned()))
        .collect();
    let current = Some(tag(store, "item/1"));
    assert_eq!(tags, [current.clone(), current, None, None]);
}

fn conditions_come_before_all_that_is_wrong_with_a_record(store: &dyn Store) {
    given(store, [item(1, "a")]);
    let wrong = || [("none", text("x"))];
    let told = tell(
        store,
        [
            put_record("none/1", wrong()).if_match("*"),
            put_record("item", wrong()).if_match("t"),
            put("item/1", "x").if_match("t"),
            put_record("item/x", wrong()).if_match("*"),
            update("item/1", wrong()).if_match("t"),
            put_record("ro/a", wrong()).if_match("*"),
            add("ro", wrong()).if_none_match("*"),
        ],
    );
    let paths = ["/none/1", "/item", "/item/1", "/item/x", "/item/1", "/ro/a", "/ro"];
    assert_eq!(told, paths.map(|path| format!("Precondition {path}")));
    let locks = held([lock("urn:t", "item/1")]);
    let drafts = [qty(1, 2).if_match("t"), update("item/1", wrong()), put("item/1", "x")];
    let told = tell_locked(store, &locks, drafts);
    assert_eq!(told, ["Precondition /item/1", "Locked /item/1", "Locked /item/1"]);
}
