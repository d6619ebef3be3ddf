//! `Guard`: the conditions a step carries, as data, and how they are judged against a view.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use crate::lock::{Lock, LockToken, LockView};
use crate::{Entry, Failure, FailureKind, ResourcePath};

/// On whose behalf a request acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Principal {
    /// Nobody in particular; all anonymous requests are one principal.
    #[default]
    Anonymous,
    /// Someone who proved this name.
    Named(Arc<str>),
}

/// Whether something at the target may be replaced (RFC 4918 §10.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// It is replaced.
    #[default]
    Replace,
    /// The step fails.
    Refuse,
}

/// The entity tags of `If-Match` or `If-None-Match` (RFC 9110 §13.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ETagMatch {
    /// `*`: any current representation.
    Any,
    /// One of these, without their quotes.
    OneOf(Vec<String>),
}

impl ETagMatch {
    fn matches(&self, entry: Option<&Entry>) -> bool {
        match (self, entry) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::OneOf(tags), Some(entry)) => {
                entry.etag.as_ref().is_some_and(|etag| tags.iter().any(|tag| tag == etag.as_str()))
            }
        }
    }
}

/// One list of an `If` header (RFC 4918 §10.4.2): all its conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfList {
    /// The resource they are about; `None` for the one the step is about.
    pub resource: Option<Arc<ResourcePath>>,
    /// The conditions.
    pub conditions: Vec<Condition>,
}

/// One condition of an `If` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The resource is there, and covered by the lock with this token.
    Token(LockToken),
    /// The resource has this entity tag, given without its quotes.
    ETag(String),
    /// It can't hold: a tag of a resource that isn't ours, or a weak entity tag.
    Never,
    /// The condition does not hold (RFC 4918 §10.4.4).
    Not(Box<Condition>),
}

/// What a store sees right before a step: its entries, and the locks.
pub trait View {
    /// The resource at `path`, without its dead properties; `None` if there is none.
    ///
    /// # Errors
    /// A failure if the store can't tell, or won't.
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure>;

    /// The locks.
    fn locks(&self) -> &dyn LockView;
}

/// Submitted lock tokens: those that the steps of a plan share, and those of one step beside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens {
    shared: Arc<BTreeSet<LockToken>>,
    own: BTreeSet<LockToken>,
}

impl Tokens {
    /// Whether this one is among them.
    pub fn contains(&self, token: &LockToken) -> bool {
        self.shared.contains(token) || self.own.contains(token)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &LockToken> {
        self.shared.iter().chain(&self.own)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.own.is_empty()
    }

    /// The same, shared by all clones.
    #[must_use]
    pub fn into_shared(mut self) -> Self {
        if !self.own.is_empty() {
            Arc::make_mut(&mut self.shared).append(&mut self.own);
        }
        self
    }
}

impl Extend<LockToken> for Tokens {
    fn extend<T: IntoIterator<Item = LockToken>>(&mut self, tokens: T) {
        self.own.extend(tokens);
    }
}

impl FromIterator<LockToken> for Tokens {
    fn from_iter<T: IntoIterator<Item = LockToken>>(tokens: T) -> Self {
        Self { own: tokens.into_iter().collect(), ..Self::default() }
    }
}

/// The conditions under which a step may act.
///
/// All must hold: `If` (RFC 4918 §10.4), the preconditions of RFC 9110 §13, and every lock that
/// covers what the step changes must be among the submitted tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guard {
    /// Who asks. A submitted token counts only if the lock was made by the same principal.
    pub principal: Principal,
    /// The submitted lock tokens: all that stand anywhere in `If`.
    pub tokens: Tokens,
    /// The lists of `If`, of which one must hold; none at all is no condition.
    pub if_lists: Vec<IfList>,
    /// `If-Match`.
    pub if_match: Option<ETagMatch>,
    /// `If-None-Match`.
    pub if_none_match: Option<ETagMatch>,
    /// `If-Unmodified-Since`; not looked at beside `If-Match` (RFC 9110 §13.1.4).
    pub if_unmodified_since: Option<SystemTime>,
}

impl Guard {
    /// Whether the guard asks for anything beyond locks.
    pub fn is_conditional(&self) -> bool {
        !self.if_lists.is_empty()
            || self.if_match.is_some()
            || self.if_none_match.is_some()
            || self.if_unmodified_since.is_some()
    }

