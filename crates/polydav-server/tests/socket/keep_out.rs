//! Who is not let in: wrong hosts, pages of others, wrong passwords.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use polydav_server::{Options, Users};

use crate::{Running, start, status, statuses};

/// `ann` with bcrypt, `bob` with argon2id; at the lowest cost.
fn users() -> Users {
    use argon2::password_hash::PasswordHasher;
    let params = argon2::Params::new(64, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(Default::default(), Default::default(), params);
    let bob = argon2.hash_password(b"p\xc3\xa4ss:word").unwrap();
    let ann = bcrypt::hash("secret", 4).unwrap();
    format!("# who may come in\n\nann:{ann}\nbob:{bob}\n").parse().unwrap()
}

async fn guarded() -> Running {
    start(Options { users: Some(users()), ..Options::default() }).await
}

fn basic(credentials: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(credentials))
}

#[tokio::test]
async fn the_host_must_be_ours() {
    let server = start(Options::default()).await;
    let port = server.port;
    for (host, expected) in [
        (format!("localhost:{port}"), 200),
        (format!("127.0.0.1:{port}"), 200),
        ("localhost:1".to_owned(), 421),
        (format!("evil.example:{port}"), 421),
        (format!("[::1]:{port}"), 421),
        ("a b".to_owned(), 400),
    ] {
        let request = format!("OPTIONS / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&server.exchange(&request).await), expected, "{host}");
    }
    assert_eq!(server.status("OPTIONS /", "Host: HOST\r\n").await, 400);
    let none = "OPTIONS / HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&server.exchange(none).await), 400);
    assert_eq!(server.status("OPTIONS http://HOST/", "").await, 200);
    assert_eq!(server.status("OPTIONS http://evil.example/", "").await, 421);
    assert_eq!(server.status("CONNECT evil.example:80", "").await, 501);
}

#[tokio::test]
async fn pages_of_others_change_nothing_and_send_no_body() {
    let server = start(Options::default()).await;
    for lines in [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        let mut client = server.connect().await;
        let head = format!(
            "PUT /a HTTP/1.1\r\nHost: HOST\r\n{lines}\
             Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        );
        client.send(&server.with_host(&head)).await;
        assert_eq!(status(&client.head().await), 403, "{lines:?}");
    }
    assert_eq!(server.status("GET /a", "").await, 404);
    let own = server.with_host("Origin: http://HOST\r\nSec-Fetch-Site: same-origin\r\n");
    assert_eq!(server.status("PUT /a", &own).await, 201);
}

#[tokio::test]
async fn credentials_are_asked_for_with_every_method() {
    let server = guarded().await;
    for method in ["OPTIONS", "GET", "PROPFIND", "PUT", "LOCK", "POST"] {
        let answer = server
            .exchange(&format!("{method} / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"))
            .await;
        assert_eq!(status(&answer), 401, "{method}");
        let challenge = r#"Basic realm="polydav", charset="UTF-8""#;
        assert!(answer.contains(challenge), "{answer}");
    }
}

/// Whether something is there, locked, or as a condition wants it is nobody's business who has no
/// password.
#[tokio::test]
async fn without_a_password_nothing_else_is_told_rfc4918_8_1_8_5() {
    let server = guarded().await;
    let ann = basic("ann:secret");
    assert_eq!(server.status("PUT /a", &ann).await, 201);
    assert_eq!(server.status("MKCOL /c/", &ann).await, 201);
    for (request, lines) in [
        ("GET /none", ""),
        ("DELETE /a", "If-Match: \"x\"\r\n"),
        ("PUT /a", "If-None-Match: *\r\n"),
        ("PUT /a", "If: ([\"x\"])\r\n"),
        ("COPY /a", "Destination: /c/\r\nOverwrite: F\r\n"),
        ("PROPFIND /a", "Depth: 7\r\n"),
        ("MKCOL /c/", ""),
        ("PUT /none/a", ""),
        ("FOO /", ""),
    ] {
        assert_eq!(server.status(request, lines).await, 401, "{request} {lines}");
        let known = server.status(request, &format!("{ann}{lines}")).await;
        assert!(matches!(known, 400 | 404 | 405 | 409 | 412 | 501), "{request} {lines}: {known}");
    }
    let token = "If: (<urn:uuid:guessed>)\r\n";
    assert_eq!(server.status("DELETE /a", token).await, 401, "a token is no password");
}

#[tokio::test]
async fn names_and_passwords() {
    let server = guarded().await;
    for (line, expected) in [
        (basic("ann:secret"), 200),
        (basic("ann:secret"), 200),
        (basic("bob:p\u{e4}ss:word"), 200),
        (basic("bob:p\u{e4}ss:word"), 200),
        (basic("ann:secret").replace("Basic", "bAsIc"), 200),
        (basic("ann:Secret"), 401),
        (basic("ann:"), 401),
        (basic("ann"), 401),
        (basic("Ann:secret"), 401),
        (basic("bob:secret"), 401),
        (basic("nobody:secret"), 401),
        (basic(":"), 401),
        ("Authorization: Basic !!!\r\n".to_owned(), 401),
        ("Authorization: Bearer abc\r\n".to_owned(), 401),
        (format!("{}{}", basic("ann:secret"), basic("bob:x")), 401),
    ] {
        assert_eq!(server.status("OPTIONS /", &line).await, expected, "{line:?}");
    }
}

#[tokio::test]
async fn a_long_body_does_not_cost_the_client_the_answer() {
    let server = guarded().await;
    let length = 8 << 20;
    let head = format!("PUT /a HTTP/1.1\r\nHost: HOST\r\nContent-Length: {length}\r\n\r\n");
    let answers = server.exchange(&format!("{head}{}", "a".repeat(length))).await;
    assert_eq!(statuses(&answers), [401]);
}

#[test]
fn files_that_are_no_htpasswd_files() {
    let bcrypt = bcrypt::hash("x", 4).unwrap();
    for (text, expected) in [
        ("".to_owned(), "it names nobody"),
        ("# nobody\n".to_owned(), "it names nobody"),
        ("ann".to_owned(), "line 1: there is no colon"),
        (format!("\n:{bcrypt}"), "line 2: this is no name of a user"),
        (format!("ann:{bcrypt}\nann:{bcrypt}"), "line 2: the user stands on an earlier line too"),
        (
            "ann:$apr1$abc$def".to_owned(),
            "line 1: this is neither a bcrypt ($2y$) nor an argon2id ($argon2id$) hash",
        ),
        (
            "ann:secret".to_owned(),
            "line 1: this is neither a bcrypt ($2y$) nor an argon2id ($argon2id$) hash",
        ),
        ("ann:$2y$05$short".to_owned(), "line 1: the bcrypt hash is malformed"),
        (
            format!("ann:{}", bcrypt.replacen("$04$", "$31$", 1)),
            "line 1: the cost of the bcrypt hash is not between 4 and 16",
        ),
        ("ann:$argon2id$v=19$m=64".to_owned(), "line 1: the argon2id hash is malformed"),
    ] {
        let error = text.parse::<Users>().unwrap_err().to_string();
        assert_eq!(error, expected, "{text:?}");
    }
}
