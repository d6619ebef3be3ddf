//! Runs on rows that are done whole or not at all.

use crate::kit::record::records;
use crate::kit::{
    Draft, add, added, after, given, held, json, lock, put, put_record, remove, steps, text,
    undone, update, verdict, verdicts, whole,
};
use crate::{Durability, NoLocks, Run, Store, Value};

use super::item;

trials! { atomic:
    a_whole_run_on_rows_is_done_as_any_other,
    whatever_a_whole_run_did_to_rows_is_undone,
    whichever_row_can_not_be_changed_is_told,
    a_whole_run_on_rows_that_is_called_off_leaves_nothing,
    a_locked_row_undoes_a_whole_run,
    a_lock_ends_within_a_whole_run_with_its_row,
    nothing_of_a_whole_run_on_rows_is_told_before_all_of_it_is_done,
    a_whole_run_may_have_no_steps_or_many_on_rows,
    references_are_known_within_a_whole_run,
}

fn furnish(store: &dyn Store) {
    given(store, [item(1, "a"), item(2, "b"), item(3, "c")]);
    given(store, [put_record("part/a,1", [("item", text("1"))]), put_record("word/w", [])]);
}

/// Steps of every kind; each finds what those before it made of what is there.
fn acts() -> Vec<Draft> {
    vec![
        item(4, "d"),
        update("item/1", [("note", text("x"))]),
        update("item/1", [("note", text("y"))]),
        put_record("item/2", [("name", text("bb")), ("qty", json("7"))]),
        add("item", [("id", text("9")), ("name", text("b"))]),
        put_record("part/a,2", [("item", text("9"))]),
        update("part/a,1", [("item", Value::Null)]),
        remove("item/1"),
        item(1, "new"),
        remove("word/w"),
        add("word", [("word", text("w"))]),
        update("item/4", [("name", text("a")), ("qty", json("0"))]),
    ]
}

/// Everything in the tables.
fn all(store: &dyn Store) -> Vec<String> {
    ["item", "part", "word"].iter().flat_map(|table| records(store, table)).collect()
}

fn a_whole_run_on_rows_is_done_as_any_other(store: &dyn Store) {
    furnish(store);
    let run = Run { durability: Durability::Full, ..whole(steps(acts())) };
    let told = verdicts(store, &NoLocks, run);
    assert!(told.iter().all(|told| told == "created" || told == "done"), "{told:#?}");
    let expected = [
        r#"{"id":1,"name":"new","qty":1,"note":null,"data":null}"#,
        r#"{"id":2,"name":"bb","qty":7,"note":null,"data":null}"#,
        r#"{"id":3,"name":"c","qty":1,"note":null,"data":null}"#,
        r#"{"id":4,"name":"a","qty":0,"note":null,"data":null}"#,
        r#"{"id":9,"name":"b","qty":1,"note":null,"data":null}"#,
        r#"{"kind":"a","no":1,"item":null,"label":null}"#,
        r#"{"kind":"a","no":2,"item":9,"label":null}"#,
        r#"{"word":"w"}"#,
    ];
    assert_eq!(all(store), expected);
}

/// However far it came.
fn whatever_a_whole_run_did_to_rows_is_undone(store: &dyn Store) {
    furnish(store);
    let before = all(store);
    for count in 0..=acts().len() {
        let done = steps(acts().into_iter().take(count));
        let mut expected = undone(&done);
        expected.extend(["NotFound /item/99".to_owned(), "Dependency /word/z".to_owned()]);
        let failing = [remove("item/99").step(count), put_record("word/z", []).step(count + 1)];
        let told = verdicts(store, &NoLocks, whole(done.into_iter().chain(failing).collect()));
        assert_eq!(told, expected);
        assert_eq!(all(store), before, "after {count} steps");
    }
}

/// Also where many are changed by one statement.
fn whichever_row_can_not_be_changed_is_told(store: &dyn Store) {
    const ROWS: i64 = 120;
    given(store, (0..ROWS).map(|id| item(id, &id.to_string())));
    let before = all(store);
    for culprit in [0, 1, 57, ROWS - 1] {
        let at = |id: i64| format!("item/{id}");
        for (failing, told) in [
            (update(at(culprit), [("qty", json("-1"))]), format!("Invalid /item/{culprit} [qty]")),
            (
                update(at(culprit), [("qty", json("1")), ("name", text("3"))]),
                format!("Conflict /item/{culprit} [name]"),
            ),
            (update(at(culprit + 1_000), [("qty", json("3"))]), {
                format!("NotFound /item/{}", culprit + 1_000)
            }),
            (update(at(culprit), [("qty", json("3"))]).if_match("x"), {
                format!("Precondition /item/{culprit}")
            }),
            (put(at(culprit), "bytes"), format!("Unsuited /item/{culprit}")),
        ] {
            let mut failing = Some(failing);
            let drafts = (0..ROWS).map(|id| match failing.take_if(|_| id == culprit) {
                Some(failing) => failing,
                None => update(at(id), [("qty", json("3"))]),
            });
            let told_of = verdicts(store, &NoLocks, whole(steps(drafts)));
            for (id, verdict) in (0..ROWS).zip(told_of) {
                let expected = match id.cmp(&culprit) {
                    std::cmp::Ordering::Less => format!("Dependency /item/{id} (RolledBack)"),
                    std::cmp::Ordering::Equal => told.clone(),
                    std::cmp::Ordering::Greater => format!("Dependency /item/{id}"),
                };
                assert_eq!(verdict, expected, "{told}");
            }
            assert_eq!(all(store), before, "{told}");
        }
    }
}

