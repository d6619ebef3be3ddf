//! A store of polydav over the tables of a database: SQLite or PostgreSQL.
//!
//! The root lists the tables, a table its rows, and a row is a JSON object whose members are the
//! columns. Tables are found by looking; they need a primary key, and a view can only be read.
//!
//! A run becomes few transactions (`run`), in each of which steps are opened against the rows as
//! the transaction sees them (`attempt`). Names in statements come from what was found in the
//! database (`schema`), values are always bound (`statement`).

mod attempt;
mod database;
mod datum;
mod error;
mod options;
mod place;
mod postgres;
mod queue;
mod row;
mod run;
mod schema;
mod sqlite;
mod statement;
mod store;

pub use options::{OpenError, Options};
pub use store::SqlStore;
