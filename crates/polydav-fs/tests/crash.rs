//! Killed before and after each system call that changes something, and again in recovery.
//!
//! The driver runs this very binary as a child, which applies a script of runs and notes what was
//! reported to it. For each call the child makes, one child is killed before it and one after it.
//! Then the folder is opened again, and must show what was reported, and of what wasn't, each step
//! wholly or not at all.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use polydav_fs::{FolderStore, Options};
use polydav_store::kit::{
    self, Draft, Snapshot, copy, copy_alone, given, mkcol, patch, put, remove, rename, set,
};
use polydav_store::{
    Cancel, Commit, Durability, Failure, Fate, Ledger, LockToken, MemoryStore, NoLocks, OnFailure,
    Outcome, Receipt, Report, ResourcePath, Run, RunId,
};
use tempfile::TempDir;

/// What is there before the script.
fn furniture() -> Vec<Draft> {
    let dirs = ["t", "t/d", "u", "p", "q", "e"];
    let files = ["f", "g", "h", "x", "t/a", "t/d/b", "u/old", "p/1", "q/2", "e/1", "e/2", "s"];
    let props = ["", "t", "t/d/b", "u", "u/old", "f", "g", "h", "e/1"];
    let dirs = dirs.into_iter().map(mkcol);
    let files = files.into_iter().map(|at| put(at, format!("content of {at}")));
    let props = props.into_iter().map(|at| patch(at, [set("p", format!("of {at}"))]));
    dirs.chain(files).chain(props).collect()
}

/// A folder with so many files that two threads copy them.
fn many() -> Vec<Draft> {
    let files = (0..16).map(|number| put(format!("many/{number}"), "content"));
    std::iter::once(mkcol("many")).chain(files).collect()
}

/// Runs to be applied, one after the other.
struct Script {
    /// What is there before.
    furniture: Vec<Draft>,
    on_failure: OnFailure,
    /// Whether receipts are kept of the runs.
    keeps_receipts: bool,
    runs: Vec<Vec<Draft>>,
}

impl Script {
    fn named(name: &str) -> Self {
        let furniture = if name == "many" { many() } else { furniture() };
        let (on_failure, runs) = match name {
            "whole" => (OnFailure::UndoAll, runs_of_all()),
            "many" => (OnFailure::Continue, vec![vec![copy("many", "c")]]),
            _ => (OnFailure::Continue, runs_of_each()),
        };
        Self { furniture, on_failure, keeps_receipts: name == "receipts", runs }
    }

    /// Whether a run is done whole or not at all.
    fn is_whole(&self) -> bool {
        self.on_failure == OnFailure::UndoAll
    }
}

/// Runs of which each step may be done by itself, of every kind of step.
fn runs_of_each() -> Vec<Vec<Draft>> {
    vec![
        vec![put("new", "1")],
        vec![put("f", "2")],
        vec![mkcol("m")],
        vec![copy("t", "c")],
        vec![copy("t", "u")],
        vec![copy_alone("t", "alone")],
        vec![copy("f", "g")],
        vec![copy("f", "p")],
        vec![rename("f", "g")],
        vec![rename("u", "v")],
        vec![rename("t", "v")],
        vec![rename("v", "x")],
        vec![rename("q", "c")],
        vec![rename("new", "c")],
        vec![patch("g", [set("p", "changed"), set("q", "more")])],
        vec![remove("e")],
        vec![remove("h"), put("h", "anew")],
        vec![remove("x/a"), mkcol("x/a"), patch("x/a", [set("p", "anew")])],
        vec![
            copy("x", "y"),
            rename("g", "g2"),
            put("n2", "3"),
            mkcol("m2"),
            patch("x", [set("q", "")]),
        ],
        vec![put("n3", "3"), put("n2", "4"), rename("m", "m2"), remove("y")],
    ]
}

/// A step that fails.
fn failing() -> Draft {
    remove("none")
}

