//! From outcomes to the 207 of a batch: one response for each operation, in their order.

use std::collections::HashSet;

use http::{HeaderValue, Response, StatusCode};
use multistatus::batch::{self as wire, Member, Mode, Retry as ToldRetry, Summary};
use multistatus::{
    JSON_CONTENT_TYPE, JsonWriter, Layout, NDJSON_CONTENT_TYPE, PropStat, Report, Trailer, Writer,
};
use polydav_proto::batch::{Format, Mode as AskedMode, Verb};
use polydav_proto::header::Return;
use polydav_store::{Added, Done, Effect, Failure, FailureKind, ResourcePath, Retry};

use super::kept::{Came, Course, RowKey, Wish};
use super::plan::{Item, Verdict};
use super::told::{Causes, Told, note_culprit};
use super::{Asked, BatchCounts};
use crate::naming::Naming;
use crate::problem::{self, Problem};
use crate::request::BATCH;
use crate::{proppatch, reply, status};

/// The most members told of in one answer.
const MEMBERS_MAX: usize = 10_000;

fn tell_as_dry(item: &mut wire::Item) {
    if item.outcome == wire::Outcome::Applied {
        item.outcome = wire::Outcome::WouldApply;
    }
}

/// How the answer is to be written.
pub(crate) struct Answer {
    format: Format,
    pub(super) strict: bool,
    minimal: bool,
    /// Whether nothing is done: then it is told what would be.
    pub(super) is_dry: bool,
    /// Whether nothing may be done: it is to be done whole, and an operation is known to fail.
    pub(super) is_doomed: bool,
    pub(super) mode: AskedMode,
    /// That word of it be kept.
    pub(super) wish: Option<Wish>,
}

impl Answer {
    /// An answer in the format of the request, unless its header names another.
    pub(crate) fn new(asked: &Asked, format: Format, mode: AskedMode) -> Self {
        Self {
            format: asked.answered_in(format),
            strict: asked.prefer.batch_strict,
            minimal: asked.prefer.answer == Some(Return::Minimal),
            is_dry: false,
            is_doomed: false,
            mode,
            wish: None,
        }
    }

    /// Begins to write the answer to a batch of so many operations; `id` names what has no URL of its
    /// own.
    pub(super) fn begin(self, id: u128, total: usize, keeps: bool) -> Result<Writing, Problem> {
        let mut telling = Telling::new(self.mode, self.minimal, id);
        telling.is_dry = self.is_dry;
        let document = Document::begin(self.format, total)?;
        let course = keeps.then(Course::default);
        Ok(Writing { strict: self.strict, telling, document, course, was_left: false })
    }
}

/// An answer in the making.
pub(super) struct Writing {
    strict: bool,
    telling: Telling,
    document: Document,
    /// How the batch went, if word of it is kept.
    course: Option<Course>,
    /// Whether an operation wasn't tried for lack of time, or because the server goes down.
    was_left: bool,
}

/// An answer that is written, and what is to be known of its batch.
pub(super) struct Written {
    pub(super) response: Response<Vec<u8>>,
    pub(super) course: Option<Course>,
    pub(super) was_left: bool,
}

impl Writing {
    /// Writes of operations that were answered.
    pub(super) fn tell(&mut self, mut all: Vec<Told>, naming: Naming<'_>) -> Result<(), Problem> {
        self.was_left |= all.iter().any(Told::was_left);
        self.telling.note_causes(&mut all);
        if let Some(course) = &mut self.course {
            all.iter().for_each(|told| note_course(course, told));
        }
        let Self { telling, document, .. } = self;
        telling.tell(all, naming, |response| document.write(response))
    }

    pub(super) fn end(self) -> Result<Written, Problem> {
        let Self { strict, telling, document, course, was_left } = self;
        let Telling { minimal, summary, .. } = telling;
        let mut response = document.end(&summary)?;
        if minimal {
            reply::note_minimal(&mut response);
        }
        if strict && summary.succeeded < summary.total {
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        }
        response.headers_mut().insert(wire::BATCH_RESULT, summary.to_header());
        response.extensions_mut().insert(BatchCounts::from(&summary));
        Ok(Written { response, course, was_left })
    }
}

