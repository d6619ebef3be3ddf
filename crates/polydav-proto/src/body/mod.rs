//! Request bodies: what PROPFIND, PROPPATCH and LOCK send.
//!
//! Elements are known by namespace and name, never by prefix; unknown ones are passed over (RFC
//! 4918 §17). An error is that of the XML reader: where, what was expected, and whether the body is
//! no XML at all, goes beyond a limit, or is XML that means nothing here
//! ([`ErrorKind::Unexpected`](multistatus::xml::ErrorKind::Unexpected)).
//!
//! MKCOL has no body that is known here: any body is answered with 415 (RFC 4918 §9.3).

mod lock_info;
mod prop_find;
mod property_update;

pub use lock_info::{LockInfo, LockKind, LockScope};
pub use prop_find::PropFind;
pub(crate) use property_update::read_changes;
pub use property_update::{Change, PropertyUpdate};

use std::collections::HashSet;

use multistatus::xml::{Error, Name, Reader, Start};

/// Opens the root element, which must be `local` in the namespace `DAV:`.
fn root(reader: &mut Reader<&[u8]>, local: &'static str) -> Result<Start, Error> {
    let root = reader.root()?;
    if root.name.is_dav(local) { Ok(root) } else { Err(reader.error(format!("DAV: {local}"))) }
}

/// The names of the elements in the open one, each once.
fn names(reader: &mut Reader<&[u8]>) -> Result<Vec<Name>, Error> {
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    while let Some(child) = reader.child()? {
        reader.skip()?;
        if seen.insert(child.name.clone()) {
            names.push(child.name);
        }
    }
    Ok(names)
}
