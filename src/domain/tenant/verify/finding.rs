//! The findings: what each says, and what to do about it.
//!
//! Constraint kept: a finding carries all that its sentence and its repair need.

use std::fmt;

use serde::Serialize;

use crate::domain::ids::{CellId, Region, Residency, TenantId};
use crate::domain::moves::MoveId;

use super::super::ENTRY_FORMAT;
use super::super::fence::FenceMode;
use super::super::placement::Refusal;
use super::shards::{Seen, in_words};

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
    /// A move has sealed the tenant's fence, and its deadline is over: the mover is dead or late.
    SealExpired {
        /// The tenant.
        tenant: TenantId,
        /// Its cell.
        cell: CellId,
        /// The move.
        id: MoveId,
        /// The epoch of the seal.
        epoch: u64,
        /// Until when it was to be sealed, in milliseconds since 1970.
        deadline_ms: i64,
    },
    /// A move is under way, and nobody carries it on.
    MoveAlone {
        /// The tenant.
        tenant: TenantId,
        /// The move.
        id: MoveId,
        /// When its last entry was written, in milliseconds since 1970.
        since_ms: i64,
        /// What to do.
        #[serde(skip)]
        advice: String,
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
    /// The fence in the tenant's cell is not the same in all its shards.
    FenceShards {
        /// The tenant.
        tenant: TenantId,
        /// Its cell.
        cell: CellId,
        /// The epoch of its entry.
        epoch: u64,
        /// The shards that are there.
        seen: Vec<Seen>,
        /// The numbers of those that are not.
        missing: Vec<u8>,
        /// The move that the tenant is in.
        id: Option<MoveId>,
        /// Whether those that are there are open as the entry says, or left from before.
        mendable: bool,
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
            Self::SealExpired { tenant, cell, id, .. } => {
                write!(
                    f,
                    "the move {id} has sealed tenant {tenant} in cell {cell}, and the deadline of the seal is over"
                )
            }
            Self::MoveAlone { id, .. } => write!(f, "nobody carries the move {id} on"),
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
            Self::FenceShards { tenant, cell, seen, missing, .. } => {
                let is = in_words(seen, missing);
                write!(f, "the fence of tenant {tenant} in its cell {cell} is not the same in all shards: {is}")
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
            Self::SealExpired { .. } => "seal-expired",
            Self::MoveAlone { .. } => "move-alone",
            Self::NewerFormat { .. } => "newer-format",
            Self::EntryUnreadable { .. } => "entry-unreadable",
            Self::CountersDiffer { .. } => "counters-differ",
            Self::FenceMissing { .. } => "fence-missing",
            Self::FenceBehind { .. } => "fence-behind",
            Self::FenceAhead { .. } => "fence-ahead",
            Self::FenceMode { .. } => "fence-mode",
            Self::FenceShards { .. } => "fence-shards",
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
            | Self::SealExpired { .. }
            | Self::CountersDiffer { .. }
            | Self::FenceMissing { .. }
            | Self::FenceBehind { .. } => true,
            Self::FenceElsewhere { fence_epoch, epoch, .. } => fence_epoch < epoch,
            Self::FenceShards { mendable, .. } => *mendable,
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
            Self::MoveAlone { advice, .. } => advice.clone(),
            Self::FenceShards { id: Some(id), .. } => {
                format!("a move holds it: let it end, or `cellctl move abort {id}`; then run the command with --repair")
            }
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
            Self::FenceShards { .. } => {
                "see who wrote it: `cellctl tenant history` and `cellctl move list --all` say what was done to the tenant"
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
