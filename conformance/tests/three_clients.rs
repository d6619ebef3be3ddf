//! The three clients that must work as they are written: curl, PHP's cURL, Python's requests.
//!
//! Each sends `examples/batch-data.xml` to a server of its own over the same sample folder, and the
//! sample shop beside it, in SQLite and in PostgreSQL. All are answered 207 with the same items, and
//! leave the same tree and the same rows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use conformance::batch::{self, Answer};
use conformance::database::postgres_of;
use conformance::folder::{Tree, assert_same};
use conformance::{Database, Folder, Server, databases, require, run};

/// Operation, resource and status of each item of the example.
const EXPECTED: [(&str, &str, u16); 11] = [
    ("mkcol", "/2026/", 201),
    ("put", "/2026/hello.txt", 201),
    ("copy", "/templates/letter.txt", 201),
    ("move", "/inbox/report.txt", 201),
    ("move", "/inbox/missing.txt", 404),
    ("put", "/inbox/notes.txt", 412),
    ("proppatch", "/2026/report.txt", 200),
    ("delete", "/old/", 204),
    ("update", "/records/orders/1001", 200),
    ("update", "/records/orders/1002", 422),
    ("create", "/records/orders/", 201),
];

/// What makes the sample shop.
const SHOP: &str = include_str!("../../examples/shop.sql");

/// Its orders once the example was done; sums in cents.
const ORDERS: &str = "\
1001|1|shipped|12050|
1002|2|open|1800|gift wrap
1003|1|open|725|
1004|2|open|1250|
";

#[test]
fn curl_php_and_python_get_the_same_207() {
    if !require(&["curl", "php", "python3"]) {
        return;
    }
    // What SQLite does by itself: a new key is the one behind the last.
    let next = "ALTER TABLE orders ALTER id RESTART WITH 1004;";
    let postgres = format!("{}\n{next}", postgres_of(SHOP));
    let mut answers: Vec<Answer> = Vec::new();
    for client in [curl, php, python] {
        for shop in databases(SHOP, &postgres) {
            let (answer, tree) = tried(&shop, client);
            let said = answer.items.iter().map(|i| (i.op.as_str(), i.href.as_str(), i.status));
            assert_eq!(said.collect::<Vec<_>>(), EXPECTED);
            assert_eq!(answer.counts, [11, 8, 3, 0]);
            assert_same(&tree, &expected_tree());
            let orders = "SELECT id, customer, status, CAST(total * 100 AS INTEGER), note FROM orders \
                          ORDER BY id";
            assert_eq!(shop.sql(orders), ORDERS, "{shop:?}");
            answers.push(answer);
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

fn curl(url: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-i", "-X", "POST", "-d", "@batch-data.xml", url]);
    curl
}

fn php(url: &str) -> Command {
    script("php", "batch.php", url)
}

/// Debian's, for which Debian's requests is installed.
fn python(url: &str) -> Command {
    script("/usr/bin/python3", "batch.py", url)
}

fn script(program: &str, name: &str, url: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)).arg(url);
    command
}

/// What a client is answered, and the tree after it.
fn tried(shop: &Database, client: fn(&str) -> Command) -> (Answer, Tree) {
    let folder = sample();
    let server = Server::builder().folder(folder.path()).mount("/records", shop.source());
    let server = server.as_nobody().start();
    let mut command = client(&format!("{}batch-operation", server.url()));
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let said = run(command.current_dir(examples)).success().stdout;
    let (head, body) = said.split_once("\r\n\r\n").expect("an answer has a head");
    let (status, fields) = head.split_once("\r\n").expect("an answer has header fields");
    assert_eq!(status, "HTTP/1.1 207 Multi-Status", "{said}");
    let fields: BTreeMap<String, &str> = (fields.lines())
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.trim()))
        .collect();
    assert_eq!(fields["content-type"].to_lowercase(), "application/xml; charset=\"utf-8\"");
    assert_eq!(fields["batch-result"], "total=11, succeeded=8, failed=3, skipped=0");
    let answer = batch::parse(body);
    server.stop();
    (answer, folder.tree())
}

/// What `polydav demo` serves.
fn sample() -> Folder {
    let folder = Folder::new();
    for (name, content) in SAMPLE {
        folder.write(name, content);
    }
    folder
}

const SAMPLE: [(&str, &str); 5] = [
    ("inbox/report.txt", "the report\n"),
    ("inbox/photo.jpg", "a photo\n"),
    ("inbox/notes.txt", "my notes\n"),
    ("templates/letter.txt", "Dear reader\n"),
    ("old/draft.txt", "an old draft\n"),
];

fn expected_tree() -> Tree {
    let file = |path: &str, content: &str| (PathBuf::from(path), Some(content.as_bytes().to_vec()));
    let folders = ["2026", "inbox", "templates"].map(|path| (PathBuf::from(path), None));
    let files = [
        file("2026/hello.txt", "Hello from one request."),
        file("2026/letter.txt", "Dear reader\n"),
        file("2026/report.txt", "the report\n"),
        file("inbox/notes.txt", "my notes\n"),
        file("inbox/photo.jpg", "a photo\n"),
        file("templates/letter.txt", "Dear reader\n"),
    ];
    folders.into_iter().chain(files).collect()
}
