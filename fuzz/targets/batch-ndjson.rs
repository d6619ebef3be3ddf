//! Fuzzes the parser `batch-ndjson`.
#![no_main]

fuzz::target!("batch-ndjson");
