//! The configuration file: TOML, with the names of the command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::args::DurabilityArg;
use crate::error::Error;

/// What a configuration file says. What it doesn't know is an error, so that a typing error is
/// noticed.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Config {
    pub(crate) dir: Option<PathBuf>,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) public_url: Vec<String>,
    pub(crate) read_only: bool,
    pub(crate) durability: Option<DurabilityArg>,
    pub(crate) state: Option<PathBuf>,
    pub(crate) htpasswd: Option<PathBuf>,
    pub(crate) allow_anonymous: bool,
    /// Other origins whose pages may change things here, as `https://app.example`.
    pub(crate) allow_origin: Vec<String>,
    pub(crate) limits: Limits,
}

/// The bounds of requests.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Limits {
    /// How many resources a PROPFIND of depth infinity tells of; 0 refuses that depth.
    pub(crate) propfind_infinity: Option<u64>,
    /// The longest file a PUT may make, in bytes.
    pub(crate) put_bytes: Option<u64>,
    /// The longest XML body, in bytes.
    pub(crate) xml_bytes: Option<usize>,
    /// The most operations of a batch.
    pub(crate) batch_items: Option<usize>,
    /// The longest batch document, in bytes.
    pub(crate) batch_bytes: Option<usize>,
    /// The longest body in a batch document, in bytes.
    pub(crate) batch_content_bytes: Option<usize>,
    /// After so many seconds no operation of a batch starts.
    pub(crate) batch_seconds: Option<u64>,
    /// How many batches of one principal run at a time.
    pub(crate) batch_running: Option<usize>,
}

impl Config {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::ConfigUnreadable { path: path.to_owned(), source })?;
        toml::from_str(&text)
            .map_err(|source| Error::ConfigInvalid { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_the_command_line_says() {
        let config: Config = toml::from_str(
            "dir = '/srv/dav'\nlisten = ['127.0.0.1:1']\npublic-url = ['https://h/']\n\
             durability = 'relaxed'\nread-only = true\n[limits]\nbatch-items = 5\n",
        )
        .unwrap();
        assert_eq!(config.durability, Some(DurabilityArg::Relaxed));
        assert!(config.read_only && config.limits.batch_items == Some(5));
    }

    #[test]
    fn what_a_file_does_not_know_is_named() {
        let error = toml::from_str::<Config>("reed-only = true").unwrap_err();
        assert!(error.to_string().contains("reed-only"), "{error}");
    }
}
