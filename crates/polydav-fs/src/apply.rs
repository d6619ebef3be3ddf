//! Runs: how steps are opened, prepared, done, synced, committed and reported.
//!
//! Every step ends in one system call that makes all of it visible. Around that call:
//!
//! 1. *open and prepare*: the guard is opened, content and copies are made aside;
//! 2. *content on disk*, where a success must outlive a loss of power;
//! 3. *commit before*: rows that would wrongly cling to what is about to be made are cleared, rows
//!    of a copy are written (nobody sees them before it is there), and steps that need more than
//!    that one call are written down as intents;
//! 4. *act*;
//! 5. *directories on disk*;
//! 6. *commit after*: rows follow what was moved, replaced and removed, intents are settled;
//! 7. *report*, then purge what was displaced.
//!
//! Where nothing has properties, 3 and 6 don't happen; with [`Durability::Relaxed`], neither do 2
//! and 5. Steps go through together as far as that saves syncs or commits ([`crate::stretch`]), so
//! that a run costs a few of them however many steps it has.
//!
//! A run that is done whole or not at all goes the same way, but 6 and 7 come once at its end:
//! [`crate::whole`].

use std::sync::Arc;
use std::vec;

use polydav_store::{
    Course, Durability, Effect, Entry, Failure, FailureKind, Lock, LockView, LocksOfRun, Members,
    Outcome, Overwrite, PropertyChange, Report, ResourcePath, Run, RunId, Step, View, at_stake,
};
use rustix::fs::Statx;
use rustix::io::Errno;

use crate::act::CopyRows;
use crate::errno;
use crate::intent::{Identity, Intent, IntentKind};
use crate::replica::Replica;
use crate::resolve::{Dir, Parents, has_hidden};
use crate::reversible::Reversible;
use crate::stage::StagedFile;
use crate::state::{Changes, Reading, RowChange, State, is_in_doubt, lacks_space};
use crate::touched::{SYNC_ONE_BY_ONE_MAX, Touched};
use crate::{FolderStore, Writer, stretch, sys, tree};

/// A step that waits for nothing but its act.
pub(crate) struct Prepared {
    pub(crate) work: Work,
    /// What must be committed before it.
    pub(crate) before: Option<RowChange>,
    /// What must be written down before it.
    pub(crate) intent: Option<Intent>,
}

/// What is to be done.
pub(crate) enum Work {
    Put {
        target: ResourcePath,
        file: StagedFile,
    },
    MakeCollection {
        target: ResourcePath,
    },
    Remove {
        target: ResourcePath,
        except: Vec<ResourcePath>,
    },
    Copy {
        way: Way,
        replica: Replica,
        failed: Members,
        aside: Vec<u8>,
        rows: Option<CopyRows>,
    },
    /// With the name for what is displaced, if it is written down.
    Rename {
        way: Way,
        rows: bool,
        aside: Option<Vec<u8>>,
    },
    Patch {
        target: ResourcePath,
        changes: Vec<PropertyChange>,
    },
    /// What its intent says, so that it can be undone.
    Reversible(Reversible),
    /// What is done to records alone.
    Refuse {
        subject: ResourcePath,
    },
}

/// From where to where.
pub(crate) struct Way {
    pub(crate) source: ResourcePath,
    pub(crate) target: ResourcePath,
    pub(crate) overwrite: Overwrite,
}

impl Way {
    /// Its two ends.
    pub(crate) fn both(&self) -> (ResourcePath, ResourcePath) {
        (self.source.clone(), self.target.clone())
    }
}

impl Work {
    /// Whether it makes content visible that was prepared.
    fn has_content(&self) -> bool {
        match self {
            Self::Put { .. } | Self::Copy { .. } => true,
            Self::Reversible(reversible) => reversible.replica.is_some(),
            _ => false,
        }
    }
}

impl From<Work> for Prepared {
    fn from(work: Work) -> Self {
        Self { work, before: None, intent: None }
    }
}

/// What has to become of the rows once a step is done.
pub(crate) enum After {
    Nothing,
    /// Rows whose resources are gone are void anyway; they only take space.
    Tidy(Tidy),
    /// The rows are all there is to the step.
    Patch(RowChange),
    /// The rows must follow, or the step is half done.
    Follow(Option<RowChange>, Option<Tidy>),
}

