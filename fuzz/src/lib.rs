//! The fuzz targets: one for each parser, whatever a stranger can send.
//!
//! A target is only a name. What is done with the bytes, and what must hold then, stands in
//! `tests/parser/` of each crate, beside the corpus in `tests/corpus/` that the plain tests run on
//! and the fuzzer starts from. `cargo xtask fuzz` runs them; what makes one fail becomes a file of
//! that corpus.

#[path = "../../crates/multistatus/tests/parser/mod.rs"]
mod multistatus;
#[path = "../../crates/polydav-proto/tests/parser/mod.rs"]
mod proto;
#[path = "../../crates/polydav-server/tests/parser/mod.rs"]
mod server;

#[doc(hidden)]
pub use libfuzzer_sys;

/// Runs the parser of this name.
///
/// # Panics
/// If there is none, or something doesn't hold.
pub fn run(name: &str, bytes: &[u8]) {
    let parsers = multistatus::PARSERS.iter().chain(&proto::PARSERS).chain(&server::PARSERS);
    let parser = parsers.clone().find(|(known, _)| *known == name);
    let (_, parse) = parser.expect("a target is named after a parser");
    parse(bytes);
}

/// A target for the parser of this name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::run($name, bytes));
    };
}
