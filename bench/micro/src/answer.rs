//! Multistatus answers, written and read: listings with properties, and outcomes of batches.

use http::StatusCode;
use multistatus::batch::{Item, Mode, Retry};
use multistatus::xml::{Element, Limits, Name};
use multistatus::{
    Format, LineReader, MultiStatus, PreparedProperty, Reader, Response, Trailer, Writer,
};

use crate::work::Work;
use crate::world;

/// What PROPFIND tells of a file if nothing is named, but for what is the same for all.
const TEXTS: [(Name, &str); 6] = [
    (Name::dav("displayname"), "Minutes of the 3rd meeting & notes.txt"),
    (Name::dav("getcontentlength"), "48213"),
    (Name::dav("getcontenttype"), "text/plain; charset=utf-8"),
    (Name::dav("getetag"), "\"5f3a-18c2e4b7a90-1f\""),
    (Name::dav("getlastmodified"), "Sun, 06 Nov 1994 08:49:37 GMT"),
    (Name::dav("creationdate"), "1994-11-06T08:49:37Z"),
];

const SUPPORTED_LOCK: &str = "\
    <D:supportedlock xmlns:D=\"DAV:\"><D:lockentry><D:lockscope><D:exclusive/></D:lockscope>\
    <D:locktype><D:write/></D:locktype></D:lockentry></D:supportedlock>";

/// A listing of so many files is written as PROPFIND does it.
pub(crate) fn write_listing(size: usize) -> Work {
    let (hrefs, supported) = (hrefs(size), supported_lock());
    Work::on(size, move || listing(&hrefs, &supported))
}

/// The same is read, response by response.
pub(crate) fn read_listing(size: usize) -> Work {
    let written = listing(&hrefs(size), &supported_lock());
    Work::on(size, move || {
        let mut reader = Reader::new(&written[..]);
        let mut count = 0;
        while reader.read().expect("it was written by the writer").is_some() {
            count += 1;
        }
        assert_eq!(count, size);
    })
}

/// The answer to a batch is written, in XML.
pub(crate) fn write_outcomes_xml(size: usize) -> Work {
    write_outcomes(size, Format::Xml)
}

/// The same in JSON.
pub(crate) fn write_outcomes_json(size: usize) -> Work {
    write_outcomes(size, Format::Json)
}

fn write_outcomes(size: usize, format: Format) -> Work {
    let answer = outcomes(size);
    Work::on(size, move || answer.to_bytes(format).expect("each response makes sense"))
}

/// The answer to a batch is read, in XML.
pub(crate) fn read_outcomes_xml(size: usize) -> Work {
    let written = outcomes(size).to_xml().expect("each response makes sense");
    Work::on(size, move || MultiStatus::from_xml(&written).expect("it was written by the writer"))
}

/// The same in lines of JSON.
pub(crate) fn read_outcomes_lines(size: usize) -> Work {
    let answer = outcomes(size);
    let written = answer.to_bytes(Format::NdJson).expect("each response makes sense");
    Work::on(size, move || {
        let mut reader = LineReader::new(&written[..]);
        while reader.read().expect("it was written by the writer").is_some() {}
        reader.finish().expect("it is complete")
    })
}

fn hrefs(size: usize) -> Vec<String> {
    (0..size).map(|number| format!("/from/{}", world::name(number))).collect()
}

fn supported_lock() -> PreparedProperty {
    let element = Element::parse(SUPPORTED_LOCK.as_bytes(), Limits::default());
    PreparedProperty::new(&element.expect("it is an element"))
}

fn listing(hrefs: &[String], supported: &PreparedProperty) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).expect("memory takes all");
    for href in hrefs {
        let mut response = writer.properties(href).expect("it is an href");
        response.propstat(StatusCode::OK, |properties| {
            properties.empty(&Name::dav("resourcetype"));
            TEXTS.iter().for_each(|(name, text)| properties.text(name, text));
            properties.empty(&Name::dav("lockdiscovery"));
            properties.prepared(supported);
        });
        response.end().expect("memory takes all");
    }
    writer.finish(&Trailer::default()).expect("memory takes all")
}

/// That of moves, of which every tenth failed.
fn outcomes(size: usize) -> MultiStatus {
    let of = |(index, href): (u64, String)| {
        if index % 10 != 9 {
            return Response::item(&*href, Item::new(index, "move", &*href, StatusCode::CREATED));
        }
        let item = Item::new(index, "move", &*href, StatusCode::PRECONDITION_FAILED);
        Response::item(&*href, Item { retry: Some(Retry::AfterRefresh), ..item })
            .with_description("the resource is not as the conditions want it")
            .with_condition(Element::new(Name::dav("no-overwrite")))
    };
    MultiStatus::batch(Mode::BestEffort, (0..).zip(hrefs(size)).map(of))
}
