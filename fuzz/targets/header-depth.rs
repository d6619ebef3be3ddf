//! Fuzzes the parser `header-depth`.
#![no_main]

fuzz::target!("header-depth");
