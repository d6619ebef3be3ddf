//! Fuzzes the parser `header-origin`.
#![no_main]

fuzz::target!("header-origin");
