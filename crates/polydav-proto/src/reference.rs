//! What names a resource: the Request-URI, `Destination`, the tags of `If`, and hrefs.
//!
//! All of them are read here, once and in one way, so that no rule is checked on another spelling
//! than the one acted upon. A path is decoded exactly once, and whatever a second reader might
//! take for something else is refused rather than mended: dot segments in every coding, an encoded
//! slash, a backslash, empty segments, a query, a fragment.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::header::{Host, Origin};
use crate::scan::{Invalid, Scan};

/// The longest path, in decoded bytes.
const LENGTH_MAX: usize = 4096;

/// A resource as a client names it: an absolute URI or an absolute path (RFC 4918 §8.3).
///
/// ```
/// use polydav_proto::reference::Reference;
///
/// let reference = Reference::parse(b"HTTP://Example.org:80/a%20b/%c3%a4/").unwrap();
/// assert_eq!(reference.to_string(), "http://example.org/a%20b/%C3%A4/");
/// assert_eq!(reference.path.segments().collect::<Vec<_>>(), [&b"a b"[..], "ä".as_bytes()]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The server, if the reference names one. Whether it is this one is not decided here.
    pub origin: Option<Origin>,
    /// The path.
    pub path: Path,
}

/// A path, decoded: its segments, and whether it ended in a slash.
///
/// No segment is empty, `.` or `..`, or has a slash, a backslash or NUL in it. Else a segment may
/// be any bytes, also such that are not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path {
    /// The segments, with a slash between two.
    joined: Vec<u8>,
    slash: bool,
}

/// A reference that names no resource (400).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {} at byte {offset}", kind.expected())]
pub struct InvalidReference {
    /// Where, in bytes from the beginning of the reference.
    pub offset: usize,
    /// What is wrong with it.
    pub kind: InvalidKind,
}

/// What is wrong with a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidKind {
    /// It is empty, or relative where it may not be.
    NotAbsolute,
    /// It is a URI without an authority, such as `urn:a`.
    NoAuthority,
    /// Its host or port can't be read, or it has user information (RFC 9110 §4.2.4).
    Authority,
    /// It has a query, which no resource here has.
    Query,
    /// It has a fragment.
    Fragment,
    /// A `%` without two hexadecimal digits after it.
    Percent,
    /// A segment is `.` or `..`, in whatever coding.
    DotSegment,
    /// Two slashes in a row.
    EmptySegment,
    /// NUL, plain or encoded.
    Nul,
    /// An encoded slash, which another reader would take for a plain one.
    EncodedSlash,
    /// A backslash, plain or encoded, which another reader would take for a slash.
    Backslash,
    /// A control character, a space or bytes that are not UTF-8 which should have been encoded.
    Character,
    /// The path is longer than 4,096 bytes.
    TooLong,
}

impl InvalidKind {
    fn expected(self) -> &'static str {
        match self {
            Self::NotAbsolute => "an absolute URI or an absolute path",
            Self::NoAuthority => "// and a host after the scheme",
            Self::Authority => "a host, and perhaps a port",
            Self::Query => "no query (write ? as %3F)",
            Self::Fragment => "no fragment (write # as %23)",
            Self::Percent => "two hexadecimal digits after % (write % as %25)",
            Self::DotSegment => "a path without dot segments",
            Self::EmptySegment => "a path without empty segments",
            Self::Nul => "a path without NUL",
            Self::EncodedSlash => "a path without encoded slashes",
            Self::Backslash => "a path without backslashes",
            Self::Character => "a percent-encoded character",
            Self::TooLong => "a path of at most 4096 bytes",
        }
    }
}

impl From<InvalidReference> for Invalid {
    fn from(error: InvalidReference) -> Self {
        Self { offset: error.offset, expected: error.kind.expected() }
    }
}

/// Which characters a path may have that should have been encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raw {
    /// UTF-8, as some clients send it in `Destination`.
    Utf8,
    /// That and spaces, as people write it in documents.
    Utf8AndSpace,
}

impl Reference {
    /// Reads a Request-URI, a `Destination`, or a tag of `If`.
    ///
    /// # Errors
    ///
    /// If it is relative, or names no resource.
    pub fn parse(value: &[u8]) -> Result<Self, InvalidReference> {
        let (origin, start) = split_origin(value)?;
        if value.get(start).is_some_and(|&byte| byte != b'/') || (start == 0 && value.is_empty()) {
            let kind = if start == 0 { InvalidKind::NotAbsolute } else { InvalidKind::Authority };
            return Err(refine(value, start, kind));
        }
        Ok(Self { origin, path: Path::decode(None, value, start, Raw::Utf8)? })
    }

