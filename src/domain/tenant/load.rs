//! What a cell holds: the counters that placement and the map's writes agree on.
//!
//! Constraint kept: a counter changes in the same transaction as the entries that it counts.

use crate::domain::audit::Head;
use crate::domain::fleet::Place;
use crate::domain::ids::CellId;
use crate::domain::record::CellState;
use crate::domain::rollout::RolloutId;

use super::fence::FenceTable;

/// The control table's small item beside a cell's record: all that placing a tenant needs to know of the cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellLoad {
    /// The cell.
    pub cell: CellId,
    /// Whether it takes tenants. Kept equal to the record's by the same transaction.
    pub state: CellState,
    /// Where its stack is.
    pub place: Place,
    /// Type of the cell, as its definition said when it was applied last.
    pub cell_type: Option<String>,
    /// Name of its fence table; none where its template has none, or where it has never been complete.
    pub fence_table: Option<String>,
    /// Number of shards of each fence in it: 1 to `SHARDS_MAX`.
    pub fence_shards: u8,
    /// Tenants in it. Below zero only when the counters have drifted; `map verify` tells.
    pub tenants: i64,
    /// Sum of their weights.
    pub weight: i64,
    /// Number of changes of the counters: a correction is conditional on it.
    pub writes: u64,
    /// End of the cell's audit chain.
    pub audit: Option<Head>,
    /// The rollout that is changing the cell: meanwhile no move begins there or leaves it.
    pub changing: Option<RolloutId>,
}

impl CellLoad {
    /// The cell's fence table.
    pub fn fences(&self) -> Option<FenceTable> {
        self.fence_table.clone().map(|name| FenceTable { place: self.place.clone(), name })
    }

    /// Whether its fences can be written in one transaction with the map: same account, same Region.
    pub fn is_at(&self, control: &Place) -> bool {
        let (ours, theirs) = (&self.place.account, &control.account);
        let same_account =
            self.place.role_arn == control.role_arn && (ours == theirs || ours.is_none() || theirs.is_none());
        same_account && self.place.region == control.region
    }
}

/// What a cell may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Number of tenants.
    pub tenants: u64,
    /// Sum of their weights; no bound when absent.
    pub weight: Option<u64>,
}
