//! What operations on a folder must do, as a map from paths to what is there: the model that the
//! server's answers and its folder are held against. It knows of no locks and no full disks.

use std::collections::BTreeMap;
use std::fmt;

use roxmltree::Document;

use crate::http::send;
use crate::{Folder, Server};

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Node {
    /// A file's content; a collection has none.
    pub content: Option<String>,
    /// Its one dead property.
    pub property: Option<String>,
}

/// A folder: what is in it by path, such as `d/a`. The root is always there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Model(BTreeMap<String, Node>);

/// A condition of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// `If-Match: *`
    Exists,
    /// `If-None-Match: *`
    IsFree,
}

/// A copy or move: from where, to where, and what it says of overwriting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The source.
    pub source: String,
    /// The target.
    pub target: String,
    /// `Overwrite`, if it says so.
    pub overwrite: Option<bool>,
}

/// An operation, for a batch or as a request of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// PUT of this content.
    Put(String, String, Option<Condition>),
    /// MKCOL
    MakeCollection(String),
    /// DELETE
    Delete(String),
    /// COPY, of members too unless it is shallow.
    Copy(Transfer, Depth),
    /// MOVE
    Move(Transfer),
    /// PROPPATCH that sets the property.
    Patch(String, String),
}

/// How much of a tree is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// `Depth: 0`
    Zero,
    /// `Depth: infinity`
    Infinity,
}

/// What the failure of an operation means for the others of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    BestEffort,
    /// No further one is tried.
    Stop,
    /// All is undone.
    Atomic,
}

/// What is told of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its status.
    pub status: u16,
    /// What became of it; a request of its own doesn't say.
    pub outcome: String,
    /// The index of the operation it hangs on.
    pub cause: Option<usize>,
}

/// Something that is sent at once, and done as if alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A request of its own.
    Single(Operation),
    /// A batch.
    Batch(Mode, Vec<Item>),
}

/// An operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it does.
    pub operation: Operation,
    /// The operations that it needs, by their indices, in order.
    pub needs: Vec<usize>,
}

/// Numbers that look like chance, and are the same each time.
#[derive(Debug, Clone)]
pub struct Chance(pub u64);

impl Chance {
    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("it is below the bound")
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// Doing.
impl Model {
    /// What there is in a folder, as it lies there, and as clients are told of its properties.
    #[track_caller]
    pub fn look(folder: &Folder, server: &Server) -> Self {
        let mut nodes = BTreeMap::new();
        for (path, bytes) in folder.tree() {
            let text = |bytes| String::from_utf8(bytes).expect("contents are text");
            let path = path.into_os_string().into_string().expect("names are text");
            nodes.insert(path, Node { content: bytes.map(text), property: None });
        }
        let ask =
            b"<D:propfind xmlns:D='DAV:'><D:prop><p xmlns='urn:model'/></D:prop></D:propfind>";
        let found = send(server, "PROPFIND", "/", &[("Depth", "infinity")], ask);
        let document = Document::parse(found.text()).expect("the answer is XML");
        for response in
            document.descendants().filter(|node| node.has_tag_name(("DAV:", "response")))
        {
            let text = |name| {
                let mut found = response.descendants().filter(|node| node.has_tag_name(name));
                found.next().and_then(|node| node.text()).map(str::to_owned)
            };
            let href = text(("DAV:", "href")).expect("a response has an href");
            let path = href.trim_matches('/');
            if let Some(value) = text(("urn:model", "p")) {
                let node = nodes.get_mut(path).unwrap_or_else(|| panic!("there is no {path}"));
                node.property = Some(value);
            }
        }
        Self(nodes)
    }

    /// Does a request; returns what it must be told.
    pub fn run(&mut self, request: &Request) -> Vec<Told> {
        match request {
            Request::Single(operation) => {
                let status = match self.perform(operation) {
                    200 => 207,
                    status => status,
                };
                vec![Told { status, outcome: String::new(), cause: None }]
            }
            Request::Batch(mode, items) => self.run_batch(*mode, items),
        }
    }

