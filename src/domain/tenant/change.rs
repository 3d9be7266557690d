//! The changes of the map: from an entry and a wish to everything that one transaction writes.
//!
//! Owns: what each change does to the entry, the cell's counters, the tenant's fence and the audit chain. Constraints
//! kept: the epoch only grows; a counter changes with the entry that it counts; where the fence is in another account
//! or Region, its write lies between two transactions, so that the fence is never open without an entry that says so.

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::domain::audit::{Deed, Head, Record, Sealed, Stamp, Subject};
use crate::domain::fleet::Place;
use crate::domain::ids::{CellId, Digest, TenantId};
use crate::domain::moves::MoveId;
use crate::domain::moves::fence::Shift;
use crate::domain::record::CellState;
use crate::domain::snapshot::EntryLine;

use super::fence::{Fence, FenceMode, FenceTable};
use super::load::{CellLoad, Limits};
use super::{Attributes, ENTRY_FORMAT, Entry, EntryState, Moving, Pin};

/// Bytes of a change beside attributes and pin: names, hashes, times, the fence, and who did it (an ARN has at most 2,048
/// characters: IAM API reference).
const BYTES_BESIDE: usize = 5_000;

/// Everything that one transaction writes for one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The entry as it was seen: it must still have that version. None: there must be none.
    pub before: Option<Entry>,
    /// The entry as it is to be.
    pub after: Entry,
    /// The audit record.
    pub record: Sealed,
    /// What it does to the cell's counters.
    pub load: Option<LoadChange>,
    /// The fence, where it is written in the same transaction.
    pub fence: Option<FenceWrite>,
    /// Fences that a move changes in the same transaction.
    pub shifts: Vec<Shift>,
    /// Cells that no rollout may be changing.
    pub at_rest: Vec<CellId>,
}

/// What a change does to a cell's counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadChange {
    /// The cell.
    pub cell: CellId,
    /// Difference in tenants.
    pub tenants: i64,
    /// Difference in weight.
    pub weight: i64,
    /// What must hold for it.
    pub guard: LoadGuard,
}

/// What must hold of a cell for a change of its counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadGuard {
    /// Nothing: room is given back.
    Free,
    /// The cell is active, as it was seen, and has room for it afterwards.
    Admit(Box<Admission>),
    /// The cell has room for it by weight afterwards, in whatever state it is.
    Grow(Limits),
}

/// On what terms a cell takes a tenant: what was seen of it, which must still be so when the write counts. A cell that was
/// made anew in another Region, or got another fence table, since then is another cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// What it may hold.
    pub limits: Limits,
    /// Where it is.
    pub place: Place,
    /// Its fence table.
    pub fence_table: Option<String>,
}

/// A write of a fence: only over a lower epoch, or over itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceWrite {
    /// The table.
    pub table: FenceTable,
    /// What it is to be.
    pub fence: Fence,
    /// Number of its shards, which are written together.
    pub shards: u8,
    /// Whether no fence at all may be there: what is asked for the very first one, which costs the service least.
    pub first: bool,
}

/// The cell that a tenant is added to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The cell as it is.
    pub load: CellLoad,
    /// What it may hold.
    pub limits: Limits,
    /// Whether its fences can be written in one transaction with the map.
    pub local: bool,
    /// Whether somebody named it.
    pub by_hand: bool,
}

/// What the audit log still knows of a tenant whose entry the map has lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remnant {
    /// Where its chain ends.
    pub head: Head,
    /// The highest epoch that a record names.
    pub epoch: u64,
    /// The cell that was named last.
    pub cell: Option<CellId>,
    /// Whether it was not removed.
    pub present: bool,
}

impl Change {
    /// The change of an entry that the map has lost: its record goes on from where the chain ends, and its epoch is
    /// `epoch`.
    #[must_use]
    pub fn follow(mut self, remnant: &Remnant, epoch: u64, stamp: &Stamp) -> Self {
        let Record { subject, action, from, mut to, .. } = self.record.record;
        to["epoch"] = json!(epoch);
        self.record = Sealed::next(subject, Some(&remnant.head), stamp, Deed { action, from, to });
        self.after.epoch = epoch;
        self.after.version = self.record.record.seq;
        self.after.head = self.record.hash.clone();
        if let Some(write) = &mut self.fence {
            write.fence.epoch = epoch;
            write.first = false;
        }
        self
    }
}

