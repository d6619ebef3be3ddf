//! Bodies of requests, read: PROPFIND, PROPPATCH, and batches of moves in their three spellings.

use polydav_proto::batch::{BatchRequest, Format, Limits};
use polydav_proto::body::{PropFind, PropertyUpdate};
use polydav_proto::reference::Path;

use crate::work::Work;
use crate::world;

/// PROPFIND that names so many properties, of two namespaces.
pub(crate) fn propfind(size: usize) -> Work {
    let names = (0..size / 2).map(|number| format!("<D:property-{number}/><x:note-{number}/>"));
    let names: String = names.collect();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:propfind xmlns:D=\"DAV:\" \
         xmlns:x=\"http://example.org/ns/\"><D:prop>{names}</D:prop></D:propfind>"
    );
    Work::on(size, move || {
        PropFind::parse(body.as_bytes(), Default::default()).expect("it is well-formed")
    })
}

/// PROPPATCH that sets so many properties.
pub(crate) fn proppatch(size: usize) -> Work {
    let set = |number| {
        format!(
            "<D:set><D:prop><x:note-{number} xml:lang=\"en\">seen &amp; <x:b>approved</x:b> by \
             the editor</x:note-{number}></D:prop></D:set>"
        )
    };
    let sets: String = (0..size).map(set).collect();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:propertyupdate xmlns:D=\"DAV:\" \
         xmlns:x=\"http://example.org/ns/\">{sets}</D:propertyupdate>"
    );
    Work::on(size, move || {
        PropertyUpdate::parse(body.as_bytes(), Default::default()).expect("it is well-formed")
    })
}

/// A batch of so many moves, in XML.
pub(crate) fn batch_xml(size: usize) -> Work {
    batch(size, Format::Xml, moves_xml(size))
}

/// The same in JSON.
pub(crate) fn batch_json(size: usize) -> Work {
    let moves: Vec<_> = moves_json(size).collect();
    batch(size, Format::Json, format!("{{\"operations\": [{}]}}", moves.join(",")))
}

/// The same in lines of JSON.
pub(crate) fn batch_lines(size: usize) -> Work {
    batch(size, Format::NdJson, moves_lines(size))
}

fn batch(size: usize, format: Format, document: String) -> Work {
    Work::on(size, move || {
        let root = Path::root();
        let batch = BatchRequest::parse(format, document.as_bytes(), &root, &Limits::default());
        assert_eq!(batch.expect("it is a batch").operations.len(), size);
    })
}

/// The document of a batch that moves so many files to where nothing is.
pub(crate) fn moves_xml(size: usize) -> String {
    let of = |number| {
        let name = world::name(number);
        format!("<move href=\"/from/{name}\" dest=\"/to/{name}\"/>\n")
    };
    let moves: String = (0..size).map(of).collect();
    format!("<batch xmlns=\"urn:polydav:batch:1\">\n{moves}</batch>")
}

/// The same in lines of JSON.
pub(crate) fn moves_lines(size: usize) -> String {
    moves_json(size).map(|line| line + "\n").collect()
}

fn moves_json(size: usize) -> impl Iterator<Item = String> {
    (0..size).map(world::name).map(|name| {
        format!("{{\"op\": \"move\", \"href\": \"/from/{name}\", \"dest\": \"/to/{name}\"}}")
    })
}
