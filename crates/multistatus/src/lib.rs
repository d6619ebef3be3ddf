//! HTTP 207 Multi-Status bodies (RFC 4918 §13), written and read properly.

pub mod xml;
