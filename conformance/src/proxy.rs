//! Real reverse proxies before the server, ending TLS as they do in production.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::requirement::find_program;
use crate::{Folder, run};

const START: Duration = Duration::from_secs(60);

/// What both have unless they are told.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Apache httpd with mod_proxy.
    Apache,
    /// nginx.
    Nginx,
}

/// A proxy to be started. Its URL is known before, because the server must be told it.
#[derive(Debug)]
pub struct Plan {
    kind: Kind,
    port: u16,
    /// With slashes at both ends: `/`, or `/dav/`.
    prefix: String,
    /// For how long it waits for the server to say something.
    patience: Duration,
}

impl Plan {
    /// A proxy on a free port that hands what is under `prefix` to a server's root.
    pub fn new(kind: Kind, prefix: &str) -> Self {
        Self { kind, port: free_port(), prefix: prefix.to_owned(), patience: PATIENCE }
    }

    /// Has it give up so long after the server said something: then the client gets a 504.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Under what URL the outside knows the server.
    pub fn url(&self) -> String {
        format!("https://localhost:{}{}", self.port, self.prefix)
    }

    /// Starts it before the server at `backend`, a URL that ends in a slash.
    #[track_caller]
    pub fn start(self, backend: &str) -> Proxy {
        let home = Folder::new();
        certificate(home.path());
        let file = home.join("proxy.conf");
        let config = match self.kind {
            Kind::Apache => self.apache(home.path(), backend),
            Kind::Nginx => self.nginx(home.path(), backend),
        };
        std::fs::write(&file, config).expect("a configuration can be written");
        let mut command = self.command(&file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.kind));
        wait_until_it_listens(&mut child);
        Proxy { child, url: self.url(), _home: home }
    }

    fn command(&self, config: &Path) -> Command {
        let (program, arguments): (_, &[&str]) = match self.kind {
            Kind::Apache => ("apache2", &["-D", "FOREGROUND", "-f"]),
            Kind::Nginx => ("nginx", &["-e", "stderr", "-c"]),
        };
        let mut command = Command::new(find_program(program).unwrap_or(PathBuf::from(program)));
        command.args(arguments).arg(config);
        command
    }

    fn apache(&self, home: &Path, backend: &str) -> String {
        let (home, port, prefix) = (home.display(), self.port, &self.prefix);
        let patience = self.patience.as_secs();
        let modules = [
            "mpm_event",
            "authn_core",
            "authz_core",
            "proxy",
            "proxy_http",
            "ssl",
            "socache_shmcb",
        ];
        let modules: String = modules
            .map(|name| {
                format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")
            })
            .concat();
        format!(
            "ServerRoot {home}\nServerName localhost\nListen 127.0.0.1:{port}\n{modules}\
             User nobody\nGroup nogroup\nPidFile {home}/pid\nDefaultRuntimeDir {home}\n\
             Mutex file:{home} default\nErrorLog /dev/stderr\nLogLevel notice\n\
             SSLEngine on\nSSLCertificateFile {home}/cert.pem\nSSLCertificateKeyFile {home}/key.pem\n\
             AllowEncodedSlashes NoDecode\nProxyRequests Off\nProxyTimeout {patience}\n\
             ProxyPass {prefix} {backend} nocanon\n"
        )
    }

    fn nginx(&self, home: &Path, backend: &str) -> String {
        // As its manual says: without a path here, nginx hands on the request's as it came; with
        // one, it replaces the location's prefix in what it decoded and encodes anew.
        let backend = if self.prefix == "/" { backend.trim_end_matches('/') } else { backend };
        let (home, port, prefix) = (home.display(), self.port, &self.prefix);
        let patience = self.patience.as_secs();
        let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {home}/{name};\n"))
            .concat();
        format!(
            "daemon off;\nworker_processes 1;\nuser nobody nogroup;\npid {home}/pid;\n\
             error_log stderr notice;\nevents {{}}\nhttp {{\naccess_log off;\n{temp}\
             client_max_body_size 0;\nserver {{\nlisten 127.0.0.1:{port} ssl;\n\
             ssl_certificate {home}/cert.pem;\nssl_certificate_key {home}/key.pem;\n\
             location {prefix} {{\nproxy_pass {backend};\nproxy_http_version 1.1;\n\
             proxy_request_buffering off;\nproxy_buffering off;\n\
             proxy_read_timeout {patience}s;\n}}\n}}\n}}\n"
        )
    }
}

/// A running proxy; it ends with the value.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    url: String,
    _home: Folder,
}

impl Proxy {
    /// Under what URL the outside knows the server.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The signal that ends the workers too.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Both say it on their log, at the level `notice`, once they accept connections.
#[track_caller]
fn wait_until_it_listens(child: &mut Child) {
    let log = BufReader::new(child.stderr.take().expect("it is piped"));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // To its end, or the proxy would block or die on a full or closed pipe.
        for line in log.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let mut said = String::new();
    loop {
        match receiver.recv_timeout(START) {
            Ok(line) if line.contains("resuming normal operations") => return,
            Ok(line) if line.contains("start worker process ") => return,
            Ok(line) => said = said + &line + "\n",
            Err(_) => panic!("the proxy doesn't start:\n{said}"),
        }
    }
}

fn certificate(folder: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    openssl.args(["-keyout", "key.pem", "-out", "cert.pem"]).current_dir(folder);
    run(&mut openssl).success();
}

/// A port that is free now, below the range from which the kernel hands out others, so that none
/// of the many connections of a test takes it before the proxy does.
fn free_port() -> u16 {
    static TRIES: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 10_000) as u16;
    loop {
        let port = 20_000 + (start + TRIES.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
