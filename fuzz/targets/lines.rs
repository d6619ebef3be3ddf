//! Fuzzes the parser `lines`.
#![no_main]

fuzz::target!("lines");
