//! litmus, the WebDAV protocol test suite, and what it says.

use std::process::Command;

use crate::{Folder, run};

/// All suites of litmus 0.13.
const SUITES: [&str; 5] = ["basic", "copymove", "props", "locks", "http"];

/// Runs all suites against a URL; fails the test unless every one of litmus's tests passes,
/// without a warning but those named in `tolerated`.
#[track_caller]
pub fn passes(url: &str, tolerated: &[&str]) {
    let scratch = Folder::new();
    let mut litmus = Command::new("litmus");
    litmus.args(["--keep-going", url]).current_dir(scratch.path());
    let said = run(litmus.env("TESTS", SUITES.join(" ")));
    let complaints = complaints(&said.stdout, tolerated);
    assert!(complaints.is_empty(), "{complaints:#?}\n{said}");
    assert!(said.status.success(), "{said}");
}

/// What isn't good in litmus's output: failures, warnings, skipped tests, missing suites.
fn complaints(output: &str, tolerated: &[&str]) -> Vec<String> {
    // Each test's line is written over itself with carriage returns: the last writing counts.
    let lines: Vec<&str> =
        output.lines().map(|line| line.rsplit('\r').next().unwrap_or(line)).collect();
    let bad = ["FAIL", "WARNING", "SKIPPED"];
    let mut complaints: Vec<String> = (lines.iter())
        .filter(|line| bad.iter().any(|word| line.contains(word)))
        .filter(|line| !tolerated.iter().any(|text| line.contains(text)))
        .map(|line| (*line).to_owned())
        .collect();
    for suite in SUITES {
        let summary = lines.iter().find(|line| line.contains(&format!("summary for `{suite}'")));
        match summary {
            Some(line) if line.contains(" 0 failed. 100.0%") => {}
            Some(line) => complaints.push((*line).to_owned()),
            None => complaints.push(format!("the suite {suite} didn't run")),
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_failures_and_missing_suites() {
        let all: String = SUITES.map(|suite| {
            format!("\r 0. init... \r 0. init... pass\n<- summary for `{suite}': of 1 tests run: 1 passed, 0 failed. 100.0%\n")
        }).concat();
        assert_eq!(complaints(&all, &[]), [""; 0]);
        assert_eq!(complaints(&all.replace("`http'", "`x'"), &[]).len(), 1);
        let warned = format!("    WARNING: it warns\n{all}");
        assert_eq!(complaints(&warned, &[]).len(), 1);
        assert_eq!(complaints(&warned, &["it warns"]).len(), 0);
    }
}
