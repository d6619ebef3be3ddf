//! What asking takes: several connections at once, and the share of the processors that goes into it.

use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::Result;
use crate::client::Client;

/// What something took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) took: Duration,
    /// How much of the processors this process had meanwhile: what it measures had the rest at most.
    pub(crate) share: f64,
}

impl Load {
    /// What so much of it would have taken, if only so much was done.
    pub(crate) fn scaled(self, all: usize, done: usize) -> Self {
        Self { took: self.took.mul_f64(all as f64 / done as f64), ..self }
    }
}

/// Does something, and measures it.
pub(crate) fn measured<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Load)> {
    let (start, before) = (Instant::now(), processor_time());
    let made = work()?;
    let took = start.elapsed();
    let cores = thread::available_parallelism()?.get() as f64;
    let share = (processor_time() - before).as_secs_f64() / took.as_secs_f64() / cores;
    Ok((made, Load { took, share }))
}

/// Has every client ask in a thread of its own; what each of them made of it.
pub(crate) fn at_once<T: Send>(
    clients: Vec<Client>,
    ask: impl Fn(usize, Client) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let ask = &ask;
    let made = thread::scope(|scope| {
        let asking: Vec<_> = clients
            .into_iter()
            .enumerate()
            // What goes wrong crosses threads as a text.
            .map(|(at, client)| scope.spawn(move || ask(at, client).map_err(|e| e.to_string())))
            .collect();
        let made = asking.into_iter().map(|asking| asking.join().expect("it returns errors"));
        made.collect::<std::result::Result<Vec<T>, String>>()
    })?;
    Ok(made)
}

/// What this process has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
