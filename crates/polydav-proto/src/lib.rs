//! WebDAV on the wire: what a request says beside its 207, as values.
//!
//! Bytes come in, values go out. This crate knows no socket, no clock, no file and no runtime, and
//! it decides nothing: whether a condition holds, a lock is in the way or a host is ours is the
//! business of the crates above.
//!
//! | module | what it reads |
//! |---|---|
//! | [`header`] | the fields of RFC 4918 §10, the conditionals and ranges of RFC 9110, `Prefer` |
//! | [`reference`](mod@reference) | what names a resource: Request-URI, `Destination`, hrefs |
//! | [`body`] | `propfind`, `propertyupdate`, `lockinfo` |
//! | [`batch`] | the batch document, in XML, JSON and NDJSON |
//! | [`record`] | rows of tables, in JSON |
//! | [`query`] | which of them a URL asks for |
//! | [`encoding`] | bytes as text |
//! | [`condition`] | the codes that stand in `DAV:error` |
//!
//! Three rules hold everywhere:
//!
//! - a value is absent, a value, or an error; a malformed one is never taken for an absent one,
//!   since that would make a conditional write unconditional;
//! - an error says where the value went wrong and what was expected there;
//! - whatever the input, a parser returns, in time and memory proportional to it.

pub mod batch;
pub mod body;
pub mod condition;
pub mod encoding;
pub mod header;
pub mod query;
pub mod record;
pub mod reference;

mod scan;
mod text;

pub use scan::Invalid;