impl FenceWrite {
    /// The same for a fence of so many shards.
    #[must_use]
    pub fn over(self, shards: u8) -> Self {
        Self { shards, ..self }
    }
}

impl Change {
    /// Number of items that one transaction writes for it, beside those of the cells whose counters change.
    pub fn items(&self) -> usize {
        let fence = self.fence.as_ref().map_or(0, |write| usize::from(write.shards));
        let looked_at = self.at_rest.iter().filter(|cell| self.load.as_ref().is_none_or(|load| load.cell != **cell));
        2 + fence + looked_at.count() + self.shifts.iter().map(|shift| shift.from.len()).sum::<usize>()
    }
}

impl LoadChange {
    /// Whether a cell takes it, as it is now and alone.
    pub fn fits(&self, load: &CellLoad) -> bool {
        let (tenants, weight) = (load.tenants + self.tenants, load.weight + self.weight);
        let light = |limits: &Limits| limits.weight.is_none_or(|max| weight <= signed(max));
        match &self.guard {
            LoadGuard::Free => true,
            LoadGuard::Grow(limits) => light(limits),
            LoadGuard::Admit(admission) => {
                let Admission { limits, place, fence_table } = admission.as_ref();
                let as_seen = load.place == *place && load.fence_table == *fence_table;
                load.state == CellState::Active && as_seen && tenants <= signed(limits.tenants) && light(limits)
            }
        }
    }
}

impl Target {
    fn admission(&self) -> LoadGuard {
        let (place, fence_table) = (self.load.place.clone(), self.load.fence_table.clone());
        LoadGuard::Admit(Box::new(Admission { limits: self.limits, place, fence_table }))
    }
}

/// Adds a tenant. `before` is its tombstone, if it was there once; `epoch_floor` is the highest epoch that is known from
/// a fence that was left behind, or 0.
pub fn add(
    tenant: &TenantId,
    attributes: Attributes,
    target: &Target,
    before: Option<&Entry>,
    epoch_floor: u64,
    stamp: &Stamp,
) -> Change {
    let epoch = before.map_or(0, |entry| entry.epoch).max(epoch_floor).saturating_add(1);
    let fences = target.load.fences();
    let state = if fences.is_some() && !target.local { EntryState::Opening } else { EntryState::Active };
    let cell = target.load.cell.clone();
    let to = json!({
        "cell": cell, "epoch": epoch, "state": state, "attributes": attributes, "byHand": target.by_hand,
    });
    let deed = Deed { action: "added".to_owned(), from: before.map_or(Json::Null, summary), to };
    let load =
        LoadChange { cell: cell.clone(), tenants: 1, weight: signed(attributes.weight), guard: target.admission() };
    let after = Entry {
        format: ENTRY_FORMAT,
        tenant: tenant.clone(),
        cell,
        epoch,
        state,
        attributes,
        pin: None,
        moving: None,
        added_at_ms: stamp.at_ms,
        changed_at_ms: stamp.at_ms,
        version: 0,
        head: Digest::of(b""),
    };
    let first = epoch == 1;
    let fence = fences
        .filter(|_| target.local)
        .map(|table| FenceWrite { first, ..open(table, &after).over(target.load.fence_shards) });
    finish(before, after, stamp, deed, Some(load), fence)
}

/// Restores a tenant as a snapshot has it, with the epoch that it had there: the caller has seen that it is above that of
/// the tombstone `before`. One whose removal had begun comes back in that state, and its fence is left alone.
pub fn restore(line: &EntryLine, target: &Target, before: Option<&Entry>, stamp: &Stamp) -> Change {
    let fences = target.load.fences();
    let state = match line.state {
        EntryState::Closing => EntryState::Closing,
        _ if fences.is_some() && !target.local => EntryState::Opening,
        _ => EntryState::Active,
    };
    let attributes = line.attributes();
    let cell = target.load.cell.clone();
    let to = json!({ "cell": cell, "epoch": line.epoch, "state": state, "attributes": attributes, "pin": line.pin });
    let deed = Deed { action: "restored".to_owned(), from: before.map_or(Json::Null, summary), to };
    let guard = target.admission();
    let load = LoadChange { cell: cell.clone(), tenants: 1, weight: signed(attributes.weight), guard };
    let after = Entry {
        format: ENTRY_FORMAT,
        tenant: line.tenant.clone(),
        cell,
        epoch: line.epoch,
        state,
        attributes,
        pin: line.pin.clone(),
        moving: None,
        added_at_ms: line.added_at_ms,
        changed_at_ms: stamp.at_ms,
        version: 0,
        head: Digest::of(b""),
    };
    let fence = fences.filter(|_| target.local && state == EntryState::Active);
    let fence = fence.map(|table| open(table, &after).over(target.load.fence_shards));
    finish(before, after, stamp, deed, Some(load), fence)
}

