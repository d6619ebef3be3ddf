//! A folder, a store over it, and short words for steps and questions.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use polydav_fs::{FolderStore, Options};
use polydav_store::{
    Action, Cancel, Content, Depth, Durability, Failure, FailureKind, Guard, NoLocks, OnFailure,
    Outcome, Overwrite, Property, PropertyChange, PropertyName, ResourcePath, Run, RunId, Select,
    Staged, Step, Store, Visit, Walk, WalkDepth,
};
use rustix::fs::FallocateFlags;
use tempfile::TempDir;

pub struct World {
    pub store: Arc<FolderStore>,
    dir: TempDir,
    durability: Durability,
}

/// A small file system, until it is dropped.
pub struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    pub fn new(at: &'a Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
        mount.stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(at))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes what is there immutable, until it is dropped.
pub struct Immutable(pub Vec<PathBuf>);

impl Immutable {
    pub fn new(paths: &[PathBuf]) -> Option<Self> {
        let immutable = Self(paths.to_vec());
        immutable.set("+i").then_some(immutable)
    }

    fn set(&self, flag: &str) -> bool {
        Command::new("chattr").arg(flag).args(&self.0).status().is_ok_and(|status| status.success())
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        self.set("-i");
    }
}

pub fn path(joined: &str) -> ResourcePath {
    ResourcePath::parse(joined).unwrap()
}

pub fn put(target: &str, content: &str) -> Action {
    put_at(path(target), content)
}

pub fn put_at(target: ResourcePath, content: &str) -> Action {
    let content = Content::Inline(Bytes::copy_from_slice(content.as_bytes()));
    Action::Put { target, content, modified: None }
}

pub fn put_staged(target: &str, staged: Staged) -> Action {
    Action::Put { target: path(target), content: Content::Staged(staged), modified: None }
}

pub fn mkcol(target: &str) -> Action {
    Action::MakeCollection { target: path(target) }
}

pub fn delete(target: &str) -> Action {
    Action::Remove { target: path(target) }
}

pub fn copy(source: &str, target: &str, overwrite: Overwrite) -> Action {
    let (source, target) = (path(source), path(target));
    Action::Copy { source, target, depth: Depth::Infinity, overwrite }
}

pub fn copy_alone(source: &str, target: &str) -> Action {
    let (source, target) = (path(source), path(target));
    Action::Copy { source, target, depth: Depth::Zero, overwrite: Overwrite::Refuse }
}

pub fn mv(source: &str, target: &str, overwrite: Overwrite) -> Action {
    Action::Rename { source: path(source), target: path(target), overwrite }
}

pub fn patch(target: &str, name: &str, value: &str) -> Action {
    let name = PropertyName::new("urn:test", name);
    let value = Bytes::copy_from_slice(value.as_bytes());
    let changes = vec![PropertyChange::Set(Property { name, value })];
    Action::Patch { target: path(target), changes }
}

/// Lets this thread alone give up the right to pass over permissions.
pub fn drop_rights() -> bool {
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
    let rights = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    let Ok(sets) = capabilities(None) else { return false };
    let effective = sets.effective - rights;
    set_capabilities(None, CapabilitySets { effective, ..sets }).is_ok()
}

/// The failed members.
pub fn kinds(failure: &Failure) -> Vec<(String, FailureKind)> {
    assert_eq!(failure.kind, FailureKind::Members, "{failure:?}");
    let members = failure.members.list().iter();
    let name = |path: &ResourcePath| String::from_utf8(path.as_bytes().to_vec()).unwrap();
    let mut kinds: Vec<_> = members.map(|member| (name(&member.path), member.kind)).collect();
    kinds.sort_by(|one, other| one.0.cmp(&other.0));
    kinds
}

/// All paths a walk tells of.
pub fn names(world: &World) -> Vec<String> {
    let name = |visit: &Visit| match visit {
        Visit::Entry(entry) | Visit::Cut(entry) => entry.path.clone(),
        Visit::Failure(path, kind) => panic!("{path}: {kind:?}"),
    };
    let mut names: Vec<_> = world.visits(u64::MAX).iter().map(name).collect();
    names.sort();
    names.iter().map(|path| String::from_utf8_lossy(path.as_bytes()).into_owned()).collect()
}