    /// Reads an href of a document, which may have spaces in it, and may be relative to `base`.
    ///
    /// The base is taken for a collection, with or without a slash at its end. Since there are no
    /// dot segments, relative hrefs name only what lies below it.
    ///
    /// # Errors
    ///
    /// If it is empty, or names no resource.
    pub fn parse_href(value: &[u8], base: &Self) -> Result<Self, InvalidReference> {
        let (mut origin, start) = split_origin(value)?;
        let relative = start == 0 && value.first() != Some(&b'/');
        if value.is_empty() {
            return Err(InvalidReference { offset: 0, kind: InvalidKind::NotAbsolute });
        }
        if start > 0 && value.get(start).is_some_and(|&byte| byte != b'/') {
            return Err(refine(value, start, InvalidKind::Authority));
        }
        if start == 0 {
            origin.clone_from(&base.origin);
        }
        let base = relative.then_some(&base.path);
        Ok(Self { origin, path: Path::decode(base, value, start, Raw::Utf8AndSpace)? })
    }
}

/// A query or a fragment in place of a path deserves to be called that.
fn refine(value: &[u8], offset: usize, kind: InvalidKind) -> InvalidReference {
    let kind = match value.get(offset) {
        Some(b'?') => InvalidKind::Query,
        Some(b'#') => InvalidKind::Fragment,
        _ => kind,
    };
    InvalidReference { offset, kind }
}

/// Reads scheme and authority, if there are any, and says where the path begins.
fn split_origin(value: &[u8]) -> Result<(Option<Origin>, usize), InvalidReference> {
    let mut scan = Scan::new(value);
    let scheme = scan.take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || !scan.eat(b':') {
        return Ok((None, 0));
    }
    let error = |offset, kind| Err(InvalidReference { offset, kind });
    if !scan.eat_word("//") {
        return error(scan.offset(), InvalidKind::NoAuthority);
    }
    let scheme = String::from_utf8_lossy(scheme);
    match Host::scan(&mut scan) {
        Ok(host) => Ok((Some(Origin::new(&scheme, host)), scan.offset())),
        Err(invalid) => error(invalid.offset, InvalidKind::Authority),
    }
}

impl Path {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self { joined: Vec::new(), slash: true }
    }

    /// A path of these segments, or `None` if one of them is none that a path may have.
    #[must_use]
    pub fn new<'a>(segments: impl IntoIterator<Item = &'a [u8]>, slash: bool) -> Option<Self> {
        let mut joined = Vec::new();
        for segment in segments {
            let bad = |byte: &u8| b"/\\\0".contains(byte);
            if matches!(segment, b"" | b"." | b"..") || segment.iter().any(bad) {
                return None;
            }
            if !joined.is_empty() {
                joined.push(b'/');
            }
            joined.extend_from_slice(segment);
        }
        let slash = slash || joined.is_empty();
        (joined.len() <= LENGTH_MAX).then_some(Self { joined, slash })
    }

    /// The segments from the root on; none for the root itself.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.joined.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty())
    }

    /// The segments with a slash between two: equal for two paths if and only if they name the same
    /// resource, with or without a slash at the end.
    #[must_use]
    pub fn joined(&self) -> &[u8] {
        &self.joined
    }

    /// Whether it ended in a slash, as the root always does.
    #[must_use]
    pub fn has_slash(&self) -> bool {
        self.slash
    }

    /// Whether it is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.joined.is_empty()
    }

    /// The collection that holds a document of this path, against which relative hrefs are read
    /// (RFC 3986 §5.2.3): the path itself if it ends in a slash, else its parent.
    #[must_use]
    pub fn collection(&self) -> Self {
        if self.slash {
            return self.clone();
        }
        let parent = self.joined.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Self { joined: self.joined[..parent].to_vec(), slash: true }
    }

    /// Reads `value[start..]`; offsets in errors count from the beginning of `value`.
    fn decode(
        base: Option<&Self>,
        value: &[u8],
        start: usize,
        raw: Raw,
    ) -> Result<Self, InvalidReference> {
        let error = |offset, kind| Err(InvalidReference { offset, kind });
        if let Err(utf8) = std::str::from_utf8(&value[start..]) {
            return error(start + utf8.valid_up_to(), InvalidKind::Character);
        }
        let above = base.map_or(&[][..], |base| &base.joined);
        let length = above.len() + 1 + value.len() - start;
        let mut joined = Vec::with_capacity(length.min(LENGTH_MAX));
        joined.extend_from_slice(above);
        // The slash that begins an absolute path ends no segment.
        let mut at = start + usize::from(base.is_none() && start < value.len());
        let mut written = value[at..].split(|&byte| byte == b'/').peekable();
        while let Some(segment) = written.next() {
            if segment.is_empty() {
                let last = written.peek().is_none();
                let path = Self { joined, slash: true };
                return if last { Ok(path) } else { error(at, InvalidKind::EmptySegment) };
            }
            if !joined.is_empty() {
                joined.push(b'/');
            }
            let begin = joined.len();
            decode_segment(segment, raw, &mut joined)
                .map_err(|error| InvalidReference { offset: at + error.offset, ..error })?;
            if matches!(&joined[begin..], b"." | b"..") {
                return error(at, InvalidKind::DotSegment);
            }
            if joined.len() > LENGTH_MAX {
                return error(at, InvalidKind::TooLong);
            }
            at += segment.len() + 1;
        }
        Ok(Self { joined, slash: false })
    }
}

