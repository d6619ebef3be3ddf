//! A million rows: listings of them take no more memory than short ones, and a reader that is slow
//! holds nothing of the database.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use conformance::database::postgres_of;
use conformance::http::send;
use conformance::server::binary;
use conformance::{Database, Folder, Server, databases, require, shell};

/// By how much listing may ever raise what the server had in memory.
const GROWTH_KIB_MAX: u64 = 32 * 1024;

/// More than there are connections to either engine.
const SLOW: usize = 40;

/// Far more than a query takes on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// So many bytes come to far more than the growth that is allowed.
const BYTES: usize = 100_000_000;

/// How many rows; fewer and longer ones for a debug build, which takes its time.
fn rows() -> usize {
    if binary().components().any(|part| part.as_os_str() == "debug") { 100_000 } else { 1_000_000 }
}

fn table() -> String {
    let (rows, note) = (rows(), "x".repeat(BYTES / rows() - 50));
    format!(
        "PRAGMA journal_mode = wal;
        CREATE TABLE many (id INTEGER PRIMARY KEY, label TEXT NOT NULL, note TEXT);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
        INSERT INTO many SELECT i, 'row ' || i, '{note}' FROM n;"
    )
}

struct World {
    database: Database,
    server: Server,
    _folder: Folder,
}

fn worlds() -> Vec<World> {
    let table = table();
    let serve = |database: Database| {
        let folder = Folder::new();
        let server = Server::builder().folder(folder.path()).mount("/records", database.source());
        World { database, server: server.as_nobody().start(), _folder: folder }
    };
    databases(&table, &postgres_of(&table)).into_iter().map(serve).collect()
}

impl World {
    fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.id()));
        let status = status.expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("the kernel tells of the memory")
    }

    /// Runs a script that prints a number; `$T` is the table's URL.
    fn count(&self, script: &str) -> usize {
        let table = format!("{}records/many/", self.server.url());
        let folder = Folder::new();
        let said = shell(folder.path(), &[("T", &table)], script).success();
        said.stdout.trim().parse().unwrap_or_else(|_| panic!("no number: {said}"))
    }
}

#[test]
fn listings_take_no_more_memory_than_short_ones() {
    if !require(&["curl"]) {
        return;
    }
    for world in worlds() {
        // What any request takes is taken before.
        world.count("curl -sSf \"$T?limit=2000\" | grep -c id");
        world.count("curl -sSf -X PROPFIND -H 'Depth: 0' $T | grep -c href");
        let before = world.peak_kib();
        let json = world.count("curl -sSf $T | grep -c '^{\"id\":'");
        let csv = world.count("curl -sSf -H 'Accept: text/csv' $T | wc -l");
        let ask = "<propfind xmlns=\"DAV:\"><prop><note xmlns=\"urn:polydav:columns:1\"/></prop></propfind>";
        let propfind = format!(
            "curl -sSf -X PROPFIND -H 'Depth: 1' -d '{ask}' $T | tr '<' '\\n' | grep -c '^D:response>'"
        );
        let propfind = world.count(&propfind);
        assert_eq!((json, csv, propfind), (rows(), rows() + 1, rows() + 1));
        let growth = world.peak_kib() - before;
        assert!(growth < GROWTH_KIB_MAX, "{growth} KiB more than {before}: {:?}", world.database);
        world.server.stop();
    }
}

/// Asks for all rows, reads 1 KiB, and no more for now.
fn slow_reader(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    stream.set_read_timeout(Some(SOON * 2)).expect("a timeout can be set");
    let request = format!(
        "GET /records/many/ HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        server.host()
    );
    stream.write_all(request.as_bytes()).expect("the server reads");
    stream.read_exact(&mut [0; 1024]).expect("the listing begins");
    stream
}

/// Reads the rest; the listing must be whole.
fn read_on(mut stream: TcpStream) {
    let (mut buffer, mut last) = (vec![0; 1 << 16], Vec::new());
    loop {
        let length = stream.read(&mut buffer).expect("the listing goes on");
        if length == 0 {
            break;
        }
        last.extend_from_slice(&buffer[..length]);
        last.drain(..last.len().saturating_sub(16));
    }
    assert!(last.ends_with(b"]\n\r\n0\r\n\r\n"), "it broke off: {}", last.escape_ascii());
}

/// Asks the database until it says so.
fn until(database: &Database, question: &str, answer: &str) {
    let begun = Instant::now();
    loop {
        let said = database.sql(question);
        if said == answer {
            return;
        }
        assert!(begun.elapsed() < SOON, "still {said:?}: {question}");
    }
}

#[test]
fn a_slow_reader_holds_nothing_of_the_database() {
    if !require(&[]) {
        return;
    }
    for world in worlds() {
        let readers: Vec<_> = (0..SLOW).map(|_| slow_reader(&world.server)).collect();
        match world.database {
            Database::Sqlite(_) => {
                // A reader in a transaction would keep the log from being emptied.
                until(&world.database, "PRAGMA wal_checkpoint(TRUNCATE)", "0|0|0\n");
            }
            Database::Postgres(..) => {
                let busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'polydav' \
                            AND datname = current_database() AND state <> 'idle'";
                until(&world.database, busy, "0\n");
                world.database.sql(
                    "BEGIN; SET LOCAL lock_timeout = '5s'; LOCK TABLE many IN ACCESS EXCLUSIVE MODE; \
                     COMMIT",
                );
            }
        }
        let begun = Instant::now();
        let body = b"{\"label\": \"changed\"}";
        let written = send(&world.server, "PATCH", "/records/many/1", &[], body);
        assert_eq!(written.status, 204, "{}", written.text());
        assert!(begun.elapsed() < SOON, "the writer waited for {:?}", begun.elapsed());
        readers.into_iter().take(1).for_each(read_on);
        world.server.stop();
    }
}
