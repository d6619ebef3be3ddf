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
    pub(crate) mount: Vec<MountConfig>,
}

/// What is served at a path.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct MountConfig {
    pub(crate) path: String,
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) read_only: bool,
    /// The schema of a database whose tables are served.
    pub(crate) schema: Option<String>,
    /// The tables that are served; by default all.
    pub(crate) tables: Option<Vec<String>>,
    /// Tables that aren't.
    #[serde(default)]
    pub(crate) deny_tables: Vec<String>,
    /// Columns that nobody changes, as `table.column`.
    #[serde(default)]
    pub(crate) read_only_columns: Vec<String>,
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
    /// The same for jobs.
    pub(crate) job_seconds: Option<u64>,
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
    fn a_file_tells_of_several_mounts() {
        let config: Config = toml::from_str(
            "[[mount]]\npath = '/files'\nsource = '/srv/files'\nread-only = true\n\
             [[mount]]\npath = '/db'\nsource = 'sqlite:app.db'\nschema = 'main'\n\
             tables = ['a', 'b']\ndeny-tables = ['c']\nread-only-columns = ['a.id']\n",
        )
        .unwrap();
        let [files, db] = &config.mount[..] else { panic!("{config:?}") };
        assert!(files.read_only && !db.read_only);
        assert_eq!(db.tables.as_deref(), Some(&["a".to_owned(), "b".to_owned()][..]));
        assert_eq!(
            (&db.deny_tables[..], &db.read_only_columns[..]),
            (&["c".to_owned()][..], &["a.id".to_owned()][..])
        );
        let error = toml::from_str::<Config>("[[mount]]\npath = '/files'").unwrap_err();
        assert!(error.to_string().contains("source"), "{error}");
    }

    #[test]
    fn what_a_file_does_not_know_is_named() {
        let error = toml::from_str::<Config>("reed-only = true").unwrap_err();
        assert!(error.to_string().contains("reed-only"), "{error}");
    }
}
