//! What the store does to a folder, step by step.

mod world;

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, UNIX_EPOCH};

use polydav_fs::{FolderStore, Options};
use polydav_store::{
    Action, Condition, FailureKind, Kind, NoLocks, OnFailure, Outcome, Overwrite, Run, Select,
    Store, Visit, Walk, WalkDepth, kit,
};
use world::{World, copy, delete, kinds, mkcol, mv, names, patch, path, put};

const BOTH: [bool; 2] = [true, false];

#[test]
fn a_file_is_put_and_put_over() {
    for full in BOTH {
        let world = World::new(full);
        let first = world.one(put("a", "one")).unwrap();
        assert!(first.created);
        fs::set_permissions(world.at("a"), fs::Permissions::from_mode(0o4640)).unwrap();
        let second = world.one(put("a", "two")).unwrap();
        assert!(!second.created);
        assert_ne!(first.etag, second.etag);
        assert_eq!(world.store.stat(&path("a"), &Select::None).unwrap().etag, second.etag);
        assert_eq!(fs::read(world.at("a")).unwrap(), b"two");
        assert_eq!(fs::metadata(world.at("a")).unwrap().mode() & 0o7777, 0o640);
        world.is_tidy();
    }
}

/// Also in a folder that the step before made: both are prepared together.
#[test]
fn a_folder_takes_no_records() {
    let world = World::new(true);
    let add = |collection| Action::add(path(collection), Vec::new());
    let update = Action::Update { target: path("d"), record: Vec::new() };
    let outcomes = world.run(vec![mkcol("d"), add("d"), add("none"), update]);
    let kinds: Vec<_> = outcomes.into_iter().map(|o| o.err().map(|f| f.kind)).collect();
    let (unsuited, missing) = (Some(FailureKind::Unsuited), Some(FailureKind::NotFound));
    assert_eq!(kinds, [None, unsuited, missing, unsuited]);
}

/// Grants reading and writing to the owner and to the user 1001, nothing to the group. The
/// permission bits of the group then are what is granted at most.
fn grant_to_one(at: &std::path::Path, list: &str) -> bool {
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, !0), (2, 6, 1001), (4, 0, !0), (0x10, 6, !0), (0x20, 0, !0)];
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        value.extend([tag.to_le_bytes(), rights.to_le_bytes()].concat());
        value.extend(id.to_le_bytes());
    }
    rustix::fs::setxattr(at, list, &value, rustix::fs::XattrFlags::empty()).is_ok()
}

const ACCESS_LIST: &str = "system.posix_acl_access";
const DEFAULT_LIST: &str = "system.posix_acl_default";

#[test]
fn what_is_granted_to_one_is_not_granted_to_a_whole_group() {
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["f", "d/", "d/x", "d/e/"]);
        if !["f", "d", "d/x", "d/e"].iter().all(|name| grant_to_one(&world.at(name), ACCESS_LIST)) {
            return;
        }
        let list = |name: &str| {
            let mut list = vec![0; 100];
            let length = rustix::fs::getxattr(world.at(name), ACCESS_LIST, &mut list[..]).unwrap();
            list.truncate(length);
            (list, fs::metadata(world.at(name)).unwrap().mode() & 0o077)
        };
        let granted = list("f");
        world.one(put("f", "new")).unwrap();
        world.one(copy("f", "g", Overwrite::Refuse)).unwrap();
        world.one(copy("d", "c", Overwrite::Refuse)).unwrap();
        for name in ["f", "g", "c/x", "c/e", "c"] {
            assert_eq!(list(name), granted, "{name}");
        }
    }
}

/// What is made in the served folder begins with its list; what is only prepared there must not.
#[test]
fn what_new_files_begin_with_is_not_granted_on_those_that_are_replaced() {
    for full in BOTH {
        let dir = tempfile::TempDir::new().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("old"), "old").unwrap();
        if !grant_to_one(&root, DEFAULT_LIST) {
            return;
        }
        let world = World::of(dir, full);
        world.one(put("old", "new")).unwrap();
        world.one(copy("old", "copy", Overwrite::Refuse)).unwrap();
        for name in ["old", "copy"] {
            let list = rustix::fs::getxattr(world.at(name), ACCESS_LIST, &mut [0; 100][..]);
            assert_eq!(list, Err(rustix::io::Errno::NODATA), "{name}");
        }
    }
}

#[test]
fn a_file_that_is_put_over_keeps_its_owner_and_a_new_one_gets_the_group_of_its_folder() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["f", "d/"]);
        std::os::unix::fs::chown(world.at("f"), Some(1001), Some(1002)).unwrap();
        std::os::unix::fs::chown(world.at("d"), None, Some(1003)).unwrap();
        fs::set_permissions(world.at("d"), fs::Permissions::from_mode(0o2775)).unwrap();
        for (name, owner, group) in [("f", 1001, 1002), ("d/n", 0, 1003), ("d/n", 0, 1003)] {
            world.one(put(name, "new")).unwrap();
            let metadata = fs::metadata(world.at(name)).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (owner, group), "{name}");
        }
        world.one(copy("f", "d/copy", Overwrite::Refuse)).unwrap();
        assert_eq!(fs::metadata(world.at("d/copy")).unwrap().gid(), 1003);
    }
}

