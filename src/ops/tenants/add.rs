//! Adding a tenant: place it, reserve its room, open its fence.
//!
//! Constraint kept: entry, counters, audit record and, within one account and Region, the fence are one transaction; a
//! fence elsewhere is opened after the entry that says so, and the entry says `opening` until then.

use serde::Serialize;

use crate::domain::ids::{CellId, TenantId};
use crate::domain::tenant::change::{self, Change, Remnant, Target};
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::placement::{Candidate, Refusal, Wish, choose};
use crate::domain::tenant::{Attributes, Entry, EntryState};
use crate::ops::cells::view::unknown_cell;
use crate::ops::error::{ErrorKind, OpError};
use crate::ports::tenants::Written;

use super::place::{Placement, no_cell, placement};
use super::remnant::lost;
use super::set::elsewhere;
use super::{Desk, Did, half_removed, load_of};

/// Who is to be added.
#[derive(Debug, Clone)]
pub struct AddRequest {
    /// The tenant.
    pub tenant: TenantId,
    /// What is known of it.
    pub attributes: Attributes,
    /// The cell, where somebody names it.
    pub to: Option<CellId>,
}

/// How it went.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Added {
    /// What was done.
    pub did: Did,
    /// The entry as it is now.
    pub entry: Entry,
    /// What each cell said; none where nothing had to be decided.
    pub placement: Option<Placement>,
}

/// What an add would do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddPlan {
    /// The tenant.
    pub tenant: TenantId,
    /// The cell that it would go to.
    pub cell: CellId,
    /// Whether somebody named the cell.
    pub by_hand: bool,
    /// The epoch that its entry would have.
    pub epoch: u64,
    /// Whether the map says so already.
    pub already: bool,
    /// What each cell says.
    pub placement: Placement,
}

/// A place in a cell, found but not yet taken.
struct Found {
    target: Target,
    placement: Placement,
}

impl Desk<'_> {
    /// What an add would do. Nothing is written.
    pub async fn plan_add(&self, request: &AddRequest) -> Result<AddPlan, OpError> {
        let wish = self.wish(&request.tenant, &request.attributes)?;
        let there = self.world.map.entry(&request.tenant).await?;
        if let Some(entry) = there.as_ref().filter(|entry| entry.is_present()) {
            refuse_other(entry, request)?;
            let placement = placement(&self.candidates().await?, &wish, Some(entry.cell.clone()));
            let (cell, epoch) = (entry.cell.clone(), entry.epoch);
            let by_hand = request.to.is_some();
            return Ok(AddPlan { tenant: request.tenant.clone(), cell, by_hand, epoch, already: true, placement });
        }
        let found = self.find(request, &wish).await?;
        Ok(AddPlan {
            tenant: request.tenant.clone(),
            cell: found.target.load.cell,
            by_hand: request.to.is_some(),
            epoch: there.map_or(0, |entry| entry.epoch) + 1,
            already: false,
            placement: found.placement,
        })
    }

    /// Adds a tenant, or finds that it is there as asked for.
    pub async fn add(&self, request: &AddRequest) -> Result<Added, OpError> {
        let wish = self.wish(&request.tenant, &request.attributes)?;
        let (mut attempt, mut epoch_floor) = (0, 0);
        loop {
            let there = self.world.map.entry(&request.tenant).await?;
            if let Some(entry) = there.as_ref().filter(|entry| entry.is_present()) {
                return self.already(entry, request).await;
            }
            let remnant = match &there {
                None if attempt > 0 => self.remnant_for(request).await?,
                _ => None,
            };
            let found = self.find(request, &wish).await?;
            if !found.target.local {
                epoch_floor = self.fence_epoch(&found.target.load, &request.tenant).await?;
            }
            let attributes = request.attributes.clone();
            let stamp = self.stamp();
            let change = change::add(&request.tenant, attributes, &found.target, there.as_ref(), epoch_floor, &stamp);
            let change = match &remnant {
                Some(remnant) => {
                    let epoch = change.after.epoch.max(remnant.epoch.saturating_add(1));
                    change.follow(remnant, epoch, &stamp)
                }
                None => change,
            };
            match self.land(&change).await? {
                Written::Done => return self.open(change, found).await,
                Written::FenceAhead(_) => {
                    epoch_floor = self.fence_epoch(&found.target.load, &request.tenant).await?;
                }
                Written::EntryChanged(_) | Written::CellRefused(_) | Written::CellChanging(_) => {}
            }
            self.again(&request.tenant, &mut attempt).await?;
        }
    }

    /// What the audit log knows of a tenant that is not in the map, unless that forbids to place it so.
    async fn remnant_for(&self, request: &AddRequest) -> Result<Option<Remnant>, OpError> {
        let remnant = self.remnant(&request.tenant).await?;
        match &remnant {
            Some(known) if known.present && known.cell != request.to => Err(lost(&request.tenant, known)),
            _ => Ok(remnant),
        }
    }

    /// The cell for a tenant: the one that was named, if it takes the tenant, or the best.
    async fn find(&self, request: &AddRequest, wish: &Wish<'_>) -> Result<Found, OpError> {
        let loads = self.world.map.loads().await?;
        let candidates = self.candidates_of(&loads);
        let chosen = match &request.to {
            Some(cell) => self.named(&candidates, cell, wish)?,
            None => &candidates[choose(&candidates, wish).ok_or_else(|| no_cell(wish, &candidates))?],
        };
        let load = load_of(&loads, &chosen.cell).cloned();
        let load = load.ok_or_else(|| refused(&chosen.cell, wish, &Refusal::NotProvisioned))?;
        let local = load.is_at(&self.fleet.control);
        let target = Target { load, limits: chosen.limits, local, by_hand: request.to.is_some() };
        Ok(Found { target, placement: placement(&candidates, wish, None) })
    }

    fn named<'c>(&self, all: &'c [Candidate], cell: &CellId, wish: &Wish<'_>) -> Result<&'c Candidate, OpError> {
        let found = all.iter().find(|candidate| candidate.cell == *cell);
        let found = found.ok_or_else(|| unknown_cell(self.fleet, cell))?;
        match found.refusal(wish, true) {
            Some(refusal) => Err(refused(cell, wish, &refusal)),
            None => Ok(found),
        }
    }

    /// The epoch of a fence that an earlier time has left in the cell, or 0. A fence that a move holds is not touched.
    async fn fence_epoch(&self, load: &CellLoad, tenant: &TenantId) -> Result<u64, OpError> {
        let Some(table) = load.fences() else { return Ok(0) };
        let fences = self.world.fences.fences(&table, std::slice::from_ref(tenant)).await?;
        match fences.get(tenant) {
            Some(fence) if fence.mode.is_moving() => {
                let message = format!(
                    "the fence of tenant {tenant} in cell {} is {}: a move holds it",
                    load.cell,
                    fence.mode.as_str()
                );
                Err(OpError::new(ErrorKind::Refused, message)
                    .hint(format!("`cellctl move show {tenant}` says which; let it end, or give it up, first")))
            }
            found => Ok(found.map_or(0, |fence| fence.epoch)),
        }
    }

    /// The room is taken: opens the fence where that was not part of the transaction.
    async fn open(&self, change: Change, found: Found) -> Result<Added, OpError> {
        let entry = match change.after.state {
            EntryState::Opening => self.finish_opening(change.after).await?,
            _ => change.after,
        };
        Ok(Added { did: Did::Changed, entry, placement: Some(found.placement) })
    }

    /// Opens the fence of an entry in state `opening`, and notes it. Anybody may do that, any number of times.
    pub async fn finish_opening(&self, mut entry: Entry) -> Result<Entry, OpError> {
        let mut attempt = 0;
        while entry.state == EntryState::Opening {
            let load = self.world.map.load(&entry.cell).await?;
            if let Some(table) = load.as_ref().and_then(CellLoad::fences) {
                let shards = load.as_ref().map_or(1, |load| load.fence_shards);
                let write = change::open(table, &entry).over(shards);
                if !self.world.fences.put(&write).await? {
                    return Err(fence_ahead(&entry));
                }
            }
            if let Some(opened) = self.land_entry(change::opened(&entry, &self.stamp())).await? {
                return Ok(opened);
            }
            self.again(&entry.tenant, &mut attempt).await?;
            entry = self.entry(&entry.tenant).await?;
        }
        Ok(entry)
    }

    /// The tenant is there: as asked for, or not.
    async fn already(&self, entry: &Entry, request: &AddRequest) -> Result<Added, OpError> {
        refuse_other(entry, request)?;
        if entry.state == EntryState::Opening {
            let entry = self.finish_opening(entry.clone()).await?;
            return Ok(Added { did: Did::Finished, entry, placement: None });
        }
        Ok(Added { did: Did::Unchanged, entry: entry.clone(), placement: None })
    }
}

