//! A client whose connections break, and a server that is killed meanwhile: sent again with its key
//! until the answer is whole, a batch is done once, whatever it is made of.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use conformance::database::postgres_of;
use conformance::{Database, Folder, Server, require, require_postgres};

/// So many batches are sent.
const ROUNDS: usize = 1_000;

/// In one of so many rounds the server is killed.
const KILLED: usize = 8;

/// How often the same is done in a batch.
const TIMES: usize = 4;

/// Nothing keeps a row from being made twice.
const TABLE: &str = "
PRAGMA journal_mode = wal;
CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT NOT NULL);
";

/// Numbers that look like chance, and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("it is below the bound")
    }
}

/// What a batch is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Files,
    Rows,
    Both,
}

/// A batch of a round in JSON, and the status of each of its items if it is done once. Done twice,
/// any of the files would have another, and there would be two of a row.
fn document(round: usize, of: Of, mode: &str) -> (String, Vec<u16>) {
    let mut operations = Vec::new();
    let mut add = |status: u16, operation: String| operations.push((status, operation));
    if of != Of::Rows {
        add(201, format!(r#"{{"op": "mkcol", "href": "/r{round}/"}}"#));
    }
    for n in 0..TIMES {
        let at = |name: &str| format!("/r{round}/{name}{n}");
        let (a, b, c) = (at("a"), at("b"), at("c"));
        if of != Of::Rows {
            let patch = "<D:set xmlns:D='DAV:'><D:prop><p xmlns='u'/></D:prop></D:set>";
            add(
                201,
                format!(r#"{{"op": "put", "href": "{a}", "content": "1", "ifNoneMatch": "*"}}"#),
            );
            add(
                201,
                format!(r#"{{"op": "copy", "href": "{a}", "dest": "{b}", "overwrite": false}}"#),
            );
            add(
                201,
                format!(r#"{{"op": "move", "href": "{a}", "dest": "{c}", "overwrite": false}}"#),
            );
            add(200, format!(r#"{{"op": "proppatch", "href": "{c}", "patch": "{patch}"}}"#));
            add(204, format!(r#"{{"op": "put", "href": "{b}", "content": "2"}}"#));
            add(204, format!(r#"{{"op": "delete", "href": "{c}"}}"#));
        }
        if of != Of::Files {
            let values = format!(r#"{{"code": "r{round}-{n}"}}"#);
            add(
                201,
                format!(r#"{{"op": "create", "href": "/records/item/", "values": {values}}}"#),
            );
        }
    }
    let (statuses, operations): (Vec<_>, Vec<_>) = operations.into_iter().unzip();
    let operations = operations.join(", ");
    (format!(r#"{{"mode": "{mode}", "operations": [{operations}]}}"#), statuses)
}

/// Sends a batch, and takes at most so many bytes of the answer.
fn ask(address: SocketAddr, key: &str, document: &str, most: u64) -> String {
    let mut request = format!("POST /batch-operation HTTP/1.1\r\nHost: {address}\r\n");
    let _ = write!(request, "Idempotency-Key: {key}\r\nConnection: close\r\n");
    let _ = write!(request, "Content-Length: {}\r\n\r\n{document}", document.len());
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout can be set");
        if stream.write_all(request.as_bytes()).is_ok() {
            // Where it breaks off doesn't matter: it is sent again.
            let _ = stream.take(most).read_to_end(&mut answer);
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The document of a whole 207; nothing if there isn't one yet.
fn whole(answer: &str) -> Option<serde_json::Value> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    if head.starts_with("HTTP/1.1 409 ") {
        return None;
    }
    assert!(head.starts_with("HTTP/1.1 207 "), "{answer}");
    serde_json::from_str(body).ok()
}

fn statuses(answer: &serde_json::Value) -> Vec<u16> {
    let items = answer["items"].as_array().expect("there are items").iter();
    let status = |item: &serde_json::Value| item["status"].as_u64().expect("each has a status");
    items.map(|item| status(item).try_into().expect("it is one")).collect()
}

/// A folder and a database, served until they are killed.
struct World {
    folder: Folder,
    database: Database,
    server: Option<Server>,
    chance: Chance,
    /// About how long a batch takes.
    took: Duration,
}

impl World {
    fn new(database: Database) -> Self {
        let (folder, chance) = (Folder::new(), Chance(0x9e37_79b9_7f4a_7c15));
        let mut world =
            Self { folder, database, server: None, chance, took: Duration::from_millis(20) };
        world.start(0);
        world
    }

    fn start(&mut self, round: usize) {
        let durability = if round.is_multiple_of(3) { "full" } else { "relaxed" };
        let builder = Server::builder().folder(self.folder.path());
        let builder = builder.args(["--durability", durability]);
        self.server = Some(builder.mount("/records", self.database.source()).as_nobody().start());
    }

    fn address(&self) -> SocketAddr {
        self.server.as_ref().expect("it runs").address()
    }

    /// Sends a batch until there is a whole answer; with the server killed in the middle, if it is to
    /// be.
    fn send(&mut self, round: usize, document: &str, is_killed: bool) -> serde_json::Value {
        let key = format!("k{round}");
        if is_killed {
            let (address, key, document) = (self.address(), key.clone(), document.to_owned());
            let asked = thread::spawn(move || ask(address, &key, &document, u64::MAX));
            let wait =
                self.took * u32::try_from(self.chance.below(120)).expect("it is small") / 100;
            let begun = Instant::now();
            while begun.elapsed() < wait {
                thread::yield_now();
            }
            self.server.take().expect("it runs").kill();
            asked.join().expect("no client panics");
            self.start(round);
        }
        for tries in 0_usize.. {
            assert!(tries < 10_000, "round {round} never ends");
            // Less and less is left out.
            let most = if tries < 2 { self.chance.below(4_000) as u64 } else { u64::MAX };
            let begun = Instant::now();
            if let Some(answer) = whole(&ask(self.address(), &key, document, most)) {
                self.took = (self.took * 7 + begun.elapsed()) / 8;
                return answer;
            }
        }
        unreachable!("it ends, or panics")
    }
}

#[test]
fn a_batch_that_is_sent_until_it_is_answered_is_done_once() {
    if !require(&[]) || !require_postgres() {
        return;
    }
    let mut world = World::new(Database::postgres(&postgres_of(TABLE)));
    let mut rows = 0;
    for round in 0..ROUNDS {
        let (of, mode) = [
            (Of::Both, "best-effort"),
            (Of::Files, "atomic"),
            (Of::Rows, "atomic"),
            (Of::Both, "stop"),
        ][round % 4];
        let (document, expected) = document(round, of, mode);
        let answer = world.send(round, &document, round % KILLED == KILLED - 1);
        assert_eq!(statuses(&answer), expected, "round {round}, {of:?}, {mode}: {answer:#}");
        rows += if of == Of::Files { 0 } else { TIMES };
        if of != Of::Rows {
            let b = |n| String::from_utf8(world.folder.read(&format!("r{round}/b{n}")));
            assert!((0..TIMES).all(|n| b(n).as_deref() == Ok("2")), "round {round}");
        }
    }
    let found = world.database.sql("SELECT count(*), count(DISTINCT code) FROM item");
    assert_eq!(found.trim(), format!("{rows}|{rows}"));
}

/// Nobody can tell what became of a commit to a file that isn't ours. Then it is told as unknown, and
/// not done again.
#[test]
fn a_row_of_sqlite_is_never_made_twice() {
    if !require(&["sqlite3"]) {
        return;
    }
    let mut world = World::new(Database::sqlite(TABLE));
    for round in 0..64 {
        let mode = ["best-effort", "atomic", "stop"][round % 3];
        let (document, _) = document(round, Of::Rows, mode);
        let answer = world.send(round, &document, round % 2 == 1);
        let found = world.database.sql(&format!(
            "SELECT code, count(*) FROM item WHERE code LIKE 'r{round}-%' GROUP BY code"
        ));
        let times = |n: usize| {
            let line = found.lines().find(|line| line.starts_with(&format!("r{round}-{n}|")));
            line.map_or("0", |line| line.rsplit('|').next().expect("it has a count"))
        };
        for (n, item) in answer["items"].as_array().expect("there are items").iter().enumerate() {
            match item["outcome"].as_str() {
                Some("applied") => assert_eq!(times(n), "1", "{answer:#}"),
                Some("unknown") => assert!(matches!(times(n), "0" | "1"), "{found}"),
                _ => assert_eq!(times(n), "0", "{answer:#}"),
            }
        }
    }
}
