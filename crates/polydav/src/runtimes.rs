//! `Runtimes`: one for each processor, with one thread that may not block.
//!
//! A connection stays where it is: a runtime of many threads wakes one of them for each request that
//! another has just read.

use std::io;
use std::num::NonZero;
use std::thread::{self, available_parallelism};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// Threads that may block beside those that feed answers to slow clients.
const BLOCKING_THREADS_MIN: usize = 64;

/// How long what still blocks is waited for in the end: it was given its time before.
const END: Duration = Duration::from_secs(1);

/// The runtimes of the process.
pub(crate) struct Runtimes {
    first: Runtime,
    beside: Vec<Runtime>,
}

impl Runtimes {
    pub(crate) fn start() -> io::Result<Self> {
        let count = available_parallelism().map_or(1, NonZero::get);
        let beside = (1..count).map(|_| start()).collect::<io::Result<_>>()?;
        Ok(Self { first: start()?, beside })
    }

    /// Those beside the first.
    pub(crate) fn beside(&self) -> Vec<Handle> {
        self.beside.iter().map(|runtime| runtime.handle().clone()).collect()
    }

    /// Runs this by the first.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.first.block_on(work)
    }

    /// Ends them all, at the same time. Dropping them would wait without end for what still blocks.
    pub(crate) fn end(self) {
        thread::scope(|scope| {
            for runtime in self.beside.into_iter().chain([self.first]) {
                scope.spawn(|| runtime.shutdown_timeout(END));
            }
        });
    }
}

fn start() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        // An answer that streams holds a thread until its client has taken it. If all connections
        // did, and all of them here, there must still be threads for the changes.
        .max_blocking_threads(
            polydav_server::Options::default().connections_max + BLOCKING_THREADS_MIN,
        )
        .enable_all()
        .build()
}
