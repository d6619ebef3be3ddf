//! polydav-dav.
