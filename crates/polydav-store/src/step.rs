//! `Step`: one guarded change. Opening it is the only way to its action.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;

use crate::guard::{Condition, Guard, IfList, Overwrite, View};
use crate::record::{Field, Fields};
use crate::store::Staged;
use crate::{
    Entry, Failure, FailureKind, Member, Members, Needed, PropertyChange, ResourcePath, Value,
};

/// How deep a COPY goes (RFC 4918 §9.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// A collection without its members.
    Zero,
    /// The whole tree.
    #[default]
    Infinity,
}

/// The content of a PUT.
#[derive(Debug)]
pub enum Content {
    /// Small enough to be held in memory.
    Inline(Bytes),
    /// Already in the store's staging.
    Staged(Staged),
    /// The columns of a record, all that the request gives: the others get what they have in a new
    /// one.
    Record(Fields),
}

/// A change to resources, in the store's own terms.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Make a file, or replace the content of one; its dead properties stay.
    Put {
        /// The file.
        target: ResourcePath,
        /// Its content.
        content: Content,
        /// The modification time it gets; `None` for now.
        modified: Option<SystemTime>,
    },
    /// Make an empty collection.
    MakeCollection {
        /// The collection.
        target: ResourcePath,
    },
    /// Remove a resource, a collection with all its members.
    Remove {
        /// The resource.
        target: ResourcePath,
    },
    /// Duplicate a resource with its dead properties.
    Copy {
        /// What is duplicated.
        source: ResourcePath,
        /// What the duplicate becomes.
        target: ResourcePath,
        /// How much of a collection.
        depth: Depth,
        /// Whether something at the target is replaced.
        overwrite: Overwrite,
    },
    /// Move a resource with its dead properties.
    Rename {
        /// What is moved.
        source: ResourcePath,
        /// What it becomes.
        target: ResourcePath,
        /// Whether something at the target is replaced.
        overwrite: Overwrite,
    },
    /// Change dead properties: all of them, or none (RFC 4918 §9.2); none if they would be more
    /// than [`Property::BYTES_MAX`](crate::Property::BYTES_MAX).
    Patch {
        /// Whose properties.
        target: ResourcePath,
        /// The instructions, in order.
        changes: Vec<PropertyChange>,
    },
    /// Make a record, whose name the store chooses (RFC 5995 §3): [`Action::add`].
    Add {
        /// The collection it becomes a member of.
        collection: ResourcePath,
        /// Its columns.
        record: Fields,
        /// A name in the collection that is nobody's: it stands for the one that the record gets.
        place: ResourcePath,
    },
    /// Change columns of a record (RFC 7396, on one level): those given; the others stay.
    Update {
        /// The record.
        target: ResourcePath,
        /// The columns.
        record: Fields,
    },
}

impl Action {
    /// Makes a record in `collection`.
    pub fn add(collection: ResourcePath, record: Fields) -> Self {
        static PLACES: AtomicU64 = AtomicU64::new(0);
        let name = format!("\n{}", PLACES.fetch_add(1, Ordering::Relaxed));
        let place = collection.join(name.as_bytes()).expect("it is a segment");
        Self::Add { collection, record, place }
    }

    /// The resource the request is about: its Request-URI, or a batch item's href.
    pub fn subject(&self) -> &ResourcePath {
        match self {
            Self::Put { target, .. }
            | Self::MakeCollection { target }
            | Self::Remove { target }
            | Self::Patch { target, .. }
            | Self::Update { target, .. } => target,
            Self::Add { collection, .. } => collection,
            Self::Copy { source, .. } | Self::Rename { source, .. } => source,
        }
    }

    /// The trees in which something may change.
    pub fn changes(&self) -> impl Iterator<Item = &ResourcePath> {
        let (first, second) = match self {
            Self::Put { target, .. }
            | Self::MakeCollection { target }
            | Self::Remove { target }
            | Self::Patch { target, .. }
            | Self::Update { target, .. }
            | Self::Add { place: target, .. }
            | Self::Copy { target, .. } => (target, None),
            Self::Rename { source, target, .. } => (source, Some(target)),
        };
        std::iter::once(first).chain(second)
    }

    /// The trees that must not change meanwhile: those it changes, and the source of a copy.
    pub fn claims(&self) -> impl Iterator<Item = &ResourcePath> {
        self.changes().chain(self.copies())
    }

