//! One connection: hyper over a [`Wire`].
//!
//! HTTP/1 only. There is no TLS here yet, so HTTP/2 would have to be known beforehand: no browser
//! and no WebDAV client does that, and proxies speak HTTP/1 to what lies behind them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::Options;
use crate::front::Front;
use crate::server::stopped;
use crate::wire::{Patience, Wire};

/// Serves a connection until one side ends it; once `stopping` is true, after the request that runs.
pub(crate) async fn serve<T: AsyncRead + AsyncWrite + Unpin + Send>(
    stream: T,
    client: SocketAddr,
    front: Arc<Front>,
    options: &Options,
    mut stopping: watch::Receiver<bool>,
) {
    let patience = Patience {
        head: options.head_timeout,
        body: options.body_timeout,
        write: options.write_timeout,
    };
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(front.answer(client, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper's clock runs from the end of one request to the end of the next head.
        .header_read_timeout(options.idle_timeout + options.head_timeout)
        .max_buf_size(options.head_bytes_max)
        // Who sent all there is to send may close that half, and still wants the answer.
        .half_close(true)
        // Names have no case, but scripts look for `Batch-Result:` as it is documented.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(Wire::new(stream, patience)), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tell(client, &error);
    }
}

/// A request that hyper refused by itself has no line in the access log but this.
fn tell(client: SocketAddr, error: &hyper::Error) {
    if error.is_parse() {
        let status = if error.is_parse_too_large() { 431 } else { 400 };
        tracing::info!(target: "polydav::access", %client, status, %error);
    } else {
        tracing::debug!(%client, %error, "a connection ended early");
    }
}
