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
    let (mut stretch, mut count) = (Stretch::new(), 0);
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

/// The steps taken together so far: a tree of what they look at. Of each path it takes a node a segment,
/// so that long paths cost no more than they have bytes.
struct Stretch<'a> {
    /// Of each node.
    marks: Vec<Marks>,
    /// By the node of the collection, and the name in it.
    nodes: HashMap<(usize, &'a [u8]), usize>,
}

/// The node of the root.
const ROOT: usize = 0;

/// With so many nodes it takes no further step.
const NODES_MAX: usize = 200_000;

impl<'a> Stretch<'a> {
    fn new() -> Self {
        Self { marks: vec![0], nodes: HashMap::new() }
    }

    /// Takes another step, unless it has to wait for one that was taken.
    fn take(&mut self, step: &'a Step) -> bool {
        let waits =
            self.marks.len() >= NODES_MAX || looks(step).any(|look| self.is_in_the_way_of(&look));
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
        let mut node = ROOT;
        for name in look.path.segments() {
            if self.marks[node] & above != 0 {
                return true;
            }
            match self.nodes.get(&(node, name)) {
                Some(child) => node = *child,
                None => return false,
            }
        }
        self.marks[node] & here != 0
    }

    fn mark(&mut self, look: &Look<'a>) {
        let (mut here, mut above) =
            (if look.is_whole { LOOKED_THROUGH } else { LOOKED_AT }, LOOKED_BELOW);
        if look.changes {
            here |= if look.is_whole { CHANGED_THROUGH } else { CHANGED_AT };
            above |= CHANGED_BELOW;
        }
        let mut node = ROOT;
        for name in look.path.segments() {
            self.marks[node] |= above;
            let next = self.marks.len();
            node = *self.nodes.entry((node, name)).or_insert(next);
            if node == next {
                self.marks.push(0);
            }
        }
        self.marks[node] |= here;
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
            let run: Vec<_> = steps.iter().map(|words| step(words)).collect();
            assert_eq!(super::together(&run, |_| true, |_| false), together, "{steps:?}");
        }
    }

    /// Four thousand of these took fourteen seconds, and hundreds of megabytes.
    #[test]
    fn what_is_kept_in_mind_of_deep_paths_is_bounded() {
        let deep = "a/".repeat(2000);
        let run: Vec<_> = (0..500).map(|n| step(&format!("delete {n}/{deep}a"))).collect();
        let count = super::together(&run, |_| true, |_| false);
        assert_eq!(count, NODES_MAX.div_ceil(2002));
    }
}
