//! Fuzzes the parser `header-date`.
#![no_main]

fuzz::target!("header-date");
