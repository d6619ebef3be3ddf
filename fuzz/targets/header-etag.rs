//! Fuzzes the parser `header-etag`.
#![no_main]

fuzz::target!("header-etag");