    /// The source of a copy.
    fn copies(&self) -> Option<&ResourcePath> {
        match self {
            Self::Copy { source, .. } => Some(source),
            _ => None,
        }
    }

    /// The trees whose members, and for the first of a removal or move the root, may be gone
    /// afterwards; locks on what is gone end with it.
    pub fn vacates(&self) -> impl Iterator<Item = &ResourcePath> {
        let (first, second) = match self {
            Self::Put { .. }
            | Self::MakeCollection { .. }
            | Self::Patch { .. }
            | Self::Add { .. }
            | Self::Update { .. } => (None, None),
            Self::Remove { target } | Self::Copy { target, .. } => (Some(target), None),
            Self::Rename { source, target, .. } => (Some(source), Some(target)),
        };
        first.into_iter().chain(second)
    }

    /// All its paths.
    fn paths_mut(&mut self) -> impl Iterator<Item = &mut ResourcePath> {
        let (first, second) = match self {
            Self::Put { target, .. }
            | Self::MakeCollection { target }
            | Self::Remove { target }
            | Self::Patch { target, .. }
            | Self::Update { target, .. } => (target, None),
            Self::Add { collection, place, .. } => (collection, Some(place)),
            Self::Copy { source, target, .. } | Self::Rename { source, target, .. } => {
                (source, Some(target))
            }
        };
        std::iter::once(first).chain(second)
    }

    /// The columns it gives, of a record.
    fn fields(&self) -> &[Field] {
        match self {
            Self::Put { content: Content::Record(record), .. }
            | Self::Add { record, .. }
            | Self::Update { record, .. } => record,
            _ => &[],
        }
    }

    fn fields_mut(&mut self) -> &mut [Field] {
        match self {
            Self::Put { content: Content::Record(record), .. }
            | Self::Add { record, .. }
            | Self::Update { record, .. } => record,
            _ => &mut [],
        }
    }

    /// Whether it works only on a resource that is there.
    fn needs_subject(&self) -> bool {
        !matches!(self, Self::Put { .. } | Self::MakeCollection { .. })
    }
}

/// One change and the conditions under which it may happen.
#[derive(Debug)]
pub struct Step {
    index: usize,
    guard: Guard,
    action: Action,
    /// The steps that must have succeeded before, as far as that isn't known; `None` if one of them
    /// failed.
    needs: Option<Vec<usize>>,
}

/// Leave to act: what [`Step::open`] gives.
#[derive(Debug)]
pub struct Permit {
    /// What to do.
    pub action: Action,
    /// The roots of trees below the target of a removal that must be left alone, because they are
    /// locked, in order. The store reports each as a failed member, and keeps the collections they
    /// lie in.
    pub except: Vec<ResourcePath>,
}

impl Step {
    /// A step; `index` is what its outcome is reported under. It needs the steps that it refers to
    /// by [`Value::Added`].
    pub fn new(index: usize, guard: Guard, action: Action) -> Self {
        let referred = action.fields().iter().filter_map(|field| match field.value {
            Value::Added(index) => Some(index),
            _ => None,
        });
        let referred: Vec<_> = referred.collect();
        Self { index, guard, action, needs: Some(Vec::new()) }.needing(referred)
    }

    /// The same, done only if the steps of these indices succeeded. They stand before it.
    #[must_use]
    pub fn needing(mut self, others: impl IntoIterator<Item = usize>) -> Self {
        if let Some(needs) = &mut self.needs {
            needs.extend(others);
            needs.sort_unstable();
            needs.dedup();
        }
        self
    }

    /// What its outcome is reported under.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The steps that must have succeeded before it, as far as that isn't known yet.
    pub fn needs(&self) -> &[usize] {
        self.needs.as_deref().unwrap_or_default()
    }

    /// The resource the request is about.
    pub fn subject(&self) -> &ResourcePath {
        self.action.subject()
    }

    /// The trees that must not change while it runs.
    pub fn claims(&self) -> impl Iterator<Item = &ResourcePath> {
        self.action.claims()
    }

    /// The trees whose locks may end with it.
    pub fn vacates(&self) -> impl Iterator<Item = &ResourcePath> {
        self.action.vacates()
    }

