//! Why the program ends without having done what it was asked, and with which code.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use polydav_store::Failure;

use crate::mount::Source;

/// Why the program ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Usage(String),
    #[error("the configuration file {} can't be read", path.display())]
    ConfigUnreadable { path: PathBuf, source: io::Error },
    #[error("the configuration file {} is wrong", path.display())]
    ConfigInvalid { path: PathBuf, source: toml::de::Error },
    #[error("the passwords of {} can't be used", path.display())]
    Htpasswd { path: PathBuf, source: Box<dyn StdError + Send + Sync> },
    #[error("the folder {} can't be served", path.display())]
    Folder { path: PathBuf, source: Box<dyn StdError + Send + Sync> },
    #[error("{mount} can't be served")]
    Mount { mount: Source, source: Box<dyn StdError + Send + Sync> },
    #[error("the state of the server, {}, can't be used", path.display())]
    ServerState { path: PathBuf, source: Box<dyn StdError + Send + Sync> },
    #[error("the locks can't be read")]
    Locks(#[source] Failure),
    #[error("the batches that are kept can't be read")]
    Batches(#[source] Failure),
    #[error("can't listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("something still ran when the time to end was over, and was cut off")]
    CutOff,
    #[error("the runtime can't be started")]
    Runtime(#[source] io::Error),
    #[error("the demo failed: {0}")]
    Demo(String),
}

impl Error {
    /// Prints one sentence, and what is below it.
    #[allow(clippy::print_stderr, reason = "the last words of a program")]
    pub(crate) fn print(&self) {
        eprint!("polydav: {self}");
        let mut source = self.source();
        while let Some(error) = source {
            eprint!(": {}", error.to_string().trim_end());
            source = error.source();
        }
        eprintln!();
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::ConfigUnreadable { .. } | Self::ConfigInvalid { .. } => {
                ExitCode::from(2)
            }
            Self::Htpasswd { .. }
            | Self::Folder { .. }
            | Self::Mount { .. }
            | Self::ServerState { .. }
            | Self::Locks(_)
            | Self::Batches(_)
            | Self::Listen { .. }
            | Self::CutOff
            | Self::Runtime(_)
            | Self::Demo(_) => ExitCode::FAILURE,
        }
    }
}
