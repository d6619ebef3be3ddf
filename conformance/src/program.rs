//! Running outsiders' programs: with a deadline, without a terminal, their output kept.

use std::ffi::OsStr;
use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// Far more than any client here needs, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(180);

/// A program that ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed on standard output.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
    shown: String,
}

impl Finished {
    /// Itself, if the program ended with 0; the test fails otherwise.
    #[track_caller]
    pub fn success(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }

    /// Itself, if standard output holds `text`; the test fails otherwise.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} from {self}");
        self
    }
}

impl Display for Finished {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { status, stdout, stderr, shown } = self;
        write!(f, "{shown}\n{status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Runs a program to its end. One that hangs is killed with its children, and the test fails.
#[track_caller]
pub fn run(command: &mut Command) -> Finished {
    run_with_input(command, Stdio::null())
}

/// Runs a program that reads `input`.
#[track_caller]
pub fn run_with_text(command: &mut Command, input: &str) -> Finished {
    let mut file = scratch();
    std::io::Write::write_all(&mut file, input.as_bytes()).expect("a scratch file takes input");
    file.rewind().expect("a scratch file rewinds");
    run_with_input(command, file.into())
}

/// Runs a script of `sh` that stops at the first failure, in a folder.
#[track_caller]
pub fn shell(folder: &Path, environment: &[(&str, &str)], script: &str) -> Finished {
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(folder);
    run(command.envs(environment.iter().copied()))
}

#[track_caller]
fn run_with_input(command: &mut Command, input: Stdio) -> Finished {
    // Files, not pipes: a daemon that keeps its output open can't keep us waiting.
    let (mut stdout, mut stderr) = (scratch(), scratch());
    command.stdin(input).stdout(copy(&stdout)).stderr(copy(&stderr)).process_group(0);
    let shown = show(command);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let ended = ends_within(&child, DEADLINE);
    if !ended {
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    }
    let status = child.wait().expect("a child can be waited for");
    let finished = Finished { status, stdout: text(&mut stdout), stderr: text(&mut stderr), shown };
    assert!(ended, "not done after {DEADLINE:?}: {finished}");
    finished
}

/// Waits until a process ends; false if it is still there after that time.
pub(crate) fn ends_within(child: &Child, time: Duration) -> bool {
    let handle = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("a child is there");
    let mut ended = [PollFd::new(&handle, PollFlags::IN)];
    let time = Timespec::try_from(time).expect("a deadline fits");
    loop {
        match poll(&mut ended, Some(&time)) {
            Ok(events) => return events > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}

fn scratch() -> File {
    tempfile::tempfile().expect("the temporary folder takes files")
}

fn copy(file: &File) -> Stdio {
    file.try_clone().expect("a file handle can be copied").into()
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().expect("a scratch file rewinds");
    file.read_to_end(&mut bytes).expect("a scratch file can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_a_program_says() {
        let here = Path::new("/");
        shell(here, &[("WORD", "hello")], "echo $WORD; pwd").success().says("hello\n/\n");
        assert_eq!(shell(here, &[], "false; echo never").stdout, "");
        assert_eq!(run_with_text(&mut Command::new("cat"), "input").stdout, "input");
    }
}
