//! The latest records of all chains, once or as they come.
//!
//! Constraint kept: what is remembered of the records that were shown is bounded, however long somebody watches.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::domain::audit::Subject;
use crate::ops::{OpError, World};

use super::Shown;

/// Between two looks.
pub const FOLLOW_EVERY: Duration = Duration::from_secs(2);
/// How far back each look goes again. Records carry the time of the writer's clock, and the index that is read is a
/// moment behind the table.
const OVERLAP_MS: i64 = 60_000;
/// Most records that one look takes in.
pub const LOOK_MAX: u32 = 1_000;
/// Most records that are remembered as shown: what four looks take in.
const REMEMBERED_MAX: usize = 4_000;

/// The latest records since a time, oldest first, at most `limit` (and `LOOK_MAX`).
pub async fn latest(world: &World, since_ms: i64, limit: u32) -> Result<Vec<Shown>, OpError> {
    let mut records = world.audit.recent(since_ms, limit.clamp(1, LOOK_MAX)).await?;
    records.reverse();
    Ok(records.into_iter().map(Shown::from).collect())
}

/// Watches the log.
#[derive(Debug, Default)]
pub struct Follower {
    shown: BTreeSet<(Subject, u64)>,
    order: VecDeque<(Subject, u64)>,
    latest_ms: i64,
}

/// What came since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fresh {
    /// The records, oldest first.
    pub records: Vec<Shown>,
    /// Whether there may have been more than one look takes in.
    pub cut_off: bool,
}

impl Follower {
    /// A follower that begins at a time.
    pub fn new(since_ms: i64) -> Self {
        Self { latest_ms: since_ms.saturating_add(OVERLAP_MS), ..Self::default() }
    }

    /// Notes records as shown.
    pub fn note(&mut self, records: &[Shown]) {
        for record in records {
            self.latest_ms = self.latest_ms.max(record.record.as_ref().map_or(0, |r| r.at_ms));
            let key = (record.subject.clone(), record.seq);
            if self.shown.insert(key.clone()) {
                self.order.push_back(key);
            }
        }
        while self.order.len() > REMEMBERED_MAX {
            self.order.pop_front().map(|key| self.shown.remove(&key));
        }
    }

    /// Looks for what is new. A clock that is ahead of ours does not hide what others write.
    pub async fn look(&mut self, world: &World) -> Result<Fresh, OpError> {
        let since_ms = self.latest_ms.min(world.clock.now_ms()).saturating_sub(OVERLAP_MS);
        let records = latest(world, since_ms, LOOK_MAX).await?;
        let full = records.len() == LOOK_MAX as usize;
        let is_new = |record: &Shown| !self.shown.contains(&(record.subject.clone(), record.seq));
        let overlaps = records.iter().any(|record| !is_new(record));
        let records: Vec<Shown> = records.into_iter().filter(is_new).collect();
        self.note(&records);
        Ok(Fresh { records, cut_off: full && !overlaps })
    }
}
