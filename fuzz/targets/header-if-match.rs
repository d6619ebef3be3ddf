//! Fuzzes the parser `header-if-match`.
#![no_main]

fuzz::target!("header-if-match");
