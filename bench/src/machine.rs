//! What the figures were measured with.

use std::fs::read_to_string;
use std::process::Command;

use crate::Result;

/// The machine and the versions, as Markdown.
pub(crate) fn describe() -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".to_owned());
    let kernel = read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel = kernel.trim();
    let commit = said("git", &["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "--short", "HEAD"]);
    let (nginx, rustc) = (said("nginx", &["-v"]), said("rustc", &["--version"]));
    let [apache, lighttpd] = ["apache2", "lighttpd"].map(|program| said(program, &["-v"]));
    let [apache, lighttpd] =
        [&apache, &lighttpd].map(|said| said.lines().next().unwrap_or("unknown"));
    let (sqlite, postgres) = (rusqlite::version(), said("psql", &["--version"]));
    Ok(format!(
        "| with | |\n|---|---|\n| processor | {model}, {cores} cores |\n| memory | {memory} |\n\
         | kernel | Linux {kernel} |\n| polydav | {} at {commit}, release build |\n\
         | compiler | {rustc} |\n\
         | peers | {nginx}, module dav-ext, two workers; {apache}, mod_dav, event MPM; {lighttpd}, mod_webdav |\n\
         | databases | SQLite {sqlite}; {postgres} |\n",
        env!("CARGO_PKG_VERSION")
    ))
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What a program says of itself, on whichever output.
fn said(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return "unknown".to_owned();
    };
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).trim().to_owned()
}
