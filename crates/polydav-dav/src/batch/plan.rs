//! From the operations of a document to steps.

use std::collections::BTreeSet;

use http::StatusCode;
use multistatus::PropStat;
use polydav_proto::batch::{
    Action as Asked, BatchRequest, Conditions, Kind, Operation, Transfer, Verb,
    overwrites_later_source,
};
use polydav_proto::body::PropertyUpdate;
use polydav_proto::header::{Depth as DepthField, Overwrite as OverwriteField};
use polydav_proto::reference::Reference;
use polydav_store::{Action, Depth, Guard, Overwrite, ResourcePath, Step, Store};

use crate::request::is_reserved;
use crate::site::Base;
use crate::{Options, guard, intake, proppatch};

/// An operation on its way: what the answer needs to know of it, and what is to be done.
pub(super) struct Planned {
    item: Item,
    step: Option<Step>,
}

/// What the answer needs to know of an operation.
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) id: Option<String>,
    pub(super) verb: Verb,
    /// As the document has it.
    pub(super) href: String,
    /// The resource, if it is one of ours, and whether its URL is that of a collection.
    pub(super) resource: Option<(ResourcePath, bool)>,
    /// Where a copy or move leads.
    pub(super) target: Option<ResourcePath>,
    /// The properties a proppatch is about.
    pub(super) update: Option<PropertyUpdate>,
    /// Why it fails, whatever the store says.
    pub(super) verdict: Option<Verdict>,
}

/// Why an operation fails before it is tried.
pub(super) enum Verdict {
    /// With this status.
    Refused(StatusCode, String),
    /// Because properties are protected; it is still held to its conditions first.
    Protected(Vec<PropStat>),
}

impl Planned {
    pub(super) fn into_parts(self) -> (Item, Option<Step>) {
        (self.item, self.step)
    }
}

/// What the planning of each operation needs.
pub(super) struct Planner<'a> {
    /// What the header submits for all operations.
    pub(super) outer: &'a Guard,
    pub(super) base: &'a Base,
    pub(super) options: &'a Options,
    /// Takes the longer contents in.
    pub(super) store: &'a dyn Store,
}

