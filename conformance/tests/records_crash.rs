//! A batch of 10,000 rows, and a crash in its middle, of polydav or of PostgreSQL: what was answered
//! as done is there, nothing is there twice or by half, and the rest can be sent again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use conformance::batch;
use conformance::database::postgres_of;
use conformance::http::{Response, raw, send};
use conformance::{Database, Folder, Postgres, Server, databases, require, require_postgres};

const ITEMS: usize = 10_000;

/// Each row says three times what it is.
const TABLE: &str = "
PRAGMA journal_mode = wal;
CREATE TABLE item (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    a TEXT NOT NULL,
    b TEXT NOT NULL);
";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Xml,
    Json,
}

/// A batch that creates all rows of a round.
fn document(form: Form, round: usize) -> String {
    let items = (0..ITEMS).map(|n| format!("r{round}-{n}"));
    match form {
        Form::Xml => {
            let fields = |code: String| {
                ["code", "a", "b"]
                    .map(|name| format!("<field name='{name}'>{code}</field>"))
                    .concat()
            };
            let items = items
                .map(|code| format!("<create href='/records/item/'>{}</create>", fields(code)));
            format!("<batch>{}</batch>", items.collect::<String>())
        }
        Form::Json => {
            let item = |code: String| {
                format!(
                    "{{\"op\": \"create\", \"href\": \"/records/item/\", \"values\": \
                     {{\"code\": \"{code}\", \"a\": \"{code}\", \"b\": \"{code}\"}}}}"
                )
            };
            format!("[{}]", items.map(item).collect::<Vec<_>>().join(","))
        }
    }
}

