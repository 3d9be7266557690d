//! Removing a tenant: close its fence, give its room back. Its data stays where it is.
//!
//! Constraint kept: the fence is closed before, or in the same transaction as, the entry says that the tenant is gone,
//! so that a tenant that is added again elsewhere is never writable in two cells. A fence that is ahead of the map, as after
//! a restore of the map's table, is closed above its own epoch; one that a move holds is left alone.

use serde::Serialize;

use crate::domain::ids::TenantId;
use crate::domain::tenant::change;
use crate::domain::tenant::fence::{Fence, FenceMode, FenceTable};
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::{Entry, EntryState};
use crate::ops::error::{ErrorKind, OpError};
use crate::ports::CallErrorKind;
use crate::ports::tenants::Written;

use super::add::fence_ahead;
use super::{Desk, Did, in_a_move};

/// How it went.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// What was done.
    pub did: Did,
    /// What is left of the entry.
    pub entry: Entry,
}

/// Steps that the end of a removal takes at most: one to go above a fence that is ahead, and one to close it.
const STEPS_MAX: usize = 2;

/// Where the fence of a tenant is.
enum FenceIs {
    /// Nowhere: its cell has none, or its table is gone.
    Absent,
    /// Where one transaction reaches it.
    Here(FenceTable),
    /// In another account or Region.
    Apart(FenceTable),
}

impl Desk<'_> {
    /// Removes a tenant.
    pub async fn remove(&self, tenant: &TenantId) -> Result<Removed, OpError> {
        let (mut attempt, mut did) = (0, Did::Unchanged);
        loop {
            let entry = self.entry(tenant).await?;
            refuse_pinned(&entry)?;
            if entry.state == EntryState::Moving {
                return Err(in_a_move(&entry));
            }
            if entry.state == EntryState::Removed {
                return Ok(Removed { did, entry });
            }
            let finishing = entry.state == EntryState::Closing && did == Did::Unchanged;
            if let Some(next) = self.remove_step(&entry).await? {
                did = if finishing { Did::Finished } else { Did::Changed };
                if next.state == EntryState::Removed {
                    return Ok(Removed { did, entry: next });
                }
            } else {
                self.again(tenant, &mut attempt).await?;
            }
        }
    }

    /// Ends a removal that was cut off, with the entry as it was seen. False: somebody else changed the entry first, and it
    /// was not ended.
    pub async fn finish_closing(&self, entry: &Entry) -> Result<bool, OpError> {
        let mut entry = entry.clone();
        for _ in 0..STEPS_MAX {
            if entry.state != EntryState::Closing {
                break;
            }
            let Some(next) = self.remove_step(&entry).await? else { return Ok(false) };
            entry = next;
        }
        Ok(entry.state == EntryState::Removed)
    }

    /// One step further; none where somebody else was faster.
    async fn remove_step(&self, entry: &Entry) -> Result<Option<Entry>, OpError> {
        let load = self.world.map.load(&entry.cell).await?;
        let (place, fence) = self.fence_of(load.as_ref(), &entry.tenant).await?;
        if let Some(fence) = fence.as_ref().filter(|fence| fence.mode.is_moving()) {
            return Err(held(fence, entry));
        }
        let floor = fence.as_ref().map_or(0, |fence| fence.epoch);
        let (stamp, shards) = (self.stamp(), load.as_ref().map_or(1, |load| load.fence_shards));
        let mut next = match (place, entry.state) {
            (FenceIs::Apart(table), EntryState::Closing) if !bars(fence.as_ref(), entry) => {
                if !self.world.fences.put(&change::close(table, entry).over(shards)).await? {
                    return Err(fence_ahead(entry));
                }
                change::end_removal(entry, &stamp)
            }
            (FenceIs::Apart(_), _) => change::begin_removal(entry, floor, &stamp),
            (FenceIs::Absent, EntryState::Closing) => change::end_removal(entry, &stamp),
            (FenceIs::Absent, _) => change::remove(entry, None, floor, &stamp),
            (FenceIs::Here(table), _) => change::remove(entry, Some(table), floor, &stamp),
        };
        next.fence = next.fence.map(|write| write.over(shards));
        if load.is_none() {
            // There is nothing to give the room back to.
            next.load = None;
        }
        match self.land(&next).await? {
            Written::Done => Ok(Some(next.after)),
            Written::FenceAhead(_) => Err(fence_ahead(entry)),
            Written::EntryChanged(_) | Written::CellRefused(_) | Written::CellChanging(_) => Ok(None),
        }
    }

    /// Where a tenant's fence is, and what it is. A table that was deleted with its stack takes no writes for anybody.
    async fn fence_of(&self, load: Option<&CellLoad>, tenant: &TenantId) -> Result<(FenceIs, Option<Fence>), OpError> {
        let Some((load, table)) = load.and_then(|load| Some((load, load.fences()?))) else {
            return Ok((FenceIs::Absent, None));
        };
        let fence = match self.world.fences.fences(&table, std::slice::from_ref(tenant)).await {
            Ok(mut found) => found.remove(tenant),
            Err(error) if error.kind == CallErrorKind::NotFound => return Ok((FenceIs::Absent, None)),
            Err(error) => return Err(error.into()),
        };
        let is_here = load.is_at(&self.fleet.control);
        Ok((if is_here { FenceIs::Here(table) } else { FenceIs::Apart(table) }, fence))
    }
}

fn held(fence: &Fence, entry: &Entry) -> OpError {
    let (tenant, cell, mode) = (&entry.tenant, &entry.cell, fence.mode.as_str());
    OpError::new(ErrorKind::Refused, format!("the fence of tenant {tenant} in cell {cell} is {mode}: a move holds it"))
        .hint(format!("`cellctl move show {tenant}` says which; let it end, then run the same command again"))
}

/// Whether the fence would refuse to be closed at the entry's epoch.
fn bars(fence: Option<&Fence>, entry: &Entry) -> bool {
    fence.is_some_and(|fence| {
        fence.epoch > entry.epoch || (fence.epoch == entry.epoch && fence.mode != FenceMode::Closed)
    })
}

fn refuse_pinned(entry: &Entry) -> Result<(), OpError> {
    let Some(pin) = entry.pin.as_ref().filter(|_| entry.is_present()) else { return Ok(()) };
    let why = pin.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let message = format!("tenant {} is pinned to cell {}{why}", entry.tenant, entry.cell);
    Err(OpError::new(ErrorKind::Refused, message).hint(format!("`cellctl tenant unpin {}` first", entry.tenant)))
}
