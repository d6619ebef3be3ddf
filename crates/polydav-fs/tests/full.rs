//! A disk that is nearly full. A process of its own: a child that another test begins would inherit
//! handles, and with them the space of what was removed.

#![allow(clippy::unwrap_used)]

mod world;

use polydav_store::{Effect, FailureKind, Overwrite};
use world::{Mount, World, delete, mv, patch};

/// Whatever little space is left: a step is done or it isn't, and those after it are taken.
#[test]
fn properties_follow_on_a_disk_that_is_nearly_full() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for free in 0..5 {
        let dir = tempfile::TempDir::new().unwrap();
        let at = dir.path().join("root");
        let Some(_mount) = Mount::new(&at, "size=3m") else { return };
        let world = World::of(dir, true);
        world.tree(&["a", "b"]);
        world.one(patch("a", "p", "of a")).unwrap();
        world.fill_but(free);
        let (at, gone) = match world.one(mv("a", "b", Overwrite::Replace)) {
            Ok(_) => ("b", "a"),
            Err(failure) => {
                assert_eq!(
                    (failure.kind, failure.effect),
                    (FailureKind::NoSpace, Effect::None),
                    "{free} pages: {failure:?}"
                );
                ("a", "")
            }
        };
        assert_eq!(world.property(at, "p"), "of a", "{free} pages");
        assert!(gone.is_empty() || !world.at(gone).exists());
        world.one(delete("fill")).unwrap();
        world.one(mv(at, "c", Overwrite::Refuse)).unwrap();
        assert_eq!(world.property("c", "p"), "of a");
        world.is_tidy();
    }
}
