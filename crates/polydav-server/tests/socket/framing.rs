//! Where requests begin and end, and what is no request.

use std::time::{Duration, SystemTime};

use polydav_server::Options;

use crate::{start, status, statuses};

#[tokio::test]
async fn connections_are_kept_and_requests_pipelined() {
    let server = start(Options::default()).await;
    let answers = server
        .exchange(
            "PUT /a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nhello\
             PUT /a HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nbye\r\n5;x=y\r\n, bye\r\n0\r\nX-Trailer: y\r\n\r\n\r\n\
             GET /a HTTP/1.1\r\nHost: HOST\r\n\r\n\
             DELETE /a HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n",
        )
        .await;
    assert_eq!(statuses(&answers), [201, 204, 200, 204]);
    assert!(answers.contains("\r\n\r\nbye, bye"), "{answers}");
}

#[tokio::test]
async fn a_request_line_with_a_hash_is_refused() {
    let server = start(Options::default()).await;
    assert_eq!(server.status("MKCOL /frag/", "").await, 201);
    for target in ["/frag/#x", "/frag/#", "/frag/?a#b", "#", "http://HOST/frag/#x"] {
        for pipelined in ["", "GET / HTTP/1.1\r\nHost: HOST\r\n\r\n"] {
            let delete = format!("DELETE {target} HTTP/1.1\r\nHost: HOST\r\n");
            let bytes = format!("{pipelined}{delete}Connection: close\r\n\r\n");
            let answers = statuses(&server.exchange(&bytes).await);
            assert_eq!(*answers.last().unwrap(), 400, "{target}");
        }
    }
    assert_eq!(server.status("GET /frag/", "").await, 200);
}

#[tokio::test]
async fn a_hash_is_seen_however_the_bytes_come() {
    let server = start(Options::default()).await;
    assert_eq!(server.status("MKCOL /frag/", "").await, 201);
    let bytes = server.with_host(
        "PUT /a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 8\r\n\r\n\
         DELETE #DELETE /frag/#x HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n",
    );
    for at in 1..bytes.len() {
        let mut client = server.connect().await;
        client.send(&bytes[..at]).await;
        tokio::task::yield_now().await;
        client.send(&bytes[at..]).await;
        let answers = client.rest().await;
        assert_eq!(*statuses(&answers).last().unwrap(), 400, "cut at {at}: {answers}");
        assert!(answers.contains("holds neither #"), "{answers}");
    }
    assert_eq!(server.status("GET /frag/", "").await, 200);
}

#[tokio::test]
async fn what_could_be_framed_in_two_ways_is_refused() {
    let server = start(Options::default()).await;
    let smuggled = "PUT /smuggled HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n";
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length : 5\r\n",
        "X: y\r\n Content-Length: 5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked\rX: y\r\n",
    ] {
        let head = format!("PUT /a HTTP/1.1\r\nHost: HOST\r\n{lines}\r\n0\r\n\r\n");
        let answers = server.exchange(&format!("{head}{smuggled}")).await;
        assert_eq!(statuses(&answers), [400], "{lines:?}");
    }
    let answers = server
        .exchange(
            "PUT /a HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\
             Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!(statuses(&answers), [501]);
    assert_eq!(server.status("GET /a", "").await, 404);
    assert_eq!(server.status("GET /smuggled", "").await, 404);
}

#[tokio::test]
async fn a_body_cut_short_is_not_stored() {
    let server = start(Options::default()).await;
    for (framing, body) in [
        ("Content-Length: 10", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "a\r\nhello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\nx\r\n\r\n"),
    ] {
        let mut client = server.connect().await;
        let head = format!("PUT /a HTTP/1.1\r\nHost: HOST\r\n{framing}\r\n\r\n{body}");
        client.send(&server.with_host(&head)).await;
        tokio::io::AsyncWriteExt::shutdown(&mut client.0).await.unwrap();
        let answer = client.rest().await;
        assert!(answer.is_empty() || status(&answer) == 400, "{answer}");
        assert_eq!(server.status("GET /a", "").await, 404);
    }
}

#[tokio::test]
async fn the_first_request_that_is_none_ends_the_connection() {
    let server = start(Options::default()).await;
    for bytes in
        ["\0\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/3.0\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n"]
    {
        assert_eq!(status(&server.exchange(bytes).await), 400, "{bytes:?}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: HOST\r\nX: {}\r\n\r\n", "a".repeat(100_000));
    assert_eq!(status(&server.exchange(&long).await), 431);
    let many = format!("GET / HTTP/1.1\r\nHost: HOST\r\n{}\r\n", "X: y\r\n".repeat(1000));
    assert_eq!(status(&server.exchange(&many).await), 431);
}

#[tokio::test]
async fn a_client_may_close_its_half_and_still_have_the_answer() {
    let server = start(Options::default()).await;
    let mut client = server.connect().await;
    client.send(&server.with_host("OPTIONS / HTTP/1.1\r\nHost: HOST\r\n\r\n")).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.0).await.unwrap();
    assert_eq!(status(&client.rest().await), 200);
}

#[tokio::test]
async fn http_1_0_needs_no_host_and_closes() {
    let server = start(Options::default()).await;
    let answer = server.exchange("OPTIONS / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

#[tokio::test]
async fn every_answer_has_its_date_rfc9110_6_6_1() {
    let server = start(Options::default()).await;
    let before = SystemTime::now() - Duration::from_secs(1);
    for request in ["OPTIONS /", "GET /none", "PUT /a", "HEAD /a", "FOO /"] {
        let lines = "Host: HOST\r\nConnection: close\r\n\r\n";
        let answer = server.exchange(&format!("{request} HTTP/1.1\r\n{lines}")).await;
        let date = answer.lines().find_map(|line| line.strip_prefix("Date: "));
        let date = date.unwrap_or_else(|| panic!("no date: {answer}"));
        let date = polydav_proto::header::parse_date(date.as_bytes()).expect("it is one");
        assert!(before <= date && date <= SystemTime::now(), "{answer}");
    }
}
