//! Measures what polydav promises about memory and speed, beside its peers, and writes it down.
//!
//! Call it as `cargo xtask bench`. It needs root, for it works on a journaled ext4 image of its
//! own: figures from whatever lies below a temporary folder can't be compared. nginx with its
//! module dav-ext and Apache with mod_dav are asked the same in turns, in the same run; ratios last
//! longer than seconds.
//!
//! It is no test: it fails only if something can't be measured.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod batch;
mod client;
mod content;
mod drive;
mod fault;
mod growth;
mod idle;
mod image;
mod listing;
mod load;
mod machine;
mod median;
mod peer;
mod plot;
mod polydav;
mod process;
mod records;
mod report;
mod requests;

use std::path::Path;
use std::process::ExitCode;

use crate::image::Image;
use crate::report::Report;

/// An error is one message for the person at the terminal.
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "\
usage: cargo xtask bench [--runs N] [--quick] [--work TEXT] [PART]...
  PART     one of: listing, requests, batch, content, idle, records, growth; all, if
           none is named
  --runs   how often each is measured (7), one more if that is even
  --work   of the requests, only those in whose names this stands
  --quick  a tenth of everything, and nothing written down: to see whether it works
";

/// Measures a part in a folder.
type Measure = fn(&Path, &Settings, &mut Report) -> Result;

/// In the order in which they are measured: the last one makes and removes millions of files.
const PARTS: [(&str, Measure); 7] = [
    ("listing", listing::measure),
    ("requests", requests::measure),
    ("batch", batch::measure),
    ("content", content::measure),
    ("idle", idle::measure),
    ("records", records::measure),
    ("growth", growth::measure),
];

/// Medians of fewer runs aren't written down.
const RUNS_MIN: usize = 3;

/// What to measure, and how thoroughly.
#[derive(Debug)]
pub(crate) struct Settings {
    parts: Vec<String>,
    /// How often each is measured; the median counts.
    pub(crate) runs: usize,
    /// By what everything is made smaller.
    pub(crate) shrink: usize,
    /// What stands in the names of the works that are wanted.
    work: String,
}

impl Settings {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut settings = Self { parts: Vec::new(), runs: 7, shrink: 1, work: String::new() };
        let mut rest = arguments;
        while let Some(argument) = rest.next() {
            match &*argument {
                "--quick" => settings.shrink = 10,
                "--work" => settings.work = rest.next().ok_or(USAGE)?,
                // An odd number has one in the middle, and brings back what is moved there and back.
                "--runs" => settings.runs = rest.next().ok_or(USAGE)?.parse::<usize>()? | 1,
                part if PARTS.iter().any(|(name, _)| *name == part) => {
                    settings.parts.push(argument);
                }
                // Its name before there was more to it.
                "moves" => settings.parts.push("batch".to_owned()),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(settings)
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }

    pub(crate) fn wants_work(&self, name: &str) -> bool {
        name.contains(&self.work)
    }

    /// Whether the figures are those of the whole, to be written down.
    fn is_whole(&self) -> bool {
        self.parts.is_empty() && self.shrink == 1 && self.work.is_empty() && self.runs >= RUNS_MIN
    }
}

fn main() -> ExitCode {
    match Settings::parse(std::env::args().skip(1)).and_then(|settings| run(&settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: &Settings) -> Result {
    let image = Image::make()?;
    let mut report = Report::default();
    for (_, measure) in PARTS.iter().filter(|(part, _)| settings.wants(part)) {
        measure(image.path(), settings, &mut report)?;
    }
    println!("\n{}", report.table());
    if settings.is_whole() {
        write_down(&report, settings)?;
    }
    Ok(())
}

/// Writes the page and its plots.
fn write_down(report: &Report, settings: &Settings) -> Result {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    std::fs::write(docs.join("performance.md"), report.page(&machine::describe()?, settings.runs))?;
    std::fs::create_dir_all(docs.join("performance"))?;
    for plot in report.plots() {
        std::fs::write(docs.join(format!("performance/{}.svg", plot.file)), plot.svg())?;
    }
    println!("written to docs/performance.md");
    Ok(())
}
