//! What happens to a rollout: the entries of its journal.

use serde::{Deserialize, Serialize};

use crate::domain::ids::CellId;

use super::Plan;
use super::gate::Look;

/// An entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The user and machine of whoever carries the rollout on.
    pub by: String,
    /// Fencing token of the lease.
    pub token: u64,
    /// What happened.
    pub event: Event,
}

/// A cell that did not come to what it was to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Troubled {
    /// The cell.
    pub cell: CellId,
    /// How it ended, as one word: that of `ops::event::Outcome`.
    pub outcome: String,
    /// Why.
    pub why: String,
}

/// How the cells of a wave ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// Cells that are as they are to be.
    pub done: usize,
    /// Cells that failed.
    pub failed: usize,
    /// Cells that were not begun.
    pub not_begun: usize,
    /// Cells that are left out: deleted meanwhile, or, on the way back, new or changed by somebody else since.
    pub left_out: usize,
    /// The failed and left out ones, the worst first, at most `TROUBLED_MAX`.
    pub troubled: Vec<Troubled>,
}

/// What is kept of failed cells: the journal's entries must stay small.
pub const TROUBLED_MAX: usize = 50;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// The rollout was planned.
    Planned {
        /// The plan.
        plan: Box<Plan>,
    },
    /// Somebody has taken the lease of another, or their own again.
    TakenOver {
        /// Until when calls of the one before may still count, in milliseconds since 1970; 0 where the lease was given back.
        calls_until_ms: i64,
    },
    /// A wave may begin although it needs approval.
    Approved {
        /// The wave.
        wave: usize,
        /// Who says so.
        who: String,
    },
    /// What the cells of a wave were is written down; from here on any of them may have changed.
    WaveStarted {
        /// The wave.
        wave: usize,
    },
    /// The cells of a wave were changed, or not.
    WaveChanged {
        /// The wave.
        wave: usize,
        /// How they ended.
        changed: Changed,
    },
    /// The gates were looked at for some time.
    Baked {
        /// The wave.
        wave: usize,
        /// For how long since the wave was changed, in milliseconds of a clock that nobody puts forward.
        baked_ms: u64,
        /// Looks at all gates so far.
        looks: u32,
        /// The last look.
        gates: Vec<Look>,
    },
    /// A gate does not hold.
    GatesFailed {
        /// The wave.
        wave: usize,
        /// For how long it has baked, in milliseconds.
        baked_ms: u64,
        /// The last look at each gate.
        gates: Vec<Look>,
    },
    /// A wave is good.
    WavePassed {
        /// The wave.
        wave: usize,
        /// For how long it has baked, in milliseconds.
        baked_ms: u64,
        /// Who cut the bake short or overlooked a failure; none where the gates held to the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        promoted_by: Option<String>,
        /// The last look at each gate.
        gates: Vec<Look>,
    },
    /// It stands still with a reason, until somebody promotes it, takes it back or gives it up.
    Halted {
        /// Why.
        why: String,
        /// What to do.
        hint: String,
    },
    /// Somebody paused it.
    Paused {
        /// Who.
        who: String,
    },
    /// It goes on.
    Resumed,
    /// It is being taken back, from the last wave that was begun down to `first`.
    RollbackStarted {
        /// The first of the waves that are taken back.
        first: usize,
        /// Why.
        why: String,
        /// Who ordered it; none where it was a failure.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        who: Option<String>,
    },
    /// The cells of a wave were taken back, or not.
    WaveBack {
        /// The wave.
        wave: usize,
        /// How they ended.
        changed: Changed,
    },
    /// The rollback has met a failure, and stops.
    RollbackFailed {
        /// Why.
        why: String,
        /// What to do.
        hint: String,
    },
    /// It is taken back.
    RolledBack {
        /// Cells that still have the new version, with the reason: those that were new.
        kept: Vec<Troubled>,
    },
    /// It was given up, with every cell left as it is.
    Aborted {
        /// Who says so, and why.
        why: String,
    },
    /// Every wave is good.
    Completed,
}

impl Event {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Planned { .. } => "planned",
            Self::TakenOver { .. } => "taken-over",
            Self::Approved { .. } => "approved",
            Self::WaveStarted { .. } => "wave-started",
            Self::WaveChanged { .. } => "wave-changed",
            Self::Baked { .. } => "baked",
            Self::GatesFailed { .. } => "gates-failed",
            Self::WavePassed { .. } => "wave-passed",
            Self::Halted { .. } => "halted",
            Self::Paused { .. } => "paused",
            Self::Resumed => "resumed",
            Self::RollbackStarted { .. } => "rollback-started",
            Self::WaveBack { .. } => "wave-back",
            Self::RollbackFailed { .. } => "rollback-failed",
            Self::RolledBack { .. } => "rolled-back",
            Self::Aborted { .. } => "aborted",
            Self::Completed => "completed",
        }
    }
}
