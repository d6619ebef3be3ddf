//! Bodies brought into a form in which only their meaning counts, and the rules that every answer
//! keeps, whatever a transcript says.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use roxmltree::{Document, Node};

use crate::http::Response;

const DAV: &str = "DAV:";
const BATCH: &str = "urn:polydav:batch:1";

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Xml,
    Json,
    /// A JSON value a line: to the byte, since the lines are what counts.
    Lines,
    Text,
}

impl Form {
    pub(super) fn of(content_type: Option<&str>) -> Self {
        let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        match kind {
            "application/xml" => Self::Xml,
            "application/json" => Self::Json,
            "application/x-ndjson" => Self::Lines,
            _ => Self::Text,
        }
    }

    /// The form that is compared.
    pub(super) fn canonical(self, body: &str) -> Result<String, String> {
        match self {
            Self::Xml => xml(body, true),
            Self::Json => Ok(json(body)),
            Self::Lines | Self::Text => {
                Ok(body.replace("\r\n", "\n").trim_end_matches('\n').to_owned())
            }
        }
    }

    /// The form that is written down.
    pub(super) fn readable(self, body: &str) -> String {
        match self {
            Self::Xml => xml(body, false).unwrap_or_else(|_| body.to_owned()),
            Self::Json => json(body),
            Self::Lines | Self::Text => body.replace("\r\n", "\n"),
        }
    }
}

