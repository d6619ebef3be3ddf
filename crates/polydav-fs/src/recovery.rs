//! What is done when a store is opened: what was begun is finished, what was left lying is removed.
//!
//! An intent tells which inode was to come to the target, and which was there before. What lies
//! where tells how far the step came. A step whose one visible call was made is finished: what was
//! displaced goes aside, rows follow. A step that didn't come so far is forgotten, and nothing of
//! it is to be seen. Killed meanwhile, the next time finds less to do.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use polydav_store::{Durability, ResourcePath};
use rustix::fs::{FileType, RenameFlags};
use rustix::io::Errno;

use crate::descent::{Descent, Member, Turn};
use crate::intent::{Identity, Intent, IntentKind};
use crate::resolve::{Dir, Parents, Root, open_dir_at, stat_at};
use crate::stage::rename_new;
use crate::state::{RowChange, State};
use crate::writer::{Writer, make_dir};
use crate::{sys, tree};

#[cfg(test)]
mod trial;

/// The folder for what can't go back to where it was.
const LOST: &[u8] = b"lost";

/// Why a store couldn't be recovered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    #[error(transparent)]
    System(#[from] Errno),
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
}

/// Finishes what was begun, and empties the staging folder.
pub(crate) fn recover(root: &Root, writer: &Writer, state: &State) -> Result<(), RecoveryError> {
    let intents = state.intents()?;
    if !intents.is_empty() {
        tracing::info!(steps = intents.len(), "finishing what was begun");
        let mut parents = Parents::new(root);
        let mut changes = Vec::new();
        for intent in &intents {
            let mut recovery = Recovery { writer, parents: &mut parents, intent };
            changes.extend(recovery.finish()?);
        }
        sys::sync_all(root)?;
        state.settle(Durability::Full, |rows| {
            changes.iter().try_for_each(|change| rows.apply(change))?;
            rows.settle(intents.iter().map(|intent| intent.seq))
        })?;
    }
    empty(writer)?;
    Ok(())
}

/// An intent that is being finished.
struct Recovery<'a, 'p> {
    writer: &'a Writer,
    parents: &'a mut Parents<'p>,
    intent: &'a Intent,
}

impl Recovery<'_, '_> {
    /// Finishes the files' part, and tells what is left to do for the rows.
    fn finish(&mut self) -> Result<Option<RowChange>, Errno> {
        let Intent { kind, source, target, source_id, aside, .. } = self.intent;
        let there = self.identity(target)?;
        let is_moved = *kind != IntentKind::Move || self.is_source_gone()?;
        if there == Some(*source_id) && is_moved {
            return Ok(Some(match kind {
                IntentKind::Move => RowChange::Move(source.clone(), target.clone()),
                IntentKind::CopyTree | IntentKind::CopyAlone => RowChange::Copy {
                    source: source.clone(),
                    target: target.clone(),
                    deep: *kind == IntentKind::CopyTree,
                },
            }));
        }
        match stat_at(&*self.writer.stage, aside).map(|stat| Identity::of(&stat)) {
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
            // The copy that wasn't published, or a second name of what is there.
            Ok(parked) if parked == *source_id || Some(parked) == there => {}
            // What was displaced. It may not be what was written down: others may have come
            // before it, and some file systems give new numbers with each mount.
            Ok(_) => self.put_back()?,
        }
        Ok(None)
    }

    /// Whether a moved source left its place, which what it displaced is made to leave too.
    fn is_source_gone(&mut self) -> Result<bool, Errno> {
        let Intent { source, source_id, target_id, aside, .. } = self.intent;
        match self.identity(source)? {
            Some(id) if id == *source_id => Ok(false),
            Some(id) if Some(id) == *target_id => {
                let (dir, name) = self.parents.of(source)?;
                sys::rename((dir, name), (&*self.writer.stage, aside), RenameFlags::empty())?;
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    /// Puts what was displaced back, or where it can be found if others took its place.
    fn put_back(&mut self) -> Result<(), Errno> {
        let Intent { target, aside, run, seq, .. } = self.intent;
        let parked = (&*self.writer.stage, &aside[..]);
        let noreplace = self.writer.abilities.noreplace;
        let back = self
            .parents
            .of(target)
            .and_then(|(dir, name): (Dir, _)| rename_new(parked, (dir, name), noreplace));
        match back {
            Ok(()) => Ok(()),
            Err(Errno::EXIST | Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                let lost = make_dir(&self.writer.dir, LOST)?;
                let name = format!("{run}-{seq}");
                tracing::warn!(%target, lost = %name, "others took the place of what was there");
                rename_new(parked, (lost, name.as_bytes()), noreplace)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Which inode lies at a path.
    fn identity(&mut self, path: &ResourcePath) -> Result<Option<Identity>, Errno> {
        match self.parents.of(path).and_then(|(dir, name)| stat_at(&dir, name)) {
            Ok(stat) => Ok(Some(Identity::of(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// Removes everything from the staging folder.
fn empty(writer: &Writer) -> Result<(), Errno> {
    let stage = &*writer.stage;
    let dir = open_dir_at(stage, b".")?;
    let mut descent = Descent::bare(dir);
    let discard = |name: &CStr| {
        if let Err(error) = tree::purge(stage, name.to_bytes()) {
            tracing::warn!(%error, name = ?name, "what was left lying can't be removed");
        }
    };
    let mut member = |_: BorrowedFd<'_>, name: &CStr, _: FileType| -> Member<()> {
        discard(name);
        Member::Done
    };
    while let Ok(Turn::Dir(name)) = descent.next(&mut member)? {
        discard(&name);
    }
    Ok(())
}
