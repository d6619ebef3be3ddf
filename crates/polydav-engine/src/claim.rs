//! Claims: who may change which paths right now.
//!
//! A run claims all its paths together and waits until none of them overlaps a path of a claim
//! made before. Since a claim is taken whole, in the order of asking, no two can wait for each
//! other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polydav_store::ResourcePath;
use tokio::sync::oneshot;

/// The claims of one store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims(Arc<Mutex<Table>>);

/// The patience was over before the paths were free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// A claim that is held, or waits. Dropped: given up.
#[derive(Debug)]
pub(crate) struct Claim {
    claims: Claims,
    ticket: u64,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// What is claimed, waiting or not, by ticket: in the order of asking.
    claims: BTreeMap<u64, Trees>,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

/// The trees at some paths, in order; none contains another.
#[derive(Debug, Default)]
pub(crate) struct Trees(Vec<ResourcePath>);

impl Trees {
    /// Those at these paths.
    pub(crate) fn new(mut paths: Vec<ResourcePath>) -> Self {
        // Stable, for that is fast where there is some order already.
        paths.sort();
        // A tree lies together in that order.
        paths.dedup_by(|later, earlier| earlier.contains(later));
        Self(paths)
    }

    /// Whether any of them overlaps any of the others.
    fn overlap(&self, others: &Self) -> bool {
        let swap = self.0.len() > others.0.len();
        let (few, many) = if swap { (&others.0, &self.0) } else { (&self.0, &others.0) };
        few.iter().any(|path| {
            let place = many.partition_point(|other| other < path);
            let above = place.checked_sub(1).is_some_and(|before| many[before].contains(path));
            above || many.get(place).is_some_and(|next| path.contains(next))
        })
    }
}

impl Claims {
    /// Claims `trees` together, waiting up to `patience` for those who asked before.
    ///
    /// # Errors
    /// [`Busy`] if the patience was over.
    pub(crate) async fn take(&self, trees: Trees, patience: Duration) -> Result<Claim, Busy> {
        let (claim, granted) = self.ask(trees);
        let Some(granted) = granted else { return Ok(claim) };
        match tokio::time::timeout(patience, granted).await {
            Ok(Ok(())) => Ok(claim),
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }

    /// How many claims there have been, unless somebody claims the tree at `path`, or one that it
    /// overlaps with: the same number again says that nobody did meanwhile.
    pub(crate) fn count_without(&self, path: &ResourcePath) -> Option<u64> {
        let tree = Trees::new(vec![path.clone()]);
        let table = self.table();
        let is_claimed = table.claims.values().any(|claimed| claimed.overlap(&tree));
        (!is_claimed).then_some(table.next)
    }

    fn ask(&self, trees: Trees) -> (Claim, Option<oneshot::Receiver<()>>) {
        let mut table = self.table();
        let ticket = table.next;
        table.next += 1;
        table.claims.insert(ticket, trees);
        let granted = (!table.is_free(ticket)).then(|| {
            let (grant, granted) = oneshot::channel();
            table.waiting.insert(ticket, grant);
            granted
        });
        (Claim { claims: self.clone(), ticket }, granted)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Whether nobody with an earlier ticket claims what overlaps with what this one does.
    fn is_free(&self, ticket: u64) -> bool {
        let Some(trees) = self.claims.get(&ticket) else { return false };
        !self.claims.range(..ticket).any(|(_, earlier)| earlier.overlap(trees))
    }

    fn give_up(&mut self, ticket: u64) {
        self.waiting.remove(&ticket);
        self.claims.remove(&ticket);
        let waiting = self.waiting.keys().copied();
        let free: Vec<u64> = waiting.filter(|ticket| self.is_free(*ticket)).collect();
        for ticket in free {
            if let Some(grant) = self.waiting.remove(&ticket) {
                // Whoever waited may be gone; then its claim is given up too.
                let _ = grant.send(());
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.table().give_up(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    const LONG: Duration = Duration::from_secs(3600);

    fn trees(list: &[&str]) -> Trees {
        Trees::new(list.iter().map(|joined| ResourcePath::parse(joined).unwrap()).collect())
    }

    async fn take<const N: usize>(claims: &Claims, list: [&str; N]) -> Claim {
        claims.take(trees(&list), LONG).await.unwrap()
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
        assert!(claims.table().claims.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let claims = Claims::default();
        let _first = take(&claims, ["a"]).await;
        assert_eq!(claims.take(trees(&["a/b"]), LONG).await.unwrap_err(), Busy);
        assert!(claims.table().waiting.is_empty());
    }
}
