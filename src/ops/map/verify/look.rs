//! A second, closer look at what seemed wrong.
//!
//! Constraint kept: a fence is judged by an entry that was the same before and after the fence was read. A fence changes
//! only with its entry, or while its entry is in between two transactions or says that a move is under way, so that both
//! belong together.

use std::time::Duration;

use crate::domain::ids::TenantId;
use crate::domain::moves::fence::SHARDS_MAX;
use crate::domain::tenant::Entry;
use crate::domain::tenant::fence::{Fence, FenceMode, FenceTable, Shards};
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::verify::{Finding, Seat, examine, examine_fence};
use crate::ports::{CallErrorKind, Called};

use super::{Inspector, Told};

/// How often an entry that keeps changing is looked at.
const LOOKS_MAX: usize = 3;
/// Time after which a fence that a move has shut is looked at again: what lies between the writes of a FLIP over several
/// Regions, or between a deadline and its mover's reopening, many times over.
const FLIPPED_AFTER: Duration = Duration::from_secs(5);

/// What became of one suspicion.
pub(super) enum Looked {
    /// It was judged; this is what is wrong, if anything is. With the entry as it was.
    Judged(Option<Box<Entry>>, Vec<Told>),
    /// Somebody kept changing it.
    Changing,
}

impl Inspector<'_> {
    /// Looks at a tenant again, and repairs what is safe where that was asked for.
    pub(super) async fn look(&self, tenant: &TenantId) -> Called<Looked> {
        let (mut before, mut waited) = (self.world.map.entry(tenant).await?, false);
        for _ in 0..LOOKS_MAX {
            let Some(entry) = before else { return Ok(Looked::Judged(None, Vec::new())) };
            let load = self.world.map.load(&entry.cell).await?;
            let fence = match load.as_ref().and_then(CellLoad::fences) {
                Some(table) => self.fence(&table, tenant).await?,
                None => None,
            };
            let after = self.world.map.entry(tenant).await?;
            if after.as_ref().is_some_and(|after| after.version == entry.version) {
                let seat = Seat::of(self.fleet, &entry.cell, load);
                let now_ms = self.world.clock.now_ms();
                let findings = examine(&entry, self.fleet, &seat, fence.as_ref(), now_ms);
                let by_mover = |one: &Finding| matches!(one, Finding::StuckMoving { .. } | Finding::SealExpired { .. });
                if !waited && findings.iter().any(by_mover) {
                    self.world.clock.sleep(FLIPPED_AFTER).await;
                    (before, waited) = (self.world.map.entry(tenant).await?, true);
                    continue;
                }
                let mut told = Vec::new();
                for finding in findings {
                    told.push(self.settle(finding, &entry, seat.load.as_ref(), fence.as_ref()).await);
                }
                return Ok(Looked::Judged(Some(Box::new(entry)), told));
            }
            before = after;
        }
        Ok(Looked::Changing)
    }

    /// Looks at an open fence of a cell again.
    pub(super) async fn look_at_fence(&self, load: &CellLoad, table: &FenceTable, tenant: &TenantId) -> Called<Looked> {
        let mut before = self.world.map.entry(tenant).await?;
        for _ in 0..LOOKS_MAX {
            let there = self.fence(table, tenant).await?.unwrap_or_default();
            let fence = open_of(tenant, &there);
            let after = self.world.map.entry(tenant).await?;
            if after.as_ref().map(|e| e.version) == before.as_ref().map(|e| e.version) {
                let found = fence.and_then(|fence| examine_fence(&load.cell, &fence, after.as_ref()));
                let Some(finding) = found else { return Ok(Looked::Judged(None, Vec::new())) };
                // Those beyond what the cell has now were opened when it had more.
                let shards = there.keys().map(|number| number + 1).max().unwrap_or(0).max(load.fence_shards);
                return Ok(Looked::Judged(
                    None,
                    vec![self.settle_fence(finding, after.as_ref(), (table, shards)).await],
                ));
            }
            before = after;
        }
        Ok(Looked::Changing)
    }

    /// The fence of a tenant, every shard of it; none where the table cannot be read, which is told elsewhere.
    async fn fence(&self, table: &FenceTable, tenant: &TenantId) -> Called<Option<Shards>> {
        match self.world.fences.shards(table, std::slice::from_ref(tenant), SHARDS_MAX).await {
            Ok(mut found) => Ok(Some(found.remove(tenant).unwrap_or_default())),
            Err(error) if matches!(error.kind, CallErrorKind::NotFound | CallErrorKind::Denied) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The latest open shard of a fence, for all that are open.
fn open_of(tenant: &TenantId, there: &Shards) -> Option<Fence> {
    let open = there.values().filter(|shard| shard.mode == FenceMode::Open);
    let epoch = open.map(|shard| shard.epoch).max()?;
    Some(Fence { tenant: tenant.clone(), epoch, mode: FenceMode::Open })
}
