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
use crate::ports::{CallErrorKind, JournalEntry};

use super::report::{ApplyReport, CellResult};

/// The journal of one plan's applies.
pub(super) struct Journal<'a> {
    world: &'a World,
    lease: &'a HeldLease,
    name: String,
    begun: BTreeSet<CellId>,
    next: AtomicU64,
    writing: Mutex<()>,
}

impl<'a> Journal<'a> {
    /// Reads what earlier runs of this plan have written.
    pub(super) async fn open(world: &'a World, plan: &Digest, lease: &'a HeldLease) -> Result<Self, OpError> {
        let name = format!("apply-{}", &plan.as_str()[..24]);
        let entries = world.control.journal(&name).await?;
        let begun = entries.iter().filter(|e| e.event == "started");
        let begun = begun.filter_map(|e| e.body.get("cell")?.as_str()?.parse().ok()).collect();
        let next = AtomicU64::new(entries.last().map_or(1, |e| e.seq + 1));
        Ok(Self { world, lease, name, begun, next, writing: Mutex::default() })
    }

    /// Whether an earlier run of this plan has begun this cell.
    pub(super) fn has_begun(&self, cell: &CellId) -> bool {
        self.begun.contains(cell)
    }

    /// Whether an earlier run of this plan has begun anything.
    pub(super) fn is_resumed(&self) -> bool {
        !self.begun.is_empty()
    }

    pub(super) async fn started(&self, cell: &CellId, token: &str) -> Result<(), OpError> {
        self.write("started", serde_json::json!({ "cell": cell, "token": token })).await
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
            Err(error) if error.kind == CallErrorKind::Conflict && !error.message.contains("lock") => {
                // The number is taken by this very entry, whose answer was lost: nobody else writes under the lease.
                self.next.store(seq + 1, Ordering::SeqCst);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
