//! Fuzzes the parser `record`.
#![no_main]

fuzz::target!("record");
