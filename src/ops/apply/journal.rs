//! The journal of an apply: which cells a plan has begun and how they ended.
//!
//! Constraint kept: an entry is written before its step begins, so that a resumed run knows which operations under way
//! are its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::domain::ids::{CellId, Digest};
use crate::ops::World;
use crate::ops::error::OpError;
use crate::ops::lease::HeldLease;
use crate::ports::JournalEntry;

use super::report::{ApplyReport, CellResult};

/// The journal of one plan's applies.
pub(super) struct Journal<'a> {
    world: &'a World,
    lease: &'a HeldLease,
    name: String,
    /// Cells whose stack an earlier run was about to change when it ended.
    called: BTreeSet<CellId>,
    /// Whether an earlier run has written anything.
    resumed: bool,
    next: AtomicU64,
    writing: Mutex<()>,
}

impl<'a> Journal<'a> {
    /// Reads what earlier runs of this plan have written.
    pub(super) async fn open(world: &'a World, plan: &Digest, lease: &'a HeldLease) -> Result<Self, OpError> {
        let name = format!("apply-{}", &plan.as_str()[..24]);
        let entries = world.control.journal(&name).await?;
        let next = AtomicU64::new(entries.last().map_or(1, |e| e.seq + 1));
        let resumed = !entries.is_empty();
        Ok(Self { world, lease, name, called: called(&entries), resumed, next, writing: Mutex::default() })
    }

    /// Whether an earlier run of this plan was about to change this cell's stack, and did not see the end.
    pub(super) fn has_called(&self, cell: &CellId) -> bool {
        self.called.contains(cell)
    }

    /// Whether an earlier run of this plan has begun anything.
    pub(super) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Written right before the call that changes a stack; it also proves that the lease is still held.
    pub(super) async fn calling(&self, cell: &CellId, token: &str) -> Result<(), OpError> {
        self.write("calling", serde_json::json!({ "cell": cell, "token": token })).await
    }

    pub(super) async fn finished(&self, result: &CellResult) -> Result<(), OpError> {
        let body = serde_json::json!({ "cell": result.cell, "outcome": result.outcome, "status": result.status });
        self.write("finished", body).await
    }

    pub(super) async fn ended(&self, report: &ApplyReport) -> Result<(), OpError> {
        self.write("ended", serde_json::json!({ "exitCode": report.exit_code(), "stopped": report.stopped })).await
    }

    async fn write(&self, event: &str, body: serde_json::Value) -> Result<(), OpError> {
        // One writer at a time, so that the numbers have no gaps.
        let _turn = self.writing.lock().await;
        let seq = self.next.load(Ordering::SeqCst);
        let entry = JournalEntry { seq, at_ms: self.world.clock.now_ms(), event: event.to_owned(), body };
        match self.world.control.append(&self.name, &entry, self.lease.lease()).await {
            Ok(()) => {
                self.next.store(seq + 1, Ordering::SeqCst);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Cells with a `calling` entry and no later `finished` one.
fn called(entries: &[JournalEntry]) -> BTreeSet<CellId> {
    let mut called = BTreeSet::new();
    for entry in entries {
        let cell = entry.body.get("cell").and_then(|c| c.as_str()).and_then(|c| c.parse::<CellId>().ok());
        let Some(cell) = cell else { continue };
        match entry.event.as_str() {
            "calling" => drop(called.insert(cell)),
            "finished" => drop(called.remove(&cell)),
            _ => {}
        }
    }
    called
}
