//! What batches of other servers got wrong: one lock that stops a thousand, a half that was run before
//! a limit was noticed, a batch cut in half by who stopped waiting for it, two that wait for each
//! other. (What a document can say of it is in `transcripts/batch-*.txt`.)

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use conformance::http::{Response, raw, send};
use conformance::model::{Mode, Operation, Request, Told};
use conformance::proxy::{Kind, Plan, Proxy};
use conformance::{Folder, Server, require, run};

/// Far more than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// For how long the proxy waits; the shortest time that all proxies know.
const PATIENCE: Duration = Duration::from_secs(1);

/// As many as may be in a document.
const ITEMS_MAX: usize = 10_000;

const LOCK: &[u8] = b"<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope>\
    <D:locktype><D:write/></D:locktype></D:lockinfo>";

fn put(path: String, content: &str) -> Operation {
    Operation::Put(path, content.to_owned(), None)
}

fn puts(count: usize) -> Vec<Operation> {
    (0..count).map(|n| put(format!("f{n}"), "new")).collect()
}

/// Where it makes no difference how lasting a success is.
fn serve_relaxed(folder: &Folder) -> Server {
    let builder = Server::builder().folder(folder.path()).args(["--durability", "relaxed"]);
    builder.as_nobody().start()
}

fn ask(server: &Server, request: &Request) -> Response {
    raw(server.address(), &request.to_bytes(server.host()), false)
}

/// A thousand files, one of which is locked, and a batch that writes them all.
fn a_thousand_and_a_lock(mode: Mode) -> (Folder, Vec<Told>) {
    let folder = Folder::new();
    for n in 0..1_000 {
        folder.write(&format!("f{n}"), "old");
    }
    let server = serve_relaxed(&folder);
    assert_eq!(send(&server, "LOCK", "/f500", &[], LOCK).status, 200);
    let request = Request::batch(mode, puts(1_000));
    let told = request.told(&ask(&server, &request));
    server.stop();
    (folder, told)
}

#[test]
fn a_lock_on_one_of_a_thousand_keeps_that_one() {
    if !require(&[]) {
        return;
    }
    let (folder, told) = a_thousand_and_a_lock(Mode::BestEffort);
    assert_eq!(told.len(), 1_000);
    for (n, told) in told.iter().enumerate() {
        let (status, outcome, content) =
            if n == 500 { (423, "not-applied", "old") } else { (204, "applied", "new") };
        assert_eq!((told.status, told.outcome.as_str()), (status, outcome), "item {n}");
        assert_eq!(folder.read(&format!("f{n}")), content.as_bytes(), "item {n}");
    }
}

#[test]
fn a_lock_on_one_of_a_thousand_keeps_all_if_all_or_none_are_to_be_done() {
    if !require(&[]) {
        return;
    }
    let (folder, told) = a_thousand_and_a_lock(Mode::Atomic);
    assert_eq!(told.len(), 1_000);
    for (n, told) in told.iter().enumerate() {
        let (status, cause) = if n == 500 { (423, None) } else { (424, Some(500)) };
        assert_eq!((told.status, told.cause), (status, cause), "item {n}");
        assert_ne!(told.outcome, "applied", "item {n}");
        assert_eq!(folder.read(&format!("f{n}")), b"old", "item {n}");
    }
}

/// A document of so many operations, filled up with white space to so many bytes.
fn document(count: usize, length: usize, is_xml: bool) -> String {
    let body = if is_xml {
        let puts: String = (0..count).map(|n| format!("<put href='/f{n}'>new</put>")).collect();
        format!("<batch xmlns='urn:polydav:batch:1'>{puts}</batch>")
    } else {
        let puts: Vec<_> = puts(count).iter().map(ToString::to_string).collect();
        format!("[{}]", puts.join(","))
    };
    assert!(body.len() <= length, "it has {} bytes", body.len());
    let space = " ".repeat(length - body.len());
    body + &space
}

#[test]
fn nothing_runs_of_a_document_that_is_over_a_limit() {
    if !require(&[]) {
        return;
    }
    let (folder, home) = (Folder::new(), Folder::new());
    let limits = "[limits]\nbatch-items = 3\nbatch-bytes = 1000\nbatch-content-bytes = 4\n";
    let config = home.write("polydav.toml", limits).join("polydav.toml");
    let builder = Server::builder().folder(folder.path()).as_nobody();
    let server = builder.args([Path::new("--config"), &config]).start();
    let status =
        |body: &str| send(&server, "POST", "/batch-operation", &[], body.as_bytes()).status;
    for is_xml in [true, false] {
        let fits = document(3, 1_000, is_xml);
        for (over, what) in [
            (document(4, 1_000, is_xml), "operations"),
            (document(3, 1_001, is_xml), "bytes"),
            (fits.replacen("new", "newer", 1), "bytes of a content"),
        ] {
            assert_eq!(status(&over), 413, "too many {what}");
            assert!(folder.tree().is_empty(), "too many {what}: {:?}", folder.tree());
        }
        // The limits are what stood in its way.
        assert_eq!(status(&fits), 207);
        assert_eq!(folder.tree().len(), 3);
        for n in 0..3 {
            assert_eq!(send(&server, "DELETE", &format!("/f{n}"), &[], b"").status, 204);
        }
    }
    server.stop();
}

