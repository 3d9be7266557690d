//! Which shard of a fence a guarded transaction checks.
//!
//! Constraint kept: of one mover's transactions that are under way, no two check the same shard. On AWS transactions that
//! meet in an item conflict, a check alone included, and are refused (DynamoDB developer guide, "Transaction conflict
//! handling"). Any shard will do: who takes a fence over takes all of them before it goes on.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The shards of one fence, each for one transaction at a time.
pub(super) struct Lanes {
    slots: Semaphore,
    free: Mutex<VecDeque<u8>>,
}

/// A shard, until it is dropped.
pub(super) struct Lane<'l> {
    /// Its number.
    pub(super) shard: u8,
    lanes: &'l Lanes,
    // Given back after the shard is.
    _slot: Option<SemaphorePermit<'l>>,
}

impl Lanes {
    /// For a fence of so many shards, at least one.
    pub(super) fn new(shards: u8) -> Self {
        let shards = shards.max(1);
        Self { slots: Semaphore::new(usize::from(shards)), free: Mutex::new((0..shards).collect()) }
    }

    /// The shard that has been free for longest; waits until there is one.
    pub(super) async fn take(&self) -> Lane<'_> {
        // The semaphore is never closed, and there are as many slots as shards.
        let slot = self.slots.acquire().await.ok();
        let shard = self.free().pop_front().unwrap_or(0);
        Lane { shard, lanes: self, _slot: slot }
    }

    fn free(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.lanes.free().push_back(self.shard);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn shards_take_turns_and_none_is_given_twice() {
        let lanes = Lanes::new(3);
        let take = || lanes.take().now_or_never();
        let taken: Vec<_> = (0..3).filter_map(|_| take()).collect();
        assert_eq!(taken.iter().map(|lane| lane.shard).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(take().is_none(), "all are in use");
        drop(taken);
        let turns: Vec<u8> = (0..4).filter_map(|_| take().map(|lane| lane.shard)).collect();
        assert_eq!(turns, [0, 1, 2, 0]);
        assert!(Lanes::new(0).take().now_or_never().is_some());
    }
}
