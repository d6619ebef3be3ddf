//! polydav-fs.
