//! Fuzzes the parser `header-accept`.
#![no_main]

fuzz::target!("header-accept");
