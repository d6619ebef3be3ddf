//! What is done when a store is opened: what was begun is finished, what was left lying is removed.
//!
//! An intent tells which inode was to come to the target, and which was there before. What lies
//! where tells how far the step came. A step whose one visible call was made is finished: what was
//! displaced goes aside, rows follow. A step that didn't come so far is forgotten, and nothing of
//! it is to be seen. Killed meanwhile, the next time finds less to do.
//!
//! What a run that is done whole or not at all had begun is undone ([`crate::undo`]).

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use polydav_store::{Durability, ResourcePath};
use rustix::fs::{FileType, RenameFlags};
use rustix::io::Errno;

use crate::descent::{Descent, Member, Turn};
use crate::intent::{Intent, IntentKind};
use crate::places::Places;
use crate::resolve::{Parents, Root, open_dir_at};
use crate::state::{RowChange, State};
use crate::writer::Writer;
use crate::{sys, tree};

#[cfg(test)]
mod trial;

/// Why a store couldn't be recovered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    /// Nothing else is done before: it may take the place of what is to come back.
    #[error(
        "{path} can't be put in order; see that it can be reached and changed, and start again"
    )]
    Step {
        /// Where the step led.
        path: ResourcePath,
        source: Errno,
    },
    #[error(transparent)]
    System(#[from] Errno),
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
}

/// Finishes what was begun, and empties the staging folder.
pub(crate) fn recover(root: &Root, writer: &Writer, state: &State) -> Result<(), RecoveryError> {
    let intents = state.intents()?;
    if !intents.is_empty() {
        tracing::info!(steps = intents.len(), "finishing or undoing what was begun");
        let mut places = Places { writer, parents: &mut Parents::new(root) };
        let mut changes = Vec::new();
        let failed = |intent: &Intent, source| {
            let path = intent.target.clone();
            RecoveryError::Step { path, source }
        };
        for intent in intents.iter().filter(|intent| !intent.kind.is_undone()) {
            changes.extend(places.finish(intent).map_err(|errno| failed(intent, errno))?);
        }
        for intent in intents.iter().rev().filter(|intent| intent.kind.is_undone()) {
            places.undo(intent).map_err(|errno| failed(intent, errno))?;
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

impl Places<'_, '_> {
    /// Finishes the files' part of a step, and tells what is left to do for the rows.
    fn finish(&mut self, intent: &Intent) -> Result<Option<RowChange>, Errno> {
        let Intent { kind, source, target, source_id, .. } = intent;
        let there = self.identity(target)?;
        let is_moved = *kind != IntentKind::Move || self.is_source_gone(intent)?;
        if there == Some(*source_id) && is_moved {
            let (source, target) = (source.clone(), target.clone());
            return Ok(Some(match kind {
                IntentKind::Move => RowChange::Move(source, target),
                _ => RowChange::Copy { source, target, deep: *kind == IntentKind::CopyTree },
            }));
        }
        match self.aside(intent)? {
            None => {}
            // The copy that wasn't published, or a second name of what is there.
            Some(parked) if parked == *source_id || Some(parked) == there => {}
            // What was displaced. It may not be what was written down: others may have come
            // before it, and some file systems give new numbers with each mount.
            Some(_) => self.bring_back(intent, target)?,
        }
        Ok(None)
    }

    /// Whether a moved source left its place, which what it displaced is made to leave too.
    fn is_source_gone(&mut self, intent: &Intent) -> Result<bool, Errno> {
        let Intent { source, source_id, target_id, aside, .. } = intent;
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
