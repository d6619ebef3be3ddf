//! What is asked on a connection.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::vec;

use crate::client::{XML, request};
use crate::drive::Script;

/// How much several connections ask for together, as long as there is time.
#[derive(Clone)]
pub(super) struct Budget {
    left: Rc<Cell<usize>>,
    end: Option<Instant>,
}

impl Budget {
    pub(super) fn new(count: usize, time_max: Option<Duration>) -> Self {
        let end = time_max.map(|time| Instant::now() + time);
        Self { left: Rc::new(Cell::new(count)), end }
    }

    /// How much nobody took.
    pub(super) fn left(&self) -> usize {
        self.left.get()
    }

    /// Takes one, if there are one and time for it.
    fn take(&self) -> Option<()> {
        let is_over = self.end.is_some_and(|end| Instant::now() > end);
        self.left.set(self.left().checked_sub(1).filter(|_| !is_over)?);
        Some(())
    }
}

/// Requests that several connections share: each takes the next.
#[derive(Clone)]
pub(super) struct Queue {
    requests: Rc<RefCell<vec::IntoIter<Vec<u8>>>>,
    accepted: &'static [u16],
    budget: Budget,
}

impl Queue {
    pub(super) fn of(requests: Vec<Vec<u8>>, accepted: &'static [u16], budget: Budget) -> Self {
        Self { requests: Rc::new(RefCell::new(requests.into_iter())), accepted, budget }
    }
}

impl Script for Queue {
    fn next(&mut self, _last: Option<&str>) -> Option<Vec<u8>> {
        self.budget.take()?;
        self.requests.borrow_mut().next()
    }

    fn accepts(&self, status: u16) -> bool {
        self.accepted.contains(&status)
    }
}

/// A resource that is locked and unlocked, again and again.
pub(super) struct LockCycles {
    server: SocketAddr,
    path: String,
    budget: Budget,
    is_locked: bool,
}

impl LockCycles {
    pub(super) fn new(server: SocketAddr, path: String, budget: Budget) -> Self {
        Self { server, path, budget, is_locked: false }
    }
}

pub(super) const LOCKINFO: &[u8] = b"<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/>\
    </D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>";

impl Script for LockCycles {
    fn next(&mut self, last: Option<&str>) -> Option<Vec<u8>> {
        if self.is_locked {
            self.is_locked = false;
            let token = last?.lines().find_map(|line| line.strip_prefix("lock-token:"))?;
            let token = format!("Lock-Token:{token}");
            return Some(request(self.server, ("UNLOCK", &self.path), &[&token], b""));
        }
        self.budget.take()?;
        self.is_locked = true;
        let headers = ["Depth: 0", "Timeout: Second-600", XML];
        Some(request(self.server, ("LOCK", &self.path), &headers, LOCKINFO))
    }

    fn accepts(&self, status: u16) -> bool {
        match self.is_locked {
            true => status == 200,
            false => status == 204,
        }
    }
}
