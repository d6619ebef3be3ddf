//! `GET /batch-operation`: what the endpoint takes, for programs and for people.

use http::Response;
use polydav_proto::batch::{Limits, Mode, Verb};
use serde_json::{Value, json};

use super::{BatchOptions, OFFERED};
use crate::body::Body;
use crate::request::Request;
use crate::site::Base;
use crate::{Service, reply};

/// Answers GET of the endpoint.
pub(crate) fn describe(service: Service<'_>, request: &Request) -> Response<Body> {
    reply::json(format!("{:#}\n", description(service, &request.base)))
}

/// Names are those of the documents; sizes are in bytes, and null where there is no bound. Below each
/// of the URLs that `atomic` has, a batch can be done whole.
fn description(service: Service<'_>, base: &Base) -> Value {
    let Service { engine, options, .. } = service;
    let store = engine.store();
    let mut atomic = store.mounts();
    atomic.retain(|mount| store.capabilities(mount).atomic);
    let BatchOptions { limits, deadline, job_deadline, running_max } = &options.batch;
    let Limits {
        items_max,
        document_bytes_max,
        content_bytes_max,
        depth_max,
        elements_max,
        states_max,
        needs_max,
        path_bytes_max,
        fields_max,
    } = limits;
    json!({
        "formats": OFFERED.map(|(media, _)| media),
        "operations": Verb::all().map(Verb::as_str).collect::<Vec<_>>(),
        "dryRun": true,
        "modes": Mode::all().map(Mode::as_str).collect::<Vec<_>>(),
        "keys": engine.batches().are_kept(),
        "jobs": engine.batches().are_kept(),
        "atomic": atomic.iter().map(|mount| base.href(mount, true)).collect::<Vec<_>>(),
        "limits": {
            "operations": items_max,
            "documentBytes": document_bytes_max,
            "contentBytes": content_bytes_max,
            "fileBytes": options.put_bytes_max,
            "depth": depth_max,
            "elements": elements_max,
            "fields": fields_max,
            "states": states_max,
            "needs": needs_max,
            "pathBytes": path_bytes_max,
            "seconds": deadline.as_secs(),
            "jobSeconds": job_deadline.as_secs(),
            "running": running_max,
        },
    })
}
