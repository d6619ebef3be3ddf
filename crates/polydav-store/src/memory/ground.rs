//! `Ground`: what a store in memory may lie over.

use crate::store::Store;
use crate::{Action, Entry, Failure, FailureKind, ResourcePath};

/// A store of files that a [`MemoryStore`](crate::MemoryStore) lies [over](crate::MemoryStore::over): it
/// is looked at, and stays as it is.
///
/// The questions are those that a change would have answered by being made: who may, and what it
/// meets. What is asked for by `None` isn't here: it was made above.
pub trait Ground: Store {
    /// What a change meets at `path`; `None` if there is nothing. A link is told as itself, and leads
    /// nowhere.
    ///
    /// # Errors
    /// What a change there fails with, whatever it is.
    fn meet(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure>;

    /// Tells `visit` of the members of a collection, each as [`Ground::meet`] does; returns whether
    /// there are others beside them, which nobody sees.
    ///
    /// # Errors
    /// Why they can't be told.
    fn members(
        &self,
        collection: &ResourcePath,
        visit: &mut dyn FnMut(Entry),
    ) -> Result<bool, FailureKind>;

    /// Refuses an action that never is one here.
    ///
    /// # Errors
    /// Why it is refused.
    fn check_action(&self, action: &Action) -> Result<(), Failure>;

    /// Whether something may be called so.
    ///
    /// # Errors
    /// Why it may not.
    fn check_name(&self, path: &ResourcePath) -> Result<(), FailureKind>;

    /// Whether a collection lets its members change.
    ///
    /// # Errors
    /// Why it doesn't.
    fn check_holder(&self, collection: &ResourcePath) -> Result<(), FailureKind>;

    /// Whether a resource may be removed from the collection that it lies in by now.
    ///
    /// # Errors
    /// Why it may not.
    fn check_leaving(
        &self,
        resource: Option<&ResourcePath>,
        holder: Option<&ResourcePath>,
    ) -> Result<(), FailureKind>;

    /// Whether the content of a file may be read.
    ///
    /// # Errors
    /// Why it may not.
    fn check_reading(&self, file: &ResourcePath) -> Result<(), FailureKind>;
}
