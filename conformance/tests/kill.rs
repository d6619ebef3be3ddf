//! Killed at any moment, also inside a commit of the database: what was answered is there after the
//! restart, what was not is done or not done, and nothing is half done.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{fs, thread};

use conformance::http::send;
use conformance::{Folder, Server, require};
use rustix::process::{Pid, Signal, kill_process};

const ROUNDS: u64 = 24;
const WORKERS: usize = 4;

/// A file: its content, and its dead property.
type File = (String, Option<String>);

/// What a worker believes to be in its folder.
type Model = BTreeMap<&'static str, File>;

/// The files a worker knows of.
const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone, Copy)]
enum Op {
    Put(u64),
    Patch(u64),
    Move,
    Copy,
    Delete,
}

impl Op {
    /// What a worker does as its `count`th operation.
    fn at(count: u64) -> Self {
        match count % 6 {
            0 => Self::Put(count),
            1 => Self::Patch(count),
            2 => Self::Copy,
            3 => Self::Move,
            4 => Self::Put(count),
            _ => Self::Delete,
        }
    }

    fn apply(self, model: &mut Model) {
        match self {
            Self::Put(count) => {
                let property = model.remove("a").and_then(|(_, property)| property);
                model.insert("a", (count.to_string(), property));
            }
            Self::Patch(count) => {
                model.entry("a").and_modify(|file| file.1 = Some(count.to_string()));
            }
            Self::Move => {
                let file = model.remove("a").expect("a was put before");
                model.insert("b", file);
            }
            Self::Copy => {
                let file = model["a"].clone();
                model.insert("c", file);
            }
            Self::Delete => drop(model.remove("a")),
        }
    }

    fn request(self, worker: usize, host: &str) -> String {
        let (method, headers, body) = match self {
            Self::Put(count) => ("PUT", String::new(), count.to_string()),
            Self::Patch(count) => ("PROPPATCH", String::new(), patch(count)),
            Self::Move => ("MOVE", format!("Destination: /w{worker}/b\r\n"), String::new()),
            Self::Copy => ("COPY", format!("Destination: /w{worker}/c\r\n"), String::new()),
            Self::Delete => ("DELETE", String::new(), String::new()),
        };
        let length = body.len();
        format!(
            "{method} /w{worker}/a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\
             Content-Length: {length}\r\n\r\n{body}"
        )
    }
}

fn patch(count: u64) -> String {
    format!(
        "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><n xmlns=\"urn:test\">{count}</n>\
         </D:prop></D:set></D:propertyupdate>"
    )
}

/// The status of the answer, if the server lived to give it.
fn ask(address: SocketAddr, request: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout can be set");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // Whether the connection broke behind a whole answer doesn't matter; its length tells.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    if body.len() < length.unwrap_or(0) {
        return None;
    }
    head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// Works until the server is gone. Returns what was answered, and what was not.
fn work(
    worker: usize,
    server: (SocketAddr, String, u32),
    answered: &AtomicU64,
    last: u64,
    mut model: Model,
) -> (Model, Op) {
    let (address, host, id) = server;
    for count in 0.. {
        let op = Op::at(count);
        let Some(status) = ask(address, &op.request(worker, &host)) else { return (model, op) };
        assert!((200..300).contains(&status), "{op:?} of worker {worker}: {status}");
        op.apply(&mut model);
        if answered.fetch_add(1, Ordering::Relaxed) + 1 == last {
            let id = Pid::from_raw(id.try_into().expect("process ids are small"));
            kill_process(id.expect("it is one"), Signal::KILL).expect("the server runs");
        }
    }
    unreachable!("the server is killed before")
}

/// What is in a worker's folder, as clients see it.
fn look(server: &Server, worker: usize) -> Model {
    let mut model = Model::new();
    for name in NAMES {
        let target = format!("/w{worker}/{name}");
        let answer = send(server, "GET", &target, &[], b"");
        if answer.status == 404 {
            continue;
        }
        assert_eq!(answer.status, 200);
        let ask =
            b"<D:propfind xmlns:D=\"DAV:\"><D:prop><n xmlns=\"urn:test\"/></D:prop></D:propfind>";
        let found = send(server, "PROPFIND", &target, &[("Depth", "0")], ask);
        let text = found.text();
        let value = |(before, _): (&str, &str)| before.rsplit('>').next().map(str::to_owned);
        let property = text.split_once("</n>").and_then(value);
        model.insert(name, (answer.text().to_owned(), property));
    }
    model
}

#[test]
fn what_was_answered_is_there_after_a_kill_at_any_moment() {
    if !require(&[]) {
        return;
    }
    let folder = Folder::new();
    let mut models = vec![Model::new(); WORKERS];
    let start = |round: u64| {
        let level = if round.is_multiple_of(2) { "full" } else { "relaxed" };
        let builder = Server::builder().folder(folder.path()).as_nobody();
        builder.args(["--durability", level]).start()
    };
    let mut server = start(0);
    for worker in 0..WORKERS {
        assert_eq!(send(&server, "MKCOL", &format!("/w{worker}/"), &[], b"").status, 201);
    }
    for round in 0..ROUNDS {
        let answered = AtomicU64::new(0);
        // Another moment each round; which system call it hits is up to the scheduler.
        let last = 7 + round * 5;
        let ended: Vec<(Model, Op)> = thread::scope(|scope| {
            let workers = models.into_iter().enumerate().map(|(worker, model)| {
                let server = (server.address(), server.host().to_owned(), server.id());
                let answered = &answered;
                scope.spawn(move || work(worker, server, answered, last, model))
            });
            let workers: Vec<_> = workers.collect();
            workers.into_iter().map(|worker| worker.join().expect("no worker panics")).collect()
        });
        drop(server);
        server = start(round + 1);
        models = ended
            .into_iter()
            .enumerate()
            .map(|(worker, (before, op))| {
                let mut after = before.clone();
                op.apply(&mut after);
                let found = look(&server, worker);
                assert!(
                    found == before || found == after,
                    "round {round}, worker {worker}, {op:?}: found {found:?}, neither {before:?} \
                     nor {after:?}"
                );
                // Each round begins from what a delete leaves: no `a`.
                let mut clean = found;
                if clean.remove("a").is_some() {
                    let status = send(&server, "DELETE", &format!("/w{worker}/a"), &[], b"").status;
                    assert_eq!(status, 204);
                }
                clean
            })
            .collect();
        let stage = folder.join(".polydav/stage");
        let left: Vec<_> = fs::read_dir(stage).expect("it is there").collect();
        assert!(left.is_empty(), "round {round}: left in staging: {left:?}");
    }
    server.stop();
}
