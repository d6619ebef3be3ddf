//! Medians: what counts of several measurements.

use std::time::Duration;

/// The middle one of several durations, in seconds.
pub(crate) fn seconds(mut measured: Vec<Duration>) -> f64 {
    measured.sort_unstable();
    let middle = measured.len() / 2;
    measured.get(middle).map_or(f64::NAN, Duration::as_secs_f64)
}
