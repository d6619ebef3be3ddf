//! Runs that are done whole or not at all, where permissions, links and the file system matter.

#![allow(clippy::unwrap_used)]

mod world;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use polydav_store::{Action, Effect, FailureKind, Outcome, Overwrite};
use world::{World, copy, delete, kinds, mkcol, mv, names, patch, path, put};

const BOTH: [bool; 2] = [true, false];

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The failure of the last step; all before it were undone.
fn undone(outcomes: Vec<Outcome>) -> polydav_store::Failure {
    let mut failures: Vec<_> = outcomes.into_iter().map(Result::unwrap_err).collect();
    let last = failures.pop().unwrap();
    for failure in failures {
        assert_eq!((failure.kind, failure.effect), (FailureKind::Dependency, Effect::RolledBack));
    }
    assert_eq!(last.effect, Effect::None);
    last
}

/// What tells one file from another, and whether it was changed.
fn marks(at: &Path) -> (u64, u32, u32, (i64, i64)) {
    let stat = fs::symlink_metadata(at).unwrap();
    // A folder through which something passed shows that.
    let changed = if stat.is_dir() { (0, 0) } else { (stat.mtime(), stat.mtime_nsec()) };
    (stat.ino(), stat.mode(), stat.gid(), changed)
}

/// One step more, which fails.
fn failing(mut actions: Vec<Action>) -> Vec<Action> {
    actions.push(delete("none"));
    actions
}

#[test]
fn what_comes_back_is_the_same_as_before() {
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["f", "g", "d/", "d/x", "e/", "e/y"]);
        symlink("f", world.at("link")).unwrap();
        fs::set_permissions(world.at("f"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::set_permissions(world.at("d"), fs::Permissions::from_mode(0o750)).unwrap();
        let all = ["f", "g", "d", "d/x", "e", "e/y", "link"];
        let before = all.map(|at| marks(&world.at(at)));
        let failure = undone(world.run_whole(failing(vec![
            put("f", "over"),
            delete("g"),
            mv("d", "e", Overwrite::Replace),
            mv("f", "e/x", Overwrite::Replace),
            delete("link"),
            copy("e", "link", Overwrite::Refuse),
            delete("e"),
        ])));
        assert_eq!(failure.kind, FailureKind::NotFound);
        assert_eq!(all.map(|at| marks(&world.at(at))), before);
        assert_eq!(world.read("f"), b"in f");
        world.is_tidy();
    }
}

/// As where each step is done by itself.
#[test]
fn rights_are_kept_and_inherited() {
    let world = World::new(false);
    world.tree(&["f", "shared/"]);
    fs::set_permissions(world.at("f"), fs::Permissions::from_mode(0o604)).unwrap();
    fs::set_permissions(world.at("shared"), fs::Permissions::from_mode(0o2775)).unwrap();
    if is_root() {
        chown(world.at("shared"), None, Some(12_345)).unwrap();
    }
    let outcomes =
        world.run_whole(vec![put("f", "over"), put("shared/n", "new"), mkcol("shared/d")]);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let mode = |at| fs::metadata(world.at(at)).unwrap().mode() & 0o7777;
    let group = |at| fs::metadata(world.at(at)).unwrap().gid();
    assert_eq!(mode("f"), 0o604);
    assert_eq!(mode("shared/d") & 0o2000, 0o2000);
    assert_eq!([group("shared/n"), group("shared/d")], [group("shared"); 2]);
}

#[test]
fn two_names_of_a_file_become_one() {
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["a"]);
        world.one(patch("a", "p", "of a")).unwrap();
        fs::hard_link(world.at("a"), world.at("b")).unwrap();
        let moved = || vec![mv("a", "b", Overwrite::Replace), put("a", "anew")];
        undone(world.run_whole(failing(moved())));
        assert_eq!(marks(&world.at("a")), marks(&world.at("b")));
        assert_eq!(world.property("a", "p"), "of a");
        let outcomes = world.run_whole(moved());
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!((world.read("a"), world.read("b")), (b"anew".to_vec(), b"in a".to_vec()));
        assert_eq!((&*world.property("a", "p"), &*world.property("b", "p")), ("", "of a"));
        world.is_tidy();
    }
}

/// A tree that is put aside could always leave its place; it may only if all of it could be removed.
#[test]
fn what_may_not_be_removed_undoes_all() {
    if !is_root() {
        return;
    }
    let world = World::new(true);
    world.tree(&["a/", "a/b/", "a/b/keep", "a/c/", "c"]);
    let chattr = |flag: &str, at: &str| {
        let done = Command::new("chattr").arg(flag).arg(world.at(at)).status();
        done.is_ok_and(|status| status.success())
    };
    for fixed in ["a/b/keep", "a/b"] {
        if !chattr("+i", fixed) {
            return;
        }
        let failure = undone(world.run_whole(vec![delete("c"), mkcol("n"), delete("a")]));
        assert!(chattr("-i", fixed));
        assert_eq!(kinds(&failure), [(fixed.to_owned(), FailureKind::Forbidden)]);
        assert_eq!(names(&world), ["a", "a/b", "a/b/keep", "a/c", "c"]);
        world.is_tidy();
    }
}

#[test]
fn what_a_folder_does_not_give_away_undoes_all() {
    let world = World::new(false);
    world.tree(&["a/", "a/shut/", "a/shut/x", "c"]);
    let mode = |mode| fs::set_permissions(world.at("a/shut"), fs::Permissions::from_mode(mode));
    mode(0o555).unwrap();
    assert!(!is_root() || world::drop_rights());
    let failure = undone(world.run_whole(vec![delete("c"), delete("a")]));
    assert_eq!(kinds(&failure), [("a/shut/x".to_owned(), FailureKind::Forbidden)]);
    mode(0o755).unwrap();
    assert_eq!(names(&world), ["a", "a/shut", "a/shut/x", "c"]);
    let outcomes = world.run_whole(vec![delete("c"), delete("a")]);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    world.is_tidy();
}

#[test]
fn nothing_hidden_goes_with_what_is_removed() {
    let world = World::new(false);
    world.tree(&["a/", "a/.polydav/", "a/.polydav/x", "b", "s/"]);
    for last in [delete("a"), mv("s", "a", Overwrite::Replace), copy("s", "a", Overwrite::Replace)]
    {
        let failure = undone(world.run_whole(vec![delete("b"), last]));
        assert_eq!(failure.path, path("a"));
        assert!(world.at("a/.polydav/x").exists() && world.at("b").exists());
    }
}

#[test]
fn a_member_that_can_not_be_copied_undoes_all() {
    let world = World::new(false);
    world.tree(&["a/", "a/x", "b"]);
    world.fifo("a/fifo");
    let failure = undone(world.run_whole(vec![delete("b"), copy("a", "c", Overwrite::Refuse)]));
    assert_eq!(kinds(&failure), [("a/fifo".to_owned(), FailureKind::Forbidden)]);
    assert!(world.at("b").exists() && !world.at("c").exists());
    world.is_tidy();
}
