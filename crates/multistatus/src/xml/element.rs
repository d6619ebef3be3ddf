//! An element kept whole.

use std::collections::HashSet;

use super::attribute::Attribute;
use super::char::{is_name_char, is_ncname};
use super::error::Error;
use super::escape::{escape_attribute, escape_text};
use super::fragment::Fragment;
use super::name::Name;
use super::reader::{Limits, Reader};
use super::scope::Scope;
use super::str::Str;
use super::{DAV, XML};

/// An element with all that RFC 4918 §4.3 wants preserved: names, attributes, text, white space,
/// mixed content, prefixes, and the language in scope.
///
/// It stands by itself: what was read by [`Reader::element`] bears, on its top, the `xml:lang` and
/// the namespace bindings of its surroundings that it may need, also those that only text or
/// attribute values mention (`xsi:type="xs:date"`).
///
/// Two elements are equal if names, attributes and children are. Prefixes and declarations are
/// kept, but not compared: they are how a name is written, not what it is.
#[derive(Debug, Clone)]
pub struct Element {
    name: Name,
    prefix: Str,
    declarations: Vec<(Str, Str)>,
    attributes: Vec<Attribute>,
    children: Vec<Node>,
}

/// What an [`Element`] contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Character data, CDATA included. Never empty, never beside another.
    Text(String),
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.attributes == other.attributes
            && self.children == other.children
    }
}

impl Eq for Element {}

impl Element {
    /// An empty element.
    pub fn new(name: Name) -> Self {
        Self {
            name,
            prefix: Str::EMPTY,
            declarations: Vec::new(),
            attributes: Vec::new(),
            children: Vec::new(),
        }
    }

    pub(crate) fn from_parts(
        name: Name,
        prefix: Str,
        declarations: Vec<(Str, Str)>,
        attributes: Vec<Attribute>,
    ) -> Self {
        Self { name, prefix, declarations, attributes, children: Vec::new() }
    }

    /// Adds text at the end.
    pub fn with_text(mut self, text: &str) -> Self {
        self.push_text(text);
        self
    }

    /// Adds a child at the end.
    pub fn with_child(mut self, child: Self) -> Self {
        self.push(child);
        self
    }

    /// Sets an attribute.
    pub fn with_attribute(mut self, name: Name, value: impl Into<String>) -> Self {
        self.set_attribute(name, Str::EMPTY, value.into());
        self
    }

    /// Adds a child at the end.
    pub fn push(&mut self, child: Self) {
        self.children.push(Node::Element(child));
    }

    /// Adds text at the end.
    pub fn push_text(&mut self, text: &str) {
        match self.children.last_mut() {
            _ if text.is_empty() => {}
            Some(Node::Text(before)) => before.push_str(text),
            _ => self.children.push(Node::Text(text.to_owned())),
        }
    }

    fn set_attribute(&mut self, name: Name, prefix: Str, value: String) {
        match self.attributes.iter_mut().find(|attribute| attribute.name == name) {
            Some(attribute) => attribute.value = value,
            None => self.attributes.push(Attribute { name, prefix, value }),
        }
    }

