//! `If` (RFC 4918 §10.4).

use std::fmt;
use std::sync::Arc;

use http::HeaderName;

use super::{EntityTag, Header, Lines, StateToken};
use crate::reference::Reference;
use crate::scan::{Invalid, Scan};

/// The most conditions in one field.
const CONDITIONS_MAX: usize = 1024;

/// States, of which the resources named must be in at least one (RFC 4918 §10.4).
///
/// The RFC's tagged and untagged lists, and the lists that share a tag, all are alternatives: the
/// field holds if one list holds. So they stand here side by side, each with its own tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct If {
    /// The alternatives, at least one.
    pub lists: Vec<StateList>,
}

/// One list: a state of one resource. It holds if each of its conditions holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateList {
    /// The resource that it is about; the Request-URI's, if it has no tag. Lists that share a tag
    /// share it here too: a long tag with many lists must not take the memory of both multiplied.
    pub resource: Option<Arc<Reference>>,
    /// Its conditions, at least one.
    pub conditions: Vec<StateCondition>,
}

/// One condition of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCondition {
    /// Whether it holds when the state does *not*.
    pub not: bool,
    /// The state.
    pub state: State,
}

/// What a condition asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// To be in the scope of this lock.
    Token(StateToken),
    /// To have this entity tag.
    Tag(EntityTag),
}

impl If {
    /// Every token the field submits (RFC 4918 §10.4.1): wherever it stands, also after `Not`,
    /// and whether or not its list holds.
    pub fn tokens(&self) -> impl Iterator<Item = &StateToken> {
        let conditions = self.lists.iter().flat_map(|list| &list.conditions);
        conditions.filter_map(|condition| match &condition.state {
            State::Token(token) => Some(token),
            State::Tag(_) => None,
        })
    }
}

impl Header for If {
    const NAME: &'static str = "If";
    const FIELD: HeaderName = HeaderName::from_static("if");
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        let mut scan = Scan::new(value);
        scan.skip_space();
        let mut lists = Vec::new();
        let mut room = CONDITIONS_MAX;
        match scan.peek() {
            Some(b'(') => scan_lists(&mut scan, None, &mut lists, &mut room)?,
            Some(b'<') => {
                while scan.peek() == Some(b'<') {
                    let resource = Arc::new(scan_tag(&mut scan)?);
                    scan_lists(&mut scan, Some(&resource), &mut lists, &mut room)?;
                }
            }
            _ => return scan.fail("( or a resource in angle brackets"),
        }
        // A tag after untagged lists would leave the grammar, and the reader unsure what they meant.
        if scan.is_done() { Ok(Self { lists }) } else { scan.fail("( or the end") }
    }
}

/// Lists that share a tag stand behind it. The grammar has no word for a list without a tag behind
/// one that has a tag, and nothing that was read has such.
impl fmt::Display for If {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tag = None;
        for (at, list) in self.lists.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { " " })?;
            if let Some(resource) = &list.resource
                && tag != Some(resource)
            {
                write!(f, "<{resource}> ")?;
            }
            tag = list.resource.as_ref();
            list.fmt(f)?;
        }
        Ok(())
    }
}

/// The list in its parentheses, without its tag.
impl fmt::Display for StateList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (at, condition) in self.conditions.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { " " })?;
            condition.fmt(f)?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for StateCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.not { "Not " } else { "" })?;
        match &self.state {
            State::Token(token) => write!(f, "<{token}>"),
            State::Tag(tag) => write!(f, "[{tag}]"),
        }
    }
}

fn scan_tag(scan: &mut Scan<'_>) -> Result<Reference, Invalid> {
    scan.expect(b'<', "a resource in angle brackets")?;
    let start = scan.offset();
    let reference = Reference::parse(scan.take_while(|byte| byte != b'>'))
        .map_err(|error| Invalid { offset: start + error.offset, ..error.into() })?;
    scan.expect(b'>', "> after the resource")?;
    Ok(reference)
}

fn scan_lists(
    scan: &mut Scan<'_>,
    resource: Option<&Arc<Reference>>,
    lists: &mut Vec<StateList>,
    room: &mut usize,
) -> Result<(), Invalid> {
    let before = lists.len();
    scan.skip_space();
    while scan.eat(b'(') {
        let mut conditions = Vec::new();
        scan.skip_space();
        while !scan.eat(b')') {
            *room = match room.checked_sub(1) {
                Some(room) => room,
                None => return scan.fail("at most 1024 conditions"),
            };
            conditions.push(scan_condition(scan)?);
            scan.skip_space();
        }
        if conditions.is_empty() {
            return scan.fail("a condition in each list");
        }
        lists.push(StateList { resource: resource.cloned(), conditions });
        scan.skip_space();
    }
    if lists.len() == before { scan.fail("a list in parentheses") } else { Ok(()) }
}

