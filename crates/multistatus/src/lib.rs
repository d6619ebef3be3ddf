//! multistatus.
