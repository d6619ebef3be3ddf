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

    /// The elements of RFC 4918 that stand in every response need no allocation.
    pub(crate) fn local(text: &str) -> Self {
        const KNOWN: [&str; 22] = [
            "response",
            "href",
            "propstat",
            "prop",
            "status",
            "multistatus",
            "responsedescription",
            "error",
            "location",
            "item",
            "member",
            "summary",
            "collection",
            "resourcetype",
            "creationdate",
            "displayname",
            "getcontentlength",
            "getcontenttype",
            "getetag",
            "getlastmodified",
            "supportedlock",
            "lockdiscovery",
        ];
        match KNOWN.iter().find(|known| **known == text) {
            Some(known) => Self::Static(known),
            None => Self::from(text),
        }
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

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
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
