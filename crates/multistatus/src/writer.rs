//! A 207 body as XML, response by response.

use std::io::{self, Write as _};

use http::StatusCode;

use crate::batch::{self, Item, Summary};
use crate::model::{
    MultiStatus, PropStat, Property, Report, Response, Trailer, Value, has_duplicates,
};
use crate::status;
use crate::xml::{DAV, Element, Fragment, Name, Scope, XML, escape_attribute, escape_text};

/// The media type of what a [`Writer`] writes.
pub const CONTENT_TYPE: &str = "application/xml; charset=\"utf-8\"";

/// Writes a `DAV:multistatus` in constant memory.
///
/// Each response is put together in a buffer and handed over in one piece when it is complete, so
/// one that can't be written leaves no trace. Only [`Writer::finish`] makes the document
/// well-formed: a writer that is dropped leaves one that every reader refuses.
///
/// Elements of RFC 4918 always have the prefix `D`, which some clients insist on.
///
/// That no href stands in two responses (RFC 4918 §14.24) is up to the caller: to check it would
/// take memory for all of them.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// The response in the making.
    buffer: Vec<u8>,
    /// The prefixes the root element declares.
    scope: Scope,
    batch: bool,
    /// Something was handed over in part; what follows would make it worse.
    broken: bool,
}

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It makes no sense; nothing of it was written, and the writer can go on.
    #[error(transparent)]
    Invalid(#[from] InvalidResponse),
    /// The output failed; the writer can't go on.
    #[error("the output failed")]
    Io(#[from] io::Error),
}

/// What is wrong with a response, before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the messages say it
pub enum InvalidResponse {
    #[error("expected an href")]
    NoHref,
    #[error("expected a percent-encoded href")]
    BadHref,
    #[error("expected each href once")]
    DuplicateHref,
    #[error("expected one href only, since there are properties")]
    SeveralHrefs,
    #[error("expected a status or a propstat")]
    NoStatus,
    #[error("expected the status of the batch item to be that of the response")]
    ItemStatus,
    #[error("expected a writer for batches, since there is a batch item or summary")]
    NotABatch,
}

/// What the buffer of a response takes at the beginning: hardly any is longer, and glibc keeps at hand
/// for a thread what takes no more than 1,032 bytes.
const RESPONSE_BYTES: usize = 1_000;

impl<W: io::Write> Writer<W> {
    /// Begins a document.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn new(out: W) -> io::Result<Self> {
        Self::begin_document(out, false)
    }

    /// Begins a document that answers a batch, so that items and a summary can stand in it.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn batch(out: W) -> io::Result<Self> {
        Self::begin_document(out, true)
    }

    fn begin_document(mut out: W, batch: bool) -> io::Result<Self> {
        let mut scope = Scope::default();
        scope.push();
        scope.declare_static("D", DAV);
        let mut buffer = Vec::with_capacity(RESPONSE_BYTES);
        buffer.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
        buffer.extend_from_slice(b"<D:multistatus xmlns:D=\"DAV:\"");
        if batch {
            scope.declare_static("B", batch::NAMESPACE);
            buffer.extend_from_slice(b" xmlns:B=\"");
            buffer.extend_from_slice(batch::NAMESPACE.as_bytes());
            buffer.push(b'"');
        }
        buffer.extend_from_slice(b">\n");
        out.write_all(&buffer)?;
        Ok(Self { out, buffer, scope, batch, broken: false })
    }

    /// Writes a response.
    ///
    /// # Errors
    /// If it makes no sense, or the output fails.
    pub fn response(&mut self, response: &Response) -> Result<(), WriteError> {
        self.check(response)?;
        self.begin_response();
        for href in &response.hrefs {
            self.href(href);
        }
        match &response.report {
            Report::Status(status) => self.status_line(*status),
            Report::Properties(propstats) => {
                for propstat in propstats {
                    self.propstat(propstat);
                }
            }
        }
        self.conditions(&response.conditions);
        self.description(response.description.as_deref());
        if let Some(location) = &response.location {
            self.put("<D:location>");
            self.href(location);
            self.put("</D:location>");
        }
        if let Some(item) = &response.item {
            self.item(item);
        }
        self.extensions(&response.extensions);
        self.end_response()
    }

    /// Writes a response with one status for the resource as a whole.
    ///
    /// # Errors
    /// If `href` is none, or the output fails.
    pub fn status(&mut self, href: &str, status: StatusCode) -> Result<(), WriteError> {
        check_href(href)?;
        self.begin_response();
        self.href(href);
        self.status_line(status);
        self.end_response()
    }

    /// Begins a response with properties, which are then written one by one without allocating.
    /// Nothing is handed over before [`PropertyResponse::end`].
    ///
    /// # Errors
    /// If `href` is none.
    pub fn properties(&mut self, href: &str) -> Result<PropertyResponse<'_, W>, WriteError> {
        check_href(href)?;
        self.begin_response();
        self.href(href);
        Ok(PropertyResponse { writer: self, empty: true })
    }

    /// Writes what follows the responses, and gives back the output.
    ///
    /// # Errors
    /// If there is a summary, but this is no batch, or if the output fails.
    pub fn finish(mut self, trailer: &Trailer) -> Result<W, WriteError> {
        if trailer.summary.is_some() && !self.batch {
            return Err(InvalidResponse::NotABatch.into());
        }
        self.buffer.clear();
        self.description(trailer.description.as_deref());
        if let Some(summary) = &trailer.summary {
            self.summary(summary);
        }
        self.extensions(&trailer.extensions);
        self.put("</D:multistatus>\n");
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

    fn check(&self, response: &Response) -> Result<(), InvalidResponse> {
        let hrefs = &response.hrefs;
        if hrefs.is_empty() {
            return Err(InvalidResponse::NoHref);
        }
        hrefs.iter().chain(&response.location).try_for_each(|href| check_href(href))?;
        if has_duplicates(hrefs) {
            return Err(InvalidResponse::DuplicateHref);
        }
        match &response.report {
            Report::Properties(propstats) if propstats.is_empty() => {
                return Err(InvalidResponse::NoStatus);
            }
            Report::Properties(_) if hrefs.len() > 1 => return Err(InvalidResponse::SeveralHrefs),
            Report::Status(status) => {
                if response.item.as_ref().is_some_and(|item| item.status != *status) {
                    return Err(InvalidResponse::ItemStatus);
                }
            }
            Report::Properties(_) => {}
        }
        if response.item.is_some() && !self.batch {
            return Err(InvalidResponse::NotABatch);
        }
        Ok(())
    }

    fn put(&mut self, markup: &str) {
        self.buffer.extend_from_slice(markup.as_bytes());
    }

    fn begin_response(&mut self) {
        self.buffer.clear();
        self.put("<D:response>");
    }

    fn end_response(&mut self) -> Result<(), WriteError> {
        self.put("</D:response>\n");
        Ok(self.hand_over()?)
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

    fn href(&mut self, href: &str) {
        self.put("<D:href>");
        escape_text(&mut self.buffer, href);
        self.put("</D:href>");
    }

    fn status_line(&mut self, status: StatusCode) {
        self.put("<D:status>");
        status::write(&mut self.buffer, status);
        self.put("</D:status>");
    }

    fn description(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.put("<D:responsedescription>");
            escape_text(&mut self.buffer, text);
            self.put("</D:responsedescription>");
        }
    }

    fn conditions(&mut self, conditions: &[Element]) {
        if !conditions.is_empty() {
            self.put("<D:error>");
            self.extensions(conditions);
            self.put("</D:error>");
        }
    }

    fn extensions(&mut self, elements: &[Element]) {
        for element in elements {
            element.write(&mut self.buffer, &mut self.scope);
        }
    }

    fn propstat(&mut self, propstat: &PropStat) {
        self.put("<D:propstat><D:prop>");
        let mut properties = Properties { out: &mut self.buffer, scope: &mut self.scope };
        for property in &propstat.properties {
            properties.property(property);
        }
        self.put("</D:prop>");
        self.status_line(propstat.status);
        self.conditions(&propstat.conditions);
        self.description(propstat.description.as_deref());
        self.put("</D:propstat>");
    }

    fn item(&mut self, item: &Item) {
        self.put("<B:item");
        let retry = item.retry.map(batch::Retry::as_str);
        let truncated = item.members_truncated.then_some("true");
        self.optional(b" id=\"", item.id.as_deref());
        self.number(b" index=\"", Some(item.index));
        self.optional(b" op=\"", Some(&item.op));
        self.optional(b" href=\"", Some(&item.href));
        self.optional(b" status=\"", Some(item.status.as_str()));
        self.optional(b" outcome=\"", Some(item.outcome.as_str()));
        self.optional(b" retry=\"", retry);
        self.number(b" retry-after=\"", item.retry.and_then(batch::Retry::seconds));
        self.number(b" cause=\"", item.cause);
        self.optional(b" etag=\"", item.etag.as_deref());
        self.optional(b" column=\"", item.column.as_deref());
        self.optional(b" members-truncated=\"", truncated);
        if item.members.is_empty() {
            return self.put("/>");
        }
        self.put(">");
        for member in &item.members {
            self.put("<B:member");
            self.optional(b" href=\"", Some(&member.href));
            self.optional(b" status=\"", Some(member.status.as_str()));
            self.put(">");
            self.description(member.description.as_deref());
            self.put("</B:member>");
        }
        self.put("</B:item>");
    }

    fn summary(&mut self, summary: &Summary) {
        self.put("<B:summary");
        self.number(b" total=\"", Some(summary.total));
        self.number(b" succeeded=\"", Some(summary.succeeded));
        self.number(b" failed=\"", Some(summary.failed));
        self.number(b" skipped=\"", Some(summary.skipped));
        self.optional(b" mode=\"", Some(summary.mode.as_str()));
        self.optional(b" commit-error=\"", summary.commit_error.as_deref());
        self.put("/>");
    }

    /// An attribute, if there is a value; `start` is all that stands before it.
    fn optional(&mut self, start: &[u8], value: Option<&str>) {
        if let Some(value) = value {
            self.buffer.extend_from_slice(start);
            escape_attribute(&mut self.buffer, value);
            self.buffer.push(b'"');
        }
    }

    fn number(&mut self, start: &[u8], value: Option<u64>) {
        if let Some(value) = value {
            self.buffer.extend_from_slice(start);
            // A Vec takes everything.
            let _ = write!(&mut self.buffer, "{value}\"");
        }
    }
}

