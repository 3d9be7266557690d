//! The tenant map, the fences and the audit log in memory: what the tables do, without a table.
//!
//! Constraint kept: a write is all or nothing, and its conditions are those of the ports, no more and no less.

use std::collections::{BTreeMap, BTreeSet};

use cellctl::domain::audit::{Head, Sealed, Subject};
use cellctl::domain::ids::{CellId, Digest, TenantId};
use cellctl::domain::moves::fence::{Shard, Shift};
use cellctl::domain::record::{CellRecord, CellState};
use cellctl::domain::tenant::Entry;
use cellctl::domain::tenant::change::{Admission, Change, FenceWrite, LoadChange, LoadGuard, bytes_max};
use cellctl::domain::tenant::fence::{FENCE_OUTPUT, Fence, FenceTable, Shards, shards_in};
use cellctl::domain::tenant::load::{CellLoad, Limits};
use cellctl::ports::tenants::{CHANGES_MAX, EntryPage, FencePage, StoredRecord, StoredRoot, Written};

/// Most bytes of the items of a transaction (DynamoDB API reference, `TransactWriteItems`: 4 MB).
const BYTES_MAX: usize = 4_000_000;

/// Everything that the tables hold.
#[derive(Debug, Default, Clone)]
pub(crate) struct MapState {
    pub(crate) entries: BTreeMap<TenantId, Entry>,
    pub(crate) loads: BTreeMap<CellId, CellLoad>,
    /// The shards of each fence.
    pub(crate) fences: BTreeMap<(FenceTable, TenantId), BTreeMap<u8, Shard>>,
    pub(crate) chains: BTreeMap<Subject, BTreeMap<u64, StoredRecord>>,
    pub(crate) roots: Vec<StoredRoot>,
    pub(crate) heads: BTreeMap<(u64, u32), Vec<(Subject, Head)>>,
}

impl MapState {
    /// A transaction of changes.
    pub(crate) fn write(&mut self, changes: &[Change]) -> Written {
        assert!(changes.len() <= CHANGES_MAX, "{} changes in one transaction", changes.len());
        let bytes: usize = changes.iter().map(bytes_of).sum();
        assert!(bytes <= BYTES_MAX, "{bytes} bytes in one transaction");
        if let Some(refusal) = self.refusal(changes) {
            return refusal;
        }
        for change in changes {
            self.entries.insert(change.after.tenant.clone(), change.after.clone());
            self.append(&change.record);
            if let Some(write) = &change.fence {
                self.put_fence(write);
            }
            for shift in &change.shifts {
                assert!(self.shift(shift), "it was looked at before");
            }
            let Some(difference) = &change.load else { continue };
            if let Some(load) = self.loads.get_mut(&difference.cell) {
                load.tenants += difference.tenants;
                load.weight += difference.weight;
                load.writes += 1;
            }
        }
        Written::Done
    }

    /// Which condition does not hold: entries before cells before marks before fences.
    fn refusal(&self, changes: &[Change]) -> Option<Written> {
        let tenant = |change: &Change| change.after.tenant.clone();
        let changed = changes.iter().find(|change| self.has_changed(change));
        let cells: BTreeSet<&CellId> = changes.iter().filter_map(|change| Some(&change.load.as_ref()?.cell)).collect();
        let full = cells.into_iter().find(|cell| !self.takes(cell, changes));
        let ahead = changes.iter().find(|change| {
            let written = change.fence.as_ref().is_none_or(|write| self.may_write_first(write));
            !written || !change.shifts.iter().all(|shift| self.may_shift(shift))
        });
        let changed = changed.map(|change| Written::EntryChanged(tenant(change)));
        let full = full.map(|cell| Written::CellRefused(cell.clone()));
        let marked = changes.iter().flat_map(|change| &change.at_rest).find(|cell| self.is_marked(cell));
        let marked = marked.map(|cell| Written::CellChanging(cell.clone()));
        changed.or(full).or(marked).or(ahead.map(|change| Written::FenceAhead(tenant(change))))
    }

