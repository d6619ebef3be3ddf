//! How lighttpd is configured: with properties and locks, and one worker: several break its database.

use std::process::Command;

use crate::Result;

use super::Place;

/// The whole file: nothing of the system's own configuration is read.
pub(super) fn command(place: &Place<'_>) -> Result<Command> {
    let (home, folder, address) = (place.home.display(), place.folder.display(), place.address);
    let configuration = format!(
        "server.modules = (\"mod_webdav\")\nserver.bind = \"{}\"\nserver.port = {}\n\
         server.document-root = \"{folder}\"\nserver.upload-dirs = (\"{home}/state\")\nserver.errorlog = \"{home}/log\"\n\
         server.max-keep-alive-requests = 1000000000\nserver.max-keep-alive-idle = 300\n\
         server.max-fds = 16384\nserver.max-connections = 8192\n\
         mimetype.assign = (\"\" => \"application/octet-stream\")\n\
         webdav.activate = \"enable\"\nwebdav.sqlite-db-name = \"{home}/state/webdav.db\"\n\
         webdav.opts = (\"propfind-depth-infinity\" => \"enable\")\n",
        address.ip(),
        address.port()
    );
    place.configured("lighttpd -D -f", &configuration)
}
