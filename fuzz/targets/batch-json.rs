//! Fuzzes the parser `batch-json`.
#![no_main]

fuzz::target!("batch-json");
