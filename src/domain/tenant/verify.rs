//! What can be wrong with the tenant map.
//!
//! Owns: the findings, each with its data, and the rules that tell them. Constraints kept: pure, so that what was seen
//! can be judged again with fresh eyes; a tenant that is being added, removed or moved right now is no finding.

use std::fmt;

use serde::Serialize;

use crate::domain::fleet::Fleet;
use crate::domain::ids::{CellId, Region, Residency, TenantId};
use crate::domain::moves::MoveId;
use crate::domain::record::CellState;

use super::fence::{Fence, FenceMode};
use super::load::CellLoad;
use super::placement::{Candidate, Refusal, UnknownResidency, Wish, allowed_regions};
use super::{ENTRY_FORMAT, Entry, EntryState};

/// How long an entry may be in state opening or closing, or moving without a fence that serves it, before it counts as left
/// behind, in milliseconds: many times what the two calls take that lie between its transactions.
pub const STUCK_AFTER_MS: i64 = 60_000;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Finding {
    /// The map names a cell that was never provisioned.
    CellMissing {
        /// The tenant.
        tenant: TenantId,
        /// The cell that its entry names.
        cell: CellId,
    },
    /// The map names a cell whose stack is gone.
    CellDeleted {
        /// The tenant.
        tenant: TenantId,
        /// The cell that its entry names.
        cell: CellId,
    },
    /// The tenant's data may not be where its cell is.
    WrongRegion {
        /// The tenant.
        tenant: TenantId,
        /// Its cell.
        cell: CellId,
        /// Where the cell is.
        region: Region,
        /// Where the data may be.
        allowed: Vec<Region>,
    },
    /// The cell is not for this tenant.
    WrongCell {
        /// The tenant.
        tenant: TenantId,
        /// Its cell.
        cell: CellId,
        /// Why placement would not choose it.
        refusal: Refusal,
    },
    /// The fleet's definition does not list the tenant's residency.
    UnknownResidency {
        /// The tenant.
        tenant: TenantId,
        /// Its residency.
        residency: Residency,
    },
    /// An add was cut off before the tenant's fence was known to be open.
    StuckOpening {
        /// The tenant.
        tenant: TenantId,
        /// Its cell.
        cell: CellId,
        /// Since when, in milliseconds since 1970.
        since_ms: i64,
    },
    /// A removal was cut off before the tenant's fence was known to be closed.
    StuckClosing {
        /// The tenant.
        tenant: TenantId,
        /// Its cell.
        cell: CellId,
        /// Since when, in milliseconds since 1970.
        since_ms: i64,
    },
    /// A tenant is in a move, and its cell does not take its writes.
    StuckMoving {
        /// The tenant.
        tenant: TenantId,
        /// Its cell.
        cell: CellId,
        /// The move.
        id: MoveId,
        /// When its entry was changed last, in milliseconds since 1970.
        since_ms: i64,
        /// What its fence allows; none where it has none.
        mode: Option<FenceMode>,
    },
    /// The entry was written by a newer cellctl.
    NewerFormat {
        /// The tenant.
        tenant: TenantId,
        /// Its format.
        format: u32,
    },
    /// The entry cannot be read.
    EntryUnreadable {
        /// The tenant.
        tenant: TenantId,
        /// Why.
        reason: String,
    },
    /// A cell's counters are not what its entries add up to.
    CountersDiffer {
        /// The cell.
        cell: CellId,
        /// Tenants, as the counters say.
        tenants: i64,
        /// Their weight, as the counters say.
        weight: i64,
        /// Tenants, as counted.
        counted_tenants: i64,
        /// Their weight, as counted.
        counted_weight: i64,
    },
    /// The cell has no fence for the tenant, so that it takes no writes for it.
    FenceMissing {
        /// The tenant.
        tenant: TenantId,
        /// Its cell.
        cell: CellId,
        /// The epoch of its entry.
        epoch: u64,
    },
    /// The fence in the tenant's cell is of an earlier epoch than the entry.
    FenceBehind {
        /// The tenant.
        tenant: TenantId,
        /// Its cell.
        cell: CellId,
        /// The epoch of its entry.
        epoch: u64,
        /// That of the fence.
        fence_epoch: u64,
    },
    /// The fence in the tenant's cell is of a later epoch than the entry.
    FenceAhead {
        /// The tenant.
        tenant: TenantId,
        /// Its cell.
        cell: CellId,
        /// The epoch of its entry.
        epoch: u64,
        /// That of the fence.
        fence_epoch: u64,
    },
    /// The fence in the tenant's cell allows something else than the entry says.
    FenceMode {
        /// The tenant.
        tenant: TenantId,
        /// Its cell.
        cell: CellId,
        /// The epoch of the fence.
        fence_epoch: u64,
        /// What it allows.
        mode: FenceMode,
    },
    /// A cell that does not serve the tenant has an open fence for it: it would take writes.
    FenceElsewhere {
        /// The tenant.
        tenant: TenantId,
        /// The cell with the fence.
        cell: CellId,
        /// The epoch of the fence.
        fence_epoch: u64,
        /// The epoch of the tenant's entry.
        epoch: u64,
        /// The cell that serves the tenant; none where it was removed.
        served_by: Option<CellId>,
    },
    /// A cell has an open fence for a tenant that the map has never heard of.
    FenceOrphan {
        /// The tenant.
        tenant: TenantId,
        /// The cell with the fence.
        cell: CellId,
        /// The epoch of the fence.
        fence_epoch: u64,
    },
    /// The fences of a cell cannot be read, so that nothing is known of them.
    FencesUnreadable {
        /// The cell.
        cell: CellId,
        /// What the service said.
        reason: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CellMissing { tenant, cell } => {
                write!(f, "tenant {tenant} is in cell {cell}, which the map does not count")
            }
            Self::CellDeleted { tenant, cell } => write!(f, "tenant {tenant} is in cell {cell}, which is deleted"),
            Self::WrongRegion { tenant, cell, region, allowed } => {
                let allowed: Vec<&str> = allowed.iter().map(Region::as_str).collect();
                let allowed = if allowed.is_empty() { "in none at all".to_owned() } else { allowed.join(", ") };
                write!(f, "tenant {tenant} is in cell {cell} in {region}, but may be in: {allowed}")
            }
            Self::WrongCell { tenant, cell, refusal } => {
                write!(f, "tenant {tenant} is in cell {cell}, which would not take it: {refusal}")
            }
            Self::UnknownResidency { tenant, residency } => {
                write!(f, "tenant {tenant} asks for the residency {residency}, which the fleet does not have")
            }
            Self::StuckOpening { tenant, cell, .. } => {
                write!(f, "the add of tenant {tenant} to cell {cell} was cut off")
            }
            Self::StuckClosing { tenant, cell, .. } => {
                write!(f, "the removal of tenant {tenant} from cell {cell} was cut off")
            }
            Self::StuckMoving { tenant, cell, id, mode, .. } => write!(
                f,
                "tenant {tenant} is in the move {id}, and its cell {cell} takes no writes for it: its fence is {}",
                mode.map_or("missing", FenceMode::as_str)
            ),
            Self::NewerFormat { tenant, format } => {
                write!(f, "the entry of tenant {tenant} has format {format}; this cellctl knows {ENTRY_FORMAT}")
            }
            Self::EntryUnreadable { tenant, reason } => {
                write!(f, "the entry of tenant {tenant} cannot be read: {reason}")
            }
            Self::CountersDiffer { cell, tenants, weight, counted_tenants, counted_weight } => write!(
                f,
                "the counters of cell {cell} say {tenants} tenants of weight {weight}, but there are {counted_tenants} \
                 of weight {counted_weight}"
            ),
            other => other.fmt_fence(f),
        }
    }
}

