//! Which prefixes and which language are in scope.

use super::str::Str;
use super::{XML, XMLNS};

/// A stack of namespace bindings and languages, a frame per open element.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    bindings: Vec<(Str, Str)>,
    frames: Vec<Frame>,
}

#[derive(Debug)]
struct Frame {
    bindings: usize,
    lang: Option<Str>,
}

impl Scope {
    /// Opens an element. Its declarations are added by [`Scope::declare`].
    pub(crate) fn push(&mut self) {
        let lang = self.frames.last().and_then(|frame| frame.lang.clone());
        self.frames.push(Frame { bindings: self.bindings.len(), lang });
    }

    /// Closes the innermost element.
    pub(crate) fn pop(&mut self) {
        if let Some(frame) = self.frames.pop() {
            self.bindings.truncate(frame.bindings);
        }
    }

    /// Binds a prefix (empty: the default namespace) within the innermost element.
    pub(crate) fn declare(&mut self, prefix: Str, namespace: Str) {
        self.bindings.push((prefix, namespace));
    }

    /// [`Scope::declare`] for what is known when the program is built.
    pub(crate) fn declare_static(&mut self, prefix: &'static str, namespace: &'static str) {
        self.declare(Str::Static(prefix), Str::Static(namespace));
    }

    /// What the innermost element itself declares.
    pub(crate) fn declared(&self) -> &[(Str, Str)] {
        let from = self.frames.last().map_or(0, |frame| frame.bindings);
        &self.bindings[from..]
    }

    /// How many bindings are in scope, hidden ones included.
    pub(crate) fn len(&self) -> usize {
        self.bindings.len()
    }

    /// What `prefix` is bound to. The empty prefix is always bound, maybe to no namespace.
    pub(crate) fn resolve(&self, prefix: &str) -> Option<&Str> {
        const XML_NAMESPACE: Str = Str::Static(XML);
        const NONE: Str = Str::EMPTY;
        match self.bindings.iter().rev().find(|(bound, _)| **bound == *prefix) {
            Some((_, namespace)) => Some(namespace),
            None if prefix.is_empty() => Some(&NONE),
            None if prefix == "xml" => Some(&XML_NAMESPACE),
            None => None,
        }
    }

    /// The binding of a non-empty prefix, shared.
    pub(crate) fn lookup(&self, prefix: &str) -> Option<(Str, Str)> {
        match self.bindings.iter().rev().find(|(bound, _)| **bound == *prefix) {
            Some(binding) => Some(binding.clone()),
            None if prefix == "xml" => Some((Str::Static("xml"), Str::Static(XML))),
            None => None,
        }
    }

    /// A prefix that leads to `namespace`, other than the empty one.
    pub(crate) fn prefix_of(&self, namespace: &str) -> Option<Str> {
        let mut innermost_first = self.bindings.iter().rev();
        let leads_here =
            |prefix: &Str| self.resolve(prefix).is_some_and(|bound| **bound == *namespace);
        innermost_first
            .find(|(prefix, bound)| {
                **bound == *namespace && !prefix.is_empty() && leads_here(prefix)
            })
            .map(|(prefix, _)| prefix.clone())
    }

    pub(crate) fn set_lang(&mut self, lang: Str) {
        if let Some(frame) = self.frames.last_mut() {
            frame.lang = Some(lang);
        }
    }

    /// `xml:lang` as it applies to the innermost element.
    pub(crate) fn lang(&self) -> Option<&Str> {
        self.frames.last()?.lang.as_ref()
    }
}

/// Checks a declaration by the rules of Namespaces in XML §3, "Reserved Prefixes", and §2.2.
pub(crate) fn check_declaration(prefix: &str, namespace: &str) -> Result<(), &'static str> {
    match (prefix, namespace) {
        ("xml", XML) => Ok(()),
        ("xml", _) | (_, XML) => Err("`xml` and its namespace to be bound to each other only"),
        ("xmlns", _) | (_, XMLNS) => Err("`xmlns` and its namespace not to be declared"),
        ("", _) => Ok(()),
        (_, "") => Err("a namespace, since only the default one can be undeclared"),
        _ => Ok(()),
    }
}
