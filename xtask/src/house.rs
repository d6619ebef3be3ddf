//! The house holds: arrows between crates point down, and heavy things stay where they belong.
//!
//! What is checked is what cargo resolves, not what manifests say, so a dependency of a
//! dependency counts.

use std::collections::BTreeSet;

use crate::Result;
use crate::workspace::{Workspace, output, read};

/// Each crate, and the crates of the workspace that it may name in `[dependencies]`.
const ARROWS: [(&str, &[&str]); 9] = [
    ("multistatus", &[]),
    ("polydav-proto", &["multistatus"]),
    ("polydav-store", &[]),
    ("polydav-engine", &["polydav-store"]),
    ("polydav-dav", &["multistatus", "polydav-proto", "polydav-engine", "polydav-store"]),
    ("polydav-fs", &["polydav-store"]),
    ("polydav-sql", &["polydav-store"]),
    (
        "polydav-server",
        &["multistatus", "polydav-proto", "polydav-engine", "polydav-store", "polydav-dav"],
    ),
    (
        "polydav",
        &[
            "multistatus",
            "polydav-proto",
            "polydav-engine",
            "polydav-store",
            "polydav-dav",
            "polydav-server",
            "polydav-fs",
            "polydav-sql",
        ],
    ),
];

/// The crates without sockets, files and databases.
const PURE: [&str; 5] =
    ["multistatus", "polydav-proto", "polydav-store", "polydav-engine", "polydav-dav"];

/// Packages that must not be found anywhere beneath a pure crate.
const HEAVY: [&str; 8] = [
    "hyper",
    "hyper-util",
    "rustix",
    "mio",
    "rusqlite",
    "libsqlite3-sys",
    "tokio-postgres",
    "sqlx",
];

/// Features of tokio that would let a pure crate reach the world.
const HEAVY_TOKIO: [&str; 4] = ["net", "fs", "process", "full"];

/// Databases and adapters, of which the HTTP front knows nothing.
const NOT_IN_SERVER: [&str; 6] =
    ["polydav-fs", "polydav-sql", "rusqlite", "libsqlite3-sys", "tokio-postgres", "sqlx"];

/// The crates that may speak of HTTP status codes.
const STATUS_CODE: [&str; 4] = ["multistatus", "polydav-proto", "polydav-dav", "polydav-server"];

/// Checks all of it, and tells everything that is wrong at once.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let mut wrong = Vec::new();
    members(workspace, &mut wrong)?;
    for (name, allowed) in ARROWS {
        arrows(&direct(workspace, name)?, name, allowed, &mut wrong);
    }
    for name in PURE {
        pure(&beneath(workspace, name)?, name, &mut wrong);
    }
    for package in beneath(workspace, "polydav-server")? {
        if NOT_IN_SERVER.contains(&package.name.as_str()) {
            wrong.push(format!("polydav-server depends on {}", package.name));
        }
    }
    status_codes(workspace, &mut wrong)?;
    if wrong.is_empty() { Ok(()) } else { Err(format!("\n  {}", wrong.join("\n  "))) }
}

/// A package as cargo resolved it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    features: Vec<String>,
}

/// Every crate of the workspace stands in the table above.
fn members(workspace: &Workspace, wrong: &mut Vec<String>) -> Result {
    let folder = workspace.root.join("crates");
    for entry in std::fs::read_dir(&folder).map_err(|e| format!("crates: {e}"))? {
        let name = entry.map_err(|e| e.to_string())?.file_name().to_string_lossy().into_owned();
        if !ARROWS.iter().any(|(known, _)| *known == name) {
            wrong.push(format!("crates/{name} has no arrows in xtask/src/house.rs"));
        }
    }
    Ok(())
}

fn direct(workspace: &Workspace, name: &str) -> Result<BTreeSet<Package>> {
    tree(workspace, name, "--depth 1")
}

fn beneath(workspace: &Workspace, name: &str) -> Result<BTreeSet<Package>> {
    tree(workspace, name, "")
}

/// What `name` needs to be built with all its features, itself left out.
fn tree(workspace: &Workspace, name: &str, more: &str) -> Result<BTreeSet<Package>> {
    let mut tree = workspace.cargo("tree --quiet --edges normal,no-proc-macro --all-features");
    tree.args(["--prefix", "none", "--format", "{p}\t{f}", "--package", name]);
    let lines = output(tree.args(more.split_whitespace()))?;
    Ok(lines.lines().filter_map(package).filter(|package| package.name != name).collect())
}

/// Reads a line such as `tokio v1.47.1<TAB>default,rt (*)`.
fn package(line: &str) -> Option<Package> {
    let (package, features) = line.split_once('\t')?;
    let features = features.trim_end_matches("(*)").trim();
    Some(Package {
        name: package.split_whitespace().next()?.to_owned(),
        features: features.split(',').map(str::to_owned).collect(),
    })
}

fn arrows(direct: &BTreeSet<Package>, name: &str, allowed: &[&str], wrong: &mut Vec<String>) {
    for package in direct {
        let ours = ARROWS.iter().any(|(known, _)| *known == package.name);
        if ours && !allowed.contains(&package.name.as_str()) {
            wrong.push(format!("{name} depends on {}: that arrow points up", package.name));
        }
    }
}

fn pure(beneath: &BTreeSet<Package>, name: &str, wrong: &mut Vec<String>) {
    for package in beneath {
        if HEAVY.contains(&package.name.as_str()) {
            wrong.push(format!("{name} pulls in {}", package.name));
        }
        for feature in &package.features {
            if package.name == "tokio" && HEAVY_TOKIO.contains(&feature.as_str()) {
                wrong.push(format!("{name} pulls in tokio's feature {feature}"));
            }
        }
    }
}

fn status_codes(workspace: &Workspace, wrong: &mut Vec<String>) -> Result {
    for source in workspace.sources()? {
        let shown = workspace.shown(&source);
        let mut parts = shown.split('/');
        let (Some("crates"), Some(krate)) = (parts.next(), parts.next()) else { continue };
        if !STATUS_CODE.contains(&krate) && read(&source)?.contains("StatusCode") {
            wrong.push(format!("{shown} speaks of StatusCode"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_of_the_tree() {
        let tokio = package("tokio v1.47.1\tdefault,net (*)").unwrap();
        assert_eq!(tokio.name, "tokio");
        assert_eq!(tokio.features, ["default", "net"]);
        let mut wrong = Vec::new();
        pure(&BTreeSet::from([tokio]), "multistatus", &mut wrong);
        assert_eq!(wrong, ["multistatus pulls in tokio's feature net"]);
    }

    #[test]
    fn an_arrow_that_points_up_is_told() {
        let up = BTreeSet::from([package("polydav-dav v0.1.0 (/x)\t").unwrap()]);
        let mut wrong = Vec::new();
        arrows(&up, "polydav-store", &[], &mut wrong);
        assert_eq!(wrong, ["polydav-store depends on polydav-dav: that arrow points up"]);
    }
}
