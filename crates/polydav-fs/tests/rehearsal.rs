//! What a folder is said to come to is what becomes of it; and until then it stays as it is, byte for
//! byte.

#![allow(clippy::unwrap_used)]

mod world;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use polydav_store::kit::verdict;
use polydav_store::{Action, OnFailure, Outcome, Overwrite, Store};
use tempfile::TempDir;
use world::{
    Immutable, Mount, World, copy, copy_alone, delete, drop_rights, is_root, mkcol, mv, patch, put,
};

const MODES: [OnFailure; 3] = [OnFailure::Continue, OnFailure::Stop, OnFailure::UndoAll];

/// What lies on disk: the inode, its rights and times, and the content.
type Disk = BTreeMap<PathBuf, (u64, u32, i128, i128, Vec<u8>)>;

/// All that lies at and under a path, the store's own files included. Memory that is shared by those who
/// have the state open is no part of it.
fn disk(at: &Path) -> Disk {
    let mut all = Disk::new();
    let mut todo = vec![at.to_owned()];
    while let Some(at) = todo.pop() {
        // What may not be looked at can be compared by nobody.
        let Ok(metadata) = fs::symlink_metadata(&at) else { continue };
        let time = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let mut content = Vec::new();
        if metadata.is_dir() {
            let entries =
                fs::read_dir(&at).map_or_else(|_| Vec::new(), |all| all.flatten().collect());
            todo.extend(entries.into_iter().map(|entry| entry.path()));
        } else if metadata.is_file() {
            content = fs::read(&at).unwrap_or_default();
        } else if metadata.is_symlink() {
            content = fs::read_link(&at).unwrap().as_os_str().as_bytes().to_vec();
        }
        if !at.ends_with("state.db-shm") {
            let (modified, changed) = (
                time(metadata.mtime(), metadata.mtime_nsec()),
                time(metadata.ctime(), metadata.ctime_nsec()),
            );
            all.insert(at, (metadata.ino(), metadata.mode(), modified, changed, content));
        }
    }
    all
}

fn verdicts(outcomes: &[Outcome]) -> Vec<String> {
    outcomes.iter().map(verdict).collect()
}

/// Rehearses steps in a folder, and does them.
fn agrees(world: &World, on_failure: OnFailure, actions: &dyn Fn() -> Vec<Action>) {
    let before = disk(&world.at(""));
    let told = verdicts(&world.rehearse_as(actions(), on_failure));
    assert_eq!(disk(&world.at("")), before, "{:?}", actions());
    let done = verdicts(&world.run_as(actions(), on_failure));
    assert_eq!(told, done, "what was told, and done, of {on_failure:?} {:#?}", actions());
}

/// Lets a folder be removed, whatever it doesn't permit.
fn open_up(at: &Path) {
    if fs::symlink_metadata(at).is_ok_and(|metadata| metadata.is_dir()) {
        fs::set_permissions(at, Permissions::from_mode(0o700)).unwrap();
        fs::read_dir(at).unwrap().for_each(|entry| open_up(&entry.unwrap().path()));
    }
}

/// Each of the steps by itself, and all of them one after the other.
fn all_agree(furnish: &dyn Fn(&World), actions: &dyn Fn() -> Vec<Action>) {
    for on_failure in MODES {
        for number in 0..actions().len() {
            let world = World::new(false);
            furnish(&world);
            agrees(&world, on_failure, &|| actions().into_iter().skip(number).take(1).collect());
            open_up(&world.at(""));
        }
        let world = World::new(false);
        furnish(&world);
        agrees(&world, on_failure, actions);
        open_up(&world.at(""));
    }
}

#[test]
fn steps_see_what_earlier_ones_would_have_done() {
    let furnish = |world: &World| {
        world.tree(&["a/", "a/f", "a/s/", "a/s/g", "b/", "b/h", "c", "e"]);
        for at in ["a", "a/f", "a/s/g", "b", "c"] {
            world.one(patch(at, "p", at)).unwrap();
        }
    };
    all_agree(&furnish, &|| {
        vec![
            mkcol("n"),
            put("n/f", "new"),
            copy("a", "n/a", Overwrite::Refuse),
            mv("a", "b", Overwrite::Replace),
            mv("a", "x", Overwrite::Replace),
            put("b/s/g", "over"),
            patch("b/s/g", "p", "new"),
            copy("b", "n/a", Overwrite::Refuse),
            copy("c", "b", Overwrite::Replace),
            delete("b/s"),
            mkcol("none/x"),
            copy_alone("n", "m"),
            delete("m/f"),
            delete("n"),
            put("n", "a file by now"),
            put("n/x", "x"),
            Action::add(world::path("m"), Vec::new()),
        ]
    });
}

