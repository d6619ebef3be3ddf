//! What a batch told, and the courses of events in which that would be true.

use std::collections::BTreeSet;

use multistatus::Report;
use multistatus::batch::Outcome;
use polydav_store::FailureKind;
use polydav_store::layer::Fault;
use serde_json::Value;

use super::model::{Item, Op, Refusal, State};
use super::world::Reply;

/// What was told of one item.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub outcome: Outcome,
    pub cause: Option<u64>,
    pub etag: Option<String>,
    pub retry: bool,
    pub members: BTreeSet<String>,
}

/// Reads a 207 strictly: each item once and in order, and counts that add up.
pub fn told(reply: &Reply) -> Vec<Told> {
    assert_eq!(reply.status, 207, "{reply:?}");
    if reply.header("content-type") == "application/json" {
        return told_in_json(reply);
    }
    assert!(!reply.items().is_empty(), "it checks the order and the counts");
    let items = reply.multistatus().responses.into_iter().map(|response| {
        let item = response.item.expect("each response is of an item");
        let said = match &response.report {
            Report::Status(status) => vec![*status],
            Report::Properties(stats) => stats.iter().map(|stat| stat.status).collect(),
        };
        assert!(said.contains(&item.status), "{said:?} {item:?}");
        item
    });
    items
        .map(|item| Told {
            status: item.status.as_u16(),
            outcome: item.outcome,
            cause: item.cause,
            etag: item.etag,
            retry: item.retry.is_some(),
            members: item.members.iter().map(|member| member.href.clone()).collect(),
        })
        .collect()
}

fn told_in_json(reply: &Reply) -> Vec<Told> {
    let document: Value = serde_json::from_slice(reply.bytes()).expect("it is JSON");
    let items = document["items"].as_array().expect("there are items");
    let indices: Vec<_> = items.iter().map(|item| item["index"].as_u64()).collect();
    assert_eq!(indices, (0..items.len() as u64).map(Some).collect::<Vec<_>>());
    let summary = &document["summary"];
    assert_eq!(summary["total"], items.len());
    let counts = ["total", "succeeded", "failed", "skipped"]
        .map(|name| format!("{name}={}", summary[name]))
        .join(", ");
    assert_eq!(reply.header("batch-result"), counts);
    items.iter().map(told_of_value).collect()
}

fn told_of_value(item: &Value) -> Told {
    let word = |name: &str| item[name].as_str().map(str::to_owned);
    let members = item["members"].as_array().into_iter().flatten();
    let status = item["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    Told {
        status: status.expect("an item has a status"),
        outcome: word("outcome").and_then(|word| Outcome::parse(&word)).expect("and an outcome"),
        cause: item["cause"].as_u64(),
        etag: word("etag"),
        retry: !item["retry"].is_null(),
        members: members.filter_map(|member| member["href"].as_str().map(str::to_owned)).collect(),
    }
}

/// A course of events that agrees with what was told so far.
#[derive(Debug, Clone)]
pub struct Story {
    /// What is there then.
    pub state: State,
    /// How many items failed that would not have failed by themselves.
    pub faults: usize,
    /// How many items can't be known.
    pub unknown: usize,
    /// An unknown item wasn't done; then neither were those behind it: a store works in order.
    ended: bool,
    /// The first item that failed.
    failed: Option<u64>,
}

/// What is known of a run.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    pub fault: Fault,
    pub struck: bool,
    /// Whether the batch stops at its first failure.
    pub stop: bool,
}

/// All courses of events that agree with what was told.
pub fn explain(start: &State, items: &[Item], told: &[Told], course: Course) -> Vec<Story> {
    assert_eq!(told.len(), items.len(), "each item is told");
    let state = start.clone();
    let mut stories = vec![Story { state, faults: 0, unknown: 0, ended: false, failed: None }];
    for (index, (item, told)) in items.iter().zip(told).enumerate() {
        assert_eq!(told.retry, told.outcome != Outcome::Applied, "{told:?}");
        let next = stories.iter().flat_map(|story| story.after(item, told, course));
        let next: Vec<_> = next.map(|story| story.note(index as u64, told)).collect();
        assert!(!next.is_empty(), "item {index} {item:?} was told as {told:?}\nin {stories:#?}");
        stories = next;
    }
    stories
}

