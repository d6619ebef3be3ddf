//! `Mount`: what is served, and at which path.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use polydav_store::ResourcePath;

use crate::config::MountConfig;
use crate::error::Error;

/// What a mount serves.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A folder.
    Folder(PathBuf),
    /// The tables of an SQLite database.
    Sqlite(PathBuf),
    /// The tables of a PostgreSQL database: its URL, which may hold a password.
    Postgres(String),
}

impl Source {
    /// `sqlite:FILE`, `postgres://…` or `postgresql://…`; a folder is everything else.
    pub(crate) fn parse(text: &OsStr) -> Self {
        if let Some(file) = text.as_bytes().strip_prefix(b"sqlite:") {
            return Self::Sqlite(OsString::from_vec(file.to_vec()).into());
        }
        match text.to_str() {
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Self::Postgres(url.to_owned())
            }
            _ => Self::Folder(text.into()),
        }
    }
}

/// For messages: without the name and password of a database.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(dir) => write!(f, "{}", dir.display()),
            Self::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
            Self::Postgres(url) => {
                let place = url.split_once("://").map_or("", |(_, place)| place);
                // A question mark may be part of a password.
                let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
                let place = place.split('?').next().unwrap_or_default();
                write!(f, "postgres://{place}")
            }
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({self})")
    }
}

/// Which tables of a database are served, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    /// The schema they are in; `None` for the usual one.
    pub(crate) schema: Option<String>,
    /// Those that are served; `None` for all.
    pub(crate) only: Option<Vec<String>>,
    /// Those that aren't.
    pub(crate) denied: Vec<String>,
    /// Columns that nobody changes: the table, and the column.
    pub(crate) read_only_columns: Vec<(String, String)>,
}

/// A source, and where it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) path: ResourcePath,
    pub(crate) source: Source,
    pub(crate) read_only: bool,
    /// Nothing else than the default for a folder.
    pub(crate) tables: Tables,
}

impl Mount {
    /// A source at a path, with nothing more said of it.
    pub(crate) fn new(path: ResourcePath, source: Source) -> Self {
        Self { path, source, read_only: false, tables: Tables::default() }
    }

    /// `/PATH=SOURCE`, as on the command line.
    pub(crate) fn parse(text: &OsStr) -> Result<Self, Error> {
        let wrong = || Error::Usage(format!("{}: expected /PATH=SOURCE", shown(text.as_bytes())));
        let bytes = text.as_bytes();
        let sign = bytes.iter().position(|&byte| byte == b'=').ok_or_else(wrong)?;
        let source = &bytes[sign + 1..];
        if source.is_empty() {
            return Err(wrong());
        }
        Ok(Self::new(path(&bytes[..sign])?, Source::parse(OsStr::from_bytes(source))))
    }

    /// What a `[[mount]]` of the configuration file says.
    pub(crate) fn of_config(config: MountConfig) -> Result<Self, Error> {
        let column = |text: &String| match text.split_once('.') {
            Some((table, column)) => Ok((table.to_owned(), column.to_owned())),
            None => Err(Error::Usage(format!("{text:?} is no column: expected TABLE.COLUMN"))),
        };
        let tables = Tables {
            schema: config.schema,
            only: config.tables,
            denied: config.deny_tables,
            read_only_columns: config
                .read_only_columns
                .iter()
                .map(column)
                .collect::<Result<_, _>>()?,
        };
        let mount = Self {
            path: path(config.path.as_bytes())?,
            source: Source::parse(OsStr::new(&config.source)),
            read_only: config.read_only,
            tables,
        };
        if matches!(mount.source, Source::Folder(_)) && mount.tables != Tables::default() {
            let text =
                format!("{} is a folder: only databases have a schema and tables", mount.source);
            return Err(Error::Usage(text));
        }
        Ok(mount)
    }
}

/// What was written, for messages: a URL may hold a password.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    if text.contains("://") {
        "a URL without a path before it".to_owned()
    } else {
        text.into_owned()
    }
}

/// A path as it is written: not percent-encoded, with or without a slash at its end.
fn path(text: &[u8]) -> Result<ResourcePath, Error> {
    let shown = shown(text);
    let joined = text.strip_prefix(b"/").ok_or_else(|| {
        Error::Usage(format!("{shown:?} is no path for a mount: it has to begin with a slash"))
    })?;
    let joined = joined.strip_suffix(b"/").unwrap_or(joined);
    ResourcePath::parse(joined)
        .map_err(|error| Error::Usage(format!("{shown:?} is no path for a mount: {error}")))
}

/// Refuses mounts that get in each other's way, or in that of the batches.
pub(crate) fn check(mounts: &[Mount]) -> Result<(), Error> {
    let batches = ResourcePath::parse("batch-operation").expect("it is a segment");
    for (number, mount) in mounts.iter().enumerate() {
        if batches.contains(&mount.path) {
            let text = format!(
                "{} can't be mounted at {}: batches are sent there",
                mount.source, mount.path
            );
            return Err(Error::Usage(text));
        }
        if let Some(other) = mounts[..number].iter().find(|other| other.path == mount.path) {
            let text =
                format!("both {} and {} are mounted at {}", other.source, mount.source, mount.path);
            return Err(Error::Usage(text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Mount, String> {
        Mount::parse(OsStr::new(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_source_is_known_by_how_it_begins() {
        for (text, expected) in [
            ("/srv/files", Source::Folder("/srv/files".into())),
            ("sqlite", Source::Folder("sqlite".into())),
            ("./sqlite:x", Source::Folder("./sqlite:x".into())),
            ("sqlite:app.db", Source::Sqlite("app.db".into())),
            ("postgres://h/db", Source::Postgres("postgres://h/db".into())),
            ("postgresql://h/db", Source::Postgres("postgresql://h/db".into())),
        ] {
            assert_eq!(Source::parse(OsStr::new(text)), expected);
        }
    }

    #[test]
    fn the_password_of_a_database_is_not_shown() {
        let url = "postgres://ann:se@cret@db.example:5432/shop?password=secret";
        let source = Source::parse(OsStr::new(url));
        assert_eq!(source.to_string(), "postgres://db.example:5432/shop");
        assert_eq!(format!("{source:?}"), "Source(postgres://db.example:5432/shop)");
    }

    #[test]
    fn a_mount_is_a_path_and_a_source() {
        let mount = parse("/a/b c/=x=y").unwrap();
        assert_eq!(mount.path.to_string(), "/a/b c");
        assert_eq!(mount.source, Source::Folder("x=y".into()));
        assert!(parse("/=x").unwrap().path.is_root());
        for (text, words) in [
            ("/a", "expected /PATH=SOURCE"),
            ("/a=", "expected /PATH=SOURCE"),
            ("a=x", "has to begin with a slash"),
            ("=x", "has to begin with a slash"),
            ("/a//b=x", "a path segment is empty"),
            ("/../b=x", "dot segment"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn mounts_have_a_place_of_their_own() {
        let check = |texts: &[&str]| {
            let mounts: Vec<_> = texts.iter().map(|text| parse(text).unwrap()).collect();
            check(&mounts).map_err(|error| error.to_string())
        };
        check(&["/=x", "/a=y", "/a/b=z", "/batch-operations=u", "/a/batch-operation=v"]).unwrap();
        assert_eq!(check(&["/a=x", "/a/=y"]).unwrap_err(), "both x and y are mounted at /a");
        for text in ["/batch-operation=x", "/batch-operation/a=x"] {
            assert!(check(&[text]).unwrap_err().contains("batches are sent there"));
        }
    }
}
