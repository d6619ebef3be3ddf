//! Members that can't be read, removed or copied, and disks that are full. As root, permissions
//! mean nothing: then immutable files and a small file system of its own are used; the rest needs
//! no rights.

#![allow(clippy::unwrap_used)]

mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use polydav_fs::{FolderStore, OpenError, Options};
use polydav_store::{Effect, FailureKind, Ledger, Overwrite, Select, Store, kit};
use world::{
    Immutable, Mount, World, copy, delete, drop_rights, is_root, kinds, mkcol, mv, names, patch,
    path, put,
};

const BOTH: [bool; 2] = [true, false];

#[test]
fn what_may_not_be_removed_stays_and_is_told() {
    if !is_root() {
        return;
    }
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["a/", "a/b/", "a/b/keep", "a/b/go", "a/c/", "a/c/x", "a/y"]);
        for at in ["a", "a/b/keep", "a/b/go", "a/c"] {
            world.one(patch(at, "p", at)).unwrap();
        }
        let Some(immutable) = Immutable::new(&[world.at("a/b/keep")]) else { return };
        let failure = world.one(delete("a")).unwrap_err();
        assert_eq!(kinds(&failure), [("a/b/keep".into(), FailureKind::Forbidden)]);
        assert_eq!(failure.effect, Effect::Partial);
        assert_eq!(names(&world), ["a", "a/b", "a/b/keep"]);
        assert_eq!(world.property("a/b/keep", "p"), "a/b/keep");
        assert_eq!(world.property("a", "p"), "a");
        for (step, kind) in [
            (delete("a/b/keep"), FailureKind::Forbidden),
            (put("a/b/keep", "x"), FailureKind::Forbidden),
            (mv("a/b/keep", "k", Overwrite::Replace), FailureKind::Forbidden),
        ] {
            let failure = world.one(step).unwrap_err();
            assert_eq!((failure.kind, failure.effect), (kind, Effect::None));
        }
        drop(immutable);
        world.one(delete("a")).unwrap();
        world.is_tidy();
    }
}

#[test]
fn what_could_not_be_purged_is_in_nobodys_way_after_a_restart() {
    if !is_root() {
        return;
    }
    let world = World::new(true);
    world.tree(&["a/", "a/x", "b/", "b/keep"]);
    let Some(mut immutable) = Immutable::new(&[world.at("b/keep")]) else { return };
    world.one(mv("a", "b", Overwrite::Replace)).unwrap();
    let stage = world.at(".polydav/stage");
    immutable.0 =
        fs::read_dir(stage).unwrap().map(|left| left.unwrap().path().join("keep")).collect();
    assert_eq!(immutable.0.len(), 1);
    let world = world.restarted();
    world.one(copy("b", "c", Overwrite::Refuse)).unwrap();
    world.one(copy("c", "b", Overwrite::Replace)).unwrap();
    assert_eq!(names(&world), ["b", "b/x", "c", "c/x"]);
    drop(immutable);
    world.restarted().is_tidy();
}

#[test]
fn a_collection_that_may_not_be_changed_keeps_its_members() {
    if !is_root() {
        return;
    }
    let world = World::new(false);
    world.tree(&["a/", "a/b/", "a/b/x", "a/b/y", "z/", "z/q", "w/"]);
    let Some(_immutable) = Immutable::new(&[world.at("a/b"), world.at("z")]) else { return };
    let failure = world.one(delete("a")).unwrap_err();
    let forbidden = |at: &str| (at.to_owned(), FailureKind::Forbidden);
    assert_eq!(kinds(&failure), [forbidden("a/b/x"), forbidden("a/b/y")]);
    assert_eq!(failure.effect, Effect::None);
    for step in [
        put("z/n", ""),
        mkcol("z/n"),
        delete("z/q"),
        mv("z/q", "n", Overwrite::Replace),
        mv("z", "w", Overwrite::Replace),
        mv("w", "z", Overwrite::Replace),
        copy("w", "z", Overwrite::Replace),
        copy("w", "z/n", Overwrite::Replace),
    ] {
        let words = format!("{step:?}");
        let failure = world.one(step).unwrap_err();
        assert_eq!(
            (failure.kind, failure.effect),
            (FailureKind::Forbidden, Effect::None),
            "{words}"
        );
    }
    assert_eq!(names(&world), ["a", "a/b", "a/b/x", "a/b/y", "w", "z", "z/q"]);
    world.is_tidy();
}

