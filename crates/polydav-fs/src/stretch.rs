//! How many steps may be prepared together.
//!
//! Syncing and committing once for many steps means preparing many before the first acts. That is
//! the same as doing one after the other as long as no step looks at what one before it changes.

use std::collections::HashMap;

use polydav_store::{ResourcePath, Step};

/// How many of the steps go together: the first, and those that may join it, up to one of which
/// `is_last` is true.
pub(crate) fn together(
    steps: &[Step],
    may_join: impl Fn(&Step) -> bool,
    mut is_last: impl FnMut(&Step) -> bool,
) -> usize {
    let (mut stretch, mut count) = (Stretch::default(), 0);
    for step in steps {
        if !((count == 0 || may_join(step)) && stretch.take(step)) {
            break;
        }
        count += 1;
        if is_last(step) {
            break;
        }
    }
    count
}

/// What a step looks at.
struct Look<'a> {
    path: &'a ResourcePath,
    /// With all that lies under it.
    is_whole: bool,
    /// Whether it changes that too.
    changes: bool,
}

fn looks(step: &Step) -> impl Iterator<Item = Look<'_>> {
    // A step that may empty a tree looks at whole trees; others at single resources.
    let is_whole = step.vacates().next().is_some();
    let changed = step.changes().map(move |path| Look { path, is_whole, changes: true });
    let copied = step.copies().map(move |path| Look { path, is_whole, changes: false });
    let watched = step.watches().map(|path| Look { path, is_whole: false, changes: false });
    changed.chain(copied).chain(watched)
}

/// What was looked at and changed at a path, as bits.
type Marks = u8;

const LOOKED_AT: Marks = 1;
const LOOKED_THROUGH: Marks = 1 << 1;
const LOOKED_BELOW: Marks = 1 << 2;
const CHANGED_AT: Marks = 1 << 3;
const CHANGED_THROUGH: Marks = 1 << 4;
const CHANGED_BELOW: Marks = 1 << 5;

/// The steps taken together so far.
#[derive(Default)]
struct Stretch<'a> {
    marks: HashMap<&'a [u8], Marks>,
}

impl<'a> Stretch<'a> {
    /// Takes another step, unless it has to wait for one that was taken.
    fn take(&mut self, step: &'a Step) -> bool {
        let waits = looks(step).any(|look| self.is_in_the_way_of(&look));
        if !waits {
            looks(step).for_each(|look| self.mark(&look));
        }
        !waits
    }

    /// Whether something was changed that is now to be looked at, or looked at that is now to be
    /// changed.
    fn is_in_the_way_of(&self, look: &Look<'_>) -> bool {
        let (mut here, mut above) = (CHANGED_AT | CHANGED_THROUGH, CHANGED_THROUGH);
        if look.changes {
            here |= LOOKED_AT | LOOKED_THROUGH;
            above |= LOOKED_THROUGH;
        }
        if look.is_whole {
            here |= CHANGED_BELOW | if look.changes { LOOKED_BELOW } else { 0 };
            // The collection that the tree lies in may be made only now.
            above |= CHANGED_AT;
        }
        self.at(look.path.as_bytes()) & here != 0
            || ancestors(look.path).any(|path| self.at(path) & above != 0)
    }

    fn at(&self, path: &[u8]) -> Marks {
        self.marks.get(path).copied().unwrap_or(0)
    }

    fn mark(&mut self, look: &Look<'a>) {
        let (mut here, mut above) =
            (if look.is_whole { LOOKED_THROUGH } else { LOOKED_AT }, LOOKED_BELOW);
        if look.changes {
            here |= if look.is_whole { CHANGED_THROUGH } else { CHANGED_AT };
            above |= CHANGED_BELOW;
        }
        *self.marks.entry(look.path.as_bytes()).or_default() |= here;
        for path in ancestors(look.path) {
            let marks = self.marks.entry(path).or_default();
            // Whoever marked it marked those above it too.
            if *marks & above == above {
                break;
            }
            *marks |= above;
        }
    }
}

/// The collections a path lies in, innermost first, up to the root.
fn ancestors(path: &ResourcePath) -> impl Iterator<Item = &[u8]> {
    let mut at = path.as_bytes();
    std::iter::from_fn(move || {
        if at.is_empty() {
            return None;
        }
        at = &at[..at.iter().rposition(|&byte| byte == b'/').unwrap_or(0)];
        Some(at)
    })
}

#[cfg(test)]
mod tests {
    use polydav_store::{Action, Content, Depth, Guard, Overwrite};

    use super::*;

    fn path(joined: &str) -> ResourcePath {
        ResourcePath::parse(joined).unwrap()
    }

    /// Steps written as words: `put a`, `mkcol a`, `delete a`, `copy a b`, `move a b`.
    fn step(words: &str) -> Step {
        let words: Vec<_> = words.split(' ').collect();
        let target = path(words.last().unwrap());
        let overwrite = Overwrite::Replace;
        let action = match words[0] {
            "put" => {
                let content = Content::Inline(bytes::Bytes::new());
                Action::Put { target, content, modified: None }
            }
            "mkcol" => Action::MakeCollection { target },
            "delete" => Action::Remove { target },
            "copy" => {
                Action::Copy { source: path(words[1]), target, depth: Depth::Infinity, overwrite }
            }
            "move" => Action::Rename { source: path(words[1]), target, overwrite },
            word => panic!("no step {word}"),
        };
        Step::new(0, Guard::default(), action)
    }

    #[test]
    fn steps_wait_for_what_they_look_at() {
        for (steps, together) in [
            (&["put a", "put b", "mkcol c", "put c/d", "mkcol c/e", "put c/e/f"][..], 6),
            (&["put a", "put a"], 1),
            (&["mkcol a", "move b a/b"], 1),
            (&["move a b", "move c d", "move e f"], 3),
            (&["move a b", "move b c"], 1),
            (&["move a b", "put a"], 1),
            (&["delete a", "put a/b"], 1),
            (&["put a/b", "delete a"], 1),
            (&["copy a b", "copy a c"], 2),
            (&["copy a b", "put a/x"], 1),
            (&["copy a/b c", "put a/x"], 2),
            (&["put a/b/c", "put a/x", "move a/b d"], 2),
            (&["put x/y/z", "copy x w"], 1),
            (&["copy a b", "copy b c"], 1),
            (&["put a", "move b c", "delete d"], 3),
        ] {
            let run: Vec<_> = steps.iter().map(|words| step(words)).collect();
            assert_eq!(super::together(&run, |_| true, |_| false), together, "{steps:?}");
        }
    }
}
