//! NDJSON: operations run as their lines arrive, and are told of as they end.
//!
//! What has arrived whole becomes a piece. A piece is planned, run and told as one, while the next
//! arrives; so neither the document nor the answer is ever held as a whole, and who doesn't take the
//! answer isn't served further. As long as nothing ran, what is wrong with the document is an answer
//! of its own; later, it is the last line but one.

use std::collections::BTreeSet;
use std::pin::pin;

use bytes::{Buf as _, Bytes};
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use multistatus::{JsonWriter, Layout, NDJSON_CONTENT_TYPE};
use polydav_engine::Engine;
use polydav_proto::batch::{Cutter, Format, Limits, Lines, Mode};
use polydav_proto::header::Return;
use tokio::time::{Instant, timeout_at};

use super::passage::Selection;
use super::plan::{Planned, Planner};
use super::reply::{Telling, broken};
use super::told::{Told, note_outcomes};
use super::{Asked, BatchTally, Entered, Outer, plan_of};
use crate::body::{Body, Incoming};
use crate::naming::Naming;
use crate::output::{Broken, Output};
use crate::problem::Problem;
use crate::request::Request;
use crate::{Service, intake, reply};

/// Answers NDJSON, of which `start` was taken in already.
pub(super) async fn stream(
    service: Service<'_>,
    mut request: Request,
    entered: Entered,
    start: Bytes,
) -> Result<Response<Body>, Problem> {
    let Service { engine, options, .. } = service;
    let Entered { asked, slot } = entered;
    check(&asked)?;
    let deadline = Instant::now() + options.batch.deadline;
    let body = std::mem::take(&mut request.body);
    let outer = Outer::of(&request)?;
    let submitted = outer.submitted();
    outer.judged(engine).await?;
    let limits = &options.batch.limits;
    let arrival = Arrival::new(start, body, limits);
    let minimal = asked.prefer.answer == Some(Return::Minimal);
    let tally = BatchTally::default();
    let (output, begun) = Output::new(header(minimal, &tally));
    let telling = Telling::new(Mode::BestEffort, minimal, engine.environment().random());
    let batch = Batch {
        lines: Lines::new(&request.base.collection(), limits),
        planner: Planner::new(submitted, request.base, options.clone(), engine.store().clone()),
        engine: engine.clone(),
        telling,
        tally,
        writer: JsonWriter::new(Vec::new(), Layout::Lines).map_err(broken)?,
        output,
    };
    // It goes on, and holds its slot so long, even if the client hangs up.
    tokio::spawn(async move {
        batch.run(arrival, deadline).await;
        drop(slot);
    });
    begun.await.unwrap_or_else(|_| Err(Problem::internal()))
}

/// Refuses what can't be had from a batch that runs as it arrives.
fn check(asked: &Asked) -> Result<(), Problem> {
    let is_wanted = |offered: &[&str]| asked.accept.choose(offered).is_some();
    if !is_wanted(&[Format::NdJson.media_type()])
        && is_wanted(&[Format::Xml.media_type(), Format::Json.media_type()])
    {
        let detail = "NDJSON is answered in NDJSON: accept it, or send another document";
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, detail));
    }
    let what = match () {
        () if asked.prefer.batch_strict => "batch-strict",
        () if asked.prefer.respond_async => "respond-async",
        () if asked.key.is_some() => "a key",
        () => return Ok(()),
    };
    let detail = format!("NDJSON can't have {what}: send a JSON document");
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
}