impl Finding {
    fn fmt_fence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FenceMissing { tenant, cell, .. } => write!(f, "tenant {tenant} has no fence in its cell {cell}"),
            Self::FenceBehind { tenant, cell, epoch, fence_epoch }
            | Self::FenceAhead { tenant, cell, epoch, fence_epoch } => write!(
                f,
                "the fence of tenant {tenant} in its cell {cell} has epoch {fence_epoch}, but the map has {epoch}"
            ),
            Self::FenceMode { tenant, cell, mode, .. } => {
                write!(f, "the fence of tenant {tenant} in its cell {cell} is {}, and not OPEN", mode.as_str())
            }
            Self::FenceElsewhere { tenant, cell, served_by: Some(by), .. } => {
                write!(f, "cell {cell} has an open fence for tenant {tenant}, which is in cell {by}")
            }
            Self::FenceElsewhere { tenant, cell, .. } => {
                write!(f, "cell {cell} has an open fence for tenant {tenant}, which was removed")
            }
            Self::FenceOrphan { tenant, cell, .. } => {
                write!(f, "cell {cell} has an open fence for {tenant}, which is no tenant")
            }
            Self::FencesUnreadable { cell, reason } => write!(f, "the fences of cell {cell} cannot be read: {reason}"),
            _ => Ok(()),
        }
    }

    /// The code, as it stands in documents for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CellMissing { .. } => "cell-missing",
            Self::CellDeleted { .. } => "cell-deleted",
            Self::WrongRegion { .. } => "wrong-region",
            Self::WrongCell { .. } => "wrong-cell",
            Self::UnknownResidency { .. } => "unknown-residency",
            Self::StuckOpening { .. } => "stuck-opening",
            Self::StuckClosing { .. } => "stuck-closing",
            Self::StuckMoving { .. } => "stuck-moving",
            Self::NewerFormat { .. } => "newer-format",
            Self::EntryUnreadable { .. } => "entry-unreadable",
            Self::CountersDiffer { .. } => "counters-differ",
            Self::FenceMissing { .. } => "fence-missing",
            Self::FenceBehind { .. } => "fence-behind",
            Self::FenceAhead { .. } => "fence-ahead",
            Self::FenceMode { .. } => "fence-mode",
            Self::FenceElsewhere { .. } => "fence-elsewhere",
            Self::FenceOrphan { .. } => "fence-orphan",
            Self::FencesUnreadable { .. } => "fences-unreadable",
        }
    }

    /// Whether it can be repaired without anybody's judgement: nothing that could take a tenant's writes away from where
    /// they are right, or let them in where they are wrong.
    pub fn is_safe(&self) -> bool {
        match self {
            Self::StuckOpening { .. }
            | Self::StuckClosing { .. }
            | Self::CountersDiffer { .. }
            | Self::FenceMissing { .. }
            | Self::FenceBehind { .. } => true,
            Self::FenceElsewhere { fence_epoch, epoch, .. } => fence_epoch < epoch,
            _ => false,
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::CellDeleted { tenant, .. } => {
                format!("nothing serves it: create the cell again, or {}", anew(tenant))
            }
            Self::WrongRegion { tenant, .. } => {
                format!("its data is where it may not be: {}, or correct its residency and Regions", elsewhere(tenant))
            }
            Self::WrongCell { tenant, .. } => {
                format!("{}, or change its attributes or the cell's definition", elsewhere(tenant))
            }
            Self::StuckMoving { id, .. } => format!("`cellctl move resume {id}` goes on with the move"),
            Self::FenceMode { tenant, mode, .. } if mode.is_moving() => {
                format!("a move holds it that the map does not know: `cellctl move show {tenant}` says which")
            }
            other => other.plain_advice().to_owned(),
        }
    }

    /// Advice that names nobody.
    fn plain_advice(&self) -> &'static str {
        match self {
            _ if self.is_safe() => "run the command with --repair",
            Self::CellMissing { .. } => {
                "if the cell is there, `cell cordon` and `cell uncordon` make its counters anew and --repair sets them right; if it is not, remove the tenant and add it to another cell"
            }
            Self::UnknownResidency { .. } => "list it in spec.residency of fleet.yaml, or change it with `tenant set`",
            Self::NewerFormat { .. } => "use the newer cellctl; this one leaves the entry alone",
            Self::EntryUnreadable { .. } => {
                "nothing serves it: restore the item from a snapshot or a point-in-time backup of the map's table"
            }
            Self::FenceAhead { .. } => {
                "the map is older than the cell: look at `tenant history` and at restores of the map's table before anything else"
            }
            Self::FenceMode { .. } => "its writes are refused: remove the tenant and add it to the same cell again",
            Self::FenceElsewhere { .. } => {
                "the cell may have taken writes: compare the tenant's data in both cells, then close the fence by hand"
            }
            Self::FenceOrphan { .. } => {
                "add the tenant to that cell if it belongs there; otherwise close the fence by hand"
            }
            _ => "check that the cell's stack and its fence table are there and may be read, then run it again",
        }
    }
}