#[test]
fn what_is_made_has_the_permissions_that_anyone_would_give_it() {
    let world = World::new(false);
    world.tree(&["d/", "f"]);
    world.one(mkcol("made")).unwrap();
    world.one(put("put", "")).unwrap();
    let mode = |at: &str| fs::metadata(world.at(at)).unwrap().permissions().mode();
    assert_eq!((mode("made"), mode("put")), (mode("d"), mode("f")));
}

#[test]
fn a_file_keeps_the_time_it_is_put_with() {
    let world = World::new(false);
    for seconds in [-86_401, 0, 86_401] {
        let time = match u64::try_from(seconds) {
            Ok(after) => UNIX_EPOCH + Duration::from_secs(after),
            Err(_) => UNIX_EPOCH - Duration::from_secs(i64::unsigned_abs(seconds)),
        };
        kit::given(&world.store, [kit::put("f", "").modified(time)]);
        assert_eq!(world.store.stat(&path("f"), &Select::None).unwrap().modified, Some(time));
    }
}

#[test]
fn staged_content_is_put() {
    let world = World::new(true);
    for name in ["a", "a"] {
        let mut stage = world.store.stage(&path("f"), Some(6)).unwrap();
        stage.write(b"abc").unwrap();
        stage.write(b"def").unwrap();
        world.one(world::put_staged(name, stage.finish().unwrap())).unwrap();
    }
    assert_eq!(fs::read(world.at("a")).unwrap(), b"abcdef");
    drop(world.store.stage(&path("f"), None).unwrap());
    world.is_tidy();
    assert_eq!(
        world.store.stage(&path("f"), Some(u64::MAX)).err().unwrap().kind,
        FailureKind::NoSpace
    );
}

#[test]
fn more_than_the_kernel_lets_open_is_staged() {
    let world = World::new(true);
    let staged: Vec<_> = (0..600)
        .map(|number| {
            let mut stage = world.store.stage(&path("f"), None).unwrap();
            stage.write(format!("{number}").as_bytes()).unwrap();
            stage.finish().unwrap()
        })
        .collect();
    let steps = staged.into_iter().enumerate();
    let steps = steps.map(|(n, staged)| world::put_staged(&format!("f{n}"), staged)).collect();
    assert!(world.run(steps).iter().all(|outcome| outcome.as_ref().unwrap().created));
    assert_eq!(fs::read(world.at("f599")).unwrap(), b"599");
    world.is_tidy();
}

#[test]
fn steps_are_refused_for_the_right_reason() {
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["d/", "d/x", "f"]);
        symlink("f", world.at("link")).unwrap();
        let refuse = Overwrite::Refuse;
        let long = "n".repeat(300);
        for (step, kind) in [
            (put("none/a", ""), FailureKind::ParentMissing),
            (put("f/a", ""), FailureKind::ParentMissing),
            (put("d", ""), FailureKind::IsCollection),
            (put("link", ""), FailureKind::Forbidden),
            (put(&long, ""), FailureKind::NameTooLong),
            (put(".POLYDAV", ""), FailureKind::Forbidden),
            (put("d/.polydav/x", ""), FailureKind::Forbidden),
            (mkcol("none/a"), FailureKind::ParentMissing),
            (mkcol("d"), FailureKind::Exists),
            (mkcol("f"), FailureKind::Exists),
            (delete("none"), FailureKind::NotFound),
            (delete("none/a"), FailureKind::NotFound),
            (delete(".polydav"), FailureKind::Forbidden),
            (copy("none", "f", refuse), FailureKind::NotFound),
            (copy("f", "none/a", refuse), FailureKind::ParentMissing),
            (copy("f", "d", refuse), FailureKind::TargetExists),
            (copy(".polydav", "c", refuse), FailureKind::NotFound),
            (copy("f", ".polydav", refuse), FailureKind::Forbidden),
            (mv("none", "f", refuse), FailureKind::NotFound),
            (mv("none/a", "f", refuse), FailureKind::NotFound),
            (mv("none", "also/a", refuse), FailureKind::NotFound),
            (mv("f", "none/a", refuse), FailureKind::ParentMissing),
            (mv("f", "d", refuse), FailureKind::TargetExists),
            (mv(".polydav", "c", refuse), FailureKind::Forbidden),
            (patch("none", "p", "v"), FailureKind::NotFound),
        ] {
            let words = format!("{step:?}");
            assert_eq!(world.one(step).unwrap_err().kind, kind, "{words}");
        }
        assert_eq!(names(&world), ["d", "d/x", "f", "link"]);
        world.is_tidy();
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let world = World::new(false);
    world.tree(&["d/", "d/x", "f"]);
    symlink("d", world.at("l")).unwrap();
    for step in [
        put("l/y", ""),
        put("l/x", ""),
        mkcol("l/c"),
        delete("l/x"),
        mv("l/x", "y", Overwrite::Replace),
        mv("f", "l/y", Overwrite::Replace),
        copy("f", "l/y", Overwrite::Replace),
        copy("l/x", "y", Overwrite::Replace),
        patch("l/x", "p", "v"),
        patch("l", "p", "v"),
    ] {
        let words = format!("{step:?}");
        assert_eq!(world.one(step).unwrap_err().kind, FailureKind::Forbidden, "{words}");
    }
    world.one(mv("l", "m", Overwrite::Replace)).unwrap();
    world.one(copy("m", "c", Overwrite::Replace)).unwrap();
    assert_eq!(fs::read_link(world.at("c")).unwrap().as_os_str(), "d");
    world.one(delete("m")).unwrap();
    assert_eq!(names(&world), ["c", "d", "d/x", "f"]);
}