    /// Where a copy or move leads.
    pub fn arrives_at(&self) -> Option<&ResourcePath> {
        match &self.action {
            Action::Copy { target, .. } | Action::Rename { target, .. } => Some(target),
            _ => None,
        }
    }

    /// The resources beside its own that its conditions look at (the tags of an `If` header). A
    /// step must be opened after the steps before it that change one of them.
    pub fn watches(&self) -> impl Iterator<Item = &ResourcePath> {
        self.guard.watches()
    }

    /// The paths at or under which it may change something.
    pub fn changes(&self) -> impl Iterator<Item = &ResourcePath> {
        self.action.changes()
    }

    /// What it looks at to duplicate it.
    pub fn copies(&self) -> Option<&ResourcePath> {
        self.action.copies()
    }

    /// Whether it changes properties and nothing else.
    pub fn is_patch(&self) -> bool {
        matches!(self.action, Action::Patch { .. })
    }

    /// Whether it has conditions beyond locks.
    pub fn is_conditional(&self) -> bool {
        self.guard.is_conditional()
    }

    /// Whether it gives a file content.
    pub fn makes_content(&self) -> bool {
        matches!(self.action, Action::Put { .. } | Action::Copy { .. })
    }

    /// Whether what it takes doesn't grow with what is there: a short file is put, a collection is
    /// made, properties are changed, something is moved. That a tree may have to make room for what is
    /// moved is for others to see.
    pub fn is_brief(&self) -> bool {
        match &self.action {
            Action::Put { content, .. } => matches!(content, Content::Inline(_)),
            Action::MakeCollection { .. } | Action::Patch { .. } | Action::Rename { .. } => true,
            Action::Remove { .. }
            | Action::Copy { .. }
            | Action::Add { .. }
            | Action::Update { .. } => false,
        }
    }

    /// The same, whose outcome is reported under another index.
    #[must_use]
    pub fn under(mut self, index: usize) -> Self {
        self.index = index;
        self
    }

    /// Checks the guard against what the store sees right now.
    ///
    /// What the check doesn't decide, because the store's own act decides it best, is left to the
    /// store: whether source and parent exist, and whether something is at the target.
    ///
    /// A step that needs others is [settled](Needed::settle) before.
    ///
    /// # Errors
    /// Why the step must not be done; nothing was changed. What [`Needed::check`] finds comes first.
    pub fn open(self, view: &dyn View) -> Result<Permit, Failure> {
        Needed::default().check(&self)?;
        let except = self.check(view)?;
        Ok(Permit { action: self.action, except })
    }

    /// As [`Step::open`], for a store that may have to do the step again, because what it did was
    /// undone: it opens it each time. What the step needs may have come out otherwise by then, so it
    /// isn't settled; `needed` knows, and [`Needed::value`] tells what the references come to.
    ///
    /// # Errors
    /// As [`Step::open`].
    pub fn open_again(&self, view: &dyn View, needed: &Needed) -> Result<&Action, Failure> {
        needed.check(self)?;
        self.check(view)?;
        Ok(&self.action)
    }

    fn check(&self, view: &dyn View) -> Result<Vec<ResourcePath>, Failure> {
        check_shape(&self.action)?;
        if self.guard.is_conditional() {
            let subject = self.action.subject();
            let entry = view.entry(subject)?;
            if entry.is_none() && self.action.needs_subject() {
                return Err(Failure::new(FailureKind::NotFound, subject.clone()));
            }
            self.guard.judge(view, subject, entry.as_ref())?;
        }
        if view.locks().is_empty() {
            return Ok(Vec::new());
        }
        check_locks(&self.guard, &self.action, view)
    }

    /// Gives up the step, and with it its staged content.
    pub fn discard(self) {}

    /// The tree that a copy duplicates with all its members.
    pub(crate) fn duplicates(&self) -> Option<&ResourcePath> {
        match &self.action {
            Action::Copy { source, depth: Depth::Infinity, .. } => Some(source),
            _ => None,
        }
    }

    /// Gives it a condition that can't hold: it will fail, and not be done.
    pub(crate) fn doom(&mut self) {
        let never = IfList { resource: None, conditions: vec![Condition::Never] };
        self.guard.if_lists = vec![never];
    }

    /// What becomes of it once one of those it needs has failed.
    pub(crate) fn forsake(&mut self) {
        self.needs = None;
    }

