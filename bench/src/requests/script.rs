//! What is asked on a connection.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::vec;

use crate::client::request;
use crate::drive::Script;

/// Requests that several connections share: each takes the next.
#[derive(Clone)]
pub(super) struct Queue {
    requests: Rc<RefCell<vec::IntoIter<Vec<u8>>>>,
    accepted: &'static [u16],
}

impl Queue {
    pub(super) fn of(requests: Vec<Vec<u8>>, accepted: &'static [u16]) -> Self {
        Self { requests: Rc::new(RefCell::new(requests.into_iter())), accepted }
    }
}

impl Script for Queue {
    fn next(&mut self, _last: Option<&str>) -> Option<Vec<u8>> {
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
    left: usize,
    is_locked: bool,
}

impl LockCycles {
    pub(super) fn new(server: SocketAddr, path: String, count: usize) -> Self {
        Self { server, path, left: count, is_locked: false }
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
        self.left = self.left.checked_sub(1)?;
        self.is_locked = true;
        let headers = ["Depth: 0", "Timeout: Second-600", "Content-Type: application/xml"];
        Some(request(self.server, ("LOCK", &self.path), &headers, LOCKINFO))
    }

    fn accepts(&self, status: u16) -> bool {
        match self.is_locked {
            true => status == 200,
            false => status == 204,
        }
    }
}
