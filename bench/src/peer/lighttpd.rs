//! How lighttpd is configured: with properties and locks, and one worker: several break its database.

use std::net::SocketAddr;
use std::path::Path;

/// The whole file: nothing of the system's own configuration is read.
pub(super) fn configuration(home: &Path, folder: &Path, address: SocketAddr) -> String {
    let (home, folder) = (home.display(), folder.display());
    format!(
        "server.modules = (\"mod_webdav\")\nserver.bind = \"{}\"\nserver.port = {}\n\
         server.document-root = \"{folder}\"\nserver.upload-dirs = (\"{home}/state\")\nserver.errorlog = \"{home}/log\"\n\
         server.max-keep-alive-requests = 1000000000\nserver.max-keep-alive-idle = 300\n\
         server.max-fds = 16384\nserver.max-connections = 8192\n\
         mimetype.assign = (\"\" => \"application/octet-stream\")\n\
         webdav.activate = \"enable\"\nwebdav.sqlite-db-name = \"{home}/state/webdav.db\"\n\
         webdav.opts = (\"propfind-depth-infinity\" => \"enable\")\n",
        address.ip(),
        address.port()
    )
}
