//! Fuzzes the parser `framing`.
#![no_main]

fuzz::target!("framing");