#[test]
fn links_are_read_through_only_beneath_the_root() {
    let world = World::new(false);
    world.tree(&["d/", "d/x"]);
    fs::write(world.outside("secret"), "s").unwrap();
    symlink("d", world.at("in")).unwrap();
    symlink("d/x", world.at("file")).unwrap();
    symlink(world.outside("secret"), world.at("out")).unwrap();
    symlink("..", world.at("up")).unwrap();
    symlink("nowhere", world.at("dangling")).unwrap();
    symlink(".polydav", world.at("state")).unwrap();
    symlink(".polydav/state.db", world.at("db")).unwrap();
    symlink("loop", world.at("loop")).unwrap();
    let kind = |at: &str| {
        let entry = world.store.stat(&path(at), &Select::None).unwrap();
        assert!(entry.link, "{at}");
        entry.kind
    };
    assert_eq!(kind("in"), Kind::Collection);
    assert_eq!(kind("file"), Kind::File);
    for special in ["out", "up", "dangling", "state", "db", "loop"] {
        assert_eq!(kind(special), Kind::Special, "{special}");
        let failure = world.store.read(&path(special)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Forbidden, "{special}");
    }
    assert_eq!(world.read("in/x"), b"in d/x");
    assert_eq!(world.read("file"), b"in d/x");
    for hidden in ["state/state.db", ".polydav", ".PolyDAV/state.db", "in/.polydav"] {
        let failure = world.store.read(&path(hidden)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotFound, "{hidden}");
        assert!(world.store.stat(&path(hidden), &Select::None).is_err(), "{hidden}");
    }
    for beyond in ["out/x", "up/secret"] {
        assert!(world.store.read(&path(beyond)).is_err(), "{beyond}");
    }
    let all = ["d", "d/x", "dangling", "db", "file", "in", "loop", "out", "state", "up"];
    assert_eq!(names(&world), all);
}

/// What is in memory is told at once, and nothing is told at once that takes more than one look.
#[test]
fn who_must_not_wait_is_told_what_is_in_memory() {
    let dir = tempfile::TempDir::new_in("/dev/shm").unwrap();
    let at = |name: &str| dir.path().join(name);
    let store = FolderStore::open(dir.path(), &Options::default()).unwrap();
    fs::create_dir(at("d")).unwrap();
    fs::write(at("d/f"), "content").unwrap();
    for there in ["", "d", "d/f"] {
        let told = store.try_stat(&path(there), &Select::All).unwrap();
        assert_eq!(told.unwrap(), store.stat(&path(there), &Select::All).unwrap(), "{there}");
    }
    let reading = store.try_read(&path("d/f")).unwrap().unwrap();
    let mut content = [0; 8];
    // A file system that can't tell what it has in memory says so.
    if let Some(read) = reading.content.try_read_at(&mut content, 0) {
        assert_eq!(&content[..read.unwrap()], b"content");
    }
    for (at, kind) in
        [(".polydav/state.db", FailureKind::NotFound), ("d", FailureKind::IsCollection)]
    {
        assert_eq!(store.try_read(&path(at)).unwrap().unwrap_err().kind, kind, "{at}");
    }
    symlink("d", at("link")).unwrap();
    symlink("/dev/null", at("out")).unwrap();
    for link in ["link", "link/f", "out", "d/f/under"] {
        assert!(store.try_stat(&path(link), &Select::None).is_none(), "{link}");
        assert!(store.try_read(&path(link)).is_none(), "{link}");
    }
}