/// Its length isn't announced: the server finds out in the middle.
#[test]
fn nothing_runs_of_a_document_that_grows_over_a_limit() {
    if !require(&[]) {
        return;
    }
    let folder = Folder::new();
    let server = Server::serve(&folder);
    let head = format!(
        "POST /batch-operation HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        server.host()
    );
    let chunked = |body: &str| {
        let request = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        raw(server.address(), request.as_bytes(), false).status
    };
    let length = 16 << 20;
    assert_eq!(chunked(&document(ITEMS_MAX + 1, length, true)), 413);
    assert_eq!(chunked(&document(ITEMS_MAX + 1, length, false)), 413);
    assert_eq!(chunked(&document(1, length + 1, true)), 413);
    assert!(folder.tree().is_empty(), "{:?}", folder.tree());
    assert_eq!(chunked(&document(1, length, true)), 207);
    assert_eq!(folder.tree().len(), 1);
    server.stop();
}

/// A batch that takes its time: each operation waits until the one before it is on disk.
fn chain(round: usize, count: usize) -> String {
    let operation = |n: usize| {
        let needs = n.checked_sub(1).map(|before| format!(r#", "needs": ["p{before}"]"#));
        format!(
            r#"{{"op": "put", "id": "p{n}", "href": "/d/{round}-{n}", "content": "",
                "ifNoneMatch": "*"{}}}"#,
            needs.unwrap_or_default()
        )
    };
    format!("[{}]", (0..count).map(operation).collect::<Vec<_>>().join(","))
}

/// A server behind a proxy that doesn't wait for long.
struct Impatient {
    folder: Folder,
    server: Server,
    proxy: Proxy,
}

impl Impatient {
    fn start() -> Self {
        let folder = Folder::new();
        folder.make_folder("d");
        let plan = Plan::new(Kind::Nginx, "/").patience(PATIENCE);
        let arguments = ["--public-url", &plan.url()];
        let server = Server::builder().folder(folder.path()).args(arguments).as_nobody().start();
        let proxy = plan.start(server.url());
        Self { folder, server, proxy }
    }

    /// Sends longer and longer batches until one takes too long for the proxy; returns that one, and
    /// its last file.
    fn outlast(&self, key: Option<&str>) -> (String, String) {
        for (round, count) in (5..).map(|bits| (bits, 1_usize << bits)) {
            assert!(count < ITEMS_MAX, "the proxy never gives up");
            let document = chain(round, count);
            let file = Folder::new();
            file.write("batch.json", &document);
            let mut curl = Command::new("curl");
            curl.args(["-ksS", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary"]);
            curl.arg("@batch.json").current_dir(file.path());
            if let Some(key) = key {
                curl.arg("-H").arg(format!("Idempotency-Key: {key}{count}"));
            }
            curl.arg(format!("{}batch-operation", self.proxy.url()));
            match run(&mut curl).success().stdout.as_str() {
                "207" => {}
                "504" => return (document, format!("{round}-{}", count - 1)),
                other => panic!("the proxy said {other}"),
            }
        }
        unreachable!("it ends, or panics")
    }

    /// How many files the batch with this as its last one has made.
    fn count(&self, last: &str) -> usize {
        let (round, _) = last.split_once('-').expect("it has a round");
        let start = format!("d/{round}-");
        let tree = self.folder.tree();
        tree.keys().filter(|path| path.to_string_lossy().starts_with(&start)).count()
    }
}

fn number(last: &str) -> usize {
    let (_, number) = last.split_once('-').expect("it has a number");
    number.parse().expect("it is one")
}

/// Waits until there is what is asked for.
#[track_caller]
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(begun.elapsed() < SOON, "{what} takes too long");
        thread::yield_now();
    }
}

#[test]
fn a_batch_outlasts_a_proxy_that_gives_up() {
    if !require(&["curl", "openssl", "nginx"]) {
        return;
    }
    let world = Impatient::start();
    let (_, last) = world.outlast(None);
    let file = world.folder.join("d").join(&last);
    until("the batch", || file.exists().then_some(()));
    assert_eq!(world.count(&last), number(&last) + 1);
    world.server.stop();
}

