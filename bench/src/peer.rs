//! The servers that polydav is compared with, each configured to do nothing else.

mod apache;
mod lighttpd;
mod nginx;

use std::fs::{Permissions, set_permissions};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::client::Client;
use crate::process::Process;

const START_MAX: Duration = Duration::from_secs(10);

/// A running server.
#[derive(Debug)]
pub(crate) struct Peer {
    process: Process,
    address: SocketAddr,
    _home: TempDir,
}

impl Peer {
    /// nginx with its module dav-ext: the fastest peer.
    pub(crate) fn nginx(folder: &Path) -> Result<Self> {
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-c"]);
        Self::serve(folder, command, nginx::configuration)
    }

    /// Apache httpd with mod_dav: the peer that has dead properties.
    pub(crate) fn apache(folder: &Path) -> Result<Self> {
        let mut command = Command::new("apache2");
        command.args(["-D", "FOREGROUND", "-f"]);
        Self::serve(folder, command, apache::configuration)
    }

    /// lighttpd with mod_webdav: the peer that keeps properties in SQLite.
    pub(crate) fn lighttpd(folder: &Path) -> Result<Self> {
        let mut command = Command::new("lighttpd");
        command.args(["-D", "-f"]);
        Self::serve(folder, command, lighttpd::configuration)
    }

    /// Serves a folder by a command whose last argument is a configuration, and waits until that
    /// works.
    fn serve(
        folder: &Path,
        mut command: Command,
        configuration: fn(&Path, &Path, SocketAddr) -> String,
    ) -> Result<Self> {
        let name = command.get_program().display().to_string();
        // On the same file system: what is uploaded is moved from here to where it belongs.
        let beside = folder.parent().ok_or("there is nothing beside the root")?;
        let mut home = tempfile::Builder::new();
        home.prefix("peer-").permissions(Permissions::from_mode(0o755));
        let home = home.tempdir_in(beside)?;
        let state = home.path().join("state");
        std::fs::create_dir(&state)?;
        open_to_all(&state)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let file = home.path().join("configuration");
        std::fs::write(&file, configuration(home.path(), folder, address))?;
        // Asked to end, lighttpd passes that on to its whole process group.
        let child = command.arg(&file).stdin(Stdio::null()).process_group(0).spawn();
        let child = child.map_err(|error| format!("{name}: {error}"))?;
        let peer = Self { process: Process(child), address, _home: home };
        let start = Instant::now();
        while let Err(error) = TcpStream::connect(address) {
            if error.kind() != ErrorKind::ConnectionRefused || start.elapsed() > START_MAX {
                return Err(format!("{name}: {error}").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(peer)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// A new connection.
    pub(crate) fn client(&self) -> Result<Client> {
        Client::connect(self.address)
    }
}

/// Lets everybody make files in a folder: Apache doesn't work as root.
pub(crate) fn open_to_all(folder: &Path) -> Result {
    Ok(set_permissions(folder, Permissions::from_mode(0o777))?)
}
