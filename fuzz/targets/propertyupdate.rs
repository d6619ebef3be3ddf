//! Fuzzes the parser `propertyupdate`.
#![no_main]

fuzz::target!("propertyupdate");
