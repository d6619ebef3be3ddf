//! Fuzzes the parser `header-idempotency-key`.
#![no_main]

fuzz::target!("header-idempotency-key");