/// Takes note of what is to be known of an operation later.
fn note_course(course: &mut Course, told: &Told) {
    course.came.push(match verdict(told) {
        (status, ..) if status.is_success() => Came::Done,
        (_, _, Some(ToldRetry::Safe)) => Came::Again,
        _ => Came::Failed,
    });
    if let Some(Ok(Done { added: Some(Added { key: Some(key), .. }), .. })) = &told.outcome
        && let Some(key) = RowKey::of(key)
    {
        course.keys.push((told.item.index, key));
    }
}

/// Tells of operations and counts them, all at once or piece by piece.
pub(super) struct Telling {
    minimal: bool,
    /// Whether nothing is done: then it is told what would be.
    is_dry: bool,
    id: u128,
    members_left: usize,
    causes: Causes,
    /// What was told of under its own href.
    resources: HashSet<ResourcePath>,
    pub(super) summary: Summary,
}

impl Telling {
    /// Nothing told yet; `minimal` leaves out what succeeds, `id` names what has no URL of its own.
    pub(super) fn new(mode: AskedMode, minimal: bool, id: u128) -> Self {
        let mut telling = Self {
            minimal,
            is_dry: false,
            id,
            members_left: MEMBERS_MAX,
            causes: Causes::default(),
            resources: HashSet::new(),
            summary: Summary::default(),
        };
        telling.set_mode(mode);
        telling
    }

    pub(super) fn set_mode(&mut self, mode: AskedMode) {
        self.summary.mode = match mode {
            AskedMode::BestEffort => Mode::BestEffort,
            AskedMode::Stop => Mode::Stop,
            AskedMode::Atomic => Mode::Atomic,
        };
    }

    /// Notes why those weren't tried that weren't.
    pub(super) fn note_causes(&mut self, told: &mut [Told]) {
        match self.summary.mode {
            Mode::BestEffort => self.causes.note_needs(told),
            Mode::Stop => self.causes.note_halt(told),
            Mode::Atomic => self.summary.commit_error = note_culprit(told),
        }
    }

    /// Whether no further operation is tried, in mode stop.
    pub(super) fn is_halted(&self) -> bool {
        self.causes.is_halted()
    }

    /// Forgets of which operations it told. Those to come need none of them, and may be told of under
    /// the same hrefs.
    pub(super) fn forget(&mut self) {
        self.causes.forget_needs();
        self.resources.clear();
    }

    /// Has `write` write of each. No href stands in two of the responses.
    pub(super) fn tell(
        &mut self,
        mut all: Vec<Told>,
        naming: Naming<'_>,
        mut write: impl FnMut(&multistatus::Response) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        if self.is_dry {
            all.iter_mut().for_each(Told::forget_names);
        }
        for told in &all {
            let mut response = Teller { naming, telling: self }.tell(told);
            if self.is_dry {
                response.item.iter_mut().for_each(tell_as_dry);
            }
            response.item.iter().for_each(|item| self.summary.count(item.status, item.outcome));
            if !self.minimal || !has_succeeded(&response) {
                write(&response)?;
            }
        }
        Ok(())
    }
}

/// The text of an answer in the making, item by item.
enum Document {
    Xml(Writer<Vec<u8>>),
    Json(JsonWriter<Vec<u8>>, Layout),
}

/// About what an item takes that succeeded.
const ITEM_BYTES: usize = 256;

impl Document {
    fn begin(format: Format, items: usize) -> Result<Self, Problem> {
        let out = Vec::with_capacity(items * ITEM_BYTES);
        Ok(match format {
            Format::Xml => Self::Xml(Writer::batch(out).map_err(broken)?),
            Format::Json => Self::json(out, Layout::Document)?,
            Format::NdJson => Self::json(out, Layout::Lines)?,
        })
    }

    fn json(out: Vec<u8>, layout: Layout) -> Result<Self, Problem> {
        Ok(Self::Json(JsonWriter::new(out, layout).map_err(broken)?, layout))
    }

    fn write(&mut self, response: &multistatus::Response) -> Result<(), Problem> {
        match self {
            Self::Xml(writer) => writer.response(response).map_err(broken),
            Self::Json(writer, _) => writer.response(response).map_err(broken),
        }
    }

