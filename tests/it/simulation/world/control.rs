//! The control table of the simulation: the lock, the records of cells and the journals.

use async_trait::async_trait;
use cellctl::domain::audit::Sealed;
use cellctl::domain::ids::CellId;
use cellctl::domain::lock::Lease;
use cellctl::domain::record::CellRecord;
use cellctl::ports::{CallErrorKind, Called, Control, JournalEntry, LeaseStore};

use super::{Sim, State, error};

impl Sim {
    /// Puts a record of a cell, whatever is there.
    pub(crate) fn put_record(&self, record: CellRecord) {
        self.state().records.insert(record.cell.clone(), record);
    }
    /// Whether the lock can be written.
    pub(crate) fn cut_off(&self, cut_off: bool) {
        self.state().cut_off = cut_off;
    }
}

#[async_trait]
impl LeaseStore for Sim {
    async fn lease(&self) -> Called<Option<Lease>> {
        self.call("GetItem", |state, _| Ok(state.lease.clone())).await
    }

    async fn swap_lease(&self, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        self.call("PutItem", |state, _| {
            if state.cut_off {
                return Err(error(CallErrorKind::Unreachable, "PutItem", "no way there"));
            }
            if state.lease.as_ref() != seen && state.lease.as_ref() != Some(next) {
                return Err(error(CallErrorKind::Conflict, "PutItem", "the lock was changed"));
            }
            state.lease = Some(next.clone());
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Control for Sim {
    async fn ready(&self) -> Called<bool> {
        self.call("DescribeTable", |_, _| Ok(true)).await
    }

    async fn records(&self) -> Called<Vec<CellRecord>> {
        self.call("Query", |state, _| Ok(state.records.values().cloned().collect())).await
    }

    async fn record(&self, cell: &CellId) -> Called<Option<CellRecord>> {
        self.call("GetItem", |state, _| Ok(state.records.get(cell).cloned())).await
    }

    async fn put_record(&self, mut record: CellRecord, lease: &Lease, audit: &Sealed) -> Called<CellRecord> {
        self.call("TransactWriteItems", |state, _| {
            fenced(state, lease)?;
            let stored = state.records.get(&record.cell).map_or(0, |r| r.version);
            if stored != record.version {
                return Err(error(CallErrorKind::Conflict, "TransactWriteItems", "the item was changed"));
            }
            if !state.map.put_record(&record, audit) {
                return Err(error(CallErrorKind::Conflict, "TransactWriteItems", "the load was changed"));
            }
            record.version += 1;
            state.records.insert(record.cell.clone(), record.clone());
            Ok(record)
        })
        .await
    }

    async fn delete_record(&self, record: &CellRecord, lease: &Lease, audit: &Sealed) -> Called<()> {
        self.call("TransactWriteItems", |state, _| {
            fenced(state, lease)?;
            state.map.delete_record(&record.cell, audit);
            state.records.remove(&record.cell);
            Ok(())
        })
        .await
    }

    async fn append(&self, journal: &str, entry: &JournalEntry, lease: &Lease) -> Called<()> {
        self.call("TransactWriteItems", |state, _| {
            fenced(state, lease)?;
            let entries = state.journals.entry(journal.to_owned()).or_default();
            if entries.iter().any(|e| e.seq == entry.seq && e != entry) {
                return Err(error(CallErrorKind::Conflict, "TransactWriteItems", "the number is taken"));
            }
            entries.push(entry.clone());
            Ok(())
        })
        .await
    }

    async fn open_rollout(&self) -> Called<Option<cellctl::domain::rollout::RolloutId>> {
        Ok(None)
    }

    async fn journal(&self, journal: &str) -> Called<Vec<JournalEntry>> {
        self.call("Query", |state, _| Ok(state.journals.get(journal).cloned().unwrap_or_default())).await
    }
}

fn fenced(state: &State, lease: &Lease) -> Called<()> {
    if state.lease.as_ref().is_some_and(|l| l.token == lease.token) {
        return Ok(());
    }
    Err(error(CallErrorKind::Conflict, "TransactWriteItems", "the lock on the fleet is no longer ours"))
}