    /// Its expanded name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The prefix it was read with; empty for none.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Its attributes; namespace declarations are none.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &Name) -> Option<&str> {
        self.attributes.iter().find(|a| a.name == *name).map(Attribute::value)
    }

    /// Prefixes and namespaces declared on it; the empty prefix is the default namespace.
    pub fn declarations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.declarations.iter().map(|(prefix, namespace)| (&**prefix, &**namespace))
    }

    /// Its `xml:lang`.
    pub fn lang(&self) -> Option<&str> {
        self.attributes.iter().find(|a| a.name.is_lang()).map(Attribute::value)
    }

    /// All it contains, in order.
    pub fn children(&self) -> &[Node] {
        &self.children
    }

    /// Its child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// Its first child of that name.
    pub fn child(&self, name: &Name) -> Option<&Self> {
        self.elements().find(|element| element.name == *name)
    }

    /// Its own text, without that of its children.
    pub fn text(&self) -> String {
        self.children
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect()
    }

    /// Reads a document whose root is the element.
    ///
    /// # Errors
    /// If it is not well-formed, or passes a limit.
    pub fn parse(bytes: &[u8], limits: Limits) -> Result<Self, Error> {
        let mut reader = Reader::with_limits(bytes, limits);
        let root = reader.root()?;
        let element = reader.element(root)?;
        reader.finish()?;
        Ok(element)
    }

    /// The element as bytes that stand by themselves.
    pub fn to_fragment(&self) -> Fragment<'static> {
        let mut out = Vec::new();
        self.write(&mut out, &mut Scope::default());
        Fragment::from_trusted(out)
    }

    /// Its text, if it has neither children nor attributes, and the text mentions no prefix that
    /// only this element explains. The prefixes the writers of this crate declare explain
    /// themselves.
    pub(crate) fn as_plain_text(&self) -> Option<String> {
        let text = match &self.children[..] {
            [] => "",
            [Node::Text(text)] => text.as_str(),
            _ => return None,
        };
        let ours = |prefix: &str, namespace: &str| {
            matches!((prefix, namespace), ("D", DAV) | ("B", crate::batch::NAMESPACE))
        };
        let needed = self.declarations().any(|(prefix, namespace)| {
            !ours(prefix, namespace) && mentioned(text).any(|mention| mention == prefix)
        });
        (self.attributes.is_empty() && !needed).then(|| text.to_owned())
    }

    /// Makes explicit what was in scope around the element and may be needed within.
    ///
    /// `outside` is what was in scope around it, `used` the prefixes that occur in it. Gives how many
    /// bytes that takes.
    pub(crate) fn inherit(&mut self, outside: &Scope, used: Prefixes) -> usize {
        let mut bytes = 0;
        if let (None, Some(lang)) = (self.lang(), outside.lang()) {
            bytes += lang.len();
            let name = Name::from_static(XML, "lang");
            self.set_attribute(name, Str::Static("xml"), lang.to_string());
        }
        for prefix in used.0.into_iter().chain([Str::EMPTY]) {
            let declared = self.declarations.iter().any(|(bound, _)| *bound == prefix);
            match outside.resolve(&prefix) {
                Some(namespace) if !declared && &*prefix != "xml" && !namespace.is_empty() => {
                    bytes += prefix.len() + namespace.len();
                    self.declarations.push((prefix, namespace.clone()));
                }
                _ => {}
            }
        }
        bytes
    }

    /// Appends the element; `scope` is what is bound where it is put.
    pub(crate) fn write(&self, out: &mut Vec<u8>, scope: &mut Scope) {
        scope.push();
        for (prefix, namespace) in &self.declarations {
            if scope.resolve(prefix) != Some(namespace) {
                scope.declare(prefix.clone(), namespace.clone());
            }
        }
        let prefix = bind(scope, self, &self.prefix, self.name.namespace(), Kind::Element);
        out.push(b'<');
        write_qname(out, &prefix, self.name.local());
        for attribute in &self.attributes {
            let name = &attribute.name;
            let prefix = bind(scope, self, &attribute.prefix, name.namespace(), Kind::Attribute);
            out.push(b' ');
            write_qname(out, &prefix, name.local());
            write_value(out, &attribute.value);
        }
        for (prefix, namespace) in scope.declared() {
            out.extend_from_slice(if prefix.is_empty() { b" xmlns" } else { b" xmlns:" });
            out.extend_from_slice(prefix.as_bytes());
            write_value(out, namespace);
        }
        if self.children.is_empty() {
            out.extend_from_slice(b"/>");
        } else {
            out.push(b'>');
            for child in &self.children {
                match child {
                    Node::Element(element) => element.write(out, scope),
                    Node::Text(text) => escape_text(out, text),
                }
            }
            out.extend_from_slice(b"</");
            write_qname(out, &prefix, self.name.local());
            out.push(b'>');
        }
        scope.pop();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Element,
    Attribute,
}

/// The prefix to write a name with, declared if it has to be. The one it was read with is kept
/// unless that means another namespace here.
fn bind(scope: &mut Scope, element: &Element, prefix: &Str, namespace: &str, kind: Kind) -> Str {
    if namespace == XML {
        return Str::Static("xml");
    }
    if namespace.is_empty() {
        // Attributes without a prefix are in no namespace, whatever the default one is.
        if kind == Kind::Element && scope.resolve("").is_some_and(|bound| !bound.is_empty()) {
            scope.declare(Str::EMPTY, Str::EMPTY);
        }
        return Str::EMPTY;
    }
    let usable = kind == Kind::Element || !prefix.is_empty();
    if usable && scope.resolve(prefix).is_some_and(|bound| **bound == *namespace) {
        return prefix.clone();
    }
    if prefix.is_empty()
        && let Some(bound) = scope.prefix_of(namespace)
    {
        return bound;
    }
    let prefix = free_prefix(scope, element, prefix, namespace);
    scope.declare(prefix.clone(), Str::from(namespace));
    prefix
}

