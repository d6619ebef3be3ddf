//! The page of a collection: a plain listing for people, without a script.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use http::Response;
use http::header::{self, HeaderValue};
use polydav_engine::LiveView;
use polydav_proto::header::write_date;
use polydav_store::{Entry, Failure, ResourcePath, Select, Visit, Walk, WalkDepth};

use crate::body::Body;
use crate::request::is_reserved;
use crate::site::Base;

/// The most members a page shows.
const MEMBERS_MAX: usize = 10_000;

const STYLE: &str = "body{font-family:sans-serif;margin:2em}td{padding:.1em 1.5em .1em 0}\
                     td+td{text-align:right}";

/// The members of a collection, as many as a page shows.
pub(crate) struct Members {
    entries: Vec<Entry>,
    more: bool,
    failed: usize,
}

impl Members {
    pub(crate) fn read(view: LiveView<'_>, path: &ResourcePath) -> Result<Self, Failure> {
        let mut members = Self { entries: Vec::new(), more: false, failed: 0 };
        let walk = Walk { depth: WalkDepth::One, select: Select::None };
        view.walk(path, &walk, &mut |visit| {
            if members.entries.len() == MEMBERS_MAX {
                members.more = true;
                return ControlFlow::Break(());
            }
            match visit {
                _ if is_reserved(visit.path()) => {}
                Visit::Entry(entry) | Visit::Cut(entry) => members.entries.push(entry),
                Visit::Failure(..) => members.failed += 1,
            }
            ControlFlow::Continue(())
        })?;
        members.entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(members)
    }
}

/// The page; `slash` tells whether the URL was written as that of a collection.
pub(crate) fn respond(base: &Base, entry: &Entry, members: Members, slash: bool) -> Response<Body> {
    let mut response = Response::new(Body::from(html(base, &entry.path, &members)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    if !slash && let Ok(location) = HeaderValue::try_from(base.href(&entry.path, true)) {
        headers.insert(header::CONTENT_LOCATION, location);
    }
    response
}

fn html(base: &Base, path: &ResourcePath, members: &Members) -> String {
    let title = escape(&path.to_string());
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n<table>\n"
    );
    if let Some(parent) = path.parent() {
        let _ =
            writeln!(html, "<tr><td><a href=\"{}\">../</a></td></tr>", base.href(&parent, true));
    }
    for entry in &members.entries {
        row(&mut html, base, entry);
    }
    html.push_str("</table>\n");
    if members.failed > 0 {
        let _ = writeln!(html, "<p>{} members can't be shown.</p>", members.failed);
    }
    if members.more {
        let _ = writeln!(html, "<p>Only {MEMBERS_MAX} members are shown.</p>");
    }
    html.push_str("</body></html>\n");
    html
}

fn row(html: &mut String, base: &Base, entry: &Entry) {
    let slash = if entry.is_collection() { "/" } else { "" };
    let name = escape(&String::from_utf8_lossy(entry.path.name().unwrap_or_default()));
    let length = if entry.is_collection() { String::new() } else { entry.length.to_string() };
    let _ = writeln!(
        html,
        "<tr><td><a href=\"{}\">{name}{slash}</a></td><td>{length}</td><td>{}</td></tr>",
        base.href(&entry.path, entry.is_collection()),
        entry.modified.and_then(write_date).unwrap_or_default(),
    );
}

/// Names are text, whatever is in them.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ if character.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            _ => escaped.push(character),
        }
    }
    escaped
}
