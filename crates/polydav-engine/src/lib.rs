//! polydav-engine.
