//! What a store is to hold after operations: plain maps of strings that know nothing of the code
//! under test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use Op::{Delete, Invalid, MkCol, Move, Patch, Protected, Put};

/// One operation. Paths are as hrefs have them, without a slash at the end.
#[derive(Debug, Clone, Copy)]
pub enum Op {
    MkCol(&'static str),
    Put(&'static str, &'static str),
    Copy {
        source: &'static str,
        target: &'static str,
        depth: &'static str,
        overwrite: bool,
    },
    Move {
        source: &'static str,
        target: &'static str,
        overwrite: bool,
    },
    Delete(&'static str),
    /// Property by property the value, or `None` to remove it.
    Patch(&'static str, &'static [(&'static str, Option<&'static str>)]),
    /// Sets a live property, which nobody may.
    Protected(&'static str),
    /// A value that no header field could have; it never gets to the store.
    Invalid(&'static str),
}

/// An operation and what stands around it.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    pub op: Op,
    /// Whether it submits the tokens of the locks that are ours.
    pub tokens: bool,
    /// Whether it has `If-None-Match: *`.
    pub if_none_match: bool,
}

impl From<Op> for Item {
    fn from(op: Op) -> Self {
        Self { op, tokens: false, if_none_match: false }
    }
}

impl Item {
    pub fn with_tokens(self) -> Self {
        Self { tokens: true, ..self }
    }

    pub fn if_none_match(self) -> Self {
        Self { if_none_match: true, ..self }
    }

    pub fn subject(&self) -> &'static str {
        match self.op {
            Put(path, _) | Patch(path, _) => path,
            MkCol(path) | Delete(path) | Protected(path) | Invalid(path) => path,
            Op::Copy { source, .. } | Move { source, .. } => source,
        }
    }
}

/// The content of a file, `None` for a collection; and dead properties.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Node {
    pub content: Option<String>,
    pub properties: BTreeMap<String, String>,
}

/// On one line, so that trees can be read.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: Vec<_> =
            self.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
        write!(f, "{} [{}]", self.content.as_deref().unwrap_or("/"), properties.join(", "))
    }
}

/// All there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// By path.
    pub nodes: BTreeMap<String, Node>,
    /// The locks, exclusive and of infinite depth: the root, and whether the token is ours.
    pub locks: BTreeMap<String, bool>,
    /// The entity tags of files, as far as they are known.
    pub etags: BTreeMap<String, String>,
}

/// Why an operation changes nothing, or not all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub members: BTreeSet<String>,
    pub partial: bool,
}

fn refuse<T>(status: u16) -> Result<T, Refusal> {
    Err(Refusal { status, members: BTreeSet::new(), partial: false })
}

pub fn within(root: &str, path: &str) -> bool {
    root.is_empty() || path.strip_prefix(root).is_some_and(|r| r.is_empty() || r.starts_with('/'))
}

impl State {
    /// Whether this is what is there. Locks on what is gone may be there a little longer.
    pub fn agrees(&self, seen: &Self) -> bool {
        let stale = |root: &String| !seen.nodes.contains_key(root);
        self.nodes == seen.nodes
            && self.etags.iter().all(|(path, etag)| seen.etags.get(path) == Some(etag))
            && self.locks.iter().all(|lock| seen.locks.get(lock.0) == Some(lock.1))
            && seen.locks.keys().all(|root| self.locks.contains_key(root) || stale(root))
    }

    /// Does what the operation says; returns its status.
    pub fn perform(&mut self, item: &Item) -> Result<u16, Refusal> {
        if let Invalid(_) = item.op {
            return refuse(400);
        }
        check_overlap(&item.op)?;
        self.check_condition(item)?;
        self.check_locks(item).inspect_err(|refusal| {
            if refusal.partial {
                self.remove_but(item.subject(), &refusal.members);
            }
        })?;
        let status = self.act(&item.op)?;
        self.locks.retain(|root, _| self.nodes.contains_key(root));
        Ok(status)
    }

    fn check_condition(&self, item: &Item) -> Result<(), Refusal> {
        match (item.if_none_match, self.nodes.contains_key(item.subject())) {
            (true, true) => refuse(412),
            _ => Ok(()),
        }
    }

