//! Where it is done: everybody with a folder of their own on the same file system.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;
use tempfile::TempDir;

use crate::client::Client;
use crate::drive::drive;
use crate::fault::Fault;
use crate::load::{Load, measured};
use crate::peer::{Kind, Peer, open_to_all};
use crate::polydav::Polydav;
use crate::{Result, Settings};

use super::check::{Seen, has_links};
use super::script::{Budget, LockCycles, Queue};
use super::work::{
    Ask, BIG_BYTES, Before, COME, CONTENT, DONE, FILES, FULL, RANGE_BYTES, RELAXED, TIME_MAX, Work,
    block, copy_name,
};

pub(super) const PORTION: usize = 1 << 20;

/// A server under measurement.
pub(super) struct Contestant {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) root: PathBuf,
    /// How long its large file is.
    pub(super) big_bytes: u64,
    server: Server,
}

/// What runs as long as it is asked.
enum Server {
    Ours(#[expect(dead_code, reason = "dropped, it ends")] Polydav),
    Theirs(Peer),
}

impl Contestant {
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.server, Server::Ours(_))
    }

    /// Which peer it is, if it is one.
    pub(super) fn kind(&self) -> Option<Kind> {
        match &self.server {
            Server::Ours(_) => None,
            Server::Theirs(peer) => Some(peer.kind()),
        }
    }

    pub(super) fn client(&self) -> Result<Client> {
        Client::connect(self.address)
    }
}

/// Everybody.
pub(super) struct Ground {
    contestants: Vec<Contestant>,
    big_bytes: u64,
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
        let big_bytes = BIG_BYTES / settings.shrink as u64;
        make_big(&root.path().join("big"), big_bytes)?;
        let shrink = settings.shrink;
        let mut ground = Self { contestants: Vec::new(), big_bytes, shrink, root };
        ground.add(RELAXED, |folder| ours(folder, "relaxed"))?;
        ground.add(FULL, |folder| ours(folder, "full"))?;
        for kind in Kind::ALL {
            ground.add(kind.name(), |folder| theirs(Peer::serve(kind, folder)?))?;
        }
        Ok(ground)
    }

    fn add(
        &mut self,
        name: &'static str,
        serve: impl FnOnce(&Path) -> Result<(SocketAddr, Server)>,
    ) -> Result {
        let root = self.root.path().join(name.replace(' ', "-"));
        let big_bytes = self.big_bytes;
        fill(&root, FILES / self.shrink)?;
        // Nobody changes it, so that one is enough.
        fs::hard_link(self.root.path().join("big"), root.join("big"))?;
        let (address, server) = serve(&root)?;
        self.contestants.push(Contestant { name, address, root, big_bytes, server });
        Ok(())
    }

    pub(super) fn contestants(&self) -> impl Iterator<Item = &Contestant> {
        self.contestants.iter()
    }

    /// Has someone do a work once, and looks at the first round whether it was done.
    pub(super) fn turn(&self, who: &Contestant, work: &Work, round: usize) -> Result<Load> {
        // Asked for, since not everybody sees what others make.
        let come = format!("/{COME}/");
        who.client()?.send("MKCOL", &come, &[], b"")?.expect(201)?;
        match work.before {
            Before::Once(ask) if round == 0 => drop(self.ask(who, ask, round)?),
            Before::Copy(copy) => self.prepare_copy(who, copy, round)?,
            _ => {}
        }
        // Nobody has to write what others left behind.
        syncfs(File::open(self.root.path())?)?;
        let load = self.ask(who, work.ask, round).and_then(|load| {
            let files = FILES / self.shrink;
            if round == 0 {
                (work.check)(&Seen { who, round, files, make: work.ask.make() })?;
            }
            Ok(load)
        });
        who.client()?.send("DELETE", &come, &[], b"")?.expect(204)?;
        load
    }

    /// Has the tree copied, if it isn't yet, and makes one for those who don't, or make links: to
    /// remove those is less.
    fn prepare_copy(&self, who: &Contestant, copy: Ask, round: usize) -> Result {
        let folder = who.root.join(copy_name(round));
        if !folder.exists() {
            let _ = self.ask(who, copy, round);
        }
        if folder.exists() && has_links(&folder)? {
            fs::remove_dir_all(&folder)?;
        }
        if !folder.exists() {
            make_files(&folder, FILES / self.shrink)?;
        }
        Ok(())
    }

    fn ask(&self, who: &Contestant, ask: Ask, round: usize) -> Result<Load> {
        match ask {
            Ask::Each { count, connections, request, accepted, time_max } => {
                let count = (count / self.shrink).max(1);
                let requests = (0..count).map(|number| request(who, round, number)).collect();
                let budget = Budget::new(count, time_max);
                let queue = Queue::of(requests, accepted, budget.clone());
                let load = drive(who.address, vec![queue; connections])?;
                Ok(load.scaled(count, count - budget.left()))
            }
            Ask::Upload(bytes) => {
                let mut client = who.client()?;
                let portion = vec![7; PORTION];
                let bytes = bytes / self.shrink as u64;
                let put = || client.upload(&format!("/{COME}/big"), &portion, bytes);
                let (answer, load) = measured(put)?;
                match DONE.contains(&answer.status) {
                    true => Ok(load),
                    false => Err(Fault::answer(answer.status, &answer.head)),
                }
            }
            Ask::Locks { count, connections } => {
                let count = count / self.shrink;
                let budget = Budget::new(count, Some(TIME_MAX));
                let path = |number| format!("/files/file-{number:05}");
                let cycles = (0..connections)
                    .map(|number| LockCycles::new(who.address, path(number), budget.clone()));
                let load = drive(who.address, cycles.collect())?;
                Ok(load.scaled(count, count - budget.left()))
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
fn fill(root: &Path, files: usize) -> Result {
    fs::create_dir(root)?;
    fs::write(root.join("file"), CONTENT)?;
    for (folder, files) in [("tree", files), ("a", files), ("b", 0), ("files", files)] {
        make_files(&root.join(folder), files)?;
    }
    open_to_all(root)
}

fn make_files(folder: &Path, files: usize) -> Result {
    fs::create_dir(folder)?;
    for number in 0..files {
        let file = folder.join(format!("file-{number:05}"));
        fs::write(&file, CONTENT)?;
        open_to_all(&file)?;
    }
    open_to_all(folder)
}

fn make_big(file: &Path, bytes: u64) -> Result {
    let mut file = File::create(file)?;
    for number in 0..bytes.div_ceil(RANGE_BYTES) {
        let left = bytes - number * RANGE_BYTES;
        file.write_all(&block(number)[..left.min(RANGE_BYTES) as usize])?;
    }
    Ok(())
}
