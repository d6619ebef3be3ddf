//! From the operations of a document to steps.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::StatusCode;
use multistatus::PropStat;
use polydav_proto::batch::{
    Action as Asked, BatchRequest, Conditions, Field as AskedField, Kind, Limits, Operation,
    Transfer, Value as AskedValue, Verb, overwrites_later_source,
};
use polydav_proto::body::PropertyUpdate;
use polydav_proto::header::{
    ContentType, Depth as DepthField, Header as _, Overwrite as OverwriteField,
};
use polydav_proto::reference::Reference;
use polydav_store::{
    Action, Content, Depth, Failure, Field, Fields, Guard, Needed, Overwrite, ResourcePath, Step,
    Store, Value,
};

use super::passage::Operations;
use crate::problem::Problem;
use crate::record::body;
use crate::request::is_reserved;
use crate::site::Base;
use crate::{Options, guard, intake, proppatch, status};

/// An operation on its way: what the answer needs to know of it, and what is to be done.
pub(crate) struct Planned {
    item: Item,
    step: Option<Step>,
}

/// What the answer needs to know of an operation.
pub(crate) struct Item {
    pub(crate) index: usize,
    pub(crate) id: Option<String>,
    pub(crate) verb: Verb,
    /// As the document has it.
    pub(crate) href: String,
    /// The resource, if it is one of ours, and whether its URL is that of a collection.
    pub(crate) resource: Option<(ResourcePath, bool)>,
    /// Where a copy or move leads.
    pub(crate) target: Option<ResourcePath>,
    /// The properties a proppatch is about.
    pub(crate) update: Option<PropertyUpdate>,
    /// The operations that it needs.
    pub(crate) needs: Vec<usize>,
    /// Why it fails, whatever the store says.
    pub(crate) verdict: Option<Verdict>,
}

/// Why an operation fails before it is tried.
pub(crate) enum Verdict {
    /// With this status.
    Refused(StatusCode, String),
    /// For a reason that the store gives.
    Failed(Box<Failure>),
    /// Because properties are protected; it is still held to its conditions first.
    Protected(Vec<PropStat>),
}

impl Item {
    /// One of which nothing is known yet but what was asked.
    pub(crate) fn new(index: usize, verb: Verb, href: String) -> Self {
        let (resource, target, update, verdict) = (None, None, None, None);
        Self { index, id: None, verb, href, resource, target, update, needs: Vec::new(), verdict }
    }
}

impl Planned {
    /// An operation and its step, or why it has none.
    pub(crate) fn new(mut item: Item, step: Result<Step, Verdict>) -> Self {
        let step = match step {
            Ok(step) => {
                item.needs = step.needs().to_vec();
                Some(step)
            }
            Err(verdict) => {
                item.verdict = Some(verdict);
                None
            }
        };
        Self { item, step }
    }

    /// An operation that is not to be tried.
    pub(crate) fn skipped(operation: Operation) -> Self {
        let Operation { index, id, verb, href, .. } = operation;
        Self { item: Item { id, ..Item::new(index, verb, href) }, step: None }
    }

    /// Whether it is known to fail.
    pub(super) fn is_refused(&self) -> bool {
        self.item.verdict.is_some()
    }

    /// What is to be done, if anything is.
    pub(super) fn step(&self) -> Option<&Step> {
        self.step.as_ref()
    }

    pub(crate) fn into_parts(self) -> (Item, Option<Step>) {
        (self.item, self.step)
    }
}

/// What the planning of each operation needs.
pub(crate) struct Planner {
    /// What the header submits for all operations.
    pub(crate) outer: Guard,
    pub(crate) base: Base,
    pub(crate) options: Options,
    /// Takes the longer contents in.
    pub(crate) store: Arc<dyn Store>,
    /// How many more fields the records may have that are put.
    fields_left: usize,
    /// Whether nothing is to come of it: then no content is taken in.
    is_dry: bool,
}

impl Planner {
    pub(crate) fn new(outer: Guard, base: Base, options: Options, store: Arc<dyn Store>) -> Self {
        let fields_left = options.batch.limits.fields_max;
        Self { outer, base, options, store, fields_left, is_dry: false }
    }

    /// The operations of a batch, and which of them others need. Blocks.
    pub(crate) fn plan(mut self, batch: BatchRequest) -> Operations {
        self.is_dry = batch.dry_run;
        let operations = batch.operations;
        let needed = Needed::of(operations.iter().flat_map(Operation::required));
        let swapped = overwrites_later_source(&operations);
        let plan = move |operation| self.plan_one(operation, &swapped);
        Operations::new(needed, operations.into_iter().map(plan))
    }

    /// Which operations fail before they are tried. Blocks.
    pub(crate) fn refused(mut self, batch: &BatchRequest) -> Vec<bool> {
        self.is_dry = true;
        let swapped = overwrites_later_source(&batch.operations);
        let operations = batch.operations.iter().cloned();
        operations.map(|operation| self.plan_one(operation, &swapped).is_refused()).collect()
    }

