//! Fences: the item in a cell that says whether the cell may write for a tenant.
//!
//! Constraint kept: a fence changes only to a higher epoch, or within one epoch as the move protocol allows; the data
//! path reads it, and never the map.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::fleet::Place;
use crate::domain::ids::TenantId;
use crate::domain::moves::fence::{SHARDS_MAX, Shard};

/// Output of a cell's stack that names its fence table. A template without it makes cells without fences.
pub const FENCE_OUTPUT: &str = "FenceTableName";

/// Output of a cell's stack that says how many shards each fence has: 1 to `SHARDS_MAX`. One, where it is absent or no such
/// number.
pub const SHARDS_OUTPUT: &str = "FenceShards";

/// The number of shards that the outputs of a cell's stack name.
pub fn shards_in(outputs: &BTreeMap<String, String>) -> u8 {
    let named = outputs.get(SHARDS_OUTPUT).and_then(|number| number.parse().ok());
    named.filter(|shards| (1..=SHARDS_MAX).contains(shards)).unwrap_or(1)
}

/// What a fence allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FenceMode {
    /// The cell takes the tenant's writes.
    Open,
    /// A move is copying the tenant into the cell.
    Incoming,
    /// Writes must be transactions that check the fence.
    Guarded,
    /// No writes for now.
    Sealed,
    /// The tenant has moved to another cell.
    Out,
    /// The tenant was removed.
    Closed,
}

impl FenceMode {
    /// The word that stands in the item.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Incoming => "INCOMING",
            Self::Guarded => "GUARDED",
            Self::Sealed => "SEALED",
            Self::Out => "OUT",
            Self::Closed => "CLOSED",
        }
    }

    /// The mode of that word.
    pub fn of(word: &str) -> Option<Self> {
        let all = [Self::Open, Self::Incoming, Self::Guarded, Self::Sealed, Self::Out, Self::Closed];
        all.into_iter().find(|mode| mode.as_str() == word)
    }

    /// Whether a move is under way, so that nobody else may touch the fence.
    pub fn is_moving(self) -> bool {
        matches!(self, Self::Incoming | Self::Guarded | Self::Sealed)
    }
}

/// A tenant's fence in a cell, as its first shard has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fence {
    /// The tenant.
    pub tenant: TenantId,
    /// The epoch that the mode belongs to.
    pub epoch: u64,
    /// What it allows.
    pub mode: FenceMode,
}

/// The shards of a fence that are there, by number.
pub type Shards = BTreeMap<u8, Shard>;

/// The fence table of a cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FenceTable {
    /// Where it is.
    pub place: Place,
    /// Its name.
    pub name: String,
}