#[test]
fn what_is_neither_file_nor_folder_is_special() {
    let world = World::new(false);
    world.tree(&["d/"]);
    world.fifo("d/pipe");
    let entry = world.store.stat(&path("d/pipe"), &Select::None).unwrap();
    assert_eq!((entry.kind, entry.etag), (Kind::Special, None));
    let failure = world.store.read(&path("d/pipe")).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Forbidden);
    let forbidden = |outcome: polydav_store::Outcome| outcome.unwrap_err().kind;
    assert_eq!(forbidden(world.one(put("d/pipe", ""))), FailureKind::Forbidden);
    let step = copy("d/pipe", "p", Overwrite::Replace);
    assert_eq!(forbidden(world.one(step)), FailureKind::Forbidden);
    let failure = world.one(copy("d", "e", Overwrite::Replace)).unwrap_err();
    assert_eq!(kinds(&failure), [("d/pipe".into(), FailureKind::Forbidden)]);
    assert_eq!(names(&world), ["d", "d/pipe", "e"]);
    world.one(mv("d/pipe", "q", Overwrite::Replace)).unwrap();
    world.one(delete("q")).unwrap();
    assert_eq!(names(&world), ["d", "e"]);
}

#[test]
fn trees_are_copied_moved_and_removed() {
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["a/", "a/b/", "a/b/x", "a/y", "t/", "t/old"]);
        symlink("y", world.at("a/l")).unwrap();
        fs::set_permissions(world.at("a/b"), fs::Permissions::from_mode(0o555)).unwrap();
        fs::set_permissions(world.at("a/y"), fs::Permissions::from_mode(0o4600)).unwrap();
        assert!(world.one(copy("a", "c", Overwrite::Refuse)).unwrap().created);
        assert!(!world.one(copy("a", "t", Overwrite::Replace)).unwrap().created);
        for top in ["c", "t"] {
            let mode = |at: &str| {
                fs::symlink_metadata(world.at(&format!("{top}/{at}"))).unwrap().mode() & 0o7777
            };
            assert_eq!((mode("b"), mode("y")), (0o555, 0o600));
            assert_eq!(world.read(&format!("{top}/b/x")), b"in a/b/x");
            assert_eq!(fs::read_link(world.at(&format!("{top}/l"))).unwrap().as_os_str(), "y");
        }
        let modified = |at: &str| fs::metadata(world.at(at)).unwrap().modified().unwrap();
        assert_eq!(modified("a/y"), modified("c/y"));
        assert!(!world.one(mv("c", "t", Overwrite::Replace)).unwrap().created);
        assert!(world.one(mv("t", "u", Overwrite::Refuse)).unwrap().created);
        world.one(delete("a")).unwrap();
        assert_eq!(names(&world), ["u", "u/b", "u/b/x", "u/l", "u/y"]);
        world.one(world::copy_alone("u", "v")).unwrap();
        world.one(delete("u")).unwrap();
        assert_eq!(names(&world), ["v"]);
        world.is_tidy();
    }
}

#[test]
fn collections_of_many_members_are_copied_whole() {
    const FILES: usize = 2_345;
    let world = World::new(false);
    world.tree(&["d/", "d/inner/", "d/inner/x"]);
    let content = |number: usize| format!("content of {number}");
    for number in 0..FILES {
        fs::write(world.at(&format!("d/{number}")), content(number)).unwrap();
    }
    symlink("7", world.at("d/link")).unwrap();
    let pipes = [1_500, 2_344, 3].map(|number| format!("d/{number}"));
    for pipe in &pipes {
        fs::remove_file(world.at(pipe)).unwrap();
        world.fifo(pipe);
    }
    let failure = world.one(copy("d", "e", Overwrite::Refuse)).unwrap_err();
    assert_eq!(kinds(&failure), pipes.clone().map(|pipe| (pipe, FailureKind::Forbidden)));
    for number in 0..FILES {
        let at = format!("e/{number}");
        let is_pipe = pipes.iter().any(|pipe| pipe[1..] == at[1..]);
        assert_eq!(fs::read(world.at(&at)).ok(), (!is_pipe).then(|| content(number).into_bytes()));
    }
    assert_eq!(fs::read_link(world.at("e/link")).unwrap().as_os_str(), "7");
    assert_eq!(world.read("e/inner/x"), b"in d/inner/x");
    world.is_tidy();
}

#[test]
fn anything_replaces_anything() {
    for full in BOTH {
        for rows in BOTH {
            for (from, to) in [("f", "g"), ("f", "e"), ("d", "f"), ("d", "e"), ("l", "e")] {
                for moves in BOTH {
                    let world = World::new(full);
                    world.tree(&["d/", "d/x", "e/", "e/y", "f", "g"]);
                    symlink("g", world.at("l")).unwrap();
                    if rows {
                        for at in ["d", "d/x", "e", "e/y", "f", "g"] {
                            world.one(patch(at, "p", at)).unwrap();
                        }
                    }
                    let step = if moves { mv } else { copy };
                    assert!(!world.one(step(from, to, Overwrite::Replace)).unwrap().created);
                    assert_eq!(world.at(from).symlink_metadata().is_ok(), !moves);
                    let had = if from == "l" || !rows { "" } else { from };
                    assert_eq!(world.property(to, "p"), had, "{from} {to}");
                    if from == "d" {
                        assert_eq!(
                            world.property(&format!("{to}/x"), "p"),
                            if rows { "d/x" } else { "" }
                        );
                        assert!(!world.at(&format!("{to}/y")).exists());
                    }
                    if rows && moves && from != "l" {
                        // What is made anew where something was has nothing of it.
                        world.one(put(from, "")).unwrap();
                        assert_eq!(world.property(from, "p"), "");
                    }
                    world.is_tidy();
                }
            }
        }
    }
}

