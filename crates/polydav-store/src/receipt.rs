//! Receipts: what is written down of the steps of a run together with their commit, so that after a
//! crash it is known which of them were done, and none is done twice.
//!
//! A store that is about to commit steps hands their outcomes over first, with a [`Witness`] by which
//! it can tell later what became of the commit ([`Store::fate`](crate::Store::fate)). Whoever keeps
//! the receipts has them on disk before the store goes on. So there are three cases after a crash: no
//! receipt, nothing was done; a receipt whose commit was made; a receipt of nothing.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Added, Done, ETag, Effect, Failure, FailureKind, Member, Members, Outcome, ResourcePath, Value,
};

/// The name of a commit. What it says is its store's own affair.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness(#[serde(with = "text")] Vec<u8>);

impl Witness {
    /// The commit with this name.
    pub fn new(name: impl Into<Vec<u8>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Witness({})", self.0.escape_ascii())
    }
}

/// So long, at least, a store knows the fate of the commits that it made. Whoever keeps receipts
/// forgets them before: a commit that the store forgot looks like one that wasn't made.
pub const FATE_KNOWN: Duration = Duration::from_secs(48 * 60 * 60);

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was made.
    Done,
    /// It wasn't, and never will be.
    Undone,
    /// The store can't tell.
    Unknown,
}

/// What makes the outcomes of steps final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Commit {
    /// A commit whose store can tell what became of it.
    Named(Witness),
    /// A commit whose store can't tell, unless it comes back to say that it was made
    /// ([`Report::confirm`](crate::Report::confirm)).
    Nameless,
    /// Nothing: these steps changed nothing.
    Nothing,
}

/// Outcomes that become final together. Of several receipts of a step the last counts.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// What makes them final.
    pub commit: Commit,
    /// The index of each step, and how it went.
    pub outcomes: Vec<(usize, Outcome)>,
}

/// Bytes are no receipt.
#[derive(Debug, thiserror::Error)]
#[error("what was kept is no receipt")]
pub struct InvalidReceipt(#[from] serde_json::Error);

impl Receipt {
    /// The receipt as bytes to be kept.
    pub fn encode(&self) -> Vec<u8> {
        let outcomes = self.outcomes.iter();
        let kept = Kept {
            commit: self.commit.clone(),
            outcomes: outcomes.map(|(index, outcome)| (*index, KeptOutcome::of(outcome))).collect(),
        };
        serde_json::to_vec(&kept).expect("it is made of numbers and texts")
    }

    /// What [`Receipt::encode`] gave.
    ///
    /// # Errors
    /// If that isn't what the bytes are.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidReceipt> {
        let Kept { commit, outcomes } = serde_json::from_slice(bytes)?;
        let outcomes = outcomes.into_iter();
        let outcomes = outcomes.map(|(index, outcome)| (index, outcome.into_outcome())).collect();
        Ok(Self { commit, outcomes })
    }
}

/// As it is kept; names are short, for there may be ten thousand.
#[derive(Serialize, Deserialize)]
struct Kept {
    commit: Commit,
    outcomes: Vec<(usize, KeptOutcome)>,
}

#[derive(Serialize, Deserialize)]
enum KeptOutcome {
    #[serde(rename = "d")]
    Done {
        #[serde(rename = "c")]
        created: bool,
        #[serde(rename = "e", skip_serializing_if = "Option::is_none", default)]
        etag: Option<String>,
        #[serde(rename = "a", skip_serializing_if = "Option::is_none", default)]
        added: Option<KeptAdded>,
    },
    #[serde(rename = "f")]
    Failed(Box<KeptFailure>),
}

#[derive(Serialize, Deserialize)]
struct KeptFailure {
    kind: FailureKind,
    path: Path,
    effect: Effect,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    members: Vec<(Path, FailureKind)>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    column: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    detail: Option<Box<str>>,
}

#[derive(Serialize, Deserialize)]
struct KeptAdded {
    path: Path,
    key: Option<KeptValue>,
}

#[derive(Serialize, Deserialize)]
enum KeptValue {
    Text(Box<str>),
    Json(Box<str>),
    Bytes(#[serde(with = "text")] Vec<u8>),
}

impl KeptAdded {
    fn of(added: &Added) -> Self {
        let key = added.key.as_ref().and_then(|key| match key {
            Value::Text(text) => Some(KeptValue::Text(text.clone())),
            Value::Json(json) => Some(KeptValue::Json(json.clone())),
            Value::Bytes(bytes) => Some(KeptValue::Bytes(bytes.to_vec())),
            // Neither is a key.
            Value::Null | Value::Added(_) => None,
        });
        Self { path: Path::of(&added.path), key }
    }

