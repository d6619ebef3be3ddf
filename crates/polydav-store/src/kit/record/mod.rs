//! The kit for stores of records: what every one of them is held to.
//!
//! The tests of a store call [`conform`] and [`model`] with a closure that makes a fresh store of
//! the tables of [`SCHEMA`]:
//!
//! ```
//! use polydav_store::{MemoryRecords, kit::record};
//!
//! record::conform(|| MemoryRecords::new(record::SCHEMA));
//! record::model(16, || MemoryRecords::new(record::SCHEMA));
//! ```
//!
//! [`MemoryRecords`](crate::MemoryRecords) says what a store does.

mod model;
mod schema;
mod trial;

use std::ops::ControlFlow;

pub use model::{model, rehearse};
pub use schema::SCHEMA;

use super::{Trial, path};
use crate::{Failure, Listed, Page, Store};

/// All trials.
pub fn trials() -> Vec<Trial> {
    trial::all()
}

/// Runs all trials a store of records must pass, each on a fresh one with the tables of [`SCHEMA`].
///
/// # Panics
/// If one fails, after all have run, with their names.
pub fn conform<S: Store>(make: impl Fn() -> S) {
    super::pass(&trials(), make);
}

/// What a listing told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// What to go on after.
    pub next: Option<String>,
    /// The records, as JSON.
    pub records: Vec<String>,
}

/// Lists a page of a collection.
///
/// # Errors
/// What the store fails with.
///
/// # Panics
/// If it doesn't tell one head, before all records.
pub fn list(store: &dyn Store, collection: &str, page: &Page) -> Result<Listing, Failure> {
    let mut told: Option<Listing> = None;
    store.list(&path(collection), page, &mut |listed| {
        match (listed, &mut told) {
            (Listed::Head { columns, next }, None) => {
                let columns = columns.iter().map(ToString::to_string).collect();
                told = Some(Listing { columns, next, records: Vec::new() });
            }
            (Listed::Record(json), Some(told)) => {
                let json = String::from_utf8(json.to_vec());
                told.records.push(json.expect("JSON is UTF-8"));
            }
            (listed, told) => panic!("{listed:?} is told after {told:?}"),
        }
        ControlFlow::Continue(())
    })?;
    Ok(told.expect("a listing has a head"))
}

/// All records of a table, as JSON.
///
/// # Panics
/// If they can't be listed.
pub fn records(store: &dyn Store, table: &str) -> Vec<String> {
    list(store, table, &Page::default()).expect("the table can be listed").records
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::MemoryRecords;
    use crate::layer::{Faulty, ReadOnly};

    fn make() -> MemoryRecords {
        MemoryRecords::new(SCHEMA)
    }

    #[test]
    fn the_records_in_memory_conform() {
        conform(make);
        model(256, make);
        rehearse(64, make);
    }

    #[test]
    fn layers_over_records_conform() {
        conform(|| Faulty::new(Arc::new(make())));
        conform(|| ReadOnly::new(make()));
    }

    #[test]
    fn no_trial_is_for_both_kinds_of_stores() {
        let record = |can| trials().iter().filter(|trial| (trial.applies)(can)).count();
        let file = |can| crate::kit::trials().iter().filter(|trial| (trial.applies)(can)).count();
        let (files, rows) = (crate::Capabilities::ALL, crate::Capabilities::RECORDS);
        assert!(record(rows) > 0 && record(files) == 0 && file(rows) == 0);
        let frozen = crate::Capabilities { writable: false, ..rows };
        assert!(record(frozen) > 0 && file(frozen) == 0);
    }
}
