//! PROPPATCH (RFC 4918 §9.2): all changes of a resource's properties, or none.

use std::collections::HashSet;

use http::{Response, StatusCode};
use multistatus::xml::Name;
use multistatus::{PropStat, Property as Told};
use polydav_engine::{Engine, Plan};
use polydav_proto::body::{Change, PropertyUpdate};
use polydav_proto::condition::Condition;
use polydav_proto::header::{self, Prefer, Return};
use polydav_store::{Action, Failure, FailureKind, Property, PropertyChange, PropertyName, Step};

use crate::body::Body;
use crate::problem::Problem;
use crate::request::Request;
use crate::{Options, intake, live, reply};

/// PROPPATCH.
pub(crate) async fn proppatch(
    engine: &Engine,
    options: &Options,
    mut request: Request,
) -> Result<Response<Body>, Problem> {
    intake::refuse_coding(&request.headers)?;
    let body = std::mem::take(&mut request.body);
    let body = intake::collect(body, options.xml_bytes_max).await?;
    let update = PropertyUpdate::parse(&body, intake::xml_limits())?;
    let guard = request.guard()?;
    let action = Action::Patch { target: request.path.clone(), changes: changes(&update) };
    let step = Step::new(0, guard, action);
    let refused = refused(&update);
    let prefer = header::read::<Prefer>(&request.headers)?.unwrap_or_default();
    let (is_collection, stats) = if refused.is_empty() {
        let mut outcomes = engine.run(Plan::of(step)).await;
        let outcome = outcomes.pop().expect("a plan of one step has one outcome");
        let stats = match outcome {
            Ok(_) if prefer.answer == Some(Return::Minimal) => return Ok(reply::minimal()),
            Ok(_) => prop_stats(&update, &refused),
            Err(failure) if failure.kind == FailureKind::NoSpace => no_room(&update),
            Err(failure) => return Err(failure.into()),
        };
        // What is done is done, whether or not that can be told.
        let is_collection = intake::is_collection(engine, &request.path).await;
        (is_collection.unwrap_or(request.slash), stats)
    } else {
        (look(engine, step).await?, prop_stats(&update, &refused))
    };
    let href = request.base.href(&request.path, is_collection);
    Ok(reply::of([multistatus::Response::properties(href, stats)]))
}

/// What the store is asked to do.
pub(crate) fn changes(update: &PropertyUpdate) -> Vec<PropertyChange> {
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
pub(crate) fn refused(update: &PropertyUpdate) -> HashSet<Name> {
    let names = update.changes.iter().map(Change::name);
    names.filter(|name| live::is_protected(name)).cloned().collect()
}

/// What becomes of each property: done; or the protected ones are refused, and the others with
/// them.
pub(crate) fn prop_stats(update: &PropertyUpdate, refused: &HashSet<Name>) -> Vec<PropStat> {
    let names = names(update);
    if refused.is_empty() {
        return vec![PropStat::new(StatusCode::OK, told(names))];
    }
    let (protected, others): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| refused.contains(*name));
    let condition = Condition::CannotModifyProtectedProperty.to_element();
    let conditions = vec![condition];
    let protected = PropStat::new(StatusCode::FORBIDDEN, told(protected));
    let mut stats = vec![PropStat { conditions, ..protected }];
    if !others.is_empty() {
        stats.push(PropStat::new(StatusCode::FAILED_DEPENDENCY, told(others)));
    }
    stats
}

/// What becomes of each property where there is no room for all of them (RFC 4918 §9.2.1).
fn no_room(update: &PropertyUpdate) -> Vec<PropStat> {
    let conditions = vec![Condition::SufficientDiskSpace.to_element()];
    let stat = PropStat::new(StatusCode::INSUFFICIENT_STORAGE, told(names(update)));
    vec![PropStat { conditions, ..stat }]
}

/// The properties an update is about, each once.
fn names(update: &PropertyUpdate) -> Vec<&Name> {
    let mut seen = HashSet::new();
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
