//! What lies where after a crash, and what recovery makes of it.
//!
//! Each test lays things down as a crash, and others after it, may have left them. Whatever the
//! file system can do, and wherever recovery itself is interrupted, all ends the same.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use polydav_store::{Property, PropertyChange, PropertyName, ResourcePath, RunId, Select};
use rustix::fs::CWD;
use tempfile::TempDir;

use super::*;
use crate::intent::Identity;
use crate::resolve::stat_at;
use crate::writer::Abilities;

/// The run that was under way.
const RUN: RunId = RunId(0xab);

/// Where the first thing of that run that can't go back is to be found.
const FOUND: &str = ".polydav/lost/000000000000000000000000000000ab-0";

/// A folder that wasn't closed in peace. Every resource has a property that tells where it was.
struct Left {
    dir: TempDir,
    state: State,
}

fn path(joined: &str) -> ResourcePath {
    ResourcePath::parse(joined).unwrap()
}

impl Left {
    /// Makes collections, if they end in a slash, and files.
    fn with(paths: &[&str]) -> Self {
        let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
        fs::create_dir_all(dir.path().join(".polydav/stage")).unwrap();
        let state = State::open_in(&dir.path().join(".polydav")).unwrap();
        let left = Self { dir, state };
        for at in paths {
            left.make(at);
            let at = at.trim_end_matches('/');
            let name = PropertyName::new("", "was");
            let property = Property { name, value: at.as_bytes().to_vec().into() };
            let patch = RowChange::Patch(path(at), vec![PropertyChange::Set(property)]);
            left.state.change(Durability::Full, |rows| rows.apply(&patch)).unwrap();
        }
        left
    }

    fn at(&self, joined: &str) -> PathBuf {
        self.dir.path().join(joined)
    }

    fn make(&self, at: &str) {
        match at.strip_suffix('/') {
            Some(dir) => fs::create_dir(self.at(dir)).unwrap(),
            None => fs::write(self.at(at), at).unwrap(),
        }
    }

    fn rename(&self, source: &str, target: &str) {
        fs::rename(self.at(source), self.at(target)).unwrap();
    }

    fn exchange(&self, one: &str, other: &str) {
        sys::rename(
            (CWD, self.at(one).to_str().unwrap().as_bytes()),
            (CWD, self.at(other).to_str().unwrap().as_bytes()),
            RenameFlags::EXCHANGE,
        )
        .unwrap();
    }

    fn identity(&self, at: &str) -> Option<Identity> {
        stat_at(CWD, self.at(at)).ok().map(|stat| Identity::of(&stat))
    }

    /// Writes a step down, before anything of it is done. What comes to the target is known by
    /// where it lies; what is displaced may go to `.polydav/stage/aside`.
    fn intend(&self, seq: i64, kind: IntentKind, (source, target): (&str, &str), comes: &str) {
        let intent = Intent {
            seq,
            run: RUN,
            kind,
            source: path(source),
            target: path(target),
            source_id: self.identity(comes).unwrap(),
            target_id: self.identity(target),
            aside: b"aside".to_vec(),
        };
        self.state.change(Durability::Full, |rows| rows.intend(&intent)).unwrap();
    }

    /// Writes a step of a run down that is done whole or not at all.
    fn intend_undoable(&self, seq: i64, kind: IntentKind, (source, target): (&str, &str)) {
        let comes = match kind {
            IntentKind::Publish => format!(".polydav/stage/aside{seq}"),
            _ => source.to_owned(),
        };
        let intent = Intent {
            seq,
            run: RUN,
            kind,
            source: path(source),
            target: path(target),
            source_id: self.identity(&comes).unwrap_or(Identity::UNKNOWN),
            target_id: self.identity(target),
            aside: format!("aside{seq}").into_bytes(),
        };
        self.state.change(Durability::Full, |rows| rows.intend(&intent)).unwrap();
    }

    fn intend_move(&self, source: &str, target: &str) {
        self.intend(0, IntentKind::Move, (source, target), source);
    }

