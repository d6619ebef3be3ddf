//! Methods and queries that only records have, on the wire.

use std::sync::Arc;

use polydav_server::Options;
use polydav_store::MemoryRecords;
use polydav_store::schema::{Access, Column, Table, Type};

use crate::{Running, start_over, status};

const TABLES: &[Table] = &[Table {
    name: "t",
    columns: &[Column::new("id", Type::Integer), Column::nullable("a", Type::Text)],
    key: &["id"],
    access: Access::Write,
    rows: &[&["1", "x"], &["2", "y"]],
}];

async fn over_records() -> Running {
    start_over(Arc::new(MemoryRecords::new(TABLES)), Options::default()).await
}

fn with_body(method: &str, target: &str, lines: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: HOST\r\nContent-Length: {length}\r\n{lines}\
         Connection: close\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn post_and_patch_get_through() {
    let server = over_records().await;
    for (method, target, body, expected) in [
        ("POST", "/t/", "{\"id\": 3}", 201),
        ("PATCH", "/t/3", "{\"a\": \"z\"}", 204),
        ("PATCH", "/t/", "[{\"id\": 3, \"a\": \"y\"}]", 207),
    ] {
        let answer = server.exchange(&with_body(method, target, "", body)).await;
        assert_eq!(status(&answer), expected, "{method} {target}: {answer}");
    }
    server.stop().await;
}

/// A form can send a POST, and a `fetch` a PATCH: pages of others change no row.
#[tokio::test]
async fn pages_of_others_change_no_row() {
    let server = over_records().await;
    for (method, target) in [("POST", "/t/"), ("PATCH", "/t/1"), ("PUT", "/t/1")] {
        for line in ["Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
            let answer = server.exchange(&with_body(method, target, line, "{\"id\": 1}")).await;
            assert_eq!(status(&answer), 403, "{method} {line}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_query_pages_through_a_table() {
    let server = over_records().await;
    let get = "GET /t/?limit=1&a=x HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n";
    let answer = server.exchange(get).await;
    assert!(answer.ends_with("\r\n\r\n[\n{\"id\":1,\"a\":\"x\"}\n]\n"), "{answer}");
    let length = answer.to_ascii_lowercase().contains("content-length: 21\r\n");
    assert!(length, "a short listing has a length: {answer}");
    let head = server.exchange(&get.replacen("GET", "HEAD", 1)).await;
    assert!(!head.to_ascii_lowercase().contains("content-length"), "it isn't known: {head}");
    server.stop().await;
}
