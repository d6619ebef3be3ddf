//! The polydav binary: `serve` and `demo`.
//!
//! This crate alone names a concrete store, reads the environment, prints and exits. `args` is what
//! the command line and the configuration file say; `setup` is what that comes to; `serve` and
//! `demo` do it.

mod args;
mod config;
mod demo;
mod error;
mod serve;
mod setup;
mod table;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};
use crate::error::Error;

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
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    match args.command {
        Command::Serve(args) => {
            let setup = setup::Setup::resolve(*args)?;
            runtime.block_on(serve::serve(setup))
        }
        Command::Demo(args) => runtime.block_on(demo::demo(args)),
    }
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
