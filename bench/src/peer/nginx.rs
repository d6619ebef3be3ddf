//! How nginx is configured: with locks, and a worker for each of two cores.

use std::process::Command;

use crate::Result;

use super::Place;

/// The whole file: nothing of the system's own configuration is read but the media types.
pub(super) fn command(place: &Place<'_>) -> Result<Command> {
    let (home, folder, address) = (place.home.display(), place.folder.display(), place.address);
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {home}/state/{name};\n"))
        .concat();
    let configuration = format!(
        "daemon off;\nworker_processes 2;\nuser root;\npid {home}/pid;\nerror_log stderr error;\n\
         load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;\n\
         events {{ worker_connections 8192; }}\nhttp {{\ninclude /etc/nginx/mime.types;\n\
         access_log off; sendfile on; tcp_nodelay on; server_tokens off;\n\
         keepalive_requests 1000000000; client_max_body_size 0; {temp}\
         dav_ext_lock_zone zone=locks:64m;\nserver {{\nlisten {address} backlog=4096;\n\
         root {folder};\nlocation / {{\ndav_methods PUT DELETE MKCOL COPY MOVE;\n\
         dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;\ndav_ext_lock zone=locks;\n}}\n}}\n}}\n"
    );
    place.configured("nginx -e stderr -c", &configuration)
}
