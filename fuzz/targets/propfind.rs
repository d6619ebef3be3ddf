//! Fuzzes the parser `propfind`.
#![no_main]

fuzz::target!("propfind");
