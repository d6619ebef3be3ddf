//! Steps that can be undone until they are settled.
//!
//! What such a step displaces is neither overwritten nor removed, but put aside; and it is written
//! down as an intent before it is done. What isn't settled is undone ([`crate::undo`]): by the run
//! itself, or when the store is opened again. So go the steps of runs that are done whole or not at
//! all ([`crate::whole`]), and of those that receipts are kept of ([`crate::receipt`]).

use polydav_store::{Action, Depth, Done, Failure, FailureKind, Overwrite, Permit, ResourcePath};
use rustix::fs::Statx;
use rustix::io::Errno;

use crate::act::{Acted, DONE, failed, members, refuse_obstacles, take_rights, why_not_moved};
use crate::apply::{After, Execution, Prepared, Tidy, Way, Work};
use crate::descent::lists;
use crate::entry::etag;
use crate::errno;
use crate::intent::{Identity, Intent, IntentKind};
use crate::places::Places;
use crate::replica::Replica;
use crate::resolve::{Dir, is_dir, open_dir_at, stat, stat_at};
use crate::stage::{StagedFile, rename_new};
use crate::state::RowChange;
use crate::{rights, tree};

/// What is done beside what the intent says.
pub(crate) struct Reversible {
    /// What becomes visible.
    pub(crate) replica: Option<Replica>,
    rows: Option<RowChange>,
    /// What is told though it was done: that members of a tree are missing.
    lack: Option<Failure>,
}

impl Reversible {
    /// What its intent says, and rows that follow.
    fn rows(rows: RowChange) -> Self {
        Self { replica: None, rows: Some(rows), lack: None }
    }

    fn intended(self, intent: Intent) -> Prepared {
        Prepared { intent: Some(intent), ..Work::Reversible(self).into() }
    }
}

