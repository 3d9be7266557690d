//! The tenant map, the fences and the audit log in memory: what the tables do, without a table.
//!
//! Constraint kept: a write is all or nothing, and its conditions are those of the ports, no more and no less.

use std::collections::BTreeMap;

use cellctl::domain::audit::{Head, Sealed, Subject};
use cellctl::domain::ids::{CellId, Digest, TenantId};
use cellctl::domain::record::{CellRecord, CellState};
use cellctl::domain::tenant::Entry;
use cellctl::domain::tenant::change::{Change, FenceWrite, LoadGuard};
use cellctl::domain::tenant::fence::{FENCE_OUTPUT, Fence, FenceTable};
use cellctl::domain::tenant::load::CellLoad;
use cellctl::ports::tenants::{CHANGES_MAX, EntryPage, FencePage, StoredRecord, StoredRoot, Written};

/// Everything that the tables hold.
#[derive(Debug, Default, Clone)]
pub(crate) struct MapState {
    pub(crate) entries: BTreeMap<TenantId, Entry>,
    pub(crate) loads: BTreeMap<CellId, CellLoad>,
    pub(crate) fences: BTreeMap<(FenceTable, TenantId), Fence>,
    pub(crate) chains: BTreeMap<Subject, BTreeMap<u64, StoredRecord>>,
    pub(crate) roots: Vec<StoredRoot>,
    pub(crate) heads: BTreeMap<(u64, u32), Vec<(Subject, Head)>>,
}

impl MapState {
    /// A transaction of changes.
    pub(crate) fn write(&mut self, changes: &[Change]) -> Written {
        assert!(changes.len() <= CHANGES_MAX, "{} changes in one transaction", changes.len());
        let mut next = self.clone_counters();
        for change in changes {
            if let Some(load) = &change.load {
                let Some(counters) = next.get_mut(&load.cell) else { return Written::CellRefused(load.cell.clone()) };
                counters.0 += load.tenants;
                counters.1 += load.weight;
                let state = self.loads[&load.cell].state;
                let fits = |limits: &cellctl::domain::tenant::load::Limits| {
                    counters.0 <= signed(limits.tenants) && limits.weight.is_none_or(|max| counters.1 <= signed(max))
                };
                let admitted = match &load.guard {
                    LoadGuard::Free => true,
                    LoadGuard::Admit(limits) => state == CellState::Active && fits(limits),
                    LoadGuard::Grow(limits) => limits.weight.is_none_or(|max| counters.1 <= signed(max)),
                };
                if !admitted {
                    return Written::CellRefused(load.cell.clone());
                }
            }
        }
        for change in changes {
            let tenant = &change.after.tenant;
            let seen = change.before.as_ref().map(|entry| entry.version);
            if self.entries.get(tenant).map(|entry| entry.version) != seen || self.has_record(&change.record) {
                return Written::EntryChanged(tenant.clone());
            }
            if change.fence.as_ref().is_some_and(|write| !self.may_write(write)) {
                return Written::FenceAhead(tenant.clone());
            }
        }
        for change in changes {
            self.entries.insert(change.after.tenant.clone(), change.after.clone());
            self.append(&change.record);
            if let Some(write) = &change.fence {
                self.put_fence(write);
            }
            if let Some(load) = change.load.as_ref().and_then(|change| self.loads.get_mut(&change.cell)) {
                load.writes += 1;
            }
        }
        for (cell, (tenants, weight)) in next {
            if let Some(load) = self.loads.get_mut(&cell) {
                (load.tenants, load.weight) = (tenants, weight);
            }
        }
        Written::Done
    }

    fn clone_counters(&self) -> BTreeMap<CellId, (i64, i64)> {
        self.loads.iter().map(|(cell, load)| (cell.clone(), (load.tenants, load.weight))).collect()
    }

    fn has_record(&self, record: &Sealed) -> bool {
        self.chains.get(&record.record.subject).is_some_and(|chain| chain.contains_key(&record.record.seq))
    }

    /// Appends to a chain.
    pub(crate) fn append(&mut self, record: &Sealed) {
        let stored = StoredRecord {
            subject: record.record.subject.clone(),
            seq: record.record.seq,
            text: record.text.clone(),
            hash: record.hash.to_string(),
        };
        self.chains.entry(stored.subject.clone()).or_default().insert(stored.seq, stored);
    }

    fn may_write(&self, write: &FenceWrite) -> bool {
        let there = self.fences.get(&(write.table.clone(), write.fence.tenant.clone()));
        there.is_none_or(|fence| fence.epoch < write.fence.epoch || *fence == write.fence)
    }

    /// Writes a fence on its own.
    pub(crate) fn put_fence(&mut self, write: &FenceWrite) -> bool {
        let may = self.may_write(write);
        if may {
            self.fences.insert((write.table.clone(), write.fence.tenant.clone()), write.fence.clone());
        }
        may
    }

