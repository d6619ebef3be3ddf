//! Every parser of the crate, as a function of bytes. The tests and the fuzz targets share them.

use polydav_proto::batch::{
    BatchRequest, Cutter, Format, Limits, Lines, Operation, overwrites_later_source, sniff,
};
use polydav_proto::body::{LockInfo, PropFind, PropertyUpdate};
use polydav_proto::header::{self, Header};
use polydav_proto::reference::{self, Reference};
use polydav_proto::{query, record};

/// Whether the input was read.
pub(crate) type Parser = fn(&[u8]) -> bool;

/// A parser for each folder of the corpus.
pub(crate) const PARSERS: [(&str, Parser); 24] = [
    ("batch-json", |bytes| batch(Format::Json, bytes)),
    ("batch-ndjson", ndjson),
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
    ("query", query),
    ("record", record),
    ("reference", href),
    ("sniff", |bytes| sniff(None, bytes).is_ok()),
];

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

fn query(bytes: &[u8]) -> bool {
    let Ok(pairs) = query::parse(bytes) else { return false };
    let written = query::write(pairs.iter().map(|(name, value)| (&**name, &**value)));
    assert!(written.len() > 8192 || query::parse(written.as_bytes()) == Ok(pairs), "{written}");
    true
}

/// An object, or an array of them.
fn record(bytes: &[u8]) -> bool {
    let limits = Limits { items_max: 100, ..Limits::default() };
    let Ok(members) = record::parse(bytes, &limits) else {
        return record::parse_list(bytes, &limits).is_ok();
    };
    assert_eq!(record::begins_list(bytes), Some(false));
    let mut names: Vec<_> = members.into_iter().map(|member| member.name).collect();
    names.sort_unstable();
    assert!(names.is_sorted_by(|one, other| one < other), "each once");
    true
}

/// Cut anywhere, it says what it says as a whole.
fn ndjson(bytes: &[u8]) -> bool {
    let limits = Limits { items_max: 100, ..Limits::default() };
    let root = reference::Path::root();
    let whole = BatchRequest::parse(Format::NdJson, bytes, &root, &limits);
    let (start, end) = bytes.split_at(bytes.len() / 2);
    let parts = in_parts(&[start, end], Lines::new(&root, &limits), Cutter::new(&limits));
    if let Ok(whole) = whole {
        assert_eq!(parts, Some(whole.operations));
    }
    batch(Format::NdJson, bytes)
}

fn in_parts(parts: &[&[u8]], mut lines: Lines, mut cutter: Cutter) -> Option<Vec<Operation>> {
    let mut operations = Vec::new();
    for mut arrived in parts.iter().copied() {
        while !arrived.is_empty() {
            cutter.take_in(&mut arrived).ok()?;
            operations.extend(lines.read(&cutter.cut()).ok()?);
        }
    }
    operations.extend(lines.read(&cutter.cut_rest()).ok()?);
    Some(operations)
}

fn batch(format: Format, bytes: &[u8]) -> bool {
    let limits = Limits { items_max: 100, ..Limits::default() };
    let root = reference::Path::root();
    let Ok(batch) = BatchRequest::parse(format, bytes, &root, &limits) else { return false };
    let _ = overwrites_later_source(&batch.operations);
    for (index, operation) in batch.operations.iter().enumerate() {
        assert_eq!(operation.index, index);
        assert!(operation.needs.iter().all(|&need| need < index));
    }
    let again = again(&batch, limits);
    assert_eq!(self::again(&again, limits), again);
    true
}

/// What is read of what is written. JSON takes more bytes than XML for some texts, and nests the
/// operations deeper than NDJSON.
fn again(batch: &BatchRequest, limits: Limits) -> BatchRequest {
    let Limits { document_bytes_max, depth_max, .. } = Limits::default();
    let (document_bytes_max, depth_max) = (8 * document_bytes_max, depth_max + 2);
    let limits = Limits { document_bytes_max, depth_max, ..limits };
    let (json, root) = (batch.to_json(), reference::Path::root());
    let read = BatchRequest::parse(Format::Json, &json, &root, &limits);
    read.unwrap_or_else(|error| panic!("{error}: {}", json.escape_ascii()))
}
