//! XML 1.0 with namespaces, within limits.
//!
//! [`Reader`] turns bytes into events whose names are already resolved, and fails at the first
//! thing that is not well-formed or passes one of the [`Limits`]. [`Element`] is a value kept
//! whole, as RFC 4918 §4.3 wants it for properties; [`Fragment`] is such a value as bytes.
//!
//! There is no DTD in any form: a `DOCTYPE` and every entity but the five predefined ones are
//! errors, so nothing expands and nothing is fetched. Comments and processing instructions are
//! checked and dropped.
//!
//! quick-xml cuts the input into tokens; what makes a document well-formed beyond that
//! (names, attributes, characters, references, namespaces, one root) is checked here.
//!
//! ```
//! use multistatus::xml::{Name, Reader};
//!
//! let body = br#"<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>"#;
//! let mut reader = Reader::new(&body[..]);
//! let root = reader.root()?;
//! assert_eq!(root.name, Name::dav("propfind"));
//! while let Some(child) = reader.child()? {
//!     if child.name == Name::dav("prop") {
//!         while let Some(property) = reader.child()? {
//!             assert_eq!(property.name.to_string(), "{DAV:}getetag");
//!             reader.skip()?;
//!         }
//!     } else {
//!         reader.skip()?; // RFC 4918 §17: as if it were not there
//!     }
//! }
//! reader.finish()?;
//! # Ok::<(), multistatus::xml::Error>(())
//! ```

mod attribute;
mod char;
mod element;
mod error;
mod escape;
mod fragment;
mod name;
mod reader;
mod reference;
mod scope;
mod source;
mod str;

pub use self::attribute::Attribute;
pub use self::char::{is_char, is_name_char, is_name_start};
pub use self::element::{Element, Node};
pub use self::error::{Error, ErrorKind, Limit, Position};
pub use self::escape::{escape_attribute, escape_text};
pub use self::fragment::Fragment;
pub use self::name::{InvalidName, Name};
pub use self::reader::{Event, Limits, Reader, Start};
pub(crate) use self::scope::Scope;

/// The namespace of RFC 4918's elements.
pub const DAV: &str = "DAV:";
/// What the prefix `xml` is always bound to.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// What the prefix `xmlns` is always bound to; no name may be in it.
pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
