//! Opening what is served: a store for each mount, and the ledgers that keep their locks.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polydav_fs::{FolderStore, ServerState};
use polydav_sql::{OpenError, SqlStore};
use polydav_store::layer::{MountLedger, Mounts};
use polydav_store::{BatchLedger, Ledger, MemoryLedger, ResourcePath, Store};

use crate::error::Error;
use crate::mount::{Mount, Source, Tables};
use crate::place::Place;
use crate::setup::Setup;

/// Where a folder keeps what is hidden from clients.
const STATE_DIR: &str = ".polydav";

/// All that is served, as one.
pub(crate) struct Served {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ledger: Arc<dyn Ledger>,
    /// What keeps batches; `None` if nothing can be changed.
    pub(crate) batches: Option<Arc<dyn BatchLedger>>,
}

/// A mount that is open.
struct Opened {
    path: ResourcePath,
    store: Arc<dyn Store>,
    /// What keeps its locks; `None` if that is the server's state.
    ledger: Option<Arc<dyn Ledger>>,
    /// What can keep batches.
    batches: Option<Arc<dyn BatchLedger>>,
}

/// Opens all that is served.
pub(crate) fn open(setup: &Setup) -> Result<Served, Error> {
    if setup.mounts.len() > 1 {
        check_apart(setup)?;
    }
    let open = |mount| open_mount(mount, setup.state.as_deref());
    let mut opened = setup.mounts.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let mut batches = opened.iter().find_map(|opened| opened.batches.clone());
    let shared: Arc<dyn Ledger> = if opened.iter().any(|opened| opened.ledger.is_none()) {
        let state = open_server_state(&server_state_dir(setup)?)?;
        batches.get_or_insert_with(|| state.batch_ledger());
        Arc::new(state)
    } else {
        // Nobody locks the collection that stands in for a mount at the root.
        Arc::new(MemoryLedger::default())
    };
    // A single store at the root needs nothing between.
    if let [Opened { path, .. }] = &opened[..]
        && path.is_root()
    {
        let Opened { store, ledger, .. } = opened.remove(0);
        return Ok(Served { store, ledger: ledger.unwrap_or(shared), batches });
    }
    let ledgers = opened.iter().map(|opened| (opened.path.clone(), opened.ledger.clone()));
    let ledger = MountLedger::new(ledgers.collect::<Vec<_>>(), shared);
    let stores = opened.into_iter().map(|opened| (opened.path, opened.store));
    let store: Arc<dyn Store> = Arc::new(Mounts::new(stores));
    setup.mounts.iter().try_for_each(|mount| check_parent(&*store, mount))?;
    Ok(Served { store, ledger: Arc::new(ledger), batches })
}

/// Opens what a mount serves. `state` is what `--state` says.
fn open_mount(mount: &Mount, state: Option<&Path>) -> Result<Opened, Error> {
    match &mount.source {
        Source::Folder(dir) => {
            let state = state.filter(|_| mount.path.is_root()).map(Path::to_owned);
            let options = polydav_fs::Options { read_only: mount.read_only, state };
            let store = FolderStore::open(dir, &options)
                .map_err(|error| Error::Folder { path: dir.clone(), source: error.into() })?;
            let (path, batches) = (mount.path.clone(), store.batch_ledger());
            let store = Arc::new(store);
            Ok(Opened { path, store: store.clone(), ledger: Some(store), batches })
        }
        Source::Sqlite(file) => {
            open_database(mount, |options| SqlStore::open_sqlite(file, options))
        }
        Source::Postgres(url) => {
            open_database(mount, |options| SqlStore::open_postgres(url, options))
        }
    }
}

/// Opens the tables of a database. Locks on its rows are kept by the server; what can't be changed
/// can't be locked either.
fn open_database(
    mount: &Mount,
    open: impl FnOnce(&polydav_sql::Options) -> Result<SqlStore, OpenError>,
) -> Result<Opened, Error> {
    let Tables { schema, only, denied, read_only_columns } = mount.tables.clone();
    let options = polydav_sql::Options {
        read_only: mount.read_only,
        schema,
        tables: only,
        deny_tables: denied,
        read_only_columns,
    };
    let store = open(&options)
        .map_err(|error| Error::Mount { mount: mount.source.clone(), source: error.into() })?;
    let store: Arc<dyn Store> = Arc::new(store);
    let is_writable = store.capabilities(&ResourcePath::root()).writable;
    let ledger: Option<Arc<dyn Ledger>> =
        if is_writable { None } else { Some(Arc::new(MemoryLedger::default())) };
    Ok(Opened { path: mount.path.clone(), store, ledger, batches: None })
}

fn open_server_state(dir: &Path) -> Result<ServerState, Error> {
    ServerState::open(dir)
        .map_err(|error| Error::ServerState { path: dir.to_owned(), source: error.into() })
}

