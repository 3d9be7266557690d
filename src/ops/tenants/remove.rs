//! Removing a tenant: close its fence, give its room back. Its data stays where it is.
//!
//! Constraint kept: the fence is closed before, or in the same transaction as, the entry says that the tenant is gone,
//! so that a tenant that is added again elsewhere is never writable in two cells.

use serde::Serialize;

use crate::domain::ids::TenantId;
use crate::domain::tenant::change;
use crate::domain::tenant::fence::FenceTable;
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::{Entry, EntryState};
use crate::ops::error::{ErrorKind, OpError};
use crate::ports::tenants::Written;

use super::add::fence_ahead;
use super::{Desk, Did};

/// How it went.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// What was done.
    pub did: Did,
    /// What is left of the entry.
    pub entry: Entry,
}

/// Where the fence of a tenant is.
enum FenceIs {
    /// Nowhere: its cell has none.
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

    /// Ends a removal that was cut off, with the entry as it was seen. False: somebody else changed the entry first, and
    /// nothing was done to it.
    pub async fn finish_closing(&self, entry: &Entry) -> Result<bool, OpError> {
        if entry.state != EntryState::Closing {
            return Ok(false);
        }
        Ok(self.remove_step(entry).await?.is_some())
    }

    /// One step further; none where somebody else was faster.
    async fn remove_step(&self, entry: &Entry) -> Result<Option<Entry>, OpError> {
        let load = self.world.map.load(&entry.cell).await?;
        let stamp = self.stamp();
        let mut next = match (self.fence_of(load.as_ref()), entry.state) {
            (FenceIs::Apart(table), EntryState::Closing) => {
                if !self.world.fences.put(&change::close(table, entry)).await? {
                    return Err(fence_ahead(entry));
                }
                change::end_removal(entry, &stamp)
            }
            (FenceIs::Apart(_), _) => change::begin_removal(entry, &stamp),
            (FenceIs::Absent, EntryState::Closing) => change::end_removal(entry, &stamp),
            (FenceIs::Absent, _) => change::remove(entry, None, &stamp),
            (FenceIs::Here(table), _) => change::remove(entry, Some(table), &stamp),
        };
        if load.is_none() {
            // There is nothing to give the room back to.
            next.load = None;
        }
        match self.land(&next).await? {
            Written::Done => Ok(Some(next.after)),
            Written::FenceAhead(_) => Err(fence_ahead(entry)),
            Written::EntryChanged(_) | Written::CellRefused(_) => Ok(None),
        }
    }

    fn fence_of(&self, load: Option<&CellLoad>) -> FenceIs {
        let Some((load, table)) = load.and_then(|load| Some((load, load.fences()?))) else { return FenceIs::Absent };
        if load.is_at(&self.fleet.control) { FenceIs::Here(table) } else { FenceIs::Apart(table) }
    }
}

fn refuse_pinned(entry: &Entry) -> Result<(), OpError> {
    let Some(pin) = entry.pin.as_ref().filter(|_| entry.is_present()) else { return Ok(()) };
    let why = pin.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let message = format!("tenant {} is pinned to cell {}{why}", entry.tenant, entry.cell);
    Err(OpError::new(ErrorKind::Refused, message).hint(format!("`cellctl tenant unpin {}` first", entry.tenant)))
}
