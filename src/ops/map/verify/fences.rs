//! The scan of the cells' fence tables: open fences in cells that do not serve the tenant.

use futures_util::StreamExt;
use futures_util::stream;

use crate::domain::ids::{CellId, TenantId};
use crate::domain::record::CellState;
use crate::domain::tenant::fence::{Fence, FenceMode, FenceTable};
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::verify::examine_fence;
use crate::ops::OpError;
use crate::ports::{CallErrorKind, Called};

use super::look::Looked;
use super::{CONCURRENCY, Cells, Inspector, Report, Told};

/// What the scan of one table has given.
#[derive(Default)]
struct Scanned {
    fences: u64,
    changing: u64,
    /// The tenant that was looked at last.
    looked_at: Option<TenantId>,
    told: Vec<Told>,
}

impl Inspector<'_> {
    /// Scans the fences of all cells that can be read.
    pub(super) async fn fences(&self, cells: &mut Cells, report: &mut Report) -> Result<(), OpError> {
        let readable = |load: &&CellLoad| load.state != CellState::Deleted && !cells.unreadable.contains(&load.cell);
        let tables = cells.loads.values().filter(readable).filter_map(|load| Some((load.clone(), load.fences()?)));
        let tables: Vec<(CellLoad, FenceTable)> = tables.collect();
        let scan = |(load, table): (CellLoad, FenceTable)| async move {
            let scanned = self.table(&load, &table).await;
            (load.cell, scanned)
        };
        let mut scans = stream::iter(tables.into_iter().map(scan)).buffered(CONCURRENCY);
        while let Some((cell, scanned)) = scans.next().await {
            match scanned {
                Ok(scanned) => {
                    report.fences += scanned.fences;
                    report.under_way += scanned.changing;
                    scanned.told.into_iter().for_each(|told| report.add(told));
                }
                Err(error) => cells.note_unreadable(&cell, error, report)?,
            }
        }
        Ok(())
    }

    /// Scans one table, page by page.
    async fn table(&self, load: &CellLoad, table: &FenceTable) -> Called<Scanned> {
        let mut scanned = Scanned::default();
        let (mut next, mut last): (Option<String>, Option<TenantId>) = (None, None);
        loop {
            let page = self.world.fences.page(table, next.as_deref()).await?;
            for (_, fence) in &page.shards {
                if last.as_ref() != Some(&fence.tenant) {
                    scanned.fences += 1;
                    last = Some(fence.tenant.clone());
                }
            }
            // A fence may begin on one page and end on the next.
            let mut suspects = self.suspects(&load.cell, &page.shards).await?;
            suspects.retain(|tenant| scanned.looked_at.as_ref() != Some(tenant));
            scanned.looked_at = suspects.last().cloned().or(scanned.looked_at);
            for tenant in suspects {
                match self.look_at_fence(load, table, &tenant).await? {
                    Looked::Judged(_, told) => scanned.told.extend(told),
                    Looked::Changing => scanned.changing += 1,
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(scanned);
            }
        }
    }

    /// The tenants whose open fences seem not to belong there.
    async fn suspects(&self, cell: &CellId, shards: &[(u8, Fence)]) -> Called<Vec<TenantId>> {
        let mut open: Vec<&Fence> = shards.iter().map(|(_, fence)| fence).collect();
        open.retain(|fence| fence.mode == FenceMode::Open);
        open.dedup_by_key(|fence| &fence.tenant);
        let tenants: Vec<TenantId> = open.iter().map(|fence| fence.tenant.clone()).collect();
        if tenants.is_empty() {
            return Ok(tenants);
        }
        let entries = match self.world.map.entries(&tenants).await {
            Err(error) if error.kind == CallErrorKind::Invalid => return self.suspects_apart(cell, open).await,
            entries => entries?,
        };
        let is_suspect = |fence: &&Fence| examine_fence(cell, fence, entries.get(&fence.tenant)).is_some();
        Ok(open.into_iter().filter(is_suspect).map(|fence| fence.tenant.clone()).collect())
    }

    /// The same where an entry among them cannot be read, which is told elsewhere: each is read by itself.
    async fn suspects_apart(&self, cell: &CellId, open: Vec<&Fence>) -> Called<Vec<TenantId>> {
        let read = |fence: Fence| async move {
            let entry = self.world.map.entry(&fence.tenant).await;
            (fence, entry)
        };
        let mut reads = stream::iter(open.into_iter().cloned().map(read)).buffered(CONCURRENCY);
        let mut found = Vec::new();
        while let Some((fence, entry)) = reads.next().await {
            match entry {
                Err(error) if error.kind == CallErrorKind::Invalid => {}
                entry => found.extend(examine_fence(cell, &fence, entry?.as_ref()).map(|_| fence.tenant)),
            }
        }
        Ok(found)
    }
}
