//! Moving tenants between cells: the engine of `docs/move-protocol.md`, over the ports.
//!
//! Constraints kept: what a step does is derived from the journal and from what is there, so that any mover can go on at
//! any point; nothing counts that is not journalled, conditional, or idempotent; everything is bounded.

pub mod back;
mod barrier;
mod capture;
pub mod carrier;
mod clean;
mod compare;
mod context;
mod control;
mod copy;
mod cutover;
mod desk;
mod dirty;
mod driver;
mod fencing;
mod follow;
mod guarded;
mod halt;
mod journal;
mod lanes;
mod lease;
mod lease_of;
mod ledger;
mod leftovers;
pub mod many;
mod meter;
mod notes;
mod pace;
mod plan;
mod queues;
mod reconcile;
mod reserve;
mod scan;
mod shards;
mod soak;
mod steps;
#[cfg(test)]
mod testing;
mod verify;
mod warm;

use std::sync::Arc;

use crate::domain::audit::Actor;
use crate::domain::fleet::Fleet;
use crate::domain::ids::{CellId, TenantId};
use crate::domain::lock::Lease;
use crate::domain::moves::estimate::Estimate;
use crate::domain::moves::event::Entry;
use crate::domain::moves::machine::{Move, Trouble};
use crate::domain::moves::orders::Orders;
use crate::domain::moves::receipt::Receipt;
use crate::domain::moves::{Options, Plan};
use crate::ports::data::{ChangeStreams, TenantData};
use crate::ports::moves::{MoveFences, Moves, Queues};
use crate::ports::tenants::TenantMap;
use crate::ports::{Clock, Processes};

use self::carrier::Carrier;
use super::event::{Progress, Reporter};

/// Everything that a move may reach.
#[derive(Clone)]
pub struct MoveWorld {
    /// The tenant map.
    pub map: Arc<dyn TenantMap>,
    /// Journals, leases, ledgers.
    pub moves: Arc<dyn Moves>,
    /// The application's tables.
    pub data: Arc<dyn TenantData>,
    /// Their streams.
    pub streams: Arc<dyn ChangeStreams>,
    /// The fences.
    pub fences: Arc<dyn MoveFences>,
    /// The queues.
    pub queues: Arc<dyn Queues>,
    /// Processes of this machine.
    pub processes: Arc<dyn Processes>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// Where events go.
    pub reporter: Arc<dyn Reporter>,
}

/// Who moves, in which fleet.
#[derive(Clone, Copy)]
pub struct Mover<'a> {
    /// The ports.
    pub world: &'a MoveWorld,
    /// The fleet, as its definitions say.
    pub fleet: &'a Fleet,
    /// Who.
    pub actor: &'a Actor,
}

/// How much of two tables must be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaCheck {
    /// Keys, indexes and time to live.
    Exact,
    /// Keys alone.
    Keys,
}

/// What somebody wants moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The tenant.
    pub tenant: TenantId,
    /// Where to.
    pub to: CellId,
    /// How.
    pub options: Options,
    /// How much of the tables must be the same.
    pub schema: SchemaCheck,
}

/// A plan, and what it will take.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What it will take.
    pub estimate: Estimate,
    /// What is worth knowing before.
    pub warnings: Vec<String>,
    /// Whether a move of this tenant to this cell is under way already: running it goes on with that.
    pub resumes: bool,
}

/// How a run of a mover ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "ended", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Ended {
    /// The move is done.
    Completed {
        /// Its receipt.
        receipt: Box<Receipt>,
    },
    /// It was given up.
    Aborted {
        /// Why.
        why: String,
    },
    /// Somebody paused it.
    Paused,
    /// Somebody has to act.
    Stuck {
        /// What is the matter.
        trouble: Trouble,
    },
    /// This mover was asked to stop, and has let go. The move can be resumed.
    Stopped,
}

/// A move as it stands, for a person.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The fold of its journal.
    pub state: Move,
    /// The journal.
    pub journal: Vec<Entry>,
    /// What was ordered.
    pub orders: Orders,
    /// Who holds it; none also where that process is seen to be gone.
    pub lease: Option<Lease>,
    /// Who carried it on when it was looked at; none where nobody did.
    pub carrier: Option<Carrier>,
    /// What to do where nobody carries it on, and it is not over.
    pub hint: Option<String>,
    /// Where it stood when its mover last said so.
    pub progress: Option<Progress>,
}

impl Shown {
    /// Who carries it on at `now_ms`.
    pub fn holder(&self, now_ms: i64) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.is_held(now_ms))
    }

    /// Whether it waits for people.
    pub fn waits(&self) -> bool {
        self.state.paused || self.state.trouble.is_some()
    }
}