    /// Whether one of those it needs has failed.
    pub(crate) fn is_forsaken(&self) -> bool {
        self.needs.is_none()
    }

    /// Has it need only those that `are_left`.
    pub(crate) fn retain_needs(&mut self, mut are_left: impl FnMut(&usize) -> bool) {
        if let Some(needs) = &mut self.needs {
            needs.retain(|need| are_left(need));
        }
    }

    /// The columns it gives, of a record.
    pub(crate) fn fields(&self) -> &[Field] {
        self.action.fields()
    }

    /// The columns it gives, of a record.
    pub(crate) fn fields_mut(&mut self) -> &mut [Field] {
        self.action.fields_mut()
    }

    /// Has what lies within `from` lie within `to`: its paths, and those its conditions look at.
    pub(crate) fn rebase(&mut self, from: &ResourcePath, to: &ResourcePath) {
        for path in self.action.paths_mut() {
            if let Some(there) = path.rebase(from, to) {
                *path = there;
            }
        }
        self.guard.rebase(from, to);
    }

    /// Replaces the conditions on resources that lie `elsewhere` by what they come to: see
    /// [`Guard::settle`].
    pub(crate) fn settle(&mut self, view: &dyn View, elsewhere: impl Fn(&ResourcePath) -> bool) {
        self.guard.settle(view, elsewhere);
    }
}

/// The rules that need no look at the store.
fn check_shape(action: &Action) -> Result<(), Failure> {
    let fail = |kind, path: &ResourcePath, detail: &str| {
        Err(Failure::new(kind, path.clone()).with_detail(detail))
    };
    match action {
        Action::Put { target, .. } if target.is_root() => {
            fail(FailureKind::IsCollection, target, "the root of a store is a collection")
        }
        Action::MakeCollection { target } if target.is_root() => {
            fail(FailureKind::Exists, target, "the root of a store is a collection already")
        }
        Action::Remove { target } if target.is_root() => {
            fail(FailureKind::Forbidden, target, "the root of a store can't be removed")
        }
        Action::Copy { source, target, .. } | Action::Rename { source, target, .. }
            if source == target =>
        {
            fail(FailureKind::Overlap, source, "source and target are the same resource")
        }
        Action::Rename { source, target, .. } if source.overlaps(target) => {
            fail(FailureKind::Overlap, target, "one of source and target lies within the other")
        }
        Action::Copy { source, target, depth, .. }
            if target.is_above(source)
                || (source.is_above(target) && *depth == Depth::Infinity) =>
        {
            fail(FailureKind::Overlap, target, "one of source and target lies within the other")
        }
        _ => Ok(()),
    }
}

/// Checks the locks on all the action changes (RFC 4918 §7); returns what a removal must leave.
fn check_locks(
    guard: &Guard,
    action: &Action,
    view: &dyn View,
) -> Result<Vec<ResourcePath>, Failure> {
    match action {
        Action::Put { target, .. } | Action::MakeCollection { target } => {
            check_target(guard, view, target)?;
        }
        Action::Patch { target, .. } | Action::Update { target, .. } => {
            guard.unlock(view.locks(), target)?;
        }
        Action::Add { collection, place, .. } => {
            guard.unlock(view.locks(), place)?;
            guard.unlock(view.locks(), collection)?;
        }
        Action::Copy { target, .. } => check_replaced(guard, view, target)?,
        Action::Rename { source, target, .. } => {
            check_removed(guard, view, source)?;
            refuse_locked_under(guard, view, source)?;
            // What is replaced is removed first (RFC 4918 §9.9.3): that too changes the collection.
            check_removed(guard, view, target)?;
            check_replaced(guard, view, target)?;
        }
        Action::Remove { target } => {
            check_removed(guard, view, target)?;
            return Ok(guard.locked_under(view.locks(), target));
        }
    }
    Ok(Vec::new())
}

/// A resource that is made or changed; making it also changes the collection it becomes a member
/// of (RFC 4918 §7.4).
fn check_target(
    guard: &Guard,
    view: &dyn View,
    target: &ResourcePath,
) -> Result<Option<Entry>, Failure> {
    guard.unlock(view.locks(), target)?;
    let entry = view.entry(target)?;
    if entry.is_none()
        && let Some(parent) = target.parent()
    {
        guard.unlock(view.locks(), &parent)?;
    }
    Ok(entry)
}