/// A prefix that hides no other when it is declared, and that the element's text doesn't mention,
/// which would get a meaning by it.
fn free_prefix(scope: &Scope, element: &Element, wanted: &Str, namespace: &str) -> Str {
    let free = |prefix: &str| !prefix.is_empty() && scope.resolve(prefix).is_none();
    if free(wanted) {
        return wanted.clone();
    }
    if namespace == DAV && free("D") {
        return Str::Static("D");
    }
    let text = element.text();
    let mentioned: HashSet<&str> = mentioned(&text).collect();
    let mut prefix = String::new();
    for n in 0_u64.. {
        prefix = format!("ns{n}");
        if free(&prefix) && !mentioned.contains(&*prefix) {
            break;
        }
    }
    Str::from(prefix.as_str())
}

fn write_qname(out: &mut Vec<u8>, prefix: &str, local: &str) {
    if !prefix.is_empty() {
        out.extend_from_slice(prefix.as_bytes());
        out.push(b':');
    }
    out.extend_from_slice(local.as_bytes());
}

fn write_value(out: &mut Vec<u8>, value: &str) {
    out.extend_from_slice(b"=\"");
    escape_attribute(out, value);
    out.push(b'"');
}

/// Prefixes that a value may need: those of its names, and whatever looks like one in its text.
#[derive(Debug, Default)]
pub(crate) struct Prefixes(Vec<Str>);

impl Prefixes {
    pub(crate) fn add(&mut self, prefix: &Str) {
        if !prefix.is_empty() && !self.0.contains(prefix) {
            self.0.push(prefix.clone());
        }
    }

    /// Adds every `prefix:` in `text` that is bound in `scope`.
    pub(crate) fn add_mentioned(&mut self, text: &str, scope: &Scope) {
        for prefix in mentioned(text) {
            if let Some((prefix, _)) = scope.lookup(prefix) {
                self.add(&prefix);
            }
        }
    }
}

