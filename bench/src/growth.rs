//! How time and memory grow with the number of members: listings, copies, deletions and batches, of
//! a thousand up to a million.

mod curve;
mod ground;
mod turn;
mod work;

use std::path::Path;

use crate::report::Report;
use crate::{Result, Settings};

use self::curve::Curve;
use self::ground::Ground;
use self::work::Work;

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, SIZE_MAX];
const SIZE_MAX: usize = 1_000_000;
/// How often each is measured at most: there is much of it.
const RUNS_MAX: usize = 3;

/// Measures all works at all sizes.
pub(crate) fn measure(image: &Path, settings: &Settings, report: &mut Report) -> Result {
    let mut curves = Work::ALL.map(Curve::new);
    let mut bare = Vec::new();
    // A tenth of the members, and a tenth of that.
    let most = SIZE_MAX / settings.shrink.pow(2);
    for size in SIZES.into_iter().filter(|size| *size <= most) {
        // The largest takes so long that once is enough.
        let runs = if size < SIZE_MAX { settings.runs.min(RUNS_MAX) } else { 0 };
        let ground = Ground::make(image, size, runs)?;
        for curve in &mut curves {
            let name = curve.work.name();
            let point = ground.measure(curve.work);
            curve.push(size, point.map_err(|error| format!("{name}, {size}: {error}"))?);
        }
        bare.extend(ground.bare()?);
    }
    curves.iter().for_each(|curve| curve.tell(&bare, report));
    Ok(())
}
