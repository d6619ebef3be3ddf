//! Placeholders: what a transcript can't know before, and what it wants to use again.

use std::collections::BTreeMap;

/// What was found for the placeholders so far.
#[derive(Debug, Clone)]
pub(super) struct Variables(BTreeMap<String, String>);

/// What a placeholder may stand for; told by the beginning of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A lock token.
    Token,
    /// The inside of an entity tag.
    Etag,
    /// A date, as HTTP or RFC 3339 writes it.
    Date,
    /// 128 bits in hexadecimal.
    Id,
    /// Digits.
    Number,
    /// Anything.
    Any,
}

enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str, Kind),
}

impl Variables {
    /// What is known from the start.
    pub(super) fn new(host: &str) -> Self {
        Self(BTreeMap::from([("host".to_owned(), host.to_owned())]))
    }

    /// Puts what is known into a text of the client.
    pub(super) fn fill(&self, text: &str) -> String {
        let known = |text: String, (name, value): (&String, &String)| {
            text.replace(&format!("{{{name}}}"), value)
        };
        self.0.iter().fold(text.to_owned(), known)
    }

    /// Whether the text is what the pattern says; notes what the placeholders stand for if so.
    pub(super) fn match_text(&mut self, pattern: &str, text: &str) -> bool {
        let filled = self.fill(pattern);
        let mut found = self.0.clone();
        let matched = matches(&pieces(&filled), text, &mut found);
        if matched {
            self.0 = found;
        }
        matched
    }

    /// Puts placeholders for what changes from run to run.
    pub(super) fn blank(&mut self, text: &str) -> String {
        let mut told = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let known = self.0.iter().find(|(_, value)| rest.starts_with(value.as_str()));
            if let Some((name, value)) = known {
                told += &format!("{{{name}}}");
                rest = &rest[value.len()..];
            } else if let Some((kind, length)) = changing(rest, &told) {
                let placeholder = self.name(kind, &rest[..length]);
                told += &format!("{{{placeholder}}}");
                rest = &rest[length..];
            } else {
                told.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        told
    }

    fn name(&mut self, kind: Kind, value: &str) -> String {
        let name = match kind {
            Kind::Token => "token",
            Kind::Etag => "etag",
            Kind::Id => "id",
            Kind::Date => return "date".to_owned(),
            Kind::Number => return "number".to_owned(),
            Kind::Any => return "any".to_owned(),
        };
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        let name = names.find(|name| !self.0.contains_key(name)).expect("numbers don't end");
        self.0.insert(name.clone(), value.to_owned());
        name
    }
}

/// What at the beginning of a text changes from run to run, and how long it is.
fn changing(text: &str, before: &str) -> Option<(Kind, usize)> {
    let is_hex_before = before.ends_with(|c: char| c.is_ascii_hexdigit());
    let seconds_before = before.ends_with("Second-");
    let tag_before = before.ends_with('"') || before.ends_with("&quot;");
    let cases = [
        (Kind::Token, true),
        (Kind::Date, true),
        (Kind::Id, !is_hex_before && !tag_before),
        (Kind::Number, seconds_before),
    ];
    for (kind, possible) in cases {
        if let Some(length) = kind.length(text)
            && possible
        {
            return Some((kind, length));
        }
    }
    let length = Kind::Etag.length(text)?;
    // A file's has its parts joined; a row's is what an id looks like.
    let is_one = Kind::Id.length(text) == Some(length) || text[..length].contains('-');
    let is_tag = tag_before && length >= 16 && is_one;
    is_tag.then_some((Kind::Etag, length))
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        Some(match name.split_once('-').map_or(name, |(kind, _)| kind) {
            "token" => Self::Token,
            "etag" => Self::Etag,
            "date" => Self::Date,
            "id" => Self::Id,
            "number" => Self::Number,
            "any" => Self::Any,
            _ => return None,
        })
    }

