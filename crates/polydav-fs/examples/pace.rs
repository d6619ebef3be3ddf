//! How fast a folder store is, beside the bare system calls: `pace DIR`.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use polydav_fs::{FolderStore, Options};
use polydav_store::{
    Action, Cancel, Content, Durability, Guard, NoLocks, OnFailure, Outcome, Overwrite,
    ResourcePath, Run, RunId, Select, Step, Store, Walk, WalkDepth,
};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};

const FILES: usize = 10_000;
const RUN: usize = 1_000;

fn main() {
    let dir = PathBuf::from(std::env::args().nth(1).expect("a folder to work in"));
    let root = dir.join("root");
    for side in ["a", "b"] {
        fs::create_dir_all(root.join(side)).unwrap();
    }
    let store = FolderStore::open(&root, &Options::default()).unwrap();
    for durability in [Durability::Relaxed, Durability::Full] {
        let put = |n: usize| Action::Put {
            target: path(&format!("a/{n}")),
            content: Content::Inline(vec![b'x'; 4096].into()),
            modified: None,
        };
        tell(&format!("{durability:?}: put {FILES} new"), apply(&store, durability, put));
        tell(&format!("{durability:?}: put {FILES} over"), apply(&store, durability, put));
        for round in 0..5 {
            let (from, to) = if round % 2 == 0 { ("a", "b") } else { ("b", "a") };
            let bare = bare_renames(&root, from, to);
            let rename = |n: usize| Action::Rename {
                source: path(&format!("{to}/{n}")),
                target: path(&format!("{from}/{n}")),
                overwrite: Overwrite::Refuse,
            };
            let ours = apply(&store, durability, rename);
            let again = bare_renames(&root, from, to);
            let ratio = ours.as_secs_f64() / bare.min(again).as_secs_f64();
            tell(&format!("{durability:?}: move {FILES} ({ratio:.2} × bare)"), ours);
        }
        let side = if root.join("a/0").exists() { "a" } else { "b" };
        let remove = |n: usize| Action::Remove { target: path(&format!("{side}/{n}")) };
        tell(&format!("{durability:?}: remove {FILES}"), apply(&store, durability, remove));
    }
    fs::create_dir(root.join("many")).unwrap();
    (0..100_000).for_each(|n| fs::write(root.join(format!("many/file-{n}")), "").unwrap());
    for _ in 0..3 {
        list(&store);
    }
}

fn list(store: &FolderStore) {
    let walk = Walk { depth: WalkDepth::One, select: Select::All };
    let started = Instant::now();
    let (mut first, mut count) = (None, 0);
    let mut visit = |_| {
        first.get_or_insert_with(|| started.elapsed());
        count += 1;
        ControlFlow::Continue(())
    };
    store.walk(&path("many"), &walk, &mut visit).unwrap();
    tell(&format!("list {count}, the first after {:?}", first.unwrap()), started.elapsed());
}

fn path(joined: &str) -> ResourcePath {
    ResourcePath::parse(joined).unwrap()
}

fn tell(what: &str, took: Duration) {
    println!("{:8.1} ms  {what}", took.as_secs_f64() * 1e3);
}

/// Applies a step for each file, in runs; making the steps isn't counted.
fn apply(store: &FolderStore, durability: Durability, act: impl Fn(usize) -> Action) -> Duration {
    let mut took = Duration::ZERO;
    for start in (0..FILES).step_by(RUN) {
        let step = |n| Step::new(n, Guard::default(), act(n));
        let steps: Vec<_> = (start..start + RUN).map(step).collect();
        let run = Run {
            id: RunId(start as u128),
            steps,
            on_failure: OnFailure::Continue,
            durability,
            cancel: Cancel::never(),
        };
        let started = Instant::now();
        let mut report = |_, outcome: Outcome| drop(outcome.unwrap());
        store.apply(run, &NoLocks, &mut report).unwrap();
        took += started.elapsed();
    }
    took
}

fn bare_renames(root: &Path, from: &str, to: &str) -> Duration {
    let open = |side| {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        openat(CWD, root.join(side), flags, Mode::empty()).unwrap()
    };
    let (source, target) = (open(from), open(to));
    let names: Vec<_> = (0..FILES).map(|n| n.to_string()).collect();
    let started = Instant::now();
    for name in &names {
        renameat_with(&source, name, &target, name, RenameFlags::NOREPLACE).unwrap();
    }
    started.elapsed()
}
