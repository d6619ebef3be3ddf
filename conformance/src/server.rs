//! The server under test: started, listened to, ended.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{env, fs};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::folder::NOBODY;
use crate::program::ends_within;
use crate::requirement::is_root;

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(60);
const LISTENING: &str = "polydav listening on ";

/// A running `polydav serve`. It ends with the value; its log is shown if the test failed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    url: String,
    output: Receiver<String>,
    log: Option<JoinHandle<String>>,
    /// Holds a copy of the binary that nobody may run.
    _binary: Option<TempDir>,
}

impl Server {
    /// A server to be started.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Serves a folder as nobody, with no more arguments: what most suites want.
    pub fn serve(folder: &crate::Folder) -> Self {
        Self::builder().folder(folder.path()).as_nobody().start()
    }

    /// The root's URL, as the server said it: `http://127.0.0.1:PORT/`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.host().parse().expect("the server says an address")
    }

    /// The server's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as an operator does; it must take that well.
    pub fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the server runs");
        assert!(ends_within(&self.child, STOP), "SIGTERM doesn't end the server");
        let status = self.child.wait().expect("a child can be waited for");
        assert!(status.success(), "after SIGTERM: {status}");
        let more: Vec<String> = self.output.try_iter().collect();
        assert!(more.is_empty(), "only one line belongs on standard output, not {more:?}");
    }

    /// Ends it as a crash does.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        if std::thread::panicking() {
            println!("--- the server's log\n{log}--- end of the log");
        }
    }
}

/// How a server is to be started.
#[derive(Debug, Default)]
pub struct Builder {
    folder: Option<PathBuf>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    nobody: bool,
}

impl Builder {
    /// The folder to serve at the root, if any.
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// A folder to serve at a path.
    pub fn mount(self, path: &str, folder: impl AsRef<Path>) -> Self {
        let mut mount = OsString::from(format!("{path}="));
        mount.push(folder.as_ref());
        self.args([OsStr::new("--mount"), &mount])
    }

    /// More arguments for `polydav serve`.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// A variable of the server's environment.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs as the user nobody if the tests are root: to root, permissions mean nothing.
    pub fn as_nobody(mut self) -> Self {
        self.nobody = is_root();
        self
    }

    /// Starts it, and returns once it accepts connections.
    #[track_caller]
    pub fn start(self) -> Server {
        let binary = binary();
        let copy = (self.nobody && !is_for_all(&binary)).then(|| copy_for_nobody(&binary));
        let program = copy.as_ref().map_or(binary, |folder| folder.path().join("polydav"));
        let mut command = Command::new(program);
        command.arg("serve").args(&self.folder).args(["--listen", "127.0.0.1:0"]);
        command.args(&self.arguments).envs(self.environment).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if self.nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut child = spawn(&mut command);
        let output = lines(child.stdout.take().expect("it is piped"));
        let log = Some(whole(child.stderr.take().expect("it is piped")));
        let mut server = Server { child, url: String::new(), output, log, _binary: copy };
        let line = server.output.recv_timeout(START).expect("the server doesn't start");
        let url = line.strip_prefix(LISTENING);
        server.url = url.unwrap_or_else(|| panic!("no {LISTENING:?} in {line:?}")).to_owned();
        server
    }
}

/// The binary under test.
pub fn find_binary() -> Option<PathBuf> {
    if let Some(binary) = env::var_os("POLYDAV_BIN") {
        return Some(binary.into());
    }
    let test = env::current_exe().ok()?;
    let target = test.parent()?.parent()?.parent()?;
    let mut places = ["release/polydav", "debug/polydav"].iter().map(|place| target.join(place));
    places.find(|place| place.is_file())
}

/// The binary under test, which must be there.
pub fn binary() -> PathBuf {
    find_binary().expect("there is no polydav binary: build it, or set POLYDAV_BIN")
}

/// Whether everybody may reach a program and run it.
fn is_for_all(program: &Path) -> bool {
    let bits = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.mode());
    let mut folders = program.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty());
    program.is_absolute() && bits(program) & 0o5 == 0o5 && folders.all(|path| bits(path) & 1 == 1)
}

/// The checkout may lie where nobody can't reach it.
fn copy_for_nobody(binary: &Path) -> TempDir {
    let mut folder = tempfile::Builder::new();
    folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
    let folder = folder.prefix("polydav-").tempdir_in("/var/tmp").expect("/var/tmp is writable");
    fs::copy(binary, folder.path().join("polydav")).expect("the binary can be copied");
    folder
}

/// Starts a program that was written a moment ago: a child that another thread forks meanwhile
/// holds it open for writing until it becomes its own program, and so long it is busy.
fn spawn(command: &mut Command) -> Child {
    loop {
        match command.spawn() {
            Ok(child) => return child,
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            Err(error) => panic!("{command:?}: {error}"),
        }
    }
}

fn lines(source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn whole(mut source: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = source.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