    /// How long such a thing at the beginning of the text is.
    fn length(self, text: &str) -> Option<usize> {
        let run = |text: &str, is_in: fn(char) -> bool| {
            text.find(|c: char| !is_in(c)).unwrap_or(text.len())
        };
        let is_hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        let length = match self {
            Self::Token => {
                let rest = text.strip_prefix("urn:uuid:")?;
                let length = run(rest, |c| matches!(c, '0'..='9' | 'a'..='f' | '-'));
                if length == 36 { 45 } else { 0 }
            }
            Self::Etag => run(text, |c| matches!(c, '0'..='9' | 'a'..='z' | 'A'..='Z' | '-' | '.')),
            Self::Id => Some(run(text, is_hex)).filter(|length| *length == 32)?,
            Self::Number => run(text, |c| c.is_ascii_digit()),
            Self::Date => date(text)?,
            Self::Any => text.len(),
        };
        (length > 0).then_some(length)
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` or `1994-11-06T08:49:37Z`.
fn date(text: &str) -> Option<usize> {
    ["aaa, 00 aaa 0000 00:00:00 GMT", "0000-00-00T00:00:00Z"].iter().find_map(|shape| {
        let begin = text.get(..shape.len())?;
        let fits = |(shape, c): (char, char)| match shape {
            '0' => c.is_ascii_digit(),
            'a' => c.is_ascii_alphabetic(),
            other => c == other,
        };
        shape.chars().zip(begin.chars()).all(fits).then_some(shape.len())
    })
}

fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    let mut from = 0;
    while let Some(start) = rest[from..].find('{').map(|start| start + from) {
        let name = rest[start + 1..].split_once('}').map(|(name, _)| name);
        match name.and_then(|name| Some((name, Kind::of(name)?))) {
            Some((name, kind)) => {
                pieces.push(Piece::Text(&rest[..start]));
                pieces.push(Piece::Placeholder(name, kind));
                rest = &rest[start + name.len() + 2..];
                from = 0;
            }
            None => from = start + 1,
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn matches(pieces: &[Piece<'_>], text: &str, found: &mut BTreeMap<String, String>) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
    let (name, kind) = match first {
        Piece::Text(literal) => {
            return text.strip_prefix(literal).is_some_and(|text| matches(rest, text, found));
        }
        Piece::Placeholder(name, kind) => (*name, *kind),
    };
    if let Some(value) = found.get(name).cloned() {
        return text.strip_prefix(&*value).is_some_and(|text| matches(rest, text, found));
    }
    if kind == Kind::Any {
        let mut ends = text.char_indices().map(|(end, _)| end).chain([text.len()]);
        return ends.any(|end| matches(rest, &text[end..], found));
    }
    let Some(length) = kind.length(text) else { return false };
    let is_kept = matches!(kind, Kind::Token | Kind::Etag | Kind::Id) || name.contains('-');
    if is_kept {
        found.insert(name.to_owned(), text[..length].to_owned());
    }
    let matched = matches(rest, &text[length..], found);
    if !matched && is_kept {
        found.remove(name);
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "urn:uuid:01234567-89ab-4cde-8f01-23456789abcd";

    #[test]
    fn what_was_found_is_known() {
        let mut variables = Variables::new("h:1");
        assert!(variables.match_text("<{token}> on {host}", &format!("<{TOKEN}> on h:1")));
        assert_eq!(variables.fill("({token})"), format!("({TOKEN})"));
        assert!(variables.match_text("{token}", TOKEN));
        assert!(!variables.match_text("{token}", &TOKEN.replace('d', "e")));
        assert!(!variables.match_text("{token-2}", "urn:uuid:0123"));
    }

    #[test]
    fn anything_is_anything() {
        let mut variables = Variables::new("h:1");
        assert!(variables.match_text("a {any} d {any}", "a b d c d e"));
        assert!(variables.match_text("{date} {date}", "1994-11-06T08:49:37Z 2001-01-01T00:00:00Z"));
        assert!(!variables.match_text("{number}!", "12a!"));
        assert!(variables.match_text("{\"key\": {number}}", "{\"key\": 5}"));
    }

    #[test]
    fn what_changes_is_blanked() {
        let mut variables = Variables::new("h:1");
        let told = variables.blank(&format!("<{TOKEN}> Sun, 06 Nov 1994 08:49:37 GMT h:1 {TOKEN}"));
        assert_eq!(told, "<{token}> {date} {host} {token}");
    }
}