impl Execution<'_> {
    /// Prepares a step that was opened.
    pub(crate) fn prepare_reversible(&mut self, permit: Permit) -> Result<Prepared, Failure> {
        match permit.action {
            Action::Put { target, content, modified } => {
                let file = self.stage_content(&target, content, modified)?;
                self.prepare_file(target, file)
            }
            Action::MakeCollection { target } => self.prepare_making(target),
            Action::Remove { target } => self.park(target, permit.except),
            Action::Copy { source, target, depth, overwrite } => {
                self.prepare_replica(Way { source, target, overwrite }, depth)
            }
            Action::Rename { source, target, overwrite } => {
                self.relocate(Way { source, target, overwrite })
            }
            action => Self::prepare_alike(action),
        }
    }

    fn prepare_file(
        &mut self,
        target: ResourcePath,
        mut file: StagedFile,
    ) -> Result<Prepared, Failure> {
        let there = self.look(&target)?;
        if let Some(there) = &there {
            let fail = |errno| errno::failure(errno, &target);
            let (dir, name) = self.parents.of(&target).map_err(fail)?;
            take_rights(&mut file, &target, (&dir, name), there)?;
        }
        // Properties stay with what is put over what has them.
        let rows = there.is_none().then(|| RowChange::Clear(target.clone()));
        let mut replica = Replica::File(file);
        let intent = self.publication(target, &mut replica, there.as_ref())?;
        Ok(Reversible { replica: Some(replica), rows, lack: None }.intended(intent))
    }

    /// That a replica become visible, in place of what is there.
    fn publication(
        &mut self,
        target: ResourcePath,
        replica: &mut Replica,
        there: Option<&Statx>,
    ) -> Result<Intent, Failure> {
        if let Replica::File(file) = replica {
            file.rest();
        }
        let stat = replica.stat(self.writer).map_err(|errno| errno::failure(errno, &target))?;
        let aside = match replica {
            Replica::Named { name, .. } => name.clone(),
            Replica::File(_) => self.new_aside(),
        };
        let way = (target.clone(), target);
        Ok(self.intent(IntentKind::Publish, way, Identity::of(&stat), there, aside))
    }

    fn prepare_making(&mut self, target: ResourcePath) -> Result<Prepared, Failure> {
        if self.look(&target)?.is_some() {
            return Err(Failure::new(FailureKind::Exists, target));
        }
        let rows = RowChange::Clear(target.clone());
        let (way, aside) = ((target.clone(), target), self.writer.stage.new_name());
        let intent = self.intent(IntentKind::MakeCollection, way, Identity::UNKNOWN, None, aside);
        Ok(Reversible::rows(rows).intended(intent))
    }

    fn park(
        &mut self,
        target: ResourcePath,
        except: Vec<ResourcePath>,
    ) -> Result<Prepared, Failure> {
        let fail = |errno| errno::failure(errno, &target);
        let (dir, name) = self.parents.of(&target).map_err(fail)?;
        let there = stat_at(&dir, name).map_err(fail)?;
        if is_dir(&there) {
            let base = open_dir_at(&dir, name).map_err(fail)?;
            let kept = tree::kept(base, &target, &except);
            if !kept.is_empty() && self.course.undoes_all() {
                return Err(members(&target, kept, false));
            }
            if !kept.is_empty() {
                // What goes of it is gone. Done again it comes to the same.
                return Ok(Work::Remove { target, except }.into());
            }
        }
        let rows = RowChange::Clear(target.clone());
        Ok(self.parking(target, &there, rows))
    }

    fn parking(&mut self, source: ResourcePath, there: &Statx, rows: RowChange) -> Prepared {
        let (way, aside) = ((source.clone(), source), self.new_aside());
        let intent = self.intent(IntentKind::Park, way, Identity::of(there), None, aside);
        Reversible::rows(rows).intended(intent)
    }

    fn prepare_replica(&mut self, way: Way, depth: Depth) -> Result<Prepared, Failure> {
        let Way { source, target, .. } = &way;
        let fail = |errno| errno::failure(errno, source);
        let (dir, name) = self.parents.at(source).map_err(fail)?;
        let known = stat_at(&dir, name).map_err(fail)?;
        let there = self.look_at_target(&way)?;
        let aside = self.new_aside();
        let made = Replica::make(self.writer, (&dir, name), &known, source, depth, &aside);
        let (mut replica, missing) = made.map_err(fail)?;
        if !missing.is_empty() && (there.is_some() || self.course.undoes_all()) {
            return Err(Failure::of_members(source.clone(), missing, false));
        }
        let rows = RowChange::Copy {
            source: source.clone(),
            target: target.clone(),
            deep: depth == Depth::Infinity,
        };
        let lack = (!missing.is_empty()).then(|| Failure::of_members(way.source, missing, true));
        let intent = self.publication(way.target, &mut replica, there.as_ref())?;
        Ok(Reversible { replica: Some(replica), rows: Some(rows), lack }.intended(intent))
    }

    fn relocate(&mut self, way: Way) -> Result<Prepared, Failure> {
        let Some(from) = self.look(&way.source)? else {
            return Err(Failure::new(FailureKind::NotFound, way.source));
        };
        let to = self.look(&way.target)?;
        let rows = RowChange::Move(way.source.clone(), way.target.clone());
        let source_id = Identity::of(&from);
        if let Some(there) = &to {
            if way.overwrite == Overwrite::Refuse {
                return Err(Failure::new(FailureKind::TargetExists, way.target));
            }
            if Identity::of(there) == source_id {
                // Two names of one file: the one goes, the other stays.
                self.refuse_respelling(&way)?;
                return Ok(self.parking(way.source, &from, rows));
            }
            let fail = |errno| errno::failure(errno, &way.target);
            let (dir, name) = self.parents.of(&way.target).map_err(fail)?;
            refuse_obstacles(&way.target, (&dir, name), there)?;
        }
        let aside = if to.is_some() { self.new_aside() } else { self.writer.stage.new_name() };
        let way = (way.source, way.target);
        let intent = self.intent(IntentKind::Relocate, way, source_id, to.as_ref(), aside);
        Ok(Reversible::rows(rows).intended(intent))
    }

    /// Where a directory takes several spellings for one name, moving from one to another can't be told
    /// from not moving.
    fn refuse_respelling(&mut self, way: &Way) -> Result<(), Failure> {
        let fail = |errno| errno::failure(errno, &way.source);
        let (from_dir, from) = self.parents.of(&way.source).map_err(fail)?;
        let (to_dir, to) = self.parents.of(&way.target).map_err(fail)?;
        let is_one_dir = Identity::of(&stat(&from_dir).map_err(fail)?)
            == Identity::of(&stat(&to_dir).map_err(fail)?);
        let are_two = |dir: &Dir| Ok(lists(dir, from)? && lists(dir, to)?);
        if is_one_dir && !are_two(&from_dir).map_err(fail)? {
            let failure = Failure::new(FailureKind::Unsupported, way.source.clone());
            return Err(failure.with_detail("another spelling of a name can't be undone"));
        }
        Ok(())
    }

    /// Does a step that was prepared. Each is one call, or takes the first back itself.
    pub(crate) fn act_reversible(
        &mut self,
        intent: Option<Intent>,
        reversible: Reversible,
    ) -> Acted {
        let Some(intent) = intent else { unreachable!("it was made together with the step") };
        let Reversible { replica, rows, lack } = reversible;
        let acted = match replica {
            Some(replica) => {
                let is_copy = matches!(rows, Some(RowChange::Copy { .. }));
                self.act_publish(&intent, replica, is_copy)
            }
            None if intent.kind == IntentKind::MakeCollection => {
                self.make_collection(&intent.target)
            }
            None if intent.kind == IntentKind::Park => self.act_park(&intent),
            None => self.act_relocate(&intent),
        };
        match acted {
            Ok(done) => {
                let tidy = lack.is_some().then(|| Tidy::Sweep(intent.target.clone()));
                self.begun.push(intent);
                (lack.map_or(Ok(done), Err), After::Follow(rows, tidy))
            }
            Err(failure) => failed(failure),
        }
    }

    fn act_publish(
        &mut self,
        intent: &Intent,
        mut replica: Replica,
        is_copy: bool,
    ) -> Result<Done, Failure> {
        let Intent { target, aside, .. } = intent;
        let creating = |errno| errno::creating(errno, target);
        let (dir, name) = self.parents.of(target).map_err(creating)?;
        let created = intent.target_id.is_none();
        if created {
            if let Replica::File(file) = &mut replica {
                rights::inherit_group(file, &dir).map_err(creating)?;
            }
            let published = replica.publish_new(self.writer, (&dir, name));
            published.map_err(|(errno, _)| {
                changed_meanwhile(errno, target).unwrap_or_else(|| creating(errno))
            })?;
        } else {
            let named = replica.into_named(self.writer, aside).map_err(creating)?;
            named.publish_over(self.writer, (&dir, name), true, aside).map_err(creating)?;
            self.parents.forget(target);
            self.touch_stage();
        }
        self.touch(&dir);
        let tag = || stat_at(&dir, name).ok().map(|stat| etag(&stat));
        let etag = if is_copy { None } else { tag() };
        Ok(Done { created, etag, ..DONE })
    }

    fn act_park(&mut self, intent: &Intent) -> Result<Done, Failure> {
        let Intent { source, aside, .. } = intent;
        let fail = |errno| errno::failure(errno, source);
        let (dir, name) = self.parents.of(source).map_err(fail)?;
        let noreplace = self.writer.abilities.noreplace;
        rename_new((&dir, name), (&*self.writer.stage, &aside[..]), noreplace).map_err(fail)?;
        self.parents.forget(source);
        self.touch(&dir);
        self.touch_stage();
        Ok(DONE)
    }

    fn act_relocate(&mut self, intent: &Intent) -> Result<Done, Failure> {
        let Intent { source, target, target_id, aside, .. } = intent;
        let [(from_dir, from), (to_dir, to)] = self.ends(source, target)?;
        let created = target_id.is_none();
        let moved = if created {
            rename_new((&from_dir, from), (&to_dir, to), self.writer.abilities.noreplace)
        } else {
            self.touch_stage();
            self.writer.swap_over((&from_dir, from), (&to_dir, to), aside)
        };
        moved.map_err(|errno| {
            changed_meanwhile(errno, target).unwrap_or_else(|| why_not_moved(errno, source, target))
        })?;
        self.parents.forget(source);
        self.parents.forget(target);
        self.touch(&from_dir);
        self.touch(&to_dir);
        Ok(Done { created, ..DONE })
    }

    /// Undoes what isn't settled. Whether it could.
    pub(crate) fn undo_begun(&mut self) -> bool {
        if let Err(errno) = self.go_back() {
            tracing::error!(%errno, "a run can't be undone now");
            self.writer.give_up("a run could not be undone");
            self.lose();
            return false;
        }
        if let Err(error) = self.forget_intents() {
            tracing::error!(%error, "what was undone is still written down as begun");
            self.writer.give_up("what is written down as begun could not be settled");
            self.lost = true;
        }
        true
    }

    fn go_back(&mut self) -> Result<(), Errno> {
        for intent in std::mem::take(&mut self.begun).iter().rev() {
            let mut places = Places { writer: self.writer, parents: &mut self.parents };
            places.undo(intent)?;
            self.purge.push(intent.aside.clone());
        }
        self.touch_many();
        self.sync_touched()
    }

    fn forget_intents(&mut self) -> rusqlite::Result<()> {
        if self.intents.is_empty() {
            return Ok(());
        }
        self.state.settle(self.durability, |changes| changes.settle_run(self.run))?;
        self.intended = false;
        self.intents.clear();
        Ok(())
    }
}

/// Something came to a place, or left it, between the look at it and the act.
fn changed_meanwhile(errno: Errno, target: &ResourcePath) -> Option<Failure> {
    (errno == Errno::EXIST).then(|| {
        Failure::new(FailureKind::Busy, target.clone()).with_detail("others changed it meanwhile")
    })
}
