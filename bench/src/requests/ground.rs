//! Where it is done: everybody with a folder of their own on the same file system.

use std::fs::{self, File, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;
use tempfile::TempDir;

use crate::client::Client;
use crate::drive::drive;
use crate::load::{Load, measured};
use crate::peer::{Kind, Peer, open_to_all};
use crate::polydav::Polydav;
use crate::{Result, Settings};

use super::script::{LockCycles, Queue};
use super::work::{Ask, BIG_BYTES, COME, CONTENT, DONE, FILES, FULL, RELAXED, Work};

const PORTION: usize = 1 << 20;

/// A server under measurement.
pub(super) struct Contestant {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    root: PathBuf,
    /// How long its large file is.
    pub(super) big_bytes: u64,
    server: Server,
}

/// What runs as long as it is asked.
enum Server {
    Ours(#[expect(dead_code, reason = "dropped, it ends")] Polydav),
    Theirs(#[expect(dead_code, reason = "dropped, it ends")] Peer),
}

impl Contestant {
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.server, Server::Ours(_))
    }
}

/// Everybody.
pub(super) struct Ground {
    contestants: Vec<Contestant>,
    shrink: usize,
    /// Behind the servers, for they end before it goes.
    root: TempDir,
}

impl Ground {
    /// Makes the folders, and starts the servers.
    pub(super) fn make(image: &Path, settings: &Settings) -> Result<Self> {
        let mut root = tempfile::Builder::new();
        root.prefix("requests-").permissions(Permissions::from_mode(0o755));
        let root = root.tempdir_in(image)?;
        let mut ground = Self { contestants: Vec::new(), shrink: settings.shrink, root };
        ground.add(RELAXED, |folder| ours(folder, "relaxed"))?;
        ground.add(FULL, |folder| ours(folder, "full"))?;
        ground.add("nginx", |folder| theirs(Peer::serve(Kind::Nginx, folder)?))?;
        ground.add("apache", |folder| theirs(Peer::serve(Kind::Apache, folder)?))?;
        ground.add("lighttpd", |folder| theirs(Peer::serve(Kind::Lighttpd, folder)?))?;
        Ok(ground)
    }

    fn add(
        &mut self,
        name: &'static str,
        serve: impl FnOnce(&Path) -> Result<(SocketAddr, Server)>,
    ) -> Result {
        let root = self.root.path().join(name.replace(' ', "-"));
        let big_bytes = BIG_BYTES / self.shrink as u64;
        fill(&root, FILES / self.shrink, big_bytes)?;
        let (address, server) = serve(&root)?;
        self.contestants.push(Contestant { name, address, root, big_bytes, server });
        Ok(())
    }

    pub(super) fn contestants(&self) -> impl Iterator<Item = &Contestant> {
        self.contestants.iter()
    }

    /// Has someone do a work once.
    pub(super) fn turn(&self, who: &Contestant, work: &Work, round: usize) -> Result<Load> {
        let come = who.root.join(COME);
        fs::create_dir(&come)?;
        open_to_all(&come)?;
        // Nobody has to write what others left behind.
        syncfs(File::open(self.root.path())?)?;
        if let Some(before) = work.before.filter(|_| round == 0) {
            self.ask(who, before, round)?;
        }
        let load = self.ask(who, work.ask, round)?;
        fs::remove_dir_all(come)?;
        Ok(load)
    }

    fn ask(&self, who: &Contestant, ask: Ask, round: usize) -> Result<Load> {
        match ask {
            Ask::Each { count, connections, request, accepted } => {
                let count = (count / self.shrink).max(1);
                let requests = (0..count).map(|number| request(who, round, number)).collect();
                let queue = Queue::of(requests, accepted);
                drive(who.address, vec![queue; connections])
            }
            Ask::Upload(bytes) => {
                let mut client = Client::connect(who.address)?;
                let portion = vec![7; PORTION];
                let bytes = bytes / self.shrink as u64;
                let put = || client.upload(&format!("/{COME}/big"), &portion, bytes);
                let (answer, load) = measured(put)?;
                match DONE.contains(&answer.status) {
                    true => Ok(load),
                    false => Err(format!("not done: {}", answer.head).into()),
                }
            }
            Ask::Locks { count, connections } => {
                let count = count / self.shrink / connections;
                let path = |number| format!("/files/file-{number:05}");
                let cycles = (0..connections)
                    .map(|number| LockCycles::new(who.address, path(number), count));
                drive(who.address, cycles.collect())
            }
        }
    }
}

fn ours(folder: &Path, durability: &str) -> Result<(SocketAddr, Server)> {
    let server = Polydav::serve(folder, &["--durability", durability])?;
    Ok((server.address(), Server::Ours(server)))
}

fn theirs(peer: Peer) -> Result<(SocketAddr, Server)> {
    Ok((peer.address(), Server::Theirs(peer)))
}

/// What there is to begin with.
fn fill(root: &Path, files: usize, big_bytes: u64) -> Result {
    fs::create_dir(root)?;
    fs::write(root.join("file"), CONTENT)?;
    let mut big = File::create(root.join("big"))?;
    let portion = vec![7; PORTION];
    let mut left = big_bytes;
    while left > 0 {
        let count = left.min(PORTION as u64);
        std::io::Write::write_all(&mut big, &portion[..count as usize])?;
        left -= count;
    }
    for (folder, files) in [("tree", files), ("a", files), ("b", 0), ("files", files)] {
        let folder = root.join(folder);
        fs::create_dir(&folder)?;
        for number in 0..files {
            let file = folder.join(format!("file-{number:05}"));
            fs::write(&file, CONTENT)?;
            open_to_all(&file)?;
        }
        open_to_all(&folder)?;
    }
    open_to_all(root)
}
