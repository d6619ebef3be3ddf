//! Fuzzes the parser `header-host`.
#![no_main]

fuzz::target!("header-host");
