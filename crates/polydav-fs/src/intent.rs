//! What is about to be done, written down before it is, so that it can be finished after a crash.
//!
//! Most steps need none of this: one system call does all of them. A step needs an intent if it
//! takes more than one: where properties move along with a file, or a directory makes way for
//! another thing. `docs/decisions/0010-intents.md` tells why this is enough.
//!
//! In a run that is done whole or not at all every step is written down: there an intent tells how to
//! go back.

use polydav_store::{ResourcePath, RunId};
use rustix::fs::{Statx, StatxFlags};

/// Which inode: its number, and when it was made, for numbers are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    inode: u64,
    birth: (i64, u32),
}

impl Identity {
    /// Of nothing that is there.
    pub(crate) const UNKNOWN: Self = Self { inode: 0, birth: (0, 0) };

    pub(crate) fn of(stat: &Statx) -> Self {
        let knows_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
        let birth = if knows_birth { stat.stx_btime } else { return Self::unborn(stat.stx_ino) };
        Self { inode: stat.stx_ino, birth: (birth.tv_sec, birth.tv_nsec) }
    }

    fn unborn(inode: u64) -> Self {
        Self { inode, birth: (0, 0) }
    }

    pub(crate) fn to_bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.inode.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.birth.0.to_be_bytes());
        bytes[16..].copy_from_slice(&self.birth.1.to_be_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: [u8; 20]) -> Self {
        let (inode, birth) = bytes.split_at(8);
        let (seconds, nanos) = birth.split_at(8);
        Self {
            inode: u64::from_be_bytes(inode.try_into().expect("8 of 20 bytes")),
            birth: (
                i64::from_be_bytes(seconds.try_into().expect("8 of 20 bytes")),
                u32::from_be_bytes(nanos.try_into().expect("4 of 20 bytes")),
            ),
        }
    }
}

/// What kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntentKind {
    /// The source becomes the target.
    Move = 1,
    /// A copy of the source, prepared aside, becomes the target.
    CopyTree = 2,
    /// As [`IntentKind::CopyTree`], of a collection without its members.
    CopyAlone = 3,
    /// In a run that is done whole or not at all: what is staged becomes the target.
    Publish = 4,
    /// In such a run: a collection is made.
    MakeCollection = 5,
    /// In such a run: what lies at the source goes aside.
    Park = 6,
    /// In such a run: the source becomes the target.
    Relocate = 7,
}

impl IntentKind {
    const ALL: [Self; 7] = [
        Self::Move,
        Self::CopyTree,
        Self::CopyAlone,
        Self::Publish,
        Self::MakeCollection,
        Self::Park,
        Self::Relocate,
    ];

    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind as i64 == number)
    }

    /// Whether what was begun is undone after a crash; else it is finished.
    pub(crate) fn is_undone(self) -> bool {
        match self {
            Self::Move | Self::CopyTree | Self::CopyAlone => false,
            Self::Publish | Self::MakeCollection | Self::Park | Self::Relocate => true,
        }
    }
}

/// A step about to be done.
#[derive(Debug)]
pub(crate) struct Intent {
    /// Its number, of all that are under way.
    pub(crate) seq: i64,
    /// The run it belongs to.
    pub(crate) run: RunId,
    pub(crate) kind: IntentKind,
    pub(crate) source: ResourcePath,
    pub(crate) target: ResourcePath,
    /// What will lie at the target: the source of a move, what is staged; or what goes aside. That of
    /// a collection to be made isn't known.
    pub(crate) source_id: Identity,
    /// What lies at the target before.
    pub(crate) target_id: Option<Identity>,
    /// The name in the staging folder that what lies at the target before may get.
    pub(crate) aside: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use rustix::fs::CWD;

    use super::*;
    use crate::resolve::stat_at;

    #[test]
    fn a_number_that_is_used_again_tells_another_inode() {
        let stat = stat_at(CWD, c"/proc/self/exe").unwrap();
        let born = |seconds, nanos| {
            let mut stat = stat;
            stat.stx_mask |= StatxFlags::BTIME.bits();
            (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec) = (seconds, nanos);
            Identity::of(&stat)
        };
        assert_eq!(born(5, 7), born(5, 7));
        assert_ne!(born(5, 7), born(6, 7));
        assert_ne!(born(5, 7), born(5, 8));
        let mut other = stat;
        other.stx_ino += 1;
        assert_ne!(Identity::of(&stat), Identity::of(&other));
    }

    #[test]
    fn where_nobody_knows_when_it_was_made_the_number_tells_all() {
        let mut stat = stat_at(CWD, c"/proc/self/exe").unwrap();
        stat.stx_mask &= !StatxFlags::BTIME.bits();
        let identity = Identity::of(&stat);
        // What isn't known may be anything.
        (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec) = (5, 7);
        assert_eq!(Identity::of(&stat), identity);
    }

    #[test]
    fn an_identity_is_written_down_in_full() {
        let identity = Identity { inode: u64::MAX - 1, birth: (-2, 999_999_999) };
        assert_eq!(Identity::from_bytes(identity.to_bytes()), identity);
        assert_eq!(IntentKind::from_number(0), None);
        for kind in IntentKind::ALL {
            assert_eq!(IntentKind::from_number(kind as i64), Some(kind));
        }
    }
}
