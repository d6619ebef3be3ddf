//! `docs/rfc-matrix.md` may name only tests that exist.
//!
//! In the matrix a test is written in backticks with its module, `propfind::depth_missing`, and a
//! file (a transcript, a suite) with its path from the root, `conformance/tests/litmus.rs`.

use crate::Result;
use crate::workspace::{Workspace, read};

const MATRIX: &str = "docs/rfc-matrix.md";

/// Adds a line to `wrong` for every name in the matrix that nothing bears.
pub(crate) fn check(workspace: &Workspace, sources: &[String], wrong: &mut Vec<String>) -> Result {
    let path = workspace.root.join(MATRIX);
    if !path.exists() && !workspace.root.join("ARCHITECTURE.md").exists() {
        return Ok(());
    }
    for name in quoted(&read(&path)?) {
        if let Some((_, test)) = name.rsplit_once("::") {
            let declaration = format!("fn {test}(");
            if !sources.iter().any(|text| text.contains(&declaration)) {
                wrong.push(format!("{MATRIX} names the test {name}, which doesn't exist"));
            }
        } else if is_path(name) && !workspace.root.join(name).exists() {
            wrong.push(format!("{MATRIX} names the file {name}, which doesn't exist"));
        }
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
}
