//! What names resources, read and written: request targets, `Destination`, hrefs.

use http::{HeaderMap, HeaderValue, header::HOST};
use polydav_dav::{Base, Site};
use polydav_proto::header::{self, Destination};
use polydav_proto::reference::Reference;
use polydav_store::ResourcePath;

use crate::work::Work;

/// How many are read or written.
const PATHS: usize = 1_000;

/// Segments as they stand on the wire, all of about the same length.
const PLAIN: &str = "minutes-of-2024.txt";
const ESCAPED: &str = "%4Dinutes%20of%202%24";
const UMLAUTS: &str = "pr%C3%A9cis%20%C3%BC%E2%82%AC";

/// Targets of so many plain segments.
pub(crate) fn plain(size: usize) -> Work {
    targets(PLAIN, size)
}

/// Targets with escapes of ASCII.
pub(crate) fn escaped(size: usize) -> Work {
    targets(ESCAPED, size)
}

/// Targets with escapes of other characters.
pub(crate) fn umlauts(size: usize) -> Work {
    targets(UMLAUTS, size)
}

fn targets(segment: &str, size: usize) -> Work {
    let (base, target) = (base(), target(segment, size));
    Work::on(PATHS, move || {
        for _ in 0..PATHS {
            std::hint::black_box(resource(&base, &target));
        }
    })
}

/// A `Destination` of so many segments, with our host in it.
pub(crate) fn destination(size: usize) -> Work {
    let base = base();
    let url = format!("http://files.example.org:8207{}", target(UMLAUTS, size));
    let value = HeaderValue::try_from(url).expect("it is ASCII");
    let headers = HeaderMap::from_iter([(http::HeaderName::from_static("destination"), value)]);
    Work::on(PATHS, move || {
        for _ in 0..PATHS {
            let read = header::read::<Destination>(&headers).expect("it is a URL");
            let Destination(reference) = read.expect("it is there");
            std::hint::black_box(base.resolve(&reference).expect("it is ours"));
        }
    })
}

/// Hrefs of so many segments, of which each needs escapes.
pub(crate) fn hrefs(size: usize) -> Work {
    let base = base();
    let path = resource(&base, &target(UMLAUTS, size));
    Work::on(PATHS, move || {
        for _ in 0..PATHS {
            std::hint::black_box(base.href(&path, false));
        }
    })
}

fn base() -> Base {
    let host = HeaderValue::from_static("files.example.org:8207");
    Site::default().base(&HeaderMap::from_iter([(HOST, host)]))
}

fn target(segment: &str, size: usize) -> String {
    format!("/{segment}").repeat(size)
}

fn resource(base: &Base, target: &str) -> ResourcePath {
    let reference = Reference::parse(target.as_bytes()).expect("it is a path");
    base.resolve(&reference).expect("it is ours")
}
