//! Many requests on several connections, one in flight on each, all from one thread: asking is to take
//! as little of the processors as it can.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::LocalSet;

use crate::Result;
use crate::client::{Coming, Wanted};
use crate::fault::Fault;
use crate::load::{Load, measured};

/// Bytes taken in at a time.
const BUFFER: usize = 64 * 1024;

/// What is asked on one connection.
pub(crate) trait Script: 'static {
    /// The next request; `last` is the header section of the answer before, in lower case.
    fn next(&mut self, last: Option<&str>) -> Option<Vec<u8>>;

    /// Whether an answer of this status is one of success.
    fn accepts(&self, status: u16) -> bool;
}

/// Has all scripts played at once, each on a connection of its own.
pub(crate) fn drive<S: Script>(server: SocketAddr, scripts: Vec<S>) -> Result<Load> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let connect = || async {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Result::Ok(stream)
    };
    let scripts = scripts.into_iter().map(|script| Ok((runtime.block_on(connect())?, script)));
    let scripts: Vec<_> = scripts.collect::<Result<_>>()?;
    let ((), load) = measured(|| {
        let local = LocalSet::new();
        let playing =
            scripts.into_iter().map(|(stream, script)| local.spawn_local(play(stream, script)));
        let playing: Vec<_> = playing.collect();
        runtime.block_on(local.run_until(async {
            for one in playing {
                one.await??;
            }
            Ok(())
        }))
    })?;
    Ok(load)
}

async fn play(mut stream: TcpStream, mut script: impl Script) -> Result {
    let mut buffer = vec![0; BUFFER];
    let mut last = None;
    while let Some(request) = script.next(last.as_deref()) {
        stream.write_all(&request).await?;
        let (status, head) = receive(&mut stream, &mut buffer).await?;
        if !script.accepts(status) {
            return Err(Fault::answer(status, &head));
        }
        last = Some(head);
    }
    Ok(())
}

/// Takes an answer in, and keeps its header section.
async fn receive(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<(u16, String)> {
    let mut coming = Coming::new(Wanted::Nothing);
    loop {
        let count = stream.read(buffer).await?;
        if coming.take(&buffer[..count])? {
            let (status, head, _) = coming.into_parts()?;
            return Ok((status, head));
        }
    }
}
