//! A real PostgreSQL, started in a temporary folder and reached by a socket in it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::folder::NOBODY;
use crate::requirement::{find_program, is_root, met};
use crate::{Folder, run};

/// A running server. It ends with the value.
#[derive(Debug)]
pub struct Postgres {
    home: Folder,
    databases: AtomicUsize,
}

/// Whether PostgreSQL is installed; where it must be, the test fails if it isn't.
pub fn require_postgres() -> bool {
    met(find("initdb").is_none().then(|| "PostgreSQL is not installed".to_owned()))
}

impl Postgres {
    /// The server that the tests of a program share, as long as any of them holds it.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server of the test's own, as it comes: it syncs what it commits.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_in(Folder::new())
    }

    /// The same in this folder.
    #[track_caller]
    pub fn start_in(home: Folder) -> Self {
        let server = Self { home, databases: AtomicUsize::new(0) };
        let data = server.data();
        let mut initdb = program("initdb");
        initdb.args(["--auth=trust", "--username=polydav", "--no-sync", "--no-instructions"]);
        run(initdb.args(["--encoding=UTF8", "--locale=C", "--pgdata"]).arg(data)).success();
        server.launch();
        server
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Starts it again after [`halt`](Self::halt).
    #[track_caller]
    pub fn launch(&self) {
        let options = format!("-k {} -c listen_addresses=''", self.home.path().display());
        let mut control = self.control();
        control.arg("--log").arg(self.home.join("log")).args(["--options", &options]);
        run(control.args(["--wait", "start"])).success();
    }

    fn control(&self) -> Command {
        let mut control = program("pg_ctl");
        control.arg("--pgdata").arg(self.data());
        control
    }

    /// Ends every process of it at once, as a crash does, and starts it again.
    #[track_caller]
    pub fn crash(&self) {
        self.halt();
        self.launch();
    }

    /// Ends every process of it at once.
    pub fn halt(&self) {
        run(self.control().args(["--mode", "immediate", "--wait", "stop"]));
    }

    /// Makes a database by these statements; returns its name.
    #[track_caller]
    pub fn database(&self, sql: &str) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        self.psql(&name, sql);
        name
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        let socket = self.home.path().display().to_string().replace('/', "%2F");
        format!("postgres://polydav@{socket}/{database}")
    }

    /// Does statements; returns what they print, a line a row, its columns separated by `|`.
    #[track_caller]
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let mut psql = self.client("psql", database);
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"]);
        run(psql.args(["--set", "ON_ERROR_STOP=1", "--command", sql])).success().stdout
    }

    /// All there is in a database, as statements that would make it: the same as long as nothing
    /// is changed.
    #[track_caller]
    pub fn dump(&self, database: &str) -> String {
        let dump = run(&mut self.client("pg_dump", database)).success().stdout;
        // Newer versions write a random word against restoring what isn't theirs.
        let is_random =
            |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
        dump.lines().filter(|line| !is_random(line)).collect::<Vec<_>>().join("\n")
    }

    /// A client program of PostgreSQL's own, to be told what to do.
    pub fn client(&self, name: &str, database: &str) -> Command {
        let mut client = program(name);
        client.args(["--username", "polydav", "--host"]).arg(self.home.path());
        // An option would be called otherwise by each program.
        client.env("PGDATABASE", database);
        client
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.data().exists() {
            self.halt();
        }
    }
}

/// A program of PostgreSQL, which doesn't let root run it.
fn program(name: &str) -> Command {
    let path = find(name).unwrap_or_else(|| panic!("{name} is not installed"));
    let mut command = Command::new(path);
    command.current_dir("/");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Debian keeps the programs of each version in a folder of its own.
fn find(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path()).collect();
    versions.sort();
    let mut own =
        versions.iter().rev().map(|version: &PathBuf| Path::join(version, "bin").join(name));
    own.find(|program| program.is_file()).or_else(|| find_program(name))
}