/// Runs that are done whole or not at all, of every kind of step, some of which fail in the end.
fn runs_of_all() -> Vec<Vec<Draft>> {
    // Every kind of step, on files and on folders, new and in the place of others; then steps that
    // build on what those before them made.
    let every = || {
        vec![
            mkcol("n"),
            put("n/new", "1"),
            put("f", "2"),
            copy("t", "n/c"),
            copy("t", "u"),
            copy_alone("t", "n/alone"),
            copy("g", "h"),
            rename("p", "q"),
            rename("s", "n/s"),
            rename("x", "g"),
            patch("n/c", [set("p", "changed")]),
            remove("e"),
        ]
    };
    let again = || {
        vec![
            remove("n/c/a"),
            mkcol("n/c/a"),
            put("n/c/a/x", "anew"),
            rename("n/c", "e"),
            mkcol("n/c"),
            rename("e", "n/c"),
            put("f", "once"),
            put("f", "twice"),
            rename("f", "p"),
            patch("p", [set("q", "more")]),
        ]
    };
    let fails = |mut drafts: Vec<Draft>| {
        drafts.push(failing());
        drafts
    };
    vec![fails(every()), every(), fails(again()), again(), vec![remove("n"), mkcol("n")]]
}

const LOCK: &str = "urn:lock";

/// The child: applies the script to a folder, or only opens it.
#[test]
fn child() {
    let Some(dir) = std::env::var_os("POLYDAV_CRASH_DIR").map(PathBuf::from) else { return };
    let store = FolderStore::open(&dir.join("root"), &Options::default()).unwrap();
    let Ok(durability) = std::env::var("POLYDAV_CRASH_DURABILITY") else { return };
    let durability = if durability == "full" { Durability::Full } else { Durability::Relaxed };
    let mut told = OpenOptions::new().append(true).create(true).open(dir.join("told")).unwrap();
    let mut tell = |line: String| told.write_all(format!("{line}\n").as_bytes()).unwrap();
    let lock = kit::lock(LOCK, "m");
    store.keep_lock(&lock, durability).unwrap();
    tell("locked".to_owned());
    let script = Script::named(&std::env::var("POLYDAV_CRASH_SCRIPT").unwrap());
    let mut kept = OpenOptions::new().append(true).create(true).open(dir.join("kept")).unwrap();
    for (number, drafts) in script.runs.into_iter().enumerate() {
        let (fails, keeps_receipts) = (fails(&drafts), script.keeps_receipts);
        let run = as_run(number, drafts, script.on_failure, durability);
        let told = |index: usize, outcome: Outcome| {
            assert_eq!(outcome.is_err(), fails, "{outcome:?}");
            tell(format!("{number} {index}"));
        };
        let mut notes = Notes { number, keeps_receipts, told, kept: &mut kept };
        store.apply(run, &NoLocks, &mut notes).unwrap();
    }
    store.forget_locks(&[LockToken::new(LOCK)], durability).unwrap();
    tell("unlocked".to_owned());
}

use polydav_store::Store as _;

/// What the child notes of a run.
struct Notes<'a, F> {
    number: usize,
    keeps_receipts: bool,
    told: F,
    kept: &'a mut File,
}

impl<F: FnMut(usize, Outcome)> Report for Notes<'_, F> {
    fn outcome(&mut self, index: usize, outcome: Outcome) {
        (self.told)(index, outcome);
    }

    fn keeps_receipts(&self) -> bool {
        self.keeps_receipts
    }

    fn receipt(&mut self, receipt: Receipt) -> Result<(), Failure> {
        let receipt = String::from_utf8(receipt.encode()).unwrap();
        self.kept.write_all(format!("{} {receipt}\n", self.number).as_bytes()).unwrap();
        Ok(())
    }
}

/// Whether a run is undone for its last step.
fn fails(drafts: &[Draft]) -> bool {
    drafts.last().is_some_and(|last| format!("{last:?}") == format!("{:?}", failing()))
}

fn as_run(number: usize, drafts: Vec<Draft>, on_failure: OnFailure, durability: Durability) -> Run {
    let steps = drafts.into_iter().enumerate().map(|(index, draft)| draft.step(index));
    Run {
        id: RunId(number as u128),
        steps: steps.collect(),
        on_failure,
        durability,
        cancel: Cancel::never(),
    }
}

/// A place where syncing costs nothing, if there is one.
fn temporary() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

struct Driver {
    dir: TempDir,
    script: &'static str,
    durability: &'static str,
    /// Whether the file system is taken for one that can't exchange names.
    is_poor: bool,
}

