//! The engine of polydav: how plans run over a store.
//!
//! Every request that changes something is a [`Plan`]: a list of steps. The engine claims the
//! paths of up to [`Run::STEPS_MAX`](polydav_store::Run::STEPS_MAX) steps at once, hands them to the
//! store as a run in one hop to a blocking thread, ends the locks of what is gone, and gives back an
//! outcome for every step. A single PUT is a plan of one step; so is LOCK on a URL where nothing lies
//! yet. The [`Steps`] of a long plan can be made, and told of, while others of them run. Plans of one
//! step that come at the same time run together: [`Engine::run_step`].
//!
//! A plan that began to run ends, whatever becomes of the request that asked for it, and
//! [`Engine::drain`] waits for it.
//!
//! Time and randomness come from an [`Environment`] that the caller gives.

mod batches;
mod claim;
mod engine;
mod group;
mod locking;
mod locks;
mod plan;
mod view;

pub use batches::{Batches, Entry, Job, JobState, KeepLimits, NewBatch, Ticket, Unkept};
pub use engine::{Engine, Environment, Options};
pub use locking::{LockLimits, LockRequest, Locked, RefreshRequest, UnlockRequest};
pub use plan::{Plan, PlanMode, Steps};
pub use view::{LiveView, Panicked};
