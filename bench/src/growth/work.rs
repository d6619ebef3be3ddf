//! The works: how each is asked for, what has become of it then, and what it is held to.

use crate::Result;
use crate::client::{ALLPROP, Answer, Client, XML};
use crate::report::Goal;

use super::curve::Point;
use super::turn::{HERE, Turn, WIDE};

/// What is done to many members.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// A folder is listed.
    Listing,
    /// A tree is copied.
    Copy,
    /// What was copied is deleted.
    Delete,
    /// All files of a tree are moved to another, by one document.
    Batch,
    /// The same, by operations that run as they arrive.
    Stream,
}

const NDJSON: &str = "Content-Type: application/x-ndjson";
const BATCH: (&str, &str) = ("POST", "/batch-operation");

impl Work {
    /// In the order in which they are done.
    pub(super) const ALL: [Self; 5] =
        [Self::Listing, Self::Copy, Self::Delete, Self::Batch, Self::Stream];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Listing => "PROPFIND Depth 1",
            Self::Copy => "COPY of a tree",
            Self::Delete => "DELETE of a tree",
            Self::Batch => "Batch of moves, XML",
            Self::Stream => "Batch of moves, NDJSON",
        }
    }

    /// What its plot is called.
    pub(super) fn plot(self) -> &'static str {
        match self {
            Self::Listing => "growth-listing",
            Self::Copy => "growth-copy",
            Self::Delete => "growth-delete",
            Self::Batch => "growth-batch",
            Self::Stream => "growth-ndjson",
        }
    }

    /// Whether it can be set beside the bare calls.
    pub(super) fn is_moves(self) -> bool {
        matches!(self, Self::Batch | Self::Stream)
    }

    /// How much memory it may add. A document is there as a whole; nothing else is.
    pub(super) fn memory(self) -> (Goal, fn(&Point) -> f64) {
        match self {
            Self::Batch => (Goal::AtMost(6.0, "KiB an operation"), Point::kibibytes_each),
            _ => (Goal::AtMost(16.0, "MiB"), Point::mebibytes),
        }
    }

    /// Asks for it, and takes the answer in.
    pub(super) fn ask(self, client: &mut Client, turn: &Turn<'_>) -> Result<Answer> {
        let copy = format!("/{}/", turn.copy);
        match self {
            Self::Listing => {
                client.send("PROPFIND", &format!("/{WIDE}/"), &["Depth: 1", XML], ALLPROP)
            }
            Self::Copy => {
                let destination = format!("Destination: {}", client.url(&copy));
                client.send("COPY", &format!("/{HERE}/"), &[&destination], b"")
            }
            Self::Delete => client.send("DELETE", &copy, &[], b""),
            Self::Batch => client.send(BATCH.0, BATCH.1, &[XML], turn.document().as_bytes()),
            Self::Stream => client.converse(BATCH, &[NDJSON], turn.lines().as_bytes()),
        }
    }

    /// Whether it was done to all members.
    pub(super) fn is_done(self, answer: &Answer, turn: &Turn<'_>) -> Result<bool> {
        match self {
            Self::Listing => Ok(answer.responses == turn.size + 1),
            Self::Copy => Ok(turn.files_in(&turn.copy)? == turn.size),
            Self::Delete => turn.is_deleted(),
            Self::Batch | Self::Stream => turn.is_moved(),
        }
    }
}
