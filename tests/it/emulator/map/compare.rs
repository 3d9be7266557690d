//! What both sides of the pair hold.

use cellctl::domain::ids::{BUCKETS, CellId, TenantId};
use cellctl::domain::tenant::Entry;
use cellctl::domain::tenant::load::CellLoad;
use cellctl::ports::tenants::{AuditLog, Fences, TenantMap};

use super::{CELLS, Pair, TENANTS};

impl Pair {
    /// Both sides hold the same.
    pub(super) async fn compare(&self) {
        self.compare_map().await;
        self.compare_fences().await;
        self.compare_audit().await;
    }

    async fn compare_map(&self) {
        let names: Vec<TenantId> = (0..TENANTS).map(|n| format!("tenant-{n}").parse().expect("valid")).collect();
        let twice = [names.clone(), names].concat();
        assert_eq!(self.tables.entries(&twice).await.expect("read"), self.memory.entries);
        for cell in [None, Some(CELLS[0].0.parse::<CellId>().expect("valid"))] {
            let paged = self.walk(cell.as_ref()).await;
            let is_of = |e: &&Entry, cell: &CellId| {
                e.cell == *cell || e.moving.as_ref().is_some_and(|moving| moving.other == *cell)
            };
            let kept = self.memory.entries.values().filter(|e| cell.as_ref().is_none_or(|cell| is_of(e, cell)));
            assert_eq!(paged, kept.cloned().collect::<Vec<_>>());
        }
        let loads: Vec<CellLoad> = self.memory.loads.values().cloned().collect();
        assert_eq!(self.tables.loads().await.expect("read"), loads);
        for load in &loads {
            assert_eq!(self.tables.load(&load.cell).await.expect("read").as_ref(), Some(load));
        }
    }

    /// All entries by pages of two, in order of names.
    async fn walk(&self, cell: Option<&CellId>) -> Vec<Entry> {
        let mut found = Vec::new();
        for bucket in 0..BUCKETS {
            let mut after = None;
            loop {
                let page = TenantMap::page(&self.tables, bucket, after.as_ref(), 2, cell).await.expect("read");
                assert!(page.entries.len() <= 2);
                found.extend(page.entries);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        found.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        found
    }

    async fn compare_fences(&self) {
        for table in self.fences.iter().flatten() {
            let page = Fences::page(&self.tables, table, None).await.expect("read");
            let mut shards = page.shards;
            shards.sort_by_key(|(number, fence)| (fence.tenant.clone(), *number));
            assert_eq!((shards, page.next), (self.memory.fence_page(table).shards, None));
            let names: Vec<TenantId> = self.memory.entries.keys().cloned().collect();
            let fences = self.tables.fences(table, &names).await.expect("read");
            assert_eq!(fences, self.memory.fences_of(table, &names));
            let shards = self.tables.shards(table, &names, 2).await.expect("read");
            assert_eq!(shards, self.memory.shards_of(table, &names, 2));
        }
    }

    async fn compare_audit(&self) {
        for subject in self.memory.chains.keys() {
            let chain = self.tables.chain(subject, 1, u32::MAX).await.expect("read");
            assert_eq!(chain, self.memory.chain(subject, 1, u32::MAX));
            let part = self.tables.chain(subject, 2, 3).await.expect("read");
            assert_eq!(part, self.memory.chain(subject, 2, 3));
        }
    }
}