impl Story {
    fn after(&self, item: &Item, told: &Told, course: Course) -> Vec<Self> {
        let mut state = self.state.clone();
        let expected = state.perform(item);
        let done = Self { state, ..self.clone() };
        match told.outcome {
            Outcome::Applied if self.unknown == 0 && expected == Ok(told.status) => {
                vec![done.with_etag(item, told)]
            }
            Outcome::NotAttempted if course.stop && told.status == 424 => {
                let told_why = told.cause.is_some() && told.cause == self.failed;
                told_why.then(|| self.clone()).into_iter().collect()
            }
            Outcome::Unknown => {
                let changes = expected.is_ok() || done.state.nodes != self.state.nodes;
                self.unknown(changes.then_some(done), told, course)
            }
            Outcome::NotApplied | Outcome::Partial if told.cause.is_none() => {
                let by_itself = (self.unknown == 0 || matches!(item.op, Op::Invalid(_)))
                    && expected.is_err_and(|refusal| is_told(&refusal, told));
                let story = if by_itself { Some(done) } else { self.fault(told, course) };
                story.into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// It was done, or not.
    fn unknown(&self, done: Option<Self>, told: &Told, course: Course) -> Vec<Self> {
        let may_be = told.status == 500 && course.struck && breaks(course.fault);
        if !may_be || told.cause.is_some() {
            return Vec::new();
        }
        let unknown = self.unknown + 1;
        let undone = Self { unknown, ended: true, ..self.clone() };
        let done = done.filter(|_| !self.ended).map(|done| Self { unknown, ..done });
        done.into_iter().chain([undone]).collect()
    }

    /// It failed because a call did, or because the store is broken.
    fn fault(&self, told: &Told, course: Course) -> Option<Self> {
        let whole = told.outcome == Outcome::NotApplied && told.members.is_empty();
        let status = match course.fault {
            Fault::Fails(kind) if course.struck && self.faults == 0 => status_of(kind),
            Fault::Breaks | Fault::BreaksBehind if self.unknown > 0 => 403,
            _ => return None,
        };
        let faults = self.faults + usize::from(self.unknown == 0);
        (whole && told.status == status).then(|| Self { faults, ..self.clone() })
    }

    fn with_etag(mut self, item: &Item, told: &Told) -> Self {
        let is_put = matches!(item.op, Op::Put(..));
        assert_eq!(told.etag.is_some(), is_put, "a put tells the tag: {item:?} {told:?}");
        if let Some(etag) = &told.etag {
            self.state.etags.insert(item.subject().to_owned(), etag.clone());
        }
        self
    }

    fn note(mut self, index: u64, told: &Told) -> Self {
        if told.outcome != Outcome::Applied {
            self.failed.get_or_insert(index);
        }
        self
    }
}

fn is_told(refusal: &Refusal, told: &Told) -> bool {
    let members: BTreeSet<_> =
        told.members.iter().map(|href| href.trim_end_matches('/').to_owned()).collect();
    refusal.status == told.status
        && refusal.members == members
        && refusal.partial == (told.outcome == Outcome::Partial)
}

fn breaks(fault: Fault) -> bool {
    matches!(fault, Fault::Breaks | Fault::BreaksBehind)
}

/// The statuses that clients are promised for failures of the system.
pub fn status_of(kind: FailureKind) -> u16 {
    match kind {
        FailureKind::Internal => 500,
        FailureKind::NoSpace => 507,
        FailureKind::Forbidden => 403,
        FailureKind::Busy => 503,
        FailureKind::NameTooLong => 400,
        kind => panic!("no fault of this test: {kind:?}"),
    }
}
