//! `Naming`: the hrefs of resources that an answer is about without having seen them.

use polydav_store::{ResourcePath, Store};

use crate::site::Base;

/// Writes hrefs, those of collections with a slash at the end (RFC 4918 §8.3). It asks the store
/// what lies there, so it blocks; it is for the few resources that failures and locks name.
#[derive(Clone, Copy)]
pub(crate) struct Naming<'a> {
    pub(crate) base: &'a Base,
    pub(crate) store: &'a dyn Store,
}

impl Naming<'_> {
    /// The href of a resource; that of a file, if there is nothing (any more).
    pub(crate) fn href(&self, path: &ResourcePath) -> String {
        let entry = self.store.find(path).ok().flatten();
        self.base.href(path, path.is_root() || entry.is_some_and(|entry| entry.is_collection()))
    }
}
