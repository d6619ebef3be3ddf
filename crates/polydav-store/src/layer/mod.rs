//! Layers: stores that wrap a store.

mod faulty;
mod read_only;

pub use faulty::{Fault, Faulty};
pub use read_only::ReadOnly;