/// The write that opens an entry's fence.
pub fn open(table: FenceTable, entry: &Entry) -> FenceWrite {
    let fence = Fence { tenant: entry.tenant.clone(), epoch: entry.epoch, mode: FenceMode::Open };
    FenceWrite { table, fence, shards: 1, first: false }
}

/// The write that closes an entry's fence. `entry` is as it is after its removal began: its epoch has grown.
pub fn close(table: FenceTable, entry: &Entry) -> FenceWrite {
    let fence = Fence { tenant: entry.tenant.clone(), epoch: entry.epoch, mode: FenceMode::Closed };
    FenceWrite { table, fence, shards: 1, first: false }
}

/// Notes that the fence of a tenant in another account or Region is open.
pub fn opened(before: &Entry, stamp: &Stamp) -> Change {
    let mut after = before.clone();
    after.state = EntryState::Active;
    let deed = Deed { action: "opened".to_owned(), from: summary(before), to: summary(&after) };
    finish(Some(before), after, stamp, deed, None, None)
}

/// Gives a tenant other attributes. `limits` are those of its cell.
pub fn set(before: &Entry, attributes: Attributes, limits: Limits, stamp: &Stamp) -> Change {
    let difference = signed(attributes.weight) - signed(before.attributes.weight);
    let guard = if difference > 0 { LoadGuard::Grow(limits) } else { LoadGuard::Free };
    let load = LoadChange { cell: before.cell.clone(), tenants: 0, weight: difference, guard };
    let deed = Deed { action: "set".to_owned(), from: json!(before.attributes), to: json!(attributes) };
    let after = Entry { attributes, ..before.clone() };
    finish(Some(before), after, stamp, deed, (difference != 0).then_some(load), None)
}

/// Pins a tenant to its cell.
pub fn pin(before: &Entry, reason: Option<String>, stamp: &Stamp) -> Change {
    let pin = Pin { reason, at_ms: stamp.at_ms };
    let deed = Deed { action: "pinned".to_owned(), from: json!(before.pin), to: json!(pin) };
    let after = Entry { pin: Some(pin), ..before.clone() };
    finish(Some(before), after, stamp, deed, None, None)
}

/// Takes the pin off.
pub fn unpin(before: &Entry, stamp: &Stamp) -> Change {
    let deed = Deed { action: "unpinned".to_owned(), from: json!(before.pin), to: Json::Null };
    let after = Entry { pin: None, ..before.clone() };
    finish(Some(before), after, stamp, deed, None, None)
}

/// Removes a tenant whose cell has no fences, or whose fence can be written in the same transaction. `epoch_floor` is the
/// epoch of its fence, or 0.
pub fn remove(before: &Entry, fences: Option<FenceTable>, epoch_floor: u64, stamp: &Stamp) -> Change {
    let mut after = before.clone();
    after.epoch = epoch_above(before, epoch_floor);
    after.state = EntryState::Removed;
    after.pin = None;
    let deed = Deed { action: "removed".to_owned(), from: summary(before), to: summary(&after) };
    let fence = fences.map(|table| close(table, &after));
    finish(Some(before), after, stamp, deed, Some(given_back(before)), fence)
}

/// Begins to remove a tenant whose fence is in another account or Region: the fence is closed next. Begins again where the
/// fence turns out to be ahead. `epoch_floor` is the epoch of the fence, or 0.
pub fn begin_removal(before: &Entry, epoch_floor: u64, stamp: &Stamp) -> Change {
    let mut after = before.clone();
    after.epoch = epoch_above(before, epoch_floor);
    after.state = EntryState::Closing;
    let deed = Deed { action: "removal-begun".to_owned(), from: summary(before), to: summary(&after) };
    finish(Some(before), after, stamp, deed, None, None)
}

/// The epoch after that of an entry and that of its fence. At the end of all numbers it stays, and the fence refuses it.
fn epoch_above(entry: &Entry, epoch_floor: u64) -> u64 {
    entry.epoch.max(epoch_floor).saturating_add(1)
}

