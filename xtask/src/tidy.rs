//! What a reviewer would otherwise have to say again and again.

use std::path::Path;

use crate::workspace::{Workspace, read};
use crate::{Result, matrix};

/// Written in two parts so that this file doesn't find itself.
const SLEEP: &str = concat!("sleep", "(");

/// Checks every source and the matrix, and tells everything that is wrong at once.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let mut wrong = Vec::new();
    let mut sources = Vec::new();
    for source in workspace.sources()? {
        let text = read(&source)?;
        let shown = workspace.shown(&source);
        source_text(&shown, &text, &mut wrong);
        sources.push((shown, text));
    }
    matrix::check(workspace, &sources, &mut wrong)?;
    if wrong.is_empty() { Ok(()) } else { Err(format!("\n  {}", wrong.join("\n  "))) }
}

fn source_text(shown: &str, text: &str, wrong: &mut Vec<String>) {
    if !text.starts_with("//!") && !text.starts_with("#![doc = include_str!") {
        wrong.push(format!("{shown} doesn't begin with `//!`: what it owns and what it doesn't"));
    }
    let tests = if is_test_file(shown) { Some(text) } else { inline_tests(text) };
    for line in tests.unwrap_or_default().lines() {
        if line.contains(SLEEP) {
            wrong.push(format!("{shown} sleeps in a test: {}", line.trim()));
        }
    }
}

fn is_test_file(shown: &str) -> bool {
    shown.starts_with("conformance/")
        || Path::new(shown).components().any(|part| part.as_os_str() == "tests")
        || shown.ends_with("/tests.rs")
}

/// The unit tests, which stand at the bottom of a file.
fn inline_tests(text: &str) -> Option<&str> {
    text.find("#[cfg(test)]").map(|start| &text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(shown: &str, text: &str) -> usize {
        let mut wrong = Vec::new();
        source_text(shown, text, &mut wrong);
        wrong.len()
    }

    #[test]
    fn a_file_without_docs_and_a_sleeping_test_are_told() {
        assert_eq!(told("crates/a/src/lib.rs", "//! Docs.\n"), 0);
        assert_eq!(told("crates/a/src/lib.rs", "fn main() {}\n"), 1);
        let sleeping = format!("//! Docs.\n#[cfg(test)]\nmod tests {{ {SLEEP}1) }}\n");
        assert_eq!(told("crates/a/src/lib.rs", &sleeping), 1);
        assert_eq!(told("crates/a/src/lib.rs", &format!("//! Docs.\n{SLEEP}1)\n")), 0);
        assert_eq!(told("crates/a/tests/it.rs", &format!("//! Docs.\n{SLEEP}1)\n")), 1);
    }
}
