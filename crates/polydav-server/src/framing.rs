//! `Framing`: where requests begin and end in the bytes of a connection.
//!
//! hyper's URI type drops a fragment without a word: `DELETE /a/#b` would reach the method as
//! `DELETE /a/`, and remove the collection. By then the `#` is gone, so it has to be seen in the
//! bytes that hyper reads; and to tell a request line from a body that looks like one, they have to
//! be followed the way HTTP/1 frames them (RFC 9112 §2, §6, §7).
//!
//! A `#` in a request line becomes a `\`, which hyper lets through, no URI may hold (RFC 3986 §2),
//! and `target` refuses with 400. What could be framed in two ways becomes NUL,
//! and all after it: hyper refuses that wherever it stands, so whatever it takes for a request line
//! was one here too. Nothing else is changed, and nothing is held back.

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub struct Framing {
    state: State,
    head: Head,
    heads: u64,
}

/// Where the bytes seen so far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Between two requests, or before the first.
    Between,
    /// In a request line or header section.
    Head,
    /// In a body.
    Body,
    /// After something that no server should take for HTTP.
    Broken,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Between,
    RequestLine,
    /// At the start of a line of the header section.
    Line,
    /// After the CR of the empty line that ends it.
    LastLf,
    Name,
    /// In the value of a field that decides about the framing.
    Value(Field),
    /// In any other.
    OtherValue,
    Content(u64),
    Chunk(Chunk),
    Broken,
}

/// Where in a chunked body (RFC 9112 §7.1). Only CRLF ends a line here.
#[derive(Debug, Clone, Copy)]
enum Chunk {
    Size { digits: bool, size: u64 },
    SpaceAfterSize(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    LastLf,
}

#[derive(Debug, Clone, Copy)]
enum Field {
    ContentLength,
    TransferEncoding,
}

/// What the header section said so far.
#[derive(Debug, Default)]
struct Head {
    /// The name or value that is being read.
    text: Vec<u8>,
    length: Option<u64>,
    /// Whether the last coding named is `chunked`.
    chunked: Option<bool>,
}

/// It could be framed in two ways, or in none.
struct Ambiguous;

const TEXT_BYTES_MAX: usize = 64;

impl Framing {
    /// Follows the bytes that come next, and changes those that must not pass.
    pub fn follow(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            at += match self.pass_over(&bytes[at..]) {
                0 => match self.step(&mut bytes[at]) {
                    Ok(state) => {
                        self.state = state;
                        1
                    }
                    Err(Ambiguous) => {
                        self.state = State::Broken;
                        0
                    }
                },
                passed => passed,
            };
            if matches!(self.state, State::Broken) {
                bytes[at..].fill(0);
                return;
            }
        }
    }

    /// Where the bytes seen so far end.
    pub fn position(&self) -> Position {
        match self.state {
            State::Between => Position::Between,
            State::Content(_) | State::Chunk(_) => Position::Body,
            State::Broken => Position::Broken,
            _ => Position::Head,
        }
    }

    /// How many requests have begun.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// How many bytes lie ahead that need no look at each: content, or a field's value.
    fn pass_over(&mut self, bytes: &[u8]) -> usize {
        let (left, after) = match &mut self.state {
            State::OtherValue => return memchr::memchr(b'\n', bytes).unwrap_or(bytes.len()),
            State::Content(left) => (left, State::Between),
            State::Chunk(Chunk::Data(left)) => (left, State::Chunk(Chunk::DataCr)),
            _ => return 0,
        };
        let passed = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
        *left -= passed as u64;
        if *left == 0 {
            self.state = after;
        }
        passed
    }

    fn step(&mut self, byte: &mut u8) -> Result<State, Ambiguous> {
        match self.state {
            // Empty lines before a request are skipped (RFC 9112 §2.2).
            State::Between if matches!(byte, b'\r' | b'\n') => return Ok(State::Between),
            State::Between => {
                self.heads += 1;
                self.head = Head { text: std::mem::take(&mut self.head.text), ..Head::default() };
            }
            State::RequestLine => {}
            State::Chunk(chunk) => return chunk.step(*byte),
            _ => return self.head.step(self.state, *byte),
        }
        Ok(match byte {
            b'\n' => State::Line,
            b'#' => {
                *byte = b'\\';
                State::RequestLine
            }
            _ => State::RequestLine,
        })
    }
}

impl Head {
    fn step(&mut self, state: State, byte: u8) -> Result<State, Ambiguous> {
        match (state, byte) {
            (State::Line, b'\r') => Ok(State::LastLf),
            (State::Line | State::LastLf, b'\n') => self.end(),
            (State::Line, _) => {
                self.text.clear();
                self.name(byte)
            }
            (State::Name, b':') => {
                let field = self.field();
                self.text.clear();
                Ok(field.map_or(State::OtherValue, State::Value))
            }
            (State::Name, _) => self.name(byte),
            (State::Value(field), b'\n') => self.value(field),
            (State::Value(field), _) => {
                // The CR before the LF is white space here, as it is wherever hyper takes it.
                self.push(byte)?;
                Ok(State::Value(field))
            }
            (State::OtherValue, b'\n') => Ok(State::Line),
            (State::OtherValue, _) => Ok(State::OtherValue),
            _ => Err(Ambiguous),
        }
    }