/// What stands before a colon in `text` and could be a prefix.
fn mentioned(text: &str) -> impl Iterator<Item = &str> {
    memchr::memchr_iter(b':', text.as_bytes()).filter_map(|colon| {
        let before = &text[..colon];
        let name = before.trim_end_matches(is_name_char);
        Some(&before[name.len()..]).filter(|prefix| is_ncname(prefix))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(element: &Element) -> String {
        String::from_utf8(element.to_fragment().into_bytes()).unwrap()
    }

    /// The first grandchild of the root, kept whole.
    fn kept(document: &str) -> Element {
        let mut reader = Reader::new(document.as_bytes());
        reader.root().unwrap();
        reader.child().unwrap().unwrap();
        let start = reader.child().unwrap().unwrap();
        reader.element(start).unwrap()
    }

    #[test]
    fn rfc4918_4_3_1_property_with_mixed_content() {
        let author = kept(
            r#"<D:set xmlns:D="DAV:"><D:prop xml:lang="en">
                 <x:author xmlns:x='http://example.com/ns'>
                   <x:name>Jane Doe</x:name>
                   <!-- Jane's contact info -->
                   <x:uri type='email' added='2005-11-26'>mailto:jane.doe@example.com</x:uri>
                   <x:notes xmlns:h='http://www.w3.org/1999/xhtml'>
                     Jane has been working way <h:em>too</h:em> long on the
                     long-awaited revision of <![CDATA[<RFC2518>]]>.
                   </x:notes>
                 </x:author></D:prop></D:set>"#,
        );
        assert_eq!(author.lang(), Some("en"));
        assert_eq!(author.prefix(), "x");
        let written = bytes(&author);
        assert!(written.contains("way <h:em>too</h:em> long"), "{written}");
        assert!(written.contains("revision of &lt;RFC2518&gt;."), "{written}");
        assert!(!written.contains("contact info") && !written.contains("DAV:"), "{written}");
        assert_eq!(Element::parse(written.as_bytes(), Limits::default()).unwrap(), author);
    }

    #[test]
    fn elements_are_told_apart_by_all_but_prefixes() {
        let parse =
            |document: &str| Element::parse(document.as_bytes(), Limits::default()).unwrap();
        let element = parse("<p:a xmlns:p='u' b='1' p:c='2'>x<p:d/></p:a>");
        assert_eq!(element, parse("<q:a xmlns:q='u' xmlns:r='v' b='1' q:c='2'>x<q:d/></q:a>"));
        for other in [
            "<p:z xmlns:p='u' b='1' p:c='2'>x<p:d/></p:z>",
            "<p:a xmlns:p='v' b='1' p:c='2'>x<p:d/></p:a>",
            "<p:a xmlns:p='u' b='0' p:c='2'>x<p:d/></p:a>",
            "<p:a xmlns:p='u' b='1' c='2'>x<p:d/></p:a>",
            "<p:a xmlns:p='u' b='1'>x<p:d/></p:a>",
            "<p:a xmlns:p='u' b='1' p:c='2'>y<p:d/></p:a>",
            "<p:a xmlns:p='u' b='1' p:c='2'>x<p:e/></p:a>",
            "<p:a xmlns:p='u' b='1' p:c='2'><p:d/>x</p:a>",
            "<p:a xmlns:p='u' b='1' p:c='2'/>",
        ] {
            assert_ne!(element, parse(other), "{other}");
        }
    }

    #[test]
    fn keeps_prefixes_that_only_text_uses() {
        let value = kept(
            "<r xmlns:xs='urn:xs' xmlns:q='urn:q' xmlns:un='urn:unused' xmlns='urn:d'><p>\
             <v t='xs:date'>at 12:30, q:name, http://x</v></p></r>",
        );
        let mut declared: Vec<_> = value.declarations().collect();
        declared.sort_unstable();
        assert_eq!(declared, [("", "urn:d"), ("q", "urn:q"), ("xs", "urn:xs")]);
        assert_eq!(value.to_fragment().to_element().unwrap(), value);
    }

    #[test]
    fn built_elements_get_prefixes() {
        let element = Element::new(Name::dav("a"))
            .with_child(Element::new(Name::dav("b")))
            .with_child(Element::new(Name::new("urn:x", "c").unwrap()))
            .with_child(
                Element::new(Name::new("", "d").unwrap())
                    .with_attribute(Name::new("urn:x", "e").unwrap(), "1\n\"2\""),
            );
        assert_eq!(
            bytes(&element),
            "<D:a xmlns:D=\"DAV:\"><D:b/><ns0:c xmlns:ns0=\"urn:x\"/>\
             <d ns0:e=\"1&#10;&quot;2&quot;\" xmlns:ns0=\"urn:x\"/></D:a>"
        );
    }

    #[test]
    fn a_made_up_prefix_gives_no_meaning_to_text() {
        let element = Element::new(Name::new("urn:x", "a").unwrap()).with_text("ns0:b");
        assert_eq!(bytes(&element), "<ns1:a xmlns:ns1=\"urn:x\">ns0:b</ns1:a>");
        let read = element.to_fragment().to_element().unwrap();
        assert_eq!(read.as_plain_text().as_deref(), Some("ns0:b"));
    }

    #[test]
    fn a_default_namespace_is_undeclared_where_needed() {
        let inner = Element::new(Name::new("", "in").unwrap());
        let mut outer = Element::parse(b"<out xmlns='u'/>", Limits::default()).unwrap();
        outer.push(inner);
        assert_eq!(bytes(&outer), "<out xmlns=\"u\"><in xmlns=\"\"/></out>");
        assert_eq!(outer.to_fragment().to_element().unwrap(), outer);
    }

    #[test]
    fn the_deepest_element_fits_a_small_stack() {
        let work = || {
            let depth = Limits::MAX_DEPTH;
            let document = "<a>".repeat(depth) + &"</a>".repeat(depth);
            let limits = Limits { depth: usize::MAX, ..Limits::default() };
            let element = Element::parse(document.as_bytes(), limits).unwrap();
            assert_eq!(element.clone(), element);
            assert!(element.to_fragment().as_bytes().len() > 7 * (depth - 1));
        };
        let small = std::thread::Builder::new().stack_size(1024 * 1024);
        small.spawn(work).unwrap().join().unwrap();
    }

    #[test]
    fn a_prefix_with_two_meanings() {
        let mut outer = Element::parse(b"<p:a xmlns:p='u'/>", Limits::default()).unwrap();
        outer.push(Element::parse(b"<p:b xmlns:p='v' p:c=''/>", Limits::default()).unwrap());
        assert_eq!(outer.to_fragment().to_element().unwrap(), outer);
    }
}
