//! Every parser of the crate, as a function of bytes. The tests and the fuzz targets share them.

use multistatus::xml::{Element, Limits};
use multistatus::{LineReader, MultiStatus};

/// Whether the input was read.
pub(crate) type Parser = fn(&[u8]) -> bool;

/// A parser for each folder of the corpus.
pub(crate) const PARSERS: [(&str, Parser); 3] =
    [("element", element), ("lines", lines), ("multistatus", multistatus)];

/// What was read is written so that it reads as the same.
fn element(bytes: &[u8]) -> bool {
    let Ok(element) = Element::parse(bytes, Limits::default()) else { return false };
    let written = element.to_fragment();
    // Limits hold for what comes in; what is written may declare more.
    if let Ok(read) = written.to_element() {
        assert_eq!(read, element, "{}", String::from_utf8_lossy(written.as_bytes()));
    }
    true
}

/// What was read is written, unless it makes no sense, so that it reads as the same.
fn multistatus(bytes: &[u8]) -> bool {
    let Ok(body) = MultiStatus::from_xml(bytes) else { return false };
    if let Ok(written) = body.to_xml()
        && let Ok(read) = MultiStatus::from_xml(&written)
    {
        assert_eq!(read, body, "{}", String::from_utf8_lossy(&written));
    }
    true
}

/// What was read tells of no more items than it counts.
fn lines(bytes: &[u8]) -> bool {
    let mut reader = LineReader::new(bytes);
    let items = reader.by_ref().map_while(Result::ok).filter(|response| response.item.is_some());
    let told = items.count();
    let Ok(ending) = reader.finish() else { return false };
    assert!(told as u64 <= ending.summary.total);
    true
}