/// Where the server keeps its own state: where `--state` says; with the state of the first folder
/// that may be written to; beside the first database that is a file.
fn server_state_dir(setup: &Setup) -> Result<PathBuf, Error> {
    if let Some(state) = &setup.state {
        return Ok(state.clone());
    }
    let folder = setup.mounts.iter().find_map(|mount| match &mount.source {
        Source::Folder(dir) if !mount.read_only => Some(dir.join(STATE_DIR)),
        _ => None,
    });
    let beside = setup.mounts.iter().find_map(|mount| match &mount.source {
        Source::Sqlite(file) => Some(beside(file)),
        _ => None,
    });
    folder.or(beside).ok_or_else(|| {
        let text = "there is no folder to keep locks in: say where (--state DIR)";
        Error::Usage(text.to_owned())
    })
}

/// `app.db.polydav` beside `app.db`.
fn beside(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(STATE_DIR);
    name.into()
}

/// Refuses folders that lie in each other, and files of ours that clients could reach in one:
/// conditions and locks on one path would not hold for the other.
fn check_apart(setup: &Setup) -> Result<(), Error> {
    let place = |path: &Path| {
        Place::of(path)
            .map_err(|error| Error::Folder { path: path.to_owned(), source: error.into() })
    };
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for mount in &setup.mounts {
        match &mount.source {
            Source::Folder(dir) => folders.push((dir, place(dir)?, place(&dir.join(STATE_DIR))?)),
            Source::Sqlite(file) => files.push((file, place(file)?)),
            Source::Postgres(_) => {}
        }
    }
    for (number, (one, one_place)) in files.iter().enumerate() {
        if let Some((other, _)) =
            files[..number].iter().find(|(_, other)| one_place.is_within(other))
        {
            let (one, other) = (one.display(), other.display());
            return Err(Error::Usage(format!("{one} and {other} are the same file")));
        }
    }
    if let Some(state) = &setup.state {
        files.push((state, place(state)?));
    }
    for (number, (inner, inner_place, _)) in folders.iter().enumerate() {
        for (other, (outer, outer_place, _)) in folders.iter().enumerate() {
            if number != other && inner_place.is_within(outer_place) {
                return Err(lies_within(inner, outer));
            }
        }
    }
    for (file, file_place) in &files {
        for (dir, dir_place, state) in &folders {
            if file_place.is_within(dir_place) && !file_place.is_within(state) {
                return Err(lies_within(file, dir));
            }
        }
    }
    Ok(())
}

fn lies_within(inner: &Path, outer: &Path) -> Error {
    let (inner, outer) = (inner.display(), outer.display());
    Error::Usage(format!("{inner} lies in the folder {outer}, which is served too"))
}

