//! How many steps may be prepared together.
//!
//! Syncing and committing once for many steps means preparing many before the first acts. That is
//! the same as doing one after the other as long as no step looks at what one before it changes.

use std::collections::HashSet;
use std::iter::Peekable;

use polydav_store::{ResourcePath, Step};

/// A set of paths, some with all that lies under them.
#[derive(Default)]
struct Marks {
    alone: HashSet<Box<[u8]>>,
    trees: HashSet<Box<[u8]>>,
    /// The collections that all of these lie in.
    above: HashSet<Box<[u8]>>,
}

impl Marks {
    fn add(&mut self, path: &ResourcePath, whole: bool) {
        let set = if whole { &mut self.trees } else { &mut self.alone };
        set.insert(path.as_bytes().into());
        for above in ancestors(path) {
            // Whoever noted it noted those above it too.
            if self.above.contains(above) {
                break;
            }
            self.above.insert(above.into());
        }
    }

    /// Whether `path`, alone or with all that lies under it, has something in common with these.
    fn meets(&self, path: &ResourcePath, whole: bool) -> bool {
        let joined = path.as_bytes();
        self.alone.contains(joined)
            || self.trees.contains(joined)
            || (whole && self.above.contains(joined))
            || (!self.trees.is_empty() && ancestors(path).any(|above| self.trees.contains(above)))
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

/// The steps taken together so far.
#[derive(Default)]
pub(crate) struct Stretch {
    changed: Marks,
    looked: Marks,
}

impl Stretch {
    /// The next steps that go together: the first, and those that may join it, up to one of which
    /// `is_last` is true.
    pub(crate) fn next(
        steps: &mut Peekable<impl Iterator<Item = Step>>,
        may_join: impl Fn(&Step) -> bool,
        mut is_last: impl FnMut(&Step) -> bool,
    ) -> Vec<Step> {
        let (mut stretch, mut taken) = (Self::default(), Vec::new());
        while let Some(step) =
            steps.next_if(|step| (taken.is_empty() || may_join(step)) && stretch.take(step))
        {
            let last = is_last(&step);
            taken.push(step);
            if last {
                break;
            }
        }
        taken
    }

    /// Takes another step, unless it has to wait for one that was taken.
    pub(crate) fn take(&mut self, step: &Step) -> bool {
        // A step that may empty a tree looks at whole trees; others at single resources.
        let whole = step.vacates().next().is_some();
        let waits = step.claims().any(|path| self.changed.meets(path, whole))
            || step.watches().any(|path| self.changed.meets(path, false))
            || step.changes().any(|path| self.looked.meets(path, whole))
            || (whole && step.claims().any(|path| self.makes_way_to(path)));
        if waits {
            return false;
        }
        step.claims().for_each(|path| self.looked.add(path, whole));
        step.watches().for_each(|path| self.looked.add(path, false));
        step.changes().for_each(|path| self.changed.add(path, whole));
        true
    }

    /// Whether a collection that `path` lies in may be made by a step that was taken.
    fn makes_way_to(&self, path: &ResourcePath) -> bool {
        !self.changed.alone.is_empty()
            && ancestors(path).any(|above| self.changed.alone.contains(above))
    }
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
            let mut stretch = Stretch::default();
            let taken = steps.iter().take_while(|words| stretch.take(&step(words))).count();
            assert_eq!(taken, together, "{steps:?}");
        }
    }
}
