//! polydav itself, as people start it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::client::Client;
use crate::process::Process;
use crate::{Result, client};

const LISTENING: &str = "polydav listening on http://";

/// A running server.
#[derive(Debug)]
pub(crate) struct Polydav {
    process: Process,
    address: SocketAddr,
    /// What it took before there was anything to do.
    idle: u64,
}

impl Polydav {
    /// Serves a folder, and waits until that works.
    pub(crate) fn serve(folder: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command.arg("serve").arg(folder).args(["--listen", "127.0.0.1:0"]).args(arguments);
        // Nobody writes an access log.
        command.env("POLYDAV_LOG", "warn");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process(command.spawn()?);
        let output = process.0.stdout.take().ok_or("its output isn't piped")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().strip_prefix(LISTENING).and_then(|at| at.strip_suffix('/'));
        let address = address.ok_or_else(|| format!("polydav said {line:?}"))?.parse()?;
        let mut server = Self { process, address, idle: 0 };
        // Whoever never answered a request has not begun yet.
        server.client()?.send("OPTIONS", "/", &[], b"")?.expect(200)?;
        server.idle = server.process.memory()?.resident;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// A new connection.
    pub(crate) fn client(&self) -> Result<client::Client> {
        Client::connect(self.address)
    }

    /// How much more it took at most than when idle, in bytes.
    pub(crate) fn added(&self) -> Result<u64> {
        Ok(self.process.memory()?.peak.saturating_sub(self.idle))
    }
}

/// The binary under measurement.
pub(crate) fn binary() -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os("POLYDAV_BIN") {
        return Ok(binary.into());
    }
    Ok(std::env::current_exe()?.with_file_name("polydav"))
}
