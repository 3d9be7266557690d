//! The parts of the world that hold the state of a move: its journal, fences, and notes. There is no queue, and of the
//! map one entry at the most.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{World, error};
use crate::domain::audit::Sealed;
use crate::domain::ids::{CellId, TenantId};
use crate::domain::lock::Lease;
use crate::domain::moves::MoveId;
use crate::domain::moves::event::Entry;
use crate::domain::moves::fence::{NOTES_FROM, Shard, Shift};
use crate::domain::moves::orders::Orders;
use crate::domain::tenant::Entry as MapEntry;
use crate::domain::tenant::change::Change as MapChange;
use crate::domain::tenant::fence::FenceTable;
use crate::domain::tenant::load::CellLoad;
use crate::ports::moves::{Appended, LedgerWrite, Message, MoveFences, Moves, NotePage, QueueRef, Queues, Summary};
use crate::ports::tenants::{EntryPage, SeenLoads, TenantMap, Written};
use crate::ports::{CallErrorKind, Called};

#[async_trait]
impl Moves for World {
    async fn outputs(&self, _: &CellId) -> Called<BTreeMap<String, String>> {
        Err(error(CallErrorKind::Other))
    }
    async fn lease(&self, _: &MoveId) -> Called<Option<Lease>> {
        Err(error(CallErrorKind::Other))
    }
    async fn swap_lease(&self, _: &MoveId, _: Option<&Lease>, _: &Lease) -> Called<()> {
        Err(error(CallErrorKind::Other))
    }
    async fn journal(&self, _: &MoveId) -> Called<Vec<Entry>> {
        Err(error(CallErrorKind::Other))
    }
    async fn append(&self, _: &MoveId, entry: &Entry, _: &Summary, _: &Lease) -> Called<Appended> {
        self.lock().journal.push(entry.clone());
        Ok(Appended::Done)
    }
    async fn open(&self) -> Called<Vec<Summary>> {
        Err(error(CallErrorKind::Other))
    }
    async fn over(&self, _: u32) -> Called<Vec<Summary>> {
        Err(error(CallErrorKind::Other))
    }
    async fn orders(&self, _: &MoveId) -> Called<Orders> {
        Ok(self.lock().orders.clone())
    }
    async fn put_orders(&self, _: &MoveId, _: &Orders) -> Called<bool> {
        Err(error(CallErrorKind::Other))
    }
    async fn put_ledger(&self, _: &MoveId, writes: &[LedgerWrite], _: &Lease) -> Called<bool> {
        assert!(!writes.is_empty() && writes.len() <= crate::ports::moves::LEDGER_MAX);
        if let Some((error, _)) = self.begin("put_ledger").await {
            return Err(error);
        }
        let mut inner = self.lock();
        for LedgerWrite { name, body } in writes.iter().cloned() {
            match body {
                Some(body) => _ = inner.ledger.insert(name, body),
                None => _ = inner.ledger.remove(&name),
            }
        }
        Ok(true)
    }
    async fn ledger(&self, _: &MoveId, prefix: &str) -> Called<BTreeMap<String, String>> {
        let all = self.lock().ledger.clone();
        Ok(all.into_iter().filter(|(name, _)| name.starts_with(prefix)).collect())
    }
}

#[async_trait]
impl MoveFences for World {
    async fn shards(&self, table: &FenceTable, _: &TenantId) -> Called<BTreeMap<u8, Shard>> {
        Ok(self.lock().fences.get(&table.name).cloned().unwrap_or_default())
    }
    async fn shift(&self, shift: &Shift) -> Called<bool> {
        if let Some((error, _)) = self.begin("shift").await {
            return Err(error);
        }
        let mut inner = self.lock();
        let fence = inner.fences.entry(shift.table.name.clone()).or_default();
        let fits = shift.from.iter().all(|(number, from)| fence.get(number) == from.as_ref());
        if fits {
            fence.extend(shift.from.iter().map(|(number, _)| (*number, shift.to.clone())));
        }
        Ok(fits)
    }
    async fn notes(&self, table: &FenceTable, _: &TenantId, after: u64) -> Called<NotePage> {
        assert!(table.name == "cell-1-fences" && after >= NOTES_FROM - 1);
        let inner = self.lock();
        let mut rest = inner.notes.range(after + 1..).map(|(_, note)| note.clone());
        let notes = rest.by_ref().take(2).collect();
        Ok(NotePage { notes, more: rest.next().is_some() })
    }
    async fn forget(&self, _: &FenceTable, _: &TenantId, numbers: &[u64]) -> Called<()> {
        let mut inner = self.lock();
        for number in numbers {
            inner.notes.remove(number);
        }
        Ok(())
    }
}

#[async_trait]
impl Queues for World {
    async fn exists(&self, _: &QueueRef) -> Called<bool> {
        Err(error(CallErrorKind::Other))
    }
    async fn receive(&self, _: &QueueRef, _: u32) -> Called<Vec<Message>> {
        Err(error(CallErrorKind::Other))
    }
    async fn send(&self, _: &QueueRef, _: &Message, _: &str) -> Called<()> {
        Err(error(CallErrorKind::Other))
    }
    async fn delete(&self, _: &QueueRef, _: &Message) -> Called<()> {
        Err(error(CallErrorKind::Other))
    }
    async fn put_back(&self, _: &QueueRef, _: &Message) -> Called<()> {
        Err(error(CallErrorKind::Other))
    }
    async fn depth(&self, _: &QueueRef) -> Called<u64> {
        Err(error(CallErrorKind::Other))
    }
}

#[async_trait]
impl TenantMap for World {
    async fn entry(&self, _: &TenantId) -> Called<Option<MapEntry>> {
        Ok(self.lock().entry.clone())
    }
    async fn entries(&self, _: &[TenantId]) -> Called<BTreeMap<TenantId, MapEntry>> {
        Err(error(CallErrorKind::Other))
    }
    async fn page(&self, _: u8, _: Option<&TenantId>, _: u32, _: Option<&CellId>) -> Called<EntryPage> {
        Err(error(CallErrorKind::Other))
    }
    async fn seen_loads(&self) -> Called<SeenLoads> {
        Err(error(CallErrorKind::Other))
    }
    async fn load(&self, cell: &CellId) -> Called<Option<CellLoad>> {
        Ok(self.lock().loads.get(cell).cloned())
    }
    async fn write(&self, changes: &[MapChange]) -> Called<Written> {
        let mut at_rest = changes.iter().flat_map(|change| &change.at_rest);
        let marked = |cell: &&CellId| self.lock().loads.get(*cell).is_some_and(|load| load.changing.is_some());
        if let Some(cell) = at_rest.find(marked) {
            return Ok(Written::CellChanging(cell.clone()));
        }
        self.lock().entry = changes.last().map(|change| change.after.clone());
        Ok(Written::Done)
    }
    async fn correct(&self, _: &CellLoad, _: i64, _: i64, _: &Sealed) -> Called<bool> {
        Err(error(CallErrorKind::Other))
    }
}