/// A response with properties in the making; see [`Writer::properties`].
///
/// If it is dropped before [`PropertyResponse::end`], nothing of it is written.
#[must_use = "without `end`, nothing is written"]
#[derive(Debug)]
pub struct PropertyResponse<'w, W> {
    writer: &'w mut Writer<W>,
    empty: bool,
}

impl<W: io::Write> PropertyResponse<'_, W> {
    /// Writes the properties that share a status; nothing, if there are none.
    pub fn propstat(&mut self, status: StatusCode, write: impl FnOnce(&mut Properties<'_>)) {
        let writer = &mut *self.writer;
        let before = writer.buffer.len();
        writer.put("<D:propstat><D:prop>");
        let start = writer.buffer.len();
        write(&mut Properties { out: &mut writer.buffer, scope: &mut writer.scope });
        if writer.buffer.len() == start {
            return writer.buffer.truncate(before);
        }
        self.empty = false;
        writer.put("</D:prop>");
        writer.status_line(status);
        writer.put("</D:propstat>");
    }

    /// Ends the response and hands it over. Without any property it says that there was none to
    /// tell of, and no failure: an empty propstat of 200 (RFC 8144 §2.1).
    ///
    /// # Errors
    /// If the output fails.
    pub fn end(self) -> Result<(), WriteError> {
        if self.empty {
            self.writer.put("<D:propstat><D:prop/>");
            self.writer.status_line(StatusCode::OK);
            self.writer.put("</D:propstat>");
        }
        self.writer.end_response()
    }
}