fn a_whole_run_on_rows_that_is_called_off_leaves_nothing(store: &dyn Store) {
    const STEPS: usize = 4;
    for times in 0..=STEPS {
        let puts = steps((0..STEPS).map(|n| put_record(format!("word/{n}"), [])));
        let told = verdicts(store, &NoLocks, Run { cancel: after(times), ..whole(puts) });
        if told[0] == "created" {
            assert_eq!(told, ["created"; STEPS], "all or nothing");
            given(store, (0..STEPS).map(|n| remove(format!("word/{n}"))));
            continue;
        }
        for (n, told) in told.into_iter().enumerate() {
            let told = told.trim_end_matches(" (RolledBack)");
            assert_eq!(told, format!("NotAttempted /word/{n}"));
        }
        assert_eq!(all(store), [""; 0]);
    }
}

fn a_locked_row_undoes_a_whole_run(store: &dyn Store) {
    furnish(store);
    let before = all(store);
    let locks = held([lock("other", "item/2")]);
    let drafts = [item(4, "d"), update("item/2", [("note", text("x"))]), remove("item/3")];
    let told = verdicts(store, &locks, whole(steps(drafts)));
    let expected = ["Dependency /item/4 (RolledBack)", "Locked /item/2", "Dependency /item/3"];
    assert_eq!(told, expected);
    assert_eq!(all(store), before);
}

fn a_lock_ends_within_a_whole_run_with_its_row(store: &dyn Store) {
    furnish(store);
    let locks = held([lock("urn:2", "item/2"), lock("urn:3", "item/3")]);
    let drafts = [remove("item/2").token("urn:2"), item(2, "b"), item(3, "x").token("urn:3")];
    assert_eq!(verdicts(store, &locks, whole(steps(drafts))), ["done", "created", "done"]);
    let drafts = [remove("item/2").token("urn:2"), item(2, "b"), item(3, "y")];
    let told = verdicts(store, &locks, whole(steps(drafts)));
    let undone = "Dependency /item/2 (RolledBack)";
    assert_eq!(told, [undone, undone, "Locked /item/3"]);
}

fn nothing_of_a_whole_run_on_rows_is_told_before_all_of_it_is_done(store: &dyn Store) {
    let puts = steps((0..10).map(|n| put_record(format!("word/{n}"), [])));
    let applied = store.apply(whole(puts), &NoLocks, &mut |_: usize, outcome| {
        assert_eq!(verdict(&outcome), "created");
        assert_eq!(all(store).len(), 10);
    });
    applied.expect("the store isn't broken");
}

fn a_whole_run_may_have_no_steps_or_many_on_rows(store: &dyn Store) {
    const STEPS: usize = 3_000;
    assert_eq!(verdicts(store, &NoLocks, whole(Vec::new())), [""; 0]);
    let puts = || (0..STEPS).map(|n| put_record(format!("word/{n}"), []));
    assert_eq!(verdicts(store, &NoLocks, whole(steps(puts()))), vec!["created"; STEPS]);
    let mut removals = steps((0..STEPS).map(|n| remove(format!("word/{n}"))));
    let mut expected = undone(&removals);
    removals.push(remove("word/0").step(STEPS));
    expected.push("NotFound /word/0".to_owned());
    assert_eq!(verdicts(store, &NoLocks, whole(removals)), expected);
    assert_eq!(all(store).len(), STEPS);
}

fn references_are_known_within_a_whole_run(store: &dyn Store) {
    const ROWS: usize = 20;
    furnish(store);
    let name = |n: usize| ("name", text(&format!("n{n}")));
    let items = || (0..ROWS).map(move |n| add("item", [name(n), ("qty", text(&n.to_string()))]));
    let part = |n: usize| put_record(format!("part/n,{n}"), [("item", added(n))]);
    let all = || items().chain((0..ROWS).map(part)).collect::<Vec<_>>();
    let before = self::all(store);
    let composite = add("part", [("kind", text("b")), ("no", text("1"))]);
    let culprits = [
        (vec![remove("item/90")], "NotFound /item/90"),
        (vec![item(90, "n1")], "Conflict /item/90 [name]"),
        (vec![put_record("part/x,1", [("item", added(90))])], "Dependency /part/x,1"),
        (
            vec![composite, put_record("part/x,1", [("item", added(2 * ROWS))])],
            "Invalid /part/x,1 [item]",
        ),
    ];
    for (others, culprit) in culprits {
        let mut expected = undone(&steps(all()));
        if others.len() == 2 {
            expected.push("Dependency /part (RolledBack)".to_owned());
        }
        expected.push(culprit.to_owned());
        let told = verdicts(store, &NoLocks, whole(steps(all().into_iter().chain(others))));
        assert_eq!(told, expected);
        assert_eq!(self::all(store), before);
    }
    let told = verdicts(store, &NoLocks, whole(steps(all())));
    assert_eq!(told, ["created"; 2 * ROWS]);
    let items = records(store, "item");
    for (n, part) in records(store, "part").iter().filter(|row| row.contains("\"n\"")).enumerate() {
        let item = items.iter().find(|row| row.contains(&format!("\"name\":\"n{n}\"")));
        let id = item.and_then(|row| row.split([':', ',']).nth(1)).expect("it was added");
        assert_eq!(*part, format!(r#"{{"kind":"n","no":{n},"item":{id},"label":null}}"#));
    }
}
