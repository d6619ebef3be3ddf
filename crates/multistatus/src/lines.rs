//! A 207 body from NDJSON, line by line, strictly.

use std::io::{self, BufRead, Read as _};

use http::StatusCode;
use serde::Deserialize;

use crate::batch::{Item, Member, Mode, Outcome, Retry, Summary};
use crate::model::{PropStat, Property, Report, Response};
use crate::xml::{Element, Name};

/// Reads what a [`JsonWriter`](crate::JsonWriter) of [`Layout::Lines`](crate::Layout::Lines) writes,
/// in constant memory: an iterator of its responses, then [`LineReader::finish`] for how it ended.
///
/// A body without its last line is an error, never a shorter list: of the items that it doesn't tell
/// of, nothing is known. Where it says by itself that it was broken off ([`Ending::broken_off`]), they
/// were not tried.
///
/// JSON says less than XML: the href of a response is that of its item, and of properties and
/// conditions there are the names alone. Keys it doesn't know are ignored.
///
/// ```
/// use multistatus::{LineError, LineReader};
///
/// let item = r#"{"index":0,"op":"delete","href":"/a","status":204,"outcome":"applied"}"#;
/// let end = r#"{"summary":{"total":1,"succeeded":1,"failed":0,"skipped":0,"mode":"stop","complete":true}}"#;
/// let body = format!("{item}\n{end}\n");
/// let mut reader = LineReader::new(body.as_bytes());
/// assert_eq!(reader.read()?.unwrap().href(), "/a");
/// assert_eq!(reader.finish()?.summary.succeeded, 1);
///
/// let cut = LineReader::new(item.as_bytes()).finish();
/// assert!(matches!(cut, Err(LineError::Cut { lines: 1 })));
/// # Ok::<(), LineError>(())
/// ```
pub struct LineReader<R> {
    source: R,
    line_bytes_max: u64,
    line: Vec<u8>,
    /// How many lines were begun.
    lines: u64,
    /// How many items were told of.
    items: u64,
    broken_off: Option<BrokenOff>,
    state: State,
}

enum State {
    Reading,
    Ended(Summary),
    Failed,
}

/// How a body of lines ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The counts of the items it tells of.
    pub summary: Summary,
    /// Why it doesn't tell of all, if so; none of the others was tried.
    pub broken_off: Option<BrokenOff>,
}

/// Why a body doesn't tell of all items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenOff {
    /// The status a request for the rest would have got.
    pub status: StatusCode,
    /// A text for people.
    pub detail: Option<String>,
}

