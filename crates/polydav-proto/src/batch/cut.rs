//! Where the values of NDJSON end, in a text that arrives in parts.
//!
//! Only brackets and strings are followed here, byte by byte and never twice; what the values say is
//! for `lines` to read.

use super::{Fault, InvalidBatch, Limits, Place};

/// Cuts NDJSON into pieces of whole values as it arrives, for [`Lines`](super::Lines) to read.
///
/// It holds one piece in the making, and of the next value what is there of it.
#[derive(Debug)]
pub struct Cutter {
    value_bytes_max: usize,
    scan: Scan,
    text: Vec<u8>,
    /// How many bytes of the text are whole values, and white space between.
    whole: usize,
    /// How many values that is.
    values: usize,
}

impl Cutter {
    /// The most values in a piece.
    pub const VALUES_MAX: usize = 1_000;

    /// A piece of so many bytes takes no further value.
    pub const BYTES_MAX: usize = 1 << 20;

    /// A cutter of a document in which a value has no more bytes than a document in the other formats.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let value_bytes_max = limits.document_bytes_max;
        Self { value_bytes_max, scan: Scan::default(), text: Vec::new(), whole: 0, values: 0 }
    }

    /// Takes from what arrived as much as the piece has room for.
    ///
    /// # Errors
    ///
    /// If a value is too long.
    pub fn take_in(&mut self, arrived: &mut &[u8]) -> Result<(), InvalidBatch> {
        while !arrived.is_empty() && !self.is_full() {
            let (length, ended) = self.scan.follow(arrived);
            let (taken, rest) = arrived.split_at(length);
            self.text.extend_from_slice(taken);
            *arrived = rest;
            let is_value = ended || self.scan.is_within();
            if is_value && self.text.len() - self.whole > self.value_bytes_max {
                let message = format!("an operation has at most {} bytes", self.value_bytes_max);
                return Place::Document.fail(Fault::TooLarge, message);
            }
            self.values += usize::from(ended);
            if !self.scan.is_within() {
                self.whole = self.text.len();
            }
        }
        Ok(())
    }

    /// Whether there is a whole value in the piece.
    #[must_use]
    pub fn has_values(&self) -> bool {
        self.values > 0
    }

    /// Whether the piece takes no more. One that has something in it that is no value never does.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.values >= Self::VALUES_MAX || self.whole >= Self::BYTES_MAX || self.scan.is_wrong()
    }

    /// Cuts the piece off. What has begun behind it is the beginning of the next.
    pub fn cut(&mut self) -> Vec<u8> {
        self.values = 0;
        let begun = self.text.split_off(std::mem::take(&mut self.whole));
        std::mem::replace(&mut self.text, begun)
    }

    /// Takes all that is left at the end of the document, be the last value whole or not.
    pub fn cut_rest(&mut self) -> Vec<u8> {
        self.whole = self.text.len();
        self.cut()
    }
}

/// Where in NDJSON a text ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scan {
    /// At its beginning, behind so much of a byte order mark.
    Mark(usize),
    /// Between two values.
    Between,
    /// So deep in objects and arrays.
    Value(usize),
    /// In a string there.
    Text(usize),
    /// Behind a backslash in one.
    Escape(usize),
    /// Behind something that doesn't begin an object.
    Wrong,
}

impl Default for Scan {
    fn default() -> Self {
        Self::Mark(0)
    }
}

impl Scan {
    /// How much white space a text between two values begins with.
    pub(super) fn space(text: &str) -> usize {
        text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len()
    }

    /// How long the value is that a text begins with: all of it, if it doesn't end there.
    pub(super) fn value(text: &str) -> usize {
        match Self::Between.follow(text.as_bytes()) {
            (length, true) => length,
            (_, false) => text.len(),
        }
    }

