//! Whole requests, from the values of HTTP to the bytes of the answer.

use bytes::Bytes;
use http::{Request, StatusCode};
use polydav_proto::batch::Format;

use crate::body;
use crate::work::Work;
use crate::world::{World, name};

const ALLPROP: &[u8] = b"<D:propfind xmlns:D=\"DAV:\"><D:allprop/></D:propfind>";

/// PROPFIND of so many files, one after the other.
pub(crate) fn propfind_each(size: usize) -> Work {
    let ask = |number| request("PROPFIND", &file(number), &[("depth", "0")], ALLPROP.into());
    answered(World::new(size), size, (0..size).map(ask), StatusCode::MULTI_STATUS)
}

/// PROPFIND of a collection with so many files.
pub(crate) fn propfind_all(size: usize) -> Work {
    let asked = request("PROPFIND", "/from/", &[("depth", "1")], ALLPROP.into());
    answered(World::new(size), size, [asked], StatusCode::MULTI_STATUS)
}

/// GET of so many files, one after the other.
pub(crate) fn get(size: usize) -> Work {
    let ask = |number| request("GET", &file(number), &[], Bytes::new());
    answered(World::new(size), size, (0..size).map(ask), StatusCode::OK)
}

/// PUT of so many files, one after the other.
pub(crate) fn put(size: usize) -> Work {
    let ask = |number| request("PUT", &file(number), &[], Bytes::from_static(b"one line\n"));
    answered(World::new(0), size, (0..size).map(ask), StatusCode::CREATED)
}

/// A batch of so many moves, in XML.
pub(crate) fn batch_xml(size: usize) -> Work {
    batch(size, Format::Xml, body::moves_xml(size))
}

/// The same in lines of JSON, which run as they arrive.
pub(crate) fn batch_lines(size: usize) -> Work {
    batch(size, Format::NdJson, body::moves_lines(size))
}

fn batch(size: usize, format: Format, document: String) -> Work {
    let fields = [("content-type", format.media_type())];
    let asked = request("POST", "/batch-operation", &fields, document.into());
    answered(World::new(size), size, [asked], StatusCode::MULTI_STATUS)
}

fn file(number: usize) -> String {
    format!("/from/{}", name(number))
}

fn request(method: &str, target: &str, fields: &[(&str, &str)], body: Bytes) -> Request<Bytes> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in fields.iter().chain(&[("host", "localhost")]) {
        request = request.header(*name, *value);
    }
    if !body.is_empty() {
        request = request.header("content-length", body.len());
    }
    request.body(body).expect("it is a request")
}

/// Asks all of these of a world; `items` is what the count is divided by.
fn answered(
    world: World,
    items: usize,
    requests: impl IntoIterator<Item = Request<Bytes>>,
    expected: StatusCode,
) -> Work {
    let requests: Vec<_> = requests.into_iter().collect();
    Work::on(items, move || {
        for request in &requests {
            let (status, _) = world.ask(request);
            assert_eq!(status, expected);
        }
    })
}