    fn end(self, summary: &Summary) -> Result<Response<Vec<u8>>, Problem> {
        match self {
            Self::Xml(writer) => {
                let summary = Some(summary.clone());
                let trailer = Trailer { summary, ..Trailer::default() };
                Ok(reply::multi_status_of(writer.finish(&trailer).map_err(broken)?))
            }
            Self::Json(writer, layout) => {
                let json = writer.finish(Some(summary)).map_err(broken)?;
                let mut response = reply::multi_status_of(json);
                let kind = HeaderValue::from_static(match layout {
                    Layout::Document => JSON_CONTENT_TYPE,
                    Layout::Lines => NDJSON_CONTENT_TYPE,
                });
                response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
                Ok(response)
            }
        }
    }
}

pub(super) fn broken(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "the answer to a batch could not be written");
    Problem::internal()
}

fn has_succeeded(response: &multistatus::Response) -> bool {
    response.item.as_ref().is_some_and(|item| item.status.is_success())
}

/// Tells of one operation.
struct Teller<'a> {
    naming: Naming<'a>,
    telling: &'a mut Telling,
}

impl Teller<'_> {
    fn tell(&mut self, told: &Told) -> multistatus::Response {
        let href = self.href(told);
        let item = self.item(told);
        match (&told.item.verdict, &told.outcome, &told.item.update) {
            (Some(Verdict::Protected(stats)), Some(Ok(_)) | None, _) if told.cause.is_none() => {
                let response = multistatus::Response::item(href, item);
                let description = stats.iter().find_map(|stat| stat.description.clone());
                multistatus::Response { description, ..with_report(response, stats.clone()) }
            }
            (_, Some(Ok(_)), Some(update)) => {
                with_report(multistatus::Response::item(href, item), proppatch::done(update))
            }
            (_, Some(Err(failure)), update) => {
                let response = self.failed(href, item, failure);
                match update.as_ref().and_then(|update| proppatch::failed(update, failure)) {
                    Some(stats) => with_report(response, stats),
                    None => response,
                }
            }
            (Some(Verdict::Refused(_, detail)), None, _) if told.cause.is_none() => {
                multistatus::Response::item(href, item).with_description(detail.clone())
            }
            (Some(Verdict::Failed(failure)), None, _) if told.cause.is_none() => {
                self.failed(href, item, failure)
            }
            (_, None, _) => multistatus::Response::item(href, item)
                .with_description(status::describe(FailureKind::Dependency)),
            (_, Some(Ok(done)), _) => {
                let response = multistatus::Response::item(href, item);
                match self.location(&told.item, done) {
                    Some(location) => response.with_location(location),
                    None => response,
                }
            }
        }
    }

    /// Where it led: what was created, copied or moved lies at another place than it was asked of.
    fn location(&self, item: &Item, done: &Done) -> Option<String> {
        if let Some(added) = &done.added {
            return Some(self.naming.base.href(&added.path, false));
        }
        let is_collection = item.resource.as_ref().is_some_and(|(_, is_collection)| *is_collection);
        item.target.as_ref().map(|target| self.naming.base.href(target, is_collection))
    }

    /// The resource's own href in the first response about it, else one that only this item has.
    fn href(&mut self, told: &Told) -> String {
        let item = &told.item;
        let resource = match &told.outcome {
            Some(Ok(Done { added: Some(added), .. })) => Some((&added.path, false)),
            _ => item.resource.as_ref().map(|(path, is_collection)| (path, *is_collection)),
        };
        if let Some((path, is_collection)) = resource
            && !self.telling.resources.contains(path)
        {
            self.telling.resources.insert(path.clone());
            return self.naming.base.href(path, is_collection);
        }
        let batch = String::from_utf8_lossy(BATCH);
        let place = format!("{batch}/{:032x}/items/{}", self.telling.id, item.index);
        let path = ResourcePath::parse(place).expect("it is made of digits and letters");
        self.naming.base.href(&path, false)
    }

    fn item(&mut self, told: &Told) -> wire::Item {
        let (status, outcome, retry) = verdict(told);
        let (index, op) = (told.item.index as u64, told.item.verb.as_str());
        let mut item = wire::Item::new(index, op, &told.item.href, status);
        item.id.clone_from(&told.item.id);
        item.outcome = outcome;
        item.retry = retry;
        item.cause = told.cause.map(|cause| cause as u64);
        if let Some(Ok(Done { etag: Some(etag), .. })) = &told.outcome {
            item.etag = Some(etag.to_string());
        }
        item
    }

    fn failed(
        &mut self,
        href: String,
        mut item: wire::Item,
        failure: &Failure,
    ) -> multistatus::Response {
        problem::log(failure);
        item.column = failure.column.as_deref().map(str::to_owned);
        let members = failure.members.list();
        let count = members.len().min(self.telling.members_left);
        self.telling.members_left -= count;
        item.members_truncated = count < members.len() || failure.members.untold() > 0;
        item.members = members[..count]
            .iter()
            .map(|member| Member {
                href: self.naming.href(&member.path),
                status: status::of_kind(member.kind),
                description: Some(status::describe(member.kind).to_owned()),
            })
            .collect();
        let response = multistatus::Response::item(href, item)
            .with_description(problem::sentence(failure).into_owned());
        match problem::condition_of(failure, self.naming) {
            Some(condition) => response.with_condition(condition),
            None => response,
        }
    }
}

