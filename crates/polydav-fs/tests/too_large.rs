//! A disk that has space for some steps of a run, and not for others. A process of its own, as in
//! `full`.

#![allow(clippy::unwrap_used)]

mod world;

use polydav_store::{FailureKind, Overwrite, Store};
use world::{Mount, World, mv, patch, path};

/// Patches in the same run took the space that is kept for the rows of a move: it was half done, and
/// nothing was taken any more.
#[test]
fn a_patch_that_is_too_large_takes_nothing_from_others() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::TempDir::new().unwrap();
    let at = dir.path().join("root");
    let Some(_mount) = Mount::new(&at, "size=6m") else { return };
    let world = World::of(dir, true);
    world.tree(&["a", "b0", "b1", "b2"]);
    world.one(patch("a", "p", "of a")).unwrap();
    world.fill_but(40);
    let large = "x".repeat(900_000);
    let outcomes = world.run(vec![
        mv("a", "c", Overwrite::Refuse),
        patch("b0", "q", &large),
        patch("b1", "q", &large),
        patch("b2", "q", "small"),
    ]);
    let kinds: Vec<_> = outcomes.iter().map(|o| o.as_ref().err().map(|f| f.kind)).collect();
    let no_space = Some(FailureKind::NoSpace);
    assert_eq!(kinds, [None, no_space, no_space, None]);
    assert_eq!(world.property("c", "p"), "of a");
    assert!(world.store.capabilities(&path("")).writable);
}
