//! The conformance suites: one file in `conformance/tests/` each, run one after the other against
//! the release binary.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::report::{Ending, Report};
use crate::workspace::{Workspace, succeed};
use crate::{Result, tool};

/// What a suite prints, at the start of a line, for each test that it didn't run.
const SKIPPED: &str = "SKIPPED ";

/// Builds what the suites need, then runs those that are asked for.
pub(crate) fn run_all(workspace: &Workspace, report: &mut Report, strict: bool) -> Result {
    let wanted: Vec<_> = suites(workspace)?.into_iter().filter(|name| report.wants(name)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    report.always("npm", || tool::npm_packages(workspace));
    let built = report.always("build", || {
        // What people run is what is tested: the release profile.
        succeed(&mut workspace.cargo("build --quiet --release --package polydav"))?;
        succeed(&mut workspace.cargo("test --quiet --package conformance --no-run"))
    });
    report.always("harness", || {
        succeed(&mut workspace.cargo("test --quiet --package conformance --lib"))
    });
    for name in wanted {
        // Never against a binary of yesterday.
        report.always(&name, || {
            if built { run(workspace, &name, strict) } else { Err("the build failed".to_owned()) }
        });
    }
    Ok(())
}

fn suites(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join("conformance/tests");
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| format!("{}: {e}", folder.display()))?.path();
        if path.extension().is_some_and(|e| e == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Runs one suite, showing its output, and notices what it skipped.
fn run(workspace: &Workspace, name: &str, strict: bool) -> Result<Ending> {
    let mut command = workspace.cargo("test --quiet --package conformance --test");
    command.args([name, "--", "--show-output"]);
    environment(workspace, &mut command, strict);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
    let mut skipped = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.map_err(|e| e.to_string())?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            skipped.extend(line.strip_prefix(SKIPPED).map(str::to_owned));
        }
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    match (status.success(), skipped.is_empty()) {
        (false, _) => Err(format!("{status}")),
        (true, true) => Ok(Ending::Passed),
        (true, false) => Ok(Ending::Skipped(skipped.join("; "))),
    }
}

fn environment(workspace: &Workspace, command: &mut Command, strict: bool) {
    if env::var_os("POLYDAV_BIN").is_none() {
        command.env("POLYDAV_BIN", workspace.target.join("release/polydav"));
    }
    command.env("POLYDAV_TOOLS", workspace.tools());
    if strict {
        command.env("POLYDAV_STRICT", "1");
    }
}
