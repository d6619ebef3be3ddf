//! From outcomes to the 207 of a batch: one response for each operation, in their order.

use std::collections::HashSet;

use http::{HeaderValue, Response, StatusCode};
use multistatus::batch::{self as told, Member, Mode, Retry as ToldRetry, Summary};
use multistatus::{
    JSON_CONTENT_TYPE, JsonWriter, Layout, NDJSON_CONTENT_TYPE, PropStat, Report, Trailer, Writer,
};
use polydav_proto::batch::{Format, Mode as AskedMode, Verb};
use polydav_proto::header::Return;
use polydav_store::{Added, Done, Effect, Failure, FailureKind, Outcome, ResourcePath, Retry};

use super::kept::{Came, Course, RowKey, Wish};
use super::plan::{Item, Verdict};
use super::{Asked, BatchCounts};
use crate::naming::Naming;
use crate::problem::{self, Problem};
use crate::request::BATCH;
use crate::{proppatch, reply, status};

/// The most members told of in one answer.
const MEMBERS_MAX: usize = 10_000;

/// An operation and what became of it.
pub(super) struct Told {
    item: Item,
    sent: bool,
    pub(super) outcome: Option<Outcome>,
    /// The operation it wasn't tried because of.
    cause: Option<usize>,
}

impl Told {
    pub(super) fn new(item: Item, sent: bool) -> Self {
        Self { item, sent, outcome: None, cause: None }
    }

    /// Whether it went to the engine.
    pub(super) fn was_sent(&self) -> bool {
        self.sent
    }

    /// What would be made has no entity tag yet, and no name that the store gives.
    fn forget_names(&mut self) {
        match &mut self.outcome {
            Some(Ok(done)) => *done = Done { created: done.created, ..Done::default() },
            Some(Err(failure)) => failure.etag = None,
            None => {}
        }
    }

    fn has_failed(&self) -> bool {
        self.item.verdict.is_some() || !matches!(self.outcome, Some(Ok(_)))
    }

    /// Whether it wasn't tried because of one that it needs.
    fn hangs_on_need(&self) -> bool {
        match (&self.outcome, &self.item.verdict) {
            (Some(Err(failure)), _) => failure.kind == FailureKind::Dependency,
            (None, None | Some(Verdict::Protected(_))) => true,
            (None, Some(_)) | (Some(Ok(_)), _) => false,
        }
    }

    /// Whether it failed by itself.
    fn is_culprit(&self) -> bool {
        match &self.outcome {
            None => self.item.verdict.is_some(),
            Some(Ok(_)) => false,
            Some(Err(failure)) => failure.kind.was_tried(),
        }
    }

    /// Whether it wasn't tried for lack of time, or because the server goes down.
    pub(super) fn was_left(&self) -> bool {
        matches!(&self.outcome, Some(Err(failure)) if is_not_attempted(failure))
    }

    fn left_all_as_it_was(&self) -> bool {
        match &self.outcome {
            Some(Ok(_)) => self.item.verdict.is_some(),
            Some(Err(failure)) => failure.effect == Effect::None,
            None => true,
        }
    }
}

/// In mode best-effort: what needs an operation that failed hangs on that one.
fn note_needs(told: &mut [Told]) {
    for at in 0..told.len() {
        if told[at].hangs_on_need() {
            let mut needs = told[at].item.needs.iter().copied();
            told[at].cause = needs.find(|&need| told[need].has_failed());
        }
    }
}

/// In mode atomic: all others hang on the operation that failed. If none did, the commit failed:
/// then this gives why.
fn note_culprit(told: &mut [Told]) -> Option<String> {
    let hangs = |told: &Told| match &told.outcome {
        None => true,
        Some(Err(failure)) => failure.kind == FailureKind::Dependency,
        Some(Ok(_)) => false,
    };
    match told.iter().position(Told::is_culprit) {
        Some(culprit) => {
            let others = told.iter_mut().enumerate().filter(|(at, _)| *at != culprit);
            let hanging = others.map(|(_, told)| told).filter(|told| hangs(told));
            hanging.for_each(|told| told.cause = Some(culprit));
            None
        }
        None => told.iter().find_map(|told| match &told.outcome {
            Some(Err(failure)) if hangs(told) => Some(problem::sentence(failure).into_owned()),
            _ => None,
        }),
    }
}

