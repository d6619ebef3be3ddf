//! `Wire`: a connection as hyper sees it. Follows the framing, and cuts off who stalls.
//!
//! hyper's own timer covers only the time in which it waits for a request to begin. The times here
//! cover a head that never gets complete, a body that stops, and an answer that nobody takes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::framing::{Framing, Position};

/// How long a connection may stall.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// From the first byte of a head to its last.
    pub(crate) head: Duration,
    /// Between two pieces of a body.
    pub(crate) body: Duration,
    /// Between two pieces of an answer.
    pub(crate) write: Duration,
}

/// How long, in all, what a client still sends is taken after the answer.
const LINGER: Duration = Duration::from_secs(10);
/// How long it may pause in that.
const LINGER_PAUSE: Duration = Duration::from_secs(2);

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire<T> {
    inner: T,
    framing: Framing,
    patience: Patience,
    /// The deadline of a head, and which head it is.
    head: Option<(u64, Timer)>,
    read: Option<Timer>,
    write: Option<Timer>,
    closing: Closing,
}

type Timer = Pin<Box<Sleep>>;

#[derive(Debug)]
enum Closing {
    No,
    Linger { until: Instant, pause: Timer },
    Done,
}

impl<T> Wire<T> {
    pub(crate) fn new(inner: T, patience: Patience) -> Self {
        let framing = Framing::default();
        Self { inner, framing, patience, head: None, read: None, write: None, closing: Closing::No }
    }

    /// After bytes came in.
    fn arrived(&mut self, bytes: &mut [u8]) {
        self.framing.follow(bytes);
        self.read = None;
        let current = self.framing.heads();
        if self.framing.position() != Position::Head {
            self.head = None;
        } else if self.head.as_ref().is_none_or(|(number, _)| *number != current) {
            self.head = Some((current, Box::pin(sleep(self.patience.head))));
        }
    }

    /// While nothing comes in.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let timer = match (&mut self.head, self.framing.position()) {
            (Some((_, timer)), _) => timer,
            (None, Position::Body) => {
                self.read.get_or_insert_with(|| Box::pin(sleep(self.patience.body)))
            }
            (None, _) => return Poll::Pending,
        };
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the client stopped sending"))
    }

    /// Takes the result of a write, and cuts off who takes nothing for too long.
    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.write = None;
            return result;
        }
        let patience = self.patience.write;
        ready!(self.write.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(cx));
        let error = io::Error::new(io::ErrorKind::TimedOut, "the client stopped receiving");
        Poll::Ready(Err(error))
    }
}

impl<T: AsyncRead + Unpin> Wire<T> {
    /// Takes what the client still sends, without looking at it. If a socket is closed while bytes
    /// lie in it unread, the kernel resets the connection, and the client may lose the answer that
    /// told it why (RFC 9112 §9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Closing::Linger { until, pause } = &mut self.closing else { return Poll::Ready(()) };
        let mut space = [0; 8192];
        for _ in 0..64 {
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() && Instant::now() < *until => {
                    pause.as_mut().reset((Instant::now() + LINGER_PAUSE).min(*until));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return pause.as_mut().poll(cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Wire<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                this.arrived(&mut buf.filled_mut()[before..]);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.poll_stalled(cx).map(Err),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.wrote(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        this.wrote(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.closing, Closing::No) {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            this.closing = match this.framing.position() {
                Position::Between => Closing::Done,
                _ => Closing::Linger {
                    until: Instant::now() + LINGER,
                    pause: Box::pin(sleep(LINGER_PAUSE)),
                },
            };
        }
        ready!(this.poll_linger(cx));
        this.closing = Closing::Done;
        Poll::Ready(Ok(()))
    }
}
