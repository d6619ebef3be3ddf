//! `cargo xtask bench`: memory and speed of what people run, the release build.

use crate::Result;
use crate::workspace::{Workspace, succeed};

/// Builds the binary and what measures it, and runs that with the arguments given.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result {
    succeed(&mut workspace.cargo("build --quiet --release --package polydav --package bench"))?;
    succeed(workspace.command(workspace.target.join("release/bench")).args(arguments))
}
