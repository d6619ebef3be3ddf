//! The steps themselves: what is prepared for each, and the call that does it.

use std::time::{SystemTime, UNIX_EPOCH};

use polydav_store::{
    Action, Content, Depth, Done, Effect, Failure, FailureKind, Members, Outcome, Overwrite,
    Permit, PropertyBounds, PropertyChange, ResourcePath, Staged,
};
use rustix::fs::{FileType, Mode, RenameFlags, Statx, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use crate::apply::{After, Execution, Prepared, Tidy, Way, Work, database_failure};
use crate::descent::lists;
use crate::entry::etag;
use crate::errno;
use crate::intent::{Identity, IntentKind};
use crate::replica::Replica;
use crate::resolve::{Dir, file_type, has_hidden, is_dir, open_dir_at, stat, stat_at};
use crate::rights;
use crate::stage::{StagedFile, rename_new};
use crate::state::{RowChange, Rows};
use crate::tree::TreeRemoval;
use crate::{sys, tree};

/// How a step went, and what its rows need.
pub(crate) type Acted = (Outcome, After);

pub(crate) const DONE: Done = Done { created: false, etag: None, added: None };
const CREATED: Done = Done { created: true, ..DONE };

pub(crate) fn failed(failure: Failure) -> Acted {
    (Err(failure), After::Nothing)
}

impl Execution<'_> {
    /// Prepares a step that was opened.
    pub(crate) fn prepare(&mut self, permit: Permit) -> Result<Prepared, Failure> {
        refuse_hidden(&permit.action)?;
        if self.is_reversible {
            return self.prepare_reversible(permit);
        }
        match permit.action {
            Action::Put { target, content, modified } => {
                self.prepare_put(target, content, modified)
            }
            Action::MakeCollection { target } => {
                let before = self.clear_if_void(&target)?;
                Ok(Prepared { before, ..Work::MakeCollection { target }.into() })
            }
            Action::Remove { target } => Ok(Work::Remove { target, except: permit.except }.into()),
            Action::Copy { source, target, depth, overwrite } => {
                self.prepare_copy(Way { source, target, overwrite }, depth)
            }
            Action::Rename { source, target, overwrite } => {
                self.prepare_rename(Way { source, target, overwrite })
            }
            action => Self::prepare_alike(action),
        }
    }

    /// Prepares what is the same in every run.
    pub(crate) fn prepare_alike(action: Action) -> Result<Prepared, Failure> {
        match action {
            Action::Patch { target, changes } => Ok(Work::Patch { target, changes }.into()),
            Action::Add { collection: subject, .. } | Action::Update { target: subject, .. } => {
                Ok(Work::Refuse { subject }.into())
            }
            _ => Err(Failure::new(FailureKind::Unsupported, ResourcePath::root())),
        }
    }

    /// There are files here, and no records. What is there may have been made by the step before.
    fn refuse_record(&mut self, subject: ResourcePath) -> Failure {
        match self.look(&subject) {
            Ok(Some(_)) => Failure::new(FailureKind::Unsuited, subject),
            Ok(None) => Failure::new(FailureKind::NotFound, subject),
            Err(failure) => failure,
        }
    }

    /// Does a step that was prepared.
    pub(crate) fn act(&mut self, prepared: Prepared) -> Acted {
        match prepared.work {
            Work::Put { target, file } => match self.put(&target, file) {
                Ok(done) => (Ok(done), After::Nothing),
                Err(failure) => failed(failure),
            },
            Work::MakeCollection { target } => match self.make_collection(&target) {
                Ok(done) => (Ok(done), After::Nothing),
                Err(failure) => failed(failure),
            },
            Work::Remove { target, except } => self.remove(target, &except),
            Work::Copy { way, replica, failed, aside, rows } => {
                self.copy(way, replica, failed, &aside, rows)
            }
            Work::Rename { way, rows, aside } => self.rename(way, rows, aside),
            Work::Patch { target, changes } => self.patch(target, changes),
            Work::Reversible(reversible) => self.act_reversible(prepared.intent, reversible),
            Work::Refuse { subject } => failed(self.refuse_record(subject)),
        }
    }

    /// Whether there are rows at or under `path`.
    fn has_rows(&self, path: &ResourcePath) -> Result<bool, Failure> {
        self.state.has(path).map_err(|error| database_failure(&error.into(), path))
    }

    /// What is at `path`; `None` also if there is no parent.
    pub(crate) fn look(&mut self, path: &ResourcePath) -> Result<Option<Statx>, Failure> {
        match self.parents.of(path).and_then(|(dir, name)| stat_at(&dir, name)) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(errno::failure(errno, path)),
        }
    }

    /// Rows that cling to a path where nothing is must go before something is made there.
    fn clear_if_void(&mut self, target: &ResourcePath) -> Result<Option<RowChange>, Failure> {
        let is_void = self.has_rows(target)? && self.look(target)?.is_none();
        Ok(is_void.then(|| RowChange::Clear(target.clone())))
    }

    fn prepare_put(
        &mut self,
        target: ResourcePath,
        content: Content,
        modified: Option<SystemTime>,
    ) -> Result<Prepared, Failure> {
        let mut file = self.stage_content(&target, content, modified)?;
        if self.is_full() {
            file.rest();
        }
        let before = self.clear_if_void(&target)?;
        Ok(Prepared { before, ..Work::Put { target, file }.into() })
    }

    /// Makes the content of a file ready.
    pub(crate) fn stage_content(
        &mut self,
        target: &ResourcePath,
        content: Content,
        modified: Option<SystemTime>,
    ) -> Result<StagedFile, Failure> {
        let staged = match content {
            Content::Inline(bytes) => self.stage(target, &bytes),
            Content::Record(_) => return Err(Failure::new(FailureKind::Unsuited, target.clone())),
            Content::Staged(Staged { handle, .. }) => {
                handle.downcast::<StagedFile>().map(|file| *file).map_err(|_| Errno::INVAL)
            }
        };
        let mut file = staged.map_err(|errno| errno::failure(errno, target))?;
        file.file()
            .and_then(|file| sys::set_times(file, &times(modified)))
            .map_err(|errno| errno::failure(errno, target))?;
        Ok(file)
    }

    fn stage(&mut self, target: &ResourcePath, bytes: &[u8]) -> Result<StagedFile, Errno> {
        let stage = &self.writer.stage;
        // What takes the place of something needs a name for that anyway.
        let file = match self.look(target) {
            Ok(Some(_)) => stage.create_named(),
            _ => stage.create(),
        };
        let mut file = file?;
        sys::write_all(file.file()?, bytes)?;
        Ok(file)
    }

    fn put(&mut self, target: &ResourcePath, mut file: StagedFile) -> Result<Done, Failure> {
        let creating = |errno| errno::creating(errno, target);
        let (dir, name) = self.parents.of(target).map_err(creating)?;
        rights::inherit_group(&mut file, &dir).map_err(creating)?;
        let created = match file.publish_new(&dir, name, self.writer.abilities.noreplace) {
            Ok(()) => true,
            Err((Errno::EXIST, file)) => {
                self.put_over(target, (&dir, name), file)?;
                false
            }
            Err((errno, _)) => return Err(creating(errno)),
        };
        self.touch(&dir);
        // The file is there; who took it away since had better not be told of an older one.
        let etag = stat_at(&dir, name).ok().map(|stat| etag(&stat));
        Ok(Done { created, etag, ..DONE })
    }

    fn put_over(
        &self,
        target: &ResourcePath,
        (dir, name): (&Dir, &[u8]),
        mut file: StagedFile,
    ) -> Result<(), Failure> {
        let fail = |errno| errno::failure(errno, target);
        let there = stat_at(dir, name).map_err(fail)?;
        take_rights(&mut file, target, (dir, name), &there)?;
        file.publish_over(&self.writer.stage, dir, name).map_err(fail)
    }

    pub(crate) fn make_collection(&mut self, target: &ResourcePath) -> Result<Done, Failure> {
        let creating = |errno| errno::creating(errno, target);
        let (dir, name) = self.parents.of(target).map_err(creating)?;
        sys::make_dir(&dir, name, Mode::RWXU | Mode::RWXG | Mode::RWXO).map_err(creating)?;
        self.touch(&dir);
        Ok(CREATED)
    }

    fn remove(&mut self, target: ResourcePath, except: &[ResourcePath]) -> Acted {
        let has_rows = match self.has_rows(&target) {
            Ok(has_rows) => has_rows,
            Err(failure) => return failed(failure),
        };
        match self.remove_all(&target, except) {
            Ok(()) if has_rows => (Ok(DONE), After::Tidy(Tidy::Clear(target))),
            Ok(()) => (Ok(DONE), After::Nothing),
            Err(failure) if has_rows && failure.effect == Effect::Partial => {
                (Err(failure), After::Tidy(Tidy::Sweep(target)))
            }
            Err(failure) => failed(failure),
        }
    }

    fn remove_all(
        &mut self,
        target: &ResourcePath,
        except: &[ResourcePath],
    ) -> Result<(), Failure> {
        let fail = |errno| errno::failure(errno, target);
        let (dir, name) = self.parents.of(target).map_err(fail)?;
        match sys::unlink(&dir, name) {
            // It may leave its place, or the kernel would have said that first; so it doesn't come
            // to removing everything but the collection itself.
            Err(Errno::ISDIR) => {}
            outcome => {
                outcome.map_err(fail)?;
                self.touch(&dir);
                return Ok(());
            }
        }
        self.parents.forget(target);
        let removed = TreeRemoval::run(&dir, name, target, except).map_err(fail)?;
        if removed.failed.is_empty() {
            self.touch(&dir);
            return Ok(());
        }
        if removed.changed {
            self.touch_many();
        }
        Err(members(target, removed.failed, removed.changed))
    }

    fn prepare_copy(&mut self, way: Way, depth: Depth) -> Result<Prepared, Failure> {
        let Way { source, target, .. } = &way;
        let fail = |errno| errno::failure(errno, source);
        let (dir, name) = self.parents.at(source).map_err(fail)?;
        let known = stat_at(&dir, name).map_err(fail)?;
        let there = self.look_at_target(&way)?;
        let has_rows = self.has_rows(source)? || self.has_rows(target)?;
        let mut aside = self.new_aside();
        let made = Replica::make(self.writer, (&dir, name), &known, source, depth, &aside);
        let (mut replica, failed) = made.map_err(fail)?;
        if there.is_some() && !failed.is_empty() {
            // What it would replace would be gone, with nothing in its place.
            return Err(Failure::of_members(source.clone(), failed, false));
        }
        let rows = has_rows.then(|| RowChange::Copy {
            source: source.clone(),
            target: target.clone(),
            deep: depth == Depth::Infinity,
        });
        let mut intent = None;
        if let Some(there) = &there
            && (has_rows || !self.writer.abilities.exchange)
        {
            let creating = |errno| errno::creating(errno, target);
            replica = replica.into_named(self.writer, &aside).map_err(creating)?;
            let copied = replica.stat(self.writer).map_err(creating)?;
            if !self.writer.abilities.exchange {
                aside = self.new_aside();
            }
            let kind = match depth {
                Depth::Infinity => IntentKind::CopyTree,
                Depth::Zero => IntentKind::CopyAlone,
            };
            let (way, copied) = (way.both(), Identity::of(&copied));
            intent = Some(self.intent(kind, way, copied, Some(there), aside.clone()));
        }
        // A new target's rows can be written before it is there: until then they are void.
        let (before, rows) = match there {
            Some(_) => (None, rows.map(CopyRows::Follow)),
            None => (rows, has_rows.then_some(CopyRows::Written)),
        };
        Ok(Prepared { work: Work::Copy { way, replica, failed, aside, rows }, before, intent })
    }

    /// What a copy is to replace.
    pub(crate) fn look_at_target(&mut self, way: &Way) -> Result<Option<Statx>, Failure> {
        let Way { target, overwrite, .. } = way;
        let creating = |errno| errno::creating(errno, target);
        let (dir, name) = self.parents.of(target).map_err(creating)?;
        match stat_at(&dir, name) {
            Ok(_) if *overwrite == Overwrite::Refuse => {
                Err(Failure::new(FailureKind::TargetExists, target.clone()))
            }
            Ok(there) => refuse_obstacles(target, (&dir, name), &there).map(|()| Some(there)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(creating(errno)),
        }
    }

    /// A name in the staging folder for what is displaced.
    pub(crate) fn new_aside(&mut self) -> Vec<u8> {
        let name = self.writer.stage.new_name();
        self.purge.push(name.clone());
        name
    }

    fn copy(
        &mut self,
        way: Way,
        replica: Replica,
        failed: Members,
        aside: &[u8],
        rows: Option<CopyRows>,
    ) -> Acted {
        let Way { source, target, overwrite } = way;
        let is_written = matches!(rows, Some(CopyRows::Written));
        let has_rows = rows.is_some();
        let created = match self.publish(&target, overwrite, replica, aside) {
            Ok(created) => created,
            Err(failure) if is_written => {
                return (Err(failure), After::Tidy(Tidy::Clear(target)));
            }
            Err(failure) => return (Err(failure), After::Nothing),
        };
        let tidy = (has_rows && !failed.is_empty()).then_some(Tidy::Sweep(target));
        let after = match (rows, tidy) {
            (Some(CopyRows::Follow(change)), tidy) => After::Follow(Some(change), tidy),
            (_, Some(tidy)) => After::Tidy(tidy),
            (_, None) => After::Nothing,
        };
        let outcome = if failed.is_empty() {
            Ok(Done { created, ..DONE })
        } else {
            Err(Failure::of_members(source, failed, true))
        };
        (outcome, after)
    }

    /// Makes a copy visible; tells whether nothing was there before.
    fn publish(
        &mut self,
        target: &ResourcePath,
        overwrite: Overwrite,
        mut replica: Replica,
        aside: &[u8],
    ) -> Result<bool, Failure> {
        let creating = |errno| errno::creating(errno, target);
        let (dir, name) = self.parents.of(target).map_err(creating)?;
        if let Replica::File(file) = &mut replica {
            rights::inherit_group(file, &dir).map_err(creating)?;
        }
        let created = match replica.publish_new(self.writer, (&dir, name)) {
            Ok(()) => true,
            Err((Errno::EXIST, _)) if overwrite == Overwrite::Refuse => {
                return Err(Failure::new(FailureKind::TargetExists, target.clone()));
            }
            Err((Errno::EXIST, replica)) => {
                let over_dir = stat_at(&dir, name).is_ok_and(|stat| is_dir(&stat));
                replica
                    .publish_over(self.writer, (&dir, name), over_dir, aside)
                    .map_err(creating)?;
                self.parents.forget(target);
                false
            }
            Err((errno, _)) => return Err(creating(errno)),
        };
        self.touch(&dir);
        Ok(created)
    }

    fn prepare_rename(&mut self, way: Way) -> Result<Prepared, Failure> {
        let (from_rows, to_rows) = (self.has_rows(&way.source)?, self.has_rows(&way.target)?);
        let rows = from_rows || to_rows;
        // Where nothing is to be written down, the kernel answers everything.
        if !rows && !self.foresees_displacement(&way)? {
            return Ok(Work::Rename { way, rows, aside: None }.into());
        }
        let Some(from) = self.look(&way.source)? else {
            return Err(Failure::new(FailureKind::NotFound, way.source));
        };
        let to = self.look(&way.target)?;
        if to.is_some() && way.overwrite == Overwrite::Refuse {
            return Err(Failure::new(FailureKind::TargetExists, way.target));
        }
        let takes_calls = to.as_ref().is_some_and(|to| is_dir(&from) || is_dir(to));
        let needs_intent = takes_calls || from_rows || (to_rows && to.is_some());
        let before = (!needs_intent && to_rows).then(|| RowChange::Clear(way.target.clone()));
        if !needs_intent {
            return Ok(Prepared { before, ..Work::Rename { way, rows, aside: None }.into() });
        }
        let aside = self.new_aside();
        let (both, from) = (way.both(), Identity::of(&from));
        let intent = Some(self.intent(IntentKind::Move, both, from, to.as_ref(), aside.clone()));
        Ok(Prepared { work: Work::Rename { way, rows, aside: Some(aside) }, before, intent })
    }

    /// Whether something is at the target of a move, as far as it pays to look: what is displaced
    /// can be written down together with others, instead of at the last moment and by itself. Where
    /// the first moves of a run displace nothing, the others hardly do.
    fn foresees_displacement(&mut self, way: &Way) -> Result<bool, Failure> {
        const FIRST: u32 = 8;
        let looks = self.looked < FIRST || self.displaces;
        if !looks || way.overwrite == Overwrite::Refuse {
            return Ok(false);
        }
        self.looked += 1;
        let is_there = self.look(&way.target)?.is_some();
        self.displaces |= is_there;
        Ok(is_there)
    }

    fn rename(&mut self, way: Way, rows: bool, aside: Option<Vec<u8>>) -> Acted {
        let intended = aside.is_some();
        match self.move_over(&way, aside) {
            Ok(done) if rows => {
                let change = RowChange::Move(way.source, way.target);
                (Ok(done), After::Follow(Some(change), None))
            }
            Ok(done) if intended => (Ok(done), After::Follow(None, None)),
            Ok(done) => (Ok(done), After::Nothing),
            Err(failure) => (Err(failure), After::Nothing),
        }
    }

    fn move_over(&mut self, way: &Way, aside: Option<Vec<u8>>) -> Result<Done, Failure> {
        let Way { source, target, overwrite } = way;
        let [(from_dir, from), (to_dir, to)] = self.ends(source, target)?;
        let noreplace = self.writer.abilities.noreplace;
        let created = match rename_new((&from_dir, from), (&to_dir, to), noreplace) {
            Ok(()) => true,
            Err(Errno::EXIST) if *overwrite == Overwrite::Refuse => {
                return Err(Failure::new(FailureKind::TargetExists, target.clone()));
            }
            Err(Errno::EXIST) => {
                self.replace(way, (&from_dir, from), (&to_dir, to), aside)?;
                false
            }
            Err(errno) => return Err(why_not_moved(errno, source, target)),
        };
        self.parents.forget(source);
        self.parents.forget(target);
        self.touch(&from_dir);
        self.touch(&to_dir);
        Ok(Done { created, ..DONE })
    }

    /// The directories and names at both ends of a move.
    pub(crate) fn ends<'p>(
        &mut self,
        source: &'p ResourcePath,
        target: &'p ResourcePath,
    ) -> Result<[(Dir, &'p [u8]); 2], Failure> {
        let from = self.parents.of(source).map_err(|errno| errno::failure(errno, source))?;
        match self.parents.of(target) {
            Ok(to) => Ok([from, to]),
            Err(errno) => {
                stat_at(&from.0, from.1).map_err(|errno| errno::failure(errno, source))?;
                Err(errno::creating(errno, target))
            }
        }
    }

    /// Moves onto something that is there.
    fn replace(
        &mut self,
        way: &Way,
        from: (&Dir, &[u8]),
        to: (&Dir, &[u8]),
        aside: Option<Vec<u8>>,
    ) -> Result<(), Failure> {
        let from_stat =
            stat_at(from.0, from.1).map_err(|errno| errno::failure(errno, &way.source))?;
        let to_stat = stat_at(to.0, to.1).map_err(|errno| errno::failure(errno, &way.target))?;
        let acted = if Identity::of(&from_stat) == Identity::of(&to_stat) {
            rename_itself(from, to)
        } else if !is_dir(&from_stat) && !is_dir(&to_stat) {
            sys::rename(from, to, RenameFlags::empty())
        } else {
            refuse_obstacles(&way.target, to, &to_stat)?;
            let aside = match aside {
                Some(aside) => aside,
                None => {
                    let aside = self.new_aside();
                    let (kind, both, from) =
                        (IntentKind::Move, way.both(), Identity::of(&from_stat));
                    let intent = self.intent(kind, both, from, Some(&to_stat), aside.clone());
                    self.intend(&intent)?;
                    aside
                }
            };
            self.writer.swap_over(from, to, &aside)
        };
        acted.map_err(|errno| why_not_moved(errno, &way.source, &way.target))
    }

    fn patch(&mut self, target: ResourcePath, changes: Vec<PropertyChange>) -> Acted {
        let found = self.parents.at(&target).and_then(|(dir, name)| stat_at(&dir, name));
        match found {
            Ok(stat) if file_type(&stat) == FileType::Symlink => {
                failed(Failure::new(FailureKind::Forbidden, target))
            }
            // Where the rows come at the end of the run, so does the look at their bounds.
            Ok(_) if self.course.undoes_all() => {
                (Ok(DONE), After::Patch(RowChange::Patch(target, changes)))
            }
            Ok(_) => match self.check_bounds(&target, &changes) {
                Ok(()) => (Ok(DONE), After::Patch(RowChange::Patch(target, changes))),
                Err(failure) => failed(failure),
            },
            Err(errno) => failed(errno::failure(errno, &target)),
        }
    }

    /// A change of the same resource that came before is committed by now: it was no part of this
    /// stretch.
    fn check_bounds(
        &mut self,
        target: &ResourcePath,
        changes: &[PropertyChange],
    ) -> Result<(), Failure> {
        let mut bounds = PropertyBounds::new(changes);
        self.rows()
            .and_then(|rows| rows.property_bytes(target, |name, bytes| bounds.has(name, bytes)))
            .map_err(|error| database_failure(&error.into(), target))?;
        bounds.check(target)
    }

    /// The rows as they were when the stretch began.
    fn rows(&mut self) -> rusqlite::Result<Rows<'_>> {
        if self.reading.is_none() {
            let reading = self.state.reading()?;
            reading.rows().look()?;
            self.reading = Some(reading);
        }
        Ok(self.reading.as_ref().expect("it was begun right before").rows())
    }
}