fn check_replaced(guard: &Guard, view: &dyn View, target: &ResourcePath) -> Result<(), Failure> {
    match check_target(guard, view, target)? {
        Some(_) => refuse_locked_under(guard, view, target),
        None => Ok(()),
    }
}

fn check_removed(guard: &Guard, view: &dyn View, target: &ResourcePath) -> Result<(), Failure> {
    guard.unlock(view.locks(), target)?;
    target.parent().map_or(Ok(()), |parent| guard.unlock(view.locks(), &parent))
}

/// A tree is moved or replaced as a whole: a locked member forbids all of it.
fn refuse_locked_under(guard: &Guard, view: &dyn View, root: &ResourcePath) -> Result<(), Failure> {
    let locked = guard.locked_under(view.locks(), root);
    if locked.is_empty() {
        return Ok(());
    }
    let member = |path| Member { path, kind: FailureKind::Locked };
    let members: Members = locked.into_iter().map(member).collect();
    Err(Failure::of_members(root.clone(), members, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::Seen;
    use crate::kit::{
        Draft, add, copy, copy_alone, lock, mkcol, patch, path, put, remove, rename, update,
        verdict,
    };
    use crate::{Done, Lock, LockDepth, LockScope, Principal};

    /// `open`, followed by what must be left alone; or the verdict.
    fn open(draft: Draft, seen: &Seen) -> String {
        match draft.step(0).open(seen) {
            Ok(permit) => {
                let except: Vec<_> = permit.except.iter().map(ToString::to_string).collect();
                ["open".to_owned()].into_iter().chain(except).collect::<Vec<_>>().join(" ")
            }
            Err(failure) => verdict(&Err::<Done, _>(failure)),
        }
    }

    fn check(seen: &Seen, cases: impl IntoIterator<Item = (Draft, &'static str)>) {
        for (draft, expected) in cases {
            let shown = format!("{draft:?}");
            assert_eq!(open(draft, seen), expected, "{shown}");
        }
    }

    fn joined<'a>(paths: impl Iterator<Item = &'a ResourcePath>) -> String {
        paths.map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_step_says_what_it_touches() {
        for (draft, subject, changes, claims, vacates, patches) in [
            (put("a", ""), "/a", "/a", "/a", "", false),
            (mkcol("a"), "/a", "/a", "/a", "", false),
            (patch("a", []), "/a", "/a", "/a", "", true),
            (update("a", []), "/a", "/a", "/a", "", false),
            (remove("a"), "/a", "/a", "/a", "/a", false),
            (copy("a", "b"), "/a", "/b", "/b /a", "/b", false),
            (rename("a", "b"), "/a", "/a /b", "/a /b", "/a /b", false),
        ] {
            let step = draft.step(7);
            assert_eq!((step.index(), step.is_patch()), (7, patches));
            assert_eq!(step.subject().to_string(), subject);
            assert_eq!(joined(step.changes()), changes, "{step:?}");
            assert_eq!(joined(step.claims()), claims, "{step:?}");
            assert_eq!(joined(step.vacates()), vacates, "{step:?}");
            step.discard();
        }
    }

    /// Two additions to one collection don't hold each other up; whoever claims the collection
    /// holds up both.
    #[test]
    fn an_addition_claims_a_place_of_its_own() {
        let (one, other) = (add("a", []).step(0), add("a", []).step(1));
        assert_eq!(one.subject(), &path("a"));
        let [place, another] = [&one, &other].map(|step| step.claims().next().unwrap().clone());
        assert!(path("a").is_above(&place) && !place.overlaps(&another), "{place} {another}");
        assert_eq!(one.changes().chain(other.changes()).count(), 2);
        assert_eq!(one.vacates().count(), 0);
    }

    #[test]
    fn a_step_that_is_opened_again_is_checked_again() {
        let step = update("a", []).if_match("t").step(0);
        let opened = step.open_again(&Seen::new(&[("a", "t")], Vec::new()), &Needed::default());
        assert!(matches!(opened, Ok(Action::Update { .. })));
        let failure =
            step.open_again(&Seen::new(&[("a", "u")], Vec::new()), &Needed::default()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Precondition);
    }

    #[test]
    fn a_step_says_what_its_conditions_watch() {
        let mut step = put("a", "").when([]).when_at("b", []).when_at("c/d", []).step(0);
        assert_eq!(joined(step.watches()), "/b /c/d");
        let list = step.guard.if_lists[1].clone();
        step.guard.if_lists.extend([list.clone(), list]);
        assert_eq!(joined(step.watches()), "/b /c/d /b", "lists that share a tag tell it once");
    }

    /// RFC 4918 §9.3.1, §9.7.2, §9.8.5, §9.9.4.
    #[test]
    fn some_steps_make_no_sense_anywhere() {
        let seen = Seen::new(&[], Vec::new());
        check(
            &seen,
            [
                (put("", ""), "IsCollection /"),
                (mkcol(""), "Exists /"),
                (remove(""), "Forbidden /"),
                (patch("", []), "open"),
                (put("a", ""), "open"),
                (mkcol("a"), "open"),
                (remove("a"), "open"),
                (copy("a", "a"), "Overlap /a"),
                (copy_alone("a", "a"), "Overlap /a"),
                (rename("a", "a"), "Overlap /a"),
                (copy("a", "a/b"), "Overlap /a/b"),
                (copy_alone("a", "a/b"), "open"),
                (rename("a", "a/b"), "Overlap /a/b"),
                (copy("a/b", "a"), "Overlap /a"),
                (copy_alone("a/b", "a"), "Overlap /a"),
                (rename("a/b", "a"), "Overlap /a"),
                (copy("a", "ab"), "open"),
                (rename("a", "ab"), "open"),
                (copy("", "a"), "Overlap /a"),
                (copy_alone("", "a"), "open"),
                (rename("", "a"), "Overlap /a"),
                (copy("a", ""), "Overlap /"),
            ],
        );
    }

    #[test]
    fn conditions_are_about_the_subject() {
        let seen = Seen::new(&[("a", "t"), ("b", "u")], vec![lock("urn:a", "a")]);
        check(
            &seen,
            [
                (copy("b", "c").if_match("u"), "open"),
                (copy("b", "a").if_match("t"), "Precondition /b"),
                (copy("none", "c").if_match("*"), "NotFound /none"),
                (rename("none", "c").if_none_match("*"), "NotFound /none"),
                (remove("none").if_match("*"), "NotFound /none"),
                (patch("none", []).if_match("*"), "NotFound /none"),
                (put("none", "").if_match("*"), "Precondition /none"),
                (mkcol("none").if_match("*"), "Precondition /none"),
                (put("none", "").if_none_match("*"), "open"),
                (remove("a").if_match("u"), "Precondition /a"),
                (remove("a").if_match("t"), "Locked /a"),
                (put("forbidden", "").if_match("*"), "Forbidden /forbidden"),
            ],
        );
    }

    #[test]
    fn a_step_that_asks_nothing_looks_at_nothing() {
        let seen = Seen::new(&[], Vec::new());
        let drafts = || {
            [put("forbidden", ""), remove("forbidden"), copy("forbidden", "a/forbidden")]
                .map(|draft| draft.token("urn:t"))
        };
        check(&seen, drafts().map(|draft| (draft, "open")));
        let seen = Seen::new(&[], vec![lock("urn:t", "t")]);
        let [put, ..] = drafts();
        check(&seen, [(put, "Forbidden /forbidden")]);
    }

    /// RFC 4918 §7.4 and §7.5, for each method: `c` is a collection with the file `c/f`, `x` a file
    /// elsewhere; each row has a lock, the steps that it forbids, and those that it doesn't.
    #[test]
    fn locks_are_checked_on_all_that_changes() {
        let resources =
            [("", ""), ("c/", ""), ("c/f", "t"), ("c/d/", ""), ("c/d/e", "u"), ("x", "v")];
        let shallow = |root| Lock { depth: LockDepth::Zero, ..lock("urn:t", root) };
        let deep = |root| lock("urn:t", root);
        let rows: Vec<(Lock, Vec<Draft>, Vec<Draft>)> = vec![
            (
                deep("c/f"),
                vec![
                    put("c/f", ""),
                    patch("c/f", []),
                    update("c/f", []),
                    mkcol("c/f"),
                    remove("c/f"),
                    rename("c/f", "y"),
                    rename("x", "c/f"),
                    copy("x", "c/f"),
                ],
                vec![put("c/g", ""), copy("c/f", "y"), remove("c/d"), patch("c", []), remove("x")],
            ),
            (
                shallow("c"),
                vec![
                    patch("c", []),
                    put("c/n", ""),
                    add("c", []),
                    mkcol("c/n"),
                    copy("x", "c/n"),
                    rename("x", "c/n"),
                    rename("x", "c/f"),
                    rename("c/f", "c/n"),
                    rename("c/f", "y"),
                    remove("c/f"),
                    remove("c"),
                    rename("c", "y"),
                ],
                vec![
                    put("c/f", ""),
                    patch("c/f", []),
                    update("c/f", []),
                    add("c/d", []),
                    copy("x", "c/f"),
                    mkcol("c/f"),
                    put("c/d/n", ""),
                    remove("c/d/e"),
                    copy("c", "y"),
                ],
            ),
            (
                deep("c"),
                vec![
                    put("c/f", ""),
                    patch("c/d", []),
                    add("c", []),
                    add("c/d", []),
                    update("c/f", []),
                    mkcol("c/d/n"),
                    remove("c/d/e"),
                    rename("c/d/e", "y"),
                    copy("x", "c/d/e"),
                ],
                vec![copy("c/d", "y"), put("x", ""), put("y", "")],
            ),
            (shallow(""), vec![put("y", ""), remove("x"), rename("c/f", "y")], vec![put("x", "")]),
        ];
        for (lock, forbidden, free) in rows {
            let refusal: &str = &format!("Locked {}", lock.root);
            let seen = Seen::new(&resources, vec![lock.clone()]);
            for draft in forbidden {
                let shown = format!("{draft:?} under {lock:?}");
                let guard = draft.guard.clone();
                let again = Draft { guard, ..again(&draft.action).into() };
                assert_eq!(open(draft, &seen), refusal, "{shown}");
                assert_eq!(open(again.token("urn:t"), &seen), "open", "{shown}, with its token");
            }
            check(&seen, free.into_iter().map(|draft| (draft, "open")));
        }
    }

    /// The same action; content is none of the guard's business.
    fn again(action: &Action) -> Action {
        let joined = |path: &ResourcePath| path.as_bytes().to_vec();
        match action {
            Action::Put { target, .. } => put(joined(target), "").action,
            Action::MakeCollection { target } => mkcol(joined(target)).action,
            Action::Remove { target } => remove(joined(target)).action,
            Action::Copy { source, target, .. } => copy(joined(source), joined(target)).action,
            Action::Rename { source, target, .. } => rename(joined(source), joined(target)).action,
            Action::Patch { target, .. } => patch(joined(target), []).action,
            Action::Add { collection, .. } => add(joined(collection), []).action,
            Action::Update { target, .. } => update(joined(target), []).action,
        }
    }

    /// RFC 4918 §9.6.1: what is locked stays. §9.8.5, §9.9.4: it forbids to move or replace all.
    #[test]
    fn locked_members_are_left_alone_or_forbid_all() {
        let ann = Principal::Named("ann".into());
        let locks = vec![
            lock("urn:f", "c/f"),
            Lock { scope: LockScope::Shared, principal: ann, ..lock("urn:e", "c/d/e") },
            lock("urn:n", "n/m"),
        ];
        let seen = Seen::new(&[("c/", ""), ("c/f", "t"), ("c/d/", ""), ("c/d/e", "u")], locks);
        check(
            &seen,
            [
                (remove("c"), "open /c/d/e /c/f"),
                (remove("c").token("urn:f").token("urn:e"), "open /c/d/e"),
                (remove("c").token("urn:f").token("urn:e").by("ann"), "open /c/f"),
                (rename("c", "y"), "Members /c: Locked /c/d/e, Locked /c/f"),
                (rename("c", "y").token("urn:f"), "Members /c: Locked /c/d/e"),
                (rename("x", "c"), "Members /c: Locked /c/d/e, Locked /c/f"),
                (copy("x", "c"), "Members /c: Locked /c/d/e, Locked /c/f"),
                (copy("c", "y"), "open"),
                (copy("x", "n"), "open"),
                (rename("x", "n"), "open"),
            ],
        );
    }
}