#[test]
fn links_and_special_files_are_met_as_they_will_be() {
    let furnish = |world: &World| {
        world.tree(&["f", "d/", "d/x", "t/", "t/y"]);
        for (to, at) in [("f", "l"), ("d", "ld"), ("none", "broken"), ("../f", "t/l")] {
            symlink(to, world.at(at)).unwrap();
        }
        world.fifo("p");
        world.fifo("t/p");
    };
    all_agree(&furnish, &|| {
        vec![
            put("l", "x"),
            put("ld/x", "x"),
            put("ld/n/m", "x"),
            mkcol("ld/n"),
            mkcol("l"),
            patch("l", "p", "1"),
            patch("ld/x", "p", "1"),
            copy("l", "l2", Overwrite::Refuse),
            copy("ld/x", "x2", Overwrite::Refuse),
            copy("f", "ld/n", Overwrite::Refuse),
            copy("f", "broken", Overwrite::Replace),
            copy("p", "p2", Overwrite::Refuse),
            put("p", "x"),
            patch("p", "p", "1"),
            mv("p", "p3", Overwrite::Refuse),
            copy("t", "t2", Overwrite::Refuse),
            copy("t", "d", Overwrite::Replace),
            mv("ld/x", "x3", Overwrite::Refuse),
            delete("ld/x"),
            mv("l", "d/l", Overwrite::Refuse),
            put("d/l", "x"),
            delete("d/l"),
            delete("ld"),
            mkcol("ld"),
            delete("t"),
        ]
    });
}

#[test]
fn what_nobody_may_see_is_in_the_way() {
    let furnish = |world: &World| {
        world.tree(&["f", "a/", "a/b/", "a/b/.polydav/", "a/b/x", "a/y", "c/", "c/d/"]);
        world.tree(&["c/d/.Polydav/"]);
    };
    all_agree(&furnish, &|| {
        vec![
            put(".polydav/x", "x"),
            mkcol("n/.polydav"),
            copy(".polydav", "x", Overwrite::Refuse),
            mv("f", ".POLYDAV", Overwrite::Replace),
            delete(".polydav/state.db"),
            copy("f", "a", Overwrite::Replace),
            mv("f", "a", Overwrite::Replace),
            copy("a", "n", Overwrite::Refuse),
            mv("a", "m", Overwrite::Refuse),
            delete("m"),
            delete("c/d"),
            delete("a"),
        ]
    });
}

#[test]
fn names_that_are_too_long_are_told_of_beforehand() {
    let long = "n".repeat(256);
    let deep = |depth: usize| vec!["d".repeat(250); depth].join("/");
    all_agree(&|world| world.tree(&["f", "d/"]), &|| {
        vec![
            put(&long, "x"),
            mkcol(&format!("d/{long}")),
            put(&format!("{long}/x"), "x"),
            copy("f", &long, Overwrite::Replace),
            mv("f", &format!("none/{long}"), Overwrite::Replace),
            delete(&long),
            put(&deep(17), "x"),
            mkcol("e"),
            mkcol(&format!("e/{long}")),
        ]
    });
}

/// Root passes over permissions, but not over these.
#[test]
fn what_is_immutable_stays() {
    if !is_root() {
        return;
    }
    let actions: [fn() -> Action; 15] = [
        || delete("a"),
        || delete("a/b/keep"),
        || put("a/b/keep", "x"),
        || mv("a/b/keep", "k", Overwrite::Replace),
        || copy("a/b/keep", "k", Overwrite::Replace),
        || mv("a", "x", Overwrite::Replace),
        || delete("s"),
        || put("s/d/n", ""),
        || mkcol("s/d/n"),
        || delete("s/d/x"),
        || delete("s/d"),
        || mv("s/d", "w", Overwrite::Replace),
        || mv("w", "s/d", Overwrite::Replace),
        || copy("w", "s/d", Overwrite::Replace),
        || copy("w", "s/d/n", Overwrite::Replace),
    ];
    let check = |on_failure, actions: &dyn Fn() -> Vec<Action>| {
        let world = World::new(false);
        world.tree(&["a/", "a/b/", "a/b/keep", "a/b/go", "a/c/", "a/c/x", "a/y", "w/"]);
        world.tree(&["s/", "s/d/", "s/d/e/", "s/d/e/z", "s/d/x", "s/y"]);
        let immutable = [world.at("a/b/keep"), world.at("s/d")];
        let Some(mut immutable) = Immutable::new(&immutable) else { return };
        agrees(&world, on_failure, actions);
        if world.at("x").exists() {
            immutable.0[0] = world.at("x/b/keep");
        }
    };
    for on_failure in MODES {
        actions.iter().for_each(|action| check(on_failure, &|| vec![action()]));
        check(on_failure, &|| actions.iter().map(|action| action()).collect());
    }
}

