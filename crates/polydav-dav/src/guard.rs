//! The header fields that make a request conditional, read into a `Guard`.

use std::sync::Arc;

use http::HeaderMap;
use polydav_proto::header::{
    self, EntityTag, Header as _, If, IfMatch, IfNoneMatch, IfUnmodifiedSince,
    LockToken as LockTokenField, Matching, State,
};
use polydav_proto::reference::Reference;
use polydav_store::{Condition, ETagMatch, Guard, IfList, LockToken, Principal, ResourcePath};

use crate::problem::Problem;
use crate::quirk::{self, Quirk};
use crate::site::Base;

/// The conditions of a request.
pub(crate) fn of_request(
    headers: &HeaderMap,
    base: &Base,
    principal: &Principal,
) -> Result<Guard, Problem> {
    let mut guard = Guard { principal: principal.clone(), ..Guard::default() };
    if let Some(field) = header::read::<If>(headers)? {
        add_if(&mut guard, &field, base);
    } else if quirk::has(Quirk::TokenInLockToken, headers) {
        let field = lock_token(headers)?;
        submit(&mut guard, field.as_ref().map(|field| field.0.as_str()));
    }
    guard.if_match = header::read::<IfMatch>(headers)?.map(|field| strong(&field.0));
    guard.if_none_match = header::read::<IfNoneMatch>(headers)?.map(|field| weak(&field.0));
    let since = header::read::<IfUnmodifiedSince>(headers)?;
    guard.if_unmodified_since = since.and_then(|since| since.0);
    Ok(guard)
}

/// `Lock-Token`, also as clients write it that leave out the angle brackets.
pub(crate) fn lock_token(headers: &HeaderMap) -> Result<Option<LockTokenField>, Problem> {
    let mut lines = headers.get_all(LockTokenField::FIELD).iter();
    match (lines.next(), lines.next()) {
        (Some(value), None) if quirk::has(Quirk::BareLockToken, headers) => {
            let parsed = LockTokenField::parse_lenient(value.as_bytes());
            let wrong = |error| Problem::bad_request(format!("Lock-Token: {error}"));
            parsed.map(Some).map_err(wrong)
        }
        _ => Ok(header::read::<LockTokenField>(headers)?),
    }
}

/// Adds tokens to those submitted.
pub(crate) fn submit<'a>(guard: &mut Guard, tokens: impl IntoIterator<Item = &'a str>) {
    guard.tokens.extend(tokens.into_iter().map(LockToken::new));
}

/// The lists of an `If`, and the tokens it submits: every one, wherever it stands (RFC 4918
/// §10.4.1).
pub(crate) fn add_if(guard: &mut Guard, field: &If, base: &Base) {
    submit(guard, field.tokens().map(|token| token.as_str()));
    let mut last: Option<(&Arc<Reference>, Option<Arc<ResourcePath>>)> = None;
    for list in &field.lists {
        // Lists that share a tag stand side by side, and share what it means.
        last = list.resource.as_ref().map(|tag| match last.take() {
            Some((before, path)) if Arc::ptr_eq(before, tag) => (tag, path),
            _ => (tag, base.resolve(tag).ok().map(Arc::new)),
        });
        let resource = last.as_ref().and_then(|(_, path)| path.clone());
        let foreign = list.resource.is_some() && resource.is_none();
        let conditions = list.conditions.iter().map(|condition| {
            let state = match &condition.state {
                _ if foreign => Condition::Never,
                State::Token(token) => Condition::Token(LockToken::new(token.as_str())),
                State::Tag(EntityTag { weak: true, .. }) => Condition::Never,
                State::Tag(tag) => Condition::ETag(tag.tag.to_string()),
            };
            if condition.not { Condition::Not(Box::new(state)) } else { state }
        });
        let conditions = conditions.collect();
        guard.if_lists.push(IfList { resource, conditions });
    }
}

/// Tags to be compared strongly: weak ones never match.
pub(crate) fn strong(matching: &Matching) -> ETagMatch {
    tags(matching, |tag| !tag.weak)
}

/// Tags to be compared weakly.
pub(crate) fn weak(matching: &Matching) -> ETagMatch {
    tags(matching, |_| true)
}

fn tags(matching: &Matching, counts: impl Fn(&EntityTag) -> bool) -> ETagMatch {
    match matching {
        Matching::Any => ETagMatch::Any,
        Matching::Tags(tags) => ETagMatch::OneOf(
            tags.iter().filter(|tag| counts(tag)).map(|tag| tag.tag.to_string()).collect(),
        ),
    }
}
