//! What a suite needs, and what happens where it is missing.

use std::path::PathBuf;

use crate::server;

/// Whether all these programs are here, and the binary under test.
///
/// If not, the test is skipped loudly, or fails if `POLYDAV_STRICT` is set. A suite begins with
/// `if !require(&["litmus"]) { return; }`.
pub fn require(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| find_program(program).is_none());
    let reason = match missing {
        Some(program) => Some(format!("{program} is not installed")),
        None if server::find_binary().is_none() => Some("there is no polydav binary".to_owned()),
        None => None,
    };
    met(reason)
}

/// Whether the tests run as root, which a few need: to mount, or to set file attributes.
pub fn require_root() -> bool {
    met((!is_root()).then(|| "not root".to_owned()))
}

/// The folder of an npm package, if it is installed in the tools folder.
pub fn require_node_package(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("POLYDAV_TOOLS").map(PathBuf::from).unwrap_or_default();
    let package = folder.join("npm/node_modules").join(name);
    let reason = (!package.is_dir()).then(|| format!("the npm package {name} is not installed"));
    met(reason).then_some(package)
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where a program lies: on the search path, or where only root's search path leads.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut places = std::env::split_paths(&path).chain(more);
    places.find_map(|folder| Some(folder.join(name)).filter(|program| program.is_file()))
}

pub(crate) fn met(missing: Option<String>) -> bool {
    let Some(reason) = missing else { return true };
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var_os("POLYDAV_STRICT").is_none(), "{test} was skipped: {reason}");
    println!("SKIPPED {test}: {reason}");
    false
}
