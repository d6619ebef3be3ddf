//! `Node`: what is known of one resource in memory.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;

use crate::{ETag, Entry, Kind, PropertyName, ResourcePath};

/// A resource.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) body: Body,
    pub(super) modified: Option<SystemTime>,
    pub(super) created: Option<SystemTime>,
    /// Its dead properties, but for those that it has of its origin; `None` where one of those is gone.
    pub(super) properties: BTreeMap<PropertyName, Option<Bytes>>,
    /// What of the ground it is, or was made of.
    pub(super) origin: Option<Origin>,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    /// With the members of its origin beside those that are known, or without.
    Collection { open: bool },
    /// Without a content, it has that of its origin.
    File { content: Option<Bytes>, length: u64, etag: ETag },
    /// What can't be read, but be moved and removed.
    Special { link: bool },
}

/// A resource of the ground.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// Where it lies there.
    pub(super) path: ResourcePath,
    /// The number of its copy, 0 for itself.
    pub(super) copy: u64,
}

impl Node {
    pub(super) fn new(body: Body) -> Self {
        let now = Some(SystemTime::now());
        Self { body, modified: now, created: now, properties: BTreeMap::new(), origin: None }
    }

    /// What lies in the ground.
    pub(super) fn of(entry: Entry, origin: Origin) -> Self {
        let body = match (entry.kind, entry.etag) {
            (Kind::Collection, _) => Body::Collection { open: true },
            (Kind::File, Some(etag)) => {
                let etag = origin.etag(etag);
                Body::File { content: None, length: entry.length, etag }
            }
            (Kind::Special, _) | (Kind::File, None) => Body::Special { link: entry.link },
        };
        let Entry { modified, created, .. } = entry;
        Self { body, modified, created, properties: BTreeMap::new(), origin: Some(origin) }
    }

    pub(super) fn is_collection(&self) -> bool {
        matches!(self.body, Body::Collection { .. })
    }

    /// The collection of the ground whose members it has, but for those that are known.
    pub(super) fn members(&self) -> Option<&Origin> {
        match self.body {
            Body::Collection { open: true } => self.origin.as_ref(),
            _ => None,
        }
    }

    pub(super) fn length(&self) -> u64 {
        match self.body {
            Body::File { length, .. } => length,
            Body::Collection { .. } | Body::Special { .. } => 0,
        }
    }

    /// Without its dead properties.
    pub(super) fn entry(&self, path: &ResourcePath) -> Entry {
        let (kind, etag) = match &self.body {
            Body::Collection { .. } => (Kind::Collection, None),
            Body::File { etag, .. } => (Kind::File, Some(etag.clone())),
            Body::Special { .. } => (Kind::Special, None),
        };
        Entry {
            path: path.clone(),
            kind,
            length: self.length(),
            modified: self.modified,
            created: self.created,
            etag,
            link: matches!(self.body, Body::Special { link: true }),
            record: false,
            columns: Vec::new(),
            properties: Vec::new(),
        }
    }
}

impl Origin {
    /// The entity tag of this file of the ground: a copy has another one than the original.
    pub(super) fn etag(&self, etag: ETag) -> ETag {
        match self.copy {
            0 => etag,
            copy => would_be(&format!("{copy}-{}", etag.as_str())),
        }
    }
}

/// An entity tag that no resource of the ground ever had.
pub(super) fn would_be(tag: &str) -> ETag {
    ETag::new(format!("would-be-{tag}"))
}