/// In mode stop: why nothing runs any more.
pub(super) enum Halt {
    /// The operation of this index failed.
    Failed(usize),
    /// An operation before was not tried either, for lack of time.
    Unreached(Failure),
}

/// In mode stop: whatever stands behind the first failure wasn't tried because of it.
pub(super) fn note_cause(told: &mut [Told]) -> Option<Halt> {
    let first = told.iter().position(Told::has_failed)?;
    let (before, behind) = told.split_at_mut(first + 1);
    let halt = match &before[first] {
        Told { outcome: Some(Err(failure)), .. } if is_not_attempted(failure) => {
            Halt::Unreached(failure.clone())
        }
        failed => Halt::Failed(failed.item.index),
    };
    halt.note(behind);
    Some(halt)
}

impl Halt {
    /// Notes it in what stands behind. What was done all the same, or may have been, is told as what
    /// it is.
    pub(super) fn note(&self, behind: &mut [Told]) {
        match self {
            Self::Unreached(failure) => {
                behind.iter_mut().for_each(|item| item.outcome = Some(Err(failure.clone())));
            }
            Self::Failed(index) => {
                for item in behind.iter_mut().filter(|item| item.left_all_as_it_was()) {
                    item.cause = Some(*index);
                    item.outcome = None;
                }
            }
        }
    }
}

fn tell_as_dry(item: &mut told::Item) {
    if item.outcome == told::Outcome::Applied {
        item.outcome = told::Outcome::WouldApply;
    }
}

pub(super) fn is_not_attempted(failure: &Failure) -> bool {
    failure.kind == FailureKind::NotAttempted
}

/// How the answer is to be written.
pub(crate) struct Answer {
    format: Format,
    pub(super) strict: bool,
    minimal: bool,
    /// Whether nothing is done: then it is told what would be.
    pub(super) is_dry: bool,
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
            mode,
            wish: None,
        }
    }

    /// Writes the answer; `id` names what has no URL of its own. Gives also how the batch went.
    pub(super) fn write(
        self,
        mut all: Vec<Told>,
        naming: Naming<'_>,
        id: u128,
    ) -> Result<(Response<Vec<u8>>, Course), Problem> {
        let mut telling = Telling::new(self.mode, self.minimal, id);
        match self.mode {
            AskedMode::BestEffort => note_needs(&mut all),
            AskedMode::Stop => drop(note_cause(&mut all)),
            AskedMode::Atomic => telling.summary.commit_error = note_culprit(&mut all),
        }
        let mut document = Document::begin(self.format, all.len())?;
        let course = course(&all);
        telling.is_dry = self.is_dry;
        telling.tell(all, naming, |response| document.write(response))?;
        let summary = telling.summary;
        let mut response = document.end(&summary)?;
        if self.minimal {
            reply::note_minimal(&mut response);
        }
        if self.strict && summary.succeeded < summary.total {
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        }
        response.headers_mut().insert(told::BATCH_RESULT, summary.to_header());
        response.extensions_mut().insert(BatchCounts::from(&summary));
        Ok((response, course))
    }
}

/// What is to be known of a batch later.
fn course(all: &[Told]) -> Course {
    let came = |told: &Told| match verdict(told) {
        (status, ..) if status.is_success() => Came::Done,
        (_, _, Some(ToldRetry::Safe)) => Came::Again,
        _ => Came::Failed,
    };
    let key = |told: &Told| {
        let Some(Ok(Done { added: Some(Added { key: Some(key), .. }), .. })) = &told.outcome else {
            return None;
        };
        Some((told.item.index, RowKey::of(key)?))
    };
    Course { came: all.iter().map(came).collect(), keys: all.iter().filter_map(key).collect() }
}

