//! What the figures were measured with.

use std::fs::read_to_string;

use crate::Result;
use crate::peer::Kind;
use crate::process::said;

/// The machine and the versions, as Markdown.
pub(crate) fn describe() -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".to_owned());
    let kernel = read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel = kernel.trim();
    let commit = said("git", &["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "--short", "HEAD"]);
    let (peers, rustc) = (Kind::ALL.map(Kind::described).join("; "), said("rustc", &["--version"]));
    let (sqlite, postgres) = (rusqlite::version(), said("psql", &["--version"]));
    Ok(format!(
        "| with | |\n|---|---|\n| processor | {model}, {cores} cores |\n| memory | {memory} |\n\
         | kernel | Linux {kernel} |\n| polydav | {} at {commit}, release build |\n\
         | compiler | {rustc} |\n\
         | peers | {peers} |\n\
         | databases | SQLite {sqlite}; {postgres} |\n",
        env!("CARGO_PKG_VERSION")
    ))
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