impl Driver {
    fn new(script: &'static str, durability: &'static str, is_poor: bool) -> Self {
        let dir = temporary();
        let root = dir.path().join("template/root");
        fs::create_dir_all(&root).unwrap();
        let store = FolderStore::open(&root, &Options::default()).unwrap();
        given(&store, Script::named(script).furniture);
        Self { dir, script, durability, is_poor }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A fresh copy of a folder and what was told of it.
    fn copy(&self, from: &str, to: &str) -> PathBuf {
        let to = self.at(to);
        let _ = fs::remove_dir_all(&to);
        let copied = Command::new("cp").arg("-a").arg(self.at(from)).arg(&to).status().unwrap();
        assert!(copied.success());
        to
    }

    fn run(&self, dir: &Path, with_script: bool, env: &[(&str, &str)]) -> ExitStatus {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child", "--test-threads=1"]).env("POLYDAV_CRASH_DIR", dir);
        if with_script {
            child.env("POLYDAV_CRASH_DURABILITY", self.durability);
            child.env("POLYDAV_CRASH_SCRIPT", self.script);
        }
        if self.is_poor {
            child.env("POLYDAV_CRASH_POOR", "1");
        }
        child.envs(env.iter().copied()).stdout(Stdio::null()).stderr(Stdio::null());
        child.status().unwrap()
    }

    /// Whether recovery is killed at each of its calls too. What it undoes is the same however durable it
    /// was to be; that takes long enough to do it once.
    fn kills_recovery(&self) -> bool {
        self.script == "each" || self.durability == "relaxed"
    }

    /// How many calls a child makes when it isn't killed.
    fn count(&self, dir: &Path, with_script: bool) -> u64 {
        let count = self.at("count");
        let status =
            self.run(dir, with_script, &[("POLYDAV_CRASH_COUNT", count.to_str().unwrap())]);
        assert!(status.success());
        fs::read_to_string(count).unwrap().parse().unwrap()
    }

    /// Kills a child at a call; it must die there.
    fn kill(&self, dir: &Path, with_script: bool, at: &str) {
        let status = self.run(dir, with_script, &[("POLYDAV_CRASH_AT", at)]);
        assert_eq!(status.signal(), Some(9), "the child was to be killed at {at}: {status}");
    }
}

/// What a crash may have left.
struct Expected {
    script: &'static str,
    told: Vec<String>,
}

impl Expected {
    fn read(driver: &Driver, dir: &Path) -> Self {
        let told = fs::read_to_string(dir.join("told")).unwrap_or_default();
        Self { script: driver.script, told: told.lines().map(str::to_owned).collect() }
    }

    fn is_told(&self, number: usize, index: usize) -> bool {
        self.told.contains(&format!("{number} {index}"))
    }

    /// The folder is opened again, and is as it may be.
    fn check(&self, dir: &Path, context: &str) {
        let store = FolderStore::open(&dir.join("root"), &Options::default()).unwrap();
        let left: Vec<_> = fs::read_dir(dir.join("root/.polydav/stage")).unwrap().collect();
        assert!(left.is_empty(), "{context}: {left:?}");
        let state = rusqlite::Connection::open(dir.join("root/.polydav/state.db")).unwrap();
        let count = "SELECT count(*) FROM intent";
        let intents: i64 = state.query_row(count, [], |row| row.get(0)).unwrap();
        assert_eq!(intents, 0, "{context}");
        let has_lock = !store.locks().unwrap().is_empty();
        let told = |what: &str| self.told.iter().any(|line| line == what);
        assert!(has_lock || !told("locked") || self.ran_all(), "{context}: the lock is lost");
        assert!(!(has_lock && told("unlocked")), "{context}: the lock is back");
        let there = kit::snapshot(&store);
        if Script::named(self.script).keeps_receipts {
            self.check_receipts(&store, dir, context);
        }
        let allowed = self.allowed();
        let is_allowed = allowed.iter().any(|(may, removing)| agrees(&there, may, removing));
        let wrong = allowed.iter().map(|(may, _)| difference(&there, may));
        let wrong: Vec<_> = if is_allowed { Vec::new() } else { wrong.collect() };
        assert!(is_allowed, "{context}: told {:?}\n{wrong:#?}", self.told.last());
    }

