//! `Naming`: the hrefs of resources that an answer is about without having seen them.

use std::sync::Arc;

use polydav_engine::LiveView;
use polydav_store::{Entry, Failure, ResourcePath, Store};

use crate::site::Base;

/// What lies where.
pub(crate) trait Ground {
    /// The resource at `path`; `None` if there is none.
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure>;
}

/// Blocks.
impl Ground for Arc<dyn Store> {
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        self.find(path)
    }
}

impl Ground for LiveView<'_> {
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        polydav_store::View::entry(self, path)
    }
}

/// Writes hrefs, those of collections with a slash at the end (RFC 4918 §8.3). It asks what lies
/// there; it is for the few resources that failures and locks name.
#[derive(Clone, Copy)]
pub(crate) struct Naming<'a> {
    pub(crate) base: &'a Base,
    pub(crate) ground: &'a dyn Ground,
}

impl Naming<'_> {
    /// The href of a resource; that of a file, if there is nothing (any more).
    pub(crate) fn href(&self, path: &ResourcePath) -> String {
        let entry = self.ground.entry(path).ok().flatten();
        self.base.href(path, path.is_root() || entry.is_some_and(|entry| entry.is_collection()))
    }
}
