//! How the servers in Rust are started: they need no configuration.

use std::process::{Command, Stdio};

use super::{Place, tool};

pub(super) fn dufs(place: &Place<'_>) -> Command {
    let mut command = Command::new(tool("dufs"));
    let (host, port) = (place.address.ip().to_string(), place.address.port().to_string());
    command.args(["--allow-all", "--bind", &host, "--port", &port]);
    // Nobody writes an access log.
    command.args(["--log-format", ""]).arg(place.folder).stdout(Stdio::null());
    command
}

pub(super) fn dav_server(place: &Place<'_>) -> Command {
    let mut command = Command::new(tool("bench-dav-server"));
    command.arg(place.folder).arg(place.address.to_string());
    command
}