    /// What is there is what the receipts say, whatever was told.
    fn check_receipts(&self, store: &FolderStore, dir: &Path, context: &str) {
        let kept = fs::read_to_string(dir.join("kept")).unwrap_or_default();
        let mut done = BTreeSet::new();
        for line in kept.lines() {
            let (number, receipt) = line.split_once(' ').unwrap();
            let Receipt { commit, outcomes } = Receipt::decode(receipt.as_bytes()).unwrap();
            let Commit::Named(name) = commit else { panic!("{context}: {line}") };
            if store.fate(&name).unwrap() == Fate::Done {
                let number: usize = number.parse().unwrap();
                done.extend(outcomes.into_iter().map(|(index, _)| (number, index)));
            }
        }
        let script = Script::named(self.script);
        let model = MemoryStore::new();
        given(&model, script.furniture);
        for (number, drafts) in script.runs.into_iter().enumerate() {
            let drafts = drafts.into_iter().enumerate();
            let drafts = drafts.filter(|(index, _)| done.contains(&(number, *index)));
            kit::tell(&model, drafts.map(|(_, draft)| draft));
        }
        let differs = difference(&kit::snapshot(store), &kit::snapshot(&model));
        assert!(differs.is_empty(), "{context}: {done:?}\n{differs:#?}");
    }

    fn ran_all(&self) -> bool {
        let runs = Script::named(self.script).runs;
        let last = runs.len() - 1;
        (0..runs[last].len()).all(|index| self.is_told(last, index))
    }

    /// All that may be there: what was told was done; of the run that wasn't told of, any of its
    /// steps may have been, or all if it is done whole. Also the tree that may be partly removed.
    fn allowed(&self) -> Vec<(Snapshot, Option<ResourcePath>)> {
        let Script { runs, .. } = Script::named(self.script);
        let under_way = (0..runs.len())
            .find(|&number| !(0..runs[number].len()).all(|index| self.is_told(number, index)));
        let Some(under_way) = under_way else { return vec![(self.state(runs.len(), 0), None)] };
        if Script::named(self.script).is_whole() {
            let is_told = self.is_told(under_way, 0);
            let mut counts = vec![under_way + 1];
            counts.extend((!is_told).then_some(under_way));
            return counts.into_iter().map(|count| (self.state(count, 0), None)).collect();
        }
        let untold: Vec<_> =
            (0..runs[under_way].len()).filter(|&i| !self.is_told(under_way, i)).collect();
        let mut allowed = Vec::new();
        for subset in 0..1_u32 << untold.len() {
            let chosen = untold.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1);
            let chosen: BTreeSet<_> = chosen.map(|(_, &index)| index).collect();
            let mask = (0..runs[under_way].len())
                .filter(|i| chosen.contains(i) || self.is_told(under_way, *i))
                .fold(0, |mask, i| mask | 1 << i);
            let removing = match under_way {
                15 if chosen.is_empty() => Some(kit::path("e")),
                19 if !chosen.contains(&3) => Some(kit::path("y")),
                _ => None,
            };
            allowed.push((self.state(under_way, mask), removing));
        }
        allowed
    }

    /// What is there after so many runs, and those steps of the next.
    fn state(&self, runs: usize, mask: u32) -> Snapshot {
        let script = Script::named(self.script);
        let model = MemoryStore::new();
        given(&model, script.furniture);
        for (number, drafts) in script.runs.into_iter().enumerate() {
            if fails(&drafts) {
                continue;
            }
            let drafts = drafts.into_iter().enumerate();
            let drafts: Vec<_> = drafts
                .filter(|(index, _)| number < runs || (number == runs && mask >> index & 1 == 1))
                .map(|(_, draft)| draft)
                .collect();
            kit::tell(&model, drafts);
        }
        kit::snapshot(&model)
    }
}

fn agrees(there: &Snapshot, may: &Snapshot, removing: &Option<ResourcePath>) -> bool {
    let inside = |path: &ResourcePath| removing.as_ref().is_some_and(|tree| tree.contains(path));
    let is_kept = may
        .iter()
        .all(|(path, resource)| there.get(path).map_or(inside(path), |there| there == resource));
    is_kept && there.keys().all(|path| may.contains_key(path))
}

