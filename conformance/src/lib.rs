//! The harness of the conformance suites: what outsiders' programs say of polydav.
//!
//! The suites lie in `tests/`, a file each, and call real clients and real proxies against the
//! real binary. This library starts servers and programs, ends them, and looks at what they left.
//! It knows nothing of polydav's crates: only the binary and its wire count here.
//!
//! What fails here fails a test, so the harness panics with a reason instead of handing errors
//! back. Nothing sleeps and no port is fixed: servers say when they listen.
//!
//! Environment, set by `cargo xtask test`: `POLYDAV_BIN`, the binary (else the one in the target
//! folder); `POLYDAV_TOOLS`, the folder of npm packages; `POLYDAV_STRICT`, a missing program fails
//! a suite instead of skipping it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what tests print is their report")]

pub mod batch;
pub mod database;
pub mod folder;
pub mod http;
pub mod litmus;
pub mod model;
pub mod postgres;
pub mod program;
pub mod proxy;
pub mod requirement;
pub mod server;
pub mod transcript;

pub use database::{Database, databases};
pub use folder::Folder;
pub use postgres::{Postgres, require_postgres};
pub use program::{Finished, run, shell};
pub use requirement::{require, require_node_package, require_root};
pub use server::Server;
