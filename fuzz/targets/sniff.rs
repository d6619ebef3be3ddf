//! Fuzzes the parser `sniff`.
#![no_main]

fuzz::target!("sniff");