/// Has upper be taken for lower case in a folder; not every kernel can.
fn fold(folder: &Path) -> bool {
    fs::create_dir_all(folder).unwrap();
    Command::new("chattr").arg("+F").arg(folder).status().is_ok_and(|done| done.success())
}

/// Needs a kernel whose tmpfs can take upper for lower case.
#[test]
fn a_name_is_respelled_where_upper_and_lower_case_are_one() {
    if !is_root() {
        return;
    }
    for full in BOTH {
        let dir = tempfile::TempDir::new().unwrap();
        let at = dir.path().join("root");
        let Some(_mount) = Mount::new(&at, "size=2m,casefold") else { return };
        if !fold(&at.join("s")) {
            return;
        }
        let world = World::of(dir, full);
        world.tree(&["s/f", "s/d/", "s/d/x", "s/l"]);
        fs::hard_link(world.at("s/l"), world.at("s/d/l")).unwrap();
        for (from, to) in [("s/f", "s/F"), ("s/d", "s/D"), ("s/l", "s/L")] {
            world.one(mv(from, to, Overwrite::Replace)).unwrap();
        }
        let failure = world.one(mv("s/D/x", "s/d/x", Overwrite::Replace)).unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::Overlap, Effect::None));
        assert_eq!(names(&world), ["s", "s/D", "s/D/l", "s/D/x", "s/F", "s/L"]);
        world.is_tidy();
    }
}

/// Needs such a kernel too.
#[test]
fn a_folder_where_upper_and_lower_case_are_one_is_served_for_reading_only() {
    let dir = tempfile::TempDir::new().unwrap();
    let at = dir.path().join("root");
    let Some(_mount) = Mount::new(&at, "size=2m,casefold") else { return };
    if !fold(&at) {
        return;
    }
    let open = |read_only| FolderStore::open(&at, &Options { read_only, ..Options::default() });
    assert!(matches!(open(false), Err(OpenError::Folding { .. })));
    open(true).unwrap();
}

/// Tests on a disk of three megabytes, if it may be made.
fn on_a_small_disk(test: impl Fn(&World)) {
    if !is_root() {
        return;
    }
    for full in BOTH {
        let dir = tempfile::TempDir::new().unwrap();
        let at = dir.path().join("root");
        let Some(_mount) = Mount::new(&at, "size=3m") else { return };
        let world = World::of(dir, full);
        test(&world);
    }
}

#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    on_a_small_disk(|world| {
        let big = "x".repeat(400_000);
        world.one(mkcol("a")).unwrap();
        for name in ["a/1", "a/2", "a/3"] {
            world.one(put(name, &big)).unwrap();
        }
        world.one(put("t", "small")).unwrap();
        for step in [
            copy("a", "b", Overwrite::Replace),
            copy("a", "t", Overwrite::Replace),
            put("t", &"x".repeat(2_000_000)),
        ] {
            let failure = world.one(step).unwrap_err();
            assert_eq!((failure.kind, failure.effect), (FailureKind::NoSpace, Effect::None));
        }
        assert_eq!(names(world), ["a", "a/1", "a/2", "a/3", "t"]);
        assert_eq!(world.read("t"), b"small");
        world.one(delete("a/1")).unwrap();
        world.is_tidy();
    });
}

/// Prepared together with what makes the room, it would find none.
#[test]
fn what_is_removed_makes_room_for_what_comes_behind() {
    on_a_small_disk(|world| {
        world.one(put("p", "x")).unwrap();
        world.one(patch("p", "p", "v")).unwrap();
        let big = "x".repeat(400_000);
        let filled =
            (0..100).take_while(|n| world.one(put(&format!("f{n}"), &big)).is_ok()).count();
        assert!((2..100).contains(&filled));
        let steps =
            vec![delete("f0"), put("n", &big), delete("f1"), copy("n", "m", Overwrite::Refuse)];
        let outcomes = world.run(steps);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    });
}