/// Sends a batch; returns what came back, which may be nothing, or break off.
fn ask(address: SocketAddr, document: &str) -> String {
    let mut request = format!("POST /batch-operation HTTP/1.1\r\nHost: {address}\r\n");
    let _ = write!(request, "Connection: close\r\nContent-Length: {}\r\n\r\n", document.len());
    let mut answer = Vec::new();
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a timeout can be set");
    if stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.write_all(document.as_bytes()))
        .is_ok()
    {
        // Where it breaks off doesn't matter: what is there counts.
        let _ = stream.read_to_end(&mut answer);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The items that an answer, whole or not, tells were done.
fn applied(answer: &str, form: Form) -> BTreeSet<usize> {
    let (start, done) = match form {
        Form::Xml => ("index=\"", " status=\"201\""),
        Form::Json => ("\"index\":", "\"status\":201"),
    };
    let answer = answer.replace("\": ", "\":");
    let items = answer.split(start).skip(1).filter(|item| item.contains(done));
    let number = |item: &str| {
        let digits = item.bytes().take_while(u8::is_ascii_digit).count();
        item[..digits].parse().expect("an index is a number")
    };
    items.map(number).collect()
}

/// How many rows of a round another connection sees.
fn count(database: &Database, round: usize) -> usize {
    let count = database.sql(&format!("SELECT count(*) FROM item WHERE code LIKE 'r{round}-%'"));
    count.trim().parse().expect("it is a number")
}

/// The rows of a round that are there; each must be whole, and there once.
fn found(database: &Database, round: usize) -> BTreeSet<usize> {
    let rows = database.sql(&format!("SELECT code, a, b FROM item WHERE code LIKE 'r{round}-%'"));
    let mut found = BTreeSet::new();
    for row in rows.lines() {
        let parts: Vec<_> = row.split('|').collect();
        assert!(parts.iter().all(|part| *part == parts[0]) && parts.len() == 3, "{row}");
        let number = parts[0].split_once('-').and_then(|(_, number)| number.parse().ok());
        assert!(found.insert(number.expect("it ends in a number")), "{row} is there twice");
    }
    found
}

/// Sends a round again: what is there is refused, everything else is made.
fn send_the_rest(server: &Server, database: &Database, form: Form, round: usize) {
    let there = found(database, round);
    let headers = [("Accept", "application/xml")];
    let document = document(form, round);
    let answer = send(server, "POST", "/batch-operation", &headers, document.as_bytes());
    let statuses = batch::parse(answer.text()).statuses();
    let expected = (0..ITEMS).map(|n| if there.contains(&n) { 409 } else { 201 });
    assert_eq!(statuses, expected.collect::<Vec<_>>());
    assert_eq!(found(database, round).len(), ITEMS);
}

/// Waits until nobody is at work in the database any more: what a killed client has begun may be
/// ended by PostgreSQL.
fn settle(database: &Database) {
    if let Database::Postgres(..) = database {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                      AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        while database.sql(others) != "0\n" {}
    }
}

/// A database of this server, with the table.
fn database_of(postgres: &Arc<Postgres>) -> Database {
    let name = postgres.database(&postgres_of(TABLE));
    Database::Postgres(Arc::clone(postgres), name)
}

/// Serves a folder, and a database beside it.
fn start(folder: &Folder, database: &Database) -> Server {
    let builder = Server::builder().folder(folder.path());
    builder.mount("/records", database.source()).as_nobody().start()
}

#[test]
fn polydav_is_killed_in_the_middle() {
    if !require(&[]) {
        return;
    }
    for database in databases(TABLE, &postgres_of(TABLE)) {
        let folder = Folder::new();
        let mut broken_off = 0;
        for round in 0..4 {
            let form = if round % 2 == 0 { Form::Xml } else { Form::Json };
            let (server, document) = (start(&folder, &database), document(form, round));
            let address = server.address();
            let asked = thread::spawn(move || ask(address, &document));
            // Another moment each round; where in the work it falls is up to the scheduler.
            let last = 1 + round * 2_000;
            while count(&database, round) < last && !asked.is_finished() {}
            server.kill();
            let answer = asked.join().expect("no client panics");
            settle(&database);
            let (told, there) = (applied(&answer, form), found(&database, round));
            assert!(told.is_subset(&there), "{:?}", told.difference(&there).collect::<Vec<_>>());
            // In order, up to where it was killed.
            assert!(there.iter().copied().eq(0..there.len()), "there are gaps: {there:?}");
            broken_off += usize::from(there.len() < ITEMS);
            let server = start(&folder, &database);
            send_the_rest(&server, &database, form, round);
            server.stop();
        }
        assert!(broken_off > 0, "no batch was hit in its middle: {database:?}");
    }
}

/// The same batch, to be done whole or not at all, and to be known by a key.
fn atomic(round: usize) -> String {
    let batch = format!("<batch mode='atomic' key='round-{round}'>");
    document(Form::Xml, round).replacen("<batch>", &batch, 1)
}

/// Sends an atomic batch again, by its key: what was done isn't done twice, and what wasn't is, unless
/// nobody can know. `there` are the rows that are there.
fn ask_again(server: &Server, database: &Database, round: usize, there: usize) {
    let answer = send(server, "POST", "/batch-operation", &[], atomic(round).as_bytes());
    assert_eq!(answer.status, 207, "{}", answer.text());
    let items = batch::parse(answer.text()).items;
    let told: BTreeSet<_> = items.iter().map(|item| (item.status, &*item.outcome)).collect();
    let all = |status, outcome| told == BTreeSet::from([(status, outcome)]);
    let found = found(database, round).len();
    match database {
        _ if all(201, "applied") => assert_eq!(found, ITEMS, "it is gone"),
        // Whether a commit was done can't be asked there.
        Database::Sqlite(..) if all(500, "unknown") => assert_eq!(found, there, "it was repeated"),
        _ => panic!("{told:?}, of which {there} were there"),
    }
}

/// Waits for a while, or until there is an answer.
fn wait<T>(time: Duration, asked: &thread::JoinHandle<T>) {
    let begun = Instant::now();
    while begun.elapsed() < time && !asked.is_finished() {
        thread::yield_now();
    }
}

#[test]
fn an_atomic_batch_is_there_whole_or_not_at_all_after_a_kill() {
    const ROUNDS: u32 = 6;
    if !require(&[]) {
        return;
    }
    for database in databases(TABLE, &postgres_of(TABLE)) {
        let folder = Folder::new();
        let server = start(&folder, &database);
        let begun = Instant::now();
        assert_eq!(applied(&ask(server.address(), &atomic(0)), Form::Xml).len(), ITEMS);
        let took = begun.elapsed();
        server.stop();
        let mut undone = 0;
        for round in 1..=ROUNDS {
            let (server, document) = (start(&folder, &database), atomic(round as usize));
            let address = server.address();
            let asked = thread::spawn(move || ask(address, &document));
            wait(took * round / (ROUNDS + 1), &asked);
            server.kill();
            let answer = asked.join().expect("no client panics");
            settle(&database);
            let there = found(&database, round as usize).len();
            assert!(there == 0 || there == ITEMS, "{there} of {ITEMS} are there");
            let told = applied(&answer, Form::Xml).len();
            assert!(told == 0 || there == ITEMS, "{told} were told");
            undone += usize::from(there == 0);
            let server = start(&folder, &database);
            ask_again(&server, &database, round as usize, there);
            server.stop();
        }
        assert!(undone > 0, "no batch was hit before its end: {database:?}");
    }
}

/// Sends to a server that lives.
fn post(address: SocketAddr, target: &str, body: &str) -> Response {
    let mut request = format!("POST {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    let _ = write!(request, "Content-Length: {}\r\n\r\n{body}", body.len());
    raw(address, request.as_bytes(), false)
}

fn row(code: &str) -> String {
    format!("{{\"code\": \"{code}\", \"a\": \"{code}\", \"b\": \"{code}\"}}")
}

/// A client that makes row by row until it is told to stop: what it was told of each.
fn client(address: SocketAddr, name: usize, stop: &AtomicBool) -> Vec<(String, u16)> {
    let mut told = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let code = format!("c{name}-{}", told.len());
        let status = post(address, "/records/item/", &row(&code)).status;
        told.push((code, status));
    }
    told
}

/// Crashes PostgreSQL in the middle of a batch, with two more clients at work; what all were told,
/// and whether the batch was still under way.
fn crash_in_the_middle(
    database: &Database,
    address: SocketAddr,
    round: usize,
) -> (Response, Vec<(String, u16)>, bool) {
    let Database::Postgres(postgres, _) = database else { panic!("only PostgreSQL is a server") };
    let stop = &AtomicBool::new(false);
    thread::scope(|scope| {
        let batch = document(Form::Xml, round);
        let asked = scope.spawn(move || post(address, "/batch-operation", &batch));
        let names = [2 * round, 2 * round + 1];
        let clients = names.map(|name| scope.spawn(move || client(address, name, stop)));
        let last = 1 + round * 3_000;
        while count(database, round) < last && !asked.is_finished() {}
        let hit = !asked.is_finished();
        postgres.crash();
        let answer = asked.join().expect("no client panics");
        stop.store(true, Ordering::Relaxed);
        let told = clients.map(|client| client.join().expect("no client panics"));
        (answer, told.concat(), hit)
    })
}

/// Each item was told what became of it: done, not done, or that nobody knows.
fn check_batch(answer: &Response, there: &BTreeSet<usize>) {
    assert_eq!(answer.status, 207, "{}", answer.text());
    for item in batch::parse(answer.text()).items {
        let is_there = there.contains(&item.index);
        match (item.status, item.outcome.as_str()) {
            (201, "applied") => assert!(is_there, "it is gone: {item:?}"),
            (503, "not-applied" | "not-attempted") => assert!(!is_there, "it is there: {item:?}"),
            (500, "unknown") => {}
            _ => panic!("{item:?}"),
        }
    }
}

/// The same for rows that were made one by one.
fn check_rows(told: Vec<(String, u16)>, database: &Database) {
    let rows = database.sql("SELECT code, a, b FROM item WHERE code LIKE 'c%'");
    let rows: BTreeSet<_> = rows.lines().collect();
    for (code, status) in told {
        let is_there = rows.contains(&*format!("{code}|{code}|{code}"));
        match status {
            201 => assert!(is_there, "{code} is gone"),
            503 => assert!(!is_there, "{code} is there"),
            500 => {}
            _ => panic!("{status} for {code}"),
        }
    }
}

#[test]
fn postgresql_crashes_in_the_middle() {
    if !require(&[]) || !require_postgres() {
        return;
    }
    let postgres = Arc::new(Postgres::start());
    let (database, folder) = (database_of(&postgres), Folder::new());
    let server = start(&folder, &database);
    let mut hits = 0;
    for round in 0..2 {
        let (answer, told, hit) = crash_in_the_middle(&database, server.address(), round);
        hits += usize::from(hit);
        check_batch(&answer, &found(&database, round));
        check_rows(told, &database);
        let after = post(server.address(), "/records/item/", &row(&format!("after-{round}")));
        assert_eq!(after.status, 201, "it serves on: {}", after.text());
        send_the_rest(&server, &database, Form::Json, round);
    }
    assert!(hits > 0, "no batch was hit in its middle");
    server.stop();
}

#[test]
fn an_atomic_batch_is_there_whole_or_not_at_all_after_a_crash_of_postgresql() {
    const ROUNDS: u32 = 3;
    if !require(&[]) || !require_postgres() {
        return;
    }
    let postgres = Arc::new(Postgres::start());
    let (database, folder) = (database_of(&postgres), Folder::new());
    let server = start(&folder, &database);
    let begun = Instant::now();
    assert_eq!(post(server.address(), "/batch-operation", &atomic(0)).status, 207);
    let took = begun.elapsed();
    for round in 1..=ROUNDS {
        let (address, document) = (server.address(), atomic(round as usize));
        let asked = thread::spawn(move || post(address, "/batch-operation", &document));
        wait(took * round / (ROUNDS + 1), &asked);
        postgres.crash();
        let answer = asked.join().expect("no client panics");
        let there = found(&database, round as usize).len();
        assert!(there == 0 || there == ITEMS, "{there} of {ITEMS} are there");
        assert_eq!(answer.status, 207, "{}", answer.text());
        for item in batch::parse(answer.text()).items {
            match (item.status, item.outcome.as_str()) {
                (201, "applied") => assert_eq!(there, ITEMS, "it is gone: {item:?}"),
                (500, "unknown") => {}
                _ => assert_eq!(there, 0, "it is there: {item:?}"),
            }
        }
        let again = post(server.address(), "/batch-operation", &atomic(round as usize));
        assert_eq!(again.text(), answer.text(), "its key tells the same");
        assert_eq!(found(&database, round as usize).len(), there, "nothing is done again");
    }
    server.stop();
}

/// While PostgreSQL is away files are served as ever, and rows are a 503; once it is back, so are they.
#[test]
fn postgresql_is_away_for_a_while() {
    if !require(&[]) || !require_postgres() {
        return;
    }
    let postgres = Arc::new(Postgres::start());
    let (database, folder) = (database_of(&postgres), Folder::new());
    let server = start(&folder, &database);
    let ask = |method, target| send(&server, method, target, &[], b"");
    let batch = |name: &str| {
        let fields =
            ["code", "a", "b"].map(|field| format!("<field name='{field}'>{name}</field>"));
        let document = format!(
            "<batch><put href='/{name}-1'/><create href='/records/item/'>{}</create>\
             <put href='/{name}-2'/></batch>",
            fields.concat()
        );
        batch::parse(post(server.address(), "/batch-operation", &document).text()).statuses()
    };
    assert_eq!(batch("before"), [201, 201, 201]);
    postgres.halt();
    for target in ["/records/item/1", "/records/item/", "/records/item/?limit=1"] {
        let answer = ask("GET", target);
        let again = answer.header("retry-after").is_some();
        assert_eq!((answer.status, again), (503, true), "{target}: {}", answer.text());
    }
    assert_eq!(post(server.address(), "/records/item/", &row("lost")).status, 503);
    assert_eq!(batch("meanwhile"), [201, 503, 201]);
    assert_eq!(ask("GET", "/meanwhile-2").status, 200);
    postgres.launch();
    assert_eq!(ask("GET", "/records/item/1").status, 200);
    assert_eq!(batch("after"), [201, 201, 201]);
    assert_eq!(database.sql("SELECT code FROM item ORDER BY id"), "before\nafter\n");
    server.stop();
}