/// By a thread that permissions hold for.
#[test]
fn permissions_are_known_beforehand() {
    let modes =
        [("shut", 0o000), ("a/no", 0o000), ("a/shut", 0o000), ("fixed", 0o555), ("dark", 0o444)];
    let furnish = |world: &World| {
        world.tree(&["a/", "a/no", "a/yes", "a/shut/", "a/shut/x", "shut/", "shut/x", "f"]);
        world.tree(&["dark/", "dark/d/", "dark/d/x", "dark/f"]);
        world.tree(&["fixed/", "fixed/x", "fixed/d/", "fixed/d/y", "b/", "b/old"]);
        for (at, mode) in modes {
            fs::set_permissions(world.at(at), Permissions::from_mode(mode)).unwrap();
        }
    };
    assert!(!is_root() || drop_rights());
    all_agree(&furnish, &|| {
        vec![
            copy("a/no", "x", Overwrite::Refuse),
            copy("shut", "x", Overwrite::Refuse),
            copy("a", "b", Overwrite::Replace),
            copy("a", "x", Overwrite::Refuse),
            put("x/no", "1"),
            mv("f", "a", Overwrite::Replace),
            copy("f", "shut", Overwrite::Replace),
            put("shut/n", "x"),
            delete("shut/x"),
            put("fixed/x", "x"),
            put("fixed/n", "x"),
            mkcol("fixed/n"),
            mv("f", "fixed/n", Overwrite::Refuse),
            mv("f", "fixed/x", Overwrite::Replace),
            mv("fixed/x", "m", Overwrite::Refuse),
            mv("fixed", "b/fixed", Overwrite::Refuse),
            mv("fixed", "fixed2", Overwrite::Refuse),
            put("fixed2/n", "x"),
            mv("fixed2/d", "d", Overwrite::Refuse),
            copy("dark", "light", Overwrite::Refuse),
            put("dark/f", "x"),
            delete("dark"),
            delete("fixed/d"),
            delete("fixed"),
            delete("a"),
        ]
    });
}

#[test]
fn another_file_system_inside_is_not_entered() {
    if !is_root() {
        return;
    }
    let actions: [fn() -> Action; 9] = [
        || put("a/m/y", ""),
        || delete("a/m/x"),
        || mv("a/m", "n", Overwrite::Replace),
        || copy("a/m", "n", Overwrite::Replace),
        || copy("a", "b", Overwrite::Replace),
        || mv("f", "a", Overwrite::Replace),
        || copy("f", "a", Overwrite::Replace),
        || delete("a/m"),
        || delete("a"),
    ];
    for on_failure in MODES {
        for action in actions {
            let world = World::new(false);
            world.tree(&["a/", "a/m/", "a/z", "f"]);
            let at = world.at("a/m");
            let Some(_mount) = Mount::new(&at, "size=1m") else { return };
            fs::write(world.at("a/m/x"), "").unwrap();
            agrees(&world, on_failure, &|| vec![action()]);
        }
    }
}

#[test]
fn a_disk_that_would_be_full_is_told_of() {
    if !is_root() {
        return;
    }
    for on_failure in MODES {
        let dir = TempDir::new().unwrap();
        let at = dir.path().join("root");
        let Some(_mount) = Mount::new(&at, "size=6m") else { return };
        let world = World::of(dir, false);
        world.one(mkcol("a")).unwrap();
        for name in ["a/1", "a/2", "a/3"] {
            world.one(put(name, &"x".repeat(600_000))).unwrap();
        }
        world.one(put("t", "small")).unwrap();
        let steps: [&dyn Fn() -> Action; 5] = [
            &|| put("t", &"x".repeat(6_000_000)),
            &|| copy("a", "b", Overwrite::Replace),
            &|| copy("a", "c", Overwrite::Replace),
            &|| delete("a"),
            &|| put("t", "short"),
        ];
        agrees(&world, on_failure, &|| steps.iter().map(|step| step()).collect());
    }
}

/// What the store itself was opened for still counts.
#[test]
fn where_nothing_may_change_nothing_would() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("f"), "x").unwrap();
    let options = polydav_fs::Options { read_only: true, state: None };
    let store = std::sync::Arc::new(polydav_fs::FolderStore::open(dir.path(), &options).unwrap());
    let rehearsal = store.rehearsal().unwrap();
    let told = polydav_store::kit::tell(&rehearsal, [polydav_store::kit::remove("f")]);
    assert_eq!(told, ["ReadOnly /f"]);
}
