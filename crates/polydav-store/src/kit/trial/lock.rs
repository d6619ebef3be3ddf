//! Locks: what covers a resource must have been submitted, by the one whose lock it is.

use crate::kit::{copy, given, held, lines, lock, mkcol, put, remove, rename, tell, tell_locked};
use crate::{Lock, LockDepth, LockScope, Principal, Store};

trials! { writable:
    a_locked_file_is_changed_with_its_token_only,
    a_token_counts_for_its_principal_only,
    one_of_several_shared_tokens_is_enough,
    a_deep_lock_covers_all_under_it,
    a_lock_on_a_collection_protects_its_membership,
    what_is_copied_may_be_locked,
    a_locked_member_forbids_to_move_or_replace_a_tree,
    what_becomes_a_member_is_covered,
}

fn shallow(token: &str, root: &str) -> Lock {
    Lock { depth: LockDepth::Zero, ..lock(token, root) }
}

fn a_locked_file_is_changed_with_its_token_only(store: &dyn Store) {
    given(store, [put("a", "1"), put("b", "1")]);
    let locks = held([lock("urn:t", "a")]);
    let told = tell_locked(
        store,
        &locks,
        [
            put("a", "2"),
            put("a", "2").token("urn:other"),
            remove("a"),
            rename("a", "c"),
            rename("b", "a"),
            copy("b", "a"),
            mkcol("a"),
            put("b", "2"),
            put("a", "3").token("urn:other").token("urn:t"),
        ],
    );
    assert_eq!(told[..7], ["Locked /a"; 7]);
    assert_eq!(told[7..], ["done", "done"]);
    assert_eq!(lines(store), ["/a=3", "/b=2"]);
    let told = tell_locked(store, &locks, [copy("b", "a").token("urn:t")]);
    assert_eq!(told, ["done"]);
    let told = tell_locked(store, &locks, [rename("a", "c").token("urn:t")]);
    assert_eq!(told, ["created"]);
}

fn a_token_counts_for_its_principal_only(store: &dyn Store) {
    given(store, [put("a", "1")]);
    let locks = held([Lock { principal: Principal::Named("ann".into()), ..lock("urn:t", "a") }]);
    let told = tell_locked(
        store,
        &locks,
        [
            put("a", "2").token("urn:t"),
            put("a", "2").token("urn:t").by("bob"),
            put("a", "2").by("ann"),
            put("a", "2").token("urn:t").by("ann"),
        ],
    );
    assert_eq!(told, ["Locked /a", "Locked /a", "Locked /a", "done"]);
}

fn one_of_several_shared_tokens_is_enough(store: &dyn Store) {
    given(store, [mkcol("c"), put("c/a", "1")]);
    let shared = |token, root| Lock { scope: LockScope::Shared, ..lock(token, root) };
    let locks = held([shared("urn:1", "c/a"), shared("urn:2", "c/a"), shared("urn:3", "c")]);
    let drafts = ["urn:1", "urn:2", "urn:3", "urn:4"].map(|token| put("c/a", token).token(token));
    assert_eq!(tell_locked(store, &locks, drafts), ["done", "done", "done", "Locked /c/a"]);
}

fn a_deep_lock_covers_all_under_it(store: &dyn Store) {
    given(store, [mkcol("c"), mkcol("c/d"), put("c/d/a", "1"), put("b", "1")]);
    let locks = held([lock("urn:t", "c")]);
    let drafts = || {
        [
            put("c/d/a", "2"),
            put("c/d/n", "2"),
            mkcol("c/d/m"),
            remove("c/d/n"),
            rename("c/d/m", "c/o"),
            copy("b", "c/p"),
        ]
    };
    assert_eq!(tell_locked(store, &locks, drafts()), ["Locked /c"; 6]);
    let told = tell_locked(store, &locks, drafts().map(|draft| draft.token("urn:t")));
    assert_eq!(told, ["done", "created", "created", "done", "created", "created"]);
    assert_eq!(lines(store), ["/b=1", "/c/", "/c/d/", "/c/d/a=2", "/c/o/", "/c/p=1"]);
}

fn a_lock_on_a_collection_protects_its_membership(store: &dyn Store) {
    given(store, [mkcol("c"), mkcol("c/d"), put("c/a", "1"), put("b", "1")]);
    let locks = held([shallow("urn:t", "c")]);
    let free = [put("c/a", "2"), put("c/d/n", "2")];
    assert_eq!(tell_locked(store, &locks, free), ["done", "created"]);
    let drafts = || {
        [
            put("c/n", "2"),
            mkcol("c/m"),
            copy("b", "c/o"),
            rename("c/a", "c/p"),
            rename("b", "c/a"),
            remove("c/d"),
        ]
    };
    assert_eq!(tell_locked(store, &locks, drafts()), ["Locked /c"; 6]);
    let told = tell_locked(store, &locks, drafts().map(|draft| draft.token("urn:t")));
    assert_eq!(told, ["created", "created", "created", "created", "created", "done"]);
}

fn what_is_copied_may_be_locked(store: &dyn Store) {
    given(store, [mkcol("c"), put("c/a", "1")]);
    let locks = held([lock("urn:t", "c"), lock("urn:u", "c/a")]);
    let told = tell_locked(store, &locks, [copy("c", "d"), copy("c/a", "e"), put("d/a", "2")]);
    assert_eq!(told, ["created", "created", "done"], "locks aren't copied");
}

fn a_locked_member_forbids_to_move_or_replace_a_tree(store: &dyn Store) {
    given(store, [mkcol("c"), mkcol("c/d"), put("c/d/a", "1"), put("c/b", "1"), put("x", "1")]);
    let before = lines(store);
    let locks = held([lock("urn:a", "c/d/a"), lock("urn:b", "c/b")]);
    let drafts = || [rename("c", "e"), rename("x", "c"), copy("x", "c")];
    let told = tell_locked(store, &locks, drafts());
    assert_eq!(told, ["Members /c: Locked /c/b, Locked /c/d/a"; 3]);
    let told = tell_locked(store, &locks, drafts().map(|draft| draft.token("urn:b")));
    assert_eq!(told, ["Members /c: Locked /c/d/a"; 3]);
    assert_eq!(lines(store), before);
    let told = tell_locked(
        store,
        &locks,
        [rename("c", "e").token("urn:a").token("urn:b"), copy("x", "c")],
    );
    assert_eq!(told, ["created", "created"], "locks aren't moved; those on nothing hold nothing");
}

fn what_becomes_a_member_is_covered(store: &dyn Store) {
    given(store, [mkcol("c"), put("a", "1")]);
    let locks = held([lock("urn:t", "c")]);
    let told = tell_locked(store, &locks, [rename("a", "c/a").token("urn:t"), put("c/a", "2")]);
    assert_eq!(told, ["created", "Locked /c"]);
    assert_eq!(tell(store, [put("c/a", "2")]), ["done"]);
}
