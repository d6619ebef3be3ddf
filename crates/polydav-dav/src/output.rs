//! `Output`: an answer that is written by a thread that may block, whole if it is short, else as it
//! comes.

use std::io;

use http::{Response, StatusCode};
use polydav_store::Failure;
use tokio::sync::oneshot;

use crate::body::{Body, Feed};
use crate::problem::Problem;

/// The answer goes to the client in portions of about this size.
const PORTION: usize = 64 * 1024;

/// Why an answer ends before its end.
pub(crate) enum Broken {
    /// Nobody reads it.
    Gone,
    /// It can't go on; the client must not take it for complete.
    Failed(io::Error),
    /// What it tells of can't be read (any more). As long as nothing was sent, the request as a
    /// whole can fail.
    Unreadable(Failure),
}

/// Where the bytes go: into the answer as a whole, or into its stream once it is long.
pub(crate) struct Output {
    begun: Option<oneshot::Sender<Result<Response<Body>, Problem>>>,
    feed: Option<Feed>,
    /// The answer without its body; it counts until the first portion is sent.
    pub(crate) header: Response<()>,
}

/// Has `write` write an answer on a thread that may block.
pub(crate) async fn written(
    write: impl FnOnce(&mut Output) -> Result<(), Broken> + Send + 'static,
) -> Result<Response<Body>, Problem> {
    let (begun, answer) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut output = Output { begun: Some(begun), feed: None, header: Response::default() };
        if let Err(broken) = write(&mut output) {
            output.break_off(broken);
        }
    });
    answer.await.map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the listing could not be made")
    })?
}

impl Output {
    /// A buffer that takes a portion, and a little more.
    pub(crate) fn buffer() -> Vec<u8> {
        Vec::with_capacity(PORTION + 4096)
    }

    /// Passes a full portion on to the client; waits while that is behind.
    pub(crate) fn pass_on(&mut self, buffer: &mut Vec<u8>) -> Result<(), Broken> {
        if buffer.len() < PORTION {
            return Ok(());
        }
        let portion = std::mem::replace(buffer, Self::buffer());
        self.feed()?.send(portion.into()).map_err(|_| Broken::Gone)
    }

    /// Ends the answer. A short one is given whole, so that it has a length.
    pub(crate) fn end(&mut self, last: Vec<u8>) -> Result<(), Broken> {
        match self.begun.take() {
            Some(begun) => self.begin(begun, last.into()),
            None => self.feed()?.send(last.into()).map_err(|_| Broken::Gone),
        }
    }

    /// Ends an answer without its body, whose length isn't known (RFC 9110 §9.3.2).
    pub(crate) fn end_unwritten(&mut self) -> Result<(), Broken> {
        self.feed().map(drop)
    }

    fn feed(&mut self) -> Result<&Feed, Broken> {
        if let Some(begun) = self.begun.take() {
            let (feed, body) = Body::stream(None);
            self.begin(begun, body)?;
            self.feed = Some(feed);
        }
        self.feed.as_ref().ok_or(Broken::Gone)
    }

    fn begin(
        &mut self,
        begun: oneshot::Sender<Result<Response<Body>, Problem>>,
        body: Body,
    ) -> Result<(), Broken> {
        let header = std::mem::take(&mut self.header);
        begun.send(Ok(header.map(|()| body))).map_err(|_| Broken::Gone)
    }

    fn break_off(self, broken: Broken) {
        let error = match (broken, self.begun) {
            (Broken::Gone, _) => return,
            (Broken::Unreadable(failure), Some(begun)) => {
                return drop(begun.send(Err(failure.into())));
            }
            (Broken::Unreadable(failure), None) => io::Error::other(failure),
            (Broken::Failed(error), _) => error,
        };
        tracing::error!(%error, "a listing broke off");
        if let Some(feed) = self.feed {
            feed.fail(error);
        }
    }
}
