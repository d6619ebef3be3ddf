//! The leanest HTTP client: it takes answers in without keeping them, and watches the clock.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
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
        let mut filled = self.stream.read(&mut self.buffer)?;
        let first = start.elapsed();
        let end = loop {
            if let Some(at) = find(&self.buffer[..filled], b"\r\n\r\n") {
                break at + 4;
            }
            let count = self.stream.read(&mut self.buffer[filled..])?;
            if count == 0 {
                return Err("the answer breaks off".into());
            }
            filled += count;
        };
        let (status, head) = head_of(&self.buffer[..end])?;
        let mut content = Content::new(status, &head)?;
        content.take(&self.buffer[end..filled]);
        while !content.is_whole() {
            let count = self.stream.read(&mut self.buffer)?;
            if count == 0 {
                return Err("the answer breaks off".into());
            }
            content.take(&self.buffer[..count]);
        }
        let (length, responses) = (content.length, content.responses);
        Ok(Answer { status, head, length, responses, first, whole: start.elapsed() })
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

/// The status and the header section, in lower case.
pub(crate) fn head_of(bytes: &[u8]) -> Result<(u16, String)> {
    let head = String::from_utf8_lossy(bytes).to_lowercase();
    let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or("no status")?;
    Ok((status, head))
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
    fn new(status: u16, head: &str) -> Result<Self> {
        let announced = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let announced = match status {
            204 => Some(0),
            _ => announced.map(|length| length.trim().parse()).transpose()?,
        };
        if announced.is_none() && !head.contains("transfer-encoding: chunked") {
            return Err("an answer has neither length nor chunks".into());
        }
        let counts = head.contains("content-type: application/xml")
            || head.contains("content-type: text/xml");
        Ok(Self { announced, length: 0, responses: 0, tail: Vec::new(), counts })
    }

    /// That of an answer whose elements nobody counts.
    pub(crate) fn uncounted(status: u16, head: &str) -> Result<Self> {
        Ok(Self { counts: false, ..Self::new(status, head)? })
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
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

    pub(crate) fn is_whole(&self) -> bool {
        match self.announced {
            Some(announced) => self.length >= announced,
            None => self.tail.ends_with(LAST_CHUNK) || self.tail == LAST_CHUNK[2..],
        }
    }
}
