//! The tenant map of the simulation, its fences and the audit log; and what can be wrong with them.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use cellctl::domain::audit::{Head, Sealed, Subject};
use cellctl::domain::ids::{CellId, TenantId};
use cellctl::domain::moves::fence::Shift;
use cellctl::domain::tenant::change::{Change, FenceWrite};
use cellctl::domain::tenant::fence::{Fence, FenceTable, Shards};
use cellctl::domain::tenant::load::CellLoad;
use cellctl::domain::tenant::{ENTRY_FORMAT, Entry};
use cellctl::ops::OpError;
use cellctl::ops::map::verify::UnderWay;
use cellctl::ops::moves::carrier::Listed;
use cellctl::ports::tenants::{
    AuditLog, EntryPage, FencePage, Fences, SeenLoads, StoredRecord, StoredRoot, TenantMap, Unreadable, Written,
};
use cellctl::ports::{CallError, CallErrorKind, Called};

use super::{Sim, State, error, missing};
use crate::support::map::MapState;

/// For how long the adapter tries a write again that collides with others.
const COLLIDED_FOR: Duration = Duration::from_mins(1);

impl Sim {
    /// Looks at, or tampers with, the tables of the map.
    pub(crate) fn with_map<T>(&self, work: impl FnOnce(&mut MapState) -> T) -> T {
        work(&mut self.state().map)
    }

    /// The next query of its bucket shows this entry as it was: DynamoDB isolates a query from a transaction by the item.
    pub(crate) fn shows_once(&self, old: Entry) {
        self.state().behind = Some(old);
    }

    /// Somebody deletes a cell's fence table.
    pub(crate) fn drop_table(&self, table: FenceTable) {
        self.state().gone.insert(table);
    }

    /// Spoils the load of a cell.
    pub(crate) fn spoil_load(&self, cell: CellId) {
        self.state().spoilt.insert(cell);
    }

    /// Whether somebody is at the same items whenever the map is written.
    pub(crate) fn colliding(&self, colliding: bool) {
        self.state().colliding = colliding;
    }

    /// Moves that are listed as under way.
    pub(crate) fn set_under_way(&self, moves: Vec<Listed>) {
        self.state().under_way = moves;
    }
}

/// An entry, unless its format is a newer one.
fn readable(entry: Entry) -> Called<Entry> {
    if entry.format <= ENTRY_FORMAT {
        return Ok(entry);
    }
    let subject = format!("tenant {}", entry.tenant);
    Err(CallError { subject, ..error(CallErrorKind::Invalid, "GetItem", "it was written by a newer cellctl") })
}

fn there(state: &State, table: &FenceTable, operation: &'static str) -> Called<()> {
    if state.gone.contains(table) { Err(missing(operation)) } else { Ok(()) }
}

#[async_trait]
impl TenantMap for Sim {
    async fn entry(&self, tenant: &TenantId) -> Called<Option<Entry>> {
        let entry = |state: &mut State| state.map.entries.get(tenant).cloned();
        self.call("GetItem", |state, _| entry(state).map(readable).transpose()).await
    }

    async fn entries(&self, tenants: &[TenantId]) -> Called<BTreeMap<TenantId, Entry>> {
        let find = |state: &State, tenant: &TenantId| state.map.entries.get(tenant).cloned().map(readable);
        let named = |entry: Entry| (entry.tenant.clone(), entry);
        self.call("BatchGetItem", |state, _| {
            tenants.iter().filter_map(|tenant| find(state, tenant)).map(|entry| entry.map(named)).collect()
        })
        .await
    }

    async fn page(&self, bucket: u8, after: Option<&TenantId>, limit: u32, cell: Option<&CellId>) -> Called<EntryPage> {
        self.call("Query", |state, _| {
            let mut page = state.map.page(bucket, after, limit, cell);
            let behind = state.behind.take_if(|old| old.tenant.bucket() == bucket);
            for entry in &mut page.entries {
                if let Some(old) = behind.as_ref().filter(|old| old.tenant == entry.tenant) {
                    entry.clone_from(old);
                }
            }
            for entry in std::mem::take(&mut page.entries) {
                let (of, newer) = (entry.tenant.clone(), Some(entry.format));
                match readable(entry) {
                    Ok(entry) => page.entries.push(entry),
                    Err(error) => page.unreadable.push(Unreadable { of, newer, error }),
                }
            }
            Ok(page)
        })
        .await
    }

