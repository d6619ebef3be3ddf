//! The leanest HTTP client: it takes answers in without keeping them, and watches the clock.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memchr;
use memchr::memmem::{find, find_iter};

use crate::Result;

/// Bytes taken in at a time.
const BUFFER: usize = 256 * 1024;
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// The header field of a body in XML.
pub(crate) const XML: &str = "Content-Type: application/xml";

/// The body of a PROPFIND that asks for what is told unasked.
pub(crate) const ALLPROP: &[u8] = b"<propfind xmlns=\"DAV:\"><allprop/></propfind>";

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
    /// Bytes of content.
    pub(crate) length: u64,
    /// How often the answer ends a `response` element.
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

    /// Sends a request, and keeps what is answered: the status, and the content.
    pub(crate) fn fetch(
        &mut self,
        line: (&str, &str),
        headers: &[&str],
        body: &[u8],
    ) -> Result<(u16, Vec<u8>)> {
        self.fetch_made(&request(self.server, line, headers, body))
    }

    /// The same, with a request that is made already.
    pub(crate) fn fetch_made(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        self.stream.write_all(request)?;
        let mut coming = Coming::new(Wanted::Bytes);
        self.take_in(&mut coming, Instant::now())?;
        let (status, _, content) = coming.into_parts()?;
        Ok((status, content.kept.unwrap_or_default()))
    }

    fn receive(&mut self, start: Instant) -> Result<Answer> {
        let mut coming = Coming::new(Wanted::Count);
        let first = self.take_in(&mut coming, start)?;
        let whole = start.elapsed();
        let (status, head, content) = coming.into_parts()?;
        let Content { length, responses, .. } = content;
        Ok(Answer { status, head, length, responses, first, whole })
    }

    /// Takes an answer in; how long it took until its first byte came.
    fn take_in(&mut self, coming: &mut Coming, start: Instant) -> Result<Duration> {
        let mut first = None;
        loop {
            let count = self.stream.read(&mut self.buffer)?;
            let first = *first.get_or_insert_with(|| start.elapsed());
            if coming.take(&self.buffer[..count])? {
                return Ok(first);
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
    wanted: Wanted,
}

/// What is wanted of content.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    /// How many `response` elements it has.
    Count,
    /// All its bytes.
    Bytes,
    /// That it comes.
    Nothing,
}

impl Coming {
    pub(crate) fn new(wanted: Wanted) -> Self {
        Self { begun: Vec::new(), rest: None, wanted }
    }

    /// Takes in what came, which is nothing at the end of the connection; whether that was all.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<bool> {
        if bytes.is_empty() {
            return Err("the answer breaks off".into());
        }
        if let Some((.., content)) = &mut self.rest {
            content.take(bytes)?;
            return Ok(content.is_whole());
        }
        self.begun.extend_from_slice(bytes);
        let Some(at) = find(&self.begun, b"\r\n\r\n") else { return Ok(false) };
        let head = String::from_utf8_lossy(&self.begun[..at + 4]).to_lowercase();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or("no status")?;
        let mut content = Content::new(status, &head, self.wanted)?;
        content.take(&self.begun[at + 4..])?;
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
    next: Next,
    length: u64,
    responses: usize,
    /// The last bytes that came.
    tail: Vec<u8>,
    /// Whether elements are counted: looking at gigabytes of a file would only take time.
    counts: bool,
    /// All of it, if it is kept.
    kept: Option<Vec<u8>>,
}

/// What comes next of it.
enum Next {
    /// So many bytes of content, and behind them nothing or another chunk.
    Content {
        left: u64,
        is_last: bool,
    },
    /// The line that says how long a chunk is, of which this came; or the end of the line before.
    Length(Vec<u8>),
    /// A line behind the last chunk.
    Trailer(Vec<u8>),
    Nothing,
}

/// Some begin it with namespaces.
const MARK: &[u8] = b"</D:response>";

impl Content {
    fn new(status: u16, head: &str, wanted: Wanted) -> Result<Self> {
        let announced = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let announced = match status {
            204 => Some(0),
            _ => announced.map(|length| length.trim().parse()).transpose()?,
        };
        let next = match announced {
            Some(left) => Next::content(left, true),
            None if head.contains("transfer-encoding: chunked") => Next::Length(Vec::new()),
            None => return Err("an answer has neither length nor chunks".into()),
        };
        let is_xml = head.contains("content-type: application/xml")
            || head.contains("content-type: text/xml");
        let counts = is_xml && matches!(wanted, Wanted::Count);
        let kept = matches!(wanted, Wanted::Bytes).then(Vec::new);
        Ok(Self { next, length: 0, responses: 0, tail: Vec::new(), counts, kept })
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result {
        while !bytes.is_empty() && !self.is_whole() {
            bytes = match &mut self.next {
                Next::Content { left, is_last } => {
                    let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(*left)?));
                    self.next = Next::content(*left - now.len() as u64, *is_last);
                    self.look_at(now);
                    later
                }
                Next::Length(line) | Next::Trailer(line) => {
                    let end = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
                    line.extend_from_slice(&bytes[..end]);
                    if line.ends_with(b"\n") {
                        self.next = self.next.after_line()?;
                    }
                    &bytes[end..]
                }
                Next::Nothing => bytes,
            };
        }
        Ok(())
    }

    fn look_at(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
        if self.counts {
            // What stands across two portions is found at their seam.
            let ahead = bytes.len().min(MARK.len() - 1);
            self.tail.extend_from_slice(&bytes[..ahead]);
            self.responses += find_iter(&self.tail, MARK).count() + find_iter(bytes, MARK).count();
            self.tail.extend_from_slice(&bytes[ahead.max(bytes.len().saturating_sub(ahead))..]);
            let surplus = self.tail.len().saturating_sub(MARK.len() - 1);
            self.tail.drain(..surplus);
        }
    }

    fn is_whole(&self) -> bool {
        matches!(self.next, Next::Nothing)
    }
}

