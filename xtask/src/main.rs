//! `cargo xtask`: the project's chores, the same at a desk and in CI.
//!
//! `test` is the one command that runs every check and every test; `fuzz` runs libFuzzer; `bench`
//! measures. This file only reads the arguments; each chore is a file of its own. No dependencies,
//! so that it compiles in a second.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod bench;
mod debian;
mod fuzz;
mod house;
mod matrix;
mod report;
mod suite;
mod test;
mod tidy;
mod tool;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask test [STEP]...                    run all checks and tests, or only the steps named
       cargo xtask fuzz [TARGET] [--seconds SECONDS] run libFuzzer on one target, or on each in turn
       cargo xtask bench [--runs N] [--quick] [--work TEXT] [PART]... measure memory and speed, as root
";

/// What a chore answers: an error is one message for the person at the terminal.
type Result<T = ()> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match chore(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn chore(arguments: &[String]) -> Result {
    let workspace = Workspace::find()?;
    match arguments.split_first() {
        Some((name, only)) if name == "test" => test::run(&workspace, only),
        Some((name, rest)) if name == "fuzz" => fuzz::run(&workspace, rest),
        Some((name, rest)) if name == "bench" => bench::run(&workspace, rest),
        _ => Err(format!("no such chore\n{USAGE}")),
    }
}
