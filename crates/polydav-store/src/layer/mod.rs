//! Layers: stores that wrap a store, or several.

mod faulty;
mod mounts;
mod read_only;

pub use faulty::{Fault, Faulty};
pub use mounts::{MountLedger, Mounts};
pub use read_only::ReadOnly;
