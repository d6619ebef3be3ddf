//! Where the things lie that a step was to bring elsewhere, known by their identity; and how they
//! come back.

use polydav_store::ResourcePath;
use rustix::fs::RenameFlags;
use rustix::io::Errno;

use crate::intent::{Identity, Intent};
use crate::resolve::{Parents, stat_at};
use crate::stage::rename_new;
use crate::sys;
use crate::writer::{Writer, make_dir};

/// The folder for what can't go back to where it was.
const LOST: &[u8] = b"lost";

/// The most things of one step that are kept there.
const LOST_MAX: u32 = 100;

/// Looks where things lie, and brings them back.
pub(crate) struct Places<'a, 'p> {
    pub(crate) writer: &'a Writer,
    pub(crate) parents: &'a mut Parents<'p>,
}

impl Places<'_, '_> {
    /// Which inode lies at a path.
    pub(crate) fn identity(&mut self, path: &ResourcePath) -> Result<Option<Identity>, Errno> {
        let found = self.parents.of(path).and_then(|(dir, name)| stat_at(&dir, name));
        found.map_or_else(none_if_gone, |stat| Ok(Some(Identity::of(&stat))))
    }

    /// Which inode lies under the name that a step had for what it displaces.
    pub(crate) fn aside(&self, intent: &Intent) -> Result<Option<Identity>, Errno> {
        let found = stat_at(&*self.writer.stage, &intent.aside[..]);
        found.map_or_else(none_if_gone, |stat| Ok(Some(Identity::of(&stat))))
    }

    /// Brings what lies under that name to `path`, or to where it can be found if others took that
    /// place.
    pub(crate) fn bring_back(&mut self, intent: &Intent, path: &ResourcePath) -> Result<(), Errno> {
        let aside = (&*self.writer.stage, &intent.aside[..]);
        let noreplace = self.writer.abilities.noreplace;
        let brought = self.parents.of(path).and_then(|place| rename_new(aside, place, noreplace));
        self.parents.forget(path);
        match brought {
            Err(errno) if is_taken(errno) => self.lose(intent, path),
            outcome => outcome,
        }
    }

    /// Sends what a step moved back to where it came from. If others took that place, it stays.
    pub(crate) fn send_back(&mut self, intent: &Intent) -> Result<(), Errno> {
        let Intent { source, target, .. } = intent;
        let (dir, name) = self.parents.of(target)?;
        let noreplace = self.writer.abilities.noreplace;
        let sent =
            self.parents.of(source).and_then(|place| rename_new((&dir, name), place, noreplace));
        self.parents.forget(source);
        self.parents.forget(target);
        match sent {
            Err(errno) if is_taken(errno) => {
                tracing::warn!(%source, %target, "others took the place of what was moved");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Exchanges what lies at the two paths of a step.
    pub(crate) fn exchange(&mut self, intent: &Intent) -> Result<(), Errno> {
        let (from, to) = (self.parents.of(&intent.source)?, self.parents.of(&intent.target)?);
        sys::rename((&from.0, from.1), (&to.0, to.1), RenameFlags::EXCHANGE)?;
        self.parents.forget(&intent.source);
        self.parents.forget(&intent.target);
        Ok(())
    }

    /// Puts what lies under the name in the staging folder, and belongs at `path`, where it can be
    /// found.
    fn lose(&self, intent: &Intent, path: &ResourcePath) -> Result<(), Errno> {
        let aside = (&*self.writer.stage, &intent.aside[..]);
        let lost = make_dir(&self.writer.dir, LOST)?;
        let Intent { run, seq, .. } = intent;
        let names = std::iter::once(format!("{run}-{seq}"))
            .chain((1..LOST_MAX).map(|more| format!("{run}-{seq}-{more}")));
        for name in names {
            match rename_new(aside, (&lost, name.as_bytes()), self.writer.abilities.noreplace) {
                Err(Errno::EXIST) => {}
                outcome => {
                    tracing::warn!(%path, lost = %name, "others took the place of what was there");
                    return outcome;
                }
            }
        }
        Err(Errno::EXIST)
    }
}

fn none_if_gone<T>(errno: Errno) -> Result<Option<T>, Errno> {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => Ok(None),
        errno => Err(errno),
    }
}

/// Whether something can't come to a place because of what others did to it.
fn is_taken(errno: Errno) -> bool {
    matches!(errno, Errno::EXIST | Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}
