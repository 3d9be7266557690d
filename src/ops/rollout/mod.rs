//! Rollouts: the engine of `docs/rollout-protocol.md`, over the ports.
//!
//! Constraints kept: what a step does is derived from the journal and from what is there, so that anybody can go on at any
//! point; cells are changed by an apply under the lock on the fleet, by nothing else; everything is bounded.

mod back;
mod bake;
mod before;
mod begin;
mod converge;
mod crowd;
mod driver;
mod follow;
mod halt;
mod journal;
mod lease;
mod look;
mod obey;
mod office;
mod plan;
mod watch;

use std::sync::Arc;

use crate::domain::audit::Actor;
use crate::domain::definition::Rollback;
use crate::domain::fleet::Fleet;
use crate::domain::ids::CellId;
use crate::domain::lock::Lease;
use crate::domain::plan::Plan as ApplyPlan;
use crate::domain::rollout::change::Content;
use crate::domain::rollout::event::{Entry, Troubled};
use crate::domain::rollout::gate::Look;
use crate::domain::rollout::machine::{Rollout, Stage};
use crate::domain::rollout::orders::Orders;
use crate::domain::rollout::{Plan, RolloutId};
use crate::ports::Processes;
use crate::ports::moves::Moves;
use crate::ports::rollout::{Probes, Rollouts, Signals, Summary};

use super::World;

/// Everything that a rollout may reach.
#[derive(Clone)]
pub struct RolloutWorld {
    /// What an apply may reach: stacks, records, the lock, artifacts, the tenant map.
    pub world: World,
    /// Journals, leases, orders, documents, marks.
    pub rollouts: Arc<dyn Rollouts>,
    /// Alarms, metrics, queues.
    pub signals: Arc<dyn Signals>,
    /// Commands and addresses.
    pub probes: Arc<dyn Probes>,
    /// Moves under way.
    pub moves: Arc<dyn Moves>,
    /// Processes of this machine.
    pub processes: Arc<dyn Processes>,
}

/// Who rolls out, in which fleet.
#[derive(Clone, Copy)]
pub struct Pilot<'a> {
    /// The ports.
    pub world: &'a RolloutWorld,
    /// The fleet, as its definitions say.
    pub fleet: &'a Fleet,
    /// Who.
    pub actor: &'a Actor,
    /// Name of the artifact bucket, with the account and Region left out.
    pub bucket_prefix: &'a str,
}

/// What somebody wants rolled out.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What is taken back when a wave fails; as the definitions say when absent.
    pub rollback: Option<Rollback>,
    /// The commit that the change comes from.
    pub commit: Option<String>,
    /// The selector, as typed.
    pub selection: Option<String>,
    /// Whether gates report only: none fails a wave.
    pub gate_dry_run: bool,
}

/// A plan of a rollout, and what it puts at risk.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Its cells and templates.
    pub content: Content,
    /// What differs, as an apply of all cells would have it.
    pub changes: ApplyPlan,
    /// How long it takes at least, in milliseconds: bakes, and stacks as they took last.
    pub about_ms: u64,
    /// The rollout that is open.
    pub open: Option<Summary>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "ended", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Ended {
    /// Every wave is good.
    Completed,
    /// It was taken back.
    RolledBack {
        /// Why.
        why: String,
        /// Cells that keep the new version.
        kept: Vec<Troubled>,
    },
    /// The rollback has met a failure.
    BackFailed {
        /// Why.
        why: String,
        /// What to do.
        hint: String,
        /// The cells that are stuck or failed.
        cells: Vec<CellId>,
    },
    /// It stands still with a reason.
    Halted {
        /// Why.
        why: String,
        /// What to do.
        hint: String,
    },
    /// It was given up.
    Aborted {
        /// Why.
        why: String,
    },
    /// Somebody has to approve a wave.
    AwaitsApproval {
        /// The wave.
        wave: String,
    },
    /// Somebody paused it.
    Paused,
    /// This process was asked to stop, and has let go. The rollout can be resumed.
    Stopped,
}

impl Planned {
    /// The open rollout, where it is of this very change: running it goes on with that.
    pub fn resumes(&self) -> Option<RolloutId> {
        self.open.as_ref().filter(|open| open.change == self.plan.change).map(|open| open.id)
    }

    /// Whether there is anything to change.
    pub fn has_changes(&self) -> bool {
        self.content.waves.iter().any(|cells| !cells.is_empty())
    }
}

impl Ended {
    /// The exit code, as documented.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Completed => 0,
            Self::Halted { .. } => 3,
            Self::RolledBack { .. } | Self::Aborted { .. } => 4,
            Self::BackFailed { .. } => 5,
            Self::AwaitsApproval { .. } | Self::Paused | Self::Stopped => 10,
        }
    }
}

/// A rollout as it stands, for a person.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The fold of its journal.
    pub state: Rollout,
    /// The journal.
    pub journal: Vec<Entry>,
    /// What was ordered.
    pub orders: Orders,
    /// Who holds it; none also where that process is seen to be gone.
    pub lease: Option<Lease>,
    /// Where it stood when its process last said so.
    pub progress: Option<Progress>,
}

/// Where a rollout stands, from moment to moment.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The rollout.
    pub id: RolloutId,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The wave, from 0.
    pub wave: usize,
    /// How far it has come.
    pub stage: Stage,
    /// Cells of the wave that are done so far.
    pub done: usize,
    /// Cells of it that have failed so far.
    pub failed: usize,
    /// Cells that are being changed.
    pub under_way: Vec<CellId>,
    /// For how long it has baked, in milliseconds.
    pub baked_ms: u64,
    /// The last look at each gate.
    pub gates: Vec<Look>,
    /// What it waits for, where it waits: a move, the lock.
    pub waits_for: Option<String>,
}
