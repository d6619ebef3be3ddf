//! `Tour`: a walk over several mounts.

use std::ops::ControlFlow;

use super::{Mount, Mounts};
use crate::store::{Store, Visit, Walk, WalkDepth};
use crate::{Entry, Failure, ResourcePath};

/// A walk on its way. What lies under mount points in the stores around them is left out.
pub(super) struct Tour<'a> {
    mounts: &'a Mounts,
    walk: &'a Walk,
    visit: &'a mut dyn FnMut(Visit) -> ControlFlow<()>,
    /// The mounts that lie in a collection that was cut.
    cut: Vec<bool>,
    /// How many resources were told.
    told: u64,
    is_broken_off: bool,
}

impl<'a> Tour<'a> {
    pub(super) fn new(
        mounts: &'a Mounts,
        walk: &'a Walk,
        visit: &'a mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Self {
        let cut = vec![false; mounts.mounts.len()];
        Self { mounts, walk, visit, cut, told: 0, is_broken_off: false }
    }

    /// Tells of all under `root`: first of what lies in its own mount, then mount by mount.
    pub(super) fn run(mut self, root: &ResourcePath) -> Result<(), Failure> {
        let mounts = self.mounts;
        self.descend(mounts.number_of(root), root, self.walk.depth, &mut None)?;
        for (number, mount) in mounts.mounts.iter().enumerate() {
            if self.is_broken_off || self.cut[number] || !root.is_above(&mount.path) {
                continue;
            }
            match self.walk.depth {
                WalkDepth::One if mount.path.parent().as_ref() != Some(root) => {}
                WalkDepth::One => {
                    let met = match mount.stat(&mount.path, &self.walk.select) {
                        Ok(entry) => Visit::Entry(entry),
                        Err(failure) => Visit::Failure(mount.path.clone(), failure.kind),
                    };
                    let _ = self.tell(met);
                }
                WalkDepth::Infinity { budget } => self.enter(number, mount, budget)?,
            }
        }
        Ok(())
    }

    /// Tells of a mount, its root and all in it, with what is left of the budget.
    fn enter(&mut self, number: usize, mount: &Mount, budget: u64) -> Result<(), Failure> {
        let entry = match mount.stat(&mount.path, &self.walk.select) {
            Ok(entry) => entry,
            Err(failure) => {
                let _ = self.tell(Visit::Failure(mount.path.clone(), failure.kind));
                return Ok(());
            }
        };
        let Some(budget) = budget.checked_sub(self.told + 1) else {
            let _ = self.tell(Visit::Cut(entry));
            return Ok(());
        };
        // If the root can't be walked, that is told in place of its entry.
        let mut untold = Some(entry);
        let depth = WalkDepth::Infinity { budget };
        let walked = self.descend(number, &mount.path, depth, &mut untold);
        let met = match (walked, untold) {
            (walked, None) => return walked,
            (Ok(()), Some(entry)) => Visit::Entry(entry),
            (Err(failure), Some(_)) => Visit::Failure(mount.path.clone(), failure.kind),
        };
        let _ = self.tell(met);
        Ok(())
    }

    /// Tells of what is under `root` in one mount; before the first of it, of `untold`.
    fn descend(
        &mut self,
        number: usize,
        root: &ResourcePath,
        depth: WalkDepth,
        untold: &mut Option<Entry>,
    ) -> Result<(), Failure> {
        let mounts = self.mounts;
        let walk = Walk { depth, select: self.walk.select.clone() };
        mounts.mounts[number].walk(root, &walk, &mut |met| {
            if let Some(entry) = untold.take() {
                self.tell(Visit::Entry(entry))?;
            }
            if mounts.number_of(met.path()) != number {
                return ControlFlow::Continue(());
            }
            self.tell(met)
        })
    }

    fn tell(&mut self, met: Visit) -> ControlFlow<()> {
        if let Visit::Cut(entry) = &met {
            for (cut, mount) in self.cut.iter_mut().zip(&self.mounts.mounts) {
                *cut |= entry.path.is_above(&mount.path);
            }
        }
        self.told += 1;
        let flow = (self.visit)(met);
        self.is_broken_off |= flow.is_break();
        flow
    }
}
