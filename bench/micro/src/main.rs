//! Counts the instructions of what polydav does most often, and holds each count to a bound.
//!
//! `cargo xtask test micro` calls it. What is counted, and the bounds, stand in `case.rs`. Seconds
//! differ from run to run and from machine to machine; counts hardly do, and so they can be held to
//! bounds. They say nothing of waiting, of caches, or of what the system does.
//!
//! Nothing here touches a folder or a socket: the store is the one in memory.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod answer;
mod body;
mod case;
mod count;
mod lock;
mod path;
mod plan;
mod report;
mod service;
mod work;
mod world;

use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;

use crate::case::{CASES, Case};
use crate::report::Line;

/// An error is one message for the person at the terminal.
type Result<T = ()> = std::result::Result<T, String>;

const USAGE: &str = "\
usage: micro [TEXT]    count all cases, or those in whose names the text stands
       micro --do N    do the work of one case, for a profiler
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *arguments {
        [] => judge(""),
        ["--do", number] => act(number),
        [text] if !text.starts_with('-') => judge(text),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("micro: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts the cases in whose names `text` stands. All are counted before any is complained of.
fn judge(text: &str) -> Result {
    if cfg!(debug_assertions) {
        return Err("the bounds are those of the release profile".to_owned());
    }
    let wanted: Vec<_> = (0..).zip(CASES).filter(|(_, case)| case.name.contains(text)).collect();
    if wanted.is_empty() {
        return Err(format!("there is no case in whose name {text:?} stands"));
    }
    println!("{}", report::HEADING);
    let processors = available_parallelism().map_or(1, NonZero::get);
    let mut wrong = Vec::new();
    for cases in wanted.chunks(processors) {
        let counts = count::beside(cases.iter().map(|(number, _)| *number));
        for ((number, case), count) in cases.iter().zip(counts) {
            let line = Line { number: *number, case, count: count? };
            println!("{line}");
            wrong.extend(line.complaint());
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("\n  {}", wrong.join("\n  "))) }
}

/// Does what one case is about, and says of how many items that was.
fn act(number: &str) -> Result {
    let case: Option<&Case> = number.parse().ok().and_then(|number: usize| CASES.get(number));
    let case = case.ok_or_else(|| format!("there is no case {number}"))?;
    let mut work = (case.prepare)(case.size);
    count::counted(&mut *work.act);
    println!("{}", work.items);
    Ok(())
}
