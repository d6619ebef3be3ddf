//! The command line, as it was typed.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use polydav_dav::PublicUrl;

/// Serve folders and databases over WebDAV, and do many operations in one request.
#[derive(Debug, Parser)]
#[command(version, about, long_about = LONG_ABOUT, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const LONG_ABOUT: &str = "\
Serve folders and databases over WebDAV (RFC 4918, classes 1, 2 and 3), and do many operations in one \
request: POST /batch-operation answers 207 Multi-Status with the status of each.";

const AFTER_HELP: &str = "\
Examples:
  polydav demo                        a sample folder to play with
  polydav serve ~/shared              a folder, for programs on this machine
  polydav serve /srv/dav --listen 0.0.0.0:8207 --htpasswd users
                                      for everybody with a password
  polydav serve /srv/dav --mount /music=/srv/music
                                      two folders side by side
  polydav serve --mount /records=sqlite:app.db
                                      the tables of a database
  polydav serve /srv/dav --public-url https://dav.example.org/
                                      behind a proxy that ends TLS

Exit codes: 0 ended as asked, 1 failed, 2 the command line or the configuration is wrong.
POLYDAV_LOG sets what is logged to standard error: error, warn, info (default), debug, trace.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve folders and databases
    Serve(Box<ServeArgs>),
    /// Make a sample folder and a database, serve them, and send a batch to them
    Demo(DemoArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The folder
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<OsString>,

    /// Serve another folder, or a database (sqlite:FILE, postgres://…), at a path; may be given
    /// several times, also without DIR
    #[arg(long, value_name = "/PATH=SOURCE")]
    pub(crate) mount: Vec<OsString>,

    /// Where to listen; port 0 picks a free one [default: 127.0.0.1:8207]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Vec<SocketAddr>,

    /// A URL under which clients reach this server, if there is a proxy between
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Vec<PublicUrl>,

    /// Refuse every change; nothing is written below what is served
    #[arg(long)]
    pub(crate) read_only: bool,

    /// What a success means: on disk (full), or safe from a crash of the server alone (relaxed)
    /// [default: full]
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(crate) durability: Option<DurabilityArg>,

    /// Where properties and locks are kept [default: DIR/.polydav, or FILE.polydav beside SQLite]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// Ask for a name and a password of this file (bcrypt or argon2id)
    #[arg(long, value_name = "FILE")]
    pub(crate) htpasswd: Option<PathBuf>,

    /// Let everybody in, also from other machines
    #[arg(long)]
    pub(crate) allow_anonymous: bool,

    /// Read what isn't said here from a TOML file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// End after the batch, instead of serving on
    #[arg(long)]
    pub(crate) once: bool,

    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8207")]
    pub(crate) listen: SocketAddr,
}

/// What a success means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DurabilityArg {
    /// It is on disk.
    Full,
    /// It survives a crash of the server, not a loss of power.
    Relaxed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_makes_sense() {
        Args::command().debug_assert();
    }
}
