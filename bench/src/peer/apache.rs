//! How Apache is configured: with locks and the event MPM, as Debian has it.

use std::process::Command;

use crate::Result;

use super::Place;

const MODULES: [&str; 4] = ["mpm_event", "authz_core", "dav", "dav_fs"];

/// The whole file: nothing of the system's own configuration is read.
///
/// Each of the two processes has more threads than there are connections: a process whose threads are
/// all busy closes connections that are to be used again.
pub(super) fn command(place: &Place<'_>) -> Result<Command> {
    let (home, folder, address) = (place.home.display(), place.folder.display(), place.address);
    let modules: String = MODULES
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let configuration = format!(
        "ServerRoot {home}\nServerName localhost\nListen {address}\n{modules}\
         User nobody\nGroup nogroup\nPidFile {home}/pid\nDefaultRuntimeDir {home}\n\
         Mutex file:{home} default\nErrorLog {home}/log\nLogLevel error\n\
         StartServers 2\nThreadsPerChild 64\nMaxRequestWorkers 128\n\
         MinSpareThreads 1\nMaxSpareThreads 128\n\
         KeepAlive On\nMaxKeepAliveRequests 0\nKeepAliveTimeout 300\nEnableSendfile On\n\
         DavLockDB {home}/state/locks\nDocumentRoot {folder}\n\
         <Directory {folder}>\nDav On\nDavDepthInfinity On\nRequire all granted\nAllowOverride None\n</Directory>\n"
    );
    place.configured("apache2 -D FOREGROUND -f", &configuration)
}