impl Next {
    fn content(left: u64, is_last: bool) -> Self {
        match (left, is_last) {
            (0, true) => Self::Nothing,
            (0, false) => Self::Length(Vec::new()),
            (left, is_last) => Self::Content { left, is_last },
        }
    }

    /// What comes behind a line that is whole.
    fn after_line(&self) -> Result<Self> {
        match self {
            Self::Length(line) => {
                let line = std::str::from_utf8(line)?;
                let length = line.split(';').next().unwrap_or_default().trim();
                match length {
                    "" => Ok(Self::Length(Vec::new())),
                    _ => match u64::from_str_radix(length, 16)? {
                        0 => Ok(Self::Trailer(Vec::new())),
                        left => Ok(Self::content(left, false)),
                    },
                }
            }
            Self::Trailer(line) if line.trim_ascii().is_empty() => Ok(Self::Nothing),
            _ => Ok(Self::Trailer(Vec::new())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_and_marks_are_found_however_they_arrive() {
        let body = "<a></D:response><b></D:response></a>";
        let chunks = body
            .as_bytes()
            .chunks(5)
            .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)));
        let head = "HTTP/1.1 207 Multi-Status\r\nContent-Type: text/xml\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        let answer = format!("{head}{}0\r\n\r\n", chunks.collect::<String>());
        for portion in 1..answer.len() {
            let mut coming = Coming::new(Wanted::Count);
            let portions: Vec<_> = answer.as_bytes().chunks(portion).collect();
            let taken: Vec<_> = portions.iter().map(|bytes| coming.take(bytes).unwrap()).collect();
            assert_eq!(taken.iter().position(|is_whole| *is_whole), Some(portions.len() - 1));
            let (status, _, content) = coming.into_parts().unwrap();
            assert_eq!((status, content.length, content.responses), (207, body.len() as u64, 2));
        }
    }
}
