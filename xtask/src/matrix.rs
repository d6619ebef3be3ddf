//! `docs/rfc-matrix.md` may name only tests that exist, call nothing met that no test shows, and has
//! to count right.
//!
//! In the matrix a test is written in backticks with the file it stands in, `propfind::depths`, and
//! a file (a transcript, a suite) with its path from the root, `conformance/tests/litmus.rs`.

use std::path::Path;

use crate::Result;
use crate::workspace::{Workspace, read};

const MATRIX: &str = "docs/rfc-matrix.md";

/// What a status begins with.
const STATUSES: [&str; 4] = ["met", "in part", "not met", "n/a"];

/// Adds a line to `wrong` for all in the matrix that isn't so. A source is its path and its text.
pub(crate) fn check(
    workspace: &Workspace,
    sources: &[(String, String)],
    wrong: &mut Vec<String>,
) -> Result {
    let path = workspace.root.join(MATRIX);
    if !path.exists() && !workspace.root.join("ARCHITECTURE.md").exists() {
        return Ok(());
    }
    let text = read(&path)?;
    for name in quoted(&text) {
        if let Some((file, test)) = name.rsplit_once("::") {
            if !sources.iter().any(|(path, text)| stands_in(file, path) && declares(text, test)) {
                wrong.push(format!("{MATRIX} names the test {name}, which doesn't exist"));
            }
        } else if is_path(name) && !workspace.root.join(name).exists() {
            wrong.push(format!("{MATRIX} names the file {name}, which doesn't exist"));
        }
    }
    wrong.extend(unfounded(&text).map(|row| format!("{MATRIX}: by what is this shown? {row}")));
    let count = count(&text);
    if !text.contains(&count) {
        wrong.push(format!("{MATRIX} has to say: {count}"));
    }
    Ok(())
}

/// What stands in single backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

fn is_path(name: &str) -> bool {
    ["crates/", "conformance/", "docs/", "fuzz/", "bench/"].iter().any(|top| name.starts_with(top))
}

fn stands_in(file: &str, path: &str) -> bool {
    Path::new(path).file_stem().is_some_and(|stem| stem == file)
}

fn declares(text: &str, test: &str) -> bool {
    text.contains(&format!("fn {test}("))
}

/// The rows of all tables: what shows it, and the status.
fn rows(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| § "));
    rows.map(|row| {
        let mut cells = row.trim_matches(['|', ' ']).rsplit(" | ");
        let status = cells.next().unwrap_or_default();
        (row, cells.next().unwrap_or_default(), status)
    })
}

/// Rows that no test shows, and that don't say why; or whose status is none.
fn unfounded(text: &str) -> impl Iterator<Item = &str> {
    let is_founded = |(_, shown, status): &(&str, &str, &str)| {
        let needs_test = status.starts_with("met") || status.starts_with("in part");
        let is_status = STATUSES.iter().any(|begin| status.starts_with(begin));
        is_status && (!needs_test || shown.contains('`'))
    };
    rows(text).filter(move |row| !is_founded(row)).map(|(row, ..)| row)
}

/// The sentence on how many requirements of RFC 4918 there are.
fn count(text: &str) -> String {
    let table = text.split("\n## ").find(|part| part.starts_with("RFC 4918")).unwrap_or_default();
    let of = |begin: &str| rows(table).filter(|(_, _, status)| status.starts_with(begin)).count();
    let [met, part, not, none] = STATUSES.map(of);
    let all = rows(table).count();
    format!(
        "Of {all} requirements of RFC 4918, {met} are met, {part} in part, {not} not, and {none} \
         are about what isn't there."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_stands_in_backticks() {
        assert_eq!(
            quoted("| 9.1 | `a::b` and `conformance/x` |\nno `c`"),
            ["a::b", "conformance/x", "c"]
        );
        assert!(is_path("conformance/tests/litmus.rs"));
        assert!(!is_path("text/html"));
    }

    #[test]
    fn a_test_stands_in_the_file_it_is_named_with() {
        assert!(stands_in("put", "crates/a/tests/put.rs"));
        assert!(!stands_in("put", "crates/a/tests/put/delete.rs"));
        assert!(declares("async fn it_works() {}", "it_works"));
        assert!(!declares("fn it_works_well() {}", "it_works"));
    }

    #[test]
    fn counts_rows_and_finds_those_without_a_test() {
        let rows = [
            "| 1 | `a` | MUST | `a::b` | met |",
            "| 2 | b | | | met: somehow |",
            "| 2 | c | | `a::b`, `a::c` | in part: only |",
            "| 3 | d | MAY | | not met: why |",
            "| 4 | e | | | n/a: none |",
            "| 5 | f | | `a::b` | perhaps |",
        ];
        let table = format!("| § | of | level | by | status |\n|---|\n{}", rows.join("\n"));
        let text = format!("\n## RFC 1\n\n{}\n## RFC 4918\n\n{table}\n", rows[0]);
        assert_eq!(unfounded(&text).collect::<Vec<_>>(), [rows[1], rows[5]]);
        let told = "Of 6 requirements of RFC 4918, 2 are met, 1 in part, 1 not, and 1 are about what \
                    isn't there.";
        assert_eq!(count(&text), told);
    }
}
