//! Locks on rows and tables: who is held up.

use crate::kit::record::records;
use crate::kit::{
    Draft, add, given, held, lock, put_record, remove, tell, tell_locked, text, update,
};
use crate::{Condition, Lock, LockDepth, LockScope, LockToken, Principal, Store};

use super::item;

trials! { writable:
    a_locked_row_is_changed_with_its_token_only,
    a_lock_on_a_table_protects_which_rows_it_has,
    a_deep_lock_on_a_table_covers_its_rows,
    a_lock_on_the_root_covers_its_tables_if_it_is_deep,
    a_token_counts_for_the_principal_of_the_lock,
    a_locked_row_keeps_no_table_from_being_refused,
}

fn shallow(token: &str, root: &str) -> Lock {
    Lock { depth: LockDepth::Zero, ..lock(token, root) }
}

fn named(name: &str) -> Draft {
    add("item", [("name", text(name))])
}

/// One of each: the first changes a row, the others which rows there are.
fn changes() -> [Draft; 5] {
    [
        update("item/1", [("qty", text("2"))]),
        item(3, "c"),
        named("d"),
        remove("item/3"),
        remove("item/1"),
    ]
}

fn some(store: &dyn Store) {
    given(store, [item(1, "a"), item(2, "b"), put_record("word/a", [])]);
}

fn a_locked_row_is_changed_with_its_token_only(store: &dyn Store) {
    some(store);
    let locks = held([lock("urn:t", "item/1"), lock("urn:n", "item/9")]);
    let drafts = || [update("item/1", []), item(1, "x"), remove("item/1")];
    assert_eq!(tell_locked(store, &locks, drafts()), ["Locked /item/1"; 3]);
    let other = drafts().map(|draft| draft.token("urn:other"));
    assert_eq!(tell_locked(store, &locks, other), ["Locked /item/1"; 3]);
    assert_eq!(tell_locked(store, &locks, [item(9, "n")]), ["Locked /item/9"]);
    let free = [item(2, "y"), named("z"), remove("item/2"), put_record("word/b", [])];
    assert_eq!(tell_locked(store, &locks, free), ["done", "created", "done", "created"]);
    let told = tell_locked(store, &locks, drafts().map(|draft| draft.token("urn:t")));
    assert_eq!(told, ["done"; 3]);
}

fn a_lock_on_a_table_protects_which_rows_it_has(store: &dyn Store) {
    some(store);
    let locks = held([shallow("urn:t", "item")]);
    let mut told = tell_locked(store, &locks, changes());
    assert_eq!(told.remove(0), "done");
    assert_eq!(told, ["Locked /item"; 4]);
    let free = [item(1, "x"), item(2, "y"), put_record("word/b", []), remove("word/b")];
    assert_eq!(tell_locked(store, &locks, free), ["done", "done", "created", "done"]);
    let told = tell_locked(store, &locks, changes().map(|draft| draft.token("urn:t")));
    assert_eq!(told, ["done", "created", "created", "done", "done"]);
}

fn a_deep_lock_on_a_table_covers_its_rows(store: &dyn Store) {
    some(store);
    let locks = held([lock("urn:t", "item")]);
    assert_eq!(tell_locked(store, &locks, changes()), ["Locked /item"; 5]);
    assert_eq!(tell_locked(store, &locks, [put_record("word/b", [])]), ["created"]);
    let told = tell_locked(store, &locks, changes().map(|draft| draft.token("urn:t")));
    assert_eq!(told, ["done", "created", "created", "done", "done"]);
}

fn a_lock_on_the_root_covers_its_tables_if_it_is_deep(store: &dyn Store) {
    some(store);
    let told = tell_locked(store, &held([lock("urn:t", "")]), changes());
    assert_eq!(told, ["Locked /"; 5]);
    let told = tell_locked(store, &held([shallow("urn:t", "")]), changes());
    assert_eq!(told, ["done", "created", "created", "done", "done"]);
}

fn a_token_counts_for_the_principal_of_the_lock(store: &dyn Store) {
    some(store);
    let ann = Principal::Named("ann".into());
    let shared = Lock { scope: LockScope::Shared, ..lock("urn:s", "item/2") };
    let locks = held([
        Lock { principal: ann, ..lock("urn:t", "item/1") },
        shared.clone(),
        Lock { token: LockToken::new("urn:u"), ..shared },
    ]);
    let told = tell_locked(
        store,
        &locks,
        [
            update("item/1", []).token("urn:t"),
            update("item/1", []).token("urn:t").by("bob"),
            update("item/1", []).by("ann"),
            update("item/1", []).token("urn:t").by("ann"),
            update("item/2", []).token("urn:s"),
            update("item/2", []).token("urn:u"),
            update("item/2", []).token("urn:t"),
            update("item/2", []).token("urn:u").when([Condition::Token(LockToken::new("urn:u"))]),
            update("item/2", []).token("urn:u").when([Condition::Token(LockToken::new("urn:t"))]),
        ],
    );
    let expected = [
        "Locked /item/1",
        "Locked /item/1",
        "Locked /item/1",
        "done",
        "done",
        "done",
        "Locked /item/2",
        "done",
        "Precondition /item/2",
    ];
    assert_eq!(told, expected);
}

fn a_locked_row_keeps_no_table_from_being_refused(store: &dyn Store) {
    some(store);
    let locks = held([lock("urn:t", "item/1")]);
    assert_eq!(tell_locked(store, &locks, [remove("item")]), ["Forbidden /item"]);
    assert_eq!(records(store, "item").len(), 2);
    assert_eq!(tell(store, [remove("item/1")]), ["done"]);
}
