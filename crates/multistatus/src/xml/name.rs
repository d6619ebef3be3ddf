//! Expanded names.

use std::fmt;

use super::char::{find_forbidden, is_ascii_ncname, is_ncname};
use super::str::Str;
use super::{DAV, XML, XMLNS};

/// An expanded name: a namespace, which may be empty, and a local name (Namespaces in XML §2.1).
///
/// Prefixes are no part of it. `Display` writes `{namespace}local`, or `local` alone.
///
/// A `Name` always holds a valid XML name, so whatever is written with it is well-formed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    namespace: Str,
    local: Str,
}

impl Name {
    /// A name in the namespace `DAV:`, for constants.
    ///
    /// # Panics
    /// If `local` is not an ASCII XML name; in a constant, that is a compile error.
    pub const fn dav(local: &'static str) -> Self {
        Self::from_static(DAV, local)
    }

    /// A name known when the program is built.
    ///
    /// # Panics
    /// If `local` is not an ASCII XML name; in a constant, that is a compile error.
    pub const fn from_static(namespace: &'static str, local: &'static str) -> Self {
        assert!(is_ascii_ncname(local), "not an XML name");
        Self { namespace: Str::Static(namespace), local: Str::Static(local) }
    }

    /// A name known only at run time.
    ///
    /// # Errors
    /// If `local` is not an XML name without a colon, or `namespace` is not one a name can be in.
    pub fn new(namespace: &str, local: &str) -> Result<Self, InvalidName> {
        if !is_ncname(local) {
            return Err(InvalidName { expected: "an XML name without a colon" });
        }
        if namespace == XMLNS || find_forbidden(namespace).is_some() {
            return Err(InvalidName { expected: "a namespace that a prefix can be bound to" });
        }
        Ok(Self { namespace: namespace.into(), local: Str::local(local) })
    }

    /// Both parts must have been checked.
    pub(crate) const fn from_parts(namespace: Str, local: Str) -> Self {
        Self { namespace, local }
    }

    /// The namespace, empty if the name is in none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The local name.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// Whether this is `local` in the namespace `DAV:`.
    pub fn is_dav(&self, local: &str) -> bool {
        &*self.local == local && &*self.namespace == DAV
    }

    /// Whether this is `xml:lang`.
    pub(crate) fn is_lang(&self) -> bool {
        &*self.local == "lang" && &*self.namespace == XML
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace() {
            "" => f.write_str(self.local()),
            namespace => write!(f, "{{{namespace}}}{}", self.local()),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A string that is not (part of) an XML name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct InvalidName {
    expected: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_and_equality() {
        const PROP: Name = Name::dav("prop");
        assert_eq!(PROP.to_string(), "{DAV:}prop");
        assert_eq!(Name::new("", "a").unwrap().to_string(), "a");
        assert_eq!(Name::new(DAV, "prop").unwrap(), PROP);
        assert!(Name::new("", "a b").is_err());
        assert!(Name::new("\0", "a").is_err());
        assert!(Name::new(XMLNS, "a").is_err());
    }
}
