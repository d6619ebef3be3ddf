//! polydav-server.
