//! `polydav serve`: from a setup to a server, and its orderly end.

use std::net::SocketAddr;
use std::path::Path;
use std::time::SystemTime;

use polydav_dav::{Dav, Site};
use polydav_engine::{Engine, Environment, KeepLimits};
use polydav_server::{Options, Server, Stopped, Users};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;
use crate::setup::Setup;
use crate::stores::{self, Served};

/// Serves until it is told to end, by this runtime and those `beside`.
pub(crate) async fn serve(setup: Setup, beside: Vec<Handle>) -> Result<(), Error> {
    let ended = asked_to_end()?;
    let (server, dav, options) = prepare(setup, beside).await?;
    announce(server.addresses());
    match server.serve(dav, options, ended).await {
        Stopped::Clean => Ok(()),
        Stopped::CutOff => Err(Error::CutOff),
    }
}

/// Opens what is served, and the listeners.
pub(crate) async fn prepare(
    setup: Setup,
    beside: Vec<Handle>,
) -> Result<(Server, Dav, Options), Error> {
    let users = setup.htpasswd.as_deref().map(read_users).transpose()?;
    // A store may wait for its database, which a thread that drives tasks may not.
    let engine = tokio::task::block_in_place(|| open(&setup))?;
    let server = Server::bind(&setup.listen)
        .await
        .map_err(|(address, source)| Error::Listen { address, source })?;
    let site = Site::new(server.addresses().to_vec(), setup.publics);
    let dav = Dav::new(engine, site, setup.dav);
    let allowed_origins = setup.allowed_origins;
    Ok((server, dav, Options { users, allowed_origins, beside, ..Options::default() }))
}

fn read_users(path: &Path) -> Result<Users, Error> {
    let fail = |source| Error::Htpasswd { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.into()))?;
    text.parse::<Users>().map_err(|error| fail(error.into()))
}

fn open(setup: &Setup) -> Result<Engine, Error> {
    let Served { store, ledger, batches } = stores::open(setup)?;
    let durability = setup.durability;
    // A connection is a task of its own.
    let options = polydav_engine::Options { durability, in_place: true, ..Default::default() };
    let engine = Engine::open(store, ledger, environment(), options).map_err(Error::Locks)?;
    match batches {
        Some(ledger) => engine.keeping(ledger, KeepLimits::default()).map_err(Error::Batches),
        None => Ok(engine),
    }
}

fn environment() -> Environment {
    let random = || {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).expect("the system has random numbers");
        u128::from_ne_bytes(bits)
    };
    Environment::new(SystemTime::now, random)
}

/// The one line on standard output: who started us reads the port from it.
#[allow(clippy::print_stdout, reason = "that line is for standard output")]
pub(crate) fn announce(addresses: &[SocketAddr]) {
    for (index, address) in addresses.iter().enumerate() {
        if index == 0 {
            println!("polydav listening on http://{address}/");
        }
        tracing::info!(%address, "listening");
    }
}

/// Done once the system, or somebody at the keyboard, asks us to end.
pub(crate) fn asked_to_end() -> Result<impl Future<Output = ()> + Send + 'static, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Runtime)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending: nothing new is begun, what runs ends");
    })
}
