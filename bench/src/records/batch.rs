//! 10,000 orders changed by one request, beside one statement.

use std::path::Path;
use std::time::Duration;

use crate::polydav::Polydav;
use crate::report::{Goal, Report};
use crate::{Result, Settings, median};

use super::{Change, Database, MEBIBYTE, serve};

const CHANGES: usize = 10_000;
const RATIO_MAX: Goal = Goal::AtMost(3.0, "of by hand");
const ADDED_MAX: Goal = Goal::AtMost(64.0, "MiB");

/// How the changes are sent.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// As operations of a batch.
    Document,
    /// As an array, to the table.
    Array,
}

/// Measures both forms, each with a server of its own.
pub(super) fn measure(
    database: &mut dyn Database,
    folder: &Path,
    settings: &Settings,
    report: &mut Report,
) -> Result {
    let changes = CHANGES / settings.shrink;
    for form in [Form::Document, Form::Array] {
        let server = serve(database, folder)?;
        let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
        // The first round only warms the caches.
        for round in 0..=settings.runs {
            let changed = |side| -> Vec<_> {
                (1..=changes).map(|id| Change::new(id, 2 * round + side)).collect()
            };
            let took = send(&server, form, &changed(0))?;
            let beside = database.update(&changed(1))?;
            if round > 0 {
                ours.push(took);
                by_hand.push(beside);
            }
        }
        let name = database.name();
        let what = match form {
            Form::Document => format!("{name}: batch of {changes} updates"),
            Form::Array => format!("{name}: PATCH of {changes} rows"),
        };
        let (ours, by_hand) = (median::seconds(ours), median::seconds(by_hand));
        let figures = format!("{ours:.3} s; by hand {by_hand:.3} s");
        report.add(&what, "whole", figures, ours / by_hand, RATIO_MAX);
        let added = server.added()? as f64 / MEBIBYTE;
        report.add(&what, "added memory", format!("{added:.1} MiB"), added, ADDED_MAX);
    }
    Ok(())
}

fn send(server: &Polydav, form: Form, changes: &[Change]) -> Result<Duration> {
    let (method, target) = match form {
        Form::Document => ("POST", "/batch-operation"),
        Form::Array => ("PATCH", "/records/orders/"),
    };
    let object = |change: &Change| match form {
        Form::Document => format!(
            "{{\"op\": \"update\", \"href\": \"/records/orders/{}\", \"values\": {{{}}}}}",
            change.id,
            change.members()
        ),
        Form::Array => format!("{{\"id\": {}, {}}}", change.id, change.members()),
    };
    let objects: Vec<_> = changes.iter().map(object).collect();
    let body = format!("[{}]", objects.join(",\n"));
    let headers = ["Content-Type: application/json"];
    let answer = server.client()?.send(method, target, &headers, body.as_bytes())?.expect(207)?;
    if !answer.head.contains(&format!("succeeded={}", changes.len())) {
        return Err(format!("not everything was changed: {}", answer.head).into());
    }
    Ok(answer.whole)
}