    /// A page of a bucket.
    pub(crate) fn page(&self, bucket: u8, after: Option<&TenantId>, limit: u32, cell: Option<&CellId>) -> EntryPage {
        let mut found = self.entries.values().filter(|e| e.tenant.bucket() == bucket);
        let mut found = found.by_ref().filter(|e| after.is_none_or(|after| e.tenant > *after));
        let looked: Vec<&Entry> = found.by_ref().take(limit as usize).collect();
        let next = found.next().and_then(|_| looked.last().map(|e| e.tenant.clone()));
        let entries = looked.into_iter().filter(|e| cell.is_none_or(|cell| e.cell == *cell)).cloned().collect();
        EntryPage { entries, next }
    }

    /// The fences of some tenants.
    pub(crate) fn fences_of(&self, table: &FenceTable, tenants: &[TenantId]) -> BTreeMap<TenantId, Fence> {
        let find = |tenant: &TenantId| {
            let fence = self.fences.get(&(table.clone(), tenant.clone()))?;
            Some((tenant.clone(), fence.clone()))
        };
        tenants.iter().filter_map(find).collect()
    }

    /// All fences of a table, in one page.
    pub(crate) fn fence_page(&self, table: &FenceTable) -> FencePage {
        let of_table = self.fences.iter().filter(|((known, _), _)| known == table);
        FencePage { fences: of_table.map(|(_, fence)| fence.clone()).collect(), next: None }
    }

    /// Sets counters.
    pub(crate) fn correct(&mut self, seen: &CellLoad, tenants: i64, weight: i64, record: &Sealed) -> bool {
        let Some(load) = self.loads.get_mut(&seen.cell) else { return false };
        if load.writes != seen.writes || load.audit != seen.audit {
            return false;
        }
        (load.tenants, load.weight) = (tenants, weight);
        load.writes += 1;
        load.audit = Some(record.head());
        self.append(record);
        true
    }

    /// What writing a cell's record does to its load. False: its conditions do not hold.
    pub(crate) fn put_record(&mut self, record: &CellRecord, audit: &Sealed) -> bool {
        let load = self.loads.get(&record.cell);
        let seen = load.and_then(|load| load.audit.as_ref()).map_or(0, |head| head.seq);
        let empty = load.is_none_or(|load| load.tenants == 0);
        if seen + 1 != audit.record.seq || (record.state == CellState::Deleted && !empty) {
            return false;
        }
        let (tenants, weight, writes) = load.map_or((0, 0, 0), |l| (l.tenants, l.weight, l.writes));
        let next = CellLoad {
            cell: record.cell.clone(),
            state: record.state,
            place: cellctl::ops::cells::view::place_of(record),
            cell_type: record.cell_type.clone(),
            fence_table: record.applied.as_ref().and_then(|a| a.outputs.get(FENCE_OUTPUT).cloned()),
            tenants,
            weight,
            writes,
            audit: Some(audit.head()),
        };
        self.loads.insert(record.cell.clone(), next);
        self.append(audit);
        true
    }

    /// What removing a cell's record does to its load.
    pub(crate) fn delete_record(&mut self, cell: &CellId, audit: &Sealed) {
        if let Some(load) = self.loads.get_mut(cell) {
            load.state = CellState::Deleted;
            load.audit = Some(audit.head());
        }
        self.append(audit);
    }

    /// A part of a chain.
    pub(crate) fn chain(&self, subject: &Subject, from_seq: u64, limit: u32) -> Vec<StoredRecord> {
        let chain = self.chains.get(subject);
        let records = chain.into_iter().flat_map(|chain| chain.range(from_seq..)).map(|(_, record)| record.clone());
        records.take(limit as usize).collect()
    }

    /// The latest records.
    pub(crate) fn recent(&self, since_ms: i64, limit: u32) -> Vec<StoredRecord> {
        let at_ms = |record: &StoredRecord| {
            let value: serde_json::Value = serde_json::from_str(&record.text).unwrap_or_default();
            value["atMs"].as_i64().unwrap_or_default()
        };
        let mut found: Vec<StoredRecord> = self.chains.values().flat_map(BTreeMap::values).cloned().collect();
        found.retain(|record| at_ms(record) >= since_ms);
        found.sort_by_key(|record| std::cmp::Reverse((at_ms(record), record.seq)));
        found.truncate(limit as usize);
        found
    }

    /// Appends a root.
    pub(crate) fn append_root(&mut self, root: &StoredRoot) -> bool {
        if let Some(there) = self.roots.iter().find(|known| known.seq == root.seq) {
            return there == root;
        }
        assert_eq!(root.hash, Digest::of(root.text.as_bytes()), "a root with the hash of its text");
        self.roots.push(root.clone());
        true
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
