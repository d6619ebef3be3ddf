//! How rclone is started: it needs no configuration, and remembers folders for minutes.

use std::process::Command;

use super::Place;

pub(super) fn command(place: &Place<'_>) -> Command {
    let mut command = Command::new("rclone");
    command.args(["serve", "webdav", "--addr", &place.address.to_string()]);
    command.args(["--log-level", "ERROR", "--config", ""]).arg(place.folder);
    command
}
