//! Fuzzes the parser `query`.
#![no_main]

fuzz::target!("query");
