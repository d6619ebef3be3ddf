//! Attributes: their model, and cutting a start tag into them.

use super::char::{cut, is_space};
use super::name::Name;
use super::str::Str;

/// An attribute. Namespace declarations are none.
#[derive(Debug, Clone)]
pub struct Attribute {
    pub(crate) name: Name,
    pub(crate) prefix: Str,
    pub(crate) value: String,
}

impl Attribute {
    /// Its expanded name. Without a prefix, an attribute is in no namespace.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its value, normalised (XML 1.0 §3.3.3).
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// By name and value; the prefix is not significant.
impl PartialEq for Attribute {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.value == other.value
    }
}

impl Eq for Attribute {}

/// Cuts the part of a tag after its name into names and literal values.
///
/// An item that is an error is the last; it says what was expected.
pub(crate) struct Literals<'a>(pub(crate) &'a str);

impl<'a> Iterator for Literals<'a> {
    type Item = Result<(&'a str, &'a str), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = trim(self.0);
        if rest.is_empty() {
            return None;
        }
        let next = if rest.len() == self.0.len() {
            Err("white space before the attribute")
        } else {
            split(rest)
        };
        Some(next.map(|(name, value, rest)| {
            self.0 = rest;
            (name, value)
        }))
        .inspect(|item| {
            if item.is_err() {
                self.0 = "";
            }
        })
    }
}

/// Name, literal value and what follows.
fn split(text: &str) -> Result<(&str, &str, &str), &'static str> {
    let (name, rest) = cut(text, b'=').ok_or("an attribute and its value")?;
    let rest = trim(rest);
    let quote = rest.bytes().next().filter(|byte| matches!(byte, b'"' | b'\''));
    let quote = quote.ok_or("a quoted attribute value")?;
    let (value, rest) = cut(&rest[1..], quote).ok_or("a closing quote")?;
    if value.contains('<') {
        return Err("`&lt;` in an attribute value instead of `<`");
    }
    Ok((name.trim_end_matches(|c: char| c.is_ascii() && is_space(c as u8)), value, rest))
}

fn trim(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        let all: Vec<_> = Literals(" a='1'\n b = \"2>'\" ").map(Result::unwrap).collect();
        assert_eq!(all, [("a", "1"), ("b", "2>'")]);
        for bad in [" a", " a=", " a=1", " a='1'b='2'", " a='1", " a='<'", "a='1'", " /"] {
            assert!(Literals(bad).any(|item| item.is_err()), "{bad:?}");
        }
    }
}
