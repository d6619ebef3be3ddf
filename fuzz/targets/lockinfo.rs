//! Fuzzes the parser `lockinfo`.
#![no_main]

fuzz::target!("lockinfo");
