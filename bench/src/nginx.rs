//! nginx with its module dav-ext: the fastest peer, configured to do nothing else.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::client::Client;
use crate::process::Process;

const START_MAX: Duration = Duration::from_secs(10);

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    _process: Process,
    address: SocketAddr,
    _home: TempDir,
}

impl Nginx {
    /// Serves a folder, and waits until that works.
    pub(crate) fn serve(folder: &Path) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("polydav-bench-nginx-").tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let file = home.path().join("nginx.conf");
        std::fs::write(&file, configuration(home.path(), folder, address))?;
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-c"]).arg(&file).stdin(Stdio::null());
        let child = command.spawn().map_err(|error| format!("nginx: {error}"))?;
        let nginx = Self { _process: Process(child), address, _home: home };
        let start = Instant::now();
        while let Err(error) = TcpStream::connect(address) {
            if error.kind() != ErrorKind::ConnectionRefused || start.elapsed() > START_MAX {
                return Err(format!("nginx: {error}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }

    /// A new connection.
    pub(crate) fn client(&self) -> Result<Client> {
        Client::connect(self.address)
    }
}

fn configuration(home: &Path, folder: &Path, address: SocketAddr) -> String {
    let (home, folder) = (home.display(), folder.display());
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {home}/{name};\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes 2;\nuser root;\npid {home}/pid;\nerror_log stderr error;\n\
         load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;\n\
         events {{ worker_connections 8192; }}\nhttp {{\ninclude /etc/nginx/mime.types;\n\
         access_log off; sendfile on; tcp_nodelay on; server_tokens off;\n\
         keepalive_requests 1000000000; client_max_body_size 0; {temp}\
         dav_ext_lock_zone zone=locks:64m;\nserver {{\nlisten {address} backlog=4096;\n\
         root {folder};\nlocation / {{\ndav_methods PUT DELETE MKCOL COPY MOVE;\n\
         dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;\ndav_ext_lock zone=locks;\n}}\n}}\n}}\n"
    )
}
