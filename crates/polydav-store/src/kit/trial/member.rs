//! Removing a tree of which some members are locked: those stay, and all they lie in.

use crate::kit::{given, held, lines, lock, mkcol, put, remove, tell, tell_locked};
use crate::{Lock, LockDepth, Store};

trials! { writable:
    locked_members_stay_and_the_others_go,
    submitted_members_go_too,
    a_locked_member_alone_leaves_all_as_it_was,
    a_locked_collection_stays_whole,
    a_lock_on_nothing_keeps_nothing,
}

fn tree(store: &dyn Store) {
    given(store, [mkcol("t"), put("t/a", "1"), put("t/b", "2"), mkcol("t/d"), mkcol("t/d/e")]);
    given(store, [put("t/d/e/f", "3"), put("t/d/g", "4"), mkcol("t/h"), put("t/h/i", "5")]);
}

fn locked_members_stay_and_the_others_go(store: &dyn Store) {
    tree(store);
    let locks = held([lock("urn:a", "t/a"), lock("urn:f", "t/d/e/f")]);
    let told = tell_locked(store, &locks, [remove("t"), put("t/b", "new")]);
    assert_eq!(told, ["Members /t: Locked /t/a, Locked /t/d/e/f (Partial)", "created"]);
    assert_eq!(lines(store), ["/t/", "/t/a=1", "/t/b=new", "/t/d/", "/t/d/e/", "/t/d/e/f=3"]);
}

fn submitted_members_go_too(store: &dyn Store) {
    tree(store);
    let locks = held([lock("urn:a", "t/a"), lock("urn:f", "t/d/e/f")]);
    let told = tell_locked(store, &locks, [remove("t").token("urn:a")]);
    assert_eq!(told, ["Members /t: Locked /t/d/e/f (Partial)"]);
    assert_eq!(lines(store), ["/t/", "/t/d/", "/t/d/e/", "/t/d/e/f=3"]);
    let told = tell_locked(store, &locks, [remove("t").token("urn:f")]);
    assert_eq!(told, ["done"]);
    assert_eq!(lines(store), [""; 0]);
}

fn a_locked_member_alone_leaves_all_as_it_was(store: &dyn Store) {
    given(store, [mkcol("t"), mkcol("t/d"), put("t/d/f", "1")]);
    let locks = held([lock("urn:f", "t/d/f")]);
    assert_eq!(tell_locked(store, &locks, [remove("t")]), ["Members /t: Locked /t/d/f"]);
    assert_eq!(lines(store), ["/t/", "/t/d/", "/t/d/f=1"]);
}

fn a_locked_collection_stays_whole(store: &dyn Store) {
    for depth in [LockDepth::Zero, LockDepth::Infinity] {
        tree(store);
        let locks = held([Lock { depth, ..lock("urn:d", "t/d") }, lock("urn:f", "t/d/e/f")]);
        let told = tell_locked(store, &locks, [remove("t").token("urn:f")]);
        assert_eq!(told, ["Members /t: Locked /t/d (Partial)"], "{depth:?}");
        assert_eq!(lines(store), ["/t/", "/t/d/", "/t/d/e/", "/t/d/e/f=3", "/t/d/g=4"]);
        assert_eq!(tell(store, [remove("t")]), ["done"]);
    }
}

fn a_lock_on_nothing_keeps_nothing(store: &dyn Store) {
    tree(store);
    let locks = held([lock("urn:n", "t/none"), lock("urn:m", "t/a/none")]);
    assert_eq!(tell_locked(store, &locks, [remove("t")]), ["done"]);
    assert_eq!(lines(store), [""; 0]);
}