    /// Plans an operation; those of `swapped` would overwrite what others take. Blocks.
    pub(crate) fn plan_one(&mut self, operation: Operation, swapped: &BTreeSet<usize>) -> Planned {
        let Operation { index, id, verb, href, needs, action } = operation;
        let mut item = Item { id, ..Item::new(index, verb, href) };
        let step = match action {
            Err(invalid) => Err(Verdict::Refused(StatusCode::BAD_REQUEST, invalid.to_string())),
            Ok(asked) => self.step(&mut item, asked, swapped.contains(&index)),
        };
        Planned::new(item, step.map(|step| step.needing(needs)))
    }

    /// What is planned next has the bounds of a document of its own.
    pub(crate) fn begin_document(&mut self) {
        self.fields_left = self.options.batch.limits.fields_max;
    }

    fn step(&mut self, item: &mut Item, asked: Asked, is_swap: bool) -> Result<Step, Verdict> {
        let slash = asked.resource.path.has_slash();
        let path = self.resolve(&asked.resource)?;
        let is_collection = slash || matches!(asked.kind, Kind::MkCol);
        // What is created has a URL of its own.
        if !matches!(asked.kind, Kind::Create(_)) {
            item.resource = Some((path.clone(), is_collection));
        }
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
            guard::add_if(&mut guard, field, &self.base);
        }
        guard::submit(&mut guard, conditions.tokens.iter().map(|token| token.as_str()));
        guard.if_match = conditions.if_match.as_ref().map(guard::strong);
        guard.if_none_match = conditions.if_none_match.as_ref().map(guard::weak);
        guard.if_unmodified_since = conditions.if_unmodified_since;
        guard
    }

    fn action(
        &mut self,
        item: &mut Item,
        path: ResourcePath,
        kind: Kind,
    ) -> Result<Action, Verdict> {
        Ok(match kind {
            Kind::MkCol => Action::MakeCollection { target: path },
            Kind::Put { content_type, content } => {
                let content = if self.store.capabilities(&path).records {
                    self.record(content_type.as_deref(), &content)?
                } else {
                    self.file(&path, content)?
                };
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
            Kind::PropPatch(update) => {
                let capabilities = self.store.capabilities(&path);
                let (action, refused) = proppatch::plan(capabilities, path, &update);
                item.verdict = refused.map(Verdict::Protected);
                item.update = Some(update);
                action
            }
            Kind::Create(values) => Action::add(path, fields(values)),
            Kind::Update(values) => Action::Update { target: path, record: fields(values) },
        })
    }

    fn file(&self, path: &ResourcePath, content: Vec<u8>) -> Result<Content, Verdict> {
        match self.options.exceeds_put(content.len() as u64) {
            Some(detail) => Err(Verdict::Refused(StatusCode::PAYLOAD_TOO_LARGE, detail)),
            None if self.is_dry => Ok(Content::Inline(content.into())),
            None => Ok(intake::keep(&*self.store, path, content)),
        }
    }

    fn record(&mut self, content_type: Option<&str>, content: &[u8]) -> Result<Content, Verdict> {
        let media = content_type.map(|media| ContentType::parse(media.as_bytes()));
        if let Some(Ok(media)) = media
            && !body::may_be_json(&media)
        {
            let detail = body::no_json(&media);
            return Err(Verdict::Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let limits = Limits { fields_max: self.fields_left, ..self.options.batch.limits };
        match body::read(content, &limits) {
            Ok(record) => {
                self.fields_left = limits.fields_max - record.len();
                Ok(Content::Record(record))
            }
            Err(error) => {
                let detail = format!("content: {error}");
                Err(Verdict::Refused(status::of_fault(error.fault), detail))
            }
        }
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

/// Refuses a batch that can't be done whole.
pub(super) fn check_whole(
    planned: &[Planned],
    base: &Base,
    store: &dyn Store,
) -> Result<(), Problem> {
    let mounts = store.mounts();
    let mount_of = |path: &ResourcePath| {
        let around = mounts.iter().filter(|mount| mount.contains(path));
        around.max_by_key(|mount| mount.as_bytes().len())
    };
    let steps = planned.iter().filter_map(Planned::step);
    let paths = steps.flat_map(|step| step.claims().chain(step.watches()));
    let met: BTreeSet<_> = paths.filter_map(mount_of).collect();
    let name = |mount: &&ResourcePath| base.href(mount, true);
    let said = match &met.iter().collect::<Vec<_>>()[..] {
        [] => return Ok(()),
        [mount] if store.capabilities(mount).atomic => return Ok(()),
        [mount] => format!("changes below {} can't be undone", name(mount)),
        several => {
            let names: Vec<_> = several.iter().map(|mount| name(mount)).collect();
            format!("{} are different mounts, and only one can be changed whole", names.join(", "))
        }
    };
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("mode \"atomic\": {said}")))
}

/// Columns as stores know them.
fn fields(values: Vec<AskedField>) -> Fields {
    let field = |AskedField { name, value }| {
        let value = match value {
            AskedValue::Null => Value::Null,
            AskedValue::Text(text) => Value::Text(text),
            AskedValue::Bytes(bytes) => Value::Bytes(bytes.into()),
            AskedValue::Json(json) => Value::Json(json),
            AskedValue::Ref(index) => Value::Added(index),
        };
        Field { name, value }
    };
    values.into_iter().map(field).collect()
}
