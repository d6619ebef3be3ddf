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

/// What is answered instead, as long as nothing was sent.
impl From<Broken> for Problem {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Unreadable(failure) => failure.into(),
            Broken::Failed(error) => {
                tracing::error!(%error, "an answer could not be written");
                Self::internal()
            }
            // Nobody will read this either.
            Broken::Gone => Self::internal(),
        }
    }
}

/// Where the bytes go: into the answer as a whole, or into its stream once it is long.
pub(crate) struct Output {
    begun: Option<oneshot::Sender<Result<Response<Body>, Problem>>>,
    feed: Option<Feed>,
    /// The answer without its body; it counts until the first portion is sent.
    pub(crate) header: Response<()>,
}

/// The answer, once it is begun.
pub(crate) type Begun = oneshot::Receiver<Result<Response<Body>, Problem>>;

/// Has `write` write an answer on a thread that may block.
pub(crate) async fn written(
    write: impl FnOnce(&mut Output) -> Result<(), Broken> + Send + 'static,
) -> Result<Response<Body>, Problem> {
    let (mut output, answer) = Output::new(Response::default());
    tokio::task::spawn_blocking(move || {
        if let Err(broken) = write(&mut output) {
            output.break_off(broken);
        }
    });
    answer.await.map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the listing could not be made")
    })?
}

impl Output {
    /// An answer that is to be written, on threads that may block.
    pub(crate) fn new(header: Response<()>) -> (Self, Begun) {
        let (begun, answer) = oneshot::channel();
        (Self { begun: Some(begun), feed: None, header }, answer)
    }

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

    /// Passes on what there is, be it little, and begins the answer at the latest now.
    pub(crate) fn flush(&mut self, buffer: &mut Vec<u8>) -> Result<(), Broken> {
        let feed = self.feed()?;
        match std::mem::take(buffer) {
            nothing if nothing.is_empty() => Ok(()),
            portion => feed.send(portion.into()).map_err(|_| Broken::Gone),
        }
    }

    /// Whether a part of the answer was sent, so that it can't become another one.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.is_none()
    }

    /// Whether the answer was begun, and nobody reads it any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.feed.as_ref().is_some_and(Feed::is_closed)
    }

    /// Answers with a problem, as long as the answer has not begun.
    pub(crate) fn refuse(self, problem: Problem) {
        if let Some(begun) = self.begun {
            // If nobody waits any more there is nobody to tell.
            let _ = begun.send(Err(problem));
        }
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

    /// Ends the answer before its end.
    pub(crate) fn break_off(self, broken: Broken) {
        let error = match (broken, self.begun) {
            (Broken::Gone, _) => return,
            (Broken::Unreadable(failure), Some(begun)) => {
                return drop(begun.send(Err(failure.into())));
            }
            (Broken::Unreadable(failure), None) => io::Error::other(failure),
            (Broken::Failed(error), _) => error,
        };
        tracing::error!(%error, "an answer broke off");
        if let Some(feed) = self.feed {
            feed.fail(error);
        }
    }
}
