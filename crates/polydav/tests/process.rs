//! The program as whoever starts it sees it: what it prints where, how it ends, and with which code.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn polydav(args: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polydav"));
    command.arg("serve").arg(dir).args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server that is killed if its test fails.
struct Serving {
    child: Child,
    out: BufReader<ChildStdout>,
    address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
    }
}

impl Serving {
    fn start(args: &[&str], dir: &Path) -> Self {
        let mut command = polydav(args, dir);
        let mut child = command.args(["--listen", "127.0.0.1:0"]).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.strip_prefix("polydav listening on http://");
        let address = address.and_then(|line| line.strip_suffix("/\n")).expect(&line).to_owned();
        Self { child, out, address }
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = request.replace("HOST", &self.address);
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The code it ends with, and what else it printed.
    fn end(mut self) -> (Option<i32>, String) {
        let mut printed = String::new();
        self.out.read_to_string(&mut printed).unwrap();
        (self.child.wait().unwrap().code(), printed)
    }
}

fn head(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(char::from(byte[0]));
    }
    answer
}

#[test]
fn it_prints_one_line_and_ends_when_asked() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let serving = Serving::start(&[], dir.path());
        let mut stream = serving.send("OPTIONS / HTTP/1.1\r\nHost: HOST\r\n\r\n");
        assert!(head(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
        serving.signal(signal);
        assert_eq!(serving.end(), (Some(0), String::new()));
    }
}

#[test]
fn an_upload_that_runs_ends_before_the_program_does() {
    let dir = tempfile::tempdir().unwrap();
    let serving = Serving::start(&[], dir.path());
    let mut stream = serving
        .send("PUT /a HTTP/1.1\r\nHost: HOST\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert!(head(&mut stream).starts_with("HTTP/1.1 100 "));
    serving.signal(Signal::TERM);
    stream.write_all(b"hello").unwrap();
    assert!(head(&mut stream).starts_with("HTTP/1.1 201 "));
    assert_eq!(serving.end(), (Some(0), String::new()));
    assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"hello");
}

#[track_caller]
fn fails(command: &mut Command, code: i32, words: &str) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{stderr}");
    assert!(stdout.is_empty());
    assert!(stderr.starts_with("polydav: ") || code == 2, "{stderr}");
    assert!(stderr.contains(words), "{stderr}");
}

#[test]
fn what_is_wrong_is_said_before_anything_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "ann:secret\n").unwrap();
    let name = file.to_str().unwrap();
    let port = ["--listen", "127.0.0.1:0"];
    fails(&mut polydav(&["--listen", "0.0.0.0:0"], dir.path()), 2, "--allow-anonymous");
    fails(&mut polydav(&["--listen", "here"], dir.path()), 2, "invalid socket address");
    fails(&mut polydav(&["--config", name], dir.path()), 2, name);
    fails(&mut polydav(&["--public-url", "dav.example"], dir.path()), 2, "no public URL");
    fails(polydav(&port, dir.path()).args(["--htpasswd", name]), 1, "line 1: this is neither");
    fails(&mut polydav(&port, &file), 1, "can't be served");
    fails(&mut polydav(&port, &dir.path().join("none")), 1, "can't be served");
    fails(&mut polydav(&["--mount", "/a"], dir.path()), 2, "expected /PATH=SOURCE");
    fails(&mut polydav(&["--mount", "/=elsewhere"], dir.path()), 2, "are mounted at /");
    fails(&mut polydav(&["--mount", &format!("/a={name}")], dir.path()), 2, "lies in the folder");
    fails(&mut polydav(&["--mount", "/a=sqlite:app.db"], dir.path()), 1, "unable to open");
    fails(
        &mut polydav(&["--listen", "192.0.2.1:1", "--allow-anonymous"], dir.path()),
        1,
        "192.0.2.1:1",
    );
}

#[test]
fn a_mount_is_served_beside_the_folder() {
    let [dir, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    std::fs::write(other.path().join("f"), "hello").unwrap();
    let mount = format!("/a={}", other.path().display());
    let serving = Serving::start(&["--mount", &mount], dir.path());
    let mut stream = serving.send("GET /a/f HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n");
    assert!(head(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
    let mut content = String::new();
    stream.read_to_string(&mut content).unwrap();
    assert_eq!(content, "hello");
    let nowhere = format!("/none/a={}", dir.path().display());
    let third = tempfile::tempdir().unwrap();
    let port = ["--listen", "127.0.0.1:0"];
    fails(polydav(&port, third.path()).args(["--mount", &mount]), 1, "in use by another process");
    drop(serving);
    fails(polydav(&port, third.path()).args(["--mount", &nowhere]), 1, "there is no folder /none");
}

#[test]
fn a_folder_is_served_once_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let serving = Serving::start(&[], dir.path());
    fails(&mut polydav(&["--listen", "127.0.0.1:0"], dir.path()), 1, "in use by another process");
    drop(serving);
}