    /// A folder `s` was to be moved onto another, `t`, which was put aside to make way.
    fn parked(others: &[&str]) -> Self {
        let left = Self::with(&[others, &["s/", "s/new", "in/", "in/t/", "in/t/old"]].concat());
        left.intend_move("s", "in/t");
        left.rename("in/t", ".polydav/stage/aside");
        left
    }

    /// A folder `s` was moved onto another, `t`, which isn't put aside yet.
    fn exchanged() -> Self {
        let left = Self::with(&["s/", "s/new", "t/", "t/old"]);
        left.intend_move("s", "t");
        left.exchange("s", "t");
        left
    }

    fn recover(&self, abilities: Option<Abilities>) -> Result<(), RecoveryError> {
        let root = Root::open(self.dir.path()).unwrap();
        let mut writer = Writer::open(&root)?;
        writer.abilities = abilities.unwrap_or(writer.abilities);
        recover(&root, &writer, &self.state)
    }

    /// All that is there: of a file its content, and of everything where its properties were.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.list("", &mut lines);
        lines.sort();
        lines
    }

    fn list(&self, dir: &str, lines: &mut Vec<String>) {
        for entry in fs::read_dir(self.at(dir)).unwrap() {
            let at = Path::new(dir).join(entry.unwrap().file_name());
            let at = at.to_str().unwrap();
            let content = fs::read_to_string(self.at(at)).unwrap_or_default();
            let was = self.was(at);
            match at {
                ".polydav" | ".polydav/stage" => {}
                ".polydav/reserve" => continue,
                _ if at.starts_with(".polydav/state.db") => continue,
                _ => {
                    let mut line = vec![at, &content, &was];
                    line.retain(|part| !part.is_empty());
                    lines.push(line.join(" "));
                }
            }
            if fs::symlink_metadata(self.at(at)).unwrap().is_dir() {
                self.list(at, lines);
            }
        }
    }

    /// Where the resource was to which the properties of this one were given.
    fn was(&self, at: &str) -> String {
        let properties = self.state.read(|rows| match rows.node(&path(at))? {
            Some(node) => rows.properties(node, &Select::All),
            None => Ok(Vec::new()),
        });
        let value = |property: &Property| format!("({})", property.value.escape_ascii());
        properties.unwrap().iter().map(value).collect()
    }
}

/// Recovers, and lets the `nth` call that changes something fail. Whether it came to that.
#[cfg(feature = "crash-test")]
fn interrupt(left: &Left, abilities: Option<Abilities>, nth: u64) -> bool {
    sys::fault::fail_nth(nth, Errno::IO);
    let _ = left.recover(abilities);
    sys::fault::fail_nth(0, Errno::IO) == 0
}

/// Without the fault hook, nothing can be interrupted.
#[cfg(not(feature = "crash-test"))]
fn interrupt(_: &Left, _: Option<Abilities>, _: u64) -> bool {
    false
}

/// Recovery makes `expected` of what was left, whatever the file system can do. Interrupted at any
/// of its calls and run again, it makes the same of it.
fn ends(left: impl Fn() -> Left, expected: &[&str]) {
    let check = |left: &Left, abilities, context: &str| {
        left.recover(abilities).unwrap();
        assert_eq!(left.lines(), expected, "{context}");
        assert!(left.state.intents().unwrap().is_empty(), "{context}");
    };
    for abilities in [None, Some(Abilities::POOR)] {
        let whole = left();
        check(&whole, abilities, "not interrupted");
        check(&whole, abilities, "once more");
        for nth in 1.. {
            let left = left();
            let is_interrupted = interrupt(&left, abilities, nth);
            check(&left, abilities, &format!("{abilities:?}, interrupted at {nth}"));
            if !is_interrupted {
                break;
            }
        }
    }
}

#[test]
fn a_move_that_was_not_begun_is_forgotten() {
    let left = || {
        let left = Left::with(&["s/", "s/new", "t/", "t/old"]);
        left.intend_move("s", "t");
        left.make(".polydav/stage/other");
        left
    };
    ends(left, &["s (s)", "s/new s/new (s/new)", "t (t)", "t/old t/old (t/old)"]);
}

