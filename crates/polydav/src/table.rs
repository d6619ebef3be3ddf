//! The result of a batch as a table for people.

use multistatus::batch::Summary;
use multistatus::{MultiStatus, Response};

/// The columns: the item's index, what it did, to what, how it went, and why it didn't.
const HEAD: [&str; 6] = ["#", "operation", "resource", "status", "outcome", "why"];

/// Writes the items of a batch, a line each, and their counts.
pub(crate) fn write(body: &MultiStatus) -> String {
    let rows: Vec<_> = body.responses.iter().filter_map(row).collect();
    let mut widths = HEAD.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut table = line(&widths, &HEAD.map(str::to_owned));
    table.push_str(&line(&widths, &widths.map(|width| "-".repeat(width))));
    rows.iter().for_each(|row| table.push_str(&line(&widths, row)));
    if let Some(Summary { total, succeeded, failed, skipped, .. }) = &body.trailer.summary {
        table.push_str(&format!(
            "\n{total} operations: {succeeded} succeeded, {failed} failed, {skipped} skipped\n"
        ));
    }
    table
}

fn row(response: &Response) -> Option<[String; 6]> {
    let item = response.item.as_ref()?;
    let mut resource = item.href.clone();
    if let Some(location) = &response.location {
        resource.push_str(" -> ");
        resource.push_str(location);
    }
    Some([
        item.index.to_string(),
        item.op.clone(),
        resource,
        item.status.to_string(),
        item.outcome.as_str().to_owned(),
        response.description.clone().unwrap_or_default(),
    ])
}

fn line(widths: &[usize; 6], cells: &[String; 6]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    let line = padded.collect::<Vec<_>>().join("  ");
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use multistatus::batch::{Item, Mode};

    #[test]
    fn a_line_for_each_item() {
        let code = |code: u16| code.try_into().unwrap();
        let moved = Item::new(0, "move", "/a", code(201));
        let failed = Item::new(1, "delete", "/gone", code(404));
        let body = MultiStatus::batch(
            Mode::BestEffort,
            [
                Response::item("/a", moved).with_location("/b"),
                Response::item("/gone", failed).with_description("there is none"),
            ],
        );
        let expected = "\
#  operation  resource  status         outcome      why
-  ---------  --------  -------------  -----------  -------------
0  move       /a -> /b  201 Created    applied
1  delete     /gone     404 Not Found  not-applied  there is none

2 operations: 1 succeeded, 1 failed, 0 skipped
";
        assert_eq!(write(&body), expected);
    }
}
