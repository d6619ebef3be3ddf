//! The polydav binary.

fn main() {}
