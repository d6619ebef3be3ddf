//! Fuzzes the parser `header-content-type`.
#![no_main]

fuzz::target!("header-content-type");