fn scan_condition(scan: &mut Scan<'_>) -> Result<StateCondition, Invalid> {
    let not = scan.eat_word("Not");
    if not {
        scan.skip_space();
    }
    let state = match scan.peek() {
        Some(b'<') => State::Token(StateToken::scan_coded(scan)?),
        Some(b'[') => {
            scan.expect(b'[', "[")?;
            let tag = EntityTag::scan(scan)?;
            scan.expect(b']', "] after the entity tag")?;
            State::Tag(tag)
        }
        _ => return scan.fail("<state token>, [\"entity tag\"], Not or )"),
    };
    Ok(StateCondition { not, state })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes the field the other way round, in a notation of one line for the tables below.
    fn show(value: &str) -> String {
        let lists = match If::parse(value.as_bytes()) {
            Ok(field) => field.lists,
            Err(error) => return format!("{error}"),
        };
        let list = |list: &StateList| {
            let resource = list.resource.as_ref().map_or(".".into(), ToString::to_string);
            let conditions = list.conditions.iter().map(|condition| {
                let state = match &condition.state {
                    State::Token(token) => token.to_string(),
                    State::Tag(tag) => tag.to_string(),
                };
                format!("{}{state}", if condition.not { "!" } else { "" })
            });
            format!("{resource}: {}", conditions.collect::<Vec<_>>().join(" & "))
        };
        lists.iter().map(list).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn examples_of_rfc4918() {
        for (section, value, expected) in [
            (
                "10.4.6",
                "(<urn:uuid:181d> \n [\"I am an ETag\"])\n ([\"I am another ETag\"])",
                ".: urn:uuid:181d & \"I am an ETag\" | .: \"I am another ETag\"",
            ),
            (
                "10.4.7",
                "(Not <urn:uuid:181d> <urn:uuid:58f2>)",
                ".: !urn:uuid:181d & urn:uuid:58f2",
            ),
            (
                "10.4.8",
                "(<urn:uuid:181d>) (Not <DAV:no-lock>)",
                ".: urn:uuid:181d | .: !DAV:no-lock",
            ),
            (
                "10.4.9",
                "</resource1> (<urn:uuid:181d> [W/\"A weak ETag\"]) ([\"strong ETag\"])",
                "/resource1: urn:uuid:181d & W/\"A weak ETag\" | /resource1: \"strong ETag\"",
            ),
            (
                "10.4.10",
                "<http://www.example.com/specs/> (<urn:uuid:181d>)",
                "http://www.example.com/specs/: urn:uuid:181d",
            ),
            ("10.4.11", "</specs/rfc2518.doc> ([\"4217\"])", "/specs/rfc2518.doc: \"4217\""),
            ("10.4.11", "</specs/rfc2518.doc> (Not [\"4217\"])", "/specs/rfc2518.doc: !\"4217\""),
            (
                "9.10.8",
                "</a>(<urn:a>)</b>(<urn:b>)(NOT[\"c\"])",
                "/a: urn:a | /b: urn:b | /b: !\"c\"",
            ),
        ] {
            assert_eq!(show(value), expected, "RFC 4918 §{section}");
            let field = If::parse(value.as_bytes()).unwrap();
            assert_eq!(If::parse(field.to_string().as_bytes()), Ok(field), "RFC 4918 §{section}");
        }
    }

    #[test]
    fn a_tag_is_written_once_for_the_lists_behind_it() {
        let value = "</a>(<urn:a>)(NOT[W/\"b\"] <urn:c>)</b>(<urn:a>)";
        let written = "</a> (<urn:a>) (Not [W/\"b\"] <urn:c>) </b> (<urn:a>)";
        assert_eq!(If::parse(value.as_bytes()).unwrap().to_string(), written);
        let untagged = "(<urn:a>) (Not <urn:b>)";
        assert_eq!(If::parse(untagged.as_bytes()).unwrap().to_string(), untagged);
    }

    #[test]
    fn what_rfc4918_10_4_2_does_not_allow() {
        for (value, expected) in [
            ("", "expected ( or a resource in angle brackets at byte 0"),
            ("()", "expected a condition in each list at byte 2"),
            ("(<urn:a>", "expected <state token>, [\"entity tag\"], Not or ) at byte 8"),
            ("(<urn:a>) </a> (<urn:b>)", "expected ( or the end at byte 10"),
            ("</a> </b> (<urn:b>)", "expected a list in parentheses at byte 5"),
            ("</a>", "expected a list in parentheses at byte 4"),
            ("</a/../b> (<urn:b>)", "expected a path without dot segments at byte 4"),
            ("(Not Not <urn:a>)", "expected <state token>, [\"entity tag\"], Not or ) at byte 5"),
            ("(<urn:a>), (<urn:b>)", "expected ( or the end at byte 9"),
            ("([ \"a\"])", "expected an entity tag in double quotes at byte 2"),
            ("([a])", "expected an entity tag in double quotes at byte 2"),
            ("(urn:a)", "expected <state token>, [\"entity tag\"], Not or ) at byte 1"),
        ] {
            assert_eq!(show(value), expected, "{value}");
        }
    }

    #[test]
    fn tokens_are_submitted_wherever_they_stand_rfc4918_10_4_1() {
        let field = If::parse(b"(<urn:a>) (Not <urn:b> [\"c\"])").unwrap();
        let tokens: Vec<_> = field.tokens().map(StateToken::as_str).collect();
        assert_eq!(tokens, ["urn:a", "urn:b"]);
    }

    #[test]
    fn conditions_are_bounded() {
        let many = |count: usize| format!("({})", "<urn:a>".repeat(count));
        assert!(If::parse(many(CONDITIONS_MAX).as_bytes()).is_ok());
        assert!(If::parse(many(CONDITIONS_MAX + 1).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(value in r#"[\(\)<>\[\]"/a-b:W ]{0,30}|\PC{0,30}"#) {
            if let Ok(field) = If::parse(value.as_bytes()) {
                prop_assert_eq!(If::parse(field.to_string().as_bytes()), Ok(field));
            }
        }
    }
}
