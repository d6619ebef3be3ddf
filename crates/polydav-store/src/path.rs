//! `ResourcePath`: where a resource lies within a store.

use std::cmp::Ordering;
use std::fmt;

/// The path of a resource within a store: a sequence of segments of bytes.
///
/// Invariants, upheld by every constructor:
///
/// - no segment is empty, `.` or `..`;
/// - no segment holds a `/` or a NUL byte;
/// - the path of no segments is the store's root.
///
/// Segments are bytes, not text: a folder may hold names that are no valid UTF-8. Decoding
/// percent-escapes happens once, before a `ResourcePath` is made.
///
/// Paths are ordered segment by segment, so that in an ordered map everything under a path follows
/// it directly.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct ResourcePath {
    /// The segments, joined by `/`, without one at either end.
    joined: Vec<u8>,
}

/// Why bytes are no [`ResourcePath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// A segment of no bytes.
    #[error("a path segment is empty")]
    Empty,
    /// A segment `.` or `..`.
    #[error("a path segment is a dot segment")]
    Dot,
    /// A NUL byte, or a `/` inside a segment.
    #[error("a path segment holds a NUL byte or a slash")]
    Byte,
}

impl ResourcePath {
    /// The root of the store.
    pub const fn root() -> Self {
        Self { joined: Vec::new() }
    }

    /// A path of the given segments.
    ///
    /// # Errors
    /// [`InvalidPath`] if a segment breaks one of the invariants.
    pub fn from_segments<S: AsRef<[u8]>>(
        segments: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidPath> {
        let mut path = Self::root();
        for segment in segments {
            path.push(segment.as_ref())?;
        }
        Ok(path)
    }

    /// A path from segments joined by single slashes; the empty string is the root.
    ///
    /// # Errors
    /// [`InvalidPath`] if a segment breaks one of the invariants.
    pub fn parse(joined: impl AsRef<[u8]>) -> Result<Self, InvalidPath> {
        let joined = joined.as_ref();
        if joined.is_empty() {
            return Ok(Self::root());
        }
        joined.split(|&byte| byte == b'/').try_for_each(check_segment)?;
        Ok(Self { joined: joined.to_vec() })
    }

    /// Appends a segment.
    ///
    /// # Errors
    /// [`InvalidPath`] if the segment breaks one of the invariants.
    pub fn push(&mut self, segment: &[u8]) -> Result<(), InvalidPath> {
        check_segment(segment)?;
        if !self.joined.is_empty() {
            self.joined.push(b'/');
        }
        self.joined.extend_from_slice(segment);
        Ok(())
    }

    /// This path with one more segment.
    ///
    /// # Errors
    /// [`InvalidPath`] if the segment breaks one of the invariants.
    pub fn join(&self, segment: &[u8]) -> Result<Self, InvalidPath> {
        let mut joined = Vec::with_capacity(self.joined.len() + 1 + segment.len());
        joined.extend_from_slice(&self.joined);
        let mut path = Self { joined };
        path.push(segment)?;
        Ok(path)
    }

    /// The segments joined by `/`, without one at either end; empty for the root.
    pub fn as_bytes(&self) -> &[u8] {
        &self.joined
    }

    /// Whether this is the root of the store.
    pub fn is_root(&self) -> bool {
        self.joined.is_empty()
    }

    /// The segments, outermost first.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.joined.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty())
    }

    /// The last segment; `None` for the root.
    pub fn name(&self) -> Option<&[u8]> {
        let start = self.joined.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        Some(&self.joined[start..]).filter(|name| !name.is_empty())
    }

    /// The collection this is a member of; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let name = self.name()?;
        let end = (self.joined.len() - name.len()).saturating_sub(1);
        Some(Self { joined: self.joined[..end].to_vec() })
    }

    /// The collections this lies in, innermost first, up to the root.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Whether `other` is this path or lies under it.
    pub fn contains(&self, other: &Self) -> bool {
        self.is_root() || self == other || self.is_above(other)
    }

    /// Whether `other` lies strictly under this path.
    pub fn is_above(&self, other: &Self) -> bool {
        if self.is_root() {
            return !other.is_root();
        }
        other.joined.len() > self.joined.len()
            && other.joined.starts_with(&self.joined)
            && other.joined[self.joined.len()] == b'/'
    }

    /// Whether one of the two paths contains the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Where this path lands when `source` becomes `target`; `None` if it isn't within `source`.
    pub fn rebase(&self, source: &Self, target: &Self) -> Option<Self> {
        if !source.contains(self) {
            return None;
        }
        let rest = &self.joined[source.joined.len()..];
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        let mut joined = target.joined.clone();
        if !joined.is_empty() && !rest.is_empty() {
            joined.push(b'/');
        }
        joined.extend_from_slice(rest);
        Some(Self { joined })
    }
}