/// `content-type` as it is usually written.
pub(super) fn field_name(name: &str) -> String {
    let word = |word: &str| match word {
        "etag" => "ETag".to_owned(),
        _ => word[..1].to_ascii_uppercase() + &word[1..],
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// What holds for every answer: the prefix of DAV elements, which Windows needs, RFC 4918 §14.24, by
/// which no two responses are of one href, and that lines which tell of a batch don't just end.
pub(super) fn check(response: &Response) -> Result<(), String> {
    let content_type = response.header("content-type");
    match Form::of(content_type) {
        Form::Text if response.status == 207 => {
            return Err(format!("a 207 of the type {content_type:?}"));
        }
        Form::Lines if response.status == 207 => {
            let text = response.text();
            let is_whole = text.ends_with("}}\n")
                && text.lines().next_back().is_some_and(|last| last.starts_with("{\"summary\":"));
            return is_whole.then_some(()).ok_or_else(|| format!("no summary: {text}"));
        }
        _ => {}
    }
    if Form::of(content_type) != Form::Xml || response.body.is_empty() || response.status == 200 {
        return Ok(());
    }
    let text = response.text();
    let document = Document::parse(text).map_err(|error| format!("{error} in {text}"))?;
    check_prefixes(document.root_element(), text)?;
    let mut hrefs = BTreeSet::new();
    for href in responses(document.root_element()).map(href) {
        if !hrefs.insert(href) {
            return Err(format!("two responses of {href}: {text}"));
        }
    }
    Ok(())
}

/// What clients stored is theirs to prefix.
fn check_prefixes(node: Node<'_, '_>, text: &str) -> Result<(), String> {
    let is_dav = node.tag_name().namespace() == Some(DAV);
    if is_dav && !text[node.range().start..].starts_with("<D:") {
        return Err(format!("{} without the prefix D: {text}", node.tag_name().name()));
    }
    let is_stored = !is_dav || node.has_tag_name((DAV, "owner"));
    let mut children = node.children().filter(Node::is_element);
    if is_stored { Ok(()) } else { children.try_for_each(|child| check_prefixes(child, text)) }
}

fn responses<'a, 'i>(root: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    root.children().filter(|node| node.has_tag_name((DAV, "response")))
}

fn href<'a>(response: Node<'a, '_>) -> &'a str {
    let href = response.children().find(|node| node.has_tag_name((DAV, "href")));
    href.and_then(|href| href.text()).unwrap_or_default()
}

/// A document with one element a line, its namespaces declared at the root: `D` for `DAV:`, `B`
/// for a batch's, others in the order in which they come. In the sorted form attributes stand in
/// the order of their names, and what has no order of its own by href.
fn xml(text: &str, sorted: bool) -> Result<String, String> {
    let document = Document::parse(text.trim_start()).map_err(|error| error.to_string())?;
    let root = document.root_element();
    let mut printer = Printer { namespaces: Vec::new(), sorted, out: String::new() };
    root.descendants().filter(Node::is_element).for_each(|node| printer.meet(node));
    printer.element(root, 0);
    Ok(printer.out)
}

struct Printer {
    namespaces: Vec<(String, String)>,
    sorted: bool,
    out: String,
}

impl Printer {
    fn meet(&mut self, node: Node<'_, '_>) {
        let attributes = node.attributes().filter_map(|attribute| attribute.namespace());
        for uri in node.tag_name().namespace().into_iter().chain(attributes) {
            if uri == "http://www.w3.org/XML/1998/namespace"
                || self.namespaces.iter().any(|(known, _)| known == uri)
            {
                continue;
            }
            let prefix = match uri {
                DAV => "D".to_owned(),
                BATCH => "B".to_owned(),
                _ => {
                    let others = self.namespaces.iter().filter(|(_, p)| p.starts_with("ns"));
                    format!("ns{}", others.count() + 1)
                }
            };
            self.namespaces.push((uri.to_owned(), prefix));
        }
    }

    fn name(&self, uri: Option<&str>, local: &str) -> String {
        let Some(uri) = uri else { return local.to_owned() };
        let known = self.namespaces.iter().find(|(known, _)| known == uri);
        format!("{}:{local}", known.map_or("xml", |(_, prefix)| prefix))
    }

    fn element(&mut self, node: Node<'_, '_>, depth: usize) {
        let indent = "  ".repeat(depth);
        let (open, name) = self.opening(node, depth == 0);
        let mut children: Vec<_> = node.children().filter(Node::is_element).collect();
        let text: Vec<_> = node.children().filter(Node::is_text).filter_map(|t| t.text()).collect();
        let has_text = text.iter().any(|text| !text.trim().is_empty());
        if children.is_empty() && text.is_empty() {
            let _ = write!(self.out, "{indent}{open}/>");
        } else if has_text || children.is_empty() {
            let _ = write!(self.out, "{indent}");
            self.mixed(node, depth == 0);
        } else {
            let _ = write!(self.out, "{indent}{open}>");
            let is_batch = node.children().any(|child| child.has_tag_name((BATCH, "summary")));
            if self.sorted && node.has_tag_name((DAV, "multistatus")) && !is_batch {
                children.sort_by_key(|child| (child.tag_name().name().to_owned(), href(*child)));
            }
            if self.sorted && node.has_tag_name((BATCH, "item")) {
                children.sort_by_key(|child| child.attribute("href"));
            }
            for child in children {
                self.out.push('\n');
                self.element(child, depth + 1);
            }
            let _ = write!(self.out, "\n{indent}</{name}>");
        }
    }

    /// Content in which white space counts: as it is, on its line.
    fn mixed(&mut self, node: Node<'_, '_>, is_root: bool) {
        let (open, name) = self.opening(node, is_root);
        if !node.has_children() {
            let _ = write!(self.out, "{open}/>");
            return;
        }
        let _ = write!(self.out, "{open}>");
        for child in node.children() {
            match child.text() {
                Some(text) if child.is_text() => self.out += &escaped(text),
                _ if child.is_element() => self.mixed(child, false),
                _ => {}
            }
        }
        let _ = write!(self.out, "</{name}>");
    }

    fn opening(&self, node: Node<'_, '_>, is_root: bool) -> (String, String) {
        let name = self.name(node.tag_name().namespace(), node.tag_name().name());
        let mut open = format!("<{name}");
        if is_root {
            for (uri, prefix) in &self.namespaces {
                let _ = write!(open, " xmlns:{prefix}=\"{}\"", escaped(uri));
            }
        }
        let attribute = |attribute: roxmltree::Attribute<'_, '_>| {
            let name = self.name(attribute.namespace(), attribute.name());
            format!(" {name}=\"{}\"", escaped(attribute.value()).replace('"', "&quot;"))
        };
        let mut attributes: Vec<String> = node.attributes().map(attribute).collect();
        if self.sorted {
            attributes.sort();
        }
        (open + &attributes.concat(), name)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A value a line, two spaces a level; strings stay as they are.
fn json(text: &str) -> String {
    let (mut out, mut depth, mut in_string, mut escape) = (String::new(), 0_usize, false, false);
    for character in text.chars() {
        if in_string {
            in_string = escape || character != '"';
            escape = character == '\\' && !escape;
            out.push(character);
            continue;
        }
        match character {
            ' ' | '\n' | '\r' | '\t' => {}
            '{' | '[' => {
                depth += 1;
                out = format!("{out}{character}\n{}", "  ".repeat(depth));
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                let kept = out.trim_end().len();
                out.truncate(kept);
                if !out.ends_with(['{', '[']) {
                    let _ = write!(out, "\n{}", "  ".repeat(depth));
                }
                out.push(character);
            }
            ',' => {
                let _ = write!(out, ",\n{}", "  ".repeat(depth));
            }
            ':' => out.push_str(": "),
            other => {
                in_string = other == '"';
                out.push(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_quotes_and_space_do_not_count() {
        let left = "<D:a xmlns:D=\"DAV:\" y='2' x='1'>\n <D:b/>\n <z xmlns='urn:z'>t</z></D:a>";
        let right = "<a xmlns=\"DAV:\" x=\"1\" y=\"2\"><b></b><q:z xmlns:q='urn:z'>t</q:z></a>";
        assert_eq!(xml(left, true), xml(right, true));
        assert_eq!(
            xml(left, false).as_deref(),
            Ok("<D:a xmlns:D=\"DAV:\" xmlns:ns1=\"urn:z\" y=\"2\" x=\"1\">\n  <D:b/>\n  \
                <ns1:z>t</ns1:z>\n</D:a>")
        );
    }

    #[test]
    fn mixed_content_counts_to_the_space() {
        let xml = |text| xml(text, true);
        assert_ne!(xml("<a>b <c/> d</a>"), xml("<a>b<c/> d</a>"));
        assert_eq!(xml("<a>b <c>&lt;</c> d</a>").as_deref(), Ok("<a>b <c>&lt;</c> d</a>"));
        assert_ne!(xml("<a b=\"1\"/>"), xml("<a/>"));
    }

    #[test]
    fn json_is_laid_out() {
        assert_eq!(
            json(r#"{"a":[1,{}],"b":"{,\" :"}"#),
            json("{ \"a\": [1, { }],\n \"b\": \"{,\\\" :\" }")
        );
        assert_eq!(json("{\"a\":[1]}"), "{\n  \"a\": [\n    1\n  ]\n}");
    }

    #[test]
    fn fields_are_written_as_usual() {
        assert_eq!(["etag", "lock-token"].map(field_name), ["ETag", "Lock-Token"]);
    }
}
