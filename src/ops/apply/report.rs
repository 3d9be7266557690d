//! How an apply ended, cell by cell, and the exit code that follows.

use serde::Serialize;

use crate::domain::ids::{CellId, Digest};
use crate::domain::plan::{Action, Plan, Step};
use crate::ops::event::Outcome;

/// How the work on one cell ended.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CellResult {
    /// The cell.
    pub cell: CellId,
    /// Name of its stack.
    pub stack: String,
    /// What was to be done.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// Status of the stack, where it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why it did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

impl CellResult {
    /// A cell that was not begun.
    pub(super) fn not_started(step: &Step) -> Self {
        Self {
            cell: step.desired.cell.clone(),
            stack: step.desired.stack.to_string(),
            action: step.action,
            outcome: Outcome::NotStarted,
            status: None,
            reason: None,
            hint: None,
            duration_ms: 0,
        }
    }
}

/// How an apply ended.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyReport {
    /// Digest of the plan.
    pub plan: String,
    /// Cells that were as they should be when the plan was made.
    pub unchanged: usize,
    /// The other cells, by name.
    pub cells: Vec<CellResult>,
    /// Whether somebody asked to stop.
    pub stopped: bool,
    /// Whether the lock was lost on the way.
    pub lock_lost: bool,
}

impl ApplyReport {
    pub(super) fn new(
        plan: &Plan,
        digest: &Digest,
        mut cells: Vec<CellResult>,
        stopped: bool,
        lock_lost: bool,
    ) -> Self {
        cells.sort_by(|a, b| a.cell.cmp(&b.cell));
        Self { plan: digest.short().to_owned(), unchanged: plan.unchanged, cells, stopped, lock_lost }
    }

    pub(crate) fn nothing_to_do(plan: &Plan, digest: &Digest) -> Self {
        let cells = plan.blocked().map(super::blocked_result).collect();
        Self::new(plan, digest, cells, false, false)
    }

    /// Number of cells with this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.cells.iter().filter(|c| c.outcome == outcome).count()
    }

    /// Whether operations of another run were waited for, so that those cells must be looked at again.
    pub fn must_look_again(&self) -> bool {
        self.count(Outcome::Settled) > 0
    }

    /// The exit code: the worst that happened decides.
    pub fn exit_code(&self) -> u8 {
        let any = |outcome| self.count(outcome) > 0;
        let succeeded = self.unchanged + self.count(Outcome::Done) + self.count(Outcome::AlreadyDone) > 0;
        if any(Outcome::Stuck) {
            5
        } else if any(Outcome::RolledBack) {
            4
        } else if self.lock_lost {
            6
        } else if self.stopped && any(Outcome::NotStarted) {
            10
        } else if any(Outcome::Failed) {
            if succeeded { 9 } else { 1 }
        } else if any(Outcome::Refused) {
            7
        } else if any(Outcome::NotStarted) || any(Outcome::Settled) {
            9
        } else {
            0
        }
    }
}