/// The answer without its body. What came of the batch isn't known yet.
fn header(minimal: bool, tally: &BatchTally) -> Response<()> {
    let mut response = Response::new(());
    response.extensions_mut().insert(tally.clone());
    *response.status_mut() = StatusCode::MULTI_STATUS;
    let kind = HeaderValue::from_static(NDJSON_CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    if minimal {
        reply::note_minimal(&mut response);
    }
    response
}

/// The lines of a body, as they come.
struct Arrival {
    body: Incoming,
    /// What came, and found no room in the piece.
    left: Bytes,
    cutter: Cutter,
    end: Option<End>,
}

/// How the lines ended.
enum End {
    /// As they should.
    Whole,
    /// The client sends no more, but not all it announced.
    HungUp(Problem),
    /// They make no sense any more.
    Faulty(Problem),
}

impl Arrival {
    fn new(start: Bytes, body: Incoming, limits: &Limits) -> Self {
        Self { body, left: start, cutter: Cutter::new(limits), end: None }
    }

    /// Takes in what comes until that is `enough`, the piece is full, or no more comes. It may be
    /// dropped at any time.
    async fn take_in(&mut self, enough: fn(&Cutter) -> bool) {
        while self.end.is_none() {
            let mut rest = &self.left[..];
            let taken = self.cutter.take_in(&mut rest);
            let taken_bytes = self.left.len() - rest.len();
            self.left.advance(taken_bytes);
            if let Err(invalid) = taken {
                self.end = Some(End::Faulty(invalid.into()));
                return;
            }
            if enough(&self.cutter) || self.cutter.is_full() {
                return;
            }
            match intake::next(&mut self.body).await {
                Ok(Some(data)) => self.left = data,
                Ok(None) => self.end = Some(End::Whole),
                Err(problem) => self.end = Some(End::HungUp(problem)),
            }
        }
    }

    /// The next piece, and how the lines ended if that is all of them. It is waited for, but not
    /// beyond the deadline.
    async fn piece(&mut self, deadline: Instant, is_late: bool) -> (Vec<u8>, Option<End>) {
        if !is_late {
            // If nothing came in time, the piece is empty.
            let _ = timeout_at(deadline, self.take_in(Cutter::has_values)).await;
        }
        // What is there already isn't waited for: the more of it is known, the better.
        let _ = self.take_in(Cutter::is_full).now_or_never();
        match self.end.take() {
            Some(End::Whole) => (self.cutter.cut_rest(), Some(End::Whole)),
            end => (self.cutter.cut(), end),
        }
    }
}

/// A batch on its way.
struct Batch {
    lines: Lines,
    planner: Planner,
    engine: Engine,
    telling: Telling,
    tally: BatchTally,
    writer: JsonWriter<Vec<u8>>,
    output: Output,
}

impl Batch {
    async fn run(mut self, mut arrival: Arrival, deadline: Instant) {
        while let Some(batch) = self.run_piece(&mut arrival, deadline).await {
            self = batch;
        }
    }

    /// Runs a piece, and tells of it; `None` once that was the last.
    async fn run_piece(self, arrival: &mut Arrival, deadline: Instant) -> Option<Self> {
        let is_late = Instant::now() >= deadline || self.engine.is_draining();
        let (text, end) = arrival.piece(deadline, is_late).await;
        let (mut batch, planned) = blocking(move || self.plan(&text)).await?;
        let has_begun = batch.output.has_begun();
        let (planned, end) = match (planned, end) {
            (Err(problem), _) => (Vec::new(), Some(End::Faulty(problem))),
            // As long as nothing ran, the document can be refused as a whole.
            (Ok(_), Some(End::Faulty(problem))) if !has_begun => {
                (Vec::new(), Some(End::Faulty(problem)))
            }
            (Ok(planned), end) => (planned, end),
        };
        if batch.output.is_abandoned() {
            return None;
        }
        if !planned.is_empty() {
            let running = run(&batch.engine, planned, batch.lines.mode(), deadline);
            let told = meanwhile(running, arrival.take_in(Cutter::is_full)).await;
            batch = blocking(move || batch.tell(told)).await??;
        }
        let ending = match end {
            None if is_late => Err(late()),
            None => return Some(batch),
            Some(End::Whole) => Ok(()),
            Some(End::HungUp(problem) | End::Faulty(problem)) => Err(problem),
        };
        blocking(move || batch.end(ending)).await?;
        None
    }

    /// Reads a piece, and plans its operations. What is wrong with one of them is wrong with all.
    /// Blocks.
    fn plan(mut self, text: &[u8]) -> (Self, Result<Vec<Planned>, Problem>) {
        let planned = self.lines.read(text).map_err(Problem::from).map(|operations| {
            let is_halted = self.telling.is_halted();
            let plan = |operation| match is_halted {
                true => Planned::skipped(operation),
                false => {
                    // Each has the bounds of a document.
                    self.planner.begin_document();
                    self.planner.plan_one(operation, &BTreeSet::new())
                }
            };
            operations.into_iter().map(plan).collect()
        });
        self.telling.set_mode(self.lines.mode());
        (self, planned)
    }

    /// Tells of a piece, and waits until the client is not far behind; `None` if it is gone. Blocks.
    fn tell(mut self, mut told: Vec<Told>) -> Option<Self> {
        self.telling.forget();
        self.telling.note_causes(&mut told);
        let Planner { base, store, .. } = &self.planner;
        let naming = Naming { base, ground: store };
        let writer = &mut self.writer;
        let write = |response: &_| writer.response(response).map_err(broken);
        let written = self.telling.tell(told, naming, write);
        self.tally.set((&self.telling.summary).into());
        let written = match written {
            Ok(()) => self.output.flush(self.writer.get_mut()),
            Err(_) => Err(Broken::Failed(std::io::Error::other("it could not be written"))),
        };
        match written {
            Ok(()) => Some(self),
            Err(broken) => {
                self.output.break_off(broken);
                None
            }
        }
    }

    /// Tells that this was all, or why it was not. Blocks.
    fn end(self, ending: Result<(), Problem>) {
        let Self { writer, telling, mut output, .. } = self;
        let last = match ending {
            Ok(()) => writer.finish(Some(&telling.summary)),
            Err(problem) if !output.has_begun() => return output.refuse(problem),
            Err(problem) => {
                let (status, detail) = problem.in_short();
                writer.break_off(status, &detail, &telling.summary)
            }
        };
        if let Err(broken) = last.map_err(Broken::Failed).and_then(|last| output.end(last)) {
            output.break_off(broken);
        }
    }
}

/// Runs the operations of a piece, and says what became of each.
async fn run(engine: &Engine, planned: Vec<Planned>, mode: Mode, deadline: Instant) -> Vec<Told> {
    let mut selection = Selection::new(mode, false, None);
    let mut steps = Vec::with_capacity(planned.len());
    let pass = |planned| {
        let (told, step) = selection.pass(planned);
        steps.extend(step);
        told
    };
    let mut told: Vec<_> = planned.into_iter().map(pass).collect();
    let outcomes = engine.run(plan_of(steps, mode, deadline, None)).await;
    note_outcomes(told.iter_mut(), outcomes);
    told
}

/// Why no further operation starts.
fn late() -> Problem {
    let detail = "the time of a batch is over, or the server stops: send again what isn't told of";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// Runs the first, and the second as long as the first runs.
async fn meanwhile<T>(first: impl Future<Output = T>, second: impl Future<Output = ()>) -> T {
    match select(pin!(first), pin!(second)).await {
        Either::Left((done, _)) => done,
        Either::Right(((), first)) => first.await,
    }
}

/// Does work on a thread that may block; `None` if it ended in a panic.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    intake::aside(work).await.ok()
}
