//! polydav-store.