/// A mount is a member of a collection: the one around it has to be there.
fn check_parent(store: &dyn Store, mount: &Mount) -> Result<(), Error> {
    let Some(parent) = mount.path.parent() else { return Ok(()) };
    let fail = |why: String| Err(Error::Mount { mount: mount.source.clone(), source: why.into() });
    match store.find(&parent) {
        Ok(Some(entry)) if entry.is_collection() => Ok(()),
        Ok(_) => fail(format!("it would be at {}, and there is no folder {parent}", mount.path)),
        Err(failure) => fail(failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::ffi::OsStr;
    use std::fs::{create_dir, create_dir_all, write};
    use std::os::unix::fs::symlink;

    use polydav_store::{Durability, LockToken, Select};
    use tempfile::TempDir;

    use super::*;

    /// A setup of these mounts, `@` for the folder that all is in.
    fn setup(folder: &TempDir, mounts: &[&str], state: Option<&str>) -> Setup {
        let at = |text: &str| text.replace('@', folder.path().to_str().unwrap());
        let mount = |text: &&str| Mount::parse(OsStr::new(&at(text))).unwrap();
        Setup {
            mounts: mounts.iter().map(mount).collect(),
            listen: Vec::new(),
            publics: Vec::new(),
            durability: Durability::Relaxed,
            state: state.map(|state| at(state).into()),
            htpasswd: None,
            allowed_origins: Vec::new(),
            dav: polydav_dav::Options::default(),
        }
    }

    fn folder() -> TempDir {
        let folder = TempDir::new().unwrap();
        for dir in ["main/a", "other", "state"] {
            create_dir_all(folder.path().join(dir)).unwrap();
        }
        write(folder.path().join("main/file"), "").unwrap();
        write(folder.path().join("other/f"), "x").unwrap();
        symlink(folder.path().join("main/a"), folder.path().join("link")).unwrap();
        folder
    }

    fn refused(folder: &TempDir, mounts: &[&str], state: Option<&str>) -> String {
        let error = open(&setup(folder, mounts, state)).err().expect("it is refused");
        let mut said = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            said += &format!(": {error}");
            cause = error.source();
        }
        said.replace(folder.path().to_str().unwrap(), "@")
    }

    #[test]
    fn folders_are_served_side_by_side() {
        for mounts in [&["/=@/main", "/a=@/other"][..], &["/a=@/other"], &["/x/y/a=@/other"]] {
            let folder = folder();
            let Served { store, ledger, .. } = open(&setup(&folder, mounts, None)).unwrap();
            let at = Mount::parse(OsStr::new(mounts.last().unwrap())).unwrap().path;
            let file = store.stat(&at.join(b"f").unwrap(), &Select::None).unwrap();
            assert_eq!(file.length, 1);
            assert!(ledger.locks().unwrap().is_empty());
            assert!(folder.path().join("other/.polydav/state.db").exists());
        }
    }

    #[test]
    fn the_state_that_is_named_is_that_of_the_folder_at_the_root() {
        let folder = folder();
        let mounts = ["/=@/main", "/a=@/other"];
        drop(open(&setup(&folder, &mounts, Some("@/state"))).unwrap());
        assert!(folder.path().join("state/state.db").exists());
        assert!(folder.path().join("other/.polydav/state.db").exists());
    }

    #[test]
    fn locks_in_a_mount_are_there_at_the_next_start() {
        let folder = folder();
        for mounts in [&["/=@/main", "/a=@/other"][..], &["/a=@/other"]] {
            let lock = polydav_store::kit::lock("urn:f", "a/f");
            let served = open(&setup(&folder, mounts, None)).unwrap();
            served.ledger.keep_lock(&lock, Durability::Full).unwrap();
            drop(served);
            let served = open(&setup(&folder, mounts, None)).unwrap();
            assert_eq!(served.ledger.locks().unwrap(), [lock]);
            served.ledger.forget_locks(&[LockToken::new("urn:f")], Durability::Full).unwrap();
        }
    }

    #[test]
    fn what_lies_within_another_is_refused() {
        let lies = |inner: &str, outer: &str| {
            format!("@/{inner} lies in the folder @/{outer}, which is served too")
        };
        for (mounts, state, expected) in [
            (["/=@/main", "/a=@/main/a"], None, lies("main/a", "main")),
            (["/a=@/main/a", "/b=@/main"], None, lies("main/a", "main")),
            (["/=@/main", "/a=@/link"], None, lies("link", "main")),
            (["/a=@/other", "/b=@/other/."], None, lies("other", "other/.")),
            (["/=@/main", "/a=@/other"], Some("@/other/x/y"), lies("other/x/y", "other")),
            (["/=@/main", "/a=sqlite:@/main/app.db"], None, lies("main/app.db", "main")),
        ] {
            assert_eq!(refused(&folder(), &mounts, state), expected);
        }
        let twice = ["/a=sqlite:@/f.db", "/b=sqlite:@/./f.db"];
        let same = "@/./f.db and @/f.db are the same file";
        let folder_of_file = folder();
        write(folder_of_file.path().join("f.db"), "").unwrap();
        assert_eq!(refused(&folder_of_file, &twice, None), same);
        let hidden = ["/=@/main", "/a=sqlite:@/main/.polydav/app.db"];
        let said = refused(&folder(), &hidden, None);
        assert!(
            said.contains("unable to open database file"),
            "it may be there, and isn't: {said}"
        );
    }

    #[test]
    fn a_mount_needs_a_collection_around_it() {
        for (at, parent) in [("/b/c", "/b"), ("/file/c", "/file")] {
            let mounts = ["/=@/main", &format!("{at}=@/other")];
            let expected = format!("it would be at {at}, and there is no folder {parent}");
            assert!(refused(&folder(), &mounts, None).ends_with(&expected));
        }
        let folder = folder();
        create_dir(folder.path().join("third")).unwrap();
        let mounts = ["/=@/main", "/a=@/other", "/a/b=@/third"];
        open(&setup(&folder, &mounts, None)).unwrap();
    }

    #[test]
    fn the_server_keeps_its_state_where_it_can() {
        let folder = TempDir::new().unwrap();
        let dir = |mounts: &[&str], state| {
            let dir = server_state_dir(&setup(&folder, mounts, state));
            dir.map(|dir| dir.display().to_string()).map_err(|error| error.to_string())
        };
        let postgres = "/p=postgres://h/db";
        for (mounts, state, expected) in [
            (&[postgres, "/=/main", "/o=/other"][..], None, "/main/.polydav"),
            (&[postgres, "/=/main"], Some("/state"), "/state"),
            (&[postgres, "/s=sqlite:/dir/app.db"], None, "/dir/app.db.polydav"),
            (&["/s=sqlite:app.db", "/o=/other"], None, "/other/.polydav"),
        ] {
            assert_eq!(dir(mounts, state).as_deref(), Ok(expected));
        }
        assert!(dir(&[postgres], None).unwrap_err().contains("--state"));
    }
}