    /// Judges the conditions; `subject` is the resource the step is about, `entry` what is there.
    ///
    /// # Errors
    /// [`FailureKind::Precondition`] if one doesn't hold, or what the view failed with.
    pub fn judge(
        &self,
        view: &dyn View,
        subject: &ResourcePath,
        entry: Option<&Entry>,
    ) -> Result<(), Failure> {
        let refuse = |detail: &str| {
            let failure = Failure::new(FailureKind::Precondition, subject.clone());
            let etag = entry.and_then(|entry| entry.etag.clone());
            Err(Failure { etag, ..failure.with_detail(detail) })
        };
        if !self.if_lists.is_empty() && !self.any_list_holds(view, subject)? {
            return refuse("no list of the If header holds");
        }
        if let Some(tags) = &self.if_match
            && !tags.matches(entry)
        {
            return refuse(match entry.and_then(|entry| entry.etag.as_ref()) {
                Some(_) => "the entity tag is another one",
                None => "there is no entity tag to match",
            });
        }
        if let Some(tags) = &self.if_none_match
            && tags.matches(entry)
        {
            return refuse("the resource exists, and If-None-Match says it must not");
        }
        if let (Some(since), None) = (self.if_unmodified_since, &self.if_match)
            && let Some(modified) = entry.and_then(|entry| entry.modified)
            && seconds(modified) > seconds(since)
        {
            return refuse("the resource was modified since");
        }
        Ok(())
    }

