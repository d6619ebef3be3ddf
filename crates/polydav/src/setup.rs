//! `Setup`: what the command line and the configuration file come to.

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use polydav_dav::PublicUrl;
use polydav_proto::header::Origin;
use polydav_store::{Durability, ResourcePath};

use crate::args::{DurabilityArg, ServeArgs};
use crate::config::{Config, Limits, MountConfig};
use crate::error::Error;
use crate::mount::{self, Mount, Source};

/// The port that was free when we looked for one.
const PORT: u16 = 8207;

/// All that `serve` needs to know.
#[derive(Debug)]
pub(crate) struct Setup {
    /// What is served, in the order in which it was said, DIR first.
    pub(crate) mounts: Vec<Mount>,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) publics: Vec<PublicUrl>,
    pub(crate) durability: Durability,
    pub(crate) state: Option<PathBuf>,
    pub(crate) htpasswd: Option<PathBuf>,
    pub(crate) allowed_origins: Vec<Origin>,
    pub(crate) dav: polydav_dav::Options,
}

impl Setup {
    /// What was asked for: the command line first, then the file, then the defaults.
    pub(crate) fn resolve(args: ServeArgs) -> Result<Self, Error> {
        let config = args.config.as_deref().map_or(Ok(Config::default()), Config::read)?;
        let usage = |text: &str| Error::Usage(text.to_owned());
        let dir = args.dir.or(config.dir.map(PathBuf::into_os_string));
        let mut mounts = mounts(dir.as_deref(), &args.mount, config.mount)?;
        let read_only = args.read_only || config.read_only;
        mounts.iter_mut().for_each(|mount| mount.read_only |= read_only);
        let mut publics = args.public_url;
        if publics.is_empty() {
            let parsed = config.public_url.iter().map(|url| url.parse::<PublicUrl>());
            publics =
                parsed.collect::<Result<_, _>>().map_err(|error| usage(&error.to_string()))?;
        }
        let setup = Self {
            mounts,
            listen: first_filled(args.listen, config.listen),
            publics,
            durability: match args.durability.or(config.durability) {
                None | Some(DurabilityArg::Full) => Durability::Full,
                Some(DurabilityArg::Relaxed) => Durability::Relaxed,
            },
            state: args.state.or(config.state),
            htpasswd: args.htpasswd.or(config.htpasswd),
            allowed_origins: origins(&config.allow_origin)?,
            dav: dav_options(&config.limits),
        };
        let anonymous = args.allow_anonymous || config.allow_anonymous;
        setup.check_exposure(anonymous)?;
        Ok(setup)
    }

    /// Whoever opens a folder to other machines has to say for whom.
    fn check_exposure(&self, anonymous: bool) -> Result<(), Error> {
        if anonymous && self.htpasswd.is_some() {
            let text = "a file of passwords (htpasswd) and allow-anonymous exclude each other";
            return Err(Error::Usage(text.to_owned()));
        }
        let exposed = self.listen.iter().find(|address| !address.ip().is_loopback());
        match exposed {
            Some(address) if self.htpasswd.is_none() && !anonymous => Err(Error::Usage(format!(
                "{address} can be reached from other machines: name a file of passwords \
                 (--htpasswd FILE), or say that everybody may do everything (--allow-anonymous)"
            ))),
            _ => Ok(()),
        }
    }
}

/// DIR is the mount at the root; the mounts of the command line go before those of the file.
fn mounts(
    dir: Option<&OsStr>,
    args: &[OsString],
    config: Vec<MountConfig>,
) -> Result<Vec<Mount>, Error> {
    let root = dir.map(|dir| Mount::new(ResourcePath::root(), Source::parse(dir)));
    let mut mounts: Vec<_> = root.into_iter().collect();
    if args.is_empty() {
        for mount in config {
            mounts.push(Mount::of_config(mount)?);
        }
    }
    for mount in args {
        mounts.push(Mount::parse(mount)?);
    }
    if mounts.is_empty() {
        let text = "say what to serve: polydav serve DIR, or --mount /PATH=SOURCE";
        return Err(Error::Usage(text.to_owned()));
    }
    mount::check(&mounts)?;
    Ok(mounts)
}

