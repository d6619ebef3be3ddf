//! `docs/bulk-api.md`: each command gives what the page shows.
//!
//! With `POLYDAV_WRITE_DOCS` set, the page is written anew with what the commands give.

use std::fs;
use std::path::{Path, PathBuf};

use conformance::{Folder, Server, require, shell};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_page_shows_what_is_answered() {
    if !require(&["curl", "sqlite3"]) {
        return;
    }
    let folder = Folder::new();
    let script = "sqlite3 shop.db < \"$SHOP\" && chmod a+rwX . shop.db*";
    let shop = root().join("examples/shop.sql");
    shell(folder.path(), &[("SHOP", shop.to_str().expect("a path"))], script).success();
    let mount = format!("/records=sqlite:{}", folder.join("shop.db").display());
    let server = Server::builder().args(["--mount", &mount]).start();
    let page = root().join("docs/bulk-api.md");
    let shown = fs::read_to_string(&page).expect("there is a page");
    let given = run_all(&shown, server.host());
    if std::env::var_os("POLYDAV_WRITE_DOCS").is_some() {
        fs::write(&page, &given).expect("the page can be written");
    }
    for (shown, given) in shown.lines().zip(given.lines()) {
        assert_eq!(shown, given);
    }
    assert_eq!(shown.lines().count(), given.lines().count());
    server.stop();
}

/// The page, with what its commands give.
fn run_all(page: &str, host: &str) -> String {
    let mut out = String::new();
    let mut in_console = false;
    for line in page.lines() {
        match line.strip_prefix("$ ") {
            Some(command) if in_console => {
                out += &format!("{line}\n{}", answer(command, host));
            }
            _ => {
                in_console = line == "```console" || (in_console && line != "```");
                if !in_console || line == "```console" {
                    out += &format!("{line}\n");
                }
            }
        }
    }
    out
}

/// What a command prints, without the date.
fn answer(command: &str, host: &str) -> String {
    let command = command.replace("127.0.0.1:8207", host);
    let said = shell(Path::new("/"), &[], &command).success().stdout;
    let said = said.replace('\r', "");
    let lines = said.lines().filter(|line| !line.starts_with("Date: "));
    let kept: String = lines.map(|line| format!("{}\n", line.trim_end())).collect();
    kept.trim_end().to_owned() + "\n"
}
