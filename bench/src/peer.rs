//! The servers that polydav is compared with, each configured to do nothing else.

mod apache;
mod lighttpd;
mod nginx;
mod rclone;
mod rust;

use std::fs::{Permissions, set_permissions};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::client::Client;
use crate::process::{Process, said};

const START_MAX: Duration = Duration::from_secs(10);

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With its module dav-ext: the fastest peer.
    Nginx,
    /// With mod_dav: the peer that has dead properties.
    Apache,
    /// With mod_webdav: the peer that keeps properties in SQLite.
    Lighttpd,
    /// `rclone serve webdav`, in Go.
    Rclone,
    /// A small one in Rust.
    Dufs,
    /// The Rust crate that other servers are made with.
    DavServer,
}

/// Where it is to serve what.
struct Place<'a> {
    /// For what it needs itself.
    home: &'a Path,
    folder: &'a Path,
    address: SocketAddr,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Nginx, Self::Apache, Self::Lighttpd, Self::Rclone, Self::Dufs, Self::DavServer];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::Lighttpd => "lighttpd",
            Self::Rclone => "rclone",
            Self::Dufs => "dufs",
            Self::DavServer => "dav-server",
        }
    }

    fn command(self, place: &Place<'_>) -> Result<Command> {
        match self {
            Self::Nginx => nginx::command(place),
            Self::Apache => apache::command(place),
            Self::Lighttpd => lighttpd::command(place),
            Self::Rclone => Ok(rclone::command(place)),
            Self::Dufs => Ok(rust::dufs(place)),
            Self::DavServer => Ok(rust::dav_server(place)),
        }
    }

    /// Its version, and what there is to say of its configuration.
    pub(crate) fn described(self) -> String {
        match self {
            Self::Nginx => format!("{}, module dav-ext, two workers", said("nginx", &["-v"])),
            Self::Apache => format!("{}, mod_dav, event MPM", said("apache2", &["-v"])),
            Self::Lighttpd => format!("{}, mod_webdav", said("lighttpd", &["-v"])),
            Self::Rclone => said("rclone", &["version"]),
            Self::Dufs => said(tool("dufs"), &["--version"]),
            Self::DavServer => said(tool("bench-dav-server"), &["--version"]),
        }
    }
}

impl Place<'_> {
    /// A command whose last argument is a file with this configuration.
    fn configured(&self, line: &str, configuration: &str) -> Result<Command> {
        let file = self.home.join("configuration");
        std::fs::write(&file, configuration)?;
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).arg(file);
        Ok(command)
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Peer {
    kind: Kind,
    process: Process,
    address: SocketAddr,
    _home: TempDir,
}

impl Peer {
    /// Serves a folder, and waits until that works.
    pub(crate) fn serve(kind: Kind, folder: &Path) -> Result<Self> {
        let name = kind.name();
        // On the same file system: what is uploaded is moved from here to where it belongs.
        let beside = folder.parent().ok_or("there is nothing beside the root")?;
        let mut home = tempfile::Builder::new();
        home.prefix("peer-").permissions(Permissions::from_mode(0o755));
        let home = home.tempdir_in(beside)?;
        let state = home.path().join("state");
        std::fs::create_dir(&state)?;
        open_to_all(&state)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = kind.command(&Place { home: home.path(), folder, address })?;
        // Asked to end, lighttpd passes that on to its whole process group.
        let child = command.stdin(Stdio::null()).process_group(0).spawn();
        let child = child.map_err(|error| format!("{name}: {error}"))?;
        let peer = Self { kind, process: Process(child), address, _home: home };
        let start = Instant::now();
        while let Err(error) = TcpStream::connect(address) {
            if error.kind() != ErrorKind::ConnectionRefused || start.elapsed() > START_MAX {
                return Err(format!("{name}: {error}").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(peer)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
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

/// A program that was compiled to be compared with: it lies beside the folder of this one.
fn tool(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    exe.with_file_name("..").join("tools/bin").join(name)
}

/// Lets everybody make files in a folder: Apache doesn't work as root.
pub(crate) fn open_to_all(folder: &Path) -> Result {
    Ok(set_permissions(folder, Permissions::from_mode(0o777))?)
}
