//! `Wire`: a connection as hyper sees it. Follows the framing, and cuts off who stalls.
//!
//! hyper's own timer covers only the time in which it waits for a request to begin. The times here
//! cover a head that never gets complete, a body that stops, and an answer that nobody takes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
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
    /// For each of them, once the server is to stop.
    pub(crate) hurried: Duration,
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
    /// Whether the server is to stop.
    stopping: watch::Receiver<bool>,
    /// The deadline of a head, and which head it is.
    head: Option<(u64, Timer)>,
    read: Option<Timer>,
    write: Option<Timer>,
    closing: Closing,
}

type Timer = Pin<Box<Sleep>>;

/// Who stalls must not keep a server that is to stop: not even the head of a request that never
/// comes.
fn hurry(timer: &mut Timer, stopping: &watch::Receiver<bool>, hurried: Duration) {
    let latest = Instant::now() + hurried;
    if *stopping.borrow() && timer.deadline() > latest {
        timer.as_mut().reset(latest);
    }
}

#[derive(Debug)]
enum Closing {
    No,
    Linger { until: Instant, pause: Timer },
    Done,
}

impl<T> Wire<T> {
    pub(crate) fn new(inner: T, patience: Patience, stopping: watch::Receiver<bool>) -> Self {
        let (framing, closing) = (Framing::default(), Closing::No);
        let (head, read, write) = (None, None, None);
        Self { inner, framing, patience, stopping, head, read, write, closing }
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
        hurry(timer, &self.stopping, self.patience.hurried);
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
        let timer = self.write.get_or_insert_with(|| Box::pin(sleep(patience)));
        hurry(timer, &self.stopping, self.patience.hurried);
        ready!(timer.as_mut().poll(cx));
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use http_body_util::{BodyExt, Empty};
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn patience(all: Duration) -> Patience {
        Patience { head: all, body: all, write: all, hurried: all }
    }

    /// What hyper takes for requests: their targets and bodies.
    async fn seen(bytes: Vec<u8>, cuts: Vec<usize>) -> Vec<(String, Vec<u8>)> {
        let (mut ours, theirs) = tokio::io::duplex(1 << 16);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let service = service_fn({
            let seen = Arc::clone(&seen);
            move |request: Request<hyper::body::Incoming>| {
                let seen = Arc::clone(&seen);
                async move {
                    let target = request.uri().to_string();
                    let body = request.into_body().collect().await;
                    let body = body.map_or_else(|_| b"broken".to_vec(), |b| b.to_bytes().to_vec());
                    seen.lock().unwrap().push((target, body));
                    Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
                }
            }
        });
        let minute = Duration::from_secs(60);
        let wire = Wire::new(theirs, patience(minute), watch::channel(false).1);
        let serving = tokio::spawn(
            http1::Builder::new()
                .half_close(true)
                .header_read_timeout(None)
                .serve_connection(TokioIo::new(wire), service),
        );
        let mut at = 0;
        for cut in cuts {
            let end = (at + cut).min(bytes.len());
            let _ = ours.write_all(&bytes[at..end]).await;
            tokio::task::yield_now().await;
            at = end;
        }
        let _ = ours.write_all(&bytes[at..]).await;
        let _ = ours.shutdown().await;
        let mut answers = Vec::new();
        let _ = ours.read_to_end(&mut answers).await;
        let _ = serving.await;
        let mut seen = seen.lock().unwrap();
        std::mem::take(&mut *seen)
    }

    /// A request as bytes: its target, its body, and the sizes of its chunks if it has any.
    fn write(target: &str, body: &str, chunks: Option<&[usize]>) -> String {
        let mut bytes = format!("PUT {target} HTTP/1.1\r\nHost: a\r\n");
        let Some(chunks) = chunks else {
            return bytes + &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        };
        bytes.push_str("Transfer-Encoding: chunked\r\n\r\n");
        let mut left = body;
        for chunk in chunks.iter().copied().chain([body.len()]) {
            let (now, later) = left.split_at(chunk.min(left.len()));
            if !now.is_empty() {
                bytes.push_str(&format!("{:x};#=GET /# HTTP/1.1\r\n{now}\r\n", now.len()));
            }
            left = later;
        }
        bytes + "0\r\nX-Trailer: #\r\n\r\n"
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_an_answer_is_cut_off() {
        let (mut ours, theirs) = tokio::io::duplex(16);
        let minute = Duration::from_secs(60);
        let mut wire = Wire::new(theirs, patience(minute), watch::channel(false).1);
        let writing = tokio::spawn(async move {
            let begun = Instant::now();
            let ended = wire.write_all(&[0; 64]).await;
            (ended.map_err(|error| error.kind()), begun.elapsed().as_secs())
        });
        for _ in 0..2 {
            // Time is paused: it passes where everybody waits.
            tokio::time::sleep_until(Instant::now() + Duration::from_secs(59)).await;
            ours.read_exact(&mut [0; 16]).await.unwrap();
        }
        assert_eq!(writing.await.unwrap(), (Err(io::ErrorKind::TimedOut), 59 * 2 + 60));
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    proptest! {
        /// Whatever the bodies look like, hyper sees the requests that were sent, and each `#` in
        /// their targets, and in nothing else, as a `\`.
        #[test]
        fn hyper_sees_what_was_sent(
            requests in proptest::collection::vec((
                "/[a-z#?]{0,6}",
                "(DELETE /#x HTTP/1\\.1\r\n\r\n|0\r\n|#|[a-z]){0,4}",
                proptest::option::of(proptest::collection::vec(1_usize..20, 0..4)),
            ), 1..6),
            cuts in proptest::collection::vec(1_usize..40, 0..30),
        ) {
            let bytes: String = requests
                .iter()
                .map(|(target, body, chunks)| write(target, body, chunks.as_deref()))
                .collect();
            let expected: Vec<_> = requests
                .iter()
                .map(|(target, body, _)| (target.replace('#', "\\"), body.as_bytes().to_vec()))
                .collect();
            let seen = runtime().block_on(seen(bytes.into_bytes(), cuts));
            prop_assert_eq!(seen, expected);
        }

        /// However malformed it is, a `#` never cuts off what hyper takes for a target: without
        /// the change of bytes, `/keep` would be seen.
        #[test]
        fn no_target_loses_its_end(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "PUT /keep#x HTTP/1.1\r\n", "GET /a HTTP/1.1\r\n", "Host: a\r\n", "\r\n", "\n", "\r",
            "Content-Length: 5\r\n", "Content-Length: 26\r\n", "Content-Length: 5", "0\r\n",
            "5\r\nhello\r\n", "Transfer-Encoding: chunked\r\n", "hello", " ", "\t", ":", "5;",
            "Transfer-Encoding: x\r\n", "Connection: Upgrade\r\nUpgrade: x\r\n", "18\r\n",
            "Expect: 100-continue\r\n", "Connection: keep-alive\r\n", "GET / HTTP/1.0\r\n",
        ]), 0..16)) {
            let bytes = pieces.concat().into_bytes();
            let targets = runtime().block_on(seen(bytes, Vec::new()));
            prop_assert!(targets.iter().all(|(target, _)| target != "/keep"), "{targets:?}");
        }
    }
}