    /// Follows bytes to where a value begins, to where it ends, or to the last of them: how many that
    /// were, and whether a value ended.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < bytes.len() {
            if let Self::Text(_) = self {
                // Most bytes of a long value are those of one string.
                let plain = bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'\\'));
                at += plain.unwrap_or(bytes.len() - at);
                if at == bytes.len() {
                    break;
                }
            }
            let (before, after) = (*self, self.after(bytes[at]));
            if at > 0 && !before.is_within() && after.is_within() {
                break;
            }
            *self = after;
            at += 1;
            match after {
                Self::Between if before.is_within() => return (at, true),
                Self::Wrong => break,
                _ => {}
            }
        }
        (at, false)
    }

    fn after(self, byte: u8) -> Self {
        const MARK: &[u8; 3] = b"\xef\xbb\xbf";
        match (self, byte) {
            (Self::Mark(seen), byte) if byte == MARK[seen] => match seen + 1 {
                3 => Self::Between,
                seen => Self::Mark(seen),
            },
            (Self::Mark(0) | Self::Between, b' ' | b'\t' | b'\r' | b'\n') => Self::Between,
            (Self::Mark(0) | Self::Between, b'{') => Self::Value(1),
            (Self::Mark(_) | Self::Between | Self::Wrong, _) => Self::Wrong,
            (Self::Value(1), b'}' | b']') => Self::Between,
            (Self::Value(depth), b'}' | b']') => Self::Value(depth - 1),
            (Self::Value(depth), b'{' | b'[') => Self::Value(depth + 1),
            (Self::Value(depth), b'"') => Self::Text(depth),
            (Self::Value(depth), _) => Self::Value(depth),
            (Self::Text(depth), b'"') => Self::Value(depth),
            (Self::Text(depth), b'\\') => Self::Escape(depth),
            (Self::Text(depth) | Self::Escape(depth), _) => Self::Text(depth),
        }
    }

    /// Whether a value has begun and not ended.
    fn is_within(self) -> bool {
        matches!(self, Self::Value(_) | Self::Text(_) | Self::Escape(_))
    }

    /// Whether there is something that doesn't begin an object.
    pub(super) fn is_wrong(self) -> bool {
        matches!(self, Self::Wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a text that arrives in parts of `size` bytes, each cut off as soon as it has a
    /// value; behind a `|`, what is left at the end.
    fn pieces(text: &str, size: usize) -> String {
        let mut cutter = Cutter::new(&Limits::default());
        let mut pieces = String::new();
        let mut cut = |piece: Vec<u8>| pieces += &format!("{}|", String::from_utf8_lossy(&piece));
        for mut part in text.as_bytes().chunks(size) {
            while !part.is_empty() && !cutter.is_full() {
                let (one, rest) = part.split_at(1);
                cutter.take_in(&mut &*one).unwrap();
                part = rest;
                if cutter.has_values() {
                    cut(cutter.cut());
                }
            }
        }
        cut(cutter.cut_rest());
        pieces
    }

    #[test]
    fn values_end_where_their_brackets_do() {
        for (text, expected) in [
            ("", "|"),
            (" \n", " \n|"),
            ("{}", "{}||"),
            ("{}{}\n{}", "{}|{}|\n{}||"),
            ("{\"a\": [{}, {\"b\": []}]} {", "{\"a\": [{}, {\"b\": []}]}| {|"),
            ("{\"}\": \"\\\"}\\\\\"}{\"a", "{\"}\": \"\\\"}\\\\\"}|{\"a|"),
            ("{]{}", "{]|{}||"),
            ("\u{feff} {}", "\u{feff} {}||"),
            ("{},{}", "{}|,|"),
            ("[{}]", "[|"),
            ("7", "7|"),
        ] {
            for size in 1..=text.len().max(1) {
                assert_eq!(pieces(text, size), expected, "{text} by {size}");
            }
        }
    }

    #[test]
    fn pieces_are_bounded() {
        let mut cutter = Cutter::new(&Limits::default());
        let values = "{}\n".repeat(2 * Cutter::VALUES_MAX);
        let mut arrived = values.as_bytes();
        for _ in 0..2 {
            cutter.take_in(&mut arrived).unwrap();
            assert!(cutter.is_full());
            assert_eq!(cutter.cut().iter().filter(|&&byte| byte == b'{').count(), 1_000);
        }
        assert_eq!(arrived, b"\n");
        let value = format!("{{{}}}", " ".repeat(Cutter::BYTES_MAX / 2));
        let (values, mut cutter) = (value.repeat(3), Cutter::new(&Limits::default()));
        cutter.take_in(&mut values.as_bytes()).unwrap();
        assert_eq!(cutter.cut().len(), 2 * value.len());
        // White space is no value, and has to end too.
        cutter.take_in(&mut &*vec![b' '; Cutter::BYTES_MAX]).unwrap();
        assert!(cutter.is_full() && !cutter.has_values());
    }

    #[test]
    fn a_value_is_bounded_wherever_it_is_cut() {
        let limits = Limits { document_bytes_max: 9, ..Limits::default() };
        for size in 1..20 {
            let read = |text: &str| {
                let mut cutter = Cutter::new(&limits);
                let mut parts = text.as_bytes().chunks(size);
                parts.try_for_each(|mut part| cutter.take_in(&mut part))
            };
            assert_eq!(read(&"{\"a\": 12}     ".repeat(3)), Ok(()));
            for long in ["{\"a\": 1}   {\"a\": 1234", "{\"a\": 123}"] {
                let read = read(long).map_err(|error| error.fault);
                assert_eq!(read, Err(Fault::TooLarge), "{long} by {size}");
            }
        }
    }
}
