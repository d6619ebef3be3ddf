//! A 207 body as JSON: one document, or a line for each item.
//!
//! The keys are the names of the XML attributes in camelCase. What failed has a `problem`, as RFC
//! 9457 describes it, with the condition elements that did not hold as `conditions`.

use std::io;

use http::StatusCode;
use serde::{Serialize, Serializer};

use crate::batch::{Item, Member, Retry, Summary};
use crate::model::{MultiStatus, PropStat, Report, Response};

/// The media type of one JSON document.
pub const JSON_CONTENT_TYPE: &str = "application/json";
/// The media type of a JSON value a line.
pub const NDJSON_CONTENT_TYPE: &str = "application/x-ndjson";

/// How a [`JsonWriter`] puts items together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `{"items": […], "summary": {…}}`
    Document,
    /// An item a line, then `{"summary": {…, "complete": true}}`. Without that line, the items
    /// that were not told are unknown. [`LineReader`](crate::LineReader) reads it.
    Lines,
}

/// Writes a 207 body as JSON, response by response, in constant memory.
///
/// Only [`JsonWriter::finish`] makes it whole.
#[derive(Debug)]
pub struct JsonWriter<W> {
    out: W,
    layout: Layout,
    buffer: Vec<u8>,
    first: bool,
    broken: bool,
}

impl<W: io::Write> JsonWriter<W> {
    /// Begins a body.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn new(mut out: W, layout: Layout) -> io::Result<Self> {
        if layout == Layout::Document {
            out.write_all(b"{\"items\":[")?;
        }
        Ok(Self { out, layout, buffer: Vec::new(), first: true, broken: false })
    }

    /// Writes a response. Without an [`Item`], it has neither index nor outcome.
    ///
    /// # Errors
    /// If the output fails.
    pub fn response(&mut self, response: &Response) -> io::Result<()> {
        match self.layout {
            Layout::Document if self.first => self.buffer.push(b'\n'),
            Layout::Document => self.buffer.extend_from_slice(b",\n"),
            Layout::Lines => {}
        }
        self.first = false;
        self.put(&JsonItem::new(response))?;
        if self.layout == Layout::Lines {
            self.buffer.push(b'\n');
        }
        self.hand_over()
    }

    /// Writes the summary, and gives back the output.
    ///
    /// # Errors
    /// If the output fails.
    pub fn finish(mut self, summary: Option<&Summary>) -> io::Result<W> {
        match self.layout {
            Layout::Document => {
                self.buffer.extend_from_slice(b"\n]");
                if let Some(summary) = summary {
                    self.buffer.extend_from_slice(b",\"summary\":");
                    self.put(&JsonSummary::new(summary, None))?;
                }
                self.buffer.extend_from_slice(b"}\n");
            }
            Layout::Lines => {
                let nothing = Summary::default();
                self.buffer.extend_from_slice(b"{\"summary\":");
                self.put(&JsonSummary::new(summary.unwrap_or(&nothing), Some(true)))?;
                self.buffer.extend_from_slice(b"}\n");
            }
        }
        self.end()
    }

    /// Ends a body that doesn't tell of all items, with why that is and the counts of those it tells
    /// of; it says that of the others none was tried. Gives back the output.
    ///
    /// # Errors
    /// If the output fails.
    pub fn break_off(
        mut self,
        status: StatusCode,
        detail: &str,
        summary: &Summary,
    ) -> io::Result<W> {
        let (before, between, after) = match self.layout {
            Layout::Document => ("\n],\"error\":", ",\"summary\":", "}\n"),
            Layout::Lines => ("{\"error\":", "}\n{\"summary\":", "}\n"),
        };
        self.buffer.extend_from_slice(before.as_bytes());
        self.put(&JsonProblem { detail: Some(detail), ..JsonProblem::of(status) })?;
        self.buffer.extend_from_slice(between.as_bytes());
        self.put(&JsonSummary::new(summary, Some(false)))?;
        self.buffer.extend_from_slice(after.as_bytes());
        self.end()
    }

    fn end(mut self) -> io::Result<W> {
        self.hand_over()?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// The output, to see what was written.
    pub fn get_ref(&self) -> &W {
        &self.out
    }

    /// The output, to take away what was written.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    fn put(&mut self, value: &impl Serialize) -> io::Result<()> {
        Ok(serde_json::to_writer(&mut self.buffer, value)?)
    }

    fn hand_over(&mut self) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("the output failed before"));
        }
        self.broken = true;
        self.out.write_all(&self.buffer)?;
        self.broken = false;
        self.buffer.clear();
        Ok(())
    }
}

