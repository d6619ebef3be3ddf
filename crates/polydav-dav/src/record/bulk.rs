//! POST and PATCH of an array of records: a batch of creates or updates, answered as one.

use bytes::Bytes;
use http::Response;
use polydav_proto::batch::{Format, Mode, Verb};
use polydav_store::{Action, Failure, FailureKind, Fields, Needed, ResourcePath, Step};

use super::{body, takes_records};
use crate::batch::{self, Answer, Item, Operations, Planned, Planner, Verdict};
use crate::body::Body;
use crate::problem::Problem;
use crate::request::Request;
use crate::{Service, intake};

/// Makes or changes each record of an array, of which `start` was taken in already.
pub(super) async fn bulk(
    service: Service<'_>,
    request: Request,
    start: Bytes,
    verb: Verb,
) -> Result<Response<Body>, Problem> {
    let collection = request.path.clone();
    check(service, &collection).await?;
    let entered = batch::enter(service, &request)?;
    batch::serve(service, request, entered, start, move |body, asked, planner| {
        let records = body::read_list(body, &planner.options.batch.limits)?;
        let plan = move |(index, record)| plan_one(&planner, &collection, verb, index, record);
        let operations =
            Operations::new(Needed::default(), records.into_iter().enumerate().map(plan));
        Ok((operations, Answer::new(asked, Format::Json, Mode::BestEffort)))
    })
    .await
}

async fn check(service: Service<'_>, collection: &ResourcePath) -> Result<(), Problem> {
    let (store, path) = (service.engine.store().clone(), collection.clone());
    intake::blocking(move || {
        store.stat(&path, &polydav_store::Select::None)?;
        match takes_records(&*store, &path) {
            true => Ok(()),
            false => Err(Failure::new(FailureKind::Unsuited, path)),
        }
    })
    .await
}

fn plan_one(
    planner: &Planner,
    collection: &ResourcePath,
    verb: Verb,
    index: usize,
    record: Fields,
) -> Planned {
    let mut item = Item::new(index, verb, planner.base.href(collection, true));
    let action = match verb {
        Verb::Update => match planner.store.locate(collection, &record) {
            Ok(target) => {
                item.href = planner.base.href(&target, false);
                item.resource = Some((target.clone(), false));
                Ok(Action::Update { target, record })
            }
            Err(failure) => Err(Verdict::Failed(Box::new(failure))),
        },
        _ => Ok(Action::add(collection.clone(), record)),
    };
    let step = action.map(|action| Step::new(index, planner.outer.clone(), action));
    Planned::new(item, step)
}