fn check_segment(segment: &[u8]) -> Result<(), InvalidPath> {
    match segment {
        b"" => Err(InvalidPath::Empty),
        b"." | b".." => Err(InvalidPath::Dot),
        _ if segment.iter().any(|byte| matches!(byte, b'/' | 0)) => Err(InvalidPath::Byte),
        _ => Ok(()),
    }
}

impl Ord for ResourcePath {
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right) = (&self.joined, &other.joined);
        let Some(at) = first_difference(left, right) else { return left.len().cmp(&right.len()) };
        // A slash sorts before every byte a segment may hold: the order is that of the segments.
        let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
        rank(left[at]).cmp(&rank(right[at]))
    }
}

/// Where both differ, as far as both reach. Paths that are compared mostly have long beginnings in
/// common.
fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    const STRIDE: usize = 8;
    let strides = left.as_chunks::<STRIDE>().0.iter().zip(right.as_chunks::<STRIDE>().0);
    let same = STRIDE * strides.take_while(|(left, right)| left == right).count();
    let at = left[same..].iter().zip(&right[same..]).position(|(left, right)| left != right)?;
    Some(same + at)
}

impl PartialOrd for ResourcePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// For logs and messages: a leading slash, bytes that are no printable text escaped.
impl fmt::Display for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/")?;
        for chunk in self.joined.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    write!(f, "{character}")?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourcePath({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(joined: &str) -> ResourcePath {
        ResourcePath::parse(joined).unwrap()
    }

    #[test]
    fn segments_that_could_leave_the_root_are_refused() {
        for (joined, why) in [
            ("a//b", InvalidPath::Empty),
            ("/a", InvalidPath::Empty),
            ("a/", InvalidPath::Empty),
            (".", InvalidPath::Dot),
            ("a/../b", InvalidPath::Dot),
            ("a\0", InvalidPath::Byte),
        ] {
            assert_eq!(ResourcePath::parse(joined), Err(why), "{joined:?}");
        }
        assert_eq!(ResourcePath::root().join(b"a/b"), Err(InvalidPath::Byte));
    }

    #[test]
    fn a_path_knows_its_place() {
        let deep = path("a/b/c");
        assert_eq!(deep.name(), Some(&b"c"[..]));
        assert_eq!(deep.parent(), Some(path("a/b")));
        assert_eq!(deep.ancestors().collect::<Vec<_>>(), [path("a/b"), path("a"), path("")]);
        assert!(path("a").is_above(&deep) && !path("a").is_above(&path("a")));
        assert!(!path("a").is_above(&path("ab")) && path("").is_above(&path("ab")));
        assert!(ResourcePath::root().parent().is_none());
    }

    #[test]
    fn rebasing_keeps_what_lies_below() {
        assert_eq!(path("a/b/c").rebase(&path("a"), &path("x/y")), Some(path("x/y/b/c")));
        assert_eq!(path("a").rebase(&path("a"), &path("x")), Some(path("x")));
        assert_eq!(path("ab").rebase(&path("a"), &path("x")), None);
        assert_eq!(path("a").rebase(&path(""), &path("x")), Some(path("x/a")));
    }

    proptest! {
        /// What lies under a path is contiguous in the order of paths.
        #[test]
        fn order_is_by_segment(
            mut paths in prop::collection::vec("[a!-]{1,2}(/[a!-]{1,2}){0,3}", 1..40),
            root in "[a!-]{1,2}",
        ) {
            paths.push(root.clone());
            let mut paths: Vec<_> = paths.iter().map(|joined| path(joined)).collect();
            paths.sort();
            let root = path(&root);
            let inside: Vec<_> = paths.iter().map(|path| root.contains(path)).collect();
            let changes = inside.windows(2).filter(|pair| pair[0] != pair[1]).count();
            prop_assert!(changes <= 2, "{paths:?}");
        }

        #[test]
        fn order_is_that_of_the_segments(
            left in "[a!-]{1,12}(/[a!-]{1,12}){0,3}",
            right in "[a!-]{1,12}(/[a!-]{1,12}){0,3}",
        ) {
            let (a, b) = (path(&left), path(&right));
            prop_assert_eq!(a.cmp(&b), left.split('/').cmp(right.split('/')));
        }

        #[test]
        fn parse_takes_back_what_as_bytes_gives(joined in "[^/\0.]{1,5}(/[^/\0.]{1,5}){0,3}") {
            let parsed = path(&joined);
            prop_assert_eq!(parsed.as_bytes(), joined.as_bytes());
        }
    }
}
