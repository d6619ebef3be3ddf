//! Records over HTTP: rows of tables, beside files.
//!
//! A row is a JSON object; its columns are properties too. Most methods treat rows as they treat
//! files, and are where those are; what is for records alone is here:
//!
//! | file | what it owns |
//! |---|---|
//! | `body` | the JSON that a request brings |
//! | `bulk` | POST and PATCH of many records: a batch under another name |
//! | `column` | columns as properties |
//! | `csv` | records as lines of CSV |
//! | `list` | GET of a collection of records |
//! | `write` | POST, PATCH and PUT of one record |

pub(crate) mod body;
mod bulk;
pub(crate) mod column;
mod csv;
mod list;
mod write;

use polydav_store::{FailureKind, ResourcePath, Store};

pub(crate) use self::list::{Form, list};
pub(crate) use self::write::{patch, post, put};

/// What a record takes, or what may become one.
const ALLOWED: &str = "OPTIONS, GET, HEAD, PUT, PATCH, DELETE, PROPFIND, PROPPATCH, LOCK, UNLOCK";

/// What a collection of records takes.
const ALLOWED_TABLE: &str = "OPTIONS, GET, HEAD, POST, PATCH, PROPFIND, LOCK, UNLOCK";

/// What a collection of such collections takes.
const ALLOWED_TABLES: &str = "OPTIONS, GET, HEAD, PROPFIND, LOCK, UNLOCK";

/// The methods of what lies at a path of records; `None` where there are files. Blocks.
pub(crate) fn allowed(store: &dyn Store, path: &ResourcePath) -> Option<&'static str> {
    if !store.capabilities(path).records {
        return None;
    }
    let entry = store.find(path).ok().flatten();
    Some(match entry.is_some_and(|entry| entry.is_collection()) {
        false => ALLOWED,
        true if takes_records(store, path) => ALLOWED_TABLE,
        true => ALLOWED_TABLES,
    })
}

/// Whether the members of the collection at `path` are records, rather than collections of them.
/// Blocks.
fn takes_records(store: &dyn Store, path: &ResourcePath) -> bool {
    match store.locate(path, &Vec::new()) {
        Ok(_) => true,
        Err(failure) => failure.kind != FailureKind::Unsuited,
    }
}