    async fn seen_loads(&self) -> Called<SeenLoads> {
        self.call("Query", |state, _| {
            let spoilt = |load: &CellLoad| state.spoilt.contains(&load.cell);
            let (unreadable, loads): (Vec<_>, Vec<_>) = state.map.loads.values().cloned().partition(spoilt);
            let error = error(CallErrorKind::Invalid, "GetItem", "its weight is missing");
            let named = |load: CellLoad| Unreadable { of: load.cell, newer: None, error: error.clone() };
            Ok(SeenLoads { loads, unreadable: unreadable.into_iter().map(named).collect() })
        })
        .await
    }

    async fn load(&self, cell: &CellId) -> Called<Option<CellLoad>> {
        self.call("GetItem", |state, _| Ok(state.map.loads.get(cell).cloned())).await
    }

    async fn write(&self, changes: &[Change]) -> Called<Written> {
        if self.state().colliding {
            tokio::time::sleep(COLLIDED_FOR).await;
            return Err(error(CallErrorKind::Conflict, "TransactWriteItems", "[TransactionConflict, None]"));
        }
        self.call("TransactWriteItems", |state, _| {
            let mut tables = changes.iter().filter_map(|change| Some(&change.fence.as_ref()?.table));
            tables.try_for_each(|table| there(state, table, "TransactWriteItems"))?;
            Ok(state.map.write(changes))
        })
        .await
    }

    async fn correct(&self, seen: &CellLoad, tenants: i64, weight: i64, record: &Sealed) -> Called<bool> {
        self.call("TransactWriteItems", |state, _| Ok(state.map.correct(seen, tenants, weight, record))).await
    }
}

#[async_trait]
impl UnderWay for Sim {
    async fn under_way(&self) -> Result<Vec<Listed>, OpError> {
        Ok(self.state().under_way.clone())
    }
}

#[async_trait]
impl Fences for Sim {
    async fn fences(&self, table: &FenceTable, tenants: &[TenantId]) -> Called<BTreeMap<TenantId, Fence>> {
        let find = |state: &State| state.map.fences_of(table, tenants);
        self.call("BatchGetItem", |state, _| there(state, table, "BatchGetItem").map(|()| find(state))).await
    }

    async fn shards(&self, table: &FenceTable, tenants: &[TenantId], of: u8) -> Called<BTreeMap<TenantId, Shards>> {
        let find = |state: &State| state.map.shards_of(table, tenants, of);
        self.call("BatchGetItem", |state, _| there(state, table, "BatchGetItem").map(|()| find(state))).await
    }

    async fn shift(&self, shift: &Shift) -> Called<bool> {
        self.call("TransactWriteItems", |state, _| {
            there(state, &shift.table, "TransactWriteItems")?;
            Ok(state.map.shift(shift))
        })
        .await
    }

    async fn put(&self, write: &FenceWrite) -> Called<bool> {
        self.call("PutItem", |state, _| {
            there(state, &write.table, "PutItem")?;
            Ok(state.map.put_fence(write))
        })
        .await
    }

    async fn page(&self, table: &FenceTable, _: Option<&str>) -> Called<FencePage> {
        self.call("Scan", |state, _| there(state, table, "Scan").map(|()| state.map.fence_page(table))).await
    }
}

#[async_trait]
impl AuditLog for Sim {
    async fn chain(&self, subject: &Subject, from_seq: u64, limit: u32) -> Called<Vec<StoredRecord>> {
        self.call("Query", |state, _| Ok(state.map.chain(subject, from_seq, limit))).await
    }

    async fn recent(&self, since_ms: i64, limit: u32) -> Called<Vec<StoredRecord>> {
        self.call("Query", |state, _| Ok(state.map.recent(since_ms, limit))).await
    }

    async fn roots(&self) -> Called<Vec<StoredRoot>> {
        self.call("Query", |state, _| Ok(state.map.roots.clone())).await
    }

    async fn put_heads(&self, root: u64, page: u32, heads: &[(Subject, Head)]) -> Called<()> {
        self.call("PutItem", |state, _| {
            state.map.heads.insert((root, page), heads.to_vec());
            Ok(())
        })
        .await
    }

    async fn heads(&self, root: u64, page: u32) -> Called<Vec<(Subject, Head)>> {
        self.call("GetItem", |state, _| Ok(state.map.heads.get(&(root, page)).cloned().unwrap_or_default())).await
    }

    async fn append_root(&self, root: &StoredRoot) -> Called<bool> {
        self.call("PutItem", |state, _| Ok(state.map.append_root(root))).await
    }
}