/// Rows that may be void.
pub(crate) enum Tidy {
    /// All at and under a path are.
    Clear(ResourcePath),
    /// Those whose resources are gone are.
    Sweep(ResourcePath),
}

/// An outcome that wasn't reported yet.
pub(crate) struct Pending {
    pub(crate) index: usize,
    pub(crate) path: ResourcePath,
    pub(crate) outcome: Outcome,
    pub(crate) after: After,
}

/// A run that is being applied.
pub(crate) struct Execution<'a> {
    pub(crate) store: &'a FolderStore,
    pub(crate) writer: &'a Writer,
    pub(crate) state: &'a State,
    locks: &'a LocksOfRun<'a>,
    pub(crate) run: RunId,
    pub(crate) durability: Durability,
    pub(crate) course: Course,
    /// Whether receipts are kept.
    pub(crate) keeps_receipts: bool,
    /// Whether each step is done so that it can be undone until it is settled.
    pub(crate) is_reversible: bool,
    /// How many commits were made, or given up, that have receipts.
    pub(crate) commits: i64,
    pub(crate) parents: Parents<'a>,
    /// Who reads the rows for the steps that act together, if anyone does.
    pub(crate) reading: Option<Reading<'a>>,
    /// What has to come to disk; `None` if it may come there later.
    touched: Option<Touched>,
    /// The intents that aren't settled.
    pub(crate) intents: Vec<i64>,
    /// What was done of them, if it can be undone.
    pub(crate) begun: Vec<Intent>,
    /// Whether something was committed before steps that makes others wait for it.
    pub(crate) intended: bool,
    pub(crate) pending: Vec<Pending>,
    /// At how many targets of moves it was looked, and whether something was at one of them.
    pub(crate) looked: u32,
    pub(crate) displaces: bool,
    /// Names in the staging folder under which there may be something in the end.
    pub(crate) purge: Vec<Vec<u8>>,
    /// Whether it isn't known what was done; what is written down as begun then stays so, until
    /// the store is opened again.
    pub(crate) lost: bool,
}

impl View for Execution<'_> {
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        match self.store.root.find(path) {
            _ if has_hidden(path) => Ok(None),
            Ok(found) => Ok(Some(crate::entry::entry(path.clone(), &found))),
            Err(errno) if errno::kind(errno) == FailureKind::NotFound => Ok(None),
            Err(errno) => Err(errno::failure(errno, path)),
        }
    }

    fn locks(&self) -> &dyn LockView {
        self.locks
    }
}

impl<'a> Execution<'a> {
    /// Begins to apply a run.
    ///
    /// # Errors
    /// If its changes could not be brought to disk; nothing is done then.
    pub(crate) fn begin(
        store: &'a FolderStore,
        (writer, state): (&'a Writer, &'a State),
        run: &Run,
        locks: &'a LocksOfRun<'a>,
        keeps_receipts: bool,
    ) -> Result<Self, Errno> {
        let touched = match run.durability {
            Durability::Relaxed => None,
            Durability::Full => Some(Touched::new(&store.root)?),
        };
        let course = Course::of(run);
        let can_undo = writer.abilities.can_undo();
        Ok(Self {
            store,
            writer,
            state,
            locks,
            run: run.id,
            durability: run.durability,
            keeps_receipts,
            is_reversible: can_undo && (keeps_receipts || course.undoes_all()),
            course,
            commits: 0,
            parents: Parents::new(&store.root),
            reading: None,
            touched,
            intents: Vec::new(),
            begun: Vec::new(),
            intended: false,
            pending: Vec::new(),
            looked: 0,
            displaces: false,
            purge: Vec::new(),
            lost: false,
        })
    }

    /// Performs the steps and reports each.
    pub(crate) fn run(mut self, steps: Vec<Step>, report: &mut dyn Report) {
        let mut steps = steps.into_iter();
        while let Some(stretch) = self.next_stretch(steps.as_slice()) {
            if stretch.iter().any(|step| self.course.needed().awaits(step)) {
                self.settle(report);
            }
            let mut left = stretch.len();
            if let Err(failure) = self.announce(stretch, report) {
                self.settle(report);
                self.course.refuse(stretch, &failure, report);
                steps.by_ref().take(left).for_each(Step::discard);
                continue;
            }
            while left > 0 {
                left -= self.perform(&mut steps, left);
                if self.must_settle() {
                    self.settle(report);
                }
            }
        }
        self.settle(report);
        self.purge_displaced();
    }

