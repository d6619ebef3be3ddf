//! `cargo xtask test`: every check and every test, in one order, with a table at the end.

use crate::report::{Ending, Report};
use crate::workspace::{Workspace, on_path, succeed};
use crate::{Result, debian, house, suite, tidy, tool};

/// Runs all steps, or those named in `only`.
pub(crate) fn run(workspace: &Workspace, only: &[String]) -> Result {
    let strict = strict();
    let mut report = Report::new(only);
    report.step("packages", debian::install_for_tests);
    report.step("format", || succeed(&mut workspace.cargo("fmt --all --check")));
    report.step("clippy", || {
        succeed(&mut workspace.cargo("clippy --quiet --workspace --all-targets -- -D warnings"))
    });
    report.step("doc", || {
        let mut doc = workspace.cargo("doc --quiet --workspace --no-deps");
        succeed(doc.env("RUSTDOCFLAGS", "-Dwarnings"))
    });
    report.step("deny", || deny(workspace, strict));
    report.step("house", || house::check(workspace));
    report.step("tidy", || tidy::check(workspace));
    report.step("tests", || {
        // What is there only with a feature has tests that are, too.
        let mut tests = workspace.cargo(
            "test --quiet --no-fail-fast --workspace --exclude conformance \
             --features multistatus/axum",
        );
        if strict {
            // Some need a real database beside them.
            tests.env("POLYDAV_STRICT", "1");
        }
        succeed(&mut tests)
    });
    // Killed and failed at every system call that changes something: a build of its own, so that
    // what is released has nothing of it.
    report.step("crash", || {
        succeed(
            &mut workspace
                .cargo("test --quiet -p polydav-fs --features crash-test --lib --test crash"),
        )
    });
    report.step("micro", || micro(workspace));
    suite::run_all(workspace, &mut report, strict)?;
    report.finish(strict)
}

/// Whether a skipped suite counts as a failed one: where everything can be had, and in CI.
fn strict() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty()) || debian::can_install()
}

fn deny(workspace: &Workspace, strict: bool) -> Result<Ending> {
    let program = match tool::cargo_deny(workspace) {
        Ok(program) => program,
        Err(why) if strict => return Err(why),
        Err(why) => return Ok(Ending::Skipped(format!("cargo-deny can't be had: {why}"))),
    };
    let mut deny = workspace.command(program);
    // Without the advisories: their database isn't on a package registry.
    succeed(deny.args(["--all-features", "check", "bans", "licenses", "sources"]))?;
    Ok(Ending::Passed)
}

/// Counts instructions, each case within its bound.
fn micro(workspace: &Workspace) -> Result<Ending> {
    if !on_path("valgrind") {
        return Ok(Ending::Skipped("valgrind is not installed".to_owned()));
    }
    // What people run is what is counted: the release profile.
    succeed(&mut workspace.cargo("build --quiet --release --package micro"))?;
    succeed(&mut workspace.command(workspace.target.join("release/micro")))?;
    Ok(Ending::Passed)
}
