//! What was wrong with a document, and where.

use std::borrow::Cow;
use std::fmt;
use std::io;

/// Why a document was refused: the kind, what was expected, and where.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    expected: Cow<'static, str>,
    position: Position,
    source: Option<io::Error>,
}

/// The kinds of [`Error`]. All but [`ErrorKind::Io`] are the fault of whoever wrote the document;
/// none goes away by reading it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Not well-formed (XML 1.0).
    Syntax,
    /// Well-formed, but not namespace-well-formed (Namespaces in XML 1.0).
    Namespace,
    /// A `DOCTYPE`, or a reference to an entity that only a DTD could have declared.
    Doctype,
    /// Not in UTF-8 or UTF-16, or not in the encoding it declares.
    Encoding,
    /// The document ends before its root element does.
    Truncated,
    /// One of the [`Limits`](super::Limits) was passed; with a higher one it might be fine.
    Limit(Limit),
    /// Good XML, but not what stands in this place of this kind of document.
    Unexpected,
    /// The source failed.
    Io,
}

/// Which of the [`Limits`](super::Limits) was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each is described at its field in `Limits`
pub enum Limit {
    Bytes,
    Depth,
    Elements,
    Attributes,
    Namespaces,
    Name,
}

/// A place in a document: the start of the token at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Bytes before it (in UTF-8, also if the document was in UTF-16).
    pub offset: u64,
    /// Its line, from 1.
    pub line: u64,
    /// Its column, from 1, counted in bytes.
    pub column: u64,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        position: Position,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Inner { kind, expected: expected.into(), position, source: None }))
    }

    pub(crate) fn io(position: Position, source: io::Error) -> Self {
        let expected = "a source that can be read".into();
        Self(Box::new(Inner { kind: ErrorKind::Io, expected, position, source: Some(source) }))
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether a limit was passed, in contrast to a document that is wrong under any limits.
    pub fn is_limit(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Limit(_))
    }

    /// What was expected, to stand after the word "expected".
    pub fn expected(&self) -> &str {
        &self.0.expected
    }

    /// Where the token at fault begins.
    pub fn position(&self) -> Position {
        self.0.position
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column, .. } = self.0.position;
        write!(f, "line {line}, column {column}: expected {}", self.0.expected)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}
