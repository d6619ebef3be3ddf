//! `cargo xtask fuzz`: libFuzzer on the targets of `fuzz/`.
//!
//! libFuzzer needs unstable compiler flags; `RUSTC_BOOTSTRAP=1` allows them on the stable
//! toolchain that the project is pinned to.

use std::path::PathBuf;

use crate::workspace::{Workspace, on_path, output, succeed};
use crate::{Result, tool};

const CARGO_FUZZ_VERSION: &str = "0.13.2";
const SECONDS_DEFAULT: u32 = 60;

/// What to fuzz, and for how long each.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    target: Option<String>,
    seconds: u32,
}

/// Fuzzes one target, or each in turn.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result {
    let wanted = parse(arguments)?;
    if !workspace.root.join("fuzz/Cargo.toml").exists() {
        return Err("there is no fuzz/ folder".to_owned());
    }
    if !on_path("cargo-fuzz") && !workspace.tools().join("bin/cargo-fuzz").exists() {
        tool::compile(workspace, "cargo-fuzz", CARGO_FUZZ_VERSION)?;
    }
    let targets = match wanted.target {
        Some(target) => vec![target],
        None => output(fuzz(workspace).arg("list"))?.lines().map(str::to_owned).collect(),
    };
    let time = format!("-max_total_time={}", wanted.seconds);
    for target in &targets {
        println!("\n==== fuzz {target} ====");
        // What is found goes to the first folder; what the tests run on is only read.
        let found = workspace.target.join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&found).map_err(|e| format!("{}: {e}", found.display()))?;
        let mut run = fuzz(workspace);
        run.args(["run", target]).arg(found).args(seeds(workspace, target)?);
        succeed(run.args(["--", &time]))?;
    }
    Ok(())
}

/// The folders of the crates' corpora for a target.
fn seeds(workspace: &Workspace, target: &str) -> Result<Vec<PathBuf>> {
    let crates = std::fs::read_dir(workspace.root.join("crates")).map_err(|e| e.to_string())?;
    let folders = crates.flatten().map(|entry| entry.path().join("tests/corpus").join(target));
    Ok(folders.filter(|folder| folder.is_dir()).collect())
}

fn parse(arguments: &[String]) -> Result<Wanted> {
    let mut wanted = Wanted { target: None, seconds: SECONDS_DEFAULT };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            let seconds = rest.next().and_then(|text| text.parse().ok());
            wanted.seconds = seconds.ok_or("--seconds wants a number")?;
        } else if argument.starts_with('-') || wanted.target.is_some() {
            return Err(format!("fuzz doesn't know {argument}"));
        } else {
            wanted.target = Some(argument.clone());
        }
    }
    Ok(wanted)
}

/// `cargo fuzz`, found in the tools folder too. Its target folder is its own: the flags differ.
fn fuzz(workspace: &Workspace) -> std::process::Command {
    let installed = workspace.tools().join("bin/cargo-fuzz");
    let program = if installed.exists() { installed } else { "cargo-fuzz".into() };
    let mut command = workspace.command(program);
    command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", workspace.target.join("fuzz"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Wanted> {
        parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn reads_a_target_and_a_time() {
        assert_eq!(parsed(""), Ok(Wanted { target: None, seconds: SECONDS_DEFAULT }));
        let both = Wanted { target: Some("if_header".to_owned()), seconds: 5 };
        assert_eq!(parsed("if_header --seconds 5"), Ok(both));
        assert!(parsed("--seconds many").is_err());
        assert!(parsed("one two").is_err());
    }
}
