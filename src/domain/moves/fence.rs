//! Fences as a move sees them: every shard, and who holds it.
//!
//! Owns: the transitions of `docs/move-protocol.md`, "The fences' transitions". Constraint kept: each names the state
//! before, so that of two who try at once one fails.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{CellId, TenantId};
use crate::domain::tenant::fence::{FenceMode, FenceTable};

use super::MoveId;

/// Shards of a fence at the most: FLIP is one transaction over those of both cells, of at most 100 items (DynamoDB API
/// reference, `TransactWriteItems`).
pub const SHARDS_MAX: u8 = 32;
/// Numbers from here on, in the place of a shard's, are notes of writers.
pub const NOTES_FROM: u64 = 1 << 20;
/// Notes end before this number; from here on are the origins of messages that were handled.
pub const NOTES_TO: u64 = 1 << 53;

/// Who holds a fence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The move.
    pub id: MoveId,
    /// Fencing token of the mover: that of its lease, times 2^20, plus how often it has changed it since.
    pub token: u64,
}

/// A shard of a fence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shard {
    /// The epoch that the mode belongs to.
    pub epoch: u64,
    /// What it allows.
    pub mode: FenceMode,
    /// Who holds it, while a move does; after FLIP, the move that sent the tenant away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Until when it is sealed, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<i64>,
    /// Where the tenant went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<CellId>,
}

/// A change of some shards of one tenant's fence in one table: all of them, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// The table.
    pub table: FenceTable,
    /// The tenant.
    pub tenant: TenantId,
    /// The shards, each as it must be before; none where it must not be there.
    pub from: Vec<(u8, Option<Shard>)>,
    /// What they are to be.
    pub to: Shard,
}

impl Shard {
    /// A shard that nobody holds.
    pub fn free(epoch: u64, mode: FenceMode) -> Self {
        Self { epoch, mode, hold: None, deadline_ms: None, to: None }
    }

    /// A shard that a move holds.
    pub fn held(epoch: u64, mode: FenceMode, hold: Hold) -> Self {
        Self { hold: Some(hold), ..Self::free(epoch, mode) }
    }

    /// Whether this move holds it, with whatever token.
    pub fn is_held_by(&self, id: &MoveId) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.id == *id)
    }
}

/// A check that stands in a transaction: that a shard of a fence is as it is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The table.
    pub table: FenceTable,
    /// The tenant.
    pub tenant: TenantId,
    /// The shard that is looked at, for all of them.
    pub shard: u8,
    /// The epoch that it must have.
    pub epoch: u64,
    /// The mode that it must have.
    pub mode: FenceMode,
    /// Who must hold it.
    pub hold: Hold,
}
