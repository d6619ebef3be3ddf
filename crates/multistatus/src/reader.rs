//! A 207 body from XML, response by response, strictly.

use std::io::BufRead;

use http::StatusCode;

use crate::batch::{self, Item, Member, Mode, Outcome, Retry, Summary};
use crate::model::{MultiStatus, PropStat, Property, Report, Response, Trailer, has_duplicates};
use crate::status;
use crate::xml::{self, Element, Error, Limits, Name, Start};

const MULTISTATUS: Name = Name::dav("multistatus");

/// Reads a `DAV:multistatus` in constant memory: an iterator of its responses, then
/// [`Reader::finish`] for what follows them.
///
/// A body that ends early, is ill-formed, or has a response that makes no sense is an error; the
/// iterator never just ends sooner. (A sync client that takes a cut listing for a whole one
/// deletes files.) So, use what was read only once `finish` has returned `Ok`, or at least once
/// the iterator has returned `None`.
///
/// Names are compared with their namespaces, whatever the prefixes are. Elements it doesn't know
/// are kept as extensions of a response or of the whole where it has room for them, and ignored
/// elsewhere (RFC 4918 §17). The order of elements doesn't matter.
pub struct Reader<R> {
    xml: xml::Reader<R>,
    begun: bool,
    ended: bool,
    trailer: Trailer,
}

impl<R: BufRead> Reader<R> {
    /// Extensions of the whole that are kept, at most.
    pub const MAX_EXTENSIONS: usize = 64;

    /// Reads a body. The default [`Limits`] hold for each response.
    pub fn new(source: R) -> Self {
        Self::with_limits(source, Limits::default())
    }

    /// Reads a body. [`Limits::bytes`] and [`Limits::elements`] are meant for a single response.
    pub fn with_limits(source: R, limits: Limits) -> Self {
        let xml = xml::Reader::with_limits(source, limits);
        Self { xml, begun: false, ended: false, trailer: Trailer::default() }
    }

    /// The next response; `None` once the whole document has been read and was good.
    ///
    /// # Errors
    /// If the document is cut, ill-formed, passes a limit or makes no sense, or if the source
    /// fails. All further calls fail too.
    pub fn read(&mut self) -> Result<Option<Response>, Error> {
        if self.ended {
            return Ok(None);
        }
        let read = self.try_read();
        if read.is_err() {
            self.xml.fail();
        }
        read
    }

    fn try_read(&mut self) -> Result<Option<Response>, Error> {
        if !self.begun {
            if self.xml.root()?.name != MULTISTATUS {
                return Err(self.xml.error("a DAV:multistatus"));
            }
            self.begun = true;
        }
        while let Some(child) = self.xml.child()? {
            if child.name.is_dav("response") {
                let response = read_response(&mut self.xml)?;
                self.xml.renew();
                return Ok(Some(response));
            }
            self.read_trailer(child)?;
        }
        self.xml.finish()?;
        self.ended = true;
        Ok(None)
    }

    /// Reads what is left, and tells what stood beside the responses.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn finish(mut self) -> Result<Trailer, Error> {
        while self.read()?.is_some() {}
        Ok(self.trailer)
    }

    fn read_trailer(&mut self, child: Start) -> Result<(), Error> {
        let xml = &mut self.xml;
        let trailer = &mut self.trailer;
        match kind(&child.name) {
            Kind::Dav("responsedescription") => {
                let text = xml.text()?;
                set(xml, &mut trailer.description, text)
            }
            Kind::Batch("summary") => {
                let summary = read_summary(xml, &child)?;
                set(xml, &mut trailer.summary, summary)
            }
            _ if trailer.extensions.len() >= Self::MAX_EXTENSIONS => {
                Err(xml.error("fewer extension elements"))
            }
            _ => {
                trailer.extensions.push(xml.element(child)?);
                Ok(())
            }
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Response, Error>;

    /// After an error, it goes on returning errors: stop at the first, as `collect` into a
    /// `Result` does.
    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl MultiStatus {
    /// Reads a whole body.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn from_xml(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let responses = reader.by_ref().collect::<Result<_, _>>()?;
        Ok(Self { responses, trailer: reader.finish()? })
    }
}

/// A name sorted by what this reader might know it for.
enum Kind<'a> {
    Dav(&'a str),
    Batch(&'a str),
    Other,
}

fn kind(name: &Name) -> Kind<'_> {
    match name.namespace() {
        xml::DAV => Kind::Dav(name.local()),
        batch::NAMESPACE => Kind::Batch(name.local()),
        _ => Kind::Other,
    }
}

/// Fills a place that can be filled once.
fn set<R: BufRead, T>(xml: &xml::Reader<R>, place: &mut Option<T>, value: T) -> Result<(), Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(xml.error("this element once")),
    }
}

