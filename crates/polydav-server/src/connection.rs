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

/// The bytes of a body that are read at once; what hyper takes at the least is 8 KiB.
const BUFFER_BYTES: usize = 256 * 1024;

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
        hurried: options.unhurried,
    };
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(front.answer(client, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper's clock runs from the end of one request to the end of the next head.
        .header_read_timeout(options.idle_timeout + options.head_timeout)
        // The bound of buffers is a soft one: it doesn't keep a longer head out.
        .max_header_size(options.head_bytes_max)
        .max_buf_size(options.head_bytes_max.max(BUFFER_BYTES))
        // Who sent all there is to send may close that half, and still wants the answer.
        .half_close(true)
        // Names have no case, but scripts look for `Batch-Result:` as it is documented.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(Wire::new(stream, patience, stopping.clone())), service);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use polydav_dav::{Dav, Site};
    use polydav_engine::{Engine, Environment};
    use polydav_store::{MemoryLedger, MemoryStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::time::{Instant, timeout};

    use super::*;

    fn connect() -> DuplexStream {
        let (stop, stopping) = watch::channel(false);
        // The server runs as long as somebody may stop it.
        tokio::spawn(async move { stop.closed().await });
        connect_until(stopping)
    }

    fn connect_until(stopping: watch::Receiver<bool>) -> DuplexStream {
        let environment = Environment::new(|| SystemTime::UNIX_EPOCH, || 0);
        let store = Arc::new(MemoryStore::new());
        let ledger = Arc::new(MemoryLedger::default());
        let engine = Engine::open(store, ledger, environment, Default::default()).unwrap();
        let site = Site::new(vec!["127.0.0.1:80".parse().unwrap()], Vec::new());
        let front = Front::new(Dav::new(engine, site, Default::default()), None, Vec::new());
        let (ours, theirs) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            let client = "127.0.0.1:1".parse().unwrap();
            serve(theirs, client, Arc::new(front), &Options::default(), stopping).await;
        });
        ours
    }

    /// After how many seconds the server closes, if `piece` is sent again and again.
    async fn seconds_until_closed(begin: &str, piece: &str, pause: u64) -> u64 {
        let mut client = connect();
        client.write_all(begin.as_bytes()).await.unwrap();
        let begun = Instant::now();
        let mut read = Vec::new();
        while timeout(Duration::from_secs(pause), client.read_to_end(&mut read)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(3600), "never");
            // What has closed shows it when it is read.
            let _ = client.write_all(piece.as_bytes()).await;
        }
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_must_be_complete_in_time() {
        let head = "GET / HTTP/1.1\r\nHost: loc";
        assert_eq!(seconds_until_closed(head, "", 3600).await, 30);
        assert_eq!(seconds_until_closed(head, "a", 7).await, 30);
        let second = format!("OPTIONS / HTTP/1.1\r\nHost: localhost\r\n\r\n{head}");
        assert_eq!(seconds_until_closed(&second, "a", 7).await, 30);
    }

    /// Half a request held the end up for half a minute; half a body, until all was cut off.
    #[tokio::test(start_paused = true)]
    async fn who_stalls_does_not_keep_a_server_that_is_to_stop() {
        let whole = "PUT /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhel";
        for (begun, most) in [("GET / HTT", 5), (whole, 7)] {
            let (stop, stopping) = watch::channel(false);
            let mut client = connect_until(stopping);
            client.write_all(begun.as_bytes()).await.unwrap();
            tokio::time::sleep_until(Instant::now() + Duration::from_secs(2)).await;
            let told = Instant::now();
            stop.send(true).unwrap();
            client.read_to_end(&mut Vec::new()).await.unwrap();
            assert!(told.elapsed() <= Duration::from_secs(most), "{begun}: {:?}", told.elapsed());
        }
        let (stop, stopping) = watch::channel(false);
        let mut client = connect_until(stopping);
        client.write_all(whole.as_bytes()).await.unwrap();
        tokio::time::sleep_until(Instant::now() + Duration::from_secs(2)).await;
        stop.send(true).unwrap();
        for byte in *b"lo worl" {
            tokio::time::sleep_until(Instant::now() + Duration::from_secs(4)).await;
            client.write_all(&[byte]).await.unwrap();
        }
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 201", "who goes on is waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connections_end() {
        let idle = 60..=90;
        assert!(idle.contains(&seconds_until_closed("", "", 3600).await));
        let used = "OPTIONS / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        assert!(idle.contains(&seconds_until_closed(used, "", 3600).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_be_slow_and_may_not_stop() {
        let head = "PUT /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n";
        // Who stalls is told so, and then has two seconds to go.
        assert!((60..=62).contains(&seconds_until_closed(head, "", 3600).await));

        let mut client = connect();
        client.write_all(head.as_bytes()).await.unwrap();
        for byte in *b"0123456789" {
            tokio::time::sleep_until(Instant::now() + Duration::from_secs(50)).await;
            client.write_all(&[byte]).await.unwrap();
        }
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 201");
    }
}
