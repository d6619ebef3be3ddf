//! Who does the work, and in which way.

use std::fmt;

/// Someone who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// polydav, in one batch.
    Batch(Mode, Durability),
    /// A loop of system calls.
    BareCalls,
    /// A request for each file, on so many connections.
    Nginx(usize),
    /// The same.
    Apache(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    BestEffort,
    Atomic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    Relaxed,
    Full,
}

pub(super) const BEST_EFFORT: Who = Who::Batch(Mode::BestEffort, Durability::Relaxed);
pub(super) const BEST_EFFORT_FULL: Who = Who::Batch(Mode::BestEffort, Durability::Full);
pub(super) const ATOMIC: Who = Who::Batch(Mode::Atomic, Durability::Relaxed);
pub(super) const ATOMIC_FULL: Who = Who::Batch(Mode::Atomic, Durability::Full);
/// All ways of a batch.
pub(super) const BATCHES: [Who; 4] = [BEST_EFFORT, BEST_EFFORT_FULL, ATOMIC, ATOMIC_FULL];

impl Who {
    /// On how many connections single requests are sent, if they are.
    pub(super) fn connections(self) -> Option<usize> {
        match self {
            Self::Nginx(count) | Self::Apache(count) => Some(count),
            Self::Batch(..) | Self::BareCalls => None,
        }
    }

    /// The root of its server, below the root of the field.
    pub(super) fn server(self) -> &'static str {
        match self {
            Self::Batch(_, Durability::Relaxed) => "relaxed",
            Self::Batch(_, Durability::Full) => "full",
            Self::BareCalls => "bare",
            Self::Nginx(_) => "nginx",
            Self::Apache(_) => "apache",
        }
    }

    /// Where the files lie, for the server.
    pub(super) fn base(self) -> String {
        match self {
            Self::Batch(mode, _) => format!("/{}", mode.name()),
            Self::BareCalls => String::new(),
            Self::Nginx(connections) | Self::Apache(connections) => format!("/{connections}"),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(mode, _) => write!(f, "{}, {}", mode.name(), self.server()),
            Self::BareCalls => f.write_str("bare calls"),
            Self::Nginx(1) | Self::Apache(1) => write!(f, "{} on 1 connection", self.server()),
            Self::Nginx(count) | Self::Apache(count) => {
                write!(f, "{} on {count} connections", self.server())
            }
        }
    }
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BestEffort => "best-effort",
            Self::Atomic => "atomic",
        }
    }
}