    fn is_marked(&self, cell: &CellId) -> bool {
        self.loads.get(cell).is_some_and(|load| load.changing.is_some())
    }

    fn has_changed(&self, change: &Change) -> bool {
        let seen = change.before.as_ref().map(|entry| entry.version);
        self.entries.get(&change.after.tenant).map(|entry| entry.version) != seen || self.has_record(&change.record)
    }

    /// Whether a cell takes all that the changes do to it, counted together.
    fn takes(&self, cell: &CellId, changes: &[Change]) -> bool {
        let Some(load) = self.loads.get(cell) else { return false };
        let ours: Vec<&LoadChange> =
            changes.iter().filter_map(|change| change.load.as_ref()).filter(|load| load.cell == *cell).collect();
        let tenants = load.tenants + ours.iter().map(|change| change.tenants).sum::<i64>();
        let weight = load.weight + ours.iter().map(|change| change.weight).sum::<i64>();
        let light = |limits: &Limits| limits.weight.is_none_or(|max| weight <= signed(max));
        ours.iter().all(|change| match &change.guard {
            LoadGuard::Free => true,
            LoadGuard::Admit(admission) => {
                let Admission { limits, place, fence_table } = admission.as_ref();
                let as_seen = load.place == *place && load.fence_table == *fence_table;
                load.state == CellState::Active && as_seen && tenants <= signed(limits.tenants) && light(limits)
            }
            LoadGuard::Grow(limits) => light(limits),
        })
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

    /// A tenant's fence, as its first shard has it.
    pub(crate) fn fence(&self, table: &FenceTable, tenant: &TenantId) -> Option<Fence> {
        let shard = self.fences.get(&(table.clone(), tenant.clone()))?.get(&0)?;
        Some(Fence { tenant: tenant.clone(), epoch: shard.epoch, mode: shard.mode })
    }

    /// Sets a fence, whatever is there.
    pub(crate) fn set_fence(&mut self, table: &FenceTable, fence: &Fence) {
        let shard = Shard::free(fence.epoch, fence.mode);
        self.fences.entry((table.clone(), fence.tenant.clone())).or_default().insert(0, shard);
    }

    /// As part of a transaction: before the first there is nothing.
    fn may_write_first(&self, write: &FenceWrite) -> bool {
        let there = self.fences.get(&(write.table.clone(), write.fence.tenant.clone()));
        let is_there = there.is_some_and(|shards| shards.range(..write.shards).next().is_some());
        self.may_write(write) && !(write.first && is_there)
    }

    fn may_write(&self, write: &FenceWrite) -> bool {
        let there = self.fences.get(&(write.table.clone(), write.fence.tenant.clone()));
        let Fence { epoch, mode, .. } = write.fence;
        let may = |shard: &Shard| {
            (shard.epoch == epoch && shard.mode == mode) || (shard.epoch < epoch && !shard.mode.is_moving())
        };
        there.is_none_or(|shards| shards.range(..write.shards).all(|(_, shard)| may(shard)))
    }

    /// Writes a fence on its own.
    pub(crate) fn put_fence(&mut self, write: &FenceWrite) -> bool {
        let may = self.may_write(write);
        if may {
            let key = (write.table.clone(), write.fence.tenant.clone());
            let shard = Shard::free(write.fence.epoch, write.fence.mode);
            self.fences.entry(key).or_default().extend((0..write.shards).map(|number| (number, shard.clone())));
        }
        may
    }

    fn may_shift(&self, shift: &Shift) -> bool {
        let there = self.fences.get(&(shift.table.clone(), shift.tenant.clone()));
        shift.from.iter().all(|(shard, from)| there.and_then(|shards| shards.get(shard)) == from.as_ref())
    }

    /// Changes shards, all or none.
    pub(crate) fn shift(&mut self, shift: &Shift) -> bool {
        if !self.may_shift(shift) {
            return false;
        }
        let shards = self.fences.entry((shift.table.clone(), shift.tenant.clone())).or_default();
        shards.extend(shift.from.iter().map(|(shard, _)| (*shard, shift.to.clone())));
        true
    }

    /// A page of a bucket.
    pub(crate) fn page(&self, bucket: u8, after: Option<&TenantId>, limit: u32, cell: Option<&CellId>) -> EntryPage {
        let mut found = self.entries.values().filter(|e| e.tenant.bucket() == bucket);
        let mut found = found.by_ref().filter(|e| after.is_none_or(|after| e.tenant > *after));
        let looked: Vec<&Entry> = found.by_ref().take(limit as usize).collect();
        let next = found.next().and_then(|_| looked.last().map(|e| e.tenant.clone()));
        let is_of = |e: &Entry, cell: &CellId| e.cell == *cell || e.moving.as_ref().is_some_and(|m| m.other == *cell);
        let entries = looked.into_iter().filter(|e| cell.is_none_or(|cell| is_of(e, cell))).cloned().collect();
        EntryPage { entries, next, ..EntryPage::default() }
    }

    /// The fences of some tenants.
    pub(crate) fn fences_of(&self, table: &FenceTable, tenants: &[TenantId]) -> BTreeMap<TenantId, Fence> {
        let find = |tenant: &TenantId| Some((tenant.clone(), self.fence(table, tenant)?));
        tenants.iter().filter_map(find).collect()
    }

    /// Some shards of the fences of some tenants.
    pub(crate) fn shards_of(&self, table: &FenceTable, tenants: &[TenantId], of: u8) -> BTreeMap<TenantId, Shards> {
        let find = |tenant: &TenantId| {
            let there = self.fences.get(&(table.clone(), tenant.clone()))?;
            let found: Shards = there.range(..of).map(|(number, shard)| (*number, shard.clone())).collect();
            (!found.is_empty()).then(|| (tenant.clone(), found))
        };
        tenants.iter().filter_map(find).collect()
    }

    /// All fences of a table, in one page.
    pub(crate) fn fence_page(&self, table: &FenceTable) -> FencePage {
        let of_table = self.fences.iter().filter(|((known, _), _)| known == table);
        let shards = of_table.flat_map(|((_, tenant), shards)| {
            let seen = |shard: &Shard| Fence { tenant: tenant.clone(), epoch: shard.epoch, mode: shard.mode };
            shards.iter().map(move |(number, shard)| (*number, seen(shard)))
        });
        FencePage { shards: shards.collect(), next: None }
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
        let state = record.load_state();
        // A load that was lost is made anew.
        let lost = load.is_none() && audit.record.prev.is_some() && !self.has_record(audit);
        if (!lost && seen + 1 != audit.record.seq) || (state == CellState::Deleted && !empty) {
            return false;
        }
        let named = record.applied.as_ref().and_then(|applied| applied.outputs.get(FENCE_OUTPUT).cloned());
        let (tenants, weight, writes) = load.map_or((0, 0, 0), |l| (l.tenants, l.weight, l.writes));
        let next = CellLoad {
            cell: record.cell.clone(),
            state,
            place: cellctl::ops::cells::view::place_of(record),
            cell_type: record.cell_type.clone(),
            fence_table: named
                .or_else(|| load.and_then(|l| l.fence_table.clone()).filter(|_| state != CellState::Deleted)),
            fence_shards: match (&record.applied, load) {
                (Some(applied), _) if applied.outputs.contains_key(FENCE_OUTPUT) => shards_in(&applied.outputs),
                (_, Some(load)) if state != CellState::Deleted => load.fence_shards,
                _ => 1,
            },
            tenants,
            weight,
            writes,
            audit: Some(audit.head()),
            changing: load.and_then(|load| load.changing),
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

/// Bytes of the entry and of the audit record: never more than a batch was reckoned with.
fn bytes_of(change: &Change) -> usize {
    let body = serde_json::to_vec(&change.after).map_or(0, |body| body.len());
    let bytes = body + change.record.text.len();
    let (attributes, pin) = (&change.after.attributes, change.after.pin.as_ref());
    assert!(bytes <= bytes_max(change.before.as_ref(), attributes, pin), "{bytes} bytes: {change:?}");
    bytes
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
