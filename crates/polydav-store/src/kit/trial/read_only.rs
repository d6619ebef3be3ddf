//! Stores that take no changes.

use crate::kit::{copy, lines, mkcol, patch, path, put, remove, rename, set, tell};
use crate::{FailureKind, Store};

trials! { read_only:
    every_change_is_refused,
    nothing_is_staged,
}

fn every_change_is_refused(store: &dyn Store) {
    let before = lines(store);
    let told = tell(
        store,
        [
            put("a", "x"),
            mkcol("a"),
            remove("a"),
            copy("a", "b"),
            rename("a", "b"),
            patch("a", [set("p", "1")]),
        ],
    );
    assert_eq!(told, ["ReadOnly /a"; 6]);
    assert_eq!(lines(store), before);
    assert!(store.stat(&path(""), &crate::Select::All).is_ok());
}

fn nothing_is_staged(store: &dyn Store) {
    let failure = store.stage(&path(""), Some(1)).err().expect("there is nothing to stage for");
    assert_eq!(failure.kind, FailureKind::ReadOnly);
}
