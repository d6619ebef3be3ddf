//! `Prefer` (RFC 7240).

use http::HeaderName;

use super::{Header, Lines};
use crate::scan::{Invalid, Scan};

/// What a client would like, if it can be had (RFC 7240).
///
/// Preferences we don't know, and what can't be read, are ignored: that is their nature. If one
/// stands twice, the first counts (RFC 7240 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prefer {
    /// `return` (RFC 7240 §4.2).
    pub answer: Option<Return>,
    /// `respond-async` (RFC 7240 §4.1): answer 202 rather than keep the client waiting.
    pub respond_async: bool,
    /// `wait` (RFC 7240 §4.3): for this many seconds at most.
    pub wait: Option<u32>,
    /// `depth-noroot` (RFC 8144 §3.1): the members without the collection itself.
    pub depth_noroot: bool,
    /// `batch-strict`: answer 422 instead of 207 if an operation of a batch failed.
    pub batch_strict: bool,
}

/// How much a client wants told (RFC 7240 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// `return=minimal`: what it doesn't know yet (RFC 8144 §2).
    Minimal,
    /// `return=representation`: the state of the resource.
    Representation,
}

impl Prefer {
    fn scan(&mut self, element: &[u8]) -> Result<(), Invalid> {
        let mut scan = Scan::new(element);
        scan.skip_space();
        let name = scan.token("a preference")?.to_ascii_lowercase();
        scan.skip_space();
        let value = match scan.eat(b'=') {
            true => {
                scan.skip_space();
                scan.token_or_quoted("the value of a preference")?
            }
            false => String::new(),
        };
        let answer = match &*value {
            "minimal" => Some(Return::Minimal),
            "representation" => Some(Return::Representation),
            _ => None,
        };
        match &*name {
            "return" => self.answer = self.answer.or(answer),
            "wait" => self.wait = self.wait.or(value.parse().ok()),
            "respond-async" => self.respond_async = true,
            "depth-noroot" => self.depth_noroot = true,
            "batch-strict" => self.batch_strict = true,
            _ => {}
        }
        Ok(())
    }
}

impl Header for Prefer {
    const NAME: &'static str = "Prefer";
    const FIELD: HeaderName = HeaderName::from_static("prefer");
    const LINES: Lines = Lines::Join;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        let mut prefer = Self::default();
        for element in split_outside_quotes(value) {
            let _ignored = prefer.scan(element);
        }
        Ok(prefer)
    }
}

/// Splits at commas that are not within a quoted string.
fn split_outside_quotes(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |&byte| {
        if byte == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && byte == b'\\' && !escaped;
        byte == b',' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefer(value: &str) -> Prefer {
        Prefer::parse(value.as_bytes()).unwrap()
    }

    #[test]
    fn examples_of_rfc7240() {
        let asked = Prefer { respond_async: true, wait: Some(100), ..Prefer::default() };
        assert_eq!(prefer("respond-async, wait=100"), asked);
        assert_eq!(prefer("Respond-Async, wait = \"100\" ; foo=bar"), asked);
        assert_eq!(prefer("foo; bar=\"a, return=minimal\""), Prefer::default());
        assert_eq!(prefer("foo; bar=\"\\\", return=minimal\""), Prefer::default());
        assert_eq!(prefer("return=minimal; foo=\"some parameter\"").answer, Some(Return::Minimal));
        assert_eq!(prefer("return=representation").answer, Some(Return::Representation));
        assert_eq!(prefer("wait=10, wait=20").wait, Some(10));
    }

    #[test]
    fn ours_and_rfc8144() {
        let asked = prefer("depth-noroot, batch-strict");
        assert!(asked.depth_noroot && asked.batch_strict);
    }

    #[test]
    fn the_unknown_and_the_broken_are_ignored() {
        for value in
            ["", ",,", "=", "priority=5", "wait=soon", "wait=-1", "return=all", "\"", "\u{e4}"]
        {
            assert_eq!(prefer(value), Prefer::default(), "{value:?}");
        }
        assert!(prefer("@, batch-strict").batch_strict);
    }
}
