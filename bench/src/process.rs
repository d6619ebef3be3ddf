//! Servers under measurement: started, weighed, ended.

use std::ffi::OsStr;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

/// A child that is asked to end when it is dropped.
#[derive(Debug)]
pub(crate) struct Process(pub(crate) Child);

/// How much memory a process takes, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident: u64,
    /// At most, since it began.
    pub(crate) peak: u64,
}

impl Process {
    /// What it takes.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let value = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|line| line.split_whitespace().next()).ok_or(name)?;
            Ok(kibibytes.parse::<u64>()? * 1024)
        };
        Ok(Memory { resident: value("VmRSS:")?, peak: value("VmHWM:")? })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

/// Runs a command to its end; anything but success is an error.
pub(crate) fn succeed(command: &mut Command) -> Result {
    let name = command.get_program().display().to_string();
    let status = command.status().map_err(|error| format!("{name}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name}: {status}").into()) }
}

/// The first line of what a program says of itself, on whichever output.
pub(crate) fn said(program: impl AsRef<OsStr>, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let said = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    said.lines().next().unwrap_or("unknown").trim().to_owned()
}
