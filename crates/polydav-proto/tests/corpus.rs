//! Every parser: reads its corpus, and survives whatever it is given.
//!
//! The folders of `tests/corpus` are named as the parsers here, so that a fuzz target can start
//! from them.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use polydav_proto::batch::{BatchRequest, Format, Limits, overwrites_later_source, sniff};
use polydav_proto::body::{LockInfo, PropFind, PropertyUpdate};
use polydav_proto::header::{self, Header};
use polydav_proto::reference::{self, Reference};
use proptest::prelude::*;

/// Whether the input was read.
type Parser = fn(&[u8]) -> bool;

/// A parser for each folder of the corpus.
const PARSERS: [(&str, Parser); 22] = [
    ("batch-json", |bytes| batch(Format::Json, bytes)),
    ("batch-ndjson", |bytes| batch(Format::NdJson, bytes)),
    ("batch-xml", |bytes| batch(Format::Xml, bytes)),
    ("header-accept", field::<header::Accept>),
    ("header-content-type", field::<header::ContentType>),
    ("header-date", |bytes| header::parse_date(bytes).is_ok()),
    ("header-depth", field::<header::Depth>),
    ("header-etag", field::<header::EntityTag>),
    ("header-host", field::<header::Host>),
    ("header-idempotency-key", field::<header::IdempotencyKey>),
    ("header-if", field::<header::If>),
    ("header-if-match", field::<header::IfMatch>),
    ("header-lock-token", |bytes| header::LockToken::parse_lenient(bytes).is_ok()),
    ("header-origin", field::<header::RequestOrigin>),
    ("header-prefer", field::<header::Prefer>),
    ("header-range", range),
    ("header-timeout", field::<header::Timeout>),
    ("lockinfo", |bytes| LockInfo::parse(bytes, Default::default()).is_ok()),
    ("propertyupdate", |bytes| PropertyUpdate::parse(bytes, Default::default()).is_ok()),
    ("propfind", |bytes| PropFind::parse(bytes, Default::default()).is_ok()),
    ("reference", href),
    ("sniff", |bytes| sniff(None, bytes).is_ok()),
];

/// Files of the corpus that are to be refused.
const REFUSED: [&str; 3] = ["header-if/mixed", "reference/dots", "header-content-type/multipart"];

fn field<H: Header>(bytes: &[u8]) -> bool {
    H::parse(bytes).is_ok()
}

fn range(bytes: &[u8]) -> bool {
    header::Range::parse(bytes).map(|range| range.resolve(1000)).is_ok()
}

fn href(bytes: &[u8]) -> bool {
    let base = reference::Path::root().into();
    let Ok(read) = Reference::parse_href(bytes, &base) else { return false };
    let written = read.to_string();
    assert_eq!(Reference::parse(written.as_bytes()), Ok(read), "{written}");
    true
}

fn batch(format: Format, bytes: &[u8]) -> bool {
    let limits = Limits { items_max: 100, ..Limits::default() };
    let root = reference::Path::root();
    let Ok(batch) = BatchRequest::parse(format, bytes, &root, &limits) else { return false };
    let _ = batch.unsupported();
    let _ = overwrites_later_source(&batch.operations);
    for (index, operation) in batch.operations.iter().enumerate() {
        assert_eq!(operation.index, index);
        assert!(operation.needs.iter().all(|&need| need < index));
    }
    true
}

fn corpus() -> impl Iterator<Item = (String, String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries(&folder).into_iter().flat_map(move |folder| {
        let parser = name(&folder);
        entries(&folder)
            .into_iter()
            .map(move |path| (parser.clone(), name(&path), std::fs::read(&path).unwrap()))
    })
}

#[test]
fn the_corpus_is_read_as_it_should_be() {
    let mut files = 0;
    for (folder, file, bytes) in corpus() {
        let (_, parse) = PARSERS.iter().find(|(name, _)| *name == folder).expect(&folder);
        let name = format!("{folder}/{file}");
        assert_eq!(parse(&bytes), !REFUSED.contains(&&*name), "{name}");
        files += 1;
    }
    assert!(files > 40, "the corpus is not where it was");
}

#[test]
fn truncated_and_mangled_corpora_do_no_harm() {
    for (folder, _, bytes) in corpus() {
        let (_, parse) = PARSERS.iter().find(|(name, _)| *name == folder).expect(&folder);
        for at in 0..bytes.len() {
            parse(&bytes[..at]);
            let mut mangled = bytes.clone();
            mangled[at] ^= 0x15;
            parse(&mangled);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        for (_, parse) in PARSERS {
            parse(&bytes);
        }
    }

    #[test]
    fn arbitrary_ascii_does_no_harm(text in "[ -~]{0,60}") {
        for (_, parse) in PARSERS {
            parse(text.as_bytes());
        }
    }
}