#[test]
fn a_move_to_where_nothing_was_is_forgotten_or_finished() {
    let left = || {
        let left = Left::with(&["s"]);
        left.intend_move("s", "t");
        left
    };
    ends(left, &["s s (s)"]);
    let moved = || {
        let left = left();
        left.rename("s", "t");
        left
    };
    ends(moved, &["t s (s)"]);
}

#[test]
fn a_move_that_was_done_is_finished() {
    let left = || {
        let left = Left::exchanged();
        left.rename("s", ".polydav/stage/aside");
        left
    };
    ends(left, &["t (s)", "t/new s/new (s/new)"]);
}

#[test]
fn what_was_exchanged_leaves_its_place() {
    ends(Left::exchanged, &["t (s)", "t/new s/new (s/new)"]);
}

/// A file that has both names: renaming one to the other does nothing, and didn't happen yet.
#[test]
fn a_move_between_two_names_of_a_file_is_not_taken_for_done() {
    let left = || {
        let left = Left::with(&["s", "t"]);
        fs::remove_file(left.at("t")).unwrap();
        fs::hard_link(left.at("s"), left.at("t")).unwrap();
        left.intend_move("s", "t");
        left
    };
    ends(left, &["s s (s)", "t s (t)"]);
}

#[test]
fn what_others_put_where_a_moved_thing_was_stays() {
    let left = || {
        let left = Left::exchanged();
        left.rename("s", ".polydav/stage/aside");
        left.make("s");
        left
    };
    ends(left, &["s s", "t (s)", "t/new s/new (s/new)"]);
}

#[test]
fn what_was_displaced_goes_back_if_nothing_came_to_its_place() {
    let back =
        ["in (in)", "in/t (in/t)", "in/t/old in/t/old (in/t/old)", "s (s)", "s/new s/new (s/new)"];
    ends(|| Left::parked(&[]), &back);
}

#[test]
fn what_was_displaced_goes_back_if_what_came_was_taken_away() {
    let left = || {
        let left = Left::exchanged();
        fs::remove_dir_all(left.at("t")).unwrap();
        left
    };
    ends(left, &["t (t)", "t/old t/old (t/old)"]);
}

/// A collection was to be moved to where nothing was, and met what others put there meanwhile.
#[test]
fn what_was_displaced_goes_back_if_it_came_after_the_step_was_written_down() {
    let left = || {
        let left = Left::with(&["s/", "s/new"]);
        left.intend_move("s", "t");
        left.make(".polydav/stage/aside/");
        left.make(".polydav/stage/aside/old");
        left
    };
    ends(left, &["s (s)", "s/new s/new (s/new)", "t", "t/old .polydav/stage/aside/old"]);
}

/// Some file systems number their files anew with each mount.
#[test]
fn what_was_displaced_is_not_lost_though_nothing_is_known_again() {
    let renumbered = |is_done: bool| {
        let left = Left::with(&["s/", "s/new", "t/", "t/old", "other/"]);
        left.intend(0, IntentKind::Move, ("s", "t"), "other");
        left.rename("t", "before");
        left.make(".polydav/stage/aside/");
        left.rename("before/old", ".polydav/stage/aside/old");
        fs::remove_dir(left.at("before")).unwrap();
        if is_done {
            left.rename("s", "t");
        }
        left
    };
    let back = ["other (other)", "s (s)", "s/new s/new (s/new)", "t (t)", "t/old t/old (t/old)"];
    ends(|| renumbered(false), &back);
    let old = format!("{FOUND}/old t/old");
    let kept = [".polydav/lost", FOUND, &old, "other (other)", "t (t)", "t/new s/new"];
    ends(|| renumbered(true), &kept);
}

