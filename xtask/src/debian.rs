//! The Debian packages that tests and measurements call, installed when that is possible.
//!
//! Nothing is installed unless this is root on a Debian system, and no daemon is started by an
//! installation: a `policy-rc.d` that forbids it stands in the way meanwhile.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Result;
use crate::report::Ending;
use crate::workspace::{on_path, output, succeed};

/// What the steps of a test call.
const TESTS: [&str; 21] = [
    "apache2",
    "cadaver",
    "curl",
    "davfs2",
    "dbus-daemon",
    "e2fsprogs",
    "gvfs",
    "gvfs-backends",
    "libglib2.0-bin",
    "litmus",
    "nginx",
    "openssl",
    "php-cli",
    "php-curl",
    "postgresql",
    "python3",
    "python3-requests",
    "rclone",
    "sqlite3",
    "util-linux",
    "valgrind",
];

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Whether this process may install packages here.
pub(crate) fn can_install() -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    root && on_path("apt-get")
}

/// Installs what the steps of a test call and is missing.
pub(crate) fn install_for_tests() -> Result<Ending> {
    // Where they come from somewhere else, that will do.
    let node = [("node", "nodejs"), ("npm", "npm")];
    let node = node.into_iter().filter(|(program, _)| !on_path(program)).map(|(_, name)| name);
    install(&TESTS.into_iter().chain(node).collect::<Vec<_>>())
}

/// Installs those that are missing.
pub(crate) fn install(packages: &[&str]) -> Result<Ending> {
    let missing: Vec<_> = packages.iter().copied().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        println!("nothing is missing");
        return Ok(Ending::Passed);
    }
    let names = missing.join(" ");
    if !can_install() {
        return Ok(Ending::Skipped(format!("not root on Debian; missing may be: {names}")));
    }
    println!("installing {names}");
    let _policy = Policy::forbid_daemons()?;
    succeed(&mut apt("update"))?;
    succeed(apt("install").args(["--yes", "--no-install-recommends"]).args(&missing))?;
    Ok(Ending::Passed)
}

fn installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    output(&mut query).is_ok_and(|status| status == "installed")
}

fn apt(verb: &str) -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["--quiet", "--quiet", verb]);
    command.stdin(Stdio::null());
    command
}

/// While this lives, installing a package starts no daemon.
struct Policy {
    ours: bool,
}

impl Policy {
    fn forbid_daemons() -> Result<Self> {
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(POLICY);
        let ours = match file {
            Ok(mut file) => std::io::Write::write_all(&mut file, b"#!/bin/sh\nexit 101\n"),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Ok(Self { ours: false });
            }
            Err(error) => Err(error),
        };
        ours.map(|()| Self { ours: true }).map_err(|e| format!("{POLICY}: {e}"))
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.ours && Path::new(POLICY).exists() {
            let _ = fs::remove_file(POLICY);
        }
    }
}
