//! What is asked of an engine, so that it waits.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use polydav_store::{Action, Content, Failure, FailureKind, Guard, ResourcePath, Step};

pub(crate) type Asked<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Asks for something, so that it waits.
pub(crate) fn ask<T>(mut asked: Asked<T>) -> Asked<T> {
    let polled = asked.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending), "it waits");
    asked
}

/// Why something failed, if it did.
pub(crate) fn kind<T>(result: &Result<T, Failure>) -> Option<FailureKind> {
    result.as_ref().err().map(|failure| failure.kind)
}

pub(crate) fn path(joined: &str) -> ResourcePath {
    ResourcePath::parse(joined).unwrap()
}

pub(crate) fn step(action: Action) -> Step {
    Step::new(0, Guard::default(), action)
}

pub(crate) fn put(target: &str) -> Step {
    let content = Content::Inline(Bytes::from_static(b"content"));
    step(Action::Put { target: path(target), content, modified: None })
}
