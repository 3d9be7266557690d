//! What a cell holds: the counters that placement and the map's writes agree on.
//!
//! Constraint kept: a counter changes in the same transaction as the entries that it counts.

use crate::domain::audit::Head;
use crate::domain::definition::Capacity;
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

#[cfg(test)]
impl CellLoad {
    /// An active cell in eu-central-1 that holds nobody and has no fences.
    pub(crate) fn sample(cell: CellId) -> Self {
        let place = Place { region: "eu-central-1".parse().expect("valid"), account: None, role_arn: None };
        Self {
            cell,
            state: CellState::Active,
            place,
            cell_type: None,
            fence_table: None,
            fence_shards: 1,
            tenants: 0,
            weight: 0,
            writes: 0,
            audit: None,
            changing: None,
        }
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

impl Limits {
    /// How full a cell is: the share of the limit that is reached first.
    pub fn fullness(&self, tenants: u64, weight: u64) -> f64 {
        let by_weight = self.weight.map_or(0.0, |limit| share(weight, limit));
        share(tenants, self.tenants).max(by_weight)
    }
}

impl From<Capacity> for Limits {
    fn from(Capacity { tenants, weight }: Capacity) -> Self {
        Self { tenants, weight }
    }
}

/// How much of a limit is used, for people: from 0 to 1, and above where the limit was lowered since. A limit of 0 leaves
/// no room, so that it is always used up.
#[allow(clippy::cast_precision_loss, reason = "a share for people")]
pub fn share(used: u64, limit: u64) -> f64 {
    if limit == 0 { 1.0 } else { used as f64 / limit as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_as_full_as_the_limit_that_is_reached_first() {
        let limits = |tenants, weight| Limits { tenants, weight };
        for (tenants, weight, limits, wanted) in [
            (0, 0, limits(10, Some(100)), 0.0),
            (5, 20, limits(10, Some(100)), 0.5),
            (1, 75, limits(10, Some(100)), 0.75),
            (10, 10, limits(10, None), 1.0),
            (15, 15, limits(10, None), 1.5),
            (0, 0, limits(0, None), 1.0),
            (5, 0, limits(0, Some(100)), 1.0),
            (0, 0, limits(10, Some(0)), 1.0),
        ] {
            let found = limits.fullness(tenants, weight);
            assert!((found - wanted).abs() < 1e-9, "{tenants} of weight {weight} in {limits:?}: {found}, not {wanted}");
        }
    }
}