impl Planner<'_> {
    /// Plans every operation. Blocks.
    pub(super) fn plan(&self, batch: BatchRequest) -> Vec<Planned> {
        let swapped = overwrites_later_source(&batch.operations);
        let operations = batch.operations.into_iter();
        operations.map(|operation| self.plan_one(operation, &swapped)).collect()
    }

    fn plan_one(&self, operation: Operation, swapped: &BTreeSet<usize>) -> Planned {
        let Operation { index, id, verb, href, action, .. } = operation;
        let mut item = Item {
            index,
            id,
            verb,
            href,
            resource: None,
            target: None,
            update: None,
            verdict: None,
        };
        let step = match action {
            Err(invalid) => Err(Verdict::Refused(StatusCode::BAD_REQUEST, invalid.to_string())),
            Ok(asked) => self.step(&mut item, asked, swapped.contains(&index)),
        };
        let step = match step {
            Ok(step) => Some(step),
            Err(verdict) => {
                item.verdict = Some(verdict);
                None
            }
        };
        Planned { item, step }
    }

    fn step(&self, item: &mut Item, asked: Asked, is_swap: bool) -> Result<Step, Verdict> {
        let slash = asked.resource.path.has_slash();
        let path = self.resolve(&asked.resource)?;
        let is_collection = slash || matches!(asked.kind, Kind::MkCol);
        item.resource = Some((path.clone(), is_collection));
        if let Kind::Put { .. } = asked.kind
            && slash
        {
            let detail = "an href that ends in a slash is that of a collection; put makes files";
            return Err(Verdict::Refused(StatusCode::METHOD_NOT_ALLOWED, detail.to_owned()));
        }
        if is_swap {
            let detail = "overwrites-later-source: the target is the source of a later operation; \
                          set overwrite to say that this is meant";
            return Err(Verdict::Refused(StatusCode::CONFLICT, detail.to_owned()));
        }
        let guard = self.guard_of(&asked.conditions);
        let action = self.action(item, path, asked.kind)?;
        Ok(Step::new(item.index, guard, action))
    }

    fn resolve(&self, reference: &Reference) -> Result<ResourcePath, Verdict> {
        let foreign = |_| {
            let detail = "that is a resource of another server".to_owned();
            Verdict::Refused(StatusCode::BAD_GATEWAY, detail)
        };
        let path = self.base.resolve(reference).map_err(foreign)?;
        if is_reserved(&path) {
            let detail = "this is the batch endpoint, and no resource".to_owned();
            return Err(Verdict::Refused(StatusCode::FORBIDDEN, detail));
        }
        Ok(path)
    }

    fn guard_of(&self, conditions: &Conditions) -> Guard {
        let mut guard = self.outer.clone();
        if let Some(field) = &conditions.state {
            guard::add_if(&mut guard, field, self.base);
        }
        guard::submit(&mut guard, conditions.tokens.iter().map(|token| token.as_str()));
        guard.if_match = conditions.if_match.as_ref().map(guard::strong);
        guard.if_none_match = conditions.if_none_match.as_ref().map(guard::weak);
        guard.if_unmodified_since = conditions.if_unmodified_since;
        guard
    }

    fn action(&self, item: &mut Item, path: ResourcePath, kind: Kind) -> Result<Action, Verdict> {
        Ok(match kind {
            Kind::MkCol => Action::MakeCollection { target: path },
            Kind::Put { content, .. } => {
                if let Some(detail) = self.options.exceeds_put(content.len() as u64) {
                    return Err(Verdict::Refused(StatusCode::PAYLOAD_TOO_LARGE, detail));
                }
                let content = intake::keep(self.store, &path, content);
                Action::Put { target: path, content, modified: None }
            }
            Kind::Delete { depth: DepthField::Infinity } => Action::Remove { target: path },
            Kind::Delete { .. } => {
                let detail = "depth: a delete is always of depth infinity".to_owned();
                return Err(Verdict::Refused(StatusCode::BAD_REQUEST, detail));
            }
            Kind::Copy(transfer) => {
                let depth = match transfer.depth {
                    DepthField::Zero => Depth::Zero,
                    DepthField::One | DepthField::Infinity => Depth::Infinity,
                };
                let (target, overwrite) = self.arrival(item, &transfer)?;
                Action::Copy { source: path, target, depth, overwrite }
            }
            Kind::Move(transfer) => {
                let (target, overwrite) = self.arrival(item, &transfer)?;
                Action::Rename { source: path, target, overwrite }
            }
            Kind::PropPatch(update) => patch(item, path, update),
            // A document with one of these was refused as a whole.
            Kind::Create(_) | Kind::Update(_) => {
                let detail = "this server has no records".to_owned();
                return Err(Verdict::Refused(StatusCode::METHOD_NOT_ALLOWED, detail));
            }
        })
    }

    fn arrival(
        &self,
        item: &mut Item,
        transfer: &Transfer,
    ) -> Result<(ResourcePath, Overwrite), Verdict> {
        let target = self.resolve(&transfer.dest)?;
        item.target = Some(target.clone());
        let overwrite = match transfer.overwrite {
            None | Some(OverwriteField::Replace) => Overwrite::Replace,
            Some(OverwriteField::Refuse) => Overwrite::Refuse,
        };
        Ok((target, overwrite))
    }
}

/// An update of protected properties changes nothing, yet is held to its conditions.
fn patch(item: &mut Item, target: ResourcePath, update: PropertyUpdate) -> Action {
    let refused = proppatch::refused(&update);
    let changes = if refused.is_empty() {
        proppatch::changes(&update)
    } else {
        item.verdict = Some(Verdict::Protected(proppatch::prop_stats(&update, &refused)));
        Vec::new()
    };
    item.update = Some(update);
    Action::Patch { target, changes }
}
