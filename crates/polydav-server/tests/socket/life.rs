//! The life of connections and of the server: what waits, what is cut off, and how it ends.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use polydav_server::{Options, Stopped};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

use crate::{PATIENCE, start, status};

#[tokio::test]
async fn a_body_is_asked_for_when_it_is_wanted() {
    let server = start(Options::default()).await;
    let mut client = server.connect().await;
    let head =
        "PUT /PATH HTTP/1.1\r\nHost: HOST\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.send(&server.with_host(&head.replace("PATH", "a"))).await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello").await;
    assert_eq!(status(&client.head().await), 201);

    // Nobody sends a body that can go nowhere.
    client.send(&server.with_host(&head.replace("PATH", "missing/a"))).await;
    assert_eq!(status(&client.head().await), 409);
}

#[tokio::test]
async fn what_runs_ends_before_the_server_does() {
    let server = start(Options::default()).await;
    let mut idle = server.connect().await;
    let mut client = server.connect().await;
    let head = "PUT /a HTTP/1.1\r\nHost: HOST\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.send(&server.with_host(head)).await;
    assert_eq!(status(&client.head().await), 100);
    let port = server.port;
    server.stop.send(()).unwrap();
    assert_eq!(idle.rest().await, "");
    // The listener is closed before the connections are told.
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    client.send("hello").await;
    let answer = client.rest().await;
    assert_eq!(status(&answer), 201);
    assert_eq!(server.ended.await.unwrap(), Stopped::Clean);
}

#[tokio::test]
async fn a_server_does_not_wait_for_ever() {
    let grace = Duration::from_millis(200);
    let options = Options { grace, unhurried: grace / 2, ..Options::default() };
    let server = start(options).await;
    let mut client = server.connect().await;
    let head = "PUT /a HTTP/1.1\r\nHost: HOST\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.send(&server.with_host(head)).await;
    assert_eq!(status(&client.head().await), 100);
    assert_eq!(server.stop().await, Stopped::CutOff);
}

#[tokio::test]
async fn a_server_without_clients_stops_at_once() {
    let server = start(Options::default()).await;
    assert_eq!(server.status("OPTIONS /", "").await, 200);
    assert_eq!(server.stop().await, Stopped::Clean);
}

#[tokio::test]
async fn connections_over_the_bound_wait_for_their_turn() {
    let server = start(Options { connections_max: 1, ..Options::default() }).await;
    let request = server.with_host("OPTIONS / HTTP/1.1\r\nHost: HOST\r\n\r\n");
    let mut first = server.connect().await;
    first.send(&request).await;
    assert_eq!(status(&first.head().await), 200);
    let mut second = server.connect().await;
    second.send(&request).await;
    // The first is served again while the second waits.
    first.send(&request).await;
    assert_eq!(status(&first.head().await), 200);
    assert!(second.0.try_read(&mut [0]).is_err());
    drop(first);
    assert_eq!(status(&second.head().await), 200);
}

/// Of two connections the runtime beside has one, and serves it while this one does nothing.
#[tokio::test]
async fn connections_are_shared_with_a_runtime_beside() {
    let other = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let beside = vec![other.handle().clone()];
    let server = start(Options { beside, ..Options::default() }).await;
    let request = server.with_host("PUT /a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\n\r\na");
    let (mut here, mut there) = (server.connect().await, server.connect().await);
    for client in [&mut here, &mut there] {
        client.send(&request).await;
        assert!(matches!(status(&client.head().await), 201 | 204));
    }
    let mut there = there.0.into_std().unwrap();
    there.set_nonblocking(false).unwrap();
    there.set_read_timeout(Some(PATIENCE)).unwrap();
    there.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    there.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 204");
    drop((here, there));
    assert_eq!(server.stop().await, Stopped::Clean);
    other.shutdown_background();
}
