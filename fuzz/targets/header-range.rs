//! Fuzzes the parser `header-range`.
#![no_main]

fuzz::target!("header-range");