#[test]
fn properties_follow_their_resource() {
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["a/", "a/b/", "a/b/x"]);
        world.one(patch("a/b/x", "p", "deep")).unwrap();
        world.one(patch("a", "p", "top")).unwrap();
        world.one(patch("", "p", "root")).unwrap();
        world.one(copy("a", "c", Overwrite::Refuse)).unwrap();
        world.one(mv("a", "m", Overwrite::Refuse)).unwrap();
        for top in ["c", "m"] {
            assert_eq!(world.property(top, "p"), "top");
            assert_eq!(world.property(&format!("{top}/b/x"), "p"), "deep");
        }
        world.one(world::copy_alone("m", "alone")).unwrap();
        assert_eq!(world.property("alone", "p"), "top");
        world.one(put("m/b/x", "other")).unwrap();
        assert_eq!(world.property("m/b/x", "p"), "deep");
        world.one(delete("m")).unwrap();
        // Rows of what outsiders removed are void.
        fs::remove_dir_all(world.at("c")).unwrap();
        for step in [mkcol("m"), mkcol("m/b"), put("m/b/x", ""), mkcol("c"), mkcol("c/b")] {
            world.one(step).unwrap();
        }
        world.one(put("c/b/x", "")).unwrap();
        for at in ["m", "m/b/x", "c", "c/b/x"] {
            assert_eq!(world.property(at, "p"), "", "{at}");
        }
        assert_eq!(world.property("", "p"), "root");
        world.is_tidy();
    }
}