/// Why a body of lines can't be relied upon.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It ends without a summary.
    #[error(
        "the body was cut behind line {lines}: of the items it doesn't tell of nothing is known"
    )]
    Cut {
        /// How many lines there were.
        lines: u64,
    },
    /// A line makes no sense, or is too long.
    #[error("line {line}: {message}")]
    Invalid {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
    /// A call before this one failed.
    #[error("the body could not be read before")]
    Failed,
    /// The source failed.
    #[error("the source failed")]
    Io(#[from] io::Error),
}

impl<R: BufRead> LineReader<R> {
    /// Reads a body with lines of 8 MiB at most.
    pub fn new(source: R) -> Self {
        Self::with_limit(source, 8 << 20)
    }

    /// Reads a body with lines of so many bytes at most.
    pub fn with_limit(source: R, line_bytes_max: u64) -> Self {
        let (line, state) = (Vec::new(), State::Reading);
        Self { source, line_bytes_max, line, lines: 0, items: 0, broken_off: None, state }
    }

    /// The next response; `None` once the whole body has been read and was good.
    ///
    /// # Errors
    /// If the body is cut or makes no sense, or if the source fails. All further calls fail too.
    pub fn read(&mut self) -> Result<Option<Response>, LineError> {
        match self.state {
            State::Ended(_) => return Ok(None),
            State::Failed => return Err(LineError::Failed),
            State::Reading => {}
        }
        let read = self.try_read();
        if read.is_err() {
            self.state = State::Failed;
        }
        read
    }

    fn try_read(&mut self) -> Result<Option<Response>, LineError> {
        while self.next_line()? {
            // serde would take an array of the values too.
            if !self.line.trim_ascii_start().starts_with(b"{") {
                return Err(self.invalid(&"expected an object"));
            }
            let line: Line = serde_json::from_slice(&self.line).map_err(|e| self.invalid(&e))?;
            match line {
                Line { summary: Some(summary), .. } => {
                    let summary = self.summary(summary)?;
                    if self.next_line()? {
                        return Err(self.invalid(&"nothing may follow the summary"));
                    }
                    self.state = State::Ended(summary);
                    return Ok(None);
                }
                Line { error: Some(error), .. } if self.broken_off.is_none() => {
                    let status =
                        error.status.ok_or_else(|| self.invalid(&"a status is missing"))?;
                    let status = code(status).map_err(|said| self.invalid(&said))?;
                    self.broken_off = Some(BrokenOff { status, detail: error.detail });
                }
                _ if self.broken_off.is_some() => {
                    return Err(self.invalid(&"only the summary may follow an error"));
                }
                line => {
                    self.items += u64::from(line.index.is_some());
                    return line.response().map(Some).map_err(|said| self.invalid(&said));
                }
            }
        }
        Err(LineError::Cut { lines: self.lines })
    }

    /// Reads what is left, and tells how it ended.
    ///
    /// # Errors
    /// As [`LineReader::read`].
    pub fn finish(mut self) -> Result<Ending, LineError> {
        while self.read()?.is_some() {}
        match self.state {
            State::Ended(summary) => Ok(Ending { summary, broken_off: self.broken_off }),
            State::Reading | State::Failed => Err(LineError::Failed),
        }
    }

    /// Takes in a line that isn't empty; `false` if there is none left.
    fn next_line(&mut self) -> Result<bool, LineError> {
        let max = self.line_bytes_max;
        loop {
            self.line.clear();
            let mut bounded = self.source.by_ref().take(max.saturating_add(1));
            if bounded.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(false);
            }
            self.lines += 1;
            if self.line.len() as u64 > max {
                return Err(self.invalid(&format_args!("a line has at most {max} bytes")));
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn invalid(&self, said: &dyn std::fmt::Display) -> LineError {
        LineError::Invalid { line: self.lines, message: said.to_string() }
    }

    fn summary(&self, told: LineSummary) -> Result<Summary, LineError> {
        let LineSummary { total, succeeded, failed, skipped, mode, commit_error, complete } = told;
        let counted = succeeded.checked_add(failed).and_then(|count| count.checked_add(skipped));
        if counted != Some(total) {
            return Err(self.invalid(&"the counts don't add up to the total"));
        }
        if self.items > total {
            return Err(self.invalid(&"the total is less than the items told of"));
        }
        if complete == self.broken_off.is_some() {
            return Err(self.invalid(&"complete: expected false behind an error, and nowhere else"));
        }
        let mode = Mode::parse(&mode).ok_or_else(|| self.invalid(&"unknown mode"))?;
        Ok(Summary { total, succeeded, failed, skipped, mode, commit_error })
    }
}

impl<R: BufRead> Iterator for LineReader<R> {
    type Item = Result<Response, LineError>;

    /// After an error, it goes on returning errors: stop at the first, as `collect` into a
    /// `Result` does.
    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Any of the lines there are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    summary: Option<LineSummary>,
    error: Option<LineProblem>,
    index: Option<u64>,
    id: Option<String>,
    op: Option<String>,
    href: Option<String>,
    status: Option<u16>,
    outcome: Option<String>,
    retry: Option<String>,
    retry_after: Option<u64>,
    cause: Option<u64>,
    location: Option<String>,
    etag: Option<String>,
    #[serde(default)]
    properties: Vec<LineProperty>,
    problem: Option<LineProblem>,
    #[serde(default)]
    members: Vec<LineMember>,
    #[serde(default)]
    members_truncated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineSummary {
    total: u64,
    succeeded: u64,
    failed: u64,
    skipped: u64,
    mode: String,
    commit_error: Option<String>,
    complete: bool,
}

#[derive(Deserialize)]
struct LineProblem {
    status: Option<u16>,
    detail: Option<String>,
    column: Option<String>,
    #[serde(default)]
    conditions: Vec<String>,
}

#[derive(Deserialize)]
struct LineProperty {
    name: String,
    status: u16,
}

#[derive(Deserialize)]
struct LineMember {
    href: String,
    status: u16,
    description: Option<String>,
}

impl Line {
    fn response(mut self) -> Result<Response, String> {
        let href = self.href.take().ok_or("href is missing")?;
        let problem = self.problem.take();
        let location = self.location.take();
        let propstats = propstats(std::mem::take(&mut self.properties))?;
        let status = self.status.map(code).transpose()?;
        let mut response = match (self.index.is_some(), status) {
            (true, Some(status)) => Response::item(href.clone(), self.item(href, status)?),
            (false, Some(status)) => Response::status(href, status),
            (false, None) if !propstats.is_empty() => Response::properties(href, []),
            _ => return Err("status is missing".to_owned()),
        };
        if !propstats.is_empty() {
            response.report = Report::Properties(propstats);
        }
        if let Some(problem) = problem {
            response.description = problem.detail;
            let conditions = problem.conditions.iter();
            let conditions = conditions.map(|condition| name(condition).map(Element::new));
            response.conditions = conditions.collect::<Result<_, _>>()?;
            if let Some(item) = &mut response.item {
                item.column = problem.column;
            }
        }
        response.location = location;
        Ok(response)
    }

    fn item(self, href: String, status: StatusCode) -> Result<Item, String> {
        let index = self.index.ok_or("index is missing")?;
        let outcome = self.outcome.as_deref().ok_or("outcome is missing")?;
        let retry = self.retry.as_deref();
        let retry = retry.map(|word| Retry::parse(word, self.retry_after).ok_or("unknown retry"));
        let members = self.members.into_iter().map(|LineMember { href, status, description }| {
            Ok::<_, String>(Member { href, status: code(status)?, description })
        });
        Ok(Item {
            id: self.id,
            outcome: Outcome::parse(outcome).ok_or("unknown outcome")?,
            retry: retry.transpose()?,
            cause: self.cause,
            etag: self.etag,
            members: members.collect::<Result<_, _>>()?,
            members_truncated: self.members_truncated,
            ..Item::new(index, self.op.ok_or("op is missing")?, href, status)
        })
    }
}

/// Properties of one status that stand one after the other were written as one propstat.
fn propstats(properties: Vec<LineProperty>) -> Result<Vec<PropStat>, String> {
    let mut propstats: Vec<PropStat> = Vec::new();
    for property in properties {
        let (status, property) = (code(property.status)?, Property::empty(name(&property.name)?));
        match propstats.last_mut() {
            Some(last) if last.status == status => last.properties.push(property),
            _ => propstats.push(PropStat::new(status, [property])),
        }
    }
    Ok(propstats)
}

fn code(status: u16) -> Result<StatusCode, String> {
    StatusCode::from_u16(status).map_err(|_| format!("{status} is no status"))
}

/// What `Display` of a [`Name`] writes.
fn name(text: &str) -> Result<Name, String> {
    let (namespace, local) =
        text.strip_prefix('{').and_then(|rest| rest.rsplit_once('}')).unwrap_or(("", text));
    Name::new(namespace, local).map_err(|error| format!("{text:?} is no name: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JsonWriter, Layout, MultiStatus};

    fn read(body: &[u8]) -> Result<(Vec<Response>, Ending), LineError> {
        let mut reader = LineReader::new(body);
        let responses = reader.by_ref().collect::<Result<_, _>>()?;
        Ok((responses, reader.finish()?))
    }

    fn body() -> MultiStatus {
        let failed = Item {
            id: Some("m1".to_owned()),
            outcome: Outcome::Partial,
            column: Some("id".to_owned()),
            retry: Some(Retry::After(5)),
            cause: Some(0),
            etag: Some("\"v1\"".to_owned()),
            members: vec![Member {
                href: "/b/c".to_owned(),
                status: StatusCode::LOCKED,
                description: Some("locked".to_owned()),
            }],
            members_truncated: true,
            ..Item::new(1, "delete", "/b/", StatusCode::LOCKED)
        };
        let patched = Item::new(2, "proppatch", "/a", StatusCode::FORBIDDEN);
        let names = [Name::dav("getetag"), Name::from_static("urn:{x}", "a")];
        let stats = names
            .map(Property::empty)
            .into_iter()
            .zip([403, 424])
            .map(|(name, status)| PropStat::new(StatusCode::from_u16(status).unwrap(), [name]));
        MultiStatus::batch(
            Mode::Stop,
            [
                Response::item("/a", Item::new(0, "put", "/a", StatusCode::CREATED))
                    .with_location("/a2"),
                Response::item("/b/", failed)
                    .with_description("locked \"by\" Jane\n")
                    .with_condition(Element::new(Name::dav("lock-token-submitted"))),
                Response { item: Some(patched), ..Response::properties("/a", stats) },
                Response::status("/c", StatusCode::OK),
            ],
        )
    }

    #[test]
    fn what_is_written_is_read() {
        let body = body();
        let (responses, ending) = read(&body.to_json(Layout::Lines)).unwrap();
        assert_eq!(responses, body.responses);
        assert_eq!(Some(ending.summary), body.trailer.summary);
        assert_eq!(ending.broken_off, None);
        assert!(read(&MultiStatus::default().to_json(Layout::Lines)).unwrap().0.is_empty());
    }

    #[test]
    fn a_body_that_says_it_was_broken_off() {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut writer = JsonWriter::new(Vec::new(), Layout::Lines).unwrap();
        let first = &body().responses[0];
        writer.response(first).unwrap();
        let summary = Summary::of(Mode::Stop, &first.item);
        let bytes = writer.break_off(status, "too late", &summary).unwrap();
        let (responses, ending) = read(&bytes).unwrap();
        assert_eq!(responses.len(), 1);
        let broken_off = BrokenOff { status, detail: Some("too late".to_owned()) };
        assert_eq!(ending.broken_off, Some(broken_off));
    }

    #[test]
    fn a_cut_body_is_an_error() {
        let bytes = body().to_json(Layout::Lines);
        // Without the last line end alone, it is whole.
        for cut in 0..bytes.len() - 1 {
            assert!(read(&bytes[..cut]).is_err(), "{cut}");
        }
        let lines = bytes.split_inclusive(|&byte| byte == b'\n');
        let kept = lines.clone().take(lines.count() - 1).flatten().copied().collect::<Vec<_>>();
        let error = read(&kept).unwrap_err();
        assert!(matches!(error, LineError::Cut { lines: 4 }), "{error}");
    }

    #[test]
    fn lines_that_make_no_sense() {
        const ITEM: &str = r#"{"index":0,"op":"put","href":"/a","status":201,"outcome":"applied"}"#;
        const END: &str = r#"{"summary":{"total":1,"succeeded":1,"failed":0,"skipped":0,"mode":"stop","complete":true}}"#;
        const ERROR: &str = r#"{"error":{"status":400}}"#;
        let broken_off = END.replace("true", "false");
        for (lines, said) in [
            (["{x", END], "line 1: key must be a string"),
            (["[]", END], "line 1: expected an object"),
            (["{}", END], "line 1: href is missing"),
            ([&ITEM.replace("201", "99"), END], "line 1: 99 is no status"),
            ([&ITEM.replace("\"applied\"", "\"done\""), END], "line 1: unknown outcome"),
            ([&ITEM.replace(",\"outcome\":\"applied\"", ""), END], "line 1: outcome is missing"),
            ([ITEM, &END.replace("\"failed\":0", "\"failed\":1")], "line 2: the counts"),
            ([ITEM, &END.replace('1', "0")], "line 2: the total is less"),
            ([ITEM, &END.replace("stop", "now")], "line 2: unknown mode"),
            ([ITEM, &broken_off], "line 2: complete: expected"),
            ([ERROR, END], "line 2: complete: expected"),
            ([ERROR, ERROR], "line 2: only the summary"),
            ([ERROR, ITEM], "line 2: only the summary"),
            ([END, ITEM], "line 2: nothing may follow"),
            ([END, END], "line 2: nothing may follow"),
        ] {
            let error = read(lines.join("\n").as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(said), "{lines:?}: {error}");
        }
        let more = [&ITEM.replace("{", "{\"new\":1,"), "", END].join("\r\n");
        assert_eq!(read(more.as_bytes()).unwrap().0.len(), 1);
    }

    #[test]
    fn lines_are_bounded_and_errors_repeat() {
        let bytes = body().to_json(Layout::Lines);
        let mut reader = LineReader::with_limit(&bytes[..], 20);
        let error = reader.read().unwrap_err();
        assert_eq!(error.to_string(), "line 1: a line has at most 20 bytes");
        assert!(matches!(reader.read(), Err(LineError::Failed)));
        assert!(matches!(reader.finish(), Err(LineError::Failed)));
    }
}