    fn run_batch(&mut self, mode: Mode, items: &[Item]) -> Vec<Told> {
        let before = self.clone();
        let guarded = overwrites_later_source(items);
        // Of what is to be done whole, nothing runs if an operation is known to fail.
        let mut cause = guarded.first().copied().filter(|_| mode == Mode::Atomic);
        let mut told: Vec<Told> = Vec::new();
        for (index, Item { operation, needs }) in items.iter().enumerate() {
            if let Some(cause) = cause.filter(|cause| *cause != index) {
                told.push(Told::hanging("not-attempted", cause));
                continue;
            }
            let is_guarded = guarded.contains(&index);
            let unmet = needs.iter().find(|&&need| told[need].status / 100 != 2);
            if let Some(cause) = unmet.filter(|_| !is_guarded) {
                told.push(Told::hanging("not-attempted", *cause));
                continue;
            }
            let status = if is_guarded { 409 } else { self.perform(operation) };
            if status / 100 != 2 && mode != Mode::BestEffort {
                cause.get_or_insert(index);
            }
            told.push(Told::of(status));
        }
        if let Some(cause) = cause.filter(|_| mode == Mode::Atomic) {
            *self = before;
            for told in told.iter_mut().filter(|told| told.outcome == "applied") {
                *told = Told::hanging("rolled-back", cause);
            }
        }
        told
    }

    /// Does an operation; returns the status it has in a batch.
    pub fn perform(&mut self, operation: &Operation) -> u16 {
        match operation {
            Operation::Put(path, content, condition) => self.put(path, content, *condition),
            Operation::MakeCollection(path) if !self.has_parent(path) => 409,
            Operation::MakeCollection(path) if self.0.contains_key(path) => 405,
            Operation::MakeCollection(path) => {
                self.0.insert(path.clone(), Node { content: None, property: None });
                201
            }
            Operation::Delete(path) if self.0.contains_key(path) => {
                self.take(path);
                204
            }
            Operation::Patch(path, value) => match self.0.get_mut(path) {
                Some(node) => {
                    node.property = Some(value.clone());
                    200
                }
                None => 404,
            },
            Operation::Delete(_) => 404,
            Operation::Copy(transfer, depth) => self.transfer(transfer, *depth, |model| {
                let mut copied = model.clone().take(&transfer.source);
                copied.retain(|rest, _| rest.is_empty() || *depth == Depth::Infinity);
                copied
            }),
            Operation::Move(transfer) => {
                self.transfer(transfer, Depth::Infinity, |model| model.take(&transfer.source))
            }
        }
    }

    fn put(&mut self, path: &str, content: &str, condition: Option<Condition>) -> u16 {
        let old = self.0.get(path);
        match (condition, old) {
            (Some(Condition::Exists), None) | (Some(Condition::IsFree), Some(_)) => return 412,
            _ if !self.has_parent(path) => return 409,
            (_, Some(Node { content: None, .. })) => return 405,
            _ => {}
        }
        let (is_new, property) = (old.is_none(), old.and_then(|old| old.property.clone()));
        self.0.insert(path.to_owned(), Node { content: Some(content.to_owned()), property });
        if is_new { 201 } else { 204 }
    }

    fn transfer(
        &mut self,
        transfer: &Transfer,
        depth: Depth,
        taken: impl Fn(&mut Self) -> BTreeMap<String, Node>,
    ) -> u16 {
        let Transfer { source, target, overwrite } = transfer;
        let is_free = !self.0.contains_key(target);
        // Without its members, a collection can be copied to where one would be.
        let is_within = depth == Depth::Infinity && below(source, target).is_some();
        if is_within || below(target, source).is_some() {
            return 403;
        }
        if !self.0.contains_key(source) {
            return 404;
        }
        if !self.has_parent(target) {
            return 409;
        }
        if !is_free && *overwrite == Some(false) {
            return 412;
        }
        self.take(target);
        let taken = taken(self);
        self.0.extend(taken.into_iter().map(|(rest, node)| (format!("{target}{rest}"), node)));
        if is_free { 201 } else { 204 }
    }

    /// Takes out a tree, by what its paths have behind that of its root.
    fn take(&mut self, root: &str) -> BTreeMap<String, Node> {
        let tree = self.0.extract_if(.., |path, _| below(root, path).is_some());
        tree.map(|(path, node)| (path[root.len()..].to_owned(), node)).collect()
    }

