//! Fuzzes the parser `batch-xml`.
#![no_main]

fuzz::target!("batch-xml");