#[test]
fn another_file_system_inside_is_not_entered() {
    if !is_root() {
        return;
    }
    let world = World::new(false);
    world.tree(&["a/", "a/m/", "f"]);
    let at = world.at("a/m");
    let Some(_mount) = Mount::new(&at, "size=1m") else { return };
    fs::write(world.at("a/m/x"), "").unwrap();
    let forbidden = |joined: &str| {
        assert_eq!(
            world.store.stat(&path(joined), &Select::None).unwrap_err().kind,
            FailureKind::Forbidden
        );
    };
    forbidden("a/m");
    forbidden("a/m/x");
    for step in [put("a/m/y", ""), delete("a/m/x"), mv("a/m", "n", Overwrite::Replace)] {
        assert_eq!(world.one(step).unwrap_err().kind, FailureKind::Forbidden);
    }
    let told = world.visits(u64::MAX);
    let failed = |visit: &&polydav_store::Visit| matches!(visit, polydav_store::Visit::Failure(..));
    assert_eq!((told.len(), told.iter().filter(failed).count()), (3, 1), "{told:?}");
    let failure = world.one(copy("a", "b", Overwrite::Replace)).unwrap_err();
    assert_eq!(kinds(&failure), [("a/m".into(), FailureKind::Forbidden)]);
    let failure = world.one(delete("a")).unwrap_err();
    assert_eq!(kinds(&failure), [("a/m".into(), FailureKind::Forbidden)]);
    for step in [mv("f", "a", Overwrite::Replace), copy("f", "a", Overwrite::Replace)] {
        let failure = world.one(step).unwrap_err();
        assert_eq!(kinds(&failure), [("a/m".into(), FailureKind::Forbidden)]);
    }
    assert!(world.at("a/m/x").exists());
}

#[test]
fn what_may_not_be_read_is_skipped_and_told() {
    let world = World::new(false);
    world.tree(&["a/", "a/no", "a/yes", "a/shut/", "a/shut/x"]);
    for at in ["a/no", "a/yes"] {
        world.one(patch(at, "p", at)).unwrap();
    }
    for at in ["a/no", "a/shut"] {
        fs::set_permissions(world.at(at), fs::Permissions::from_mode(0o000)).unwrap();
    }
    // Root reads everything; another user's thread doesn't.
    let restricted = !is_root() || drop_rights();
    assert!(restricted);
    let failure = world.one(copy("a", "b", Overwrite::Refuse)).unwrap_err();
    let forbidden = |at: &str| (at.to_owned(), FailureKind::Forbidden);
    assert_eq!(kinds(&failure), [forbidden("a/no"), forbidden("a/shut")]);
    assert_eq!(failure.effect, Effect::Partial);
    assert_eq!(fs::read(world.at("b/yes")).unwrap(), b"in a/yes");
    assert!(!world.at("b/no").exists() && !world.at("b/shut").exists());
    // Nor do the properties of what was skipped wait for what others may put there.
    fs::write(world.at("b/no"), "").unwrap();
    assert_eq!((&*world.property("b/yes", "p"), &*world.property("b/no", "p")), ("a/yes", ""));
    fs::remove_file(world.at("b/no")).unwrap();
    let told = world.visits(u64::MAX);
    let failed: Vec<_> = told
        .iter()
        .filter_map(|visit| match visit {
            polydav_store::Visit::Failure(path, kind) => Some((path.to_string(), *kind)),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [("/a/shut".to_owned(), FailureKind::Forbidden)]);
    let failure = world.store.read(&path("a/no")).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Forbidden);
    for at in ["a/no", "a/shut"] {
        fs::set_permissions(world.at(at), fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn what_may_not_be_looked_at_keeps_its_properties() {
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["a/", "a/gone", "a/shut/", "a/shut/x"]);
        for at in ["a/gone", "a/shut/x"] {
            world.one(patch(at, "p", at)).unwrap();
        }
        let shut = |mode| fs::set_permissions(world.at("a/shut"), fs::Permissions::from_mode(mode));
        shut(0o000).unwrap();
        assert!(!is_root() || drop_rights());
        let failure = world.one(delete("a")).unwrap_err();
        assert_eq!(kinds(&failure), [("a/shut".into(), FailureKind::Forbidden)]);
        shut(0o700).unwrap();
        assert_eq!(world.property("a/shut/x", "p"), "a/shut/x");
    }
}

/// A member that failed was left as it was, at the target too.
#[test]
fn a_copy_that_lacks_a_member_replaces_nothing() {
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["a/", "a/no", "a/yes", "b/", "b/no", "b/old"]);
        world.one(patch("b", "p", "of b")).unwrap();
        fs::set_permissions(world.at("a/no"), fs::Permissions::from_mode(0o000)).unwrap();
        assert!(!is_root() || drop_rights());
        let failure = world.one(copy("a", "b", Overwrite::Replace)).unwrap_err();
        assert_eq!(kinds(&failure), [("a/no".into(), FailureKind::Forbidden)]);
        assert_eq!(failure.effect, Effect::None);
        assert_eq!(names(&world), ["a", "a/no", "a/yes", "b", "b/no", "b/old"]);
        assert_eq!(world.property("b", "p"), "of b");
        world.is_tidy();
    }
}

