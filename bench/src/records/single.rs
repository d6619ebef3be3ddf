//! Orders changed by a request each, on 32 connections at once.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::client::Client;
use crate::polydav::Polydav;
use crate::report::{Goal, Report};
use crate::{Result, Settings, median};

use super::{Change, Database, ROWS, Random, serve};

const CONNECTIONS: usize = 32;
/// How long each turn takes.
const TURN: Duration = Duration::from_secs(3);
const RATIO_MIN: Goal = Goal::AtLeast(0.5, "of pgbench");

/// Measures requests a second, and how much of the processors the asking takes.
pub(super) fn measure(
    database: &mut dyn Database,
    folder: &Path,
    settings: &Settings,
    report: &mut Report,
) -> Result {
    let rows = ROWS / settings.shrink;
    let server = serve(database, folder)?;
    let (mut ours, mut shares, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=settings.runs {
        let (speed, share) = load(&server, rows, round)?;
        let beside = database.updates(rows, TURN)?;
        if round > 0 {
            ours.push(speed);
            shares.push(share);
            theirs.push(beside);
        }
    }
    let what = format!("{}: PATCH of single rows, {CONNECTIONS} at once", database.name());
    let (ours, theirs) = (median::of(ours), median::of(theirs));
    if database.name() == "PostgreSQL" {
        let figures = format!("{ours:.0} a second; pgbench {theirs:.0}");
        report.add(&what, "speed", figures, ours / theirs, RATIO_MIN);
    } else {
        report.note(&what, "speed", format!("{ours:.0} a second; a loop {theirs:.0}"));
    }
    let share = median::of(shares);
    report.note(&what, "asking", format!("{:.0} % of the processors", 100.0 * share));
    Ok(())
}

/// Asks on all connections for one turn. Requests a second, and the share of the processors that
/// went into asking.
fn load(server: &Polydav, rows: usize, round: usize) -> Result<(f64, f64)> {
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| server.client()).collect::<Result<_>>()?;
    let (start, before) = (Instant::now(), processor_time());
    let counts = thread::scope(|scope| {
        let ask = |(at, client)| {
            let ids = Random::new(round * CONNECTIONS + at, rows);
            // What goes wrong crosses threads as a text.
            scope.spawn(move || ask(client, ids, start).map_err(|error| error.to_string()))
        };
        let asking: Vec<_> = clients.into_iter().enumerate().map(ask).collect();
        let counts = asking.into_iter().map(|asking| asking.join().expect("it returns errors"));
        counts.collect::<std::result::Result<Vec<usize>, String>>()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let cores = thread::available_parallelism()?.get() as f64;
    let share = (processor_time() - before).as_secs_f64() / seconds / cores;
    Ok((counts.iter().sum::<usize>() as f64 / seconds, share))
}

/// One request after the other, until the turn is over; how many there were.
fn ask(mut client: Client, mut ids: Random, start: Instant) -> Result<usize> {
    let mut count = 0;
    while start.elapsed() < TURN {
        let change = Change::new(ids.next(), count);
        let target = format!("/records/orders/{}", change.id);
        let body = format!("{{{}}}", change.members());
        let headers = ["Content-Type: application/json"];
        client.send("PATCH", &target, &headers, body.as_bytes())?.expect(204)?;
        count += 1;
    }
    Ok(count)
}

/// What this process has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
