//! Moving a tenant from one cell to another: what a move is, and where it stands.
//!
//! Owns: the words of a move (`docs/move-protocol.md` is the protocol). Constraint kept: the state of a move is the fold
//! of its journal, nothing else; every function here is pure.

pub mod crowd;
pub mod estimate;
pub mod event;
pub mod fence;
pub mod machine;
pub mod orders;
pub mod receipt;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::data::find::Find;
use crate::domain::data::shape::TableShape;
use crate::domain::fleet::Place;
use crate::domain::ids::{CellId, InvalidId, TenantId};

use self::estimate::Volume;

/// The format of the journal that this version writes. A move of a newer format is never touched.
pub const MOVE_FORMAT: u32 = 1;

/// The id of a move: the tenant, and the version of its entry that the move began with, so that it is the same for
/// whoever begins it, and never used again. As text: `acme:12`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MoveId {
    /// The tenant.
    pub tenant: TenantId,
    /// Version of its entry before the move.
    pub version: u64,
}

impl fmt::Display for MoveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.tenant, self.version)
    }
}

impl FromStr for MoveId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let wrong = || InvalidId {
            kind: "move",
            value: text.chars().take(80).collect(),
            rule: "use the id that `cellctl move list` shows, such as acme:12, or the tenant's name",
        };
        let (tenant, version) = text.rsplit_once(':').ok_or_else(wrong)?;
        Ok(Self { tenant: tenant.parse()?, version: version.parse().map_err(|_| wrong())? })
    }
}

impl TryFrom<String> for MoveId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<MoveId> for String {
    fn from(id: MoveId) -> String {
        id.to_string()
    }
}

/// What writers keep to: `docs/move-protocol.md`, "Levels".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FenceLevel {
    /// Writers go through a router that honours a lease.
    Lease,
    /// Every write is a transaction with a check of the fence.
    Strict,
    /// Plain writes, and transactions while the fence is guarded.
    Guarded,
}

impl FenceLevel {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Strict => "strict",
            Self::Guarded => "guarded",
        }
    }

    /// Whether writers leave notes while the fence is guarded.
    pub fn has_notes(self) -> bool {
        self != Self::Lease
    }
}

/// One end of a move: a cell as it was when the move was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// The cell.
    pub cell: CellId,
    /// Where it is.
    pub place: Place,
    /// Name of its fence table.
    pub fence_table: String,
    /// Number of shards of the tenant's fence there.
    pub shards: u8,
    /// Name of its queue of moved messages, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_queue: Option<String>,
}

/// A table of which the tenant's items are moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TablePlan {
    /// Its name in the definitions.
    pub table: String,
    /// Its name in the source.
    pub source: String,
    /// Its name in the target.
    pub target: String,
    /// How the tenant's items are found.
    pub find: Find,
    /// What it is like, in the source.
    pub shape: TableShape,
}

/// A queue whose messages of the tenant are moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuePlan {
    /// Its name in the definitions.
    pub queue: String,
    /// Its name in the source.
    pub source: String,
    /// Its name in the target.
    pub target: String,
    /// Names of their queues of dead letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<(String, String)>,
    /// Message attribute that holds the tenant's name.
    pub attribute: String,
}

/// How a move is to be carried out. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// What writers keep to.
    pub fence: FenceLevel,
    /// For how long writes may stop: the deadline of a sealed fence, and the bound of the predicted gap. At level `lease`
    /// the time that it waits comes on top.
    pub write_gap_max_ms: u64,
    /// Write units a second at most, in the copy and in the deletes at the end; no bound when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// Whether the cutover waits for `cellctl move cutover`.
    pub hold_cutover: bool,
    /// For how long a writer or router may act on what it has read of a fence.
    pub lease_ms: u64,
    /// The longest that a request of a writer takes.
    pub request_ms: u64,
    /// For how long the source is watched after FLIP.
    pub soak_ms: u64,
    /// How often a cutover that did not fit its time is tried again.
    pub cutovers_max: u32,
    /// Whether the target holds what the tenant had when it left there: it is compared, and what differs is carried over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warm: bool,
    /// The move that this one undoes, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_of: Option<MoveId>,
}

impl Default for Options {
    /// Goals of the design: a gap of at most 500 ms; ten times that for the deadline, so that a slow call is no failure.
    fn default() -> Self {
        Self {
            fence: FenceLevel::Strict,
            write_gap_max_ms: 5_000,
            rate: None,
            hold_cutover: false,
            lease_ms: 5_000,
            request_ms: 5_000,
            soak_ms: 0,
            cutovers_max: 5,
            warm: false,
            back_of: None,
        }
    }
}

/// What is to be moved, from where to where, and how: the first entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Format of the journal.
    pub format: u32,
    /// The move.
    pub id: MoveId,
    /// The cell that serves the tenant.
    pub source: End,
    /// The cell that it goes to.
    pub target: End,
    /// The epoch at which the source serves it.
    pub epoch: u64,
    /// The tables.
    pub tables: Vec<TablePlan>,
    /// The queues.
    pub queues: Vec<QueuePlan>,
    /// How.
    pub options: Options,
    /// Whether source, target and control table are in one account and Region, so that FLIP is one transaction.
    pub one_place: bool,
    /// When it was planned, in milliseconds since 1970.
    pub at_ms: i64,
    /// How much there is to copy, about. None in the plans of versions that did not write it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,
}

impl Plan {
    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.id.tenant
    }
}
