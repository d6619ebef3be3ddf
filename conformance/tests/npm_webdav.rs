//! A working day with the npm package `webdav`; what it expects stands in `clients/webdav.mjs`.

use std::path::Path;
use std::process::Command;

use conformance::{Folder, Server, require, require_node_package, run};

#[test]
fn a_working_day() {
    if !require(&["node"]) {
        return;
    }
    let Some(package) = require_node_package("webdav") else { return };
    let folder = Folder::new();
    let server = Server::serve(&folder);
    let mut node = Command::new("node");
    node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/webdav.mjs"));
    run(node.arg(package.join("dist/node/index.js")).arg(server.url())).success();
    assert_eq!(folder.read("desk/hello.txt"), b"unlocked\n");
    assert_eq!(folder.read("desk/a/moved.txt"), b"hello\n");
    assert_eq!(folder.read("desk/stream.bin").len(), 3_000_000);
    server.stop();
}
