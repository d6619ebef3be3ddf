//! GET of a collection of records: all of them, or a page, as JSON, NDJSON or CSV.
//!
//! What is listed is streamed as it comes; a client that is slow holds a few portions of it.

use std::ops::ControlFlow;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Response};
use polydav_engine::Engine;
use polydav_proto::header::{Accept, read};
use polydav_proto::query;
use polydav_store::{Field, Listed, Page, ResourcePath, Store, Value};

use super::csv;
use crate::body::Body;
use crate::get::Want;
use crate::output::{self, Broken, Output};
use crate::problem::Problem;
use crate::request::Request;
use crate::site::Base;

/// How a collection of records is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A JSON array of objects.
    Array,
    /// A JSON object a line.
    Lines,
    /// RFC 4180, with the names of the columns in the first line.
    Csv,
    /// The page that every collection has, for people.
    Html,
}

impl Form {
    /// The first of equals is told.
    const OFFERED: [(&'static str, Self); 4] = [
        ("application/json", Self::Array),
        ("application/x-ndjson", Self::Lines),
        ("text/csv", Self::Csv),
        ("text/html", Self::Html),
    ];

    /// The form a client likes best; an array if it wants none of them. A page shows members,
    /// whatever a query asks for, so it is no answer to one.
    pub(crate) fn chosen(request: &Request) -> Result<Self, Problem> {
        let accept = read::<Accept>(&request.headers)?.unwrap_or_default();
        let offered = Self::OFFERED.map(|(media, _)| media);
        let offered = if request.query.is_some() { &offered[..3] } else { &offered[..] };
        Ok(accept.choose(offered).map_or(Self::Array, |place| Self::OFFERED[place].1))
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Array => "application/json",
            Self::Lines => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}

/// Answers with the records of the collection.
pub(crate) async fn list(
    engine: &Engine,
    request: Request,
    form: Form,
    want: Want,
) -> Result<Response<Body>, Problem> {
    let query = request.query.as_ref().map_or("", |query| &*query.text);
    let page = page(query)?;
    let (store, path, base) = (engine.store().clone(), request.path, request.base);
    let located = !request.slash && request.query.is_none();
    let listing = Listing { store, path, base, located, form, want, page };
    output::written(move |output| listing.write(output)).await
}

/// Which records a query asks for: `limit` of them, behind a `cursor`, those with the values that
/// columns have. A column that is named like one of the two can't be asked for.
fn page(query: &str) -> Result<Page, Problem> {
    let wrong = |said: &str| Problem::bad_request(format!("the query: {said}"));
    let mut page = Page::default();
    for (name, value) in query::parse(query.as_bytes()).map_err(|e| wrong(&e.to_string()))? {
        match &*name {
            "limit" => {
                let limit = value.bytes().all(|byte| byte.is_ascii_digit()).then_some(&value);
                let limit = limit.and_then(|limit| limit.parse().ok()).filter(|&limit| limit > 0);
                let expected = || wrong("limit: expected a number from 1 on");
                page.limit = Some(limit.ok_or_else(expected)?);
            }
            "cursor" => page.after = Some(value),
            _ => page.filter.push(Field { name: name.into(), value: Value::Text(value.into()) }),
        }
    }
    Ok(page)
}

struct Listing {
    store: Arc<dyn Store>,
    path: ResourcePath,
    base: Base,
    /// Whether to say where this is, since it was asked for without the slash (RFC 4918 §5.2).
    located: bool,
    form: Form,
    want: Want,
    page: Page,
}

impl Listing {
    fn write(self, output: &mut Output) -> Result<(), Broken> {
        let mut text = Text { buffer: Output::buffer(), form: self.form, is_first: true };
        let mut told = Ok(());
        let listed = self.store.list(&self.path, &self.page, &mut |listed| {
            told = match listed {
                Listed::Head { columns, next } => {
                    output.header = self.header(next.as_deref());
                    text.begin(&columns);
                    if self.want == Want::Header {
                        return ControlFlow::Break(());
                    }
                    Ok(())
                }
                Listed::Record(json) => {
                    text.record(&json).and_then(|()| output.pass_on(&mut text.buffer))
                }
            };
            if told.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        told?;
        listed.map_err(Broken::Unreadable)?;
        match self.want {
            Want::Header => output.end_unwritten(),
            Want::Content => output.end(text.end()),
        }
    }

    fn header(&self, next: Option<&str>) -> Response<()> {
        let mut response = Response::new(());
        let headers: &mut HeaderMap = response.headers_mut();
        let fixed = [
            (header::CONTENT_TYPE, self.form.content_type()),
            (header::VARY, "accept"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_SECURITY_POLICY, "sandbox"),
        ];
        headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
        let href = self.base.href(&self.path, true);
        let mut insert = |name: HeaderName, value: String| {
            headers.insert(name, HeaderValue::try_from(value).expect("an href is visible ASCII"));
        };
        if let Some(next) = next {
            insert(header::LINK, format!("<{href}?{}>; rel=\"next\"", self.query(next)));
        }
        if self.located {
            insert(header::CONTENT_LOCATION, href);
        }
        response
    }

    /// The query that goes on behind this page (RFC 8288 §3.3).
    fn query(&self, next: &str) -> String {
        let limit = self.page.limit.map(|limit| limit.to_string());
        let filter = self.page.filter.iter().filter_map(|field| match &field.value {
            Value::Text(value) => Some((&*field.name, &**value)),
            _ => None,
        });
        let limit = limit.as_deref().map(|limit| ("limit", limit));
        query::write(limit.into_iter().chain([("cursor", next)]).chain(filter))
    }
}

/// The text of a listing, record by record.
struct Text {
    buffer: Vec<u8>,
    form: Form,
    is_first: bool,
}

impl Text {
    fn begin(&mut self, columns: &[Arc<str>]) {
        match self.form {
            Form::Csv => csv::header(&mut self.buffer, columns),
            Form::Array => self.buffer.push(b'['),
            Form::Lines | Form::Html => {}
        }
    }

    fn record(&mut self, json: &[u8]) -> Result<(), Broken> {
        match self.form {
            Form::Csv => {
                csv::record(&mut self.buffer, json)
                    .map_err(|error| Broken::Failed(std::io::Error::other(error)))?;
            }
            Form::Lines => {
                // In JSON a line break stands only where a space might.
                let breaks = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
                self.buffer.extend(json.iter().map(breaks));
                self.buffer.push(b'\n');
            }
            Form::Array | Form::Html => {
                self.buffer.extend_from_slice(if self.is_first { b"\n" } else { b",\n" });
                self.buffer.extend_from_slice(json);
            }
        }
        self.is_first = false;
        Ok(())
    }

    fn end(mut self) -> Vec<u8> {
        if self.form == Form::Array {
            self.buffer.extend_from_slice(if self.is_first { b"]\n" } else { b"\n]\n" });
        }
        self.buffer
    }
}
