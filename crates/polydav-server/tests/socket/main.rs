//! The server as a client sees it: real sockets, and the bytes on them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod framing;
mod keep_out;
mod life;
mod records;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use polydav_dav::{Dav, Site};
use polydav_engine::{Engine, Environment};
use polydav_server::{Options, Server, Stopped};
use polydav_store::{MemoryLedger, MemoryStore, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server over a store in memory.
struct Running {
    port: u16,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Stopped>,
}

/// A connection to it.
struct Client(TcpStream);

async fn start(options: Options) -> Running {
    start_over(Arc::new(MemoryStore::new()), options).await
}

async fn start_over(store: Arc<dyn Store>, options: Options) -> Running {
    let server = Server::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let port = server.addresses()[0].port();
    let site = Site::new(server.addresses().to_vec(), Vec::new());
    let dav = Dav::new(engine(store), site, polydav_dav::Options::default());
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(server.serve(dav, options, async {
        let _ = stopped.await;
    }));
    Running { port, stop, ended }
}

fn engine(store: Arc<dyn Store>) -> Engine {
    let ledger = Arc::new(MemoryLedger::default());
    let random = || u128::from(getrandom::u64().unwrap());
    let environment = Environment::new(SystemTime::now, random);
    Engine::open(store, ledger, environment, polydav_engine::Options::default()).unwrap()
}

impl Running {
    async fn connect(&self) -> Client {
        Client(TcpStream::connect(("127.0.0.1", self.port)).await.unwrap())
    }

    /// Sends bytes, and reads until the server closes. `HOST` stands for its host.
    async fn exchange(&self, bytes: &str) -> String {
        let mut client = self.connect().await;
        client.send(&self.with_host(bytes)).await;
        client.rest().await
    }

    /// The status of one request of no body, with these further lines in its head.
    async fn status(&self, request: &str, lines: &str) -> u16 {
        let head = format!("{request} HTTP/1.1\r\nHost: HOST\r\n{lines}Connection: close\r\n\r\n");
        status(&self.exchange(&head).await)
    }

    fn with_host(&self, bytes: &str) -> String {
        bytes.replace("HOST", &format!("localhost:{}", self.port))
    }

    async fn stop(self) -> Stopped {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.ended).await.expect("it stops").unwrap()
    }
}

impl Client {
    async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads until what came contains `text`.
    async fn until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&read).contains(text) {
                let byte = self.0.read_u8().await;
                read.push(byte.unwrap_or_else(|_| panic!("closed before {text:?}")));
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("an answer in time");
        String::from_utf8(read).unwrap()
    }

    /// Reads until the server closes; a reset is a failure.
    async fn rest(&mut self) -> String {
        let mut read = Vec::new();
        let reading = self.0.read_to_end(&mut read);
        tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("an answer in time")
            .expect("no reset");
        String::from_utf8(read).unwrap()
    }

    /// Reads an answer that has no body.
    async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }
}

/// The status of the first answer.
#[track_caller]
fn status(answers: &str) -> u16 {
    statuses(answers).first().copied().unwrap_or_else(|| panic!("no answer: {answers:?}"))
}

/// The status of each answer.
fn statuses(answers: &str) -> Vec<u16> {
    let lines = answers.match_indices("HTTP/1.1 ");
    lines.map(|(at, line)| answers[at + line.len()..][..3].parse().unwrap()).collect()
}