impl MultiStatus {
    /// The whole body as JSON.
    pub fn to_json(&self, layout: Layout) -> Vec<u8> {
        let write = || -> io::Result<Vec<u8>> {
            let mut writer = JsonWriter::new(Vec::new(), layout)?;
            self.responses.iter().try_for_each(|response| writer.response(response))?;
            writer.finish(self.trailer.summary.as_ref())
        };
        write().expect("a Vec takes everything, and all of these can be JSON")
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonItem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'a str>,
    href: &'a str,
    #[serde(serialize_with = "code", skip_serializing_if = "Option::is_none")]
    status: Option<StatusCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<JsonProperty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<JsonProblem<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<JsonMember<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    members_truncated: bool,
}

#[derive(Serialize)]
struct JsonProperty {
    name: String,
    #[serde(serialize_with = "code")]
    status: Option<StatusCode>,
}

#[derive(Serialize)]
struct JsonMember<'a> {
    href: &'a str,
    #[serde(serialize_with = "code")]
    status: Option<StatusCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

/// RFC 9457 §3.1. There is no `type`, which means `about:blank`: the status says it all.
#[derive(Serialize)]
struct JsonProblem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'static str>,
    #[serde(serialize_with = "code")]
    status: Option<StatusCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonSummary<'a> {
    total: u64,
    succeeded: u64,
    failed: u64,
    skipped: u64,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit_error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<bool>,
}

fn code<S: Serializer>(status: &Option<StatusCode>, serializer: S) -> Result<S::Ok, S::Error> {
    status.map(|status| status.as_u16()).serialize(serializer)
}

impl<'a> JsonItem<'a> {
    fn new(response: &'a Response) -> Self {
        let item = response.item.as_ref();
        let (own, propstats) = match &response.report {
            Report::Status(status) => (Some(*status), &[][..]),
            Report::Properties(propstats) => (None, &propstats[..]),
        };
        let status = item.map(|item| item.status).or(own);
        let failed = status.filter(|status| !status.is_success());
        let retry = item.and_then(|item| item.retry);
        Self {
            index: item.map(|item| item.index),
            id: item.and_then(|item| item.id.as_deref()),
            op: item.map(|item| item.op.as_str()),
            href: item.map_or(response.href(), |item| &item.href),
            status,
            outcome: item.map(|item| item.outcome.as_str()),
            retry: retry.map(Retry::as_str),
            retry_after: retry.and_then(Retry::seconds),
            cause: item.and_then(|item| item.cause),
            location: response.location.as_deref(),
            etag: item.and_then(|item| item.etag.as_deref()),
            properties: propstats.iter().flat_map(JsonProperty::all).collect(),
            problem: failed.map(|status| JsonProblem::new(status, response)),
            members: item
                .map_or(&[][..], |item: &Item| &item.members)
                .iter()
                .map(JsonMember::new)
                .collect(),
            members_truncated: item.is_some_and(|item| item.members_truncated),
        }
    }
}

impl JsonProperty {
    fn all(propstat: &PropStat) -> impl Iterator<Item = Self> {
        propstat.properties.iter().map(|property| Self {
            name: property.name().to_string(),
            status: Some(propstat.status),
        })
    }
}

impl<'a> JsonMember<'a> {
    fn new(member: &'a Member) -> Self {
        let description = member.description.as_deref();
        Self { href: &member.href, status: Some(member.status), description }
    }
}

impl<'a> JsonProblem<'a> {
    fn of(status: StatusCode) -> Self {
        let (detail, column, conditions) = (None, None, Vec::new());
        Self { title: status.canonical_reason(), status: Some(status), detail, column, conditions }
    }

    fn new(status: StatusCode, response: &'a Response) -> Self {
        Self {
            detail: response.description.as_deref(),
            column: response.item.as_ref().and_then(|item| item.column.as_deref()),
            conditions: response.conditions.iter().map(|c| c.name().to_string()).collect(),
            ..Self::of(status)
        }
    }
}

impl<'a> JsonSummary<'a> {
    fn new(summary: &'a Summary, complete: Option<bool>) -> Self {
        let Summary { total, succeeded, failed, skipped, mode, ref commit_error } = *summary;
        let (mode, commit_error) = (mode.as_str(), commit_error.as_deref());
        Self { total, succeeded, failed, skipped, mode, commit_error, complete }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Mode, Outcome};
    use crate::writer::tests::Full;
    use crate::xml::{Element, Name};
    use crate::{Property, Trailer};
    use serde_json::{Value, json};