/// Others took a resource away; who makes one at its place doesn't inherit from it.
/// Properties were read as they had been when the listing began, and told with what lay there by then.
#[test]
fn a_listing_does_not_give_a_new_file_the_properties_of_the_one_before() {
    let world = World::new(false);
    let all = ["d/a", "d/b", "d/c"];
    world.tree(&["d/", "d/a", "d/b", "d/c"]);
    all.into_iter().for_each(|at| drop(world.one(patch(at, "owner", "alice")).unwrap()));
    let walk = Walk { depth: WalkDepth::One, select: Select::All };
    let (mut is_first, mut wrong) = (true, Vec::new());
    let mut visit = |visit: Visit| {
        let Visit::Entry(entry) = visit else { panic!("all can be told") };
        if std::mem::take(&mut is_first) {
            for at in all.into_iter().filter(|at| path(at) != entry.path) {
                world.one(delete(at)).unwrap();
                world.one(put(at, "of another length")).unwrap();
            }
        } else if entry.length == 17 && !entry.properties.is_empty() {
            wrong.push(entry.path);
        }
        ControlFlow::Continue(())
    };
    world.store.walk(&path("d"), &walk, &mut visit).unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Two threads ask about what lies in it.
#[test]
fn of_a_large_folder_each_member_is_told_once_as_what_it_is() {
    let world = World::new(false);
    for folder in ["", "sub/"] {
        fs::create_dir_all(world.at("d/sub")).unwrap();
        for number in 0..1_500 {
            let file = fs::File::create(world.at(&format!("d/{folder}{number}"))).unwrap();
            file.set_len(number).unwrap();
        }
    }
    symlink("7", world.at("d/link")).unwrap();
    world.one(patch("d/1300", "p", "x")).unwrap();
    let (mut told, mut with_properties) = (Vec::new(), Vec::new());
    for visit in world.visits(u64::MAX) {
        let Visit::Entry(entry) = visit else { panic!("{visit:?}") };
        if !entry.properties.is_empty() {
            with_properties.push(entry.path.clone());
        }
        if !entry.is_collection() {
            told.push((entry.path, entry.length));
        }
    }
    let folders = ["d", "d/sub"].into_iter();
    let files = folders.flat_map(|folder| (0..1_500).map(move |number| (folder, number)));
    let files = files.map(|(folder, number)| (path(&format!("{folder}/{number}")), number));
    let mut expected: Vec<_> = files.chain([(path("d/link"), 7)]).collect();
    told.sort();
    expected.sort();
    assert!(told == expected);
    assert_eq!(with_properties, [path("d/1300")]);
}

#[test]
fn what_goes_while_a_large_folder_is_listed_is_no_failure() {
    let world = World::new(false);
    fs::create_dir(world.at("d")).unwrap();
    for number in 0..2_000 {
        fs::File::create(world.at(&format!("d/{number}"))).unwrap();
    }
    for enough in [Some(1_200), None] {
        let mut told = 0;
        let mut visit = |visit| {
            assert!(matches!(visit, Visit::Entry(_)), "{visit:?}");
            told += 1;
            if told == 1_100 && enough.is_none() {
                let files = fs::read_dir(world.at("d")).unwrap();
                files.for_each(|file| fs::remove_file(file.unwrap().path()).unwrap());
            }
            if Some(told) == enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let walk = Walk { depth: WalkDepth::One, select: Select::All };
        world.store.walk(&path("d"), &walk, &mut visit).unwrap();
        assert!((1_100..2_000).contains(&told), "{told}");
    }
}

/// A transaction that was open as long as somebody listened had the log grow without end.
#[test]
fn who_listens_slowly_does_not_have_the_log_of_the_database_grow() {
    let world = World::new(false);
    world.tree(&["d/", "d/a", "d/b", "f"]);
    world.one(patch("d/a", "p", "x")).unwrap();
    let log = || fs::metadata(world.at(".polydav/state.db-wal")).map_or(0, |log| log.len());
    let change = || {
        for number in 0..60 {
            let value = format!("{}", number % 10).repeat(500_000 + number);
            world.one(patch("f", "p", &value)).unwrap();
        }
    };
    change();
    let before = log();
    let walk = Walk { depth: WalkDepth::One, select: Select::All };
    let mut is_first = true;
    let mut visit = |_| {
        if std::mem::take(&mut is_first) {
            change();
        }
        ControlFlow::Continue(())
    };
    world.store.walk(&path("d"), &walk, &mut visit).unwrap();
    assert!(log() < 2 * before, "{before} bytes, then {}", log());
}

#[test]
fn properties_of_what_is_gone_do_not_come_back() {
    for full in BOTH {
        let copied = copy("f", "a", Overwrite::Refuse);
        let moved = mv("f", "a", Overwrite::Refuse);
        for step in [put("a", ""), mkcol("a"), copied, moved] {
            let world = World::new(full);
            world.tree(&["a", "f"]);
            world.one(patch("a", "p", "gone")).unwrap();
            fs::remove_file(world.at("a")).unwrap();
            let words = format!("{step:?}");
            world.one(step).unwrap();
            assert_eq!(world.property("a", "p"), "", "{words}");
            world.is_tidy();
        }
    }
}

#[test]
fn a_run_sees_its_own_steps() {
    for full in BOTH {
        let world = World::new(full);
        let outcomes = world.run(vec![
            mkcol("a"),
            put("a/x", "1"),
            patch("a/x", "p", "v"),
            mv("a", "b", Overwrite::Refuse),
            mkcol("a"),
            put("a/x", "2"),
            copy("b/x", "b/y", Overwrite::Refuse),
            delete("b/x"),
            put("b/x", "3"),
            mv("a/x", "b/y", Overwrite::Replace),
        ]);
        for outcome in outcomes {
            outcome.unwrap();
        }
        assert_eq!(names(&world), ["a", "b", "b/x", "b/y"]);
        assert_eq!((&world.read("b/x")[..], &world.read("b/y")[..]), (&b"3"[..], &b"2"[..]));
        assert_eq!(
            (world.property("b/x", "p"), world.property("b/y", "p")),
            ("".into(), "".into())
        );
        world.is_tidy();
    }
}

#[test]
fn one_inode_with_two_names_is_moved() {
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["a"]);
        fs::hard_link(world.at("a"), world.at("b")).unwrap();
        world.one(patch("a", "p", "v")).unwrap();
        world.one(mv("a", "b", Overwrite::Replace)).unwrap();
        assert_eq!(names(&world), ["b"]);
        assert_eq!(world.property("b", "p"), "v");
    }
}

/// Every request is short enough; the tree that they come to has paths of 25,000 bytes.
#[test]
fn trees_deeper_than_any_path_are_copied_and_removed() {
    let world = World::new(false);
    let name = "n".repeat(255);
    let chain = |top: &str| {
        let below = std::iter::repeat_n(name.as_str(), 13);
        let names: Vec<_> = std::iter::once(top).chain(below).collect();
        (1..=names.len()).for_each(|n| drop(world.one(mkcol(&names[..n].join("/"))).unwrap()));
        names.join("/")
    };
    chain("top");
    for _ in 0..7 {
        let bottom = chain("next");
        world.one(mv("top", &format!("{bottom}/under"), Overwrite::Refuse)).unwrap();
        world.one(mv("next", "top", Overwrite::Refuse)).unwrap();
    }
    world.one(copy("top", "copy", Overwrite::Refuse)).unwrap();
    assert_eq!(world.visits(u64::MAX).len(), 2 * 8 * 14);
    world.one(delete("top")).unwrap();
    world.one(delete("copy")).unwrap();
    assert_eq!(names(&world), [""; 0]);
    world.is_tidy();
}

