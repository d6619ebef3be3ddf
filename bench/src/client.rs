//! The leanest HTTP client: it takes answers in without keeping them, and watches the clock.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem::{find, find_iter};

use crate::Result;

/// Bytes taken in at a time.
const BUFFER: usize = 256 * 1024;
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    /// Who is asked, also where the connection leads to someone between.
    server: SocketAddr,
    buffer: Vec<u8>,
}

/// What came, and when.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The header section, in lower case.
    pub(crate) head: String,
    /// Bytes of content, transfer coding included.
    pub(crate) length: u64,
    /// How often the answer begins a `response` element.
    pub(crate) responses: usize,
    /// Until the first byte came.
    pub(crate) first: Duration,
    /// Until the last byte came.
    pub(crate) whole: Duration,
}

impl Answer {
    /// Itself, if it has this status.
    pub(crate) fn expect(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        Err(format!("expected {status}, got {}", self.head).into())
    }
}

impl Client {
    pub(crate) fn connect(server: SocketAddr) -> Result<Self> {
        Self::on(TcpStream::connect(server)?, server)
    }

    /// Asks a server on a connection that is there.
    pub(crate) fn on(stream: TcpStream, server: SocketAddr) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        Ok(Self { stream, server, buffer: vec![0; BUFFER] })
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server)
    }

    /// Sends a request with a body, and takes the answer in.
    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[&str],
        body: &[u8],
    ) -> Result<Answer> {
        let request = request(self.server, (method, target), headers, body);
        let start = Instant::now();
        self.stream.write_all(&request)?;
        self.receive(start)
    }

    /// Sends a request whose answer comes while it is sent, and takes that in meanwhile.
    pub(crate) fn converse(
        &mut self,
        (method, target): (&str, &str),
        headers: &[&str],
        body: &[u8],
    ) -> Result<Answer> {
        let head = head(self.server, (method, target), headers, body.len() as u64);
        let mut sending = self.stream.try_clone()?;
        let start = Instant::now();
        thread::scope(|scope| {
            let sent = scope.spawn(move || {
                sending.write_all(&head)?;
                sending.write_all(body)
            });
            let answer = self.receive(start)?;
            sent.join().expect("it returns errors")?;
            Ok(answer)
        })
    }

    /// Sends a request with a body of `length` bytes, in portions of `portion`.
    pub(crate) fn upload(&mut self, target: &str, portion: &[u8], length: u64) -> Result<Answer> {
        let head = head(self.server, ("PUT", target), &[], length);
        let start = Instant::now();
        self.stream.write_all(&head)?;
        let mut left = length;
        while left > 0 {
            let count = left.min(portion.len() as u64);
            self.stream.write_all(&portion[..count as usize])?;
            left -= count;
        }
        self.receive(start)
    }

    fn receive(&mut self, start: Instant) -> Result<Answer> {
        let (mut coming, mut first) = (Coming::counted(), None);
        loop {
            let count = self.stream.read(&mut self.buffer)?;
            let first = *first.get_or_insert_with(|| start.elapsed());
            if coming.take(&self.buffer[..count])? {
                let (status, head, content) = coming.into_parts()?;
                let Content { length, responses, .. } = content;
                let whole = start.elapsed();
                return Ok(Answer { status, head, length, responses, first, whole });
            }
        }
    }
}

/// A request, as it is sent.
pub(crate) fn request(
    server: SocketAddr,
    line: (&str, &str),
    headers: &[&str],
    body: &[u8],
) -> Vec<u8> {
    let mut request = head(server, line, headers, body.len() as u64);
    request.extend_from_slice(body);
    request
}

fn head(
    server: SocketAddr,
    (method, target): (&str, &str),
    headers: &[&str],
    length: u64,
) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {server}\r\n");
    for header in headers {
        head += header;
        head += "\r\n";
    }
    head += &format!("Content-Length: {length}\r\n\r\n");
    head.into_bytes()
}

/// An answer that comes in.
pub(crate) struct Coming {
    /// As long as the header section isn't whole, what came of it.
    begun: Vec<u8>,
    /// Behind it, the status, the section in lower case, and the content.
    rest: Option<(u16, String, Content)>,
    /// Whether elements are counted.
    counts: bool,
}

impl Coming {
    /// One whose `response` elements are counted.
    fn counted() -> Self {
        Self { begun: Vec::new(), rest: None, counts: true }
    }

    /// One whose elements nobody asks for.
    pub(crate) fn uncounted() -> Self {
        Self { counts: false, ..Self::counted() }
    }

    /// Takes in what came, which is nothing at the end of the connection; whether that was all.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<bool> {
        if bytes.is_empty() {
            return Err("the answer breaks off".into());
        }
        if let Some((.., content)) = &mut self.rest {
            content.take(bytes);
            return Ok(content.is_whole());
        }
        self.begun.extend_from_slice(bytes);
        let Some(at) = find(&self.begun, b"\r\n\r\n") else { return Ok(false) };
        let head = String::from_utf8_lossy(&self.begun[..at + 4]).to_lowercase();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or("no status")?;
        let mut content = Content::new(status, &head, self.counts)?;
        content.take(&self.begun[at + 4..]);
        let is_whole = content.is_whole();
        self.rest = Some((status, head, content));
        Ok(is_whole)
    }

    /// The status, the header section in lower case, and the content.
    pub(crate) fn into_parts(self) -> Result<(u16, String, Content)> {
        Ok(self.rest.ok_or("the answer breaks off")?)
    }
}

/// Content that comes in.
pub(crate) struct Content {
    /// Its announced length; without, it is chunked.
    announced: Option<u64>,
    length: u64,
    responses: usize,
    /// The last bytes that came.
    tail: Vec<u8>,
    /// Whether elements are counted: looking at gigabytes of a file would only take time.
    counts: bool,
}

const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
const MARK: &[u8] = b"<D:response>";

impl Content {
    fn new(status: u16, head: &str, counts: bool) -> Result<Self> {
        let announced = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let announced = match status {
            204 => Some(0),
            _ => announced.map(|length| length.trim().parse()).transpose()?,
        };
        if announced.is_none() && !head.contains("transfer-encoding: chunked") {
            return Err("an answer has neither length nor chunks".into());
        }
        let is_xml = head.contains("content-type: application/xml")
            || head.contains("content-type: text/xml");
        let counts = counts && is_xml;
        Ok(Self { announced, length: 0, responses: 0, tail: Vec::new(), counts })
    }

    fn take(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.announced.is_some() && !self.counts {
            return;
        }
        if self.counts {
            // What stands across two portions is found at their seam.
            let seam = self.tail.len().saturating_sub(MARK.len() - 1);
            let ahead = bytes.len().min(MARK.len() - 1);
            let joined = [&self.tail[seam..], &bytes[..ahead]].concat();
            self.responses += find_iter(&joined, MARK).count() + find_iter(bytes, MARK).count();
        }
        let keep = bytes.len().saturating_sub(2 * MARK.len());
        self.tail.extend_from_slice(&bytes[keep..]);
        let surplus = self.tail.len().saturating_sub(2 * MARK.len());
        self.tail.drain(..surplus);
    }

    fn is_whole(&self) -> bool {
        match self.announced {
            Some(announced) => self.length >= announced,
            None => self.tail.ends_with(LAST_CHUNK) || self.tail == LAST_CHUNK[2..],
        }
    }
}
