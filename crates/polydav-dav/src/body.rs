//! `Body`: what a reply carries, whole or as it comes; and `Incoming`, what a request carries.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::mpsc;

/// The body of a request.
pub type Incoming = UnsyncBoxBody<Bytes, Box<dyn StdError + Send + Sync>>;

/// How many chunks of a streamed body wait for the client at most.
const CHUNKS_AHEAD: usize = 2;

/// The body of a reply.
#[derive(Debug, Default)]
pub struct Body(Content);

#[derive(Debug, Default)]
enum Content {
    #[default]
    Empty,
    Whole(Bytes),
    Stream {
        chunks: mpsc::Receiver<io::Result<Bytes>>,
        left: Option<u64>,
    },
}

/// Feeds a streamed body from a thread that may block.
#[derive(Debug)]
pub(crate) struct Feed(mpsc::Sender<io::Result<Bytes>>);

/// Nobody reads the body any more.
#[derive(Debug)]
pub(crate) struct Gone;

impl Feed {
    /// Hands a chunk on; waits while the client is behind.
    pub(crate) fn send(&self, chunk: Bytes) -> Result<(), Gone> {
        self.0.blocking_send(Ok(chunk)).map_err(|_| Gone)
    }

    /// Whether nobody reads the body any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Breaks the body off, so that the client can't take it for complete.
    pub(crate) fn fail(&self, error: io::Error) {
        // If nobody reads any more there is nobody to tell.
        let _ = self.0.blocking_send(Err(error));
    }
}

impl Body {
    /// A body that is fed as it comes; `length` if it is known before.
    pub(crate) fn stream(length: Option<u64>) -> (Feed, Self) {
        let (feed, chunks) = mpsc::channel(CHUNKS_AHEAD);
        (Feed(feed), Self(Content::Stream { chunks, left: length }))
    }
}

impl<B: Into<Bytes>> From<B> for Body {
    fn from(bytes: B) -> Self {
        let bytes = bytes.into();
        Self(if bytes.is_empty() { Content::Empty } else { Content::Whole(bytes) })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Content::Empty => Poll::Ready(None),
            Content::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Content::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Content::Stream { chunks, left } => chunks.poll_recv(cx).map(|chunk| {
                let chunk = chunk?;
                if let (Ok(chunk), Some(left)) = (&chunk, left) {
                    *left = left.saturating_sub(chunk.len() as u64);
                }
                Some(chunk.map(Frame::data))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Empty => true,
            Content::Whole(_) => false,
            Content::Stream { left, .. } => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Empty => SizeHint::with_exact(0),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream { left: Some(left), .. } => SizeHint::with_exact(*left),
            Content::Stream { left: None, .. } => SizeHint::default(),
        }
    }
}
