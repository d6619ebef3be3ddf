//! How the items of a batch went: what `urn:polydav:batch:1` adds to a multistatus.
//!
//! RFC 4918 tells a status for each resource. Who sent a list of operations also wants to know
//! which of them a response is about, whether anything was changed, and whether it is worth
//! sending again. [`Item`] says so within a [`Response`](crate::Response); [`Summary`] counts.
//! Clients that know nothing of it see a plain multistatus.

use http::{HeaderName, HeaderValue, StatusCode};

/// The namespace of the batch elements.
pub const NAMESPACE: &str = "urn:polydav:batch:1";

/// The header that carries [`Summary::to_header`].
pub const BATCH_RESULT: HeaderName = HeaderName::from_static("batch-result");

/// One operation of a batch, and how it went.
///
/// The description, conditions and location that go with it are those of its
/// [`Response`](crate::Response).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place in the request, from 0.
    pub index: u64,
    /// Its name in the request, if it had one.
    pub id: Option<String>,
    /// What was to be done: `put`, `delete`, …
    pub op: String,
    /// To what, in the words of the request.
    pub href: String,
    /// The status a single request would have got.
    pub status: StatusCode,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether to send it again; left out where it succeeded.
    pub retry: Option<Retry>,
    /// The index of the item because of which this one did not run.
    pub cause: Option<u64>,
    /// The entity tag the resource has now.
    pub etag: Option<String>,
    /// The column that is at fault, if the resource is a row and one is.
    pub column: Option<String>,
    /// Members of a collection that failed, if it was an operation on a tree.
    pub members: Vec<Member>,
    /// More members failed than are told.
    pub members_truncated: bool,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done.
    Applied,
    /// It was tried and changed nothing.
    NotApplied,
    /// An operation on a tree that changed some members, and failed for others.
    Partial,
    /// It was done, and undone because another item failed.
    RolledBack,
    /// It was never begun.
    NotAttempted,
    /// A dry run: it would be done.
    WouldApply,
    /// It can't be known; look before sending it again.
    Unknown,
}

/// Whether an item is worth sending again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It will never succeed.
    Never,
    /// Once the item itself is put right.
    Fix,
    /// Once the client has looked at the resource again.
    AfterRefresh,
    /// As it is, at once.
    Safe,
    /// As it is, after so many seconds.
    After(u64),
}

/// A member of a collection, for which an operation on the tree failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub href: String,
    /// Why.
    pub status: StatusCode,
    /// Why, for people.
    pub description: Option<String>,
}

/// How a batch goes on after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// It goes on.
    #[default]
    BestEffort,
    /// It stops there.
    Stop,
    /// It undoes what was done.
    Atomic,
}

/// The counts of a batch; `succeeded`, `failed` and `skipped` add up to `total`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// All items.
    pub total: u64,
    /// Those with a 2xx.
    pub succeeded: u64,
    /// The rest.
    pub failed: u64,
    /// Those not attempted or rolled back.
    pub skipped: u64,
    /// How failures were dealt with.
    pub mode: Mode,
    /// Why an atomic batch could not be committed, if no item is to blame.
    pub commit_error: Option<String>,
}

impl Item {
    /// An item that went as its status says: applied if 2xx, else not.
    pub fn new(
        index: u64,
        op: impl Into<String>,
        href: impl Into<String>,
        status: StatusCode,
    ) -> Self {
        let outcome = if status.is_success() { Outcome::Applied } else { Outcome::NotApplied };
        Self {
            index,
            id: None,
            op: op.into(),
            href: href.into(),
            status,
            outcome,
            retry: None,
            cause: None,
            etag: None,
            column: None,
            members: Vec::new(),
            members_truncated: false,
        }
    }
}

impl Summary {
    /// Counts nothing yet.
    pub fn new(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// Counts these items.
    pub fn of<'a>(mode: Mode, items: impl IntoIterator<Item = &'a Item>) -> Self {
        let mut summary = Self::new(mode);
        items.into_iter().for_each(|item| summary.count(item.status, item.outcome));
        summary
    }

    /// Counts one more item.
    pub fn count(&mut self, status: StatusCode, outcome: Outcome) {
        self.total += 1;
        match outcome {
            Outcome::NotAttempted | Outcome::RolledBack => self.skipped += 1,
            _ if status.is_success() => self.succeeded += 1,
            _ => self.failed += 1,
        }
    }

    /// The value of the header `Batch-Result`, a dictionary (RFC 9651 §3.2).
    pub fn to_header(&self) -> HeaderValue {
        let Self { total, succeeded, failed, skipped, .. } = self;
        let text =
            format!("total={total}, succeeded={succeeded}, failed={failed}, skipped={skipped}");
        HeaderValue::try_from(text).expect("letters, digits and punctuation")
    }
}

/// A closed set of words, the same in XML and JSON.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word for it in XML and JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What a word stands for.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words!(Outcome {
    Applied = "applied",
    NotApplied = "not-applied",
    Partial = "partial",
    RolledBack = "rolled-back",
    NotAttempted = "not-attempted",
    WouldApply = "would-apply",
    Unknown = "unknown",
});

words!(Mode { BestEffort = "best-effort", Stop = "stop", Atomic = "atomic" });

impl Retry {
    /// The word for it in XML and JSON; the seconds stand beside it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Fix => "fix",
            Self::AfterRefresh => "after-refresh",
            Self::Safe => "safe",
            Self::After(_) => "after",
        }
    }

    /// The seconds, if it has some.
    pub const fn seconds(self) -> Option<u64> {
        match self {
            Self::After(seconds) => Some(seconds),
            Self::Never | Self::Fix | Self::AfterRefresh | Self::Safe => None,
        }
    }

    /// What a word and seconds stand for; `after` needs them.
    pub fn parse(word: &str, seconds: Option<u64>) -> Option<Self> {
        Some(match word {
            "never" => Self::Never,
            "fix" => Self::Fix,
            "after-refresh" => Self::AfterRefresh,
            "safe" => Self::Safe,
            "after" => Self::After(seconds?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let mut summary = Summary::new(Mode::Atomic);
        summary.count(StatusCode::CREATED, Outcome::Applied);
        summary.count(StatusCode::FAILED_DEPENDENCY, Outcome::RolledBack);
        summary.count(StatusCode::SERVICE_UNAVAILABLE, Outcome::NotAttempted);
        summary.count(StatusCode::CONFLICT, Outcome::Partial);
        summary.count(StatusCode::INTERNAL_SERVER_ERROR, Outcome::Unknown);
        summary.count(StatusCode::NO_CONTENT, Outcome::WouldApply);
        assert_eq!(summary.to_header(), "total=6, succeeded=2, failed=2, skipped=2");
    }

    #[test]
    fn words_are_closed() {
        assert_eq!(Outcome::parse("rolled-back"), Some(Outcome::RolledBack));
        assert_eq!(Outcome::parse("Applied"), None);
        for retry in [Retry::Never, Retry::Fix, Retry::AfterRefresh, Retry::Safe, Retry::After(5)] {
            assert_eq!(Retry::parse(retry.as_str(), retry.seconds()), Some(retry));
        }
        assert_eq!(Retry::parse("after", None), None);
        assert_eq!(Retry::parse("soon", Some(5)), None);
        assert_eq!(Mode::parse(Mode::Stop.as_str()), Some(Mode::Stop));
    }
}
