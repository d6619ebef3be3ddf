//! A line on which a round trip takes ten milliseconds longer.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::Client;

/// Each way.
const DELAY: Duration = Duration::from_millis(5);
const PORTION: usize = 64 * 1024;
/// How many portions are on their way at most: a long line is not a narrow one.
const PORTIONS_MAX: usize = 1024;

/// Bytes, and when they arrive.
type Portion = (Instant, Vec<u8>);

/// A connection to a server far away. The line ends with it.
pub(super) fn connect(server: SocketAddr) -> Result<Client> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (near, _) = listener.accept()?;
    let far = TcpStream::connect(server)?;
    for stream in [&near, &far] {
        stream.set_nodelay(true)?;
    }
    carry(near.try_clone()?, far.try_clone()?);
    carry(far, near);
    Client::on(client, server)
}

/// Carries what comes from one end to the other, in time, until either ends.
fn carry(from: TcpStream, to: TcpStream) {
    let (sender, receiver) = sync_channel(PORTIONS_MAX);
    thread::spawn(move || take(from, &sender));
    thread::spawn(move || deliver(&receiver, to));
}

/// A line that breaks is no error of its own: who asked misses the answer.
fn take(mut from: TcpStream, sender: &SyncSender<Portion>) {
    let mut buffer = vec![0; PORTION];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if sender.send((Instant::now() + DELAY, buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}

fn deliver(receiver: &Receiver<Portion>, mut to: TcpStream) {
    for (due, portion) in receiver {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&portion).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
