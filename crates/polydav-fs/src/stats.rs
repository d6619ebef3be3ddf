//! `Stats`: what the system knows of the members of a directory, of a large one asked for by two threads.
//!
//! Asking is most of the work of a listing. The other thread is this walk's alone, and ends with it.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustix::fs::Statx;
use rustix::io::Errno;

use crate::permit::Permit;
use crate::resolve::stat_at;

/// So many names are asked about before anybody is told of them.
const PORTION: usize = 256;

/// For fewer, another thread isn't woken.
const SHARED_MIN: usize = 32;

/// So many members are asked about by the walk itself: most directories are small.
const ALONE: usize = 1_000;

/// Names of a directory.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// One behind the other, each with its NUL.
    bytes: Vec<u8>,
    count: usize,
}

/// Names, and what the system knows of each.
pub(crate) struct Known {
    names: Names,
    stats: Vec<Result<Statx, Errno>>,
}

/// Names that are gathered, and who asks about them.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// One half of them.
    here: Names,
    /// The other.
    there: Names,
    met: usize,
    other: Option<Other>,
}

/// A thread that asks about some of them.
#[derive(Debug)]
struct Other {
    ask: SyncSender<(OwnedFd, Names)>,
    known: Receiver<Known>,
}

impl Names {
    fn push(&mut self, name: &CStr) {
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
        self.count += 1;
    }

    fn iter(&self) -> impl Iterator<Item = &CStr> {
        let names = self.bytes.split_inclusive(|&byte| byte == 0);
        names.map(|name| CStr::from_bytes_with_nul(name).expect("each ends with its NUL"))
    }

    /// Asks about all of them.
    fn ask(self, dir: impl AsFd) -> Known {
        let stats = self.iter().map(|name| stat_at(&dir, name)).collect();
        Known { names: self, stats }
    }
}

impl Known {
    /// Each name, with what is known of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&CStr, Result<Statx, Errno>)> {
        self.names.iter().zip(self.stats.iter().copied())
    }
}

impl Stats {
    /// Whether no name was taken in since somebody asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Takes a name in; whether it is time to ask.
    pub(crate) fn push(&mut self, name: &CStr) -> bool {
        self.met += 1;
        let is_even = self.here.count == self.there.count;
        let half = if is_even { &mut self.here } else { &mut self.there };
        half.push(name);
        self.count() == PORTION
    }

    fn count(&self) -> usize {
        self.here.count + self.there.count
    }

    /// Asks about the names taken in, which lie in `dir`; none is left.
    pub(crate) fn ask(&mut self, dir: BorrowedFd<'_>) -> [Known; 2] {
        let is_shared = self.met > ALONE && self.count() >= SHARED_MIN;
        let (here, there) = (std::mem::take(&mut self.here), std::mem::take(&mut self.there));
        // Only while it works: whoever is told of the names may take long.
        if is_shared
            && let Some(_permit) = Permit::take()
            && let Some(other) = self.other()
            && let Ok(same) = dir.try_clone_to_owned()
        {
            let meant = "the other thread lasts as long as it is asked";
            other.ask.send((same, there)).expect(meant);
            return [here.ask(dir), other.known.recv().expect(meant)];
        }
        [here.ask(dir), there.ask(dir)]
    }

    /// The other thread, if there can be one.
    fn other(&mut self) -> Option<&Other> {
        if self.other.is_none() {
            let spawned = Other::spawn();
            let said = "there is no thread to help with a long listing";
            self.other = spawned.inspect_err(|error| tracing::debug!(%error, "{said}")).ok();
        }
        self.other.as_ref()
    }
}

impl Other {
    fn spawn() -> io::Result<Self> {
        let (ask, asked) = sync_channel::<(OwnedFd, Names)>(1);
        let (tell, known) = sync_channel(1);
        let work = move || {
            for (dir, names) in asked {
                // Nobody listens any more to a walk that was broken off.
                let _ = tell.send(names.ask(dir));
            }
        };
        thread::Builder::new().name("stats".to_owned()).spawn(work)?;
        Ok(Self { ask, known })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::num::NonZero;
    use std::os::fd::AsFd as _;
    use std::thread::available_parallelism;

    use super::*;

    /// It never had one, and who had one kept it while nobody was told of anything.
    #[test]
    fn a_walk_that_had_no_help_at_first_may_have_some_later() {
        let permits = available_parallelism().map_or(1, NonZero::get) - 1;
        let dir = tempfile::TempDir::new().unwrap();
        File::create(dir.path().join("a")).unwrap();
        let handle = File::open(&dir).unwrap();
        let mut stats = Stats { met: ALONE, ..Stats::default() };
        let mut ask = || {
            while !stats.push(c"a") {}
            let known = stats.ask(handle.as_fd());
            let found = known.iter().flat_map(Known::iter).filter(|(_, stat)| stat.is_ok());
            assert_eq!(found.count(), PORTION);
            stats.other.is_some()
        };
        // Other tests may have some for a moment.
        let mut taken = Vec::new();
        while taken.len() < permits {
            taken.extend(Permit::take());
        }
        assert!(!ask());
        drop(taken);
        while permits > 0 && !ask() {}
    }
}