/// A property element put into bytes once, for a [`Writer`] to write it into many responses; see
/// [`Properties::prepared`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedProperty(Vec<u8>);

impl PreparedProperty {
    /// Prepares an element.
    pub fn new(element: &Element) -> Self {
        // What every document of a writer declares on its root.
        let mut scope = Scope::default();
        scope.push();
        scope.declare_static("D", DAV);
        let mut bytes = Vec::new();
        element.write(&mut bytes, &mut scope);
        Self(bytes)
    }
}

/// Where the properties of one propstat are written.
#[derive(Debug)]
pub struct Properties<'w> {
    out: &'w mut Vec<u8>,
    scope: &'w mut Scope,
}

impl Properties<'_> {
    /// A property without a value.
    pub fn empty(&mut self, name: &Name) {
        self.start(prefix_for(name, ""), name);
        self.out.extend_from_slice(b"/>");
    }

    /// A property whose value is text.
    pub fn text(&mut self, name: &Name, text: &str) {
        if text.is_empty() {
            return self.empty(name);
        }
        if name.namespace() == DAV {
            return self.dav_text(name.local(), text);
        }
        let prefix = prefix_for(name, text);
        self.start(prefix, name);
        self.out.push(b'>');
        escape_text(self.out, text);
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(prefix.as_bytes());
        self.out.extend_from_slice(name.local().as_bytes());
        self.out.push(b'>');
    }

    /// A property element.
    pub fn element(&mut self, element: &Element) {
        element.write(self.out, self.scope);
    }

    /// A property element that was prepared.
    pub fn prepared(&mut self, property: &PreparedProperty) {
        self.out.extend_from_slice(&property.0);
    }

    /// A property element as bytes.
    pub fn raw(&mut self, fragment: &Fragment<'_>) {
        self.out.extend_from_slice(fragment.as_bytes());
    }

    /// Any property.
    pub fn property(&mut self, property: &Property) {
        match property.value() {
            Value::Empty => self.empty(property.name()),
            Value::Text(text) => self.text(property.name(), text),
            Value::Element(element) => self.element(element),
            Value::Raw(fragment) => self.raw(fragment),
        }
    }

    /// What listings are made of.
    fn dav_text(&mut self, local: &str, text: &str) {
        self.out.reserve(b"<D:></D:>".len() + 2 * local.len() + text.len());
        self.out.extend_from_slice(b"<D:");
        self.out.extend_from_slice(local.as_bytes());
        self.out.push(b'>');
        escape_text(self.out, text);
        self.out.extend_from_slice(b"</D:");
        self.out.extend_from_slice(local.as_bytes());
        self.out.push(b'>');
    }

    fn start(&mut self, prefix: &str, name: &Name) {
        self.out.push(b'<');
        self.out.extend_from_slice(prefix.as_bytes());
        self.out.extend_from_slice(name.local().as_bytes());
        let declaration: &[u8] = match (prefix, name.namespace()) {
            (FOREIGN, _) => b" xmlns:x=\"",
            (_, DAV | XML | "") => return,
            _ => b" xmlns=\"",
        };
        self.out.extend_from_slice(declaration);
        escape_attribute(self.out, name.namespace());
        self.out.push(b'"');
    }
}

