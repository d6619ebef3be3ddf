//! `ReadOnly`: a store that lets nothing be changed.

use std::sync::Arc;

use crate::run::{Course, Report, Run};
use crate::store::{Broken, Capabilities, Stage, Store};
use crate::{Failure, FailureKind, LockView, ResourcePath, delegate};

/// Refuses every change with [`FailureKind::ReadOnly`], whatever its guard says; reading goes
/// through.
#[derive(Debug)]
pub struct ReadOnly<S>(S);

impl<S: Store> ReadOnly<S> {
    /// `store`, for reading alone.
    pub fn new(store: S) -> Self {
        Self(store)
    }
}

fn refusal<T>(path: &ResourcePath) -> Result<T, Failure> {
    Err(Failure::new(FailureKind::ReadOnly, path.clone()))
}

impl<S: Store> Store for ReadOnly<S> {
    delegate!(this => this.0; stat, try_stat, walk, read, try_read, list, mounts, locate, space, fate);

    fn capabilities(&self, path: &ResourcePath) -> Capabilities {
        Capabilities { writable: false, ..self.0.capabilities(path) }
    }

    fn stage(&self, target: &ResourcePath, _: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        refusal(target)
    }

    fn apply(&self, run: Run, _: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        let failure = Failure::new(FailureKind::ReadOnly, ResourcePath::root());
        Course::of(&run).refuse(&run.steps, &failure, report);
        Ok(())
    }

    /// Nothing ever comes of a run here.
    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Store>, Failure> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;
    use crate::kit::{given, lines, mkcol, path, put, tell};

    #[test]
    fn what_is_there_is_read_and_stays() {
        let store = MemoryStore::new();
        given(&store, [mkcol("a"), put("a/b", "x")]);
        let store = ReadOnly::new(store);
        assert_eq!(lines(&store), ["/a/", "/a/b=x"]);
        assert!(store.space(&path("")).is_ok());
        assert_eq!(tell(&store, [put("a/b", "y"), mkcol("c")]), ["ReadOnly /a/b", "ReadOnly /c"]);
        assert_eq!(lines(&store), ["/a/", "/a/b=x"]);
    }
}