/// What kept a move from being done.
pub(crate) fn why_not_moved(errno: Errno, source: &ResourcePath, target: &ResourcePath) -> Failure {
    match errno {
        Errno::INVAL => errno::failure(errno, target).of_kind(FailureKind::Overlap),
        // The parents are there: it is the source that isn't.
        Errno::NOENT => errno::failure(errno, source),
        Errno::NOSPC | Errno::DQUOT | Errno::NAMETOOLONG => errno::failure(errno, target),
        _ => errno::failure(errno, source),
    }
}

/// Gives a file the rights of the one whose place it takes.
pub(crate) fn take_rights(
    file: &mut StagedFile,
    target: &ResourcePath,
    (dir, name): (&Dir, &[u8]),
    there: &Statx,
) -> Result<(), Failure> {
    match file_type(there) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Failure::new(FailureKind::IsCollection, target.clone())),
        _ => return Err(Failure::new(FailureKind::Forbidden, target.clone())),
    }
    file.file()
        .and_then(|file| rights::take_over(file, (dir, name), there))
        .map_err(|errno| errno::failure(errno, target))
}

/// What nobody may see or remove isn't removed by putting something in the place of what holds it.
pub(crate) fn refuse_obstacles(
    target: &ResourcePath,
    (dir, name): (&Dir, &[u8]),
    there: &Statx,
) -> Result<(), Failure> {
    if !is_dir(there) {
        return Ok(());
    }
    let base = open_dir_at(dir, name).map_err(|errno| errno::failure(errno, target))?;
    let met = tree::obstacles(base, target);
    if met.is_empty() { Ok(()) } else { Err(Failure::of_members(target.clone(), met, false)) }
}