    /// A folded line, or white space before the colon, is an attempt to hide a field (RFC 9112
    /// §5.1, §5.2).
    fn name(&mut self, byte: u8) -> Result<State, Ambiguous> {
        if !(byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)) {
            return Err(Ambiguous);
        }
        // A name that is cut here is longer than those that matter, and equals none of them.
        if self.text.len() < TEXT_BYTES_MAX {
            self.text.push(byte.to_ascii_lowercase());
        }
        Ok(State::Name)
    }

    fn field(&self) -> Option<Field> {
        match &*self.text {
            b"content-length" => Some(Field::ContentLength),
            b"transfer-encoding" => Some(Field::TransferEncoding),
            _ => None,
        }
    }

    fn push(&mut self, byte: u8) -> Result<(), Ambiguous> {
        if self.text.len() == TEXT_BYTES_MAX {
            return Err(Ambiguous);
        }
        self.text.push(byte.to_ascii_lowercase());
        Ok(())
    }

    /// The LF after the value of a field that decides. Here and at the end of the header section,
    /// what is ambiguous is found at an LF, which is then not passed on: hyper can't have acted.
    fn value(&mut self, field: Field) -> Result<State, Ambiguous> {
        let value = self.text.trim_ascii();
        match field {
            Field::ContentLength => {
                let length = decimal(value).ok_or(Ambiguous)?;
                if self.length.is_some_and(|other| other != length) {
                    return Err(Ambiguous);
                }
                self.length = Some(length);
            }
            Field::TransferEncoding => {
                let last = value.rsplit(|&byte| byte == b',').next().unwrap_or_default();
                self.chunked = Some(last.trim_ascii() == b"chunked");
            }
        }
        Ok(State::Line)
    }

    fn end(&self) -> Result<State, Ambiguous> {
        match (self.length, self.chunked) {
            (None, None) | (Some(0), None) => Ok(State::Between),
            (Some(length), None) => Ok(State::Content(length)),
            (None, Some(true)) => Ok(State::Chunk(Chunk::START)),
            // A body without an end, or with two (RFC 9112 §6.3).
            (None, Some(false)) | (Some(_), Some(_)) => Err(Ambiguous),
        }
    }
}

impl Chunk {
    const START: Self = Self::Size { digits: false, size: 0 };

