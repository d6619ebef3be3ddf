//! `Server`: listens, takes connections within bounds, and stops without cutting off what runs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use polydav_dav::Dav;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::connection;
use crate::front::Front;
use crate::{Options, Stopped};

/// How long no connection is accepted after one could not be: the process has no file descriptor
/// left, or the system no memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that listens. Connections wait in the system's queue until it serves.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

/// What accepting needs.
#[derive(Clone)]
struct Acceptor {
    front: Arc<Front>,
    options: Arc<Options>,
    places: Arc<Semaphore>,
    shares: Arc<[Share]>,
    stopping: watch::Receiver<bool>,
}

/// A runtime that serves connections.
struct Share {
    /// Which one it is; without it, the one that accepts them.
    beside: Option<Handle>,
    /// Every connection it has holds this too.
    open: Arc<()>,
}

/// What a connection holds until it ends: its place, and that of its [`Share`].
type Held = (OwnedSemaphorePermit, Arc<()>);

impl Share {
    fn of(beside: &[Handle]) -> Arc<[Self]> {
        let beside = beside.iter().cloned().map(Some);
        let share = |beside| Self { beside, open: Arc::default() };
        std::iter::once(None).chain(beside).map(share).collect()
    }

    /// The one that has the fewest connections.
    fn least(shares: &[Self]) -> &Self {
        let least = shares.iter().min_by_key(|share| Arc::strong_count(&share.open));
        least.expect("whoever accepts has one")
    }
}

impl Server {
    /// Listens at these addresses; port 0 is any that is free.
    ///
    /// # Errors
    /// If the system refuses one of them: which, and why.
    pub async fn bind(addresses: &[SocketAddr]) -> Result<Self, (SocketAddr, io::Error)> {
        let mut listeners = Vec::with_capacity(addresses.len());
        let mut bound = Vec::with_capacity(addresses.len());
        for &address in addresses {
            let listener = TcpListener::bind(address).await.map_err(|error| (address, error))?;
            bound.push(listener.local_addr().map_err(|error| (address, error))?);
            listeners.push(listener);
        }
        Ok(Self { listeners, addresses: bound })
    }

    /// Where it listens, in the order asked for, with the ports that were free.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `shutdown` is there. Then nothing is accepted any more, and what runs ends:
    /// requests within [`Options::unhurried`], after which no further step of a plan begins, and
    /// all of it within [`Options::grace`].
    pub async fn serve(
        self,
        dav: Dav,
        options: Options,
        shutdown: impl Future<Output = ()>,
    ) -> Stopped {
        let users = options.users.clone();
        let front = Arc::new(Front::new(dav, users, options.allowed_origins.clone()));
        let (stop, stopping) = watch::channel(false);
        let options = Arc::new(options);
        let acceptor = Acceptor {
            front: Arc::clone(&front),
            options: Arc::clone(&options),
            places: Arc::new(Semaphore::new(options.connections_max)),
            shares: Share::of(&options.beside),
            stopping,
        };
        let mut accepting: JoinSet<_> =
            self.listeners.into_iter().map(|listener| acceptor.clone().accept(listener)).collect();
        shutdown.await;
        // Nobody listens to it if there is no listener.
        let _ = stop.send(true);
        let mut connections = Vec::new();
        while let Some(accepted) = accepting.join_next().await {
            connections.extend(accepted);
        }
        end(&front, connections, &options).await
    }
}

/// Lets what runs end.
async fn end(front: &Front, connections: Vec<JoinSet<()>>, options: &Options) -> Stopped {
    let ended = async {
        let mut connections = Box::pin(join_all(connections.into_iter().map(all_ended)));
        if timeout(options.unhurried, &mut connections).await.is_ok() {
            return front.dav().engine().drain().await;
        }
        tokio::join!(connections, front.dav().engine().drain());
    };
    match timeout(options.grace, ended).await {
        Ok(()) => Stopped::Clean,
        Err(_) => Stopped::CutOff,
    }
}

/// One that ended in a panic has ended too: the panic's hook has told of it.
async fn all_ended(mut connections: JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

/// Returns once it is true. If its sender is gone, so is the server, and that is the same.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

impl Acceptor {
    /// Accepts until it is time to stop; returns the connections that still run.
    async fn accept(mut self, listener: TcpListener) -> JoinSet<()> {
        let mut connections = JoinSet::new();
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = self.accept_into(&listener, &mut connections) => {}
            () = stopped(&mut stopping) => {}
        }
        connections
    }

    async fn accept_into(&mut self, listener: &TcpListener, connections: &mut JoinSet<()>) {
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            let (stream, client) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.refused(error).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            let share = Share::least(&self.shares);
            let (this, held) = (self.clone(), (place, Arc::clone(&share.open)));
            match &share.beside {
                None => connections.spawn(this.serve(stream, client, held)),
                Some(runtime) => {
                    connections.spawn_on(this.serve_there(stream, client, held), runtime)
                }
            };
        }
    }

    /// Serves a connection that another runtime has accepted, by this one.
    async fn serve_there(self, stream: TcpStream, client: SocketAddr, held: Held) {
        match stream.into_std().and_then(TcpStream::from_std) {
            Ok(stream) => self.serve(stream, client, held).await,
            Err(error) => tracing::error!(%client, %error, "a connection could not be served"),
        }
    }

    async fn serve(self, stream: TcpStream, client: SocketAddr, _held: Held) {
        // Without it, the end of a small answer waits for the client's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%client, %error, "TCP_NODELAY could not be set");
        }
        connection::serve(stream, client, self.front, &self.options, self.stopping).await;
    }

    async fn refused(&self, error: io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        // The client was gone before it was its turn.
        if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            tracing::error!(%error, "a connection could not be accepted");
            sleep(ACCEPT_PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_for_the_runtime_that_has_the_fewest() {
        let shares = Share::of(&[Handle::current()]);
        let is_beside = |open: &Arc<()>| Arc::ptr_eq(open, &shares[1].open);
        let next = || Arc::clone(&Share::least(&shares).open);
        let mut open: Vec<_> = std::iter::repeat_with(next).take(4).collect();
        assert_eq!(open.iter().filter(|open| is_beside(open)).count(), 2);
        open.retain(is_beside);
        assert!(!is_beside(&next()));
        assert!(Share::least(&shares).beside.is_none());
    }
}
