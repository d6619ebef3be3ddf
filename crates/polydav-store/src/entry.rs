//! `Entry`: what a store says of one resource.

use std::fmt;
use std::time::SystemTime;

use crate::ResourcePath;
use crate::property::Property;
use crate::record::Fields;

/// What kind of resource lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A resource with content.
    File,
    /// A resource with members.
    Collection,
    /// Something that is there, but can be neither read nor copied: a pipe, a device, a link that
    /// leads nowhere or out of the store. It may be moved and removed.
    Special,
}

/// The opaque part of a strong entity tag (RFC 9110 §8.8.3), without its quotes.
///
/// Two equal tags of one resource promise equal content, byte for byte. Whether a file that is moved
/// takes its tag along is its store's affair.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ETag(String);

impl ETag {
    /// A tag of the given characters.
    ///
    /// # Panics
    /// If `opaque` holds anything but visible ASCII other than `"`: tags come from stores, not
    /// from clients.
    pub fn new(opaque: impl Into<String>) -> Self {
        let opaque = opaque.into();
        assert!(
            opaque.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'),
            "a store made the entity tag {opaque:?}"
        );
        Self(opaque)
    }

    /// The characters between the quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// With its quotes, as header fields and `DAV:getetag` have it.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// A resource as its store sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies.
    pub path: ResourcePath,
    /// What it is.
    pub kind: Kind,
    /// Bytes of its content; 0 for a collection.
    pub length: u64,
    /// When its content last changed, if the store knows.
    pub modified: Option<SystemTime>,
    /// When it came to be, if the store knows.
    pub created: Option<SystemTime>,
    /// Its entity tag; collections have none.
    pub etag: Option<ETag>,
    /// Whether it was reached through a link: the path is one to what the other fields tell of,
    /// or leads over one. A walk doesn't descend into it, and it can't be locked.
    pub link: bool,
    /// Whether it is a record, whose content is a JSON object, or a collection of records.
    pub record: bool,
    /// The dead properties that were selected.
    pub properties: Vec<Property>,
    /// The columns of a record that were selected: those of the namespace
    /// [`COLUMNS`](crate::COLUMNS).
    pub columns: Fields,
}

impl Entry {
    /// Whether it is a collection.
    pub fn is_collection(&self) -> bool {
        self.kind == Kind::Collection
    }
}