    fn step(self, byte: u8) -> Result<State, Ambiguous> {
        Ok(State::Chunk(match (self, byte) {
            (Self::Size { size, .. }, _) if byte.is_ascii_hexdigit() => {
                let size = size.checked_mul(16).ok_or(Ambiguous)?;
                Self::Size { digits: true, size: size + u64::from(hexadecimal(byte)) }
            }
            (Self::Size { digits: true, size } | Self::SpaceAfterSize(size), b' ' | b'\t') => {
                Self::SpaceAfterSize(size)
            }
            (Self::Size { digits: true, size } | Self::SpaceAfterSize(size), b';') => {
                Self::Extension(size)
            }
            (
                Self::Size { digits: true, size }
                | Self::SpaceAfterSize(size)
                | Self::Extension(size),
                b'\r',
            ) => Self::SizeLf(size),
            (Self::Extension(_) | Self::Trailer | Self::TrailerStart, b'\n') => {
                return Err(Ambiguous);
            }
            (Self::Extension(size), _) => Self::Extension(size),
            (Self::SizeLf(0), b'\n') => Self::TrailerStart,
            (Self::SizeLf(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::START,
            (Self::TrailerStart, b'\r') => Self::LastLf,
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::TrailerStart | Self::Trailer, _) => Self::Trailer,
            (Self::TrailerLf, b'\n') => Self::TrailerStart,
            (Self::LastLf, b'\n') => return Ok(State::Between),
            _ => return Err(Ambiguous),
        }))
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

fn hexadecimal(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What passes, the bytes coming in pieces of `size`.
    fn pass(bytes: &[u8], size: usize) -> (Vec<u8>, Framing) {
        let mut framing = Framing::default();
        let mut passed = bytes.to_vec();
        for piece in passed.chunks_mut(size) {
            framing.follow(piece);
        }
        (passed, framing)
    }

    #[track_caller]
    fn check(bytes: &str, expected: &str, position: Position) {
        for size in 1..=bytes.len() {
            let (passed, framing) = pass(bytes.as_bytes(), size);
            assert_eq!(String::from_utf8_lossy(&passed), expected, "in pieces of {size}");
            assert_eq!(framing.position(), position, "in pieces of {size}");
        }
    }

    /// All of it passes, and ends between two requests.
    #[track_caller]
    fn passes(bytes: &str) {
        check(bytes, bytes, Position::Between);
    }

    /// The byte marked `§` is the first that doesn't pass.
    #[track_caller]
    fn breaks_at(marked: &str) {
        let at = marked.find('§').expect("a mark");
        let bytes = marked.replace('§', "");
        let nul = "\0".repeat(bytes.len() - at);
        check(&bytes, &format!("{}{nul}", &bytes[..at]), Position::Broken);
    }

    #[test]
    fn a_hash_in_a_request_line_is_marked_rfc9112_3_2() {
        check(
            "DELETE /frag/#x HTTP/1.1\r\nHost: a\r\n\r\n",
            "DELETE /frag/\\x HTTP/1.1\r\nHost: a\r\n\r\n",
            Position::Between,
        );
        check("\r\n\nGET http://a#b?#c", "\r\n\nGET http://a\\b?\\c", Position::Head);
        check("GET / HTTP/1.0\n\nGET /#", "GET / HTTP/1.0\n\nGET /\\", Position::Head);
        check("#GET / HTTP/1.0\n\n", "\\GET / HTTP/1.0\n\n", Position::Between);
    }

    #[test]
    fn elsewhere_a_hash_stays() {
        passes("GET / HTTP/1.1\r\nReferer: /#x\r\nX#: #\r\n\r\n");
        passes("PUT / HTTP/1.1\r\nContent-Length: 11\r\n\r\nGET /# HTTP");
        passes("PUT / HTTP/1.1\ncontent-LENGTH:\t2 \n\n##GET / HTTP/1.1\n\n");
        passes(
            "PUT / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n\
             B ; a=\"#\"\r\nGET /# HTTP\r\n\
             0\r\nX: #\r\nY: #\r\n\r\n\
             GET / HTTP/1.1\r\n\r\n",
        );
    }

    #[test]
    fn the_request_after_a_body_is_found_rfc9112_6() {
        for framing in [
            "Content-Length: 3\r\n\r\na#b",
            "Content-Length: 0\r\n\r\n",
            "Content-Length: 3\r\nContent-Length: 03\r\n\r\na#b",
            "Transfer-Encoding: gzip, chunked\r\n\r\n3\r\na#b\r\n0\r\n\r\n",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding:chunked\r\n\r\n00a\r\n0123456789\r\n000\r\n\r\n",
            "\r\n",
        ] {
            check(
                &format!("PUT /a HTTP/1.1\r\n{framing}\r\nGET /# HTTP/1.1\r\n"),
                &format!("PUT /a HTTP/1.1\r\n{framing}\r\nGET /\\ HTTP/1.1\r\n"),
                Position::Head,
            );
        }
    }

    #[test]
    fn what_has_two_framings_does_not_pass_rfc9112_6_3() {
        for head in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r§\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r§\n",
            "Content-Length: 3\r\nContent-Length: 4\r§\n\r\n",
            "Content-Length: 3, 3\r§\n\r\n",
            "Content-Length: +3\r§\n\r\n",
            "Content-Length: 0x3\r§\n\r\n",
            "Content-Length: \r§\n\r\n",
            "Content-Length: 18446744073709551616\r§\n\r\n",
            "Content-Length§ : 3\r\n\r\n",
            "A: b\r\n§ Content-Length: 3\r\n\r\n",
            "A: b\r\n§\tc\r\n\r\n",
            "Content-Length§\r\n\r\n",
            "Transfer-Encoding: chunked, gzip\r\n\r§\n",
            "Transfer-Encoding: xchunked\r\n\r§\n",
            "A: b\r\n\r§x",
        ] {
            breaks_at(&format!("PUT / HTTP/1.1\r\n{head}abcGET /# HTTP/1.1\r\n"));
        }
    }

    #[test]
    fn chunks_are_strict_rfc9112_7_1() {
        for body in [
            "§\r\n",
            "§;\r\n",
            "§ 3\r\n",
            "3§x\r\n",
            "3§\nabc",
            "3 §1\r\n",
            "3;a§\nabc",
            "3\r§abc",
            "3\r\nabc§d",
            "3\r\nabc§\n",
            "1\r\na\r§b",
            "0\r\n§\n",
            "0\r\nA: b§\n\r\n",
            "0\r\nA: b\r§c",
            "0\r\n\r§a",
            "1000000000000000§0\r\n",
        ] {
            let head = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
            breaks_at(&format!("{head}{body}"));
        }
    }

    #[test]
    fn requests_are_counted() {
        let bytes = b"GET / HTTP/1.1\r\n\r\n\r\nGET / HTTP/1.1\n\nG";
        assert_eq!(pass(bytes, 3).1.heads(), 3);
    }

    proptest! {
        /// However the bytes are cut, what passes is the same, and of the same length.
        #[test]
        fn the_cut_does_not_matter(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "GET /#a HTTP/1.1", "\r\n", "\n", "\r", "Content-Length: 5", "#", "0", "5;x", "a: b",
            "Transfer-Encoding: chunked", "hello", " ", ":", "\0", "Content-Length: 0",
        ]), 0..24), size in 1_usize..9) {
            let bytes = pieces.concat();
            let (whole, framing) = pass(bytes.as_bytes(), bytes.len().max(1));
            let (cut, other) = pass(bytes.as_bytes(), size);
            prop_assert_eq!(&whole, &cut);
            prop_assert_eq!(framing.position(), other.position());
            prop_assert_eq!(whole.len(), bytes.len());
        }
    }
}
