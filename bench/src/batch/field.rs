//! Where the work is done: all servers, and a folder for everyone on the same file system.

use std::fs::{self, File, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;
use tempfile::TempDir;

use crate::Result;
use crate::client::{Client, XML};
use crate::load::{Load, at_once, measured};
use crate::peer::{Kind, Peer, open_to_all};
use crate::polydav::Polydav;

use super::who::{Durability, Mode, Who};
use super::work::Work;

/// 10,000 times 4 KiB don't fit into what a batch may have by default.
const CONFIGURATION: &str = "[limits]\nbatch-bytes = 67_108_864\n";

/// What there is to begin with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Files<'a> {
    /// Small files of these names.
    There(&'a [String]),
    /// None yet.
    ToCome,
}

/// The servers, and a folder for each of those who do the work.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) relaxed: Polydav,
    pub(super) full: Polydav,
    nginx: Peer,
    apache: Peer,
    /// Behind the servers, for they end before it goes.
    root: TempDir,
}

/// How someone is connected to a server.
pub(super) type Via = fn(SocketAddr) -> Result<Client>;

impl Field {
    /// Makes the folders, and starts the servers.
    pub(super) fn make(image: &Path, everyone: &[Who], files: Files<'_>) -> Result<Self> {
        let mut root = tempfile::Builder::new();
        root.prefix("batch-").permissions(Permissions::from_mode(0o755));
        let root = root.tempdir_in(image)?;
        let at = |name: &str| root.path().join(name);
        for server in ["relaxed", "full", "nginx", "apache"] {
            fs::create_dir(at(server))?;
        }
        for who in everyone {
            let place = place(root.path(), *who);
            for (folder, files) in [("a", files), ("b", Files::ToCome)] {
                make_folder(&place.join(folder), files)?;
                if matches!(who, Who::Apache(_)) {
                    open_to_all(&place.join(folder))?;
                }
            }
        }
        let configuration = at("polydav.toml");
        fs::write(&configuration, CONFIGURATION)?;
        let configuration = configuration.to_str().ok_or("the path of the image is no text")?;
        let polydav = |durability| {
            let arguments = ["--config", configuration, "--durability", durability];
            Polydav::serve(&at(durability), &arguments)
        };
        let (relaxed, full) = (polydav("relaxed")?, polydav("full")?);
        let (nginx, apache) =
            (Peer::serve(Kind::Nginx, &at("nginx"))?, Peer::serve(Kind::Apache, &at("apache"))?);
        Ok(Self { relaxed, full, nginx, apache, root })
    }

    /// Has someone do the work, and looks whether it was done.
    pub(super) fn perform(&self, who: Who, work: Work, names: &[String], via: Via) -> Result<Load> {
        // Nobody has to write what others left behind.
        syncfs(File::open(self.root.path())?)?;
        let (place, base) = (place(self.root.path(), who), who.base());
        let server = self.server(who);
        let load = match (who, server) {
            (Who::Batch(mode, _), Some(server)) => batch(via(server)?, (mode, work), &base, names)?,
            (_, Some(server)) => {
                let count = who.connections().unwrap_or(1);
                singly(server, (count, via), work, &base, names)?
            }
            (_, None) => measured(|| work.call(&place, names))?.1,
        };
        work.check(&place, names)?;
        if let Some(server) = server {
            work.check_properties(&mut Client::connect(server)?, &base, names)?;
        }
        Ok(load)
    }

    /// Who is asked, if anybody is.
    fn server(&self, who: Who) -> Option<SocketAddr> {
        match who {
            Who::Batch(_, Durability::Relaxed) => Some(self.relaxed.address()),
            Who::Batch(_, Durability::Full) => Some(self.full.address()),
            Who::BareCalls => None,
            Who::Nginx(_) => Some(self.nginx.address()),
            Who::Apache(_) => Some(self.apache.address()),
        }
    }
}

/// Where someone's files lie.
fn place(root: &Path, who: Who) -> PathBuf {
    root.join(who.server()).join(who.base().trim_start_matches('/'))
}

fn make_folder(folder: &Path, files: Files<'_>) -> Result {
    fs::create_dir_all(folder)?;
    if let Files::There(names) = files {
        for name in names {
            fs::write(folder.join(name), name)?;
        }
    }
    Ok(())
}

/// All of it in one request.
fn batch(
    mut client: Client,
    (mode, work): (Mode, Work),
    base: &str,
    names: &[String],
) -> Result<Load> {
    let mut body = format!("<batch xmlns=\"urn:polydav:batch:1\" mode=\"{}\">\n", mode.name());
    body.extend(names.iter().map(|name| work.operation(base, name)));
    body += "</batch>\n";
    let headers = [XML];
    let send = || client.send("POST", "/batch-operation", &headers, body.as_bytes());
    let (answer, load) = measured(send)?;
    let answer = answer.expect(207)?;
    if !answer.head.contains(&format!("succeeded={}", names.len())) {
        return Err(format!("not all {} were done: {}", work.plural(), answer.head).into());
    }
    Ok(load)
}

/// A request for each file, on several connections that have their part of the files each.
fn singly(
    server: SocketAddr,
    (connections, via): (usize, Via),
    work: Work,
    base: &str,
    names: &[String],
) -> Result<Load> {
    let clients: Vec<_> = (0..connections).map(|_| via(server)).collect::<Result<_>>()?;
    let parts: Vec<_> = names.chunks(names.len().div_ceil(connections)).collect();
    let ask = |at: usize, mut client: Client| {
        let part = parts.get(at).copied().unwrap_or_default();
        part.iter().try_for_each(|name| work.request(&mut client, base, name))
    };
    Ok(measured(|| at_once(clients, ask))?.1)
}
