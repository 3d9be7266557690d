//! What can be wrong with the tenant map.
//!
//! Owns: the findings, each with its data, and the rules that tell them. Constraints kept: pure, so that what was seen
//! can be judged again with fresh eyes; a tenant that is being added, removed or moved right now is no finding.

mod finding;
mod shards;
#[cfg(test)]
mod tests;

use crate::domain::fleet::Fleet;
use crate::domain::ids::CellId;
use crate::domain::record::CellState;

use super::fence::{Fence, FenceMode, Shards};
use super::load::CellLoad;
use super::placement::{Candidate, Refusal, UnknownResidency, Wish, allowed_regions};
use super::{ENTRY_FORMAT, Entry, EntryState};

use self::shards::{of_fence, of_move};

pub use self::finding::Finding;
pub use self::shards::Seen;

/// How long an entry may be in state opening or closing, or moving without a fence that serves it, before it counts as left
/// behind, in milliseconds: many times what the two calls take that lie between its transactions.
pub const STUCK_AFTER_MS: i64 = 60_000;

/// Whether the entry is between two transactions of an operation that may still be under way.
pub fn is_under_way(entry: &Entry, now_ms: i64) -> bool {
    let between = matches!(entry.state, EntryState::Opening | EntryState::Closing);
    between && now_ms.saturating_sub(entry.changed_at_ms) < STUCK_AFTER_MS
}

/// What is known of the cell that an entry names.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Its load; none where the cell was never provisioned.
    pub load: Option<CellLoad>,
    /// Its definition with the load; none where it is not defined any more.
    pub candidate: Option<Candidate>,
}

impl Seat {
    /// A cell by its name.
    pub fn of(fleet: &Fleet, cell: &CellId, load: Option<CellLoad>) -> Self {
        let candidate = fleet.cell(cell).map(|cell| Candidate::of(cell, load.as_ref()));
        Self { load, candidate }
    }
}

/// Judges an entry. `fence` is its fence in its cell, and none where nobody looked, or the cell has no fences.
pub fn examine(entry: &Entry, fleet: &Fleet, seat: &Seat, fence: Option<&Shards>, now_ms: i64) -> Vec<Finding> {
    let tenant = || entry.tenant.clone();
    if entry.format > ENTRY_FORMAT {
        return vec![Finding::NewerFormat { tenant: tenant(), format: entry.format }];
    }
    if !entry.is_present() {
        return Vec::new();
    }
    let cell = entry.cell.clone();
    let load = match &seat.load {
        None => return vec![Finding::CellMissing { tenant: tenant(), cell }],
        Some(load) if load.state == CellState::Deleted => return vec![Finding::CellDeleted { tenant: tenant(), cell }],
        Some(load) => load,
    };
    let ahead = fence.is_some_and(|fence| fence.values().any(|shard| shard.epoch > entry.epoch));
    let life = if ahead { None } else { stuck(entry, now_ms) };
    let fence = fence.and_then(|fence| match &entry.moving {
        Some(moving) => of_move(entry, &moving.id, (load.fence_shards, fence), now_ms),
        None => of_fence(entry, load.fence_shards, fence),
    });
    of_place(entry, fleet, load, seat.candidate.as_ref()).into_iter().chain(life).chain(fence).collect()
}

/// Whether the tenant may be in its cell.
fn of_place(entry: &Entry, fleet: &Fleet, load: &CellLoad, candidate: Option<&Candidate>) -> Option<Finding> {
    let (tenant, cell) = (entry.tenant.clone(), entry.cell.clone());
    let regions = match allowed_regions(fleet, &entry.attributes) {
        Ok(regions) => regions,
        Err(UnknownResidency(residency)) => return Some(Finding::UnknownResidency { tenant, residency }),
    };
    let Some(candidate) = candidate else {
        let region = load.place.region.clone();
        let allowed = regions.filter(|allowed| !allowed.contains(&region))?.into_iter().collect();
        return Some(Finding::WrongRegion { tenant, cell, region, allowed });
    };
    let wish = Wish { tenant: &entry.tenant, attributes: &entry.attributes, regions };
    Some(match candidate.misfit(&wish)? {
        Refusal::Region { region, allowed } => Finding::WrongRegion { tenant, cell, region, allowed },
        refusal => Finding::WrongCell { tenant, cell, refusal },
    })
}

fn stuck(entry: &Entry, now_ms: i64) -> Option<Finding> {
    let (tenant, cell, since_ms) = (entry.tenant.clone(), entry.cell.clone(), entry.changed_at_ms);
    match entry.state {
        _ if is_under_way(entry, now_ms) => None,
        EntryState::Opening => Some(Finding::StuckOpening { tenant, cell, since_ms }),
        EntryState::Closing => Some(Finding::StuckClosing { tenant, cell, since_ms }),
        EntryState::Active | EntryState::Moving | EntryState::Removed => None,
    }
}

/// Judges a fence of a cell by the tenant's entry. One in the tenant's own cell is for `examine`.
pub fn examine_fence(cell: &CellId, fence: &Fence, entry: Option<&Entry>) -> Option<Finding> {
    if fence.mode != FenceMode::Open {
        return None;
    }
    let (tenant, cell, fence_epoch) = (fence.tenant.clone(), cell.clone(), fence.epoch);
    let Some(entry) = entry else { return Some(Finding::FenceOrphan { tenant, cell, fence_epoch }) };
    let is_home = entry.is_present() && entry.cell == cell;
    // Where FLIP is no one transaction, the target is open before its entry says so.
    let is_target = entry.moving.as_ref().is_some_and(|moving| moving.other == cell) && fence_epoch > entry.epoch;
    if is_home || is_target || entry.format > ENTRY_FORMAT {
        return None;
    }
    let served_by = entry.is_present().then(|| entry.cell.clone());
    Some(Finding::FenceElsewhere { tenant, cell, fence_epoch, epoch: entry.epoch, served_by })
}
