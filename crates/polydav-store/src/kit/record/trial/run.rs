//! Runs of records: order, reports, stopping, cancelling.

use crate::kit::record::records;
use crate::kit::{
    Draft, add, after, given, path, put_record, remove, run, steps, tell, text, update, verdict,
    verdicts,
};
use crate::{Durability, NoLocks, OnFailure, Run, Store};

use super::{item, item_json};

trials! { writable:
    steps_on_rows_are_done_in_order,
    steps_on_rows_are_reported_under_their_index,
    a_run_may_have_no_or_the_most_steps_on_rows,
    a_failed_step_leaves_those_around_it_alone,
    a_run_of_records_stops_at_the_first_failure,
    a_cancelled_run_of_records_starts_no_further_step,
    rows_that_were_reported_are_visible,
    records_take_both_durabilities,
}

fn note(id: i64, note: &str) -> Draft {
    update(format!("item/{id}"), [("note", text(note))])
}

fn steps_on_rows_are_done_in_order(store: &dyn Store) {
    let told = tell(
        store,
        [
            note(1, "0"),
            item(1, "a"),
            note(1, "1"),
            note(1, "2"),
            remove("item/1"),
            note(1, "3"),
            add("item", [("id", text("1")), ("name", text("b"))]),
            note(1, "4"),
            put_record("part/a,1", [("item", text("1"))]),
            update("part/a,1", [("label", text("x"))]),
        ],
    );
    let expected = [
        "NotFound /item/1",
        "created",
        "done",
        "done",
        "done",
        "NotFound /item/1",
        "created",
        "done",
        "created",
        "done",
    ];
    assert_eq!(told, expected);
    let row = r#"{"id":1,"name":"b","qty":1,"note":"4","data":null}"#;
    assert_eq!(records(store, "item"), [row]);
    assert_eq!(records(store, "part"), [r#"{"kind":"a","no":1,"item":1,"label":"x"}"#]);
}

fn steps_on_rows_are_reported_under_their_index(store: &dyn Store) {
    let steps = vec![item(1, "a").step(7), item(2, "a").step(3), note(1, "x").step(90_000)];
    assert_eq!(
        verdicts(store, &NoLocks, run(steps)),
        ["created", "Conflict /item/2 [name]", "done"]
    );
}

fn a_run_may_have_no_or_the_most_steps_on_rows(store: &dyn Store) {
    assert_eq!(verdicts(store, &NoLocks, run(Vec::new())), [""; 0]);
    given(store, (0..Run::STEPS_MAX).map(|n| put_record(format!("word/{n}"), [])));
    assert_eq!(records(store, "word").len(), Run::STEPS_MAX);
    given(store, (0..Run::STEPS_MAX).map(|n| remove(format!("word/{n}"))));
    assert_eq!(records(store, "word"), [""; 0]);
}

/// Whichever of many fails: in its place, of one kind and table or of several.
fn a_failed_step_leaves_those_around_it_alone(store: &dyn Store) {
    const STEPS: i64 = 9;
    for failing in 0..STEPS {
        let draft = |id: i64| {
            let qty = if id == failing { "-1" } else { "1" };
            put_record(format!("item/{id}"), [("name", text(&id.to_string())), ("qty", text(qty))])
        };
        let told = tell(store, (0..STEPS).map(draft));
        for (told, id) in told.iter().zip(0..) {
            let refused = format!("Invalid /item/{id} [qty]");
            assert_eq!(*told, if id == failing { refused } else { "created".to_owned() });
        }
        let rest = (0..STEPS).filter(|&id| id != failing);
        let expected: Vec<_> = rest.clone().map(|id| item_json(id, &id.to_string())).collect();
        assert_eq!(records(store, "item"), expected);
        given(store, rest.map(|id| remove(format!("item/{id}"))));
    }
    let told = tell(
        store,
        [
            item(1, "a"),
            put_record("part/a,1", [("item", text("2"))]),
            put_record("word/a", []),
            item(2, "a"),
            put_record("part/a,2", [("item", text("1"))]),
            remove("item/1"),
            note(1, "x"),
        ],
    );
    let expected = [
        "created",
        "Conflict /part/a,1 [item]",
        "created",
        "Conflict /item/2 [name]",
        "created",
        "Conflict /item/1",
        "done",
    ];
    assert_eq!(told, expected);
    assert_eq!(["item", "part", "word"].map(|table| records(store, table).len()), [1, 1, 1]);
}

fn a_run_of_records_stops_at_the_first_failure(store: &dyn Store) {
    let stop = |drafts: Vec<Draft>| Run { on_failure: OnFailure::Stop, ..run(steps(drafts)) };
    let drafts = vec![item(1, "a"), item(2, "a"), item(3, "c"), note(1, "x"), add("item", [])];
    let expected = [
        "created",
        "Conflict /item/2 [name]",
        "Dependency /item/3",
        "Dependency /item/1",
        "Dependency /item",
    ];
    assert_eq!(verdicts(store, &NoLocks, stop(drafts)), expected);
    assert_eq!(records(store, "item"), [item_json(1, "a")]);
    let told = verdicts(store, &NoLocks, stop(vec![item(2, "b"), remove("item/1")]));
    assert_eq!(told, ["created", "done"]);
}

fn a_cancelled_run_of_records_starts_no_further_step(store: &dyn Store) {
    const STEPS: usize = 5;
    for on_failure in [OnFailure::Continue, OnFailure::Stop] {
        for times in 0..=STEPS {
            let steps = steps((0..STEPS).map(|n| put_record(format!("word/{n}"), [])));
            let told =
                verdicts(store, &NoLocks, Run { on_failure, cancel: after(times), ..run(steps) });
            let done = told.iter().take_while(|verdict| *verdict == "created").count();
            assert!(done <= times, "it is asked before each step");
            let rest: Vec<_> = (done..STEPS).map(|n| format!("NotAttempted /word/{n}")).collect();
            assert_eq!(told[done..], rest);
            assert_eq!(records(store, "word").len(), done);
            given(store, (0..done).map(|n| remove(format!("word/{n}"))));
        }
    }
}

fn rows_that_were_reported_are_visible(store: &dyn Store) {
    let steps = steps((0..20).map(|id| item(id, &id.to_string())));
    let applied = store.apply(run(steps), &NoLocks, &mut |index: usize, outcome| {
        assert_eq!(verdict(&outcome), "created");
        let found = store.find(&path(format!("item/{index}")));
        assert!(found.expect("it is looked for").is_some(), "{index} was reported");
    });
    applied.expect("the store isn't broken");
}

fn records_take_both_durabilities(store: &dyn Store) {
    for (durability, word) in [(Durability::Full, "full"), (Durability::Relaxed, "relaxed")] {
        let steps = steps([put_record(format!("word/{word}"), [])]);
        assert_eq!(verdicts(store, &NoLocks, Run { durability, ..run(steps) }), ["created"]);
    }
    assert_eq!(records(store, "word").len(), 2);
}