#[test]
fn what_was_displaced_is_to_be_found_if_others_took_its_place() {
    let left = || {
        let left = Left::parked(&[]);
        left.make("in/t");
        left
    };
    let (lost, old) = (FOUND, format!("{FOUND}/old in/t/old"));
    let kept = [".polydav/lost", lost, &old, "in (in)", "in/t in/t (in/t)", "s (s)"];
    ends(left, &[&kept[..], &["s/new s/new (s/new)"]].concat());
}

#[test]
fn what_was_displaced_is_to_be_found_if_its_place_is_gone() {
    let (lost, old) = (FOUND, format!("{FOUND}/old in/t/old"));
    let kept = [".polydav/lost", lost, &old];
    let gone = || {
        let left = Left::parked(&[]);
        fs::remove_dir(left.at("in")).unwrap();
        left
    };
    ends(gone, &[&kept[..], &["s (s)", "s/new s/new (s/new)"]].concat());
    let file = || {
        let left = gone();
        left.make("in");
        left
    };
    ends(file, &[&kept[..], &["in in (in)", "s (s)", "s/new s/new (s/new)"]].concat());
    // A change meets no link, even to where the target would be.
    let link = || {
        let left = Left::parked(&["other/"]);
        fs::remove_dir(left.at("in")).unwrap();
        symlink("other", left.at("in")).unwrap();
        left
    };
    let rest = ["in (in)", "other (other)", "s (s)", "s/new s/new (s/new)"];
    ends(link, &[&kept[..], &rest].concat());
}

#[test]
fn what_is_displaced_under_a_second_name_alone_is_not_lost() {
    let left = || {
        let left = Left::with(&["s/", "t"]);
        left.intend_move("s", "t");
        fs::hard_link(left.at("t"), left.at(".polydav/stage/aside")).unwrap();
        left
    };
    ends(left, &["s (s)", "t t (t)"]);
}

/// A folder was to be copied over another; the copy lies in the staging folder.
fn copied(kind: IntentKind) -> Left {
    let left = Left::with(&["s/", "s/new", "t/", "t/old"]);
    left.make(".polydav/stage/copy/");
    fs::write(left.at(".polydav/stage/copy/new"), "copied").unwrap();
    left.intend(0, kind, ("s", "t"), ".polydav/stage/copy");
    left
}

#[test]
fn a_copy_that_was_not_published_is_forgotten() {
    let rest = ["s (s)", "s/new s/new (s/new)", "t (t)", "t/old t/old (t/old)"];
    ends(|| copied(IntentKind::CopyTree), &rest);
    let parked = || {
        let left = copied(IntentKind::CopyTree);
        left.rename("t", ".polydav/stage/aside");
        left
    };
    ends(parked, &rest);
}

/// Where names can be exchanged, a copy lies under the name that what is displaced gets.
#[test]
fn a_copy_that_was_not_published_is_not_taken_for_what_was_displaced() {
    let left = || {
        let left = Left::with(&["s/", "s/new", "t/"]);
        left.make(".polydav/stage/aside/");
        left.intend(0, IntentKind::CopyTree, ("s", "t"), ".polydav/stage/aside");
        left
    };
    let source = ["s (s)", "s/new s/new (s/new)"];
    ends(left, &[&source[..], &["t (t)"]].concat());
    let vacated = || {
        let left = left();
        fs::remove_dir(left.at("t")).unwrap();
        left
    };
    ends(vacated, &source);
}

#[test]
fn a_copy_that_was_published_has_the_properties_of_its_source() {
    let published = |kind| {
        let left = copied(kind);
        left.rename("t", ".polydav/stage/aside");
        left.rename(".polydav/stage/copy", "t");
        left
    };
    let source = ["s (s)", "s/new s/new (s/new)", "t (s)"];
    let tree = || published(IntentKind::CopyTree);
    ends(tree, &[&source[..], &["t/new copied (s/new)"]].concat());
    let alone = || published(IntentKind::CopyAlone);
    ends(alone, &[&source[..], &["t/new copied"]].concat());
}