    fn into_added(self) -> Added {
        let key = self.key.map(|key| match key {
            KeptValue::Text(text) => Value::Text(text),
            KeptValue::Json(json) => Value::Json(json),
            KeptValue::Bytes(bytes) => Value::Bytes(bytes.into()),
        });
        Added { path: self.path.into_path(), key }
    }
}

/// A path; it need not be text.
#[derive(Serialize, Deserialize)]
struct Path(#[serde(with = "text")] Vec<u8>);

impl Path {
    fn of(path: &ResourcePath) -> Self {
        Self(path.as_bytes().to_vec())
    }

    fn into_path(self) -> ResourcePath {
        ResourcePath::parse(self.0).unwrap_or_default()
    }
}

impl KeptOutcome {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Ok(Done { created, etag, added }) => Self::Done {
                created: *created,
                etag: etag.as_ref().map(|tag| tag.as_str().to_owned()),
                added: added.as_ref().map(KeptAdded::of),
            },
            Err(failure) => {
                let member = |member: &Member| (Path::of(&member.path), member.kind);
                Self::Failed(Box::new(KeptFailure {
                    kind: failure.kind,
                    path: Path::of(&failure.path),
                    effect: failure.effect,
                    members: failure.members.list().iter().map(member).collect(),
                    etag: failure.etag.as_ref().map(|tag| tag.as_str().to_owned()),
                    column: failure.column.clone(),
                    detail: failure.detail.clone(),
                }))
            }
        }
    }

    fn into_outcome(self) -> Outcome {
        match self {
            Self::Done { created, etag, added } => Ok(Done {
                created,
                etag: etag.map(ETag::new),
                added: added.map(KeptAdded::into_added),
            }),
            Self::Failed(failure) => {
                let KeptFailure { kind, path, effect, members, etag, column, detail } = *failure;
                let member = |(path, kind): (Path, _)| Member { path: path.into_path(), kind };
                let members = if members.is_empty() {
                    Members::default()
                } else {
                    members.into_iter().map(member).collect()
                };
                let etag = etag.map(ETag::new);
                let failure = Failure::new(kind, path.into_path());
                Err(Failure { effect, members, etag, column, detail, ..failure })
            }
        }
    }
}

/// Bytes as text: as they are where they are UTF-8, else in hexadecimal digits behind a NUL.
mod text {
    use std::fmt::Write as _;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.starts_with('\0') => to.serialize_str(text),
            _ => {
                let mut text = String::from('\0');
                for byte in bytes {
                    write!(text, "{byte:02x}").expect("a string takes everything");
                }
                to.serialize_str(&text)
            }
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let Some(digits) = text.strip_prefix('\0') else { return Ok(text.into_bytes()) };
        let byte = |at| {
            let pair = digits.get(at..at + 2).ok_or_else(|| D::Error::custom("half a byte"))?;
            u8::from_str_radix(pair, 16).map_err(D::Error::custom)
        };
        (0..digits.len()).step_by(2).map(byte).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::{json, path, text};

    fn again(commit: Commit, outcomes: Vec<(usize, Outcome)>) -> Receipt {
        Receipt::decode(&Receipt { commit, outcomes }.encode()).unwrap()
    }

    #[test]
    fn what_is_kept_comes_back() {
        let members = [("a/b", FailureKind::Locked), ("a/\u{e9}", FailureKind::Forbidden)]
            .map(|(at, kind)| Member { path: path(at), kind });
        let mut failure = Failure::of_members(path("a"), members.into_iter().collect(), true);
        failure.etag = Some(ETag::new("t"));
        let failure = failure.with_column("c").with_detail("why");
        let done = |key| Done {
            created: true,
            etag: Some(ETag::new("1-2")),
            added: Some(Added { path: path(b"caf\xe9/\xff"), key }),
        };
        let outcomes = || {
            vec![
                (0, Ok(done(None))),
                (1, Ok(done(Some(text("t"))))),
                (2, Ok(done(Some(json("7"))))),
                (4, Ok(done(Some(Value::Bytes(b"\xff".as_slice().into()))))),
                (7, Ok(Done::default())),
                (3, Err(failure.clone())),
            ]
        };
        for commit in [
            Commit::Named(Witness::new(b"\0\xff\x10".to_vec())),
            Commit::Named(Witness::new("text")),
            Commit::Nameless,
            Commit::Nothing,
        ] {
            let receipt = again(commit.clone(), outcomes());
            assert_eq!(receipt.commit, commit);
            let shown = |outcomes: &[(usize, Outcome)]| format!("{outcomes:?}");
            assert_eq!(shown(&receipt.outcomes), shown(&outcomes()));
        }
    }

    #[test]
    fn what_is_no_receipt_is_refused() {
        for bytes in [&b""[..], b"{}", b"[1]", b"{\"commit\":\"Nothing\"}", b"\xff"] {
            Receipt::decode(bytes).unwrap_err();
        }
        let odd = Receipt { commit: Commit::Named(Witness::new([0])), outcomes: Vec::new() };
        let odd = String::from_utf8(odd.encode()).unwrap().replace("\\u000000", "\\u0000\u{e9}");
        Receipt::decode(odd.as_bytes()).unwrap_err();
    }
}
