//! polydav-proto.
