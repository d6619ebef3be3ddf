//! Fuzzes the parser `header-timeout`.
#![no_main]

fuzz::target!("header-timeout");