/// How a tenant comes into another cell with its data.
fn elsewhere(tenant: &TenantId) -> String {
    format!("move it: `cellctl tenant move {tenant} --to CELL`")
}

/// How a tenant comes into another cell where there is nothing to move.
fn anew(tenant: &TenantId) -> String {
    format!("`cellctl tenant remove {tenant}`, then `cellctl tenant add {tenant}`, without its data")
}

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
pub fn examine(entry: &Entry, fleet: &Fleet, seat: &Seat, fence: Option<Option<&Fence>>, now_ms: i64) -> Vec<Finding> {
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
    let ahead = fence.flatten().is_some_and(|fence| fence.epoch > entry.epoch);
    let life = if ahead { None } else { stuck(entry, now_ms) };
    let fence = fence.and_then(|fence| match &entry.moving {
        Some(moving) => of_move(entry, &moving.id, fence, now_ms),
        None => of_fence(entry, fence),
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

/// Whether the fence in the tenant's cell is what the entry says. What it may be between two transactions is open.
fn of_fence(entry: &Entry, fence: Option<&Fence>) -> Option<Finding> {
    let (tenant, cell, epoch) = (entry.tenant.clone(), entry.cell.clone(), entry.epoch);
    let is_active = entry.state == EntryState::Active;
    let Some(fence) = fence else { return is_active.then_some(Finding::FenceMissing { tenant, cell, epoch }) };
    let (fence_epoch, mode) = (fence.epoch, fence.mode);
    match fence_epoch.cmp(&epoch) {
        // The entry says that a move is under way before the move holds a fence, and until it holds none.
        _ if is_active && mode.is_moving() => Some(Finding::FenceMode { tenant, cell, fence_epoch, mode }),
        std::cmp::Ordering::Greater => Some(Finding::FenceAhead { tenant, cell, epoch, fence_epoch }),
        _ if !is_active => None,
        std::cmp::Ordering::Less => Some(Finding::FenceBehind { tenant, cell, epoch, fence_epoch }),
        std::cmp::Ordering::Equal if mode == FenceMode::Open => None,
        std::cmp::Ordering::Equal => Some(Finding::FenceMode { tenant, cell, fence_epoch, mode }),
    }
}

/// Whether the fence in the cell of a tenant that is moved takes its writes, or will again. It may be ahead of the entry: a
/// source that was reopened is.
fn of_move(entry: &Entry, id: &MoveId, fence: Option<&Fence>, now_ms: i64) -> Option<Finding> {
    let serves = [FenceMode::Open, FenceMode::Guarded, FenceMode::Sealed];
    let is_served = fence.is_some_and(|fence| fence.epoch >= entry.epoch && serves.contains(&fence.mode));
    let since_ms = entry.changed_at_ms;
    let is_fresh = now_ms.saturating_sub(since_ms) < STUCK_AFTER_MS;
    let (tenant, cell, id) = (entry.tenant.clone(), entry.cell.clone(), id.clone());
    let mode = fence.map(|fence| fence.mode);
    (!is_served && !is_fresh).then_some(Finding::StuckMoving { tenant, cell, id, since_ms, mode })
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