    /// Removes what was displaced for good.
    pub(crate) fn purge_displaced(&mut self) {
        if self.lost {
            // It may have to go back when the store is opened again.
            return;
        }
        for name in std::mem::take(&mut self.purge) {
            if let Err(error) = tree::purge(&*self.writer.stage, &name) {
                tracing::warn!(%error, "what was displaced can't be removed yet");
            }
        }
    }

    /// Those of the steps that go through together next; `None` if none is left.
    pub(crate) fn next_stretch<'s>(&self, steps: &'s [Step]) -> Option<&'s [Step]> {
        let first = steps.first()?;
        let may_join = |step: &Step| !self.course.needed().awaits(step);
        let count = match self.is_settled_by_itself(first) {
            true => 1,
            false => stretch::together(steps, may_join, |step| self.is_last(step)),
        };
        Some(&steps[..count])
    }

    /// Whether nothing is won by settling it together with others.
    fn is_settled_by_itself(&self, step: &Step) -> bool {
        !self.is_full() && !self.is_reversible && !self.state.has_any() && !step.is_patch()
    }

    /// Whether nothing goes together with what stands behind a step. What stays open until it is done
    /// mustn't be much. Rows that can't be committed make failures of steps that were done; in a run
    /// that stops, none may be done behind those.
    fn is_last(&self, step: &Step) -> bool {
        let stays_open = !self.is_full() && !self.is_reversible && step.makes_content();
        stays_open || (!self.course.undoes_all() && self.must_be_settled_to_go_on(step))
    }

    fn must_be_settled_to_go_on(&self, step: &Step) -> bool {
        // What can't be looked up now is for the step itself to tell.
        let has_rows = |path: &ResourcePath| self.state.has(path).unwrap_or(true);
        let follows = |target| step.claims().any(has_rows) || !self.store.root.lacks(target);
        self.course.stops() && (step.is_patch() || step.arrives_at().is_some_and(follows))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.touched.is_some()
    }

    /// Performs the next `count` steps, or fewer if one of them has to wait until those before it have
    /// acted; how many.
    pub(crate) fn perform(&mut self, steps: &mut vec::IntoIter<Step>, count: usize) -> usize {
        let mut opened = self.open(steps, count);
        let performed = opened.len();
        self.pending.reserve(performed);
        self.sync_content(&mut opened);
        self.commit_before(&mut opened);
        for Opened { index, path, at_stake, prepared } in opened {
            let refuse = |kind| (Err(Failure::new(kind, path.clone())), After::Nothing);
            let (outcome, after) = match (self.course.over(), prepared) {
                (Some(kind), _) => refuse(kind),
                (None, Err(failure)) => (Err(failure), After::Nothing),
                // The disk may have failed since it was prepared.
                (None, Ok(prepared)) => match self.given_up() {
                    Some(kind) => refuse(kind),
                    None => self.act(prepared),
                },
            };
            match &outcome {
                // It is told at the end of the run, and until then it counts.
                _ if self.course.undoes_all() => self.course.note(index, &outcome),
                Err(failure) => self.course.note_failure(failure),
                Ok(_) => {}
            }
            self.locks.end(at_stake, |root| self.store.root.lacks(root));
            self.pending.push(Pending { index, path, outcome, after });
        }
        self.reading = None;
        performed
    }

    /// Opens and prepares the next `count` steps, up to one that has to wait.
    fn open(&mut self, steps: &mut vec::IntoIter<Step>, count: usize) -> Vec<Opened> {
        let mut opened = Vec::with_capacity(count);
        // What fails before it is done stops only what stands behind it.
        let mut ahead = self.course.clone();
        let mut frees = false;
        while opened.len() < count
            && let Some(next) = steps.as_slice().first()
            && (opened.is_empty() || !self.must_wait(next, frees))
            && let Some(mut step) = steps.next()
        {
            frees |= step.vacates().next().is_some();
            let index = step.index();
            let path = step.subject().clone();
            let at_stake = self.at_stake(&step);
            self.course.needed().settle(&mut step);
            let refused = ahead.ask().or(self.given_up());
            let prepared = match refused {
                Some(kind) => Err(Failure::new(kind, path.clone())),
                None => step.open(self).and_then(|permit| self.prepare(permit)),
            };
            if let Err(failure) = &prepared {
                ahead.note_failure(failure);
            }
            opened.push(Opened { index, path, at_stake, prepared });
        }
        opened
    }

    /// The locks that end with what a step removes, where the run itself has to keep account of them.
    fn at_stake(&self, step: &Step) -> Vec<Arc<Lock>> {
        if self.course.undoes_all() { at_stake(self.locks, step) } else { Vec::new() }
    }

    /// Why no step is done any more, if the disk failed.
    fn given_up(&self) -> Option<FailureKind> {
        self.store.has_given_up().then_some(FailureKind::ReadOnly)
    }

    /// Brings the content that was prepared to disk, before anything refers to it.
    fn sync_content(&mut self, opened: &mut [Opened]) {
        let Some(touched) = &self.touched else { return };
        let mut files = Vec::new();
        let mut has_trees = false;
        for prepared in opened.iter_mut().filter_map(|opened| opened.prepared.as_mut().ok()) {
            match &mut prepared.work {
                Work::Put { file, .. } => files.push(file),
                Work::Copy { replica, .. }
                | Work::Reversible(Reversible { replica: Some(replica), .. }) => match replica {
                    Replica::File(file) => files.push(file),
                    Replica::Named { .. } => has_trees = true,
                },
                _ => {}
            }
        }
        let synced = if has_trees || files.len() > SYNC_ONE_BY_ONE_MAX {
            touched.sync_all()
        } else {
            files.into_iter().try_for_each(|file| file.file().and_then(sys::sync_data))
        };
        let Err(errno) = synced else { return };
        self.writer.give_up("content could not be synced");
        for Opened { path, prepared, .. } in opened {
            if prepared.as_ref().is_ok_and(|prepared| prepared.work.has_content()) {
                let failure = Failure::new(FailureKind::Internal, path.clone());
                *prepared = Err(failure.with_source(std::io::Error::from(errno)));
            }
        }
    }

    /// Commits what the steps need to be committed before they act.
    fn commit_before(&mut self, opened: &mut [Opened]) {
        let needs = |prepared: &Prepared| prepared.before.is_some() || prepared.intent.is_some();
        let ready = |opened: &Opened| opened.prepared.as_ref().is_ok_and(needs);
        if !opened.iter().any(ready) || self.store.has_given_up() {
            return;
        }
        let committed = self.state.change(self.durability, |changes| {
            for prepared in opened.iter().filter_map(|opened| opened.prepared.as_ref().ok()) {
                prepared.before.as_ref().map_or(Ok(()), |change| changes.apply(change))?;
                prepared.intent.as_ref().map_or(Ok(()), |intent| changes.intend(intent))?;
            }
            Ok(())
        });
        // Whether it was committed or not: nothing was done yet, and the rows mean nothing.
        self.intended = true;
        let Err(error) = committed else { return };
        let error = Arc::new(error);
        for opened in opened.iter_mut().filter(|opened| ready(opened)) {
            opened.prepared = Err(database_failure(&error, &opened.path));
        }
    }

    /// Writes one step down, at the moment it turns out that it needs it.
    pub(crate) fn intend(&mut self, intent: &Intent) -> Result<(), Failure> {
        self.intended = true;
        self.state
            .change(self.durability, |changes| changes.intend(intent))
            .map_err(|error| database_failure(&Arc::new(error), &intent.target))
    }

    /// A step to be written down.
    pub(crate) fn intent(
        &mut self,
        kind: IntentKind,
        (source, target): (ResourcePath, ResourcePath),
        source_id: Identity,
        there: Option<&Statx>,
        aside: Vec<u8>,
    ) -> Intent {
        let seq = self.state.next_seq();
        self.intents.push(seq);
        Intent {
            seq,
            run: self.run,
            kind,
            source,
            target,
            source_id,
            target_id: there.map(Identity::of),
            aside,
        }
    }

    /// Notes that something changed in a directory.
    pub(crate) fn touch(&mut self, dir: &Dir) {
        if let Some(touched) = &mut self.touched {
            touched.note(dir);
        }
    }

    /// Notes that something changed in the staging folder.
    pub(crate) fn touch_stage(&mut self) {
        if let Some(touched) = &mut self.touched {
            touched.note(self.writer.stage.dir());
        }
    }

    /// Notes that something changed in more directories than can be told.
    pub(crate) fn touch_many(&mut self) {
        if let Some(touched) = &mut self.touched {
            touched.note_many();
        }
    }

    /// Whether what was done must be settled before anything else is.
    fn must_settle(&self) -> bool {
        !self.is_full() || self.has_to_commit()
    }

    /// Whether something has to be committed for what was done.
    pub(crate) fn has_to_commit(&self) -> bool {
        let has_rows = |pending: &Pending| !matches!(pending.after, After::Nothing);
        self.intended || self.pending.iter().any(has_rows)
    }

    /// Brings what was done to disk, commits what follows from it, and reports it.
    fn settle(&mut self, report: &mut dyn Report) {
        if self.sync_pending() {
            if self.keeps_receipts {
                self.commit_with_receipt(report);
            } else {
                self.commit_after();
            }
        }
        self.tell(report);
    }

    /// Brings what was done to disk. Whether it is certain what was done.
    pub(crate) fn sync_pending(&mut self) -> bool {
        if self.writer.is_half_done() {
            self.lose();
        } else if self.lost {
            // Nothing was done since.
        } else if let Err(errno) = self.sync_touched() {
            self.writer.give_up("directories could not be synced");
            self.are_unknown(Arc::new(std::io::Error::from(errno)));
        }
        !self.lost
    }

    /// It isn't known any more which steps were done.
    pub(crate) fn are_unknown(&mut self, error: Arc<dyn std::error::Error + Send + Sync>) {
        self.lost = true;
        self.pending.iter_mut().for_each(|pending| pending.is_unknown(error.clone()));
    }

    /// Reports what wasn't reported yet.
    pub(crate) fn tell(&mut self, report: &mut dyn Report) {
        for Pending { index, outcome, .. } in self.pending.drain(..) {
            self.course.note(index, &outcome);
            report.outcome(index, outcome);
        }
    }

    pub(crate) fn sync_touched(&mut self) -> Result<(), Errno> {
        let Some(touched) = &mut self.touched else { return Ok(()) };
        touched.sync()?;
        // Others may have been told of a failed write that concerns this run as well.
        if self.store.has_given_up() { Err(Errno::IO) } else { Ok(()) }
    }

    /// A step is neither done nor undone. What was tried isn't known before the store is opened
    /// again; rather too much of it than too little is called unknown.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
        let was_tried = |outcome: &Outcome| match outcome {
            Ok(_) => true,
            Err(failure) => failure.kind.was_tried() && failure.kind != FailureKind::ReadOnly,
        };
        for pending in self.pending.iter_mut().filter(|pending| was_tried(&pending.outcome)) {
            let failure = Failure::new(FailureKind::Internal, pending.path.clone());
            pending.outcome = Err(failure.with_effect(Effect::Unknown));
        }
    }

    pub(crate) fn commit_after(&mut self) {
        if !self.has_to_commit() {
            return;
        }
        match self.state.change(self.durability, |changes| self.write_after(changes)) {
            Ok(()) => self.is_settled(),
            Err(error) if lacks_space(&error) => self.commit_apart(),
            Err(error) => self.fail_after(Arc::new(error)),
        }
    }

    /// Commits what must follow what was done, for which space is kept in reserve, and then each
    /// patch for itself: one that is too large takes nothing from the others.
    fn commit_apart(&mut self) {
        let durability = self.durability;
        let is_patch = |pending: &Pending| matches!(pending.after, After::Patch(_));
        let others = || self.pending.iter().filter(|pending| !is_patch(pending));
        let followed = self.state.settle(durability, |changes| {
            self.write_rows_of(others(), changes)?;
            changes.settle(self.intents.iter().copied())
        });
        if let Err(error) = followed {
            return self.fail_after(Arc::new(error));
        }
        self.is_settled();
        for pending in &mut self.pending {
            let After::Patch(change) = &pending.after else { continue };
            let Err(error) = self.state.change(durability, |changes| changes.apply(change)) else {
                continue;
            };
            tracing::error!(%error, path = %pending.path, "properties can't be committed");
            match is_in_doubt(&error) {
                true => pending.is_unknown(Arc::new(error)),
                false => pending.outcome = Err(database_failure(&Arc::new(error), &pending.path)),
            }
        }
    }

    /// What was done is there to stay.
    pub(crate) fn is_settled(&mut self) {
        self.commits += 1;
        self.intended = false;
        self.intents.clear();
        self.begun.clear();
    }

    /// Has the rows follow what was done.
    pub(crate) fn write_after(&self, changes: &Changes<'_>) -> rusqlite::Result<()> {
        self.write_rows_of(self.pending.iter(), changes)?;
        changes.settle(self.intents.iter().copied())
    }

    fn write_rows_of<'p>(
        &self,
        pending: impl Iterator<Item = &'p Pending>,
        changes: &Changes<'_>,
    ) -> rusqlite::Result<()> {
        let is_gone = |path: &ResourcePath| self.store.root.lacks(path);
        let may_have_rows = self.may_have_rows();
        for pending in pending.filter(|_| may_have_rows) {
            let (change, tidy) = match &pending.after {
                After::Nothing => continue,
                After::Tidy(tidy) => (None, Some(tidy)),
                After::Patch(change) => (Some(change), None),
                After::Follow(change, tidy) => (change.as_ref(), tidy.as_ref()),
            };
            change.map_or(Ok(()), |change| changes.apply(change))?;
            match tidy {
                Some(Tidy::Clear(path)) => changes.apply(&RowChange::Clear(path.clone()))?,
                Some(Tidy::Sweep(path)) => changes.sweep(path, &is_gone)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Whether there may be any rows that would have to follow.
    pub(crate) fn may_have_rows(&self) -> bool {
        let is_patch = |pending: &Pending| matches!(pending.after, After::Patch(_));
        self.state.has_any() || self.pending.iter().any(is_patch)
    }

    /// The rows don't follow: a patch wasn't done, and a step that needs them is half done.
    fn fail_after(&mut self, error: Arc<rusqlite::Error>) {
        tracing::error!(%error, "the rows of a run can't be committed");
        let mut is_half_done = false;
        for pending in &mut self.pending {
            match &pending.after {
                After::Nothing | After::Tidy(_) => {}
                After::Patch(_) if !is_in_doubt(&error) => {
                    pending.outcome = Err(database_failure(&error, &pending.path));
                }
                After::Patch(_) | After::Follow(..) => {
                    is_half_done = true;
                    pending.is_unknown(error.clone());
                }
            }
        }
        if is_half_done {
            self.lost = true;
            self.writer.give_up("what is written down as begun could not be settled");
        }
    }
}

impl Drop for Execution<'_> {
    /// What a run had written down as begun and didn't settle, as where it ends in a panic, nobody
    /// settles before the store is opened again; other runs must not change what it is about
    /// meanwhile.
    fn drop(&mut self) {
        if !self.intents.is_empty() && !self.store.has_given_up() {
            self.writer.give_up("a run ended before what it had begun was settled");
        }
    }
}

/// A step that was opened, and what was prepared.
struct Opened {
    index: usize,
    path: ResourcePath,
    /// The locks that end if what they lock is gone after it.
    at_stake: Vec<Arc<Lock>>,
    prepared: Result<Prepared, Failure>,
}

impl Pending {
    /// It isn't known any more whether it was done.
    pub(crate) fn is_unknown(&mut self, error: Arc<dyn std::error::Error + Send + Sync>) {
        if self.outcome.as_ref().is_err_and(|failure| failure.effect == Effect::None) {
            return;
        }
        let failure = Failure::new(FailureKind::Internal, self.path.clone());
        let failure = failure.with_effect(Effect::Unknown);
        self.outcome = Err(Failure { source: Some(error), ..failure });
    }
}

/// A failure of the database that left everything as it was.
pub(crate) fn database_failure(error: &Arc<rusqlite::Error>, path: &ResourcePath) -> Failure {
    let kind = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => FailureKind::NoSpace,
        Some(rusqlite::ErrorCode::DatabaseBusy) => FailureKind::Busy,
        _ => FailureKind::Internal,
    };
    Failure { source: Some(error.clone()), ..Failure::new(kind, path.clone()) }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn a_failure_of_the_database_is_told_as_what_it_is() {
        let path = ResourcePath::parse("a").unwrap();
        for (code, kind) in [
            (ffi::SQLITE_FULL, FailureKind::NoSpace),
            (ffi::SQLITE_BUSY, FailureKind::Busy),
            (ffi::SQLITE_IOERR, FailureKind::Internal),
            (ffi::SQLITE_CORRUPT, FailureKind::Internal),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let failure = database_failure(&Arc::new(error), &path);
            assert_eq!(
                (failure.kind, failure.effect, failure.path),
                (kind, Effect::None, path.clone())
            );
            assert!(failure.source.is_some());
        }
    }
}