/// Each path at which something else is there, and what.
fn difference(there: &Snapshot, may: &Snapshot) -> Vec<String> {
    let paths: BTreeSet<_> = there.keys().chain(may.keys()).collect();
    let differs = paths.into_iter().filter(|path| there.get(path) != may.get(path));
    differs.map(|path| format!("{path}: {:?} for {:?}", there.get(path), may.get(path))).collect()
}

fn is_pending(dir: &Path) -> bool {
    let state = rusqlite::Connection::open(dir.join("root/.polydav/state.db")).unwrap();
    let sql = "SELECT count(*) FROM intent";
    state.query_row(sql, [], |row| row.get::<_, i64>(0)).is_ok_and(|intents| intents > 0)
}

fn crash_everywhere(driver: &Driver) {
    let dir = driver.copy("template", "whole");
    let calls = driver.count(&dir, true);
    let whole = Expected::read(driver, &dir);
    assert!(whole.ran_all());
    whole.check(&dir, "not killed");
    let (mut kills, mut recoveries) = (0, 0);
    for call in 1..=calls {
        for side in ["-", "+"] {
            let at = format!("{call}{side}");
            let dir = driver.copy("template", "killed");
            driver.kill(&dir, true, &at);
            kills += 1;
            let expected = Expected::read(driver, &dir);
            // After one call is before the next: once is enough to look at recovery.
            let look = driver.copy("killed", "look");
            if side == "+" && driver.kills_recovery() && is_pending(&look) {
                recoveries += 1;
                crash_recovery(driver, &expected, &at);
            }
            expected.check(&dir, &format!("{}, killed at {at} of {calls}", driver.durability));
        }
    }
    assert_eq!(kills, 2 * calls);
    assert!(recoveries > 10 || !driver.kills_recovery(), "{recoveries}");
}

/// Kills recovery at each of its calls too. What was begun is known by its inodes, which no copy of
/// a folder has; so each time the script is killed anew.
fn crash_recovery(driver: &Driver, expected: &Expected, at: &str) {
    let killed = || {
        let dir = driver.copy("template", "recovered");
        driver.kill(&dir, true, at);
        dir
    };
    let calls = driver.count(&killed(), false);
    for call in 1..=calls {
        let again = format!("{call}+");
        let dir = killed();
        driver.kill(&dir, false, &again);
        expected.check(&dir, &format!("killed at {at}, and in recovery at {again}"));
    }
}

#[test]
fn killed_at_every_call_full() {
    crash_everywhere(&Driver::new("each", "full", false));
}

#[test]
fn killed_at_every_call_relaxed() {
    crash_everywhere(&Driver::new("each", "relaxed", false));
}

#[test]
fn killed_at_every_call_on_a_poor_file_system() {
    crash_everywhere(&Driver::new("each", "relaxed", true));
}

/// Whichever thread is at it.
#[test]
fn a_copy_by_two_threads_killed_at_every_call() {
    crash_everywhere(&Driver::new("many", "full", false));
}

/// Whatever of a run was done, all of it is there or nothing.
#[test]
fn a_whole_run_killed_at_every_call_full() {
    crash_everywhere(&Driver::new("whole", "full", false));
}

#[test]
fn a_whole_run_killed_at_every_call_relaxed() {
    crash_everywhere(&Driver::new("whole", "relaxed", false));
}

/// After a crash, receipts tell exactly which steps were done.
#[test]
fn a_run_with_receipts_killed_at_every_call_full() {
    crash_everywhere(&Driver::new("receipts", "full", false));
}

#[test]
fn a_run_with_receipts_killed_at_every_call_relaxed() {
    crash_everywhere(&Driver::new("receipts", "relaxed", false));
}

/// Killed while a folder is opened that never was.
#[test]
fn killed_at_every_call_of_a_first_opening() {
    let driver = Driver::new("each", "full", false);
    let fresh = || {
        let dir = driver.at("fresh");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("root")).unwrap();
        dir
    };
    let calls = driver.count(&fresh(), false);
    for call in 1..=calls {
        for side in ["-", "+"] {
            let dir = fresh();
            driver.kill(&dir, false, &format!("{call}{side}"));
            let store = FolderStore::open(&dir.join("root"), &Options::default()).unwrap();
            given(&store, [put("a", "1"), patch("a", [set("p", "v")])]);
        }
    }
}