/// Tells of operations and counts them, all at once or piece by piece.
pub(super) struct Telling {
    minimal: bool,
    /// Whether nothing is done: then it is told what would be.
    is_dry: bool,
    id: u128,
    members_left: usize,
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
        let (id, hrefs) = (self.id, HashSet::with_capacity(all.len()));
        let mut teller = Teller { naming, id, hrefs, members_left: self.members_left };
        for told in &all {
            let mut response = teller.tell(told);
            if self.is_dry {
                response.item.iter_mut().for_each(tell_as_dry);
            }
            response.item.iter().for_each(|item| self.summary.count(item.status, item.outcome));
            if !self.minimal || !has_succeeded(&response) {
                write(&response)?;
            }
        }
        self.members_left = teller.members_left;
        Ok(())
    }
}

/// An answer in the making, item by item.
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

/// Tells of the operations one after the other; no href stands in two responses.
struct Teller<'a> {
    naming: Naming<'a>,
    id: u128,
    hrefs: HashSet<&'a ResourcePath>,
    members_left: usize,
}

impl<'a> Teller<'a> {
    fn tell(&mut self, told: &'a Told) -> multistatus::Response {
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
    fn href(&mut self, told: &'a Told) -> String {
        let item = &told.item;
        let resource = match &told.outcome {
            Some(Ok(Done { added: Some(added), .. })) => Some((&added.path, false)),
            _ => item.resource.as_ref().map(|(path, is_collection)| (path, *is_collection)),
        };
        if let Some((path, is_collection)) = resource
            && self.hrefs.insert(path)
        {
            return self.naming.base.href(path, is_collection);
        }
        let batch = String::from_utf8_lossy(BATCH);
        let place = format!("{batch}/{:032x}/items/{}", self.id, item.index);
        let path = ResourcePath::parse(place).expect("it is made of digits and letters");
        self.naming.base.href(&path, false)
    }

    fn item(&mut self, told: &Told) -> told::Item {
        let (status, outcome, retry) = verdict(told);
        let (index, op) = (told.item.index as u64, told.item.verb.as_str());
        let mut item = told::Item::new(index, op, &told.item.href, status);
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
        mut item: told::Item,
        failure: &Failure,
    ) -> multistatus::Response {
        problem::log(failure);
        item.column = failure.column.as_deref().map(str::to_owned);
        let members = failure.members.list();
        let count = members.len().min(self.members_left);
        self.members_left -= count;
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

fn verdict(told: &Told) -> (StatusCode, told::Outcome, Option<ToldRetry>) {
    match (&told.outcome, &told.item.verdict) {
        // Whatever else it was held to, it changed nothing.
        (Some(Ok(_)) | None, Some(Verdict::Protected(stats))) if told.cause.is_none() => {
            let status = stats.first().map_or(StatusCode::FORBIDDEN, |stat| stat.status);
            (status, told::Outcome::NotApplied, Some(ToldRetry::Fix))
        }
        (Some(Ok(done)), _) => {
            let status = match told.item.verb {
                _ if done.created => StatusCode::CREATED,
                Verb::Update | Verb::PropPatch => StatusCode::OK,
                _ => StatusCode::NO_CONTENT,
            };
            (status, told::Outcome::Applied, None)
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
            (*status, told::Outcome::NotApplied, Some(retry))
        }
        (None, _) => {
            (StatusCode::FAILED_DEPENDENCY, told::Outcome::NotAttempted, Some(ToldRetry::Safe))
        }
    }
}

fn outcome(failure: &Failure) -> told::Outcome {
    match (failure.effect, failure.kind) {
        (Effect::Partial, _) => told::Outcome::Partial,
        (Effect::RolledBack, _) => told::Outcome::RolledBack,
        (Effect::Unknown, _) => told::Outcome::Unknown,
        (Effect::None, kind) if !kind.was_tried() => told::Outcome::NotAttempted,
        (Effect::None, _) => told::Outcome::NotApplied,
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
