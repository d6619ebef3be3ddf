//! Claims: who may change which paths right now.
//!
//! A run claims all its paths together and waits until none of them overlaps a path of a claim
//! made before. Since a claim is taken whole, in the order of asking, no two can wait for each
//! other.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polydav_store::ResourcePath;
use tokio::sync::oneshot;

/// The claims of one store.
#[derive(Debug, Clone, Default)]
pub struct Claims(Arc<Mutex<Table>>);

/// The patience was over before the paths were free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// A claim that is held, or waits. Dropped: given up.
#[derive(Debug)]
pub struct Claim {
    claims: Claims,
    ticket: u64,
    paths: Vec<ResourcePath>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// Who claims a path, waiting or not, by ticket.
    tickets: BTreeMap<ResourcePath, Vec<u64>>,
    waiting: BTreeMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    paths: Vec<ResourcePath>,
    grant: oneshot::Sender<()>,
}

impl Claims {
    /// Claims the trees at `paths` together, waiting up to `patience` for those who asked before.
    ///
    /// # Errors
    /// [`Busy`] if the patience was over.
    pub async fn take(
        &self,
        mut paths: Vec<ResourcePath>,
        patience: Duration,
    ) -> Result<Claim, Busy> {
        paths.sort_unstable();
        // A tree contains the trees in it.
        paths.dedup_by(|later, earlier| earlier.contains(later));
        let (claim, granted) = self.ask(paths);
        let Some(granted) = granted else { return Ok(claim) };
        match tokio::time::timeout(patience, granted).await {
            Ok(Ok(())) => Ok(claim),
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }

    fn ask(&self, paths: Vec<ResourcePath>) -> (Claim, Option<oneshot::Receiver<()>>) {
        let mut table = self.table();
        let ticket = table.next;
        table.next += 1;
        for path in &paths {
            table.tickets.entry(path.clone()).or_default().push(ticket);
        }
        let granted = (!table.is_free(ticket, &paths)).then(|| {
            let (grant, granted) = oneshot::channel();
            table.waiting.insert(ticket, Waiter { paths: paths.clone(), grant });
            granted
        });
        (Claim { claims: self.clone(), ticket, paths }, granted)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Whether nobody with an earlier ticket claims a tree that overlaps one of `paths`.
    fn is_free(&self, ticket: u64, paths: &[ResourcePath]) -> bool {
        let earlier = |tickets: &Vec<u64>| tickets.iter().any(|&other| other < ticket);
        !paths.iter().any(|path| {
            let above = path.ancestors().any(|path| self.tickets.get(&path).is_some_and(earlier));
            above
                || self
                    .tickets
                    .range((Bound::Included(path), Bound::Unbounded))
                    .take_while(|(other, _)| path.contains(other))
                    .any(|(_, tickets)| earlier(tickets))
        })
    }

    fn give_up(&mut self, ticket: u64, paths: &[ResourcePath]) {
        self.waiting.remove(&ticket);
        for path in paths {
            if let Some(tickets) = self.tickets.get_mut(path) {
                tickets.retain(|&other| other != ticket);
                if tickets.is_empty() {
                    self.tickets.remove(path);
                }
            }
        }
        let free: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(ticket, waiter)| self.is_free(**ticket, &waiter.paths))
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in free {
            if let Some(waiter) = self.waiting.remove(&ticket) {
                // Whoever waited may be gone; then its claim is given up too.
                let _ = waiter.grant.send(());
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.table().give_up(self.ticket, &self.paths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    const LONG: Duration = Duration::from_secs(3600);

    fn paths(list: &[&str]) -> Vec<ResourcePath> {
        list.iter().map(|joined| ResourcePath::parse(joined).unwrap()).collect()
    }

    async fn take<const N: usize>(claims: &Claims, list: [&str; N]) -> Claim {
        claims.take(paths(&list), LONG).await.unwrap()
    }

    fn is_pending(future: std::pin::Pin<&mut impl Future>) -> bool {
        matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
    }

    #[tokio::test]
    async fn trees_that_do_not_overlap_are_claimed_at_once() {
        let claims = Claims::default();
        let _first = take(&claims, ["a/b", "c"]).await;
        let _second = take(&claims, ["a/c", "cc", "a/bb"]).await;
    }

    #[tokio::test]
    async fn a_claim_waits_for_a_tree_above_or_below() {
        for (held, wanted) in [("a", "a/b/c"), ("a/b/c", "a"), ("a", "a"), ("", "a"), ("a", "")] {
            let claims = Claims::default();
            let first = take(&claims, [held]).await;
            let mut second = std::pin::pin!(take(&claims, [wanted]));
            assert!(is_pending(second.as_mut()), "{held} then {wanted}");
            drop(first);
            second.await;
        }
    }

    #[tokio::test]
    async fn claims_are_granted_in_the_order_of_asking() {
        let claims = Claims::default();
        let first = take(&claims, ["a"]).await;
        let mut second = std::pin::pin!(take(&claims, ["a", "b"]));
        assert!(is_pending(second.as_mut()));
        let mut third = std::pin::pin!(take(&claims, ["b/x"]));
        assert!(is_pending(third.as_mut()), "b is free, but asked for before");
        drop(first);
        let second = second.await;
        assert!(is_pending(third.as_mut()));
        drop(second);
        third.await;
    }

    #[tokio::test]
    async fn who_gives_up_waiting_stands_in_nobodys_way() {
        let claims = Claims::default();
        let first = take(&claims, ["a"]).await;
        {
            let mut second = std::pin::pin!(take(&claims, ["a", "b"]));
            assert!(is_pending(second.as_mut()));
        }
        take(&claims, ["b"]).await;
        drop(first);
        assert!(claims.table().tickets.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let claims = Claims::default();
        let _first = take(&claims, ["a"]).await;
        assert_eq!(claims.take(paths(&["a/b"]), LONG).await.unwrap_err(), Busy);
        assert!(claims.table().waiting.is_empty());
    }
}
