//! Fuzzes the parser `multistatus`.
#![no_main]

fuzz::target!("multistatus");