/// Ends a removal whose fence is closed.
pub fn end_removal(before: &Entry, stamp: &Stamp) -> Change {
    let mut after = before.clone();
    after.state = EntryState::Removed;
    after.pin = None;
    let deed = Deed { action: "removed".to_owned(), from: summary(before), to: summary(&after) };
    finish(Some(before), after, stamp, deed, Some(given_back(before)), None)
}

fn given_back(entry: &Entry) -> LoadChange {
    let weight = -signed(entry.attributes.weight);
    LoadChange { cell: entry.cell.clone(), tenants: -1, weight, guard: LoadGuard::Free }
}

/// Begins a move: room in the target, and its fence, where one transaction reaches it. Not while a rollout is changing one
/// of the two cells.
pub fn begin_move(before: &Entry, id: &MoveId, target: &Target, shifts: Vec<Shift>, stamp: &Stamp) -> Change {
    let mut after = before.clone();
    after.state = EntryState::Moving;
    after.moving = Some(Moving { id: id.clone(), other: target.load.cell.clone() });
    let weight = signed(before.attributes.weight);
    let load = LoadChange { cell: target.load.cell.clone(), tenants: 1, weight, guard: target.admission() };
    let at_rest = vec![target.load.cell.clone(), before.cell.clone()];
    let deed = Deed { action: "move-begun".to_owned(), from: summary(before), to: summary(&after) };
    Change { shifts, at_rest, ..finish(Some(before), after, stamp, deed, Some(load), None) }
}

/// Cuts a move over: the tenant is served by the other cell, at `epoch`.
pub fn cut_over(before: &Entry, target: &CellId, epoch: u64, shifts: Vec<Shift>, stamp: &Stamp) -> Change {
    let mut after = before.clone();
    after.epoch = epoch;
    let source = std::mem::replace(&mut after.cell, target.clone());
    if let Some(moving) = &mut after.moving {
        moving.other = source;
    }
    let deed = Deed { action: "moved".to_owned(), from: summary(before), to: summary(&after) };
    Change { shifts, ..finish(Some(before), after, stamp, deed, None, None) }
}

/// Ends a move, or gives it up: the room in the other cell is given back. `epoch` is that of the fence of the cell that
/// serves the tenant; `action` is what the audit log says.
pub fn end_move(before: &Entry, epoch: u64, action: &str, stamp: &Stamp) -> Change {
    let mut after = before.clone();
    after.state = EntryState::Active;
    after.epoch = epoch.max(before.epoch);
    let other = after.moving.take().map(|moving| moving.other);
    let load = other.map(|cell| LoadChange { cell, ..given_back(before) });
    let deed = Deed { action: action.to_owned(), from: summary(before), to: summary(&after) };
    finish(Some(before), after, stamp, deed, load, None)
}

/// Most bytes that the items of a change have, apart from its cell's: the attributes stand in the entry and, as they were
/// and as they are to be, in the audit record.
pub fn bytes_max(before: Option<&Entry>, attributes: &Attributes, pin: Option<&Pin>) -> usize {
    let before = before.map_or(0, |entry| json_bytes(&entry.attributes) + json_bytes(&entry.pin));
    BYTES_BESIDE + before + 2 * (json_bytes(attributes) + json_bytes(&pin))
}

fn json_bytes<T: Serialize>(value: &T) -> usize {
    serde_json::to_vec(value).map_or(0, |bytes| bytes.len())
}

/// Puts the version, the record and its hash where they belong.
fn finish(
    before: Option<&Entry>,
    mut after: Entry,
    stamp: &Stamp,
    deed: Deed,
    load: Option<LoadChange>,
    fence: Option<FenceWrite>,
) -> Change {
    let head = before.map(Entry::audit_head);
    let record = Sealed::next(Subject::Tenant(after.tenant.clone()), head.as_ref(), stamp, deed);
    after.changed_at_ms = stamp.at_ms;
    after.version = record.record.seq;
    after.head = record.hash.clone();
    Change { before: before.cloned(), after, record, load, fence, shifts: Vec::new(), at_rest: Vec::new() }
}

/// What the audit log says of an entry.
fn summary(entry: &Entry) -> Json {
    let mut said = json!({ "cell": entry.cell, "epoch": entry.epoch, "state": entry.state });
    if let Some(moving) = &entry.moving {
        said["move"] = json!(moving.id);
        said["other"] = json!(moving.other);
    }
    said
}

/// Weights are bounded far below the largest signed number.
fn signed(weight: u64) -> i64 {
    i64::try_from(weight).unwrap_or(i64::MAX)
}
