//! What polydav takes when it has nothing to do: its start, its memory, and that of connections which
//! say nothing.

use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::client::Client;
use crate::peer::{Kind, Peer};
use crate::polydav::Polydav;
use crate::process::Process;
use crate::report::{Goal, MEBIBYTE, Report};
use crate::{Result, Settings, median};

const CONNECTIONS: usize = 1_000;

/// Measures polydav, and lighttpd, the smallest of its peers.
pub(crate) fn measure(image: &Path, settings: &Settings, report: &mut Report) -> Result {
    let folder = image.join("idle");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("file"), "content")?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        ours.push(Idle::of(|| Polydav::serve(&folder, &[]))?);
        theirs.push(Idle::of(|| Peer::serve(Kind::Lighttpd, &folder))?);
    }
    let mut tell = |what, unit, of: fn(&Idle) -> f64, most| {
        let [ours, theirs] =
            [&ours, &theirs].map(|all: &Vec<Idle>| median::of(all.iter().map(of).collect()));
        let figures = format!("{ours:.1} {unit}; lighttpd {theirs:.1} {unit}");
        report.add(what, "whole", figures, ours, Goal::AtMost(most, unit));
    };
    tell("Start, until a request is answered", "ms", |idle| idle.start, 20.0);
    tell("Memory when idle", "MiB", |idle| idle.alone, 12.0);
    tell("Memory with 1,000 idle connections", "MiB", |idle| idle.connected, 30.0);
    Ok(fs::remove_dir_all(folder)?)
}

/// What one server took.
struct Idle {
    /// Milliseconds.
    start: f64,
    /// Mebibytes, once it has answered a request.
    alone: f64,
    /// Mebibytes, with connections on each of which it has answered one.
    connected: f64,
}

impl Idle {
    fn of<S: Server>(serve: impl FnOnce() -> Result<S>) -> Result<Self> {
        let start = Instant::now();
        let server = serve()?;
        let ask = || {
            let mut client = server.client()?;
            client.send("GET", "/file", &[], b"")?.expect(200)?;
            Result::Ok(client)
        };
        drop(ask()?);
        let start = 1e3 * start.elapsed().as_secs_f64();
        let mebibytes = || Result::Ok(server.process().memory()?.resident as f64 / MEBIBYTE);
        let alone = mebibytes()?;
        let clients = (0..CONNECTIONS).map(|_| ask()).collect::<Result<Vec<_>>>()?;
        let connected = mebibytes()?;
        drop(clients);
        Ok(Self { start, alone, connected })
    }
}

/// What is weighed.
trait Server {
    fn client(&self) -> Result<Client>;
    fn process(&self) -> &Process;
}

impl Server for Polydav {
    fn client(&self) -> Result<Client> {
        self.client()
    }

    fn process(&self) -> &Process {
        self.process()
    }
}

impl Server for Peer {
    fn client(&self) -> Result<Client> {
        self.client()
    }

    fn process(&self) -> &Process {
        self.process()
    }
}
