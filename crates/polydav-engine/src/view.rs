//! `LiveView`: the store and the locks as they are right now, and how they are looked at.

use std::fmt;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use polydav_store::{
    Entry, Failure, FailureKind, Lock, LockView, ReadAt, Reading, ResourcePath, Select, Space,
    View, Visit, Walk,
};

use crate::engine::{Engine, Inner};

/// It ended in a panic, of which the hook of panics has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it ended in a panic")]
pub struct Panicked;

/// Each may have an owner of some kilobytes.
const LOCKS_AT_ONCE_MAX: usize = 8;

/// What conditions are judged against outside a run: the store as it is right now. Asking it blocks,
/// but where [`Engine::look`] gives it.
#[derive(Clone, Copy)]
pub struct LiveView<'a> {
    inner: &'a Inner,
    /// For who must not block: whether there was something that would have to be waited for.
    late: Option<&'a AtomicBool>,
}

impl Engine {
    /// The store and the locks as they are right now. Asking it blocks.
    pub fn view(&self) -> LiveView<'_> {
        LiveView::of(&self.inner)
    }

    /// Has `look` look at the store and the locks: right here, as long as that has to wait for
    /// nothing; else, and then from the beginning, on a thread that may block.
    ///
    /// # Errors
    /// If it ends in a panic.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl Fn(LiveView<'_>) -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let at_once = || self.view().at_once(&look);
        match catch_unwind(AssertUnwindSafe(at_once)) {
            Ok(Some(seen)) => return Ok(seen),
            Ok(None) => {}
            Err(_) => return Err(Panicked),
        }
        let engine = self.clone();
        tokio::task::spawn_blocking(move || look(engine.view())).await.map_err(|_| Panicked)
    }
}

impl<'a> LiveView<'a> {
    pub(crate) fn of(inner: &'a Inner) -> Self {
        Self { inner, late: None }
    }

    /// What `look` sees without waiting; `None` if it sees too little.
    fn at_once<T>(self, look: impl FnOnce(LiveView<'_>) -> T) -> Option<T> {
        let late = AtomicBool::new(false);
        let seen = look(LiveView { late: Some(&late), ..self });
        (!late.into_inner()).then_some(seen)
    }

    /// The resource at `path`.
    ///
    /// # Errors
    /// As [`Store::stat`](polydav_store::Store::stat).
    pub fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        match self.late {
            None => self.inner.store.stat(path, select),
            Some(late) => in_time(late, self.inner.store.try_stat(path, select)),
        }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// As [`Store::read`](polydav_store::Store::read).
    pub fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        match self.late {
            None => self.inner.store.read(path),
            Some(late) => in_time(late, self.inner.store.try_read(path)),
        }
    }

    /// Reads from an open file.
    ///
    /// # Errors
    /// As [`ReadAt::read_at`].
    pub fn read_at(
        &self,
        content: &dyn ReadAt,
        buffer: &mut [u8],
        offset: u64,
    ) -> Result<usize, Failure> {
        match self.late {
            None => content.read_at(buffer, offset),
            Some(late) => in_time(late, content.try_read_at(buffer, offset)),
        }
    }

    /// Tells `visit` of the resources under `root`.
    ///
    /// # Errors
    /// As [`Store::walk`](polydav_store::Store::walk).
    pub fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        match self.late {
            None => self.inner.store.walk(root, walk, visit),
            Some(late) => in_time(late, None),
        }
    }

    /// The locks on `path`, or on a collection above it that reach down to it: as
    /// [`LockView::covering`], but many of them only for who may block, since each takes time to be
    /// told of.
    ///
    /// # Errors
    /// If they are too many to be told of at once.
    pub fn covering(&self, path: &ResourcePath) -> Result<Vec<Arc<Lock>>, Failure> {
        let locks = self.inner.locks.covering(path);
        match self.late {
            Some(late) if locks.len() > LOCKS_AT_ONCE_MAX => in_time(late, None),
            _ => Ok(locks),
        }
    }

    /// Where the space stands.
    ///
    /// # Errors
    /// As [`Store::space`](polydav_store::Store::space).
    pub fn space(&self, path: &ResourcePath) -> Result<Option<Space>, Failure> {
        match self.late {
            None => self.inner.store.space(path),
            Some(late) => in_time(late, None),
        }
    }
}

/// What was answered in time. What wasn't is noted, whatever the one who asked makes of the failure.
fn in_time<T>(late: &AtomicBool, answer: Option<Result<T, Failure>>) -> Result<T, Failure> {
    answer.unwrap_or_else(|| {
        late.store(true, Ordering::Relaxed);
        Err(Failure::new(FailureKind::Internal, ResourcePath::root())
            .with_detail("it would have to be waited for"))
    })
}

impl View for LiveView<'_> {
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        match self.stat(path, &Select::None) {
            Ok(entry) => Ok(Some(entry)),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn locks(&self) -> &dyn LockView {
        &self.inner.locks
    }
}

impl fmt::Debug for LiveView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveView").field("late", &self.late).finish_non_exhaustive()
    }
}
