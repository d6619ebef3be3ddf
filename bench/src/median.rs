//! Medians: what counts of several measurements.

use std::time::Duration;

/// The middle one of several durations, in seconds.
pub(crate) fn seconds(measured: Vec<Duration>) -> f64 {
    of(measured.iter().map(Duration::as_secs_f64).collect())
}

/// The middle one of several figures.
pub(crate) fn of(mut measured: Vec<f64>) -> f64 {
    measured.sort_unstable_by(f64::total_cmp);
    measured.get(measured.len() / 2).copied().unwrap_or(f64::NAN)
}
