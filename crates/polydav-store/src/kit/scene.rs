//! Running steps on a store, and saying what came of it in a form that can be compared.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::draft::{Draft, path};
use crate::{
    Cancel, Content, Durability, Effect, Entry, Failure, Kind, LockView, NoLocks, OnFailure,
    Outcome, PropertyName, ResourcePath, Run, RunId, Select, Step, Store, Visit, Walk, WalkDepth,
};

/// A run of these steps that goes on after failures and is never cancelled.
pub fn run(steps: Vec<Step>) -> Run {
    Run {
        id: RunId(1),
        steps,
        on_failure: OnFailure::Continue,
        durability: Durability::Relaxed,
        cancel: Cancel::never(),
    }
}

/// These steps, numbered from 0.
pub fn steps(drafts: impl IntoIterator<Item = Draft>) -> Vec<Step> {
    drafts.into_iter().enumerate().map(|(index, draft)| draft.step(index)).collect()
}

/// A run of these steps of which all are done, or none.
pub fn whole(steps: Vec<Step>) -> Run {
    Run { on_failure: OnFailure::UndoAll, ..run(steps) }
}

/// What is told of steps that were done, and undone because of another one.
pub fn undone(steps: &[Step]) -> Vec<String> {
    let told = |step: &Step| format!("Dependency {} (RolledBack)", step.subject());
    steps.iter().map(told).collect()
}

/// Lets a run be asked `times` times before it is called off.
pub fn after(times: usize) -> Cancel {
    let asked = AtomicUsize::new(0);
    Cancel::when(move || asked.fetch_add(1, Ordering::Relaxed) >= times)
}

/// Applies a run; returns its outcomes.
///
/// # Panics
/// Unless every step is reported exactly once, and in order.
pub fn apply(store: &dyn Store, locks: &dyn LockView, run: Run) -> Vec<Outcome> {
    let expected: Vec<_> = run.steps.iter().map(Step::index).collect();
    let (mut told, mut outcomes) = (Vec::new(), Vec::new());
    let applied = store.apply(run, locks, &mut |index, outcome| {
        told.push(index);
        outcomes.push(outcome);
    });
    applied.expect("the store isn't broken");
    assert_eq!(told, expected, "every step is reported once, in order");
    outcomes
}

/// Does these steps in one run; returns a [`verdict`] for each.
pub fn tell(store: &dyn Store, drafts: impl IntoIterator<Item = Draft>) -> Vec<String> {
    tell_locked(store, &NoLocks, drafts)
}

/// As [`tell`], with locks held.
pub fn tell_locked(
    store: &dyn Store,
    locks: &dyn LockView,
    drafts: impl IntoIterator<Item = Draft>,
) -> Vec<String> {
    verdicts(store, locks, run(steps(drafts)))
}

/// Applies a run; returns a [`verdict`] for each of its steps.
pub fn verdicts(store: &dyn Store, locks: &dyn LockView, run: Run) -> Vec<String> {
    apply(store, locks, run).iter().map(verdict).collect()
}

/// Does these steps.
///
/// # Panics
/// Unless all succeed.
pub fn given(store: &dyn Store, drafts: impl IntoIterator<Item = Draft>) {
    for verdict in tell(store, drafts) {
        assert!(matches!(verdict.as_str(), "created" | "done"), "what is given failed: {verdict}");
    }
}

/// An outcome in a few words, all but entity tags and texts: `created`, `done`, `NotFound /a`,
/// `Invalid /a/1 [column]`, `Members /a: Locked /a/b (Partial)`. Members are sorted.
pub fn verdict(outcome: &Outcome) -> String {
    match outcome {
        Ok(done) if done.created => "created".to_owned(),
        Ok(_) => "done".to_owned(),
        Err(failure) => failed(failure),
    }
}

fn failed(failure: &Failure) -> String {
    let mut words = format!("{:?} {}", failure.kind, failure.path);
    if let Some(column) = &failure.column {
        let _ = write!(words, " [{column}]");
    }
    let mut members: Vec<_> = failure.members.list().iter().collect();
    members.sort_by(|a, b| a.path.cmp(&b.path));
    for (index, member) in members.into_iter().enumerate() {
        let before = if index == 0 { ": " } else { ", " };
        let _ = write!(words, "{before}{:?} {}", member.kind, member.path);
    }
    if failure.effect != Effect::None {
        let _ = write!(words, " ({:?})", failure.effect);
    }
    words
}

/// A resource, without what differs from store to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// What it is.
    pub kind: Kind,
    /// Its content; empty for a collection.
    pub content: Bytes,
    /// Its dead properties.
    pub properties: BTreeMap<PropertyName, Bytes>,
}

/// All there is in a store, the root included.
pub type Snapshot = BTreeMap<ResourcePath, Resource>;

