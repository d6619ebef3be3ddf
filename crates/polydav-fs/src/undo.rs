//! The steps of a run that is done whole or not at all, undone: in the run itself if one of them
//! fails, or when the store is opened again after a crash.
//!
//! They are undone backwards, so that each finds what it left. How far it came is told by what lies
//! where, and undoing goes on from there: broken off at any point, it can be done again. What others
//! did meanwhile stays; what they left no place for goes to where it can be found.

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use crate::descent::is_empty;
use crate::intent::{Intent, IntentKind};
use crate::places::Places;
use crate::resolve::open_dir_at;
use crate::stage::rename_new;
use crate::sys;

impl Places<'_, '_> {
    /// Undoes a step, however far it came.
    pub(crate) fn undo(&mut self, intent: &Intent) -> Result<(), Errno> {
        match intent.kind {
            IntentKind::Publish => self.withdraw(intent),
            IntentKind::MakeCollection => self.unmake(intent),
            IntentKind::Park => match self.aside(intent)? {
                Some(_) => self.bring_back(intent, &intent.source),
                None => Ok(()),
            },
            IntentKind::Relocate => self.move_back(intent),
            IntentKind::Move | IntentKind::CopyTree | IntentKind::CopyAlone => Ok(()),
        }
    }

    /// What was published goes to the staging folder; what it displaced comes back from there.
    fn withdraw(&mut self, intent: &Intent) -> Result<(), Errno> {
        let Intent { target, source_id, aside, .. } = intent;
        let parked = self.aside(intent)?;
        if self.identity(target)? != Some(*source_id) {
            // It isn't published, or others put something in its place.
            return match parked {
                Some(parked) if parked != *source_id => self.bring_back(intent, target),
                _ => Ok(()),
            };
        }
        let (dir, name) = self.parents.of(target)?;
        let flags = match parked {
            Some(_) => RenameFlags::EXCHANGE,
            None => RenameFlags::NOREPLACE,
        };
        sys::rename((&dir, name), (&*self.writer.stage, aside), flags)?;
        self.parents.forget(target);
        Ok(())
    }

    /// The collection goes to the staging folder. There it tells that it is no longer to be looked for
    /// at its place, where by now there may be another.
    fn unmake(&mut self, intent: &Intent) -> Result<(), Errno> {
        let Intent { target, aside, .. } = intent;
        if self.aside(intent)?.is_some() {
            return Ok(());
        }
        let made = self.parents.of(target).and_then(|(dir, name)| {
            let is_empty = is_empty(open_dir_at(&dir, name)?)?;
            Ok(is_empty.then_some((dir, name)))
        });
        match made {
            Ok(Some((dir, name))) => {
                let stage = (&*self.writer.stage, &aside[..]);
                rename_new((&dir, name), stage, self.writer.abilities.noreplace)?;
                self.parents.forget(target);
                Ok(())
            }
            Ok(None) => {
                tracing::warn!(%target, "others put something in a collection that is to be undone");
                Ok(())
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// What was moved goes back, by way of the exchange it came by if it displaced something.
    fn move_back(&mut self, intent: &Intent) -> Result<(), Errno> {
        let Intent { source, target, source_id, target_id, .. } = intent;
        let parked = self.aside(intent)?;
        if self.identity(target)? != Some(*source_id) {
            return match parked {
                Some(_) => self.bring_back(intent, target),
                None => Ok(()),
            };
        }
        match (self.identity(source)?, parked) {
            (None, Some(_)) => {
                self.bring_back(intent, source)?;
                self.move_back(intent)
            }
            (Some(there), None) if Some(there) == *target_id => self.exchange(intent),
            (_, None) => self.send_back(intent),
            // Others took the place it comes from: it stays, and what it displaced is kept elsewhere.
            (Some(_), Some(_)) => self.bring_back(intent, target),
        }
    }
}