fn first_filled(args: Vec<SocketAddr>, config: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let default = || vec![SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))];
    [args, config].into_iter().find(|list| !list.is_empty()).unwrap_or_else(default)
}

fn origins(texts: &[String]) -> Result<Vec<Origin>, Error> {
    let parse = |text: &String| {
        Origin::parse(text.as_bytes())
            .map_err(|error| Error::Usage(format!("{text:?} is no origin: {error}")))
    };
    texts.iter().map(parse).collect()
}

fn dav_options(limits: &Limits) -> polydav_dav::Options {
    let mut options = polydav_dav::Options::default();
    if let Some(budget) = limits.propfind_infinity {
        options.infinity_budget = (budget > 0).then_some(budget);
    }
    options.put_bytes_max = limits.put_bytes;
    let batch = &mut options.batch;
    let set = |limit: &mut usize, value: Option<usize>| *limit = value.unwrap_or(*limit);
    set(&mut options.xml_bytes_max, limits.xml_bytes);
    let items_max = limits.batch_items.unwrap_or(batch.limits.items_max);
    let bytes_max = limits.batch_bytes.unwrap_or(batch.limits.document_bytes_max);
    batch.limits = polydav_proto::batch::Limits::of(items_max, bytes_max);
    set(&mut batch.limits.content_bytes_max, limits.batch_content_bytes);
    set(&mut batch.running_max, limits.batch_running);
    batch.deadline = limits.batch_seconds.map_or(batch.deadline, Duration::from_secs);
    batch.job_deadline = limits.job_seconds.map_or(batch.job_deadline, Duration::from_secs);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use crate::mount::Tables;
    use clap::Parser as _;

    fn resolve(line: &str) -> Result<Setup, Error> {
        let args = Args::parse_from(line.split(' '));
        let Command::Serve(args) = args.command else { panic!("{line} isn't serve") };
        Setup::resolve(*args)
    }

    /// What is served, as the command line has it.
    fn served(setup: &Setup) -> Vec<String> {
        setup.mounts.iter().map(|mount| format!("{}={}", mount.path, mount.source)).collect()
    }

    #[test]
    fn defaults_are_careful() {
        let setup = resolve("polydav serve /srv").unwrap();
        assert_eq!(setup.listen, [SocketAddr::from(([127, 0, 0, 1], 8207))]);
        assert_eq!(setup.durability, Durability::Full);
        assert!(!setup.mounts[0].read_only && setup.htpasswd.is_none());
    }

    #[test]
    fn beyond_loopback_somebody_must_say_for_whom() {
        for line in ["--listen 0.0.0.0:1", "--listen 127.0.0.1:1 --listen [::]:1"] {
            let error = resolve(&format!("polydav serve /srv {line}")).unwrap_err();
            assert!(error.to_string().contains("--htpasswd"), "{error}");
            resolve(&format!("polydav serve /srv {line} --allow-anonymous")).unwrap();
            resolve(&format!("polydav serve /srv {line} --htpasswd users")).unwrap();
        }
        resolve("polydav serve /srv --listen [::1]:1").unwrap();
    }

    #[test]
    fn everybody_or_those_with_a_password() {
        let error = resolve("polydav serve /srv --allow-anonymous --htpasswd users").unwrap_err();
        assert!(error.to_string().contains("exclude each other"), "{error}");
    }

    #[test]
    fn origins_are_read_before_anything_starts() {
        assert_eq!(origins(&["https://app.example".to_owned()]).unwrap().len(), 1);
        for text in ["app.example", "https://app.example/", "null", ""] {
            assert!(origins(&[text.to_owned()]).is_err(), "{text:?}");
        }
    }

    /// The example says what holds without it.
    #[test]
    fn the_example_has_the_defaults() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/polydav.toml");
        let setup = resolve(&format!("polydav serve --config {example}")).unwrap();
        let without = resolve("polydav serve /srv/dav").unwrap();
        assert_eq!(format!("{setup:?}"), format!("{without:?}"));
    }

    #[test]
    fn several_sources_are_served_side_by_side() {
        for (line, expected) in [
            ("/srv", &["/=/srv"][..]),
            ("--mount /=/srv", &["/=/srv"]),
            ("--mount /a=/srv --mount /b/=sqlite:app.db", &["/a=/srv", "/b=sqlite:app.db"]),
            ("/srv --mount /a=/other", &["/=/srv", "/a=/other"]),
        ] {
            assert_eq!(served(&resolve(&format!("polydav serve {line}")).unwrap()), expected);
        }
        for (line, words) in [
            ("--listen [::1]:1", "say what to serve: polydav serve DIR, or --mount"),
            ("/srv --mount /=/other", "both /srv and /other are mounted at /"),
            ("--mount /a=/srv --mount /a/=/other", "both /srv and /other are mounted at /a"),
            ("--mount /batch-operation=/srv", "batches are sent there"),
            ("--mount /srv", "expected /PATH=SOURCE"),
        ] {
            let error = resolve(&format!("polydav serve {line}")).unwrap_err();
            assert!(matches!(&error, Error::Usage(text) if text.contains(words)), "{error}");
        }
    }

    /// A configuration file of these words.
    fn resolve_with(line: &str, file: &str) -> Result<Setup, Error> {
        let config = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(config.path(), file).unwrap();
        resolve(&format!("polydav serve{line} --config {}", config.path().display()))
    }

    #[test]
    fn mounts_of_the_command_line_go_before_those_of_the_file() {
        let file = "[[mount]]\npath = '/a'\nsource = '/x'\nread-only = true\n\
                    [[mount]]\npath = '/db'\nsource = 'sqlite:app.db'\nschema = 'main'\n\
                    tables = ['t']\ndeny-tables = ['u']\nread-only-columns = ['t.id']\n";
        let setup = resolve_with("", file).unwrap();
        assert_eq!(served(&setup), ["/a=/x", "/db=sqlite:app.db"]);
        let [folder, database] = &setup.mounts[..] else { panic!("{setup:?}") };
        assert!(folder.read_only && !database.read_only);
        let tables = Tables {
            schema: Some("main".to_owned()),
            only: Some(vec!["t".to_owned()]),
            denied: vec!["u".to_owned()],
            read_only_columns: vec![("t".to_owned(), "id".to_owned())],
        };
        assert_eq!(database.tables, tables);
        let setup = resolve_with(" /srv --read-only", file).unwrap();
        assert_eq!(served(&setup), ["/=/srv", "/a=/x", "/db=sqlite:app.db"]);
        assert!(setup.mounts.iter().all(|mount| mount.read_only));
        let setup = resolve_with(" --mount /b=/y", file).unwrap();
        assert_eq!(served(&setup), ["/b=/y"]);
        for (key, words) in [
            ("tables = ['t']", "only databases"),
            ("read-only-columns = ['id']", "expected TABLE.COLUMN"),
        ] {
            let file = format!("[[mount]]\npath = '/a'\nsource = '/x'\n{key}\n");
            let error = resolve_with("", &file).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "dir = '/a'\ndurability = 'relaxed'\nlisten = ['[::1]:9']\n")
            .unwrap();
        let config = format!("--config {}", file.path().display());
        let setup = resolve(&format!("polydav serve {config}")).unwrap();
        assert_eq!(
            (served(&setup), setup.durability),
            (vec!["/=/a".to_owned()], Durability::Relaxed)
        );
        let setup = resolve(&format!("polydav serve /b --durability full {config}")).unwrap();
        assert_eq!((served(&setup), setup.durability), (vec!["/=/b".to_owned()], Durability::Full));
        assert_eq!(setup.listen, ["[::1]:9".parse().unwrap()]);
    }
}