/// All there is in a store, read through its interface.
///
/// # Panics
/// If something can't be read, is told twice, or told before its collection.
pub fn snapshot(store: &dyn Store) -> Snapshot {
    let root = store.stat(&path(""), &Select::All).expect("there is a root");
    let mut entries = vec![root];
    let walk = Walk { depth: WalkDepth::Infinity { budget: u64::MAX }, select: Select::All };
    let walked = store.walk(&path(""), &walk, &mut |visit| {
        match visit {
            Visit::Entry(entry) => entries.push(entry),
            other => panic!("a walk meets {other:?}"),
        }
        ControlFlow::Continue(())
    });
    walked.expect("the root can be walked");
    let mut all = Snapshot::new();
    for entry in entries {
        let parent = entry.path.parent();
        let known = parent.is_none_or(|parent| all.contains_key(&parent));
        assert!(known, "{} is told before its collection", entry.path);
        let content = if entry.kind == Kind::File { read(store, &entry) } else { Bytes::new() };
        check_at_once(store, &entry, &content);
        let resource = Resource { kind: entry.kind, content, properties: properties(&entry) };
        assert!(all.insert(entry.path.clone(), resource).is_none(), "{} twice", entry.path);
    }
    all
}

/// What is told without waiting is the same.
fn check_at_once(store: &dyn Store, entry: &Entry, content: &Bytes) {
    let waited = |select: &Select| store.stat(&entry.path, select).expect("it is there");
    for select in [Select::None, Select::All] {
        if let Some(found) = store.try_stat(&entry.path, &select) {
            assert_eq!(found.expect("it is there"), waited(&select));
        }
    }
    match store.try_read(&entry.path) {
        Some(Ok(reading)) => {
            assert_eq!(reading.entry, waited(&Select::None));
            let mut buffer = vec![0; content.len()];
            if let Some(read) = reading.content.try_read_at(&mut buffer, 0) {
                let read = read.expect("content can be read");
                assert_eq!(buffer[..read], content[..read], "the content of {}", entry.path);
            }
        }
        Some(Err(failure)) => {
            let waited = store.read(&entry.path).expect_err("it can be read by who may wait");
            assert_eq!((failure.kind, failure.path), (waited.kind, waited.path));
        }
        None => {}
    }
}

fn properties(entry: &Entry) -> BTreeMap<PropertyName, Bytes> {
    let properties = entry.properties.iter().cloned();
    let all: BTreeMap<_, _> = properties.map(|property| (property.name, property.value)).collect();
    assert_eq!(all.len(), entry.properties.len(), "a property of {} is told twice", entry.path);
    all
}

fn read(store: &dyn Store, entry: &Entry) -> Bytes {
    let read = content(store, &entry.path);
    assert_eq!(read.len() as u64, entry.length, "the length of {}", entry.path);
    read
}

/// The content of a file.
///
/// # Panics
/// If it can't be read, or isn't as long as its entry says.
pub fn content(store: &dyn Store, file: &ResourcePath) -> Bytes {
    let reading = store.read(file).expect("the file can be read");
    let mut content = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = reading.content.read_at(&mut buffer, content.len() as u64);
        match read.expect("content can be read") {
            0 => break,
            read => content.extend_from_slice(&buffer[..read]),
        }
        assert!(content.len() as u64 <= reading.entry.length, "{file} is longer than it says");
    }
    assert_eq!(content.len() as u64, reading.entry.length, "the length of {file}");
    content.into()
}

/// All there is but the root, a line each: `/a/`, `/a/b=content`, and with properties
/// `/a/c=content [size=10, x=1]`.
pub fn lines(store: &dyn Store) -> Vec<String> {
    let mut all = snapshot(store);
    all.remove(&path(""));
    all.iter().map(|(path, resource)| line(path, resource)).collect()
}

fn line(path: &ResourcePath, resource: &Resource) -> String {
    let content = resource.content.escape_ascii();
    let mut line = match resource.kind {
        Kind::Collection => format!("{path}/"),
        Kind::File => format!("{path}={content}"),
        Kind::Special => format!("{path} (special)"),
    };
    if !resource.properties.is_empty() {
        let pairs = resource.properties.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| format!("{}={}", name.local(), value.escape_ascii()))
            .collect();
        let _ = write!(line, " [{}]", pairs.join(", "));
    }
    line
}

/// What the store says of a resource, with all its properties.
///
/// # Panics
/// If it can't be found.
pub fn found(store: &dyn Store, joined: impl AsRef<[u8]>) -> Entry {
    store.stat(&path(joined), &Select::All).expect("the resource is there")
}

/// The entity tag of a file, without quotes.
///
/// # Panics
/// If there is none.
pub fn tag(store: &dyn Store, joined: impl AsRef<[u8]>) -> String {
    let entry = found(store, joined);
    entry.etag.expect("a file has an entity tag").as_str().to_owned()
}

/// Stages these pieces, for a file anywhere.
///
/// # Panics
/// If it fails, or the store counts wrong.
pub fn stage<'a>(store: &dyn Store, pieces: impl IntoIterator<Item = &'a [u8]>) -> Content {
    stage_for(store, "", pieces)
}

/// Stages these pieces, for this file.
pub(super) fn stage_for<'a>(
    store: &dyn Store,
    target: &str,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Content {
    let mut stage = store.stage(&path(target), None).expect("a stage is opened");
    let mut length = 0;
    for piece in pieces {
        stage.write(piece).expect("a piece is staged");
        length += piece.len() as u64;
    }
    let staged = stage.finish().expect("a stage is finished");
    assert_eq!(staged.length, length, "the length of what was staged");
    Content::Staged(staged)
}
