//! Random guards, needs and locks, for the model tests.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::Index;

use super::draft::{Draft, lock};
use crate::{Condition, Lock, LockDepth, LockScope, LockToken, Principal};

/// Paths that guards and locks may be about, joined by slashes.
pub(super) type Joined = fn() -> BoxedStrategy<String>;

/// A guard whose entity tags aren't known yet, and what a step needs.
#[derive(Debug)]
pub(super) struct Conditions {
    ann: bool,
    tokens: Vec<&'static str>,
    if_lists: Vec<(Option<String>, Vec<Wish>)>,
    if_match: Option<Tag>,
    if_none_match: Option<Tag>,
    unmodified_since_ever: Option<bool>,
    needs: Vec<Index>,
}

/// `*`, or the entity tag a resource has before the run, if it has one.
#[derive(Debug, Clone)]
enum Tag {
    Any,
    Of(String),
}

/// A condition of an `If` list.
#[derive(Debug, Clone)]
enum Wish {
    Token(&'static str),
    Tag(String),
    Never,
    Not(Box<Wish>),
}

impl Conditions {
    /// This guard on the draft of step `at`, with its needs; `tags` are those that resources have
    /// before the run.
    pub(super) fn on(&self, mut draft: Draft, at: usize, tags: &BTreeMap<String, String>) -> Draft {
        if at > 0 {
            draft = draft.needing(self.needs.iter().map(|need| need.index(at)));
        }
        let known = |of: &String| tags.get(of).cloned().unwrap_or_else(|| "none".to_owned());
        let tag = |tag: &Tag| match tag {
            Tag::Any => "*".to_owned(),
            Tag::Of(path) => known(path),
        };
        if self.ann {
            draft = draft.by("ann");
        }
        for token in &self.tokens {
            draft = draft.token(token);
        }
        for (resource, wishes) in &self.if_lists {
            let conditions = wishes.iter().map(|wish| wish.condition(&known));
            draft = match resource {
                Some(resource) => draft.when_at(resource, conditions),
                None => draft.when(conditions),
            };
        }
        if let Some(wanted) = &self.if_match {
            draft = draft.if_match(&tag(wanted));
        }
        if let Some(unwanted) = &self.if_none_match {
            draft = draft.if_none_match(&tag(unwanted));
        }
        match self.unmodified_since_ever {
            Some(true) => draft.if_unmodified_since(SystemTime::UNIX_EPOCH),
            Some(false) => draft.if_unmodified_since(SystemTime::now() + Duration::from_secs(60)),
            None => draft,
        }
    }
}

impl Wish {
    fn condition(&self, known: &impl Fn(&String) -> String) -> Condition {
        match self {
            Self::Token(token) => Condition::Token(LockToken::new(*token)),
            Self::Tag(of) => Condition::ETag(known(of)),
            Self::Never => Condition::Never,
            Self::Not(wish) => Condition::Not(Box::new(wish.condition(known))),
        }
    }
}

fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["urn:1", "urn:2", "urn:3"])
}

/// Conditions about resources at these paths.
pub(super) fn conditions(joined: Joined) -> impl Strategy<Value = Conditions> {
    let list = || (weighted(0.5, joined()), vec(wish(joined), 1..3));
    let tag = || prop_oneof![Just(Tag::Any), joined().prop_map(Tag::Of)];
    let parts = (
        prop::bool::weighted(0.2),
        vec(token(), 0..3),
        prop_oneof![4 => vec(list(), 0..1), 1 => vec(list(), 1..3)],
        weighted(0.1, tag()),
        weighted(0.1, tag()),
        weighted(0.1, any::<bool>()),
        prop_oneof![8 => vec(any::<Index>(), 0..1), 2 => vec(any::<Index>(), 1..3)],
    );
    parts.prop_map(|(ann, tokens, if_lists, if_match, if_none_match, since, needs)| Conditions {
        ann,
        tokens,
        if_lists,
        if_match,
        if_none_match,
        unmodified_since_ever: since,
        needs,
    })
}

fn wish(joined: Joined) -> impl Strategy<Value = Wish> {
    let wish = prop_oneof![
        2 => token().prop_map(Wish::Token),
        4 => joined().prop_map(Wish::Tag),
        1 => Just(Wish::Never),
    ];
    (wish, prop::bool::weighted(0.4))
        .prop_map(|(wish, not)| if not { Wish::Not(Box::new(wish)) } else { wish })
}

/// The locks that are held during a run: mostly none.
pub(super) fn locks(joined: Joined) -> impl Strategy<Value = Vec<Lock>> {
    prop_oneof![2 => vec(locked(joined), 0..1), 1 => vec(locked(joined), 1..4)]
}

fn locked(joined: Joined) -> impl Strategy<Value = Lock> {
    (token(), joined(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(token, root, deep, shared, ann)| Lock {
            depth: if deep { LockDepth::Infinity } else { LockDepth::Zero },
            scope: if shared { LockScope::Shared } else { LockScope::Exclusive },
            principal: if ann { Principal::Named("ann".into()) } else { Principal::Anonymous },
            ..lock(token, root)
        },
    )
}
