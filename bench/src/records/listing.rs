//! All orders listed, as JSON and as properties, beside a bare SELECT.

use std::path::Path;

use crate::client::{ALLPROP, Answer, XML};
use crate::polydav::Polydav;
use crate::report::Report;
use crate::{Result, Settings, median};

use super::{Database, MEBIBYTE, ROWS, serve};

/// How the rows are asked for.
#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    Properties,
}

/// Measures both forms, each with a server of its own.
pub(super) fn measure(
    database: &mut dyn Database,
    folder: &Path,
    settings: &Settings,
    report: &mut Report,
) -> Result {
    let rows = ROWS / settings.shrink;
    for form in [Form::Json, Form::Properties] {
        let server = serve(database, folder)?;
        let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
        // The first round only warms the caches.
        for round in 0..=settings.runs {
            let answer = list(&server, form, rows)?;
            let beside = database.select(rows)?;
            if round > 0 {
                ours.push(answer.whole);
                by_hand.push(beside);
            }
        }
        let name = database.name();
        let what = match form {
            Form::Json => format!("{name}: GET of {rows} rows"),
            Form::Properties => format!("{name}: PROPFIND Depth 1 of {rows} rows"),
        };
        let (ours, by_hand) = (median::seconds(ours), median::seconds(by_hand));
        report.note(&what, "whole", format!("{ours:.3} s; by hand {by_hand:.3} s"));
        let added = server.added()? as f64 / MEBIBYTE;
        report.note(&what, "added memory", format!("{added:.1} MiB"));
    }
    Ok(())
}

fn list(server: &Polydav, form: Form, rows: usize) -> Result<Answer> {
    let mut client = server.client()?;
    match form {
        Form::Json => client.send("GET", "/records/orders/", &[], b"")?.expect(200),
        Form::Properties => {
            let headers = ["Depth: 1", XML];
            let answer = client.send("PROPFIND", "/records/orders/", &headers, ALLPROP)?;
            let answer = answer.expect(207)?;
            if answer.responses != rows + 1 {
                return Err(format!("polydav told of {} resources", answer.responses).into());
            }
            Ok(answer)
        }
    }
}
