//! `polydav demo` and the README's first screen: what a newcomer types works as it is written.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use conformance::{require, run, server, shell};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("there is a README")
}

#[test]
fn once_prints_the_request_the_207_and_a_table() {
    if !require(&[]) {
        return;
    }
    let mut demo = Command::new(server::binary());
    demo.args(["demo", "--once", "--listen", "127.0.0.1:0"]);
    let said = run(&mut demo).success().says("POST /batch-operation");
    assert!(said.stdout.lines().any(|line| line == "HTTP/1.1 207 Multi-Status"), "{said}");
    // The table: a line for each item of the example, with operation, status and resource.
    let table = said.stdout.split("HTTP/1.1 207 Multi-Status").last().unwrap_or_default();
    for (op, status, href) in ITEMS {
        let words = [op, status, href];
        let told = table.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(told, "no line with {words:?} in {said}");
    }
}

const ITEMS: [(&str, &str, &str); 11] = [
    ("mkcol", "201", "/2026/"),
    ("put", "201", "/2026/hello.txt"),
    ("copy", "201", "/templates/letter.txt"),
    ("move", "201", "/inbox/report.txt"),
    ("move", "404", "/inbox/missing.txt"),
    ("put", "412", "/inbox/notes.txt"),
    ("proppatch", "200", "/2026/report.txt"),
    ("delete", "204", "/old/"),
    ("update", "200", "/records/orders/1001"),
    ("update", "422", "/records/orders/1002"),
    ("create", "201", "/records/orders/"),
];

/// A demo that goes on serving; it ends with the value.
struct Demo {
    child: Child,
    host: String,
}

impl Demo {
    fn start() -> Self {
        let mut demo = Command::new(server::binary());
        demo.args(["demo", "--listen", "127.0.0.1:0"]).stdin(Stdio::null());
        let mut child = demo.stdout(Stdio::piped()).spawn().expect("the binary can be run");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let host = lines.find_map(|line| {
            let line = line.expect("it prints text");
            Some(
                line.split_once("polydav listening on http://")?.1.trim_end_matches('/').to_owned(),
            )
        });
        // The rest is read too, or the demo would die on a closed pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, host: host.expect("the demo says where it listens") }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_readmes_curl_lines_work_as_they_are_written() {
    if !require(&["curl"]) {
        return;
    }
    let readme = readme();
    let lines: Vec<_> = readme.lines().map(|line| line.trim().trim_start_matches("$ ")).collect();
    let curls: Vec<_> = lines.iter().filter(|line| line.starts_with("curl -i ")).collect();
    assert!(!curls.is_empty(), "the README has no curl line");
    let demo = Demo::start();
    for line in curls {
        let place = if line.contains("examples/") { root() } else { root().join("examples") };
        let line = line.replace("127.0.0.1:8207", &demo.host).replace("localhost:8207", &demo.host);
        shell(&place, &[], &line).success().says("HTTP/1.1 207 Multi-Status");
    }
}

#[test]
fn the_readme_names_the_commands() {
    let readme = readme();
    for command in [
        "cargo run --release -- demo",
        "cargo xtask test",
        "curl_setopt($ch, CURLOPT_POSTFIELDS, file_get_contents('batch-data.xml'))",
        "requests.post(",
    ] {
        assert!(readme.contains(command), "the README doesn't show `{command}`");
    }
}
