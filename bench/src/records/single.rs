//! Orders changed by a request each, on 32 connections at once.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::load::{at_once, measured};
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
    let start = Instant::now();
    let ask = |at, client| ask(client, Random::new(round * CONNECTIONS + at, rows), start);
    let (counts, load) = measured(|| at_once(clients, ask))?;
    Ok((counts.iter().sum::<usize>() as f64 / load.took.as_secs_f64(), load.share))
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