/// The prefix of property names in other namespaces, declared on each.
const FOREIGN: &str = "x:";

/// The prefix of a property, with its colon.
///
/// [`FOREIGN`] would give a meaning to a text that happens to mention it, so the namespace becomes
/// the default one then.
fn prefix_for(name: &Name, text: &str) -> &'static str {
    match name.namespace() {
        DAV => "D:",
        XML => "xml:",
        "" => "",
        _ if text.contains(FOREIGN) => "",
        _ => FOREIGN,
    }
}

/// An href is a percent-encoded URI reference (RFC 3986); what else it is, the caller must know.
fn check_href(href: &str) -> Result<(), InvalidResponse> {
    const GOOD: [bool; 256] = {
        let mut good = [false; 256];
        let mut byte = b'!';
        while byte <= b'~' {
            good[byte as usize] =
                !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}');
            byte += 1;
        }
        good
    };
    if href.is_empty() {
        return Err(InvalidResponse::NoHref);
    }
    let good = href.bytes().all(|byte| GOOD[usize::from(byte)]);
    if good { Ok(()) } else { Err(InvalidResponse::BadHref) }
}

impl MultiStatus {
    /// The whole body as XML.
    ///
    /// # Errors
    /// If one of the responses makes no sense.
    pub fn to_xml(&self) -> Result<Vec<u8>, InvalidResponse> {
        let batch = self.trailer.summary.is_some()
            || self.responses.iter().any(|response| response.item.is_some());
        let write = || -> Result<Vec<u8>, WriteError> {
            let mut writer = Writer::begin_document(Vec::new(), batch)?;
            self.responses.iter().try_for_each(|response| writer.response(response))?;
            writer.finish(&self.trailer)
        };
        write().map_err(|error| match error {
            WriteError::Invalid(invalid) => invalid,
            WriteError::Io(error) => unreachable!("a Vec takes everything: {error}"),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::batch::{Mode, Outcome, Retry};

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_batch_looks_as_documented() {
        let first = Item::new(0, "mkcol", "/files/2026/", StatusCode::CREATED);
        let second = Item {
            id: Some("m1".to_owned()),
            retry: Some(Retry::AfterRefresh),
            ..Item::new(1, "move", "/files/inbox/x", StatusCode::PRECONDITION_FAILED)
        };
        let third = Item {
            outcome: Outcome::NotAttempted,
            retry: Some(Retry::After(5)),
            cause: Some(1),
            ..Item::new(2, "delete", "/files/old/", StatusCode::FAILED_DEPENDENCY)
        };
        let body = MultiStatus::batch(
            Mode::Stop,
            [
                Response::item("/files/2026/", first),
                Response::item("/files/inbox/x", second).with_description("the ETag is \"v2\""),
                Response::item("/files/old/", third),
            ],
        );
        let expected = r#"<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:B="urn:polydav:batch:1">
<D:response><D:href>/files/2026/</D:href><D:status>HTTP/1.1 201 Created</D:status><B:item index="0" op="mkcol" href="/files/2026/" status="201" outcome="applied"/></D:response>
<D:response><D:href>/files/inbox/x</D:href><D:status>HTTP/1.1 412 Precondition Failed</D:status><D:responsedescription>the ETag is "v2"</D:responsedescription><B:item id="m1" index="1" op="move" href="/files/inbox/x" status="412" outcome="not-applied" retry="after-refresh"/></D:response>
<D:response><D:href>/files/old/</D:href><D:status>HTTP/1.1 424 Failed Dependency</D:status><B:item index="2" op="delete" href="/files/old/" status="424" outcome="not-attempted" retry="after" retry-after="5" cause="1"/></D:response>
<B:summary total="3" succeeded="1" failed="1" skipped="1" mode="stop"/></D:multistatus>
"#;
        assert_eq!(text(&body.to_xml().unwrap()), expected);
    }

    #[test]
    fn malformed_responses_leave_no_trace() {
        let good = Response::status("/a", StatusCode::OK);
        let propstat = PropStat::new(StatusCode::OK, []);
        let cases = [
            (InvalidResponse::NoHref, Response { hrefs: vec![], ..good.clone() }),
            (InvalidResponse::NoHref, Response::status("", StatusCode::OK)),
            (InvalidResponse::BadHref, Response::status("/a b", StatusCode::OK)),
            (InvalidResponse::BadHref, Response::status("/é", StatusCode::OK)),
            (InvalidResponse::BadHref, good.clone().with_location("\r\n")),
            (InvalidResponse::NoStatus, Response::properties("/a", [])),
            (
                InvalidResponse::DuplicateHref,
                Response { hrefs: vec!["/a".into(), "/b".into(), "/a".into()], ..good.clone() },
            ),
            (
                InvalidResponse::SeveralHrefs,
                Response {
                    hrefs: vec!["/a".into(), "/b".into()],
                    ..Response::properties("/", [propstat])
                },
            ),
            (
                InvalidResponse::NotABatch,
                Response::item("/a", Item::new(0, "put", "/a", StatusCode::OK)),
            ),
        ];
        let mut writer = Writer::new(Vec::new()).unwrap();
        let before = writer.get_ref().len();
        for (expected, response) in cases {
            match writer.response(&response) {
                Err(WriteError::Invalid(invalid)) => assert_eq!(invalid, expected, "{response:?}"),
                other => panic!("{other:?} for {response:?}"),
            }
        }
        drop(writer.properties("/a").unwrap());
        assert_eq!(writer.get_ref().len(), before);
        writer.response(&good).unwrap();
        let body = writer.finish(&Trailer::default()).unwrap();
        assert_eq!(MultiStatus::from_xml(&body).unwrap(), MultiStatus::new([good]));

        let mut writer = Writer::batch(Vec::new()).unwrap();
        let item = Item::new(0, "put", "/a", StatusCode::OK);
        let other = Response { item: Some(item), ..Response::status("/a", StatusCode::CREATED) };
        assert!(matches!(
            writer.response(&other),
            Err(WriteError::Invalid(InvalidResponse::ItemStatus))
        ));
    }

    #[test]
    fn properties_one_by_one() {
        let size = Name::dav("getcontentlength");
        let theirs = Name::new("urn:x", "theirs").unwrap();
        let mut writer = Writer::new(Vec::new()).unwrap();
        let mut response = writer.properties("/a%20b").unwrap();
        response.propstat(StatusCode::OK, |properties| {
            properties.text(&size, "12");
            properties.text(&theirs, "<&>");
            properties.text(&theirs, "x:y");
            let kind = Element::new(Name::dav("resourcetype"))
                .with_child(Element::new(Name::dav("collection")));
            properties.element(&kind);
            properties.prepared(&PreparedProperty::new(&kind));
            properties.raw(&Fragment::from_trusted(&b"<y:z xmlns:y=\"urn:y\"/>"[..]));
        });
        response.propstat(StatusCode::NOT_FOUND, |properties| properties.empty(&size));
        response.end().unwrap();
        let expected = "<D:response><D:href>/a%20b</D:href><D:propstat><D:prop>\
            <D:getcontentlength>12</D:getcontentlength>\
            <x:theirs xmlns:x=\"urn:x\">&lt;&amp;&gt;</x:theirs>\
            <theirs xmlns=\"urn:x\">x:y</theirs>\
            <D:resourcetype><D:collection/></D:resourcetype>\
            <D:resourcetype><D:collection/></D:resourcetype><y:z xmlns:y=\"urn:y\"/></D:prop>\
            <D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop>\
            <D:getcontentlength/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status>\
            </D:propstat></D:response>\n";
        assert!(text(writer.get_ref()).ends_with(expected), "{}", text(writer.get_ref()));
        MultiStatus::from_xml(&writer.finish(&Trailer::default()).unwrap()).unwrap();
    }

    #[test]
    fn a_propstat_without_properties_is_left_out() {
        let size = Name::dav("getcontentlength");
        let mut writer = Writer::new(Vec::new()).unwrap();
        let mut response = writer.properties("/lacks-it").unwrap();
        response.propstat(StatusCode::OK, |_| {});
        response.propstat(StatusCode::NOT_FOUND, |properties| properties.empty(&size));
        response.end().unwrap();
        // RFC 8144 §2.1: a response has to say something.
        let mut response = writer.properties("/has-none").unwrap();
        response.propstat(StatusCode::NOT_FOUND, |_| {});
        response.end().unwrap();
        let expected = "<D:response><D:href>/lacks-it</D:href><D:propstat><D:prop>\
            <D:getcontentlength/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status>\
            </D:propstat></D:response>\n<D:response><D:href>/has-none</D:href><D:propstat><D:prop/>\
            <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n";
        assert!(text(writer.get_ref()).ends_with(expected), "{}", text(writer.get_ref()));
    }

    #[test]
    fn a_property_has_the_prefix_of_its_namespace() {
        for (namespace, empty, full) in [
            (DAV, "<D:a/>", "<D:a>t</D:a>"),
            (XML, "<xml:a/>", "<xml:a>t</xml:a>"),
            ("", "<a/>", "<a>t</a>"),
            (
                "urn:\"x\"",
                "<x:a xmlns:x=\"urn:&quot;x&quot;\"/>",
                "<x:a xmlns:x=\"urn:&quot;x&quot;\">t</x:a>",
            ),
        ] {
            let name = Name::new(namespace, "a").unwrap();
            let (mut out, mut scope) = (Vec::new(), Scope::default());
            let mut properties = Properties { out: &mut out, scope: &mut scope };
            properties.empty(&name);
            properties.text(&name, "");
            properties.text(&name, "t");
            assert_eq!(text(&out), format!("{empty}{empty}{full}"));
        }
    }

    /// An output that takes so many bytes.
    pub(crate) struct Full(pub(crate) usize);

    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn after_an_output_error_nothing_more_is_written() {
        let mut writer = Writer::new(Full(120)).unwrap();
        assert!(matches!(writer.status("/a", StatusCode::OK), Err(WriteError::Io(_))));
        writer.get_mut().0 = 1000;
        assert!(matches!(writer.status("/b", StatusCode::OK), Err(WriteError::Io(_))));
        assert!(matches!(writer.finish(&Trailer::default()), Err(WriteError::Io(_))));
    }
}
