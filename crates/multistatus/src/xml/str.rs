//! A string that is cheap to clone: static, or shared.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// Names repeat: a listing of 100,000 members says `DAV:` a million times, and a hostile document
/// may bind one long namespace and use it in every tag. Sharing keeps both at the size of the input.
#[derive(Clone)]
pub(crate) enum Str {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Str {
    pub(crate) const EMPTY: Self = Self::Static("");

    /// A local name. Those that stand in every response need no allocation.
    pub(crate) fn local(text: &str) -> Self {
        known(text).map_or_else(|| Self::from(text), Self::Static)
    }
}

/// Finds a common local name of RFC 4918 or the batch extension.
fn known(text: &str) -> Option<&'static str> {
    macro_rules! known {
        ($($name:literal)*) => { match text { $($name => Some($name),)* _ => None } };
    }
    known! {
        "response" "href" "propstat" "prop" "status" "multistatus" "responsedescription" "error"
        "location" "item" "member" "summary" "collection" "resourcetype" "creationdate"
        "displayname" "getcontentlength" "getcontenttype" "getetag" "getlastmodified"
        "supportedlock" "lockdiscovery" "lockentry" "lockscope" "locktype" "exclusive" "shared"
        "write"
    }
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        match text {
            "" => Self::EMPTY,
            super::DAV => Self::Static(super::DAV),
            super::XML => Self::Static(super::XML),
            _ => Self::Shared(text.into()),
        }
    }
}

/// Names are compared all the time, and mostly with others, or with the very same string. Both are
/// told here without a call to `memcmp`.
impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.as_bytes(), other.as_bytes());
        a.len() == b.len() && (a.as_ptr() == b.as_ptr() || (a.last() == b.last() && a == b))
    }
}

impl Eq for Str {}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