fn decode_segment(segment: &[u8], raw: Raw, into: &mut Vec<u8>) -> Result<(), InvalidReference> {
    // Most bytes stand for themselves, and go together.
    let is_special = |&byte: &u8| matches!(byte, 0..=b' ' | 0x7f | b'%' | b'?' | b'#' | b'\\');
    let mut at = 0;
    loop {
        let rest = &segment[at..];
        let plain = rest.iter().position(is_special).unwrap_or(rest.len());
        into.extend_from_slice(&rest[..plain]);
        at += plain;
        let Some(&byte) = segment.get(at) else { return Ok(()) };
        let error = |kind| Err(InvalidReference { offset: at, kind });
        let hex = |place: usize| char::from(*segment.get(at + place)?).to_digit(16);
        let (decoded, length) = match byte {
            b'%' => match (hex(1), hex(2)) {
                (Some(high), Some(low)) => ((high << 4 | low) as u8, 3),
                _ => return error(InvalidKind::Percent),
            },
            b'?' => return error(InvalidKind::Query),
            b'#' => return error(InvalidKind::Fragment),
            b' ' if raw != Raw::Utf8AndSpace => return error(InvalidKind::Character),
            1..b' ' | 0x7f => return error(InvalidKind::Character),
            _ => (byte, 1),
        };
        match decoded {
            0 => return error(InvalidKind::Nul),
            b'/' => return error(InvalidKind::EncodedSlash),
            b'\\' => return error(InvalidKind::Backslash),
            _ => into.push(decoded),
        }
        at += length;
    }
}

/// What a written path leaves as it is: of RFC 3986's pchar all but four. `&` and `'` would be
/// escaped again in XML and HTML, some clients decode `+` as a space, and some servers cut
/// parameters at `;`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// One segment percent-encoded, as every href writes it. Any bytes will do, also such as a [`Path`]
/// refuses: a folder may hold a name with a backslash in it, that can be listed, not asked for.
pub fn encode_segment(segment: &[u8]) -> impl fmt::Display + Iterator<Item = &str> {
    percent_encode(segment, ENCODED)
}

/// The path percent-encoded, always in the same way, as hrefs need it.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in self.segments() {
            write!(f, "/{}", encode_segment(segment))?;
        }
        if self.slash { f.write_str("/") } else { Ok(()) }
    }
}

impl From<Path> for Reference {
    fn from(path: Path) -> Self {
        Self { origin: None, path }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            origin.fmt(f)?;
        }
        self.path.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(value: &str) -> Result<String, (usize, InvalidKind)> {
        let read = Reference::parse(value.as_bytes());
        read.map(|reference| reference.to_string()).map_err(|error| (error.offset, error.kind))
    }

    fn href(value: &str) -> Result<String, (usize, InvalidKind)> {
        let base = Reference::parse(b"/base").unwrap();
        let read = Reference::parse_href(value.as_bytes(), &base);
        read.map(|reference| reference.to_string()).map_err(|error| (error.offset, error.kind))
    }

