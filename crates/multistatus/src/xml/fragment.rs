//! One element as bytes.

use std::borrow::Cow;

use super::element::Element;
use super::error::Error;
use super::reader::Limits;

/// One self-contained element as UTF-8 bytes: it declares every prefix it uses, and has no prolog.
///
/// This is the form to store a property in: it can be put into any document as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment<'a>(Cow<'a, [u8]>);

impl<'a> Fragment<'a> {
    /// Takes bytes that came from [`Fragment::as_bytes`], from a store that keeps what it is given.
    ///
    /// They are not checked: with any other bytes, what is written may be ill-formed.
    pub fn from_trusted(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The element as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The element as bytes, to be stored.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_owned()
    }

    /// The same, owning its bytes.
    pub fn into_owned(self) -> Fragment<'static> {
        Fragment(Cow::Owned(self.0.into_owned()))
    }

    /// Reads the element.
    ///
    /// # Errors
    /// If the bytes are not one element after all.
    pub fn to_element(&self) -> Result<Element, Error> {
        Element::parse(&self.0, Limits::default())
    }
}
