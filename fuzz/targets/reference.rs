//! Fuzzes the parser `reference`.
#![no_main]

fuzz::target!("reference");
