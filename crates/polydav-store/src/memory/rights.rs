//! What the ground would say to a change: whether it may be made, and whether there is room.

use super::change::Manner;
use super::node::{Body, Node};
use super::tree::{Met, Room, Tree, fail};
use crate::{Failure, FailureKind, Ground, Member, Members, ResourcePath};

impl Tree {
    pub(super) fn check_parent(&self, target: &ResourcePath) -> Result<(), Failure> {
        let Some(parent) = target.parent() else { return Ok(()) };
        match self.get(&parent) {
            Ok(Some(node)) if node.is_collection() => {}
            // Nothing is made behind a link.
            Ok(Some(node)) if matches!(node.body, Body::Special { link: true }) => {
                return fail(FailureKind::Forbidden, target);
            }
            Ok(_) => return fail(FailureKind::ParentMissing, &parent),
            Err(failure) => return Err(Failure { path: target.clone(), ..failure }),
        }
        self.ask(target, |ground| ground.check_name(target))
    }

    fn ask(
        &self,
        path: &ResourcePath,
        question: impl FnOnce(&dyn Ground) -> Result<(), FailureKind>,
    ) -> Result<(), Failure> {
        let answer = self.ground().map_or(Ok(()), question);
        answer.map_err(|kind| Failure::new(kind, path.clone()))
    }

    /// Whether something may come to `target`, in place of what is there.
    pub(super) fn check_place(&self, target: &ResourcePath, is_free: bool) -> Result<(), Failure> {
        if !is_free {
            return self.check_leaving(target);
        }
        self.ask(target, |ground| {
            let holder = target.parent().and_then(|parent| self.itself(&parent));
            holder.map_or(Ok(()), |holder| ground.check_holder(&holder))
        })
    }

    pub(super) fn check_leaving(&self, path: &ResourcePath) -> Result<(), Failure> {
        self.ask(path, |ground| {
            let holder = path.parent().and_then(|parent| self.itself(&parent));
            ground.check_leaving(self.itself(path).as_ref(), holder.as_ref())
        })
    }

    /// Whether a resource may go from one place to another. What it fails with is about the resource.
    pub(super) fn check_moving(
        &self,
        (source, node): (&ResourcePath, &Node),
        (target, is_free): (&ResourcePath, bool),
    ) -> Result<(), Failure> {
        self.check_leaving(source)?;
        let arrives = self.check_place(target, is_free);
        arrives.map_err(|failure| Failure { path: source.clone(), ..failure })?;
        if !node.is_collection() || source.parent() == target.parent() {
            return Ok(());
        }
        // What a collection says of the one around it changes too.
        self.ask(source, |ground| {
            self.itself(source).map_or(Ok(()), |itself| ground.check_holder(&itself))
        })
    }

    pub(super) fn check_reading(&self, path: &ResourcePath, node: &Node) -> Result<(), Failure> {
        match (&node.body, &node.origin) {
            (Body::Special { link: false }, _) => fail(FailureKind::Forbidden, path),
            (Body::File { content: None, .. }, Some(origin)) => {
                self.ask(path, |ground| ground.check_reading(&origin.path))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to replace a tree with something in it that nobody gets rid of so.
    pub(super) fn check_obstacles(&self, target: &ResourcePath) -> Result<(), Failure> {
        if self.ground.is_none() {
            return Ok(());
        }
        let (mut met_there, mut shut) = (Members::default(), None);
        self.tour(target, &mut |met| {
            let (path, kind) = match met {
                Met::Collection(..) => return true,
                Met::Shut(path, kind) if path == target => {
                    shut = Some(kind);
                    return false;
                }
                Met::Shut(path, kind) if !is_too_deep(kind) => (path, kind),
                Met::End(path, true) => (path, FailureKind::Forbidden),
                Met::Member(..) | Met::Shut(..) | Met::End(..) => return false,
            };
            met_there.push(Member { path: path.clone(), kind });
            false
        })?;
        match shut {
            Some(kind) => fail(kind, target),
            None if met_there.is_empty() => Ok(()),
            None => Err(Failure::of_members(target.clone(), met_there, false)),
        }
    }

    /// Takes this much of the ground's space, for a change of this resource.
    pub(super) fn take_room(&mut self, path: &ResourcePath, bytes: u64) -> Result<(), Failure> {
        let Some(ground) = &self.ground else { return Ok(()) };
        let Room { taken, freed } = self.room;
        let taken = taken.saturating_add(bytes);
        if let Some(space) = ground.space(path)?
            && taken > space.available.saturating_add(freed)
        {
            return fail(FailureKind::NoSpace, path);
        }
        self.room.taken = taken;
        Ok(())
    }

    /// Gives this much of it back. What may have to be undone is kept until the end.
    pub(super) fn give_room(&mut self, bytes: u64, manner: Manner) {
        if manner == Manner::Partly {
            self.room.freed = self.room.freed.saturating_add(bytes);
        }
    }
}

/// What is deeper than a path can say is reached all the same, by those who go there step by step.
pub(super) fn is_too_deep(kind: FailureKind) -> bool {
    kind == FailureKind::NameTooLong
}