    fn check_locks(&self, item: &Item) -> Result<(), Refusal> {
        let closed: Vec<_> = self
            .locks
            .iter()
            .filter(|(_, ours)| !(item.tokens && **ours))
            .map(|(r, _)| r)
            .collect();
        let covered = |path: &str| closed.iter().any(|root| within(root, path));
        let (alone, trees) = match item.op {
            MkCol(path) | Put(path, _) | Delete(path) | Patch(path, _) | Protected(path) => {
                (path, vec![])
            }
            Op::Copy { target, .. } => (target, vec![target]),
            Move { source, target, .. } => (source, vec![source, target]),
            Invalid(_) => return Ok(()),
        };
        if covered(alone) || trees.iter().any(|tree| covered(tree)) {
            return refuse(423);
        }
        for tree in trees {
            let members: BTreeSet<_> = closed.iter().filter(|root| within(tree, root)).collect();
            if !members.is_empty() {
                let members = members.into_iter().map(|root| (*root).clone()).collect();
                return Err(Refusal { status: 423, members, partial: false });
            }
        }
        match item.op {
            Delete(path) => self.keep_locked(path, &closed),
            _ => Ok(()),
        }
    }

    /// A deletion leaves locked members, and what they lie in.
    fn keep_locked(&self, path: &str, closed: &[&String]) -> Result<(), Refusal> {
        let members: BTreeSet<String> =
            closed.iter().filter(|root| within(path, root)).map(|root| (*root).clone()).collect();
        if members.is_empty() {
            return Ok(());
        }
        let mut left = self.clone();
        left.remove_but(path, &members);
        Err(Refusal { status: 423, members, partial: left.nodes != self.nodes })
    }

    /// Removes a tree but for these members, and what they lie in.
    pub fn remove_but(&mut self, path: &str, members: &BTreeSet<String>) {
        let stays = |at: &str| members.iter().any(|kept| within(kept, at) || within(at, kept));
        self.nodes.retain(|at, _| !within(path, at) || stays(at));
        self.etags.retain(|at, _| self.nodes.contains_key(at));
        self.locks.retain(|root, _| self.nodes.contains_key(root));
    }

    fn act(&mut self, op: &Op) -> Result<u16, Refusal> {
        match *op {
            MkCol(path) => {
                self.check_parent(path)?;
                if self.nodes.contains_key(path) {
                    return refuse(405);
                }
                self.nodes.insert(path.to_owned(), Node::default());
                Ok(201)
            }
            Put(path, content) => {
                self.check_parent(path)?;
                let created = !self.nodes.contains_key(path);
                let node = self.nodes.entry(path.to_owned()).or_default();
                if !created && node.content.is_none() {
                    return refuse(405);
                }
                node.content = Some(content.to_owned());
                self.etags.remove(path);
                Ok(if created { 201 } else { 204 })
            }
            Op::Copy { source, target, depth, overwrite } => {
                self.transfer(source, target, overwrite, depth == "0")
            }
            Move { source, target, overwrite } => {
                let status = self.transfer(source, target, overwrite, false)?;
                self.remove_but(source, &BTreeSet::new());
                Ok(status)
            }
            Delete(path) => {
                self.find(path)?;
                self.remove_but(path, &BTreeSet::new());
                Ok(204)
            }
            Patch(path, changes) => {
                let Some(node) = self.nodes.get_mut(path) else { return refuse(404) };
                for (name, value) in changes {
                    node.properties.remove(*name);
                    let value = value.map(|value| ((*name).to_owned(), value.to_owned()));
                    node.properties.extend(value);
                }
                Ok(200)
            }
            Protected(path) => self.find(path).and_then(|()| refuse(403)),
            Invalid(_) => refuse(400),
        }
    }

    fn transfer(
        &mut self,
        source: &str,
        target: &str,
        overwrite: bool,
        alone: bool,
    ) -> Result<u16, Refusal> {
        self.find(source)?;
        self.check_parent(target)?;
        let created = !self.nodes.contains_key(target);
        if !created && !overwrite {
            return refuse(412);
        }
        let old = self.nodes.clone();
        self.nodes.retain(|path, _| !within(target, path));
        self.etags.retain(|path, _| !within(target, path));
        for (path, node) in old {
            if path == source || (within(source, &path) && !alone) {
                self.nodes.insert(format!("{target}{}", &path[source.len()..]), node);
            }
        }
        Ok(if created { 201 } else { 204 })
    }

    fn find(&self, path: &str) -> Result<(), Refusal> {
        if self.nodes.contains_key(path) { Ok(()) } else { refuse(404) }
    }

    fn check_parent(&self, path: &str) -> Result<(), Refusal> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        match self.nodes.get(parent) {
            Some(Node { content: None, .. }) => Ok(()),
            _ => refuse(409),
        }
    }
}

fn check_overlap(op: &Op) -> Result<(), Refusal> {
    match *op {
        Op::Copy { source, target, .. } | Move { source, target, .. }
            if within(source, target) || within(target, source) =>
        {
            refuse(403)
        }
        _ => Ok(()),
    }
}