    fn any_list_holds(&self, view: &dyn View, subject: &ResourcePath) -> Result<bool, Failure> {
        let mut look = Look { view, last: None };
        for list in &self.if_lists {
            let resource = list.resource.as_deref().unwrap_or(subject);
            if look.all_hold(resource, &list.conditions)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The resources beside the subject that the conditions look at: the tags of the `If` lists.
    pub fn watches(&self) -> impl Iterator<Item = &ResourcePath> {
        let mut last = None;
        self.if_lists.iter().filter_map(move |list| {
            let resource = list.resource.as_ref()?;
            // Lists that share a tag stand side by side; the resource is told once.
            let again = last.replace(resource).is_some_and(|last| Arc::ptr_eq(last, resource));
            (!again).then_some(&**resource)
        })
    }

    /// Has the resources within `from` that conditions look at lie within `to`.
    pub(crate) fn rebase(&mut self, from: &ResourcePath, to: &ResourcePath) {
        let mut last: Option<(Arc<ResourcePath>, Arc<ResourcePath>)> = None;
        for resource in self.if_lists.iter_mut().filter_map(|list| list.resource.as_mut()) {
            let there = match &last {
                // Lists that share a tag go on sharing it.
                Some((was, is)) if Arc::ptr_eq(was, resource) => Arc::clone(is),
                _ => resource.rebase(from, to).map_or_else(|| Arc::clone(resource), Arc::new),
            };
            let was = std::mem::replace(resource, Arc::clone(&there));
            last = Some((was, there));
        }
    }

    /// Replaces each list about a resource that lies `elsewhere` by one that holds or doesn't, as
    /// it does in `view`. A list that can't be judged doesn't hold: whoever settles a guard has
    /// judged it before, and knows that it wasn't for that one.
    pub(crate) fn settle(&mut self, view: &dyn View, elsewhere: impl Fn(&ResourcePath) -> bool) {
        let mut look = Look { view, last: None };
        let mut verdicts = Vec::with_capacity(self.if_lists.len());
        for IfList { resource, conditions } in &self.if_lists {
            let resource = resource.as_deref().filter(|resource| elsewhere(resource));
            let holds = |resource| look.all_hold(resource, conditions).unwrap_or(false);
            verdicts.push(resource.map(holds));
        }
        for (list, holds) in self.if_lists.iter_mut().zip(verdicts) {
            let condition = match holds {
                None => continue,
                Some(true) => Condition::Not(Box::new(Condition::Never)),
                Some(false) => Condition::Never,
            };
            *list = IfList { resource: None, conditions: vec![condition] };
        }
    }

    /// Whether this guard's principal submitted the token of `lock`.
    pub fn holds(&self, lock: &Lock) -> bool {
        lock.principal == self.principal && self.tokens.contains(&lock.token)
    }

    /// Refuses unless a token was submitted for the locks that cover `path`; of several shared
    /// ones, a single token is enough (RFC 4918 §6.2).
    ///
    /// # Errors
    /// [`FailureKind::Locked`] with the root of the lock.
    pub fn unlock(&self, locks: &dyn LockView, path: &ResourcePath) -> Result<(), Failure> {
        let covering = locks.covering(path);
        match covering.first() {
            Some(lock) if !covering.iter().any(|lock| self.holds(lock)) => {
                Err(Failure::new(FailureKind::Locked, lock.root.clone()))
            }
            _ => Ok(()),
        }
    }

    /// The roots of the locks strictly under `path` whose tokens weren't submitted, in order.
    pub fn locked_under(&self, locks: &dyn LockView, path: &ResourcePath) -> Vec<ResourcePath> {
        let mut roots: Vec<ResourcePath> = Vec::new();
        for lock in locks.rooted_under(path) {
            let inside = roots.last().is_some_and(|root| root.contains(&lock.root));
            if !inside && self.unlock(locks, &lock.root).is_err() {
                roots.push(lock.root.clone());
            }
        }
        roots
    }
}

/// A view, and what it showed last: an `If` may have a thousand conditions on one resource.
struct Look<'a> {
    view: &'a dyn View,
    last: Option<(&'a ResourcePath, Option<Entry>)>,
}

impl<'a> Look<'a> {
    fn entry(&mut self, resource: &'a ResourcePath) -> Result<Option<&Entry>, Failure> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != resource) {
            self.last = Some((resource, self.view.entry(resource)?));
        }
        Ok(self.last.as_ref().and_then(|(_, entry)| entry.as_ref()))
    }

    fn all_hold(
        &mut self,
        resource: &'a ResourcePath,
        conditions: &[Condition],
    ) -> Result<bool, Failure> {
        for condition in conditions {
            if !self.holds(resource, condition)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn holds(
        &mut self,
        resource: &'a ResourcePath,
        condition: &Condition,
    ) -> Result<bool, Failure> {
        Ok(match condition {
            // In the scope of the lock, and there: §10.4.4 has nothing match on an unmapped URL.
            Condition::Token(token) => {
                let mut locks = self.view.locks().covering(resource).into_iter();
                locks.any(|lock| lock.token == *token) && self.entry(resource)?.is_some()
            }
            Condition::ETag(tag) => self
                .entry(resource)?
                .and_then(|entry| entry.etag.as_ref())
                .is_some_and(|etag| etag.as_str() == tag),
            Condition::Never => false,
            Condition::Not(condition) => !self.holds(resource, condition)?,
        })
    }
}

/// HTTP dates have no more than seconds.
fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::kit::{Held, held, lock, mkcol, path, put};
    use crate::{ETag, Kind, LockDepth, LockScope};

    /// A view made by hand.
    pub(crate) struct Seen {
        entries: BTreeMap<ResourcePath, Entry>,
        locks: Held,
    }

    impl Seen {
        /// Files, with their entity tags, and locks. What ends in a slash is a collection.
        pub(crate) fn new(resources: &[(&str, &str)], locks: Vec<Lock>) -> Self {
            let entry = |&(joined, etag): &(&str, &str)| {
                let path = path(joined.trim_end_matches('/'));
                (path.clone(), entry(path, (!etag.is_empty()).then_some(etag)))
            };
            Self { entries: resources.iter().map(entry).collect(), locks: held(locks) }
        }
    }

    fn entry(path: ResourcePath, etag: Option<&str>) -> Entry {
        Entry {
            path,
            kind: if etag.is_some() { Kind::File } else { Kind::Collection },
            length: 0,
            modified: Some(at(1_000)),
            created: None,
            etag: etag.map(ETag::new),
            link: false,
            record: false,
            columns: Vec::new(),
            properties: Vec::new(),
        }
    }

    impl View for Seen {
        fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
            match path.name() {
                Some(b"forbidden") => Err(Failure::new(FailureKind::Forbidden, path.clone())),
                _ => Ok(self.entries.get(path).cloned()),
            }
        }

        fn locks(&self) -> &dyn LockView {
            &self.locks
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn judge(guard: &Guard, seen: &Seen, subject: &str) -> Result<(), Failure> {
        let subject = path(subject);
        guard.judge(seen, &subject, seen.entries.get(&subject))
    }

    /// RFC 9110 §13.1.1, §13.1.2.
    #[test]
    fn tags_are_matched_with_what_is_there() {
        let seen = Seen::new(&[("file", "t"), ("collection/", "")], Vec::new());
        for (tag, subject, matches) in [
            ("*", "file", true),
            ("*", "collection", true),
            ("*", "nothing", false),
            ("t", "file", true),
            ("u", "file", false),
            ("t", "collection", false),
            ("t", "nothing", false),
        ] {
            let wanted = put(subject, "").if_match(tag).guard;
            assert_eq!(judge(&wanted, &seen, subject).is_ok(), matches, "{tag} at {subject}");
            let unwanted = put(subject, "").if_none_match(tag).guard;
            assert_eq!(judge(&unwanted, &seen, subject).is_ok(), !matches, "{tag} at {subject}");
        }
        let either = ETagMatch::OneOf(vec!["u".into(), "t".into()]);
        let wanted = Guard { if_match: Some(either), ..Guard::default() };
        assert!(judge(&wanted, &seen, "file").is_ok());
    }

    /// RFC 9110 §13.1.4: with no more than seconds, and not beside If-Match.
    #[test]
    fn a_resource_is_unmodified_up_to_its_second() {
        let ms = Duration::from_millis;
        let epoch = SystemTime::UNIX_EPOCH;
        for (modified, since, holds) in [
            (at(1_000), at(1_000), true),
            (at(1_000) + ms(999), at(1_000), true),
            (at(1_001), at(1_000) + ms(999), false),
            (at(999), at(1_000), true),
            (epoch - ms(5_000), epoch - ms(4_000), true),
            (epoch - ms(4_000), epoch - ms(5_000), false),
            (epoch, epoch - ms(1_000), false),
        ] {
            let mut seen = Seen::new(&[("a", "t")], Vec::new());
            seen.entries.values_mut().for_each(|entry| entry.modified = Some(modified));
            let guard = put("a", "").if_unmodified_since(since).guard;
            assert_eq!(judge(&guard, &seen, "a").is_ok(), holds, "{modified:?} {since:?}");
            assert!(judge(&guard, &seen, "nothing").is_ok());
            let guard = put("a", "").if_unmodified_since(since).if_match("t").guard;
            assert!(judge(&guard, &seen, "a").is_ok());
        }
    }

    fn token(uri: &str) -> Condition {
        Condition::Token(LockToken::new(uri))
    }

    fn tag(opaque: &str) -> Condition {
        Condition::ETag(opaque.to_owned())
    }

    fn not(condition: Condition) -> Condition {
        Condition::Not(Box::new(condition))
    }

    /// RFC 4918 §10.4: the lists, and whether the header holds for `/r`, which has the tag `t` and
    /// lies under the lock `urn:r`; `/c` is locked by `urn:c`, and `/c/m` has the tag `m`.
    #[test]
    fn one_list_of_if_must_hold() {
        type Lists = Vec<(Option<&'static str>, Vec<Condition>)>;
        let cases: Vec<(&str, Lists, bool)> = vec![
            ("one list", vec![(None, vec![tag("t")])], true),
            ("one false list", vec![(None, vec![tag("u")])], false),
            ("all of a list", vec![(None, vec![token("urn:r"), tag("t")])], true),
            ("not all of a list", vec![(None, vec![token("urn:r"), tag("u")])], false),
            ("not all of a list, the other way", vec![(None, vec![tag("u"), tag("t")])], false),
            ("§10.4.6", vec![(None, vec![token("urn:r"), tag("u")]), (None, vec![tag("t")])], true),
            ("§10.4.6, neither", vec![(None, vec![tag("u")]), (None, vec![tag("v")])], false),
            ("§10.4.7", vec![(None, vec![not(token("urn:c")), token("urn:r")])], true),
            ("§10.4.7, locked", vec![(None, vec![not(token("urn:r"))])], false),
            (
                "§10.4.8",
                vec![(None, vec![token("urn:gone")]), (None, vec![not(token("DAV:no-lock"))])],
                true,
            ),
            (
                "§10.4.9: a weak tag never matches, the strong one does",
                vec![
                    (Some("r"), vec![token("urn:r"), Condition::Never]),
                    (Some("r"), vec![tag("t")]),
                ],
                true,
            ),
            ("a weak tag", vec![(None, vec![Condition::Never])], false),
            ("not a weak tag", vec![(None, vec![not(Condition::Never)])], true),
            ("not twice", vec![(None, vec![not(not(tag("t")))])], true),
            ("§10.4.10", vec![(Some("c"), vec![token("urn:c")])], true),
            ("§10.4.4, in the scope", vec![(Some("c/m"), vec![token("urn:c")])], true),
            ("§10.4.4, unmapped", vec![(Some("c/n"), vec![token("urn:c")])], false),
            ("§10.4.4, not unmapped", vec![(Some("c/n"), vec![not(token("urn:c"))])], true),
            ("§10.4.10, not locked", vec![(Some("d"), vec![token("urn:c")])], false),
            ("the tag of another", vec![(Some("c/m"), vec![tag("m")])], true),
            ("the tag of a collection", vec![(Some("c"), vec![tag("m")])], false),
            ("§10.4.11", vec![(Some("specs/rfc2518.doc"), vec![tag("4217")])], false),
            ("§10.4.11, not", vec![(Some("specs/rfc2518.doc"), vec![not(tag("4217"))])], true),
        ];
        let locks = vec![lock("urn:r", "r"), lock("urn:c", "c")];
        let seen = Seen::new(&[("r", "t"), ("c/", ""), ("c/m", "m")], locks);
        for (what, lists, holds) in cases {
            let list = |(resource, conditions): (Option<&str>, Vec<Condition>)| IfList {
                resource: resource.map(path).map(Arc::new),
                conditions,
            };
            let if_lists = lists.into_iter().map(list).collect();
            let guard = Guard { if_lists, ..Guard::default() };
            assert_eq!(judge(&guard, &seen, "r").is_ok(), holds, "{what}");
        }
    }

    #[test]
    fn all_kinds_of_conditions_must_hold() {
        let seen = Seen::new(&[("a", "t")], Vec::new());
        let guarded = || put("a", "").if_match("t").if_none_match("u").when([tag("t")]);
        assert!(judge(&guarded().guard, &seen, "a").is_ok());
        for (draft, detail) in [
            (guarded().if_match("u"), "the entity tag is another one"),
            (guarded().if_none_match("t"), "the resource exists, and If-None-Match says"),
            (put("a", "").when([tag("u")]), "no list of the If header holds"),
            (put("a", "").if_unmodified_since(at(1)), "the resource was modified since"),
        ] {
            let failure = judge(&draft.guard, &seen, "a").unwrap_err();
            assert_eq!((failure.kind, &failure.path), (FailureKind::Precondition, &path("a")));
            assert_eq!(failure.etag, Some(ETag::new("t")));
            assert!(failure.detail.unwrap().starts_with(detail));
        }
        let failure = judge(&put("b", "").if_match("*").guard, &seen, "b").unwrap_err();
        assert_eq!(failure.etag, None);
        assert_eq!(failure.detail.as_deref(), Some("there is no entity tag to match"));
    }

    #[test]
    fn what_cannot_be_seen_is_no_condition_that_fails() {
        let seen = Seen::new(&[], Vec::new());
        let guard = put("a", "").when_at("forbidden", [not(tag("t"))]).guard;
        assert_eq!(judge(&guard, &seen, "a").unwrap_err().kind, FailureKind::Forbidden);
    }

    #[test]
    fn a_guard_knows_whether_it_asks_anything() {
        let ask = |draft: crate::kit::Draft| draft.guard.is_conditional();
        assert!(!ask(mkcol("a").by("ann").token("urn:t")));
        assert!(ask(mkcol("a").when([tag("t")])));
        assert!(ask(mkcol("a").if_match("*")));
        assert!(ask(mkcol("a").if_none_match("*")));
        assert!(ask(mkcol("a").if_unmodified_since(at(1))));
    }

    #[test]
    fn lists_that_share_a_tag_share_it_elsewhere_too() {
        let shared = Arc::new(path("m/c"));
        let list = |resource: Option<&Arc<ResourcePath>>| IfList {
            resource: resource.cloned(),
            conditions: Vec::new(),
        };
        let if_lists = vec![list(None), list(Some(&shared)), list(Some(&shared))];
        let mut guard = Guard { if_lists, ..Guard::default() };
        guard.rebase(&path("m"), &path("n/o"));
        assert_eq!(guard.watches().collect::<Vec<_>>(), [&path("n/o/c")]);
        assert_eq!(*shared, path("m/c"));
    }

    #[test]
    fn lists_about_what_lies_elsewhere_are_settled() {
        let seen = Seen::new(&[("m/c", "t")], Vec::new());
        let lists = put("a", "")
            .when([tag("u")])
            .when_at("m/c", [tag("t")])
            .when_at("m/c", [tag("u")])
            .when_at("m/forbidden", []);
        let mut guard = lists.when_at("m/forbidden", [tag("t")]).guard;
        guard.settle(&seen, |resource| path("m").contains(resource));
        let about = |conditions| IfList { resource: None, conditions };
        let (holds, never) = (vec![not(Condition::Never)], vec![Condition::Never]);
        let settled = [vec![tag("u")], holds.clone(), never.clone(), holds, never].map(about);
        assert_eq!(guard.if_lists, settled);
    }

    /// RFC 4918 §6.2, §6.4, §7.5: who submitted what, and what it opens.
    #[test]
    fn a_lock_opens_to_the_token_of_its_principal() {
        let named = |name: &str| Principal::Named(name.into());
        let shared = |token, root| Lock { scope: LockScope::Shared, ..lock(token, root) };
        let locks = held([
            Lock { principal: named("ann"), ..lock("urn:a", "a") },
            shared("urn:1", "c/s"),
            Lock { principal: named("bob"), ..shared("urn:2", "c/s") },
            Lock { depth: LockDepth::Zero, ..shared("urn:c", "c") },
        ]);
        for (draft, at, refused) in [
            (mkcol("-"), "b", None),
            (mkcol("-"), "a", Some("a")),
            (mkcol("-"), "a/b/c", Some("a")),
            (mkcol("-").token("urn:a"), "a", Some("a")),
            (mkcol("-").by("bob").token("urn:a"), "a", Some("a")),
            (mkcol("-").by("ann").token("urn:b"), "a", Some("a")),
            (mkcol("-").by("ann").token("urn:b").token("urn:a"), "a/b", None),
            (mkcol("-"), "c/s", Some("c/s")),
            (mkcol("-").token("urn:1"), "c/s", None),
            (mkcol("-").token("urn:2"), "c/s", Some("c/s")),
            (mkcol("-").by("bob").token("urn:2"), "c/s", None),
            (mkcol("-").token("urn:c"), "c/s", Some("c/s")),
            (mkcol("-"), "c/m", None),
        ] {
            let told = draft.guard.unlock(&locks, &path(at)).map_err(|failure| failure.path);
            assert_eq!(told.err(), refused.map(path), "{at} for {:?}", draft.guard);
        }
    }

    #[test]
    fn locks_under_a_path_are_told_once_by_the_outermost() {
        let locks = held([
            Lock { depth: LockDepth::Zero, ..lock("urn:t", "t") },
            lock("urn:a", "t/a"),
            Lock { depth: LockDepth::Zero, ..lock("urn:b", "t/b") },
            lock("urn:c", "t/b/c"),
            lock("urn:d", "t/b/d"),
            lock("urn:e", "t/e/f"),
            lock("urn:-", "t-"),
        ]);
        for (draft, expected) in [
            (mkcol("-"), &["t/a", "t/b", "t/e/f"][..]),
            (mkcol("-").token("urn:b"), &["t/a", "t/b/c", "t/b/d", "t/e/f"]),
            (mkcol("-").token("urn:b").token("urn:c").token("urn:a"), &["t/b/d", "t/e/f"]),
            (mkcol("-").token("urn:t"), &["t/a", "t/b", "t/e/f"]),
        ] {
            let told = draft.guard.locked_under(&locks, &path("t"));
            assert_eq!(told, expected.iter().map(path).collect::<Vec<_>>());
        }
        assert!(Guard::default().locked_under(&locks, &path("t/a")).is_empty());
    }
}