/// A response that tells of properties instead.
fn with_report(response: multistatus::Response, stats: Vec<PropStat>) -> multistatus::Response {
    multistatus::Response { report: Report::Properties(stats), ..response }
}

fn verdict(told: &Told) -> (StatusCode, wire::Outcome, Option<ToldRetry>) {
    match (&told.outcome, &told.item.verdict) {
        // Whatever else it was held to, it changed nothing.
        (Some(Ok(_)) | None, Some(Verdict::Protected(stats))) if told.cause.is_none() => {
            let status = stats.first().map_or(StatusCode::FORBIDDEN, |stat| stat.status);
            (status, wire::Outcome::NotApplied, Some(ToldRetry::Fix))
        }
        (Some(Ok(done)), _) => {
            let status = match told.item.verb {
                _ if done.created => StatusCode::CREATED,
                Verb::Update | Verb::PropPatch => StatusCode::OK,
                _ => StatusCode::NO_CONTENT,
            };
            (status, wire::Outcome::Applied, None)
        }
        (Some(Err(failure)), _) => {
            // It hangs on no other: the commit of all was refused.
            let is_refused = failure.kind == FailureKind::Dependency && told.cause.is_none();
            let asked = if is_refused { Retry::Fix } else { failure.kind.retry() };
            (status::of(failure), outcome(failure), Some(retry(asked)))
        }
        (None, Some(Verdict::Failed(failure))) if told.cause.is_none() => {
            (status::of(failure), outcome(failure), Some(retry(failure.kind.retry())))
        }
        (None, Some(Verdict::Refused(status, _))) if told.cause.is_none() => {
            let retry = match *status {
                StatusCode::BAD_GATEWAY | StatusCode::FORBIDDEN => ToldRetry::Never,
                _ => ToldRetry::Fix,
            };
            (*status, wire::Outcome::NotApplied, Some(retry))
        }
        (None, _) => {
            (StatusCode::FAILED_DEPENDENCY, wire::Outcome::NotAttempted, Some(ToldRetry::Safe))
        }
    }
}

fn outcome(failure: &Failure) -> wire::Outcome {
    match (failure.effect, failure.kind) {
        (Effect::Partial, _) => wire::Outcome::Partial,
        (Effect::RolledBack, _) => wire::Outcome::RolledBack,
        (Effect::Unknown, _) => wire::Outcome::Unknown,
        (Effect::None, kind) if !kind.was_tried() => wire::Outcome::NotAttempted,
        (Effect::None, _) => wire::Outcome::NotApplied,
    }
}

fn retry(retry: Retry) -> ToldRetry {
    match retry {
        Retry::Never => ToldRetry::Never,
        Retry::Fix => ToldRetry::Fix,
        Retry::AfterRefresh => ToldRetry::AfterRefresh,
        Retry::Safe => ToldRetry::Safe,
    }
}
