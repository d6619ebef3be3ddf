//! litmus 0.13: every test of every suite passes, without a warning.

use conformance::{Folder, Server, litmus, require};

#[test]
fn all_suites_pass() {
    if !require(&["litmus"]) {
        return;
    }
    let folder = Folder::new();
    let server = Server::serve(&folder);
    litmus::passes(server.url(), &[]);
    server.stop();
}
