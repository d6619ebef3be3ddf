//! How instructions are counted: by callgrind, a tool of valgrind, in a process for each case.
//!
//! Callgrind writes down what it counted up to there whenever [`counted`] begins, and when it ends:
//! the second sheet holds that function alone, with what all threads did meanwhile.

use std::path::Path;
use std::process::Command;
use std::{fs, thread};

use crate::Result;

/// What a case came to.
pub(crate) struct Count {
    pub(crate) instructions: u64,
    pub(crate) items: u64,
}

/// The name of the function below, as callgrind spells it.
const COUNTED: &str = "micro::count::counted";

/// What is done in here is counted.
#[inline(never)]
pub(crate) fn counted(act: &mut dyn FnMut()) {
    act();
    // So that this function doesn't end before what it calls.
    std::hint::black_box(());
}

/// Counts the cases of these numbers beside each other.
pub(crate) fn beside(numbers: impl Iterator<Item = usize>) -> Vec<Result<Count>> {
    thread::scope(|scope| {
        let counting: Vec<_> = numbers.map(|number| scope.spawn(move || of(number))).collect();
        counting.into_iter().map(|one| one.join().expect("counting doesn't panic")).collect()
    })
}

/// Counts the case of this number.
fn of(number: usize) -> Result<Count> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let sheets = program.with_file_name("micro-sheets");
    fs::create_dir_all(&sheets).map_err(|e| format!("{}: {e}", sheets.display()))?;
    let sheet = sheets.join(number.to_string());
    let second = sheet.with_extension("2");
    // Never the sheet of yesterday.
    let _ = fs::remove_file(&second);
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind"]);
    valgrind.args([format!("--dump-before={COUNTED}"), format!("--dump-after={COUNTED}")]);
    valgrind.arg(format!("--callgrind-out-file={}", sheet.display()));
    valgrind.arg(program).args(["--do", &number.to_string()]);
    let output = valgrind.output().map_err(|e| format!("valgrind: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.trim().parse() {
        Ok(items) if output.status.success() => Ok(Count { instructions: total(&second)?, items }),
        _ => Err(format!("case {number}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// The sum at the end of a sheet.
fn total(sheet: &Path) -> Result<u64> {
    let text = fs::read_to_string(sheet).map_err(|e| format!("{}: {e}", sheet.display()))?;
    let total = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.ok_or_else(|| format!("{}: there is no sum", sheet.display()))
}