#[test]
fn a_collection_that_can_not_leave_its_place_keeps_its_members() {
    let world = World::new(false);
    world.tree(&["shut/", "shut/a/", "shut/a/x"]);
    let mode = |mode| fs::set_permissions(world.at("shut"), fs::Permissions::from_mode(mode));
    mode(0o555).unwrap();
    assert!(!is_root() || drop_rights());
    let failure = world.one(delete("shut/a")).unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Forbidden, Effect::None));
    assert_eq!(names(&world), ["shut", "shut/a", "shut/a/x"]);
    mode(0o755).unwrap();
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::TempDir::new().unwrap();
    let first = FolderStore::open(dir.path(), &Options::default()).unwrap();
    let second = FolderStore::open(dir.path(), &Options::default()).unwrap_err();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
    drop(first);
    FolderStore::open(dir.path(), &Options::default()).unwrap();
}

#[test]
fn one_folder_for_one_state() {
    let [state, one, other] = [(); 3].map(|()| tempfile::TempDir::new().unwrap());
    let open = |root: &tempfile::TempDir| {
        let options = Options { read_only: false, state: Some(state.path().to_owned()) };
        FolderStore::open(root.path(), &options)
    };
    let first = open(&one).unwrap();
    let second = open(&other).unwrap_err();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
    drop(first);
    open(&other).unwrap();
}

#[test]
fn a_state_that_is_not_ours_is_refused() {
    let dir = tempfile::TempDir::new().unwrap();
    drop(FolderStore::open(dir.path(), &Options::default()).unwrap());
    let at = dir.path().join(".polydav/state.db");
    let state = rusqlite::Connection::open(&at).unwrap();
    state.pragma_update(None, "user_version", 99).unwrap();
    drop(state);
    let error = FolderStore::open(dir.path(), &Options::default()).unwrap_err();
    assert!(
        matches!(
            &error,
            OpenError::State { source: polydav_fs::StateError::Newer { found: 99 }, .. }
        ),
        "{error}"
    );
    fs::write(&at, "gibberish, and long enough to be looked at".repeat(100)).unwrap();
    let error = FolderStore::open(dir.path(), &Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::State { .. }), "{error}");
    assert!(FolderStore::open(&dir.path().join("none"), &Options::default()).is_err());
}

#[test]
fn nothing_is_written_for_reading_alone() {
    let dir = tempfile::TempDir::new().unwrap();
    let options = Options { read_only: true, state: None };
    let store = FolderStore::open(dir.path(), &options).unwrap();
    store.keep_lock(&kit::lock("urn:a", "x"), polydav_store::Durability::Full).unwrap();
    assert_eq!(store.locks().unwrap().len(), 1);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn locks_outlive_the_process() {
    use polydav_store::{Durability, LockDepth, LockScope, LockToken, Principal};
    let dir = tempfile::TempDir::new().unwrap();
    let state = tempfile::TempDir::new().unwrap();
    let options = Options { read_only: false, state: Some(state.path().join("deep/down")) };
    let mut one = kit::lock("urn:one", b"caf\xe9/x");
    one.owner = Some(bytes::Bytes::from_static(b"<D:owner xmlns:D='DAV:'>\xc3\xa9</D:owner>"));
    one.principal = Principal::Named("ann".into());
    let mut two = kit::lock("urn:two", "");
    (two.scope, two.depth) = (LockScope::Shared, LockDepth::Zero);
    let store = FolderStore::open(dir.path(), &options).unwrap();
    store.keep_lock(&one, Durability::Full).unwrap();
    one.expires += std::time::Duration::from_nanos(1_500_000_001);
    store.keep_lock(&one, Durability::Relaxed).unwrap();
    store.keep_lock(&two, Durability::Relaxed).unwrap();
    drop(store);
    let store = FolderStore::open(dir.path(), &options).unwrap();
    let mut locks = store.locks().unwrap();
    locks.sort_by(|one, other| one.token.cmp(&other.token));
    assert_eq!(locks, [one, two.clone()]);
    store.forget_locks(&[LockToken::new("urn:one")], Durability::Full).unwrap();
    assert_eq!(store.locks().unwrap(), [two]);
    assert!(!dir.path().join(".polydav/state.db").exists());
}
