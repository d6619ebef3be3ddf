//! The steps of a run: their headings, their times, and the table at the end.

use std::time::{Duration, Instant};

use crate::Result;

/// How a step ended when it didn't fail.
pub(crate) enum Ending {
    Passed,
    /// It didn't test what it should, and why.
    Skipped(String),
}

impl From<()> for Ending {
    fn from((): ()) -> Self {
        Self::Passed
    }
}

struct Line {
    name: String,
    ending: Result<Ending>,
    took: Duration,
}

/// Runs steps one after the other and remembers how each ended.
pub(crate) struct Report {
    only: Vec<String>,
    lines: Vec<Line>,
}

impl Report {
    /// A report on all steps, or, if any are named, on those only.
    pub(crate) fn new(only: &[String]) -> Self {
        Self { only: only.to_vec(), lines: Vec::new() }
    }

    /// Whether a step of this name is asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|asked| asked == name)
    }

    /// Runs a step if it is asked for; a failure doesn't keep the next one from running.
    pub(crate) fn step<E: Into<Ending>>(&mut self, name: &str, work: impl FnOnce() -> Result<E>) {
        if self.wants(name) {
            self.always(name, work);
        }
    }

    /// Runs a step on which others build, asked for or not; false if it failed.
    pub(crate) fn always<E: Into<Ending>>(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<E>,
    ) -> bool {
        println!("\n==== {name} ====");
        let start = Instant::now();
        let ending = work().map(Into::into);
        let took = start.elapsed();
        match &ending {
            Ok(Ending::Passed) => {}
            Ok(Ending::Skipped(reason)) => println!("SKIPPED {name}: {reason}"),
            Err(message) => println!("FAILED {name}: {message}"),
        }
        let good = ending.is_ok();
        self.lines.push(Line { name: name.to_owned(), ending, took });
        good
    }

    /// Prints the table, and says whether the run as a whole is good.
    ///
    /// With `strict`, a skipped step is as bad as a failed one.
    pub(crate) fn finish(self, strict: bool) -> Result {
        println!("\n{:<16} {:<8} {:>8}", "step", "result", "seconds");
        let (mut passed, mut failed, mut skipped) = (0, 0, Vec::new());
        for line in &self.lines {
            let result = match &line.ending {
                Ok(Ending::Passed) => {
                    passed += 1;
                    "ok"
                }
                Ok(Ending::Skipped(reason)) => {
                    skipped.push(format!("{}: {reason}", line.name));
                    "SKIPPED"
                }
                Err(_) => {
                    failed += 1;
                    "FAILED"
                }
            };
            println!("{:<16} {result:<8} {:>8.1}", line.name, line.took.as_secs_f64());
        }
        for skip in &skipped {
            println!("NOT TESTED: {skip}");
        }
        println!("\n{passed} passed, {failed} failed, {} skipped", skipped.len());
        if let Some(unknown) = self.only.iter().find(|o| !self.lines.iter().any(|l| l.name == **o))
        {
            return Err(format!("there is no step named {unknown}"));
        }
        if failed > 0 {
            return Err("the tests failed".to_owned());
        }
        if strict && !skipped.is_empty() {
            return Err("steps were skipped on a machine that can run them all".to_owned());
        }
        Ok(())
    }
}