    #[test]
    fn absolute_paths_and_uris_rfc4918_8_3() {
        for (value, written) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("/sample/a%20test", "/sample/a%20test"),
            ("http://example.com/sample/", "http://example.com/sample/"),
            ("http://example.com", "http://example.com/"),
            ("https://example.com:8443/a", "https://example.com:8443/a"),
            ("HTTP://EXAMPLE.com:80/A%7eb", "http://example.com/A~b"),
            ("ftp://[::1]/a", "ftp://[::1]/a"),
            ("/\u{e4}", "/%C3%A4"),
            ("/%e4", "/%E4"),
            ("/a%2525", "/a%2525"),
            ("/...", "/..."),
            ("/a:b@c", "/a:b@c"),
            ("/it's&me+you;x", "/it%27s%26me%2Byou%3Bx"),
            ("/%0a", "/%0A"),
        ] {
            assert_eq!(parse(value), Ok(written.to_owned()), "{value}");
        }
    }

    #[test]
    fn what_names_no_resource() {
        use InvalidKind::*;
        for (value, offset, kind) in [
            ("", 0, NotAbsolute),
            ("a", 0, NotAbsolute),
            ("*", 0, NotAbsolute),
            ("./a", 0, NotAbsolute),
            ("urn:a", 4, NoAuthority),
            ("http:/a", 5, NoAuthority),
            ("http:///a", 7, Authority),
            ("http://user@host/a", 11, Authority),
            ("http://host:99999/", 12, Authority),
            ("http://host?a", 11, Query),
            ("http://host#a", 11, Fragment),
            ("http://host\\a", 11, Authority),
            ("/a?", 2, Query),
            ("/a#b", 2, Fragment),
            ("/%", 1, Percent),
            ("/%4", 1, Percent),
            ("/%zz", 1, Percent),
            ("/%+1", 1, Percent),
            ("/a/../b", 3, DotSegment),
            ("/a/..", 3, DotSegment),
            ("/./a", 1, DotSegment),
            ("/%2e%2E/a", 1, DotSegment),
            ("/.%2E", 1, DotSegment),
            ("/%2e", 1, DotSegment),
            ("http://host/../a", 12, DotSegment),
            ("//a", 1, EmptySegment),
            ("/a//", 3, EmptySegment),
            ("/a//b", 3, EmptySegment),
            ("/a%00", 2, Nul),
            ("/\0", 1, Nul),
            ("/a%2Fb", 2, EncodedSlash),
            ("/a%5cb", 2, Backslash),
            ("/a\\b", 2, Backslash),
            ("/a b", 2, Character),
            ("/a\tb", 2, Character),
            ("/a\x7f", 2, Character),
        ] {
            assert_eq!(parse(value), Err((offset, kind)), "{value}");
        }
        assert!(Reference::parse(b"/\xff").is_err());
        assert!(Reference::parse(b"http://h\xff/").is_err());
    }

    #[test]
    fn hrefs_may_be_relative_and_have_spaces() {
        for (value, written) in [
            ("a", "/base/a"),
            ("a/b c/", "/base/a/b%20c/"),
            ("/a b", "/a%20b"),
            ("12:30", "/base/12:30"),
            ("http://example.com/\u{e4}", "http://example.com/%C3%A4"),
            ("http://example.com", "http://example.com/"),
        ] {
            assert_eq!(href(value), Ok(written.to_owned()), "{value}");
        }
        use InvalidKind::*;
        for (value, offset, kind) in [
            ("", 0, NotAbsolute),
            ("..", 0, DotSegment),
            ("a/./b", 2, DotSegment),
            ("//host/a", 1, EmptySegment),
            ("a//b", 2, EmptySegment),
            ("a:b", 2, NoAuthority),
            ("?a", 0, Query),
            ("#", 0, Fragment),
            ("a\nb", 1, Character),
        ] {
            assert_eq!(href(value), Err((offset, kind)), "{value}");
        }
    }

    #[test]
    fn paths_are_bounded_by_their_decoded_length() {
        let long = |count: usize| format!("/{}", "%41".repeat(count));
        assert!(parse(&long(LENGTH_MAX)).is_ok());
        assert_eq!(parse(&long(LENGTH_MAX + 1)), Err((1, InvalidKind::TooLong)));
    }

    #[test]
    fn a_document_lies_in_a_collection_rfc3986_5_2_3() {
        let collection =
            |value: &str| Reference::parse(value.as_bytes()).unwrap().path.collection();
        assert_eq!(collection("/batch-operation"), Path::root());
        assert_eq!(collection("/a/b").to_string(), "/a/");
        assert_eq!(collection("/a/b/").to_string(), "/a/b/");
    }

    proptest! {
        #[test]
        fn written_and_read_again(
            segments in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..9), 0..6),
            slash: bool,
        ) {
            if let Some(path) = Path::new(segments.iter().map(Vec::as_slice), slash) {
                let read = Reference::parse(path.to_string().as_bytes());
                prop_assert_eq!(read, Ok(Reference { origin: None, path: path.clone() }));
                prop_assert!(path.segments().eq(segments.iter().map(Vec::as_slice)));
            }
        }

        #[test]
        fn what_is_read_keeps_its_promises(value in "(http://h)?[/.%2eEfF5cC0a ?#\u{e4}]{0,12}") {
            for read in [Reference::parse(value.as_bytes()), Reference::parse_href(value.as_bytes(), &Path::root().into())] {
                let Ok(Reference { path, .. }) = read else { continue };
                prop_assert_eq!(Path::new(path.segments(), path.has_slash()), Some(path.clone()));
                prop_assert_eq!(path.has_slash(), value.ends_with('/') || path.is_root());
            }
        }
    }
}