    fn has_parent(&self, path: &str) -> bool {
        let Some((parent, _)) = path.rsplit_once('/') else { return true };
        self.0.get(parent).is_some_and(|node| node.content.is_none())
    }
}

/// What a path has behind that of a root it lies at or below.
fn below<'a>(root: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The swap guard: a transfer that doesn't say whether to overwrite, onto what a later one comes
/// from, and that one.
fn overwrites_later_source(items: &[Item]) -> Vec<usize> {
    let transfer = |index: usize| match &items[index].operation {
        Operation::Copy(transfer, _) | Operation::Move(transfer) => Some(transfer),
        _ => None,
    };
    let destroys = |earlier: usize, later: usize| match (transfer(earlier), transfer(later)) {
        (Some(Transfer { target, overwrite: None, .. }), Some(later)) => *target == later.source,
        _ => false,
    };
    let all = 0..items.len();
    let is_guarded = |&index: &usize| {
        (index + 1..items.len()).any(|later| destroys(index, later))
            || (0..index).any(|earlier| destroys(earlier, index))
    };
    all.filter(is_guarded).collect()
}

impl Told {
    fn of(status: u16) -> Self {
        let outcome = if status / 100 == 2 { "applied" } else { "not-applied" };
        Self { status, outcome: outcome.to_owned(), cause: None }
    }

    fn hanging(outcome: &str, cause: usize) -> Self {
        Self { status: 424, outcome: outcome.to_owned(), cause: Some(cause) }
    }
}

/// Sending.
impl Request {
    /// A batch of operations that don't need each other.
    pub fn batch(mode: Mode, operations: Vec<Operation>) -> Self {
        let item = |operation| Item { operation, needs: Vec::new() };
        Self::Batch(mode, operations.into_iter().map(item).collect())
    }

    /// As it goes over the wire, with `Connection: close`.
    pub fn to_bytes(&self, host: &str) -> Vec<u8> {
        let (line, fields, body) = match self {
            Self::Single(operation) => operation.request(),
            Self::Batch(..) => {
                ("POST /batch-operation".to_owned(), String::new(), self.to_string())
            }
        };
        let length = body.len();
        let head = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}");
        format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
    }

    /// What an answer tells.
    #[track_caller]
    pub fn told(&self, answer: &crate::http::Response) -> Vec<Told> {
        let Self::Batch(..) = self else {
            return vec![Told { status: answer.status, outcome: String::new(), cause: None }];
        };
        assert_eq!(answer.status, 207, "{}", answer.text());
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).expect("it is JSON");
        let number =
            |value: &serde_json::Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        let told = |item: &serde_json::Value| Told {
            status: item["status"].as_u64().and_then(|n| n.try_into().ok()).expect("a status"),
            outcome: item["outcome"].as_str().expect("an outcome").to_owned(),
            cause: number(&item["cause"]),
        };
        answer["items"].as_array().expect("there are items").iter().map(told).collect()
    }
}

impl Operation {
    /// The request line without its version, the header fields, and the body.
    fn request(&self) -> (String, String, String) {
        let transfer = |Transfer { target, overwrite, .. }: &Transfer| {
            let overwrite = overwrite.map(|is_so| if is_so { "T" } else { "F" });
            let overwrite = overwrite.map(|flag| format!("Overwrite: {flag}\r\n"));
            format!("Destination: /{target}\r\n{}", overwrite.unwrap_or_default())
        };
        match self {
            Self::Put(path, content, condition) => {
                let condition = match condition {
                    None => "",
                    Some(Condition::Exists) => "If-Match: *\r\n",
                    Some(Condition::IsFree) => "If-None-Match: *\r\n",
                };
                (format!("PUT /{path}"), condition.to_owned(), content.clone())
            }
            Self::MakeCollection(path) => (format!("MKCOL /{path}"), String::new(), String::new()),
            Self::Delete(path) => (format!("DELETE /{path}"), String::new(), String::new()),
            Self::Copy(to, depth) => {
                let depth = if *depth == Depth::Zero { "0" } else { "infinity" };
                let fields = format!("{}Depth: {depth}\r\n", transfer(to));
                (format!("COPY /{}", to.source), fields, String::new())
            }
            Self::Move(to) => (format!("MOVE /{}", to.source), transfer(to), String::new()),
            Self::Patch(path, value) => {
                let set = set(value);
                let body = format!("<D:propertyupdate xmlns:D='DAV:'>{set}</D:propertyupdate>");
                (format!("PROPPATCH /{path}"), String::new(), body)
            }
        }
    }

