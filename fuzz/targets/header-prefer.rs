//! Fuzzes the parser `header-prefer`.
#![no_main]

fuzz::target!("header-prefer");
