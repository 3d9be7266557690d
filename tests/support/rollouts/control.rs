//! The control table as an apply sees it: records, the lock, journals, loads, audit chains.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cellctl::domain::audit::{Head, Sealed, Subject};
use cellctl::domain::ids::{CellId, TenantId};
use cellctl::domain::lock::Lease;
use cellctl::domain::record::CellRecord;
use cellctl::domain::rollout::RolloutId;
use cellctl::domain::tenant::Entry;
use cellctl::domain::tenant::change::Change;
use cellctl::domain::tenant::load::CellLoad;
use cellctl::ports::tenants::{AuditLog, EntryPage, SeenLoads, StoredRecord, StoredRoot, TenantMap, Written};
use cellctl::ports::{CallErrorKind, Called, Control, JournalEntry, LeaseStore};

use super::gate::{Kind, Seat, error};
use super::state::State;

const GET: &str = "dynamodb:GetItem";
const QUERY: &str = "dynamodb:Query";
const TRANSACT: &str = "dynamodb:TransactWriteItems";

fn conflict<T>(what: &str) -> Called<T> {
    Err(error(CallErrorKind::Conflict, TRANSACT, what))
}

fn unused<T>() -> Called<T> {
    Err(error(CallErrorKind::Other, TRANSACT, "a rollout does not do this"))
}

impl State {
    fn is_locked_by(&self, lease: &Lease) -> bool {
        self.lock.as_ref().is_some_and(|held| held.token == lease.token && held.nonce == lease.nonce)
    }
}

#[async_trait]
impl LeaseStore for Seat {
    async fn lease(&self) -> Called<Option<Lease>> {
        self.call(Kind::Read, GET, |state| Ok(state.lock.clone())).await
    }

    async fn swap_lease(&self, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        let (seen, next) = (seen.cloned(), next.clone());
        self.call(Kind::Write, "dynamodb:PutItem", move |state| {
            if state.lock != seen {
                return conflict("the lock has changed");
            }
            state.lock = Some(next);
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Control for Seat {
    async fn ready(&self) -> Called<bool> {
        self.call(Kind::Read, "dynamodb:DescribeTable", |_| Ok(true)).await
    }

    async fn records(&self) -> Called<Vec<CellRecord>> {
        self.call(Kind::Read, QUERY, |state| Ok(state.records.values().cloned().collect())).await
    }

    async fn record(&self, cell: &CellId) -> Called<Option<CellRecord>> {
        let cell = cell.clone();
        self.call(Kind::Read, GET, move |state| Ok(state.records.get(&cell).cloned())).await
    }

    async fn put_record(&self, record: CellRecord, lease: &Lease, audit: &Sealed) -> Called<CellRecord> {
        let (mut record, lease, audit) = (record, lease.clone(), audit.clone());
        self.call(Kind::Write, TRANSACT, move |state| {
            if !state.is_locked_by(&lease) {
                return conflict("the lock on the fleet is no longer ours");
            }
            if state.records.get(&record.cell).map_or(0, |there| there.version) != record.version {
                return conflict("the item was changed");
            }
            if !state.map.put_record(&record, &audit) {
                return conflict("the load was changed");
            }
            record.version += 1;
            state.records.insert(record.cell.clone(), record.clone());
            Ok(record)
        })
        .await
    }

    async fn delete_record(&self, _: &CellRecord, _: &Lease, _: &Sealed) -> Called<()> {
        unused()
    }

    async fn append(&self, journal: &str, entry: &JournalEntry, lease: &Lease) -> Called<()> {
        let (journal, entry, lease) = (journal.to_owned(), entry.clone(), lease.clone());
        self.call(Kind::Write, TRANSACT, move |state| {
            if !state.is_locked_by(&lease) {
                return conflict("the lock on the fleet is no longer ours");
            }
            let entries = state.applies.entry(journal).or_default();
            if entries.get(&entry.seq).is_some_and(|there| *there != entry) {
                return conflict("the number is taken");
            }
            entries.insert(entry.seq, entry);
            Ok(())
        })
        .await
    }

    async fn journal(&self, journal: &str) -> Called<Vec<JournalEntry>> {
        let journal = journal.to_owned();
        self.call(Kind::Read, QUERY, move |state| {
            Ok(state.applies.get(&journal).map(|entries| entries.values().cloned().collect()).unwrap_or_default())
        })
        .await
    }

    async fn open_rollout(&self) -> Called<Option<RolloutId>> {
        self.call(Kind::Read, GET, |state| Ok(state.open)).await
    }
}

#[async_trait]
impl TenantMap for Seat {
    async fn entry(&self, _: &TenantId) -> Called<Option<Entry>> {
        self.call(Kind::Read, GET, |_| Ok(None)).await
    }

    async fn entries(&self, _: &[TenantId]) -> Called<BTreeMap<TenantId, Entry>> {
        self.call(Kind::Read, "dynamodb:BatchGetItem", |_| Ok(BTreeMap::new())).await
    }

    async fn page(&self, _: u8, _: Option<&TenantId>, _: u32, _: Option<&CellId>) -> Called<EntryPage> {
        unused()
    }

    async fn seen_loads(&self) -> Called<SeenLoads> {
        self.call(Kind::Read, QUERY, |state| {
            Ok(SeenLoads { loads: state.map.loads.values().cloned().collect(), unreadable: Vec::new() })
        })
        .await
    }

    async fn load(&self, cell: &CellId) -> Called<Option<CellLoad>> {
        let cell = cell.clone();
        self.call(Kind::Read, GET, move |state| Ok(state.map.loads.get(&cell).cloned())).await
    }

    async fn write(&self, _: &[Change]) -> Called<Written> {
        unused()
    }

    async fn correct(&self, _: &CellLoad, _: i64, _: i64, _: &Sealed) -> Called<bool> {
        unused()
    }
}

#[async_trait]
impl AuditLog for Seat {
    async fn chain(&self, subject: &Subject, from_seq: u64, limit: u32) -> Called<Vec<StoredRecord>> {
        let subject = subject.clone();
        self.call(Kind::Read, QUERY, move |state| Ok(state.map.chain(&subject, from_seq, limit))).await
    }

    async fn recent(&self, _: i64, _: u32) -> Called<Vec<StoredRecord>> {
        unused()
    }

    async fn roots(&self) -> Called<Vec<StoredRoot>> {
        unused()
    }

    async fn put_heads(&self, _: u64, _: u32, _: &[(Subject, Head)]) -> Called<()> {
        unused()
    }

    async fn heads(&self, _: u64, _: u32) -> Called<Vec<(Subject, Head)>> {
        unused()
    }

    async fn append_root(&self, _: &StoredRoot) -> Called<bool> {
        unused()
    }
}
