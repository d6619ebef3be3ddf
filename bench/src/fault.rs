//! What a server did wrong.

use std::error::Error;
use std::fmt;

/// A server that doesn't do what it is asked for: an error of polydav's, and of others something to
/// tell, for they are asked no more then.
#[derive(Debug)]
pub(crate) struct Fault {
    /// In a few words, behind its name.
    pub(crate) brief: String,
    /// All that is known.
    detail: String,
}

impl Fault {
    /// An answer that isn't one of success, with its header section.
    pub(crate) fn answer(status: u16, head: &str) -> Box<dyn Error> {
        Self { brief: format!("answers {status}"), detail: head.to_owned() }.into()
    }

    /// Something that should have become of it, and didn't.
    pub(crate) fn outcome(brief: impl Into<String>) -> Box<dyn Error> {
        Self { brief: brief.into(), detail: String::new() }.into()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.brief, self.detail)
    }
}

impl Error for Fault {}