    /// One of these, whose content or value is this, on some of these paths.
    pub fn by_chance(chance: &mut Chance, paths: &[&str], value: String) -> Self {
        let mut path = || chance.pick(paths).to_owned();
        let (source, target) = (path(), path());
        let overwrite = chance.pick(&[None, Some(false), Some(true)]);
        let condition =
            chance.pick(&[None, None, Some(Condition::Exists), Some(Condition::IsFree)]);
        let depth = chance.pick(&[Depth::Infinity, Depth::Infinity, Depth::Zero]);
        let kind = chance.below(12);
        let transfer = Transfer { source: source.clone(), target, overwrite };
        match kind {
            0..=2 => Self::Put(source, value, condition),
            3..=4 => Self::MakeCollection(source),
            5 => Self::Delete(source),
            6..=7 => Self::Copy(transfer, depth),
            8..=9 => Self::Move(transfer),
            _ => Self::Patch(source, value),
        }
    }
}

fn set(value: &str) -> String {
    format!("<D:set><D:prop><p xmlns='urn:model'>{value}</p></D:prop></D:set>")
}

/// As a document in JSON, also what is a request of its own.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mode, items) = match self {
            Self::Single(operation) => return operation.fmt(f),
            Self::Batch(mode, items) => (mode, items),
        };
        let operations = items.iter().enumerate().map(|(index, Item { operation, needs })| {
            let needs: Vec<_> = needs.iter().map(|need| format!("\"o{need}\"")).collect();
            let more = format!(r#", "id": "o{index}", "needs": [{}]}}"#, needs.join(", "));
            operation.to_string().strip_suffix('}').expect("it is an object").to_owned() + &more
        });
        let operations = operations.collect::<Vec<_>>().join(",\n  ");
        write!(f, "{{\"mode\": \"{mode}\", \"operations\": [\n  {operations}]}}")
    }
}

/// A node a line.
impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, Node { content, property }) in &self.0 {
            writeln!(f, "{path}: {content:?}, {property:?}")?;
        }
        Ok(())
    }
}

/// As an operation of a document in JSON.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transfer = |Transfer { source, target, overwrite }: &Transfer| {
            let overwrite = overwrite.map(|is_so| format!(r#", "overwrite": {is_so}"#));
            let overwrite = overwrite.unwrap_or_default();
            format!(r#""href": "/{source}", "dest": "/{target}"{overwrite}"#)
        };
        match self {
            Self::Put(path, content, condition) => {
                let condition = match condition {
                    None => "",
                    Some(Condition::Exists) => r#", "ifMatch": "*""#,
                    Some(Condition::IsFree) => r#", "ifNoneMatch": "*""#,
                };
                write!(
                    f,
                    r#"{{"op": "put", "href": "/{path}", "content": "{content}"{condition}}}"#
                )
            }
            Self::MakeCollection(path) => write!(f, r#"{{"op": "mkcol", "href": "/{path}"}}"#),
            Self::Delete(path) => write!(f, r#"{{"op": "delete", "href": "/{path}"}}"#),
            Self::Copy(to, depth) => {
                let depth = if *depth == Depth::Zero { "0" } else { "infinity" };
                write!(f, r#"{{"op": "copy", {}, "depth": "{depth}"}}"#, transfer(to))
            }
            Self::Move(to) => write!(f, r#"{{"op": "move", {}}}"#, transfer(to)),
            Self::Patch(path, value) => {
                let set = set(value).replace("<D:set>", "<D:set xmlns:D='DAV:'>");
                write!(f, r#"{{"op": "proppatch", "href": "/{path}", "patch": "{set}"}}"#)
            }
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BestEffort => "best-effort",
            Self::Stop => "stop",
            Self::Atomic => "atomic",
        })
    }
}