/// Refuses where the tenant is in the map otherwise than asked for.
fn refuse_other(entry: &Entry, request: &AddRequest) -> Result<(), OpError> {
    let (tenant, cell) = (&entry.tenant, &entry.cell);
    if entry.state == EntryState::Closing {
        return Err(half_removed(tenant));
    }
    if request.to.as_ref().is_some_and(|to| to != cell) {
        let message = format!("tenant {tenant} is in cell {cell} already");
        return Err(
            OpError::new(ErrorKind::Refused, message).hint(format!("an add moves nobody; {}", elsewhere(tenant)))
        );
    }
    if entry.attributes != request.attributes {
        let message = format!("tenant {tenant} is in cell {cell} already, with other attributes");
        let hint = format!("`cellctl tenant show {tenant}` shows them; `cellctl tenant set {tenant}` changes them");
        return Err(OpError::new(ErrorKind::Refused, message).hint(hint));
    }
    Ok(())
}

pub(super) fn fence_ahead(entry: &Entry) -> OpError {
    let message = format!(
        "the fence of tenant {} in cell {} is ahead of the map's epoch {}",
        entry.tenant, entry.cell, entry.epoch
    );
    OpError::new(ErrorKind::Refused, message).hint("`cellctl map verify` shows what is not as it should be")
}

/// The error when the cell that was named does not take the tenant.
fn refused(cell: &CellId, wish: &Wish<'_>, refusal: &Refusal) -> OpError {
    let message = format!("cell {cell} does not take tenant {}: {refusal}", wish.tenant);
    let hint = match refusal {
        Refusal::Region { .. } => "residency has no override: choose a cell in one of these Regions".to_owned(),
        Refusal::NotActive { .. } => format!("`cellctl cell uncordon {cell}` lets it take tenants again"),
        Refusal::NotProvisioned => format!("run `cellctl cell create {cell}` first"),
        Refusal::FullByCount { .. } | Refusal::FullByWeight { .. } => {
            "raise its capacity in the definition, or leave the choice to placement (without --to)".to_owned()
        }
        _ => format!("`cellctl tenant place {} --explain` shows what every cell says", wish.tenant),
    };
    OpError::new(ErrorKind::Refused, message).hint(hint)
}