#[test]
fn each_step_is_finished_or_forgotten_by_itself() {
    let left = || {
        let left = Left::with(&["a", "b", "c"]);
        for (seq, (source, target)) in [("a", "x"), ("b", "y"), ("c", "z")].into_iter().enumerate()
        {
            left.intend(seq as i64, IntentKind::Move, (source, target), source);
        }
        left.rename("a", "x");
        left.rename("c", "z");
        left
    };
    ends(left, &["b b (b)", "x a (a)", "z c (c)"]);
}

/// A run that is done whole or not at all: what it does, and what is there if it is left at that
/// point.
struct Undoing {
    left: Left,
    seq: i64,
}

impl Undoing {
    fn with(paths: &[&str]) -> Self {
        Self { left: Left::with(paths), seq: 0 }
    }

    fn intend(&mut self, kind: IntentKind, way: (&str, &str)) -> String {
        self.left.intend_undoable(self.seq, kind, way);
        self.seq += 1;
        format!(".polydav/stage/aside{}", self.seq - 1)
    }

    fn park(&mut self, at: &str) {
        let aside = self.intend(IntentKind::Park, (at, at));
        self.left.rename(at, &aside);
    }

    fn make(&mut self, at: &str) {
        self.intend(IntentKind::MakeCollection, (at, at));
        fs::create_dir(self.left.at(at)).unwrap();
    }

    fn publish(&mut self, at: &str) {
        let staged = format!(".polydav/stage/aside{}", self.seq);
        self.left.make(&staged);
        self.intend(IntentKind::Publish, (at, at));
        if self.left.at(at).exists() {
            self.left.exchange(&staged, at);
        } else {
            self.left.rename(&staged, at);
        }
    }

    fn relocate(&mut self, source: &str, target: &str) {
        let aside = self.intend(IntentKind::Relocate, (source, target));
        if self.left.at(target).exists() {
            self.left.exchange(source, target);
            self.left.rename(source, &aside);
        } else {
            self.left.rename(source, target);
        }
    }
}

/// What is left after these acts of a run.
fn undoing(paths: &'static [&str], acts: impl Fn(&mut Undoing)) -> impl Fn() -> Left {
    move || {
        let mut undoing = Undoing::with(paths);
        acts(&mut undoing);
        undoing.left
    }
}

#[test]
fn all_steps_of_a_whole_run_are_undone() {
    let left = undoing(&["a", "b/", "b/c", "d/", "e"], |run| {
        run.park("a");
        run.make("a");
        run.publish("a/x");
        run.relocate("b", "a/b");
        run.relocate("d", "b");
        run.publish("e");
        run.relocate("a/b", "e");
        run.park("e");
        run.make("e");
    });
    ends(left, &["a a (a)", "b (b)", "b/c b/c (b/c)", "d (d)", "e e (e)"]);
}

#[test]
fn what_of_a_whole_run_was_written_down_and_not_done_stays_undone() {
    let left = undoing(&["a", "b", "d/"], |run| {
        run.intend(IntentKind::Park, ("a", "a"));
        run.intend(IntentKind::MakeCollection, ("n", "n"));
        run.left.make(".polydav/stage/aside2");
        run.intend(IntentKind::Publish, ("b", "b"));
        run.intend(IntentKind::Relocate, ("b", "a"));
        run.intend(IntentKind::Relocate, ("d", "e"));
    });
    ends(left, &["a a (a)", "b b (b)", "d (d)"]);
}

#[test]
fn a_move_of_a_whole_run_that_was_half_done_is_undone() {
    let left = undoing(&["a", "d/"], |run| {
        run.intend(IntentKind::Relocate, ("a", "d"));
        run.left.exchange("a", "d");
    });
    ends(left, &["a a (a)", "d (d)"]);
}

/// An empty folder was removed and made again: undone twice, it isn't taken for the one made.
#[test]
fn a_folder_that_came_back_is_not_undone_again() {
    let left = undoing(&["d/"], |run| {
        run.park("d");
        run.make("d");
        run.park("d");
        run.make("d");
    });
    ends(left, &["d (d)"]);
}

