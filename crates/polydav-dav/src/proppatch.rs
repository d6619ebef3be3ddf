//! PROPPATCH (RFC 4918 §9.2): all changes of a resource's properties, or none.

use std::collections::{BTreeSet, HashSet};

use http::{Response, StatusCode};
use multistatus::xml::Name;
use multistatus::{PropStat, Property as Told};
use polydav_engine::Engine;
use polydav_proto::body::{Change, PropertyUpdate};
use polydav_proto::condition::Condition;
use polydav_proto::header::{self, Prefer, Return};
use polydav_store::{
    Action, Capabilities, Failure, FailureKind, Property, PropertyChange, PropertyName,
    ResourcePath, Step,
};

use crate::body::Body;
use crate::problem::Problem;
use crate::record::column;
use crate::request::Request;
use crate::{Options, intake, live, reply, status};

/// PROPPATCH.
pub(crate) async fn proppatch(
    engine: &Engine,
    options: &Options,
    mut request: Request,
) -> Result<Response<Body>, Problem> {
    intake::refuse_coding(&request.headers)?;
    let body = std::mem::take(&mut request.body);
    let body = intake::collect(body, options.xml_bytes_max).await?;
    let length = body.len();
    let capabilities = engine.store().capabilities(&request.path);
    let path = request.path.clone();
    let read = move |xml: &[u8], limits| {
        let update = PropertyUpdate::parse(xml, limits)?;
        let planned = plan(capabilities, path, &update);
        Ok((update, planned))
    };
    let (update, (action, refused)) = intake::read_xml(body, read).await?;
    let step = Step::new(0, request.guard()?, action);
    let prefer = header::read::<Prefer>(&request.headers)?.unwrap_or_default();
    let (is_collection, stats) = if let Some(refused) = refused {
        (look(engine, step).await?, refused)
    } else {
        let came = engine.run_step(step).await;
        if came.is_ok() && prefer.answer == Some(Return::Minimal) {
            return Ok(reply::minimal());
        }
        let stats = move || match came {
            Ok(_) => Ok(done(&update)),
            Err(failure) => failed(&update, &failure).ok_or_else(|| Problem::from(failure)),
        };
        let stats = intake::compute(length, stats).await??;
        // What is done is done, whether or not that can be told.
        let is_collection = intake::is_collection(engine, &request.path).await;
        (is_collection.unwrap_or(request.slash), stats)
    };
    let href = request.base.href(&request.path, is_collection);
    let response = multistatus::Response::properties(href, stats);
    intake::compute(length, move || reply::of([response])).await
}

/// What an update comes to at `target`: an action; and where some properties can't be changed, what
/// becomes of each. Then the action changes nothing, yet is held to its conditions.
pub(crate) fn plan(
    capabilities: Capabilities,
    target: ResourcePath,
    update: &PropertyUpdate,
) -> (Action, Option<Vec<PropStat>>) {
    if capabilities.records {
        return column::plan(target, update);
    }
    let refused = refused(update);
    if refused.is_empty() {
        return (Action::Patch { target, changes: changes(update) }, None);
    }
    (Action::Patch { target, changes: Vec::new() }, Some(prop_stats(update, &refused)))
}

/// What the store is asked to do.
fn changes(update: &PropertyUpdate) -> Vec<PropertyChange> {
    let change = |change: &Change| match change {
        Change::Set(property) => PropertyChange::Set(Property {
            name: stored_name(property.name()),
            value: property.to_fragment().into_bytes().into(),
        }),
        Change::Remove(name) => PropertyChange::Remove(stored_name(name)),
    };
    update.changes.iter().map(change).collect()
}

/// The name of a property, as stores know it.
pub(crate) fn stored_name(name: &Name) -> PropertyName {
    PropertyName::new(name.namespace(), name.local())
}

/// The protected properties an update would change: then nothing is changed at all.
fn refused(update: &PropertyUpdate) -> HashSet<Name> {
    let names = update.changes.iter().map(Change::name);
    names.filter(|name| live::is_protected(name)).cloned().collect()
}

/// What becomes of each property: it is done.
pub(crate) fn done(update: &PropertyUpdate) -> Vec<PropStat> {
    vec![PropStat::new(StatusCode::OK, told(names(update)))]
}

/// What becomes of each property: the protected ones are refused, and the others with them.
fn prop_stats(update: &PropertyUpdate, refused: &HashSet<Name>) -> Vec<PropStat> {
    let (protected, others): (Vec<_>, Vec<_>) =
        names(update).into_iter().partition(|name| refused.contains(*name));
    let condition = Condition::CannotModifyProtectedProperty.to_element();
    let conditions = vec![condition];
    let protected = PropStat::new(StatusCode::FORBIDDEN, told(protected));
    let mut stats = vec![PropStat { conditions, ..protected }];
    if !others.is_empty() {
        stats.push(PropStat::new(StatusCode::FAILED_DEPENDENCY, told(others)));
    }
    stats
}

/// What becomes of each property where the store fails for what they would be: for that of the
/// column at fault, or for all of them; `None` where it fails for the resource as a whole.
pub(crate) fn failed(update: &PropertyUpdate, failure: &Failure) -> Option<Vec<PropStat>> {
    let conditions = match failure.kind {
        // RFC 4918 §9.2.1.
        FailureKind::NoSpace => vec![Condition::SufficientDiskSpace.to_element()],
        FailureKind::Invalid | FailureKind::Conflict => Vec::new(),
        _ if failure.column.is_some() => Vec::new(),
        _ => return None,
    };
    let is_at_fault = |name: &&Name| column::of(name).as_deref() == failure.column.as_deref();
    let (mut at_fault, mut others): (Vec<_>, Vec<_>) =
        names(update).into_iter().partition(is_at_fault);
    // It may be one that the update doesn't name: the change of another made it so.
    if failure.column.is_none() || at_fault.is_empty() {
        at_fault.append(&mut others);
    }
    let description = failure.detail.as_deref().map(str::to_owned);
    let stat = PropStat::new(status::of(failure), told(at_fault));
    let mut stats = vec![PropStat { conditions, description, ..stat }];
    if !others.is_empty() {
        stats.push(PropStat::new(StatusCode::FAILED_DEPENDENCY, told(others)));
    }
    Some(stats)
}

/// The properties an update is about, each once.
pub(crate) fn names(update: &PropertyUpdate) -> Vec<&Name> {
    let mut seen = BTreeSet::new();
    update.changes.iter().map(Change::name).filter(|name| seen.insert(*name)).collect()
}

fn told(names: Vec<&Name>) -> Vec<Told> {
    names.into_iter().cloned().map(Told::empty).collect()
}

/// The conditions and locks count also where nothing will be changed.
async fn look(engine: &Engine, step: Step) -> Result<bool, Problem> {
    let engine = engine.clone();
    intake::blocking(move || {
        let permit = step.open(&engine.view())?;
        let target = permit.action.subject();
        match engine.store().find(target)? {
            Some(entry) => Ok(entry.is_collection()),
            None => Err(Failure::new(FailureKind::NotFound, target.clone())),
        }
    })
    .await
}