#[test]
fn names_are_bytes() {
    let world = World::new(false);
    let odd = polydav_store::ResourcePath::parse(b"\xff\xfe %&<\"\n").unwrap();
    world.one(world::put_at(odd.clone(), "odd")).unwrap();
    world.one(mkcol("caf\u{e9}")).unwrap();
    world.one(mkcol("cafe\u{301}")).unwrap();
    assert!(world.at("").join(std::ffi::OsStr::from_bytes(odd.as_bytes())).exists());
    assert!(names(&world).contains(&"caf\u{e9}".to_owned()));
    assert_eq!(world.visits(u64::MAX).len(), 3);
}

#[test]
fn a_spent_budget_cuts_collections() {
    let world = World::new(false);
    world.tree(&["a/", "a/x", "b/", "b/x", "c/", "c/x"]);
    assert_eq!(world.visits(u64::MAX).len(), 6);
    let visits = world.visits(3);
    let cut = visits.iter().filter(|visit| matches!(visit, polydav_store::Visit::Cut(_))).count();
    assert_eq!(cut, 1);
    let visits = world.visits(0);
    assert!(visits.iter().all(|visit| matches!(visit, polydav_store::Visit::Cut(_))));
    assert_eq!(visits.len(), 3);
}

#[test]
fn hidden_things_are_left_alone() {
    let world = World::new(false);
    world.tree(&["a/", "a/.Polydav/", "a/.Polydav/x", "a/y"]);
    assert_eq!(names(&world), ["a", "a/y"]);
    world.one(copy("a", "b", Overwrite::Refuse)).unwrap();
    let failure = world.one(delete("a")).unwrap_err();
    assert_eq!(kinds(&failure), [("a".into(), FailureKind::Forbidden)]);
    assert!(world.at("a/.Polydav/x").exists());
    assert!(!world.at("b/.Polydav").exists());
    assert_eq!(names(&world), ["a", "b", "b/y"]);
    for step in [copy("b", "a", Overwrite::Replace), mv("b/y", "a", Overwrite::Replace)] {
        let failure = world.one(step).unwrap_err();
        assert_eq!(kinds(&failure), [("a".into(), FailureKind::Forbidden)]);
    }
    assert!(world.at("a/.Polydav/x").exists());
}

#[test]
fn members_that_were_removed_leave_no_properties_though_others_stay() {
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["a/", "a/.Polydav/", "a/y", "a/z/"]);
        for at in ["a", "a/y", "a/z"] {
            world.one(patch(at, "p", at)).unwrap();
        }
        world.one(delete("a")).unwrap_err();
        world.tree(&["a/y", "a/z/"]);
        for (at, property) in [("a", "a"), ("a/y", ""), ("a/z", "")] {
            assert_eq!(world.property(at, "p"), property, "{at}");
        }
    }
}

#[test]
fn no_condition_tells_of_what_is_hidden() {
    let world = World::new(false);
    world.tree(&["a", "d/", "d/.polydav/"]);
    fs::hard_link(world.at("a"), world.at("d/.polydav/x")).unwrap();
    let etag = world.store.stat(&path("a"), &Select::None).unwrap().etag.unwrap();
    let step = |at| kit::put("new", "").when_at(at, [Condition::ETag(etag.as_str().to_owned())]);
    let told = kit::tell(&world.store, [step("d/.polydav/x"), step("a")]);
    assert_eq!(told, ["Precondition /new", "created"]);
}

#[test]
fn a_condition_on_what_can_not_be_looked_at_is_not_judged() {
    let world = World::new(false);
    let other = Condition::Not(Box::new(Condition::ETag("x".to_owned())));
    let step = |at: &str| kit::put("new", "").when_at(at, [other.clone()]);
    let long = "n".repeat(256);
    let told = kit::tell(&world.store, [step(&long), step("none")]);
    assert_eq!(told, [&format!("NameTooLong /{long}"), "created"]);
}

#[test]
fn a_run_stops_where_it_is_told_to() {
    for full in BOTH {
        let world = World::new(full);
        let outcomes =
            world.run_stopping(vec![put("a", ""), mkcol("a"), put("b", ""), mkcol("x/y")]);
        let kinds: Vec<_> = outcomes.iter().map(|o| o.as_ref().err().map(|f| f.kind)).collect();
        let dependency = Some(FailureKind::Dependency);
        assert_eq!(kinds, [None, Some(FailureKind::Exists), dependency, dependency]);
        assert_eq!(names(&world), ["a"]);
        world.is_tidy();
    }
}

#[test]
fn a_step_that_can_not_be_prepared_keeps_others_from_nothing() {
    for full in BOTH {
        let world = World::new(full);
        let steps = || vec![put("a", ""), copy("none", "c", Overwrite::Refuse), put("b", "")];
        let kinds = |outcomes: Vec<Outcome>| {
            outcomes.into_iter().map(|o| o.err().map(|f| f.kind)).collect::<Vec<_>>()
        };
        let missing = Some(FailureKind::NotFound);
        assert_eq!(kinds(world.run(steps())), [None, missing, None]);
        let dependency = Some(FailureKind::Dependency);
        assert_eq!(kinds(world.run_stopping(steps())), [None, missing, dependency]);
    }
}

