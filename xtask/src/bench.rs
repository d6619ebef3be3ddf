//! `cargo xtask bench`: memory and speed of what people run, the release build.

use crate::workspace::{Workspace, succeed};
use crate::{Result, debian, tool};

/// What polydav is compared with, and what an image is made with.
const PACKAGES: [&str; 7] = [
    "apache2",
    "e2fsprogs",
    "libnginx-mod-http-dav-ext",
    "lighttpd-mod-webdav",
    "nginx",
    "postgresql",
    "rclone",
];

/// Builds the binary and what measures it, has what it is compared with, and runs that with the
/// arguments given.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result {
    debian::install(&PACKAGES)?;
    tool::dufs(workspace)?;
    tool::dav_server(workspace)?;
    succeed(&mut workspace.cargo("build --quiet --release --package polydav --package bench"))?;
    succeed(workspace.command(workspace.target.join("release/bench")).args(arguments))
}