fn read_response<R: BufRead>(xml: &mut xml::Reader<R>) -> Result<Response, Error> {
    let mut hrefs = Vec::new();
    let mut status = None;
    let mut propstats = Vec::new();
    let mut conditions = None;
    let mut description = None;
    let mut location = None;
    let mut item = None;
    let mut extensions = Vec::new();
    while let Some(child) = xml.child()? {
        match kind(&child.name) {
            Kind::Dav("href") => hrefs.push(read_href(xml)?),
            Kind::Dav("status") => {
                let read = read_status(xml)?;
                set(xml, &mut status, read)?;
            }
            Kind::Dav("propstat") => propstats.push(read_propstat(xml)?),
            Kind::Dav("error") => {
                let read = read_elements(xml)?;
                set(xml, &mut conditions, read)?;
            }
            Kind::Dav("responsedescription") => {
                let text = xml.text()?;
                set(xml, &mut description, text)?;
            }
            Kind::Dav("location") => {
                let read = read_location(xml)?;
                set(xml, &mut location, read)?;
            }
            Kind::Batch("item") => {
                let read = read_item(xml, &child)?;
                set(xml, &mut item, read)?;
            }
            _ => extensions.push(xml.element(child)?),
        }
    }
    Ok(Response {
        report: check_form(xml, &hrefs, status, propstats)?,
        hrefs,
        conditions: conditions.unwrap_or_default(),
        description,
        location,
        item,
        extensions,
    })
}

/// RFC 4918 §14.24: `(href, ((href*, status)|(propstat+)), …)`.
fn check_form<R: BufRead>(
    xml: &xml::Reader<R>,
    hrefs: &[String],
    status: Option<StatusCode>,
    propstats: Vec<PropStat>,
) -> Result<Report, Error> {
    if has_duplicates(hrefs) {
        return Err(xml.error("each href once in a response"));
    }
    match (hrefs.len(), status, propstats.is_empty()) {
        (0, ..) => Err(xml.error("an href in the response")),
        (_, Some(status), true) => Ok(Report::Status(status)),
        (1, None, false) => Ok(Report::Properties(propstats)),
        (_, None, false) => Err(xml.error("one href in a response with propstat")),
        (_, None, true) => Err(xml.error("a status or a propstat in the response")),
        (_, Some(_), false) => Err(xml.error("either a status or propstats in a response")),
    }
}

fn read_href<R: BufRead>(xml: &mut xml::Reader<R>) -> Result<String, Error> {
    let text = xml.text()?;
    match text.trim_matches([' ', '\t', '\r', '\n']) {
        "" => Err(xml.error("a URI in an href")),
        href if href.len() == text.len() => Ok(text),
        href => Ok(href.to_owned()),
    }
}

fn read_location<R: BufRead>(xml: &mut xml::Reader<R>) -> Result<String, Error> {
    let mut location = None;
    while let Some(child) = xml.child()? {
        if child.name.is_dav("href") {
            let href = read_href(xml)?;
            set(xml, &mut location, href)?;
        } else {
            xml.skip()?;
        }
    }
    location.ok_or_else(|| xml.error("an href in the location"))
}

fn read_status<R: BufRead>(xml: &mut xml::Reader<R>) -> Result<StatusCode, Error> {
    let line = xml.text()?;
    status::parse(&line).ok_or_else(|| xml.error("a status line like `HTTP/1.1 200 OK`"))
}

fn read_propstat<R: BufRead>(xml: &mut xml::Reader<R>) -> Result<PropStat, Error> {
    let mut properties = None;
    let mut status = None;
    let mut conditions = None;
    let mut description = None;
    while let Some(child) = xml.child()? {
        match kind(&child.name) {
            Kind::Dav("prop") => {
                let read = read_elements(xml)?.into_iter().map(Property::from).collect();
                set(xml, &mut properties, read)?;
            }
            Kind::Dav("status") => {
                let read = read_status(xml)?;
                set(xml, &mut status, read)?;
            }
            Kind::Dav("error") => {
                let read = read_elements(xml)?;
                set(xml, &mut conditions, read)?;
            }
            Kind::Dav("responsedescription") => {
                let text = xml.text()?;
                set(xml, &mut description, text)?;
            }
            _ => xml.skip()?,
        }
    }
    Ok(PropStat {
        status: status.ok_or_else(|| xml.error("a status in the propstat"))?,
        properties: properties.ok_or_else(|| xml.error("a prop in the propstat"))?,
        conditions: conditions.unwrap_or_default(),
        description,
    })
}