/// Where a success need not outlive a loss of power, nothing is gained by waiting for others.
#[test]
fn a_relaxed_step_is_told_before_the_next_is_done() {
    let world = World::new(false);
    let told = world.told_while(vec![put("a", ""), mkcol("b"), put("c", "")]);
    assert_eq!(told, [vec!["a"], vec!["a", "b"], vec!["a", "b", "c"]]);
}

#[test]
fn many_steps_go_through_together() {
    for full in BOTH {
        let world = World::new(full);
        let steps: Vec<_> = (0..100)
            .flat_map(|n| [mkcol(&format!("d{n}")), put(&format!("d{n}/f"), "x")])
            .collect();
        assert!(world.run(steps).iter().all(Result::is_ok));
        let steps = (0..100).map(|n| copy(&format!("d{n}"), &format!("e{n}"), Overwrite::Refuse));
        assert!(world.run(steps.collect()).iter().all(Result::is_ok));
        let steps = (0..100).map(|n| patch(&format!("e{n}/f"), "p", &format!("{n}")));
        assert!(world.run(steps.collect()).iter().all(Result::is_ok));
        let steps = (0..100).map(|n| mv(&format!("e{n}"), &format!("d{n}"), Overwrite::Replace));
        assert!(world.run(steps.collect()).iter().all(Result::is_ok));
        assert_eq!(world.property("d99/f", "p"), "99");
        let steps = (0..100).map(|n| delete(&format!("d{n}")));
        assert!(world.run(steps.collect()).iter().all(Result::is_ok));
        assert_eq!(names(&world), [""; 0]);
        world.is_tidy();
    }
}

/// What paths don't tell: a link leads to what another path names, a file has two names, and the time
/// of a collection is that of its members. Steps that look at those see what the ones before did.
#[test]
fn conditions_see_what_earlier_steps_did_by_other_paths() {
    for full in BOTH {
        let world = World::new(full);
        world.tree(&["t", "h1", "d/", "d/x", "p"]);
        symlink("t", world.at("l")).unwrap();
        fs::hard_link(world.at("h1"), world.at("h2")).unwrap();
        world.one(patch("p", "p", "v")).unwrap();
        let tag = |at| world.store.stat(&path(at), &Select::None).unwrap().etag.unwrap();
        let (l, h2) = (tag("l"), tag("h2"));
        fs::File::open(world.at("d")).unwrap().set_modified(UNIX_EPOCH).unwrap();
        let of_link = [Condition::ETag(l.to_string().trim_matches('"').to_owned())];
        let drafts = [
            kit::remove("d/x"),
            kit::patch("d", [kit::set("p", "v")]).if_unmodified_since(UNIX_EPOCH),
            kit::remove("t"),
            kit::mkcol("new").when_at("l", of_link),
            kit::remove("h1"),
            kit::remove("h2").if_match(h2.to_string().trim_matches('"')),
            kit::put("o", "x").if_none_match("*"),
        ];
        let steps = drafts.into_iter().enumerate().map(|(index, draft)| draft.step(index));
        let run = Run { steps: steps.collect(), ..world.draw_up(Vec::new(), OnFailure::Continue) };
        let refused = Some(FailureKind::Precondition);
        let outcomes = kit::apply(&*world.store, &NoLocks, run);
        let told: Vec<_> =
            outcomes.iter().map(|told| told.as_ref().err().map(|f| f.kind)).collect();
        assert_eq!(told, [None, refused, None, refused, None, refused, None]);
    }
}

/// Clients could read the tokens of each other's locks there, and remove the database.
#[test]
fn the_state_may_not_lie_where_clients_reach_it() {
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::create_dir(root.join("there")).unwrap();
    symlink(root.join("there"), outside.path().join("link")).unwrap();
    let open = |state: &std::path::Path, read_only: bool| {
        let options = Options { read_only, state: Some(state.to_owned()) };
        FolderStore::open(&root, &options).map(drop).map_err(|error| error.to_string())
    };
    for state in [
        root.clone(),
        root.join("there"),
        root.join("new"),
        root.join("new/deeper"),
        outside.path().join("link"),
        outside.path().join("link/new"),
        root.join("../root/there"),
    ] {
        for read_only in BOTH {
            let error = open(&state, read_only).unwrap_err();
            assert!(error.contains("lies in the folder that is served"), "{state:?}: {error}");
        }
    }
    assert!(!root.join("new").exists());
    for state in [root.join(".polydav"), outside.path().join("rooted"), outside.path().into()] {
        assert_eq!(open(&state, false), Ok(()), "{state:?}");
    }
}
