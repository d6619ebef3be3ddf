//! Fuzzes the parser `element`.
#![no_main]

fuzz::target!("element");