fn read_elements<R: BufRead>(xml: &mut xml::Reader<R>) -> Result<Vec<Element>, Error> {
    let mut elements = Vec::new();
    while let Some(child) = xml.child()? {
        elements.push(xml.element(child)?);
    }
    Ok(elements)
}

/// The attributes of a batch element, which are in no namespace.
struct Attributes<'a, R> {
    xml: &'a xml::Reader<R>,
    start: &'a Start,
}

impl<'a, R: BufRead> Attributes<'a, R> {
    fn optional(&self, name: &'static str) -> Option<&'a str> {
        self.start.attribute(&Name::from_static("", name))
    }

    fn owned(&self, name: &'static str) -> Option<String> {
        self.optional(name).map(str::to_owned)
    }

    fn required(&self, name: &'static str) -> Result<&'a str, Error> {
        self.optional(name).ok_or_else(|| self.xml.error(format!("the attribute `{name}`")))
    }

    fn parse<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.optional(name) else { return Ok(None) };
        parse(value)
            .map(Some)
            .ok_or_else(|| self.xml.error(format!("a valid value of the attribute `{name}`")))
    }

    fn parse_required<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, Error> {
        self.required(name)?;
        self.parse(name, parse)?.ok_or_else(|| self.xml.error("an attribute"))
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn code(text: &str) -> Option<StatusCode> {
    StatusCode::from_bytes(text.as_bytes()).ok()
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn read_item<R: BufRead>(xml: &mut xml::Reader<R>, start: &Start) -> Result<Item, Error> {
    let attributes = Attributes { xml, start };
    let seconds = attributes.parse("retry-after", number)?;
    let mut item = Item {
        index: attributes.parse_required("index", number)?,
        id: attributes.owned("id"),
        op: attributes.required("op")?.to_owned(),
        href: attributes.required("href")?.to_owned(),
        status: attributes.parse_required("status", code)?,
        outcome: attributes.parse_required("outcome", Outcome::parse)?,
        retry: attributes.parse("retry", |word| Retry::parse(word, seconds))?,
        cause: attributes.parse("cause", number)?,
        etag: attributes.owned("etag"),
        column: attributes.owned("column"),
        members: Vec::new(),
        members_truncated: attributes.parse("members-truncated", truth)?.unwrap_or_default(),
    };
    while let Some(child) = xml.child()? {
        match kind(&child.name) {
            Kind::Batch("member") => item.members.push(read_member(xml, &child)?),
            _ => xml.skip()?,
        }
    }
    Ok(item)
}

fn read_member<R: BufRead>(xml: &mut xml::Reader<R>, start: &Start) -> Result<Member, Error> {
    let attributes = Attributes { xml, start };
    let href = attributes.required("href")?.to_owned();
    let status = attributes.parse_required("status", code)?;
    let mut description = None;
    while let Some(child) = xml.child()? {
        if child.name.is_dav("responsedescription") {
            let text = xml.text()?;
            set(xml, &mut description, text)?;
        } else {
            xml.skip()?;
        }
    }
    Ok(Member { href, status, description })
}

fn read_summary<R: BufRead>(xml: &mut xml::Reader<R>, start: &Start) -> Result<Summary, Error> {
    let attributes = Attributes { xml, start };
    let summary = Summary {
        total: attributes.parse_required("total", number)?,
        succeeded: attributes.parse_required("succeeded", number)?,
        failed: attributes.parse_required("failed", number)?,
        skipped: attributes.parse_required("skipped", number)?,
        mode: attributes.parse("mode", Mode::parse)?.unwrap_or_default(),
        commit_error: attributes.owned("commit-error"),
    };
    let counted = summary.succeeded.checked_add(summary.failed);
    if counted.and_then(|count| count.checked_add(summary.skipped)) != Some(summary.total) {
        return Err(xml.error("counts that add up to the total"));
    }
    xml.skip()?;
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(responses: &str) -> Result<MultiStatus, Error> {
        let body = format!(
            "<m:multistatus xmlns:m='DAV:' xmlns:b='urn:polydav:batch:1'>{responses}</m:multistatus>"
        );
        MultiStatus::from_xml(body.as_bytes())
    }

    #[test]
    fn responses_that_make_no_sense() {
        const OK: &str = "<m:status>HTTP/1.1 200 OK</m:status>";
        let propstat = format!("<m:propstat><m:prop/>{OK}</m:propstat>");
        for inside in [
            String::new(),
            OK.to_owned(),
            "<m:href>/a</m:href>".to_owned(),
            format!("<m:href> </m:href>{OK}"),
            format!("<m:href>/a</m:href>{OK}{OK}"),
            format!("<m:href>/a</m:href><m:href>/a</m:href>{OK}"),
            format!("<m:href>/a</m:href>{OK}{propstat}"),
            format!("<m:href>/a</m:href><m:href>/b</m:href>{propstat}"),
            format!("<m:href>/a</m:href>{OK} text"),
            "<m:href>/a</m:href><m:status>200 OK</m:status>".to_owned(),
            format!("<m:href>/a</m:href><m:propstat>{OK}</m:propstat>"),
            "<m:href>/a</m:href><m:propstat><m:prop/></m:propstat>".to_owned(),
            format!("<m:href>/a</m:href><m:propstat><m:prop/><m:prop/>{OK}</m:propstat>"),
            format!("<m:href>/a</m:href>{OK}<m:location/>"),
            format!("<m:href>/a</m:href>{OK}<b:item/>"),
        ] {
            let error = read(&format!("<m:response>{inside}</m:response>")).expect_err(&inside);
            assert_eq!(error.kind(), xml::ErrorKind::Unexpected, "{inside}");
        }
        let good = format!("<m:response><m:href>/a</m:href>{propstat}</m:response>");
        assert!(read(&good).is_ok());
    }

    #[test]
    fn names_are_compared_with_namespaces() {
        for body in ["<multistatus/>", "<D:multistatus xmlns:D='dav:'/>", "<a xmlns='DAV:'/>"] {
            assert!(MultiStatus::from_xml(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(read("").unwrap(), MultiStatus::default());
        // A status in another namespace is none.
        let other = "<response xmlns='DAV:'><href>/</href><x:status xmlns:x='u'/></response>";
        assert!(read(other).is_err());
    }

    #[test]
    fn unknown_elements_are_kept_or_ignored() {
        let body = read(
            "<m:sync-token>urn:1</m:sync-token><m:response><m:href> /a\n</m:href><m:new/>\
             <m:status>HTTP/1.1 200 OK</m:status></m:response><x:y xmlns:x='u'/>",
        )
        .unwrap();
        assert_eq!(body.responses[0].href(), "/a");
        assert_eq!(body.responses[0].extensions[0].name(), &Name::dav("new"));
        assert_eq!(body.trailer.extensions[0].text(), "urn:1");
        assert_eq!(body.trailer.extensions.len(), 2);
    }

    #[test]
    fn a_language_around_a_property_is_kept_on_it() {
        let body = read(
            "<m:response><m:href>/a</m:href><m:propstat><m:prop xml:lang='de'><m:displayname>x\
             </m:displayname></m:prop><m:status>HTTP/1.1 200 OK</m:status></m:propstat></m:response>",
        )
        .unwrap();
        let Report::Properties(propstats) = &body.responses[0].report else { panic!() };
        match propstats[0].properties[0].value() {
            crate::Value::Element(element) => assert_eq!(element.lang(), Some("de")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn limits_hold_for_each_response() {
        let response = "<response><href>/a</href><status>HTTP/1.1 200 OK</status></response>";
        let body = format!("<multistatus xmlns='DAV:'>{}</multistatus>", response.repeat(50));
        let limits = Limits { bytes: 150, ..Limits::default() };
        assert_eq!(Reader::with_limits(body.as_bytes(), limits).count(), 50);
        let limits = Limits { bytes: 60, ..limits };
        let first = Reader::with_limits(body.as_bytes(), limits).next();
        assert!(first.unwrap().unwrap_err().is_limit());
    }

    #[test]
    fn errors_repeat() {
        let mut reader = Reader::new(&b"<multistatus xmlns='DAV:'><response/></multistatus>"[..]);
        assert!(reader.read().is_err());
        assert!(reader.read().is_err());
        assert!(reader.finish().is_err());
    }
}
