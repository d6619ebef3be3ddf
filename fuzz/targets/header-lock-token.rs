//! Fuzzes the parser `header-lock-token`.
#![no_main]

fuzz::target!("header-lock-token");