/// Moves something onto itself: onto another name of it, or, where the file system takes several
/// spellings for one name, onto another spelling.
fn rename_itself(from: (&Dir, &[u8]), to: (&Dir, &[u8])) -> Result<(), Errno> {
    if Identity::of(&stat(from.0)?) == Identity::of(&stat(to.0)?) {
        if from.1 == to.1 {
            return Err(Errno::INVAL);
        }
        if !(lists(from.0, from.1)? && lists(to.0, to.1)?) {
            return sys::rename(from, to, RenameFlags::empty());
        }
    }
    // Two names of one file: renaming would do nothing.
    sys::unlink(from.0, from.1)
}

/// What becomes of the rows of a copy.
pub(crate) enum CopyRows {
    /// They were committed before.
    Written,
    /// They follow.
    Follow(RowChange),
}

trait OfKind {
    fn of_kind(self, kind: FailureKind) -> Self;
}

impl OfKind for Failure {
    fn of_kind(self, kind: FailureKind) -> Self {
        Self { kind, ..self }
    }
}

/// The failure of a tree of which these members stay.
pub(crate) fn members(target: &ResourcePath, failed: Members, changed: bool) -> Failure {
    match failed.list() {
        // It is the resource itself that can't be removed, not a member.
        [only] if only.path == *target && !changed => Failure::new(only.kind, target.clone()),
        _ => Failure::of_members(target.clone(), failed, changed),
    }
}

/// Nothing may be made, changed or removed where nobody may look.
pub(crate) fn refuse_hidden(action: &Action) -> Result<(), Failure> {
    if let Action::Copy { source, .. } = action
        && has_hidden(source)
    {
        return Err(Failure::new(FailureKind::NotFound, source.clone()));
    }
    match action.changes().find(|path| has_hidden(path)) {
        Some(path) => Err(Failure::new(FailureKind::Forbidden, path.clone())),
        None => Ok(()),
    }
}

/// The modification time of new content. The kernel's own clock may stand still between two
/// publications; this one doesn't, and so no two have the same entity tag.
fn times(modified: Option<SystemTime>) -> Timestamps {
    let time = modified.unwrap_or_else(SystemTime::now);
    let (tv_sec, tv_nsec) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos()),
        Err(before) => (-i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX), 0),
    };
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec, tv_nsec: tv_nsec.into() },
    }
}