impl World {
    pub fn new(full: bool) -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        Self::of(dir, full)
    }

    pub fn of(dir: TempDir, full: bool) -> Self {
        let store = FolderStore::open(&dir.path().join("root"), &Options::default());
        let store = Arc::new(store.unwrap());
        let durability = if full { Durability::Full } else { Durability::Relaxed };
        Self { store, dir, durability }
    }

    /// The same folder, opened by another process.
    pub fn restarted(self) -> Self {
        let Self { store, dir, durability } = self;
        drop(store);
        Self::of(dir, durability == Durability::Full)
    }

    pub fn at(&self, joined: &str) -> PathBuf {
        self.dir.path().join("root").join(joined)
    }

    /// Fills the disk with a file, up to so many pages.
    pub fn fill_but(&self, free: u64) {
        const PAGE: u64 = 4096;
        let fill = fs::File::create(self.at("fill")).unwrap();
        let pages = self.store.space(&path("")).unwrap().unwrap().available / PAGE;
        rustix::fs::fallocate(&fill, FallocateFlags::empty(), 0, (pages - free) * PAGE).unwrap();
    }

    pub fn outside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Makes files that say where they are, and folders.
    pub fn tree(&self, paths: &[&str]) {
        for path in paths {
            match path.strip_suffix('/') {
                Some(dir) => fs::create_dir(self.at(dir)).unwrap(),
                None => fs::write(self.at(path), format!("in {path}")).unwrap(),
            }
        }
    }

    pub fn fifo(&self, at: &str) {
        use rustix::fs::{CWD, Mode, mkfifoat};
        mkfifoat(CWD, self.at(at), Mode::RUSR | Mode::WUSR).unwrap();
    }

    pub fn limit_handles(&self, most: u64) {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }).unwrap();
    }

    pub fn one(&self, action: Action) -> Outcome {
        self.run(vec![action]).pop().unwrap()
    }

    pub fn run(&self, actions: Vec<Action>) -> Vec<Outcome> {
        self.run_as(actions, OnFailure::Continue)
    }

    pub fn run_stopping(&self, actions: Vec<Action>) -> Vec<Outcome> {
        self.run_as(actions, OnFailure::Stop)
    }

    pub fn run_whole(&self, actions: Vec<Action>) -> Vec<Outcome> {
        self.run_as(actions, OnFailure::UndoAll)
    }

    /// What is there when each of the steps is told of.
    pub fn told_while(&self, actions: Vec<Action>) -> Vec<Vec<String>> {
        let mut told = Vec::new();
        let mut report = |_, _: Outcome| told.push(names(self));
        let run = self.draw_up(actions, OnFailure::Stop);
        self.store.apply(run, &NoLocks, &mut report).unwrap();
        told
    }

    pub fn draw_up(&self, actions: Vec<Action>, on_failure: OnFailure) -> Run {
        let steps = actions.into_iter().enumerate();
        let steps = steps.map(|(index, action)| Step::new(index, Guard::default(), action));
        Run {
            id: RunId(7),
            steps: steps.collect(),
            on_failure,
            durability: self.durability,
            cancel: Cancel::never(),
        }
    }

    pub fn run_as(&self, actions: Vec<Action>, on_failure: OnFailure) -> Vec<Outcome> {
        self.apply(&*self.store, actions, on_failure)
    }

    /// What would come of the steps.
    pub fn rehearse_as(&self, actions: Vec<Action>, on_failure: OnFailure) -> Vec<Outcome> {
        let rehearsal = Arc::clone(&self.store).rehearsal().unwrap();
        self.apply(&*rehearsal, actions, on_failure)
    }

    fn apply(
        &self,
        store: &dyn Store,
        actions: Vec<Action>,
        on_failure: OnFailure,
    ) -> Vec<Outcome> {
        let count = actions.len();
        let run = self.draw_up(actions, on_failure);
        let mut outcomes = Vec::new();
        let mut report = |index, outcome: Outcome| {
            assert_eq!(index, outcomes.len());
            outcomes.push(outcome);
        };
        store.apply(run, &NoLocks, &mut report).unwrap();
        assert_eq!(outcomes.len(), count);
        outcomes
    }

    pub fn read(&self, at: &str) -> Vec<u8> {
        let reading = self.store.read(&path(at)).unwrap();
        let mut buffer = vec![0; 100];
        let length = reading.content.read_at(&mut buffer, 0).unwrap();
        assert_eq!(length as u64, reading.entry.length);
        buffer.truncate(length);
        buffer
    }

    /// The value of a property; empty for none.
    pub fn property(&self, at: &str, name: &str) -> String {
        let select = Select::Only(vec![PropertyName::new("urn:test", name)]);
        let entry = self.store.stat(&path(at), &select).unwrap();
        let value = entry.properties.first().map(|property| property.value.to_vec());
        let value = String::from_utf8(value.unwrap_or_default()).unwrap();
        self.is_walked_with(at, name, &value);
        value
    }

    fn is_walked_with(&self, at: &str, name: &str, value: &str) {
        let select = Select::Only(vec![PropertyName::new("urn:test", name)]);
        let walk = Walk { depth: WalkDepth::One, select };
        let Some(parent) = path(at).parent() else { return };
        let mut seen = false;
        let mut visit = |visit| {
            if let Visit::Entry(entry) = visit
                && entry.path == path(at)
            {
                let values: Vec<_> = entry.properties.iter().map(|p| &p.value[..]).collect();
                assert_eq!(values.concat(), value.as_bytes());
                seen = true;
            }
            ControlFlow::Continue(())
        };
        self.store.walk(&parent, &walk, &mut visit).unwrap();
        assert!(seen, "{at}");
    }

    pub fn visits(&self, budget: u64) -> Vec<Visit> {
        let walk = Walk { depth: WalkDepth::Infinity { budget }, select: Select::All };
        let mut visits = Vec::new();
        let mut visit = |visit| {
            visits.push(visit);
            ControlFlow::Continue(())
        };
        self.store.walk(&path(""), &walk, &mut visit).unwrap();
        visits
    }

    /// Nothing is left in the staging folder, nothing is written down as begun.
    pub fn is_tidy(&self) {
        let left: Vec<_> = fs::read_dir(self.at(".polydav/stage")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        let state = rusqlite::Connection::open(self.at(".polydav/state.db")).unwrap();
        let count = |table: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table}");
            state.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count("intent"), 0);
        let bare =
            "node WHERE NOT EXISTS (SELECT 1 FROM node AS under WHERE under.parent = node.id)
            AND NOT EXISTS (SELECT 1 FROM prop WHERE prop.node = node.id)";
        assert_eq!(count(bare), 0, "nodes on which nothing hangs");
        let orphans = "prop WHERE node <> 0 AND node NOT IN (SELECT id FROM node)";
        assert_eq!(count(orphans), 0, "properties that hang on nothing");
    }
}
