//! Bytes in, UTF-8 out: encodings, the byte limit, and counting lines.

use std::io::{self, BufRead, Read};

use super::error::Position;

/// Wraps a reader so that what comes out is UTF-8 (checked later, token by token).
///
/// It knows UTF-8 and UTF-16 by their first bytes (XML 1.0, appendix F), stops with an error once
/// more than `budget` bytes were taken, and counts lines.
pub(crate) struct Source<R> {
    inner: R,
    encoding: Option<Encoding>,
    /// The first bytes, or what was decoded from UTF-16; served before `inner` is asked.
    buffer: Vec<u8>,
    start: usize,
    /// Bytes that may still be consumed.
    pub(crate) budget: u64,
    /// Why reading stopped, if it was not `inner`'s fault.
    pub(crate) refusal: Option<Refusal>,
    position: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    OverBudget,
    UnknownEncoding,
    InvalidUtf16,
}

impl<R: BufRead> Source<R> {
    pub(crate) fn new(inner: R, budget: u64) -> Self {
        Self {
            inner,
            encoding: None,
            buffer: Vec::new(),
            start: 0,
            budget,
            refusal: None,
            position: Position { offset: 0, line: 1, column: 1 },
        }
    }

    /// Where the next byte stands.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// The encoding found, once something was read.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding.unwrap_or(Encoding::Utf8)
    }

    fn refuse<T>(&mut self, refusal: Refusal) -> io::Result<T> {
        self.refusal = Some(refusal);
        Err(io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Makes `buffer` non-empty if there is something to put there.
    fn fill(&mut self) -> io::Result<()> {
        match self.encoding {
            None => self.detect(),
            Some(Encoding::Utf8) => Ok(()),
            Some(Encoding::Utf16Le) => self.decode(u16::from_le_bytes),
            Some(Encoding::Utf16Be) => self.decode(u16::from_be_bytes),
        }
    }

    fn detect(&mut self) -> io::Result<()> {
        let mut head = Vec::with_capacity(4);
        self.inner.by_ref().take(4).read_to_end(&mut head)?;
        let encoding = match head[..] {
            [0xFF, 0xFE, 0, 0] | [0, 0, ..] | [b'<', 0, 0, 0] => {
                return self.refuse(Refusal::UnknownEncoding);
            }
            [0xFF, 0xFE, ..] | [b'<', 0, ..] => Encoding::Utf16Le,
            [0xFE, 0xFF, ..] | [0, b'<', ..] => Encoding::Utf16Be,
            _ => Encoding::Utf8,
        };
        self.encoding = Some(encoding);
        match encoding {
            Encoding::Utf8 => self.buffer = head,
            Encoding::Utf16Le => self.push_utf16(&head, u16::from_le_bytes)?,
            Encoding::Utf16Be => self.push_utf16(&head, u16::from_be_bytes)?,
        }
        Ok(())
    }

    /// Decodes the next few KiB. An even number of units is read, and one more after a lone high
    /// surrogate, so that no pair is cut.
    fn decode(&mut self, unit: fn([u8; 2]) -> u16) -> io::Result<()> {
        const CHUNK: u64 = 8 * 1024;
        let mut raw = Vec::new();
        self.inner.by_ref().take(CHUNK).read_to_end(&mut raw)?;
        self.push_utf16(&raw, unit)
    }

    fn push_utf16(&mut self, raw: &[u8], unit: fn([u8; 2]) -> u16) -> io::Result<()> {
        let mut raw = raw.to_vec();
        let is_high = |pair: &[u8]| (0xD800..0xDC00).contains(&unit([pair[0], pair[1]]));
        if raw.len() >= 2 && raw.len().is_multiple_of(2) && is_high(&raw[raw.len() - 2..]) {
            self.inner.by_ref().take(2).read_to_end(&mut raw)?;
        }
        if !raw.len().is_multiple_of(2) {
            return self.refuse(Refusal::InvalidUtf16);
        }
        let units = raw.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let Ok(text) = char::decode_utf16(units).collect::<Result<String, _>>() else {
            return self.refuse(Refusal::InvalidUtf16);
        };
        self.buffer = text.into_bytes();
        Ok(())
    }
}

impl<R: BufRead> Read for Source<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
            self.fill()?;
        }
        let budget = usize::try_from(self.budget).unwrap_or(usize::MAX);
        let direct = self.buffer.is_empty() && self.encoding == Some(Encoding::Utf8);
        let empty = if direct { self.inner.fill_buf()?.is_empty() } else { self.buffer.is_empty() };
        if budget == 0 && !empty {
            return self.refuse(Refusal::OverBudget);
        }
        let bytes = if direct { self.inner.fill_buf()? } else { &self.buffer[self.start..] };
        Ok(&bytes[..bytes.len().min(budget)])
    }

    fn consume(&mut self, count: usize) {
        let direct = self.buffer.is_empty();
        // quick-xml consumes what it has just been given, so the bytes are still there.
        let given = if direct { self.inner.fill_buf() } else { Ok(&self.buffer[self.start..]) };
        if let Ok(bytes) = given {
            advance(&mut self.position, &bytes[..count.min(bytes.len())]);
        }
        self.budget = self.budget.saturating_sub(count as u64);
        if direct {
            self.inner.consume(count);
        } else {
            self.start += count;
        }
    }
}

fn advance(position: &mut Position, bytes: &[u8]) {
    position.offset += bytes.len() as u64;
    match memchr::memrchr(b'\n', bytes) {
        None => position.column += bytes.len() as u64,
        Some(last) => {
            position.line += memchr::memchr_iter(b'\n', bytes).count() as u64;
            position.column = (bytes.len() - last) as u64;
        }
    }
}
