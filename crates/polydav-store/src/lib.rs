//! The storage contract of polydav.
//!
//! A [`Store`] keeps resources: files, collections of them, and their properties. Everything that
//! changes a resource is a [`Step`] of a [`Run`]; a store performs the steps of a run in order and
//! reports an [`Outcome`] for each. A step carries its conditions with it as a [`Guard`], and its
//! [`Action`] is private: [`Step::open`] is the only way to it, so that no store can act without
//! the check having been made against what the store sees at that very moment.
//!
//! This crate knows nothing of HTTP. Stores speak in [`FailureKind`]s; the map from a kind to a
//! status code lives with the methods.
//!
//! # Blocking
//!
//! All methods of [`Store`] and [`Ledger`] block, and are called from threads that may block. The
//! guard, the act and the commit of a whole run thus share one section without a suspension point,
//! and the caller pays for one hop to such a thread for up to [`Run::STEPS_MAX`] steps.

mod datum;
mod delegate;
mod entry;
mod failure;
mod guard;
pub mod key;
#[cfg(any(test, feature = "kit"))]
pub mod kit;
pub mod layer;
mod ledger;
mod lock;
mod memory;
mod memory_records;
mod needed;
mod path;
mod property;
mod receipt;
mod record;
mod run;
pub mod schema;
mod step;
mod store;

pub use entry::{ETag, Entry, Kind};
pub use failure::{Effect, Failure, FailureKind, Member, Members, Retry};
pub use guard::{Condition, ETagMatch, Guard, IfList, Overwrite, Principal, Tokens, View};
pub use ledger::{
    BatchEnd, BatchId, BatchLedger, BatchState, KeptBatch, Ledger, LockChange, MemoryLedger,
};
pub use lock::{
    Lock, LockDepth, LockScope, LockTable, LockToken, LockView, LocksOfRun, NoLocks, at_stake,
};
pub use memory::{Ground, MemoryStore};
pub use memory_records::MemoryRecords;
pub use needed::Needed;
pub use path::{InvalidPath, ResourcePath};
pub use property::{Property, PropertyBounds, PropertyChange, PropertyName, Select};
pub use receipt::{Commit, FATE_KNOWN, Fate, InvalidReceipt, Receipt, Witness};
pub use record::{Added, COLUMNS, Field, Fields, Listed, Page, Value};
pub use run::{Cancel, Course, Done, Durability, OnFailure, Outcome, Report, Run, RunId};
pub use step::{Action, Content, Depth, Permit, Step};
pub use store::{
    Broken, Capabilities, ReadAt, Reading, Space, Stage, Staged, Store, Visit, Walk, WalkDepth,
};