    fn body() -> MultiStatus {
        let failed = Item {
            id: Some("m1".to_owned()),
            outcome: Outcome::Partial,
            column: Some("id".to_owned()),
            retry: Some(Retry::After(5)),
            cause: Some(0),
            members: vec![Member {
                href: "/b/c".to_owned(),
                status: StatusCode::LOCKED,
                description: None,
            }],
            members_truncated: true,
            ..Item::new(1, "delete", "/b/", StatusCode::LOCKED)
        };
        let patched = Item::new(2, "proppatch", "/a", StatusCode::FORBIDDEN);
        let etag = Property::empty(Name::dav("getetag"));
        let propstat = PropStat::new(StatusCode::FORBIDDEN, [etag]);
        MultiStatus::batch(
            Mode::BestEffort,
            [
                Response::item("/a", Item::new(0, "put", "/a", StatusCode::CREATED))
                    .with_location("/a2"),
                Response::item("/x/1", failed)
                    .with_description("locked \"by\" Jane\n")
                    .with_condition(Element::new(Name::dav("lock-token-submitted"))),
                Response { item: Some(patched), ..Response::properties("/x/2", [propstat]) },
            ],
        )
    }

    fn expected() -> [Value; 3] {
        [
            json!({"index": 0, "op": "put", "href": "/a", "status": 201, "outcome": "applied",
                "location": "/a2"}),
            json!({"index": 1, "id": "m1", "op": "delete", "href": "/b/", "status": 423,
                "outcome": "partial", "retry": "after", "retryAfter": 5, "cause": 0,
                "problem": {"title": "Locked", "status": 423, "detail": "locked \"by\" Jane\n", "column": "id",
                    "conditions": ["{DAV:}lock-token-submitted"]},
                "members": [{"href": "/b/c", "status": 423}], "membersTruncated": true}),
            json!({"index": 2, "op": "proppatch", "href": "/a", "status": 403,
                "outcome": "not-applied",
                "properties": [{"name": "{DAV:}getetag", "status": 403}],
                "problem": {"title": "Forbidden", "status": 403}}),
        ]
    }

    #[test]
    fn a_document() {
        let read: Value = serde_json::from_slice(&body().to_json(Layout::Document)).unwrap();
        let summary =
            json!({"total": 3, "succeeded": 1, "failed": 2, "skipped": 0, "mode": "best-effort"});
        assert_eq!(read, json!({"items": expected(), "summary": summary}));
    }

    #[test]
    fn lines() {
        let bytes = body().to_json(Layout::Lines);
        let lines: Vec<Value> = std::str::from_utf8(&bytes)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[..3], expected());
        assert_eq!(lines[3]["summary"]["complete"], true);
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn a_body_that_is_broken_off_says_why() {
        let (response, summary) = (&body().responses[0], Summary::new(Mode::Stop));
        let write = |layout| {
            let mut writer = JsonWriter::new(Vec::new(), layout).unwrap();
            writer.response(response).unwrap();
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            writer.break_off(status, "line 7: \"op\" is missing", &summary).unwrap()
        };
        let error = json!({"title": "Unprocessable Entity", "status": 422,
            "detail": "line 7: \"op\" is missing"});
        let summary = json!({"total": 0, "succeeded": 0, "failed": 0, "skipped": 0,
            "mode": "stop", "complete": false});
        let document: Value = serde_json::from_slice(&write(Layout::Document)).unwrap();
        let items = [&expected()[0]];
        assert_eq!(document, json!({"items": items, "error": error, "summary": summary}));
        let lines = write(Layout::Lines);
        let lines: Vec<Value> = lines
            .split_inclusive(|&byte| byte == b'\n')
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        let [first, ..] = expected();
        assert_eq!(lines, [first, json!({"error": error}), json!({"summary": summary})]);
    }

    #[test]
    fn an_empty_body_and_one_without_items() {
        let empty = MultiStatus::default().to_json(Layout::Document);
        assert_eq!(serde_json::from_slice::<Value>(&empty).unwrap(), json!({"items": []}));
        let plain = MultiStatus {
            responses: vec![Response::status("/a", StatusCode::LOCKED)],
            trailer: Trailer::default(),
        };
        let read: Value = serde_json::from_slice(&plain.to_json(Layout::Document)).unwrap();
        assert_eq!(read["items"][0]["status"], 423);
    }

    #[test]
    fn after_an_output_error_nothing_more_is_written() {
        let response = Response::status("/a", StatusCode::OK);
        for layout in [Layout::Document, Layout::Lines] {
            let mut writer = JsonWriter::new(Full(12), layout).unwrap();
            assert!(writer.response(&response).is_err());
            writer.get_mut().0 = 1000;
            assert!(writer.response(&response).is_err());
            assert_eq!(writer.get_ref().0, 1000);
            assert!(writer.finish(None).is_err());
        }
    }
}
