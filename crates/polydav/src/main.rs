//! The polydav binary: `serve` and `demo`.
//!
//! This crate alone names a concrete store, reads the environment, prints and exits. `args` is what
//! the command line and the configuration file say; `setup` is what that comes to; `stores` opens
//! what is served; `serve` and `demo` do it, by the `runtimes`.

mod args;
mod config;
mod demo;
mod error;
mod mount;
mod place;
mod runtimes;
mod serve;
mod setup;
mod stores;
mod table;

use std::process::ExitCode;

use clap::Parser as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::args::{Args, Command};
use crate::error::Error;
use crate::runtimes::Runtimes;

fn main() -> ExitCode {
    let args = Args::parse();
    log_to_stderr();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print();
            error.exit_code()
        }
    }
}

fn run(args: Args) -> Result<(), Error> {
    raise_file_limit();
    keep_memory();
    let runtimes = Runtimes::start().map_err(Error::Runtime)?;
    let ended = match args.command {
        Command::Serve(args) => setup::Setup::resolve(*args)
            .and_then(|setup| runtimes.block_on(serve::serve(setup, runtimes.beside()))),
        Command::Demo(args) => runtimes.block_on(demo::demo(args, runtimes.beside())),
    };
    runtimes.end();
    ended
}

/// A connection takes a file descriptor and a request some more, while the soft limit is 1,024 in
/// most places. With the hard limit at that too, accepting waits.
fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::debug!(%error, "the limit of open files stays as it was");
    }
}

/// By default, glibc gives 128 KiB that are free back to the system, only to ask for them again with
/// the next piece of an upload: a fifth of its time. Whoever gives a larger block back shows that such
/// come and go, and makes glibc keep twice as much (mallopt(3), `M_MMAP_THRESHOLD`).
fn keep_memory() {
    const BLOCK_BYTES: usize = 1024 * 1024;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
}

/// Everything but what was asked for goes to standard error; `POLYDAV_LOG` says how much.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("POLYDAV_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .init();
}
