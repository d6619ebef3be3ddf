//! The access log: one line a request, once its answer is out.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::{Body as _, Frame, SizeHint};
use polydav_dav::{BatchCounts, BatchTally, Body};
use polydav_store::Principal;

/// The longest path in a line, in bytes.
const PATH_BYTES_MAX: usize = 1024;

/// Names a request in the log, and in the answer where the server failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestId {
    /// Random for each process, so that numbers of two runs aren't mixed up.
    pub(crate) process: u32,
    pub(crate) number: u64,
}

/// The longest method in a line.
const METHOD_CHARS_MAX: usize = 32;

/// What the line will say. Written when it is dropped.
#[derive(Debug)]
pub(crate) struct Access {
    id: RequestId,
    client: SocketAddr,
    principal: Principal,
    method: Method,
    target: Uri,
    begun: Instant,
    status: Option<StatusCode>,
    counts: Option<BatchCounts>,
    /// Where the counts stand of what is answered while it runs.
    tally: Option<BatchTally>,
    bytes: u64,
    /// Whether all of the answer went out.
    whole: bool,
}

/// The body of an answer, counted.
#[derive(Debug)]
pub(crate) struct Tracked {
    body: Body,
    access: Access,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.process, self.number)
    }
}

impl Access {
    pub(crate) fn new<B>(id: RequestId, client: SocketAddr, request: &Request<B>) -> Self {
        Self {
            id,
            client,
            principal: Principal::Anonymous,
            method: request.method().clone(),
            target: request.uri().clone(),
            begun: Instant::now(),
            status: None,
            counts: None,
            tally: None,
            bytes: 0,
            whole: false,
        }
    }

    pub(crate) fn set_principal(&mut self, principal: Principal) {
        self.principal = principal;
    }

    /// The answer, which writes the line when it is gone.
    pub(crate) fn track(mut self, response: Response<Body>) -> Response<Tracked> {
        self.status = Some(response.status());
        self.counts = response.extensions().get().copied();
        self.tally = response.extensions().get().cloned();
        // hyper sends no body with these, and never asks for one.
        self.whole = self.method == Method::HEAD
            || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        response.map(|body| Tracked { body, access: self })
    }
}

/// A client that hangs up before there is an answer has a line too, without a status.
impl Drop for Access {
    fn drop(&mut self) {
        let principal = match &self.principal {
            Principal::Anonymous => "-",
            Principal::Named(name) => name,
        };
        let path = || self.target.path_and_query().map_or("", |target| target.as_str());
        let counts = self.counts.or_else(|| self.tally.as_ref()?.get());
        let count = |of: fn(&BatchCounts) -> u64| counts.as_ref().map(of);
        tracing::info!(
            target: "polydav::access",
            client = %self.client,
            principal = %principal,
            // A token, so that nothing in it needs an escape.
            method = %format_args!("{:.METHOD_CHARS_MAX$}", self.method.as_str()),
            path = %escape(path()),
            status = self.status.map(|status| status.as_u16()),
            bytes = self.bytes,
            ms = %format_args!("{:.1}", self.begun.elapsed().as_secs_f64() * 1000.0),
            total = count(|counts| counts.total),
            succeeded = count(|counts| counts.succeeded),
            failed = count(|counts| counts.failed),
            skipped = count(|counts| counts.skipped),
            broken_off = (!self.whole).then_some(true),
            id = %self.id,
        );
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.access.whole |= self.body.is_end_stream();
    }
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                self.access.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(Some(Err(error))) => {
                let id = self.access.id;
                tracing::error!(%id, %error, "an answer was broken off");
            }
            Poll::Ready(None) => self.access.whole = true,
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What came from the client, so that it can't forge a line or steer a terminal.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes().take(PATH_BYTES_MAX) {
        if byte.is_ascii_graphic() {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    if text.len() > PATH_BYTES_MAX {
        escaped.push_str("...");
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_can_not_forge_lines() {
        assert_eq!(escape("/a%20b?c"), "/a%20b?c");
        assert_eq!(escape("/a\r\n\u{1b}[31m \u{202e}"), "/a%0D%0A%1B[31m%20%E2%80%AE");
        let long = escape(&"a".repeat(5000));
        assert_eq!(long.len(), PATH_BYTES_MAX + 3);
    }
}
