//! The HTTP front of polydav: from sockets to requests, and no further.
//!
//! It listens, follows the framing of HTTP/1, refuses what is not meant for this server (`Host`) or
//! sent by somebody else's page (`Origin`), finds out who asks, and hands the rest to
//! [`Dav`](polydav_dav::Dav). What a method does, and what is stored how, it doesn't know.
//!
//! ```no_run
//! # async fn example(engine: polydav_engine::Engine) -> Result<(), Box<dyn std::error::Error>> {
//! use polydav_dav::{Dav, Site};
//! use polydav_server::{Options, Server};
//!
//! let server = Server::bind(&["127.0.0.1:0".parse()?]).await.map_err(|(_, error)| error)?;
//! let site = Site::new(server.addresses().to_vec(), Vec::new());
//! let dav = Dav::new(engine, site, polydav_dav::Options::default());
//! server.serve(dav, Options::default(), std::future::pending()).await;
//! # Ok(())
//! # }
//! ```

mod access;
mod connection;
pub mod framing;
mod front;
mod origin;
mod refusal;
mod server;
mod target;
mod users;
mod wire;

use std::time::Duration;

use polydav_proto::header::Origin;
use tokio::runtime::Handle;

pub use crate::server::Server;
pub use crate::users::{InvalidUsers, Users};

/// The bounds of connections, and who may come in.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many connections are served at a time. Others wait in the system's queue.
    pub connections_max: usize,
    /// The longest request line with header section, in bytes. Each connection may hold a buffer of
    /// that size.
    pub head_bytes_max: usize,
    /// From the first byte of a head to its last.
    pub head_timeout: Duration,
    /// How long a connection may lie idle between two requests; up to `head_timeout` longer, since
    /// nobody who has just begun a request is cut off.
    pub idle_timeout: Duration,
    /// How long a client may pause in sending a body.
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer.
    pub write_timeout: Duration,
    /// How long requests run on undisturbed when the server is to stop, and how long a client may
    /// stall from then on.
    pub unhurried: Duration,
    /// When the server stops waiting for what runs, and cuts it off.
    pub grace: Duration,
    /// Other origins whose pages may change things here.
    pub allowed_origins: Vec<Origin>,
    /// Who may come in; `None`: everybody, as one principal.
    pub users: Option<Users>,
    /// Further runtimes that serve connections: of these and the one that
    /// [`serves`](Server::serve), each new connection is for the one that has the fewest. Each must be
    /// driven, have I/O and time enabled, and last until the server has stopped.
    pub beside: Vec<Handle>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            head_bytes_max: 64 * 1024,
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            unhurried: Duration::from_secs(5),
            grace: Duration::from_secs(60),
            allowed_origins: Vec::new(),
            users: None,
            beside: Vec::new(),
        }
    }
}

/// How a server came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// All that ran had ended.
    Clean,
    /// Something still ran when the time was over.
    CutOff,
}
