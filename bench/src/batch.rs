//! 10,000 files moved, put, deleted, and given a property: by one batch, beside the bare system calls
//! and beside a request for each.

mod contest;
mod field;
mod line;
mod who;
mod work;

use std::path::Path;

use crate::report::{Goal, MEBIBYTE, Report};
use crate::{Result, Settings};

use self::contest::Contest;
use self::field::{Field, Files};
use self::who::{ATOMIC, ATOMIC_FULL, BATCHES, BEST_EFFORT, BEST_EFFORT_FULL, Who};
use self::work::Work;

const FILES: usize = 10_000;
/// How many single requests are sent on each connection where one takes ten milliseconds.
const SLOW_REQUESTS_MAX: usize = 200;

const NGINX: [Who; 2] = [Who::Nginx(1), Who::Nginx(32)];
const APACHE: [Who; 2] = [Who::Apache(1), Who::Apache(32)];

const BEST_EFFORT_MAX: Goal = Goal::AtMost(1.3, "of the bare calls");
const ATOMIC_MAX: Goal = Goal::AtMost(1.7, "of the bare calls");
const NGINX_MAX: Goal = Goal::AtMost(0.6, "of nginx");
const APACHE_MAX: Goal = Goal::AtMost(0.05, "of apache");
const FULL_MAX: Goal = Goal::AtMost(1.3, "of relaxed");
const FAR_MIN: Goal = Goal::AtLeast(200.0, "times as fast as one connection");
const ADDED_MAX: Goal = Goal::AtMost(64.0, "MiB");

/// Measures all of them, each with servers and files of its own.
pub(crate) fn measure(image: &Path, settings: &Settings, report: &mut Report) -> Result {
    let names = (0..FILES / settings.shrink).map(|number| format!("file-{number:05}"));
    let names: Vec<String> = names.collect();
    moves(image, &names, settings, report)?;
    far_moves(image, &names, settings, report)?;
    come_and_go(image, &names, settings, report)?;
    properties(image, &names, settings, report)
}

/// Moves there and back.
fn moves(image: &Path, names: &[String], settings: &Settings, report: &mut Report) -> Result {
    let everyone = [&BATCHES[..], &[Who::BareCalls], &NGINX, &APACHE].concat();
    let field = Field::make(image, &everyone, Files::There(names))?;
    let contest = Contest::new(&field, everyone, names);
    let [figures] = contest.measure(|round| [Work::there_or_back(round)], settings.runs)?;
    figures.hold(BEST_EFFORT, Who::BareCalls, BEST_EFFORT_MAX, report);
    figures.hold(BEST_EFFORT, Who::Nginx(32), NGINX_MAX, report);
    figures.hold(BEST_EFFORT_FULL, BEST_EFFORT, FULL_MAX, report);
    figures.hold(ATOMIC, Who::BareCalls, ATOMIC_MAX, report);
    figures.tell(ATOMIC_FULL, &[ATOMIC], report);
    figures.tell_singles(&NGINX, report);
    figures.tell_singles(&APACHE, report);
    for (durability, server) in [("relaxed", &field.relaxed), ("full", &field.full)] {
        let what = format!("{} moves: {durability}", names.len());
        let added = server.added()? as f64 / MEBIBYTE;
        report.add(&what, "added memory", format!("{added:.1} MiB"), added, ADDED_MAX);
    }
    Ok(())
}

/// The same moves over a line on which every round trip takes ten milliseconds longer.
fn far_moves(image: &Path, names: &[String], settings: &Settings, report: &mut Report) -> Result {
    let one = Who::Nginx(1);
    let everyone = [&BATCHES[..], &[one]].concat();
    let field = Field::make(image, &everyone, Files::There(names))?;
    let contest = Contest {
        requests_max: SLOW_REQUESTS_MAX,
        via: line::connect,
        ..Contest::new(&field, everyone, names)
    };
    let [figures] = contest.measure(|round| [Work::there_or_back(round)], settings.runs)?;
    let figures = figures.titled("10 ms away");
    for batch in BATCHES {
        figures.hold(batch, one, FAR_MIN, report);
    }
    Ok(())
}

/// Files are put, and deleted.
fn come_and_go(image: &Path, names: &[String], settings: &Settings, report: &mut Report) -> Result {
    let everyone = [&BATCHES[..], &[Who::BareCalls], &NGINX, &APACHE].concat();
    let field = Field::make(image, &everyone, Files::ToCome)?;
    let contest = Contest::new(&field, everyone, names);
    for figures in contest.measure(|_| [Work::Put, Work::Delete], settings.runs)? {
        for batch in BATCHES {
            figures.tell(batch, &[Who::BareCalls, Who::Nginx(32), Who::Apache(32)], report);
        }
        figures.tell_singles(&NGINX, report);
        figures.tell_singles(&APACHE, report);
    }
    Ok(())
}

/// A property of each file gets another value. nginx has none, and no system call changes one. Apache
/// syncs each.
fn properties(image: &Path, names: &[String], settings: &Settings, report: &mut Report) -> Result {
    let everyone = [&BATCHES[..], &APACHE].concat();
    let field = Field::make(image, &everyone, Files::There(names))?;
    let contest =
        Contest { requests_max: SLOW_REQUESTS_MAX, ..Contest::new(&field, everyone, names) };
    let [figures] = contest.measure(|round| [Work::PropPatch { round }], settings.runs)?;
    figures.hold(BEST_EFFORT, Who::Apache(32), APACHE_MAX, report);
    for batch in BATCHES.into_iter().filter(|batch| *batch != BEST_EFFORT) {
        figures.tell(batch, &[Who::Apache(32)], report);
    }
    figures.tell_singles(&APACHE, report);
    Ok(())
}
