//! Fuzzes the parser `header-if`.
#![no_main]

fuzz::target!("header-if");