#[test]
fn what_a_proxy_did_not_wait_for_is_told_to_who_asks_again() {
    if !require(&["curl", "openssl", "nginx"]) {
        return;
    }
    let world = Impatient::start();
    let (document, last) = world.outlast(Some("k"));
    let key = format!("k{}", number(&last) + 1);
    let answer = until("the batch", || {
        // As curl sends it: the same key stands for the same request.
        let headers = [("Idempotency-Key", key.as_str()), ("Accept", "*/*")];
        let target = "/batch-operation";
        let answer = send(&world.server, "POST", target, &headers, document.as_bytes());
        (answer.status != 409).then_some(answer)
    });
    assert_eq!(answer.status, 207, "{}", answer.text());
    assert_eq!(answer.header("idempotent-replayed"), Some("true"));
    let all = format!("total={0}, succeeded={0}, failed=0, skipped=0", number(&last) + 1);
    assert_eq!(answer.header("batch-result"), Some(all.as_str()));
    assert_eq!(world.count(&last), number(&last) + 1);
    world.server.stop();
}

/// How much of an answer a client takes before it hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Bytes(usize),
}

/// Whatever changes the collection next has to wait for what is being done there. So a batch that has
/// begun has ended then, and one that hasn't finds no collection any more.
#[test]
fn a_batch_is_never_cut_in_half_by_a_client_that_hangs_up() {
    if !require(&[]) {
        return;
    }
    const COUNT: usize = 100;
    let folder = Folder::new();
    let server = serve_relaxed(&folder);
    let takes = [Takes::Nothing, Takes::Bytes(1), Takes::Bytes(1_000), Takes::Bytes(5_000)];
    for round in 0..24 {
        let takes = takes[round % takes.len()];
        let mode = [Mode::BestEffort, Mode::Stop, Mode::Atomic][round % 3];
        let (from, to) = (format!("/from{round}"), format!("/to{round}"));
        assert_eq!(send(&server, "MKCOL", &from, &[], b"").status, 201);
        let puts = (0..COUNT).map(|n| put(format!("from{round}/{n}"), "x")).collect();
        let bytes = Request::batch(mode, puts).to_bytes(server.host());
        hang_up(&server, &bytes, takes);
        assert_eq!(send(&server, "MOVE", &from, &[("Destination", &to)], b"").status, 201);
        let tree = folder.tree();
        let made = tree.keys().filter(|path| path.starts_with(&to[1..])).count() - 1;
        let expected: &[usize] = if takes == Takes::Nothing { &[0, COUNT] } else { &[COUNT] };
        assert!(expected.contains(&made), "round {round}, {mode}, {takes:?}: {made}");
        assert!(!folder.join(&from[1..]).exists(), "round {round}, {mode}, {takes:?}");
    }
    server.stop();
}

fn hang_up(server: &Server, request: &[u8], takes: Takes) {
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    stream.write_all(request).expect("the server reads");
    if let Takes::Bytes(count) = takes {
        stream.read_exact(&mut vec![0; count]).expect("the server answers");
    }
}

/// Each claims all its paths at once, and not in the order it names them.
#[test]
fn two_batches_never_wait_for_each_other() {
    if !require(&[]) {
        return;
    }
    let folder = Folder::new();
    let server = serve_relaxed(&folder);
    let (address, host) = (server.address(), server.host().to_owned());
    for round in 0..200 {
        let start = Barrier::new(2);
        let names = [format!("a{round}"), format!("b{round}")];
        let client = |who: &str, names: [&String; 2]| {
            let puts = names.map(|name| put(name.clone(), who)).into();
            let request = Request::batch(Mode::Atomic, puts);
            start.wait();
            let told = request.told(&raw(address, &request.to_bytes(&host), false));
            told.into_iter().map(|told| told.status).collect::<Vec<_>>()
        };
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| client("first", [&names[0], &names[1]]));
            let second = scope.spawn(|| client("second", [&names[1], &names[0]]));
            let join = |client: thread::ScopedJoinHandle<'_, _>| client.join().expect("no panic");
            (join(first), join(second))
        });
        // The later one found both, and what it wrote is there.
        let last = match (first.as_slice(), second.as_slice()) {
            ([201, 201], [204, 204]) => "second",
            ([204, 204], [201, 201]) => "first",
            _ => panic!("round {round}: {first:?} and {second:?} in no order"),
        };
        for name in &names {
            assert_eq!(folder.read(name), last.as_bytes(), "round {round}");
        }
    }
    server.stop();
}
