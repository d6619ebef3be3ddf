//! A batch in NDJSON, of more operations than any document may have: the server holds little of it,
//! and doesn't go on while its answer isn't read.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use conformance::server::binary;
use conformance::{Folder, Server, require};

/// By how much it may ever raise what the server had in memory.
const GROWTH_KIB_MAX: u64 = 32 * 1024;

/// So many operations are sent as a chunk.
const PART_LINES: usize = 100;

/// Whoever can't write for so long waits for somebody.
const PATIENCE: Duration = Duration::from_secs(2);

/// Far more than a part of an answer takes on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// How many operations; fewer for a debug build, which takes its time.
fn count() -> usize {
    if binary().components().any(|part| part.as_os_str() == "debug") { 50_000 } else { 200_000 }
}

fn peak_kib(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id()));
    let status = status.expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("the kernel tells of the memory")
}

/// Begins a request whose body comes in chunks.
fn begin(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let head = format!(
        "POST /batch-operation HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n",
        server.host()
    );
    stream.write_all(head.as_bytes()).expect("the server reads");
    stream
}

/// Whoever wants to know how the first went before sending the second finds out.
#[test]
fn a_line_is_run_before_the_next_is_sent() {
    if !require(&[]) {
        return;
    }
    let folder = Folder::new();
    let server = Server::serve(&folder);
    let mut stream = begin(&server);
    let mut answer = BufReader::new(stream.try_clone().expect("a socket has two ends"));
    for name in ["first", "second"] {
        let line = format!("{{\"op\": \"put\", \"href\": \"/{name}\", \"content\": \"x\"}}\n");
        write!(stream, "{:x}\r\n{line}\r\n", line.len()).expect("the server reads");
        let mut told = String::new();
        while !told.contains(name) {
            let length = answer.read_line(&mut told).expect("the answer goes on");
            assert!(length > 0, "it has ended: {told}");
        }
        assert_eq!(folder.read(name), b"x");
    }
    drop((stream, answer));
    server.stop();
}

/// A chunk of operations, of which one changes something. The bytes of all come to far more than the
/// growth that is allowed, in the request and in the answer.
fn part() -> Vec<u8> {
    let long = "n".repeat(200);
    let none = format!("{{\"op\": \"delete\", \"href\": \"/{long}/{long}\"}}\n");
    let put = "{\"op\": \"put\", \"href\": \"/kept\", \"content\": \"x\"}\n";
    let lines = none.repeat(PART_LINES - 1) + put;
    format!("{:x}\r\n{lines}\r\n", lines.len()).into_bytes()
}

/// Writes until nobody takes it any more; what is left of the bytes.
fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        match stream.write(&bytes[at..]) {
            Ok(length) => at += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("the server takes no more: {error}"),
        }
    }
    bytes.len() - at
}

/// Reads an answer to its end: how many items, and the last line.
fn read(stream: &TcpStream) -> (usize, String) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("there is an answer");
    assert_eq!(line, "HTTP/1.1 207 Multi-Status\r\n");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("it has a header");
    }
    let mut lines = BufReader::new(Unchunked { reader, left: 0 });
    let (mut items, mut last) = (0, String::new());
    loop {
        line.clear();
        if lines.read_line(&mut line).expect("the answer goes on") == 0 {
            return (items, last);
        }
        items += usize::from(line.starts_with("{\"index\":"));
        last.clone_from(&line);
    }
}

/// Content without its transfer coding: chunks begin anywhere in a line.
struct Unchunked<R> {
    reader: R,
    left: usize,
}

impl<R: BufRead> Read for Unchunked<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let mut size = String::new();
            while size.trim().is_empty() {
                size.clear();
                self.reader.read_line(&mut size)?;
            }
            self.left = usize::from_str_radix(size.trim(), 16).map_err(std::io::Error::other)?;
        }
        let most = out.len().min(self.left);
        let length = self.reader.read(&mut out[..most])?;
        self.left -= length;
        Ok(length)
    }
}

#[test]
fn any_number_of_operations_take_no_more_memory_than_few() {
    if !require(&[]) {
        return;
    }
    let folder = Folder::new();
    let server = Server::serve(&folder);
    let part = part();
    // What any batch takes is taken before.
    let mut few = begin(&server);
    few.write_all(&[&part[..], b"0\r\n\r\n"].concat()).expect("the server reads");
    assert_eq!(read(&few).0, PART_LINES);
    let before = peak_kib(&server);

    let parts = count() / PART_LINES;
    let mut stream = begin(&server);
    let (mut begun, mut left) = (0, 0);
    while begun < parts && left == 0 {
        left = write_some(&mut stream, &part);
        begun += 1;
    }
    assert!(begun < parts, "the server took all, and told nobody");
    let growth = peak_kib(&server) - before;
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB more than {before}, and nothing read");

    let reading = stream.try_clone().expect("a socket has two ends");
    let (items, last) = thread::scope(|scope| {
        let answer = scope.spawn(|| read(&reading));
        stream.set_write_timeout(Some(SOON)).expect("a timeout can be set");
        stream.write_all(&part[part.len() - left..]).expect("the server reads on");
        for _ in begun..parts {
            stream.write_all(&part).expect("the server reads on");
        }
        stream.write_all(b"0\r\n\r\n").expect("the server reads on");
        stream.shutdown(Shutdown::Write).expect("that half is done");
        answer.join().expect("it is read")
    });
    assert_eq!(items, count(), "{last}");
    assert!(last.ends_with("\"complete\":true}}\n"), "{last}");
    let growth = peak_kib(&server) - before;
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB more than {before}");
    assert_eq!(folder.read("kept"), b"x");
    server.stop();
}