#[test]
fn what_others_put_where_a_whole_run_made_room_stays() {
    let left = undoing(&["a", "b", "d/", "d/x"], |run| {
        run.park("a");
        run.left.make("a");
        run.relocate("b", "c");
        run.left.make("b");
        run.relocate("d", "e");
        run.make("d");
        run.left.make("d/y");
    });
    let kept = [".polydav/lost", ".polydav/lost/000000000000000000000000000000ab-0 a"];
    let there = ["a a (a)", "b b (b)", "c b", "d (d)", "d/y d/y", "e", "e/x d/x"];
    ends(left, &[&kept[..], &there].concat());
}

#[test]
fn what_others_took_away_from_a_whole_run_is_not_missed() {
    let left = undoing(&["a", "b", "d/", "d/x", "f"], |run| {
        run.publish("n");
        fs::remove_file(run.left.at("n")).unwrap();
        run.relocate("a", "b");
        fs::remove_file(run.left.at("b")).unwrap();
        run.make("m");
        fs::remove_dir(run.left.at("m")).unwrap();
        run.relocate("f", "d/f");
        fs::remove_dir_all(run.left.at("d")).unwrap();
    });
    ends(left, &["b b (b)"]);
}

#[test]
fn what_can_not_go_back_in_a_whole_run_is_to_be_found() {
    let left = undoing(&["d/", "d/x", "d/z/", "y"], |run| {
        run.relocate("d/x", "y");
        run.relocate("d/z", "z");
        fs::remove_dir(run.left.at("d")).unwrap();
    });
    let (lost, found) = (".polydav/lost", format!("{FOUND} y"));
    ends(left, &[lost, &found, "y d/x (y)", "z"]);
}

/// Steps that are finished and steps that are undone may have been under way at once.
#[test]
fn what_each_run_had_begun_ends_as_it_must() {
    let left = undoing(&["a", "b"], |run| {
        run.relocate("a", "x");
        run.left.intend(9, IntentKind::Move, ("b", "y"), "b");
        run.left.rename("b", "y");
    });
    ends(left, &["a a (a)", "y b (b)"]);
}

/// What is there must be on disk before nothing tells any more that it had to be looked after.
#[cfg(feature = "crash-test")]
#[test]
fn the_files_are_synced_and_then_what_was_written_down_is_forgotten() {
    let calls = |left: &Left| {
        sys::fault::fail_nth(u64::MAX, Errno::IO);
        left.recover(None).unwrap();
        u64::MAX - sys::fault::fail_nth(0, Errno::IO)
    };
    let left = Left::with(&["s", "t"]);
    let nothing_begun = calls(&left);
    left.intend_move("s", "t");
    assert_eq!(calls(&left), nothing_begun + 2);

    left.intend_move("s", "t");
    sys::fault::fail_nth(nothing_begun + 1, Errno::IO);
    assert!(matches!(left.recover(None), Err(RecoveryError::System(Errno::IO))));
    assert_eq!(left.state.intents().unwrap().len(), 1);
}

/// Whoever starts the server must know where to look.
#[cfg(feature = "crash-test")]
#[test]
fn what_can_not_be_undone_now_is_told_by_its_path_and_stays_written_down() {
    let refused = |nth| {
        let left = Left::with(&["in/", "in/a"]);
        left.intend_undoable(1, IntentKind::Park, ("in/a", "in/a"));
        left.rename("in/a", ".polydav/stage/aside1");
        sys::fault::fail_nth(nth, Errno::ACCESS);
        match left.recover(None) {
            Err(error @ RecoveryError::Step { source: Errno::ACCESS, .. }) => Some((left, error)),
            _ => None,
        }
    };
    // What is found out about the file system comes before.
    let (left, error) = (1..50).find_map(refused).unwrap();
    sys::fault::fail_nth(0, Errno::IO);
    assert!(error.to_string().starts_with("/in/a can't be put in order"), "{error}");
    left.recover(None).unwrap();
    assert_eq!(left.lines(), ["in (in)", "in/a in/a (in/a)"]);
}
