//! Steps that have to wait until those before them have acted, for reasons that no path tells
//! ([`crate::stretch`] has those that paths tell).

use polydav_store::{Step, Store};
use rustix::io::Errno;

use crate::apply::Execution;
use crate::resolve::{is_dir, is_link};

/// With less space than this, what is removed before may make the room that is needed.
const SCARCE: u64 = 1 << 30;

impl Execution<'_> {
    /// Whether a step must not be opened before others of its stretch have acted, some of which may
    /// free space.
    pub(crate) fn must_wait(&self, step: &Step, frees: bool) -> bool {
        (step.is_conditional() && self.may_look_at_what_others_change(step))
            || (frees && step.makes_content() && self.may_lack_space(step))
    }

    /// Whether its conditions look at something that may change with what has another path: by a link,
    /// by another name of the same file; and the time of a collection is that of its members.
    fn may_look_at_what_others_change(&self, step: &Step) -> bool {
        let is_shared = |path| match self.store.root.stat_itself(path) {
            Ok(stat) => is_dir(&stat) || is_link(&stat) || stat.stx_nlink > 1,
            Err(errno) => errno == Errno::LOOP,
        };
        std::iter::once(step.subject()).chain(step.watches()).any(is_shared)
    }

    fn may_lack_space(&self, step: &Step) -> bool {
        let needed = step.copies().map_or(0, |source| match self.store.root.stat_itself(source) {
            Ok(stat) if is_dir(&stat) => u64::MAX,
            Ok(stat) => stat.stx_size,
            Err(_) => 0,
        });
        let space = self.store.space(step.subject()).ok().flatten();
        space.is_some_and(|space| space.available < SCARCE.max(needed))
    }
}
