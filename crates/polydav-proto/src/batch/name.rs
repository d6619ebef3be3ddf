//! The names of the document, in both spellings, and what to say about others.

use std::fmt;

use super::{Format, Mode, Verb};

/// What an operation may say beside its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Id,
    Href,
    Dest,
    Depth,
    Overwrite,
    Type,
    Encoding,
    Needs,
    If,
    IfMatch,
    IfNoneMatch,
    IfUnmodifiedSince,
    Tokens,
}

/// What the batch as a whole may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Mode,
    Strict,
    Base,
    Key,
    DryRun,
}

impl Attribute {
    /// Each in XML and in JSON, in the order of the enum. JSON says `contentBase64` instead of
    /// `encoding`.
    pub(super) const ALL: [(Self, &'static str, &'static str); 13] = [
        (Self::Id, "id", "id"),
        (Self::Href, "href", "href"),
        (Self::Dest, "dest", "dest"),
        (Self::Depth, "depth", "depth"),
        (Self::Overwrite, "overwrite", "overwrite"),
        (Self::Type, "type", "type"),
        (Self::Encoding, "encoding", ""),
        (Self::Needs, "needs", "needs"),
        (Self::If, "if", "if"),
        (Self::IfMatch, "if-match", "ifMatch"),
        (Self::IfNoneMatch, "if-none-match", "ifNoneMatch"),
        (Self::IfUnmodifiedSince, "if-unmodified-since", "ifUnmodifiedSince"),
        (Self::Tokens, "tokens", "tokens"),
    ];

    pub(super) fn name(self, format: Format) -> &'static str {
        let (_, xml, json) = Self::ALL[self as usize];
        if format == Format::Xml { xml } else { json }
    }

    pub(super) fn belongs_to(self, verb: Verb) -> bool {
        match self {
            Self::Dest | Self::Overwrite => matches!(verb, Verb::Copy | Verb::Move),
            Self::Depth => matches!(verb, Verb::Copy | Verb::Move | Verb::Delete),
            Self::Type | Self::Encoding => verb == Verb::Put,
            _ => true,
        }
    }
}

impl Setting {
    /// Each in XML and in JSON, in the order of the enum.
    pub(super) const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Mode, "mode", "mode"),
        (Self::Strict, "strict", "strict"),
        (Self::Base, "base", "base"),
        (Self::Key, "key", "key"),
        (Self::DryRun, "dry-run", "dryRun"),
    ];

    pub(super) fn name(self, format: Format) -> &'static str {
        let (_, xml, json) = Self::ALL[self as usize];
        if format == Format::Xml { xml } else { json }
    }
}

impl Verb {
    /// Each verb and its name.
    pub(super) const ALL: [(Self, &'static str); 8] = [
        (Self::MkCol, "mkcol"),
        (Self::Put, "put"),
        (Self::Copy, "copy"),
        (Self::Move, "move"),
        (Self::Delete, "delete"),
        (Self::PropPatch, "proppatch"),
        (Self::Create, "create"),
        (Self::Update, "update"),
    ];

    /// All verbs, as they are listed where one is unknown.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().map(|(verb, _)| verb)
    }

    /// The name of the operation in the document, and in the answer.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The verb of this name, or what to say of one that isn't.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        if let Some((verb, _)) = Self::ALL.iter().find(|(_, known)| *known == name) {
            return Ok(*verb);
        }
        Err(match name {
            "lock" | "unlock" => format!("{name} is no batch operation: send a request for it"),
            "batch" => "a batch can't be part of a batch".to_owned(),
            _ => unknown("operation", name, Self::ALL.map(|(_, known)| known)),
        })
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Mode {
    /// Each mode and its name.
    pub(super) const ALL: [(Self, &'static str); 3] =
        [(Self::BestEffort, "best-effort"), (Self::Stop, "stop"), (Self::Atomic, "atomic")];

    /// All modes, as they are listed where one is unknown.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().map(|(mode, _)| mode)
    }

    /// The name of the mode in the document, and in the summary of the answer.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// Says that a name is unknown, and which one it might have been.
pub(super) fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    let near = known.into_iter().filter(|known| !known.is_empty());
    let near = near.map(|known| (distance(name, known), known)).min();
    match near {
        Some((distance, near)) if distance <= 2 && distance * 2 < name.len() => {
            format!("unknown {what} {} (did you mean \"{near}\"?)", quote(name))
        }
        _ => format!("unknown {what} {}", quote(name)),
    }
}

/// A text in quotes, cut short, for a message.
pub(crate) fn quote(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// How many letters to add, drop, change or swap to get from one name to the other; case is free.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<u8> = one.bytes().take(64).map(|b| b.to_ascii_lowercase()).collect();
    let other: Vec<u8> = other.bytes().map(|b| b.to_ascii_lowercase()).collect();
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let change = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_the_order_of_their_enums() {
        for (place, (attribute, ..)) in Attribute::ALL.iter().enumerate() {
            assert_eq!(*attribute as usize, place);
        }
        for (place, (setting, ..)) in Setting::ALL.iter().enumerate() {
            assert_eq!(*setting as usize, place);
        }
        for (place, (verb, _)) in Verb::ALL.iter().enumerate() {
            assert_eq!(*verb as usize, place);
        }
        for (place, (mode, _)) in Mode::ALL.iter().enumerate() {
            assert_eq!(*mode as usize, place);
        }
    }

    #[test]
    fn typing_errors_are_recognised() {
        for (name, said) in [
            ("mvoe", "unknown operation \"mvoe\" (did you mean \"move\"?)"),
            ("MOVE", "unknown operation \"MOVE\" (did you mean \"move\"?)"),
            ("remove", "unknown operation \"remove\" (did you mean \"move\"?)"),
            ("get", "unknown operation \"get\""),
            ("chmod", "unknown operation \"chmod\""),
            ("", "unknown operation \"\""),
            ("lock", "lock is no batch operation: send a request for it"),
            ("batch", "a batch can't be part of a batch"),
        ] {
            assert_eq!(Verb::parse(name), Err(said.to_owned()));
        }
        let names = Attribute::ALL.map(|(_, name, _)| name);
        assert!(unknown("attribute", "if-macth", names).contains("\"if-match\""));
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(quote(&"ä".repeat(41)).chars().count(), 43);
        assert_eq!(quote("a\n"), "\"a\\n\"");
    }
}
