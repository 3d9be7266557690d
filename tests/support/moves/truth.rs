//! What is true, whatever the engine thinks: the last write of every key that happened, and what must hold.
//!
//! Owns: the checks. Constraint kept: it is told of writes by those who make them, at the moment they happen, and reads
//! nothing that the engine wrote as truth.

use std::collections::BTreeMap;

use cellctl::domain::data::find::is_expired;
use cellctl::domain::data::{Item, ItemKey};
use cellctl::domain::ids::TenantId;
use cellctl::domain::moves::fence::Shard;
use cellctl::domain::tenant::fence::FenceMode;

use super::scene::{NAME, TTL};
use super::state::{Fenced, State};
use super::tables::Table;

/// What is true.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth {
    /// The tenant's items, by table.
    pub(crate) items: Vec<BTreeMap<ItemKey, Item>>,
    /// Everybody else's, by cell and table.
    pub(crate) others: [Vec<BTreeMap<ItemKey, Item>>; 2],
    /// Messages that were produced, and how often each took effect.
    pub(crate) messages: BTreeMap<String, u32>,
    /// What was broken, in words; the first one tells most.
    pub(crate) broken: Vec<String>,
}

impl State {
    /// Something does not hold.
    pub(crate) fn violate(&mut self, what: impl Into<String>) {
        let what = format!("{} ms: {}", self.now_ms - super::clock::START_MS, what.into());
        self.trace.note(self.now_ms, "truth", &what, 0);
        self.truth.broken.push(what);
    }

    /// An application's write of an item happens in a cell.
    pub(crate) fn commit(&mut self, cell: usize, table: usize, key: &ItemKey, after: Option<Item>) {
        if self.is_writable(1 - cell) {
            self.violate(format!("I1: a write of {key:?} in cell {cell} while the other one is open"));
        }
        let of = &mut self.tables[cell][table];
        of.set(key, after.clone(), self.now_ms, &mut self.rng);
        let is_ours = |item: &Item| of.find.is_of(&tenant(), &of.shape.key, item);
        match after {
            Some(item) if is_ours(&item) => {
                self.truth.items[table].insert(key.clone(), item);
                self.truth.others[cell][table].remove(key);
            }
            Some(item) => {
                self.truth.items[table].remove(key);
                self.truth.others[cell][table].insert(key.clone(), item);
            }
            None => {
                self.truth.items[table].remove(key);
            }
        }
    }

    /// Whether any shard of a cell's fence lets a write through.
    pub(crate) fn is_writable(&self, cell: usize) -> bool {
        self.fences[cell].shards.values().any(|shard| matches!(shard.mode, FenceMode::Open | FenceMode::Guarded))
    }

    /// Looks at what a change of fences has done.
    pub(crate) fn check_fences(&mut self, before: &[Fenced; 2]) {
        if self.is_writable(0) && self.is_writable(1) {
            self.violate("I1: both cells are open");
        }
        let opened: Vec<usize> = (0..2).filter(|cell| is_flip(&before[*cell], &self.fences[*cell])).collect();
        for cell in opened {
            if let Some(what) = self.differs(cell) {
                self.violate(format!("I2: cell {cell} opens, and {what}"));
            }
        }
        for (cell, was) in before.iter().enumerate() {
            for (number, shard) in &was.shards {
                let now = self.fences[cell].shards.get(number).cloned();
                if now.as_ref() != Some(shard) && !now.as_ref().is_some_and(|now| may_follow(shard, now)) {
                    self.violate(format!("cell {cell}, shard {number}: {now:?} follows {shard:?}"));
                }
            }
        }
    }

    /// In what a cell differs from what is true of the tenant.
    pub(crate) fn differs(&self, cell: usize) -> Option<String> {
        let tables = self.tables[cell].iter().zip(&self.truth.items).enumerate();
        tables.into_iter().find_map(|(number, (table, truth))| {
            let there = table.of_tenant(&tenant());
            let gone = |item: &Item| is_expired(item, Some(TTL), self.now_ms);
            let lost = truth.iter().find(|(key, item)| there.get(key) != Some(item) && !gone(item));
            let back = there.iter().find(|(key, item)| truth.get(*key) != Some(**item));
            let lost = lost.map(|(key, item)| format!("{key:?} should be {item:?}, is {:?}", there.get(key)));
            let back = || back.map(|(key, item)| format!("{key:?} is back, as {item:?}"));
            lost.or_else(back).map(|what| format!("table {number} ({:?}): {what}", table.find))
        })
    }

    /// What must hold at the end: `serving` is the cell that must serve the tenant.
    pub(crate) fn check_end(&mut self, serving: usize) {
        if let Some(what) = self.differs(serving) {
            self.violate(format!("I2, I5: cell {serving} serves, and {what}"));
        }
        let left: usize = self.tables[1 - serving].iter().map(|table| table.of_tenant(&tenant()).len()).sum();
        if left > 0 {
            self.violate(format!("cell {} still holds {left} items", 1 - serving));
        }
        for cell in 0..2 {
            let theirs = |table: &Table| -> BTreeMap<ItemKey, Item> {
                let ours = table.of_tenant(&tenant());
                let theirs = table.items.iter().filter(|(key, _)| !ours.contains_key(key));
                theirs.map(|(key, item)| (key.clone(), item.clone())).collect()
            };
            let there: Vec<_> = self.tables[cell].iter().map(theirs).collect();
            if there != self.truth.others[cell] {
                self.violate(format!("neighbours in cell {cell}: {there:?}, not {:?}", self.truth.others[cell]));
            }
        }
        let open = |cell: usize| self.fences[cell].shards.values().all(|shard| shard.mode == FenceMode::Open);
        if !open(serving) || self.fences[serving].shards.is_empty() || self.is_writable(1 - serving) {
            self.violate(format!("I1: fences at the end: {:?}", self.fences.each_ref().map(|fence| &fence.shards)));
        }
        let wrong: Vec<_> = self.truth.messages.iter().filter(|(_, times)| **times != 1).collect();
        if !wrong.is_empty() {
            self.violate(format!("I9: messages by how often they took effect: {wrong:?}"));
        }
    }
}

/// Whether a cell begins to serve that did not before.
fn is_flip(was: &Fenced, now: &Fenced) -> bool {
    let incoming = was.shards.values().any(|shard| shard.mode == FenceMode::Incoming);
    incoming && now.shards.values().any(|shard| shard.mode == FenceMode::Open)
}

/// The transitions of `docs/move-protocol.md`, "The fences' transitions".
fn may_follow(was: &Shard, now: &Shard) -> bool {
    use FenceMode::{Closed, Guarded, Incoming, Open, Out, Sealed};
    let same = now.epoch == was.epoch;
    match (was.mode, now.mode) {
        (Open | Guarded, Guarded | Sealed) | (Sealed, Sealed) | (Incoming, Open | Closed) | (Out, Out) => same,
        // After the source was reopened the target is to open with a higher epoch; and a mover
        // that died while it gave the move up may have closed the fence already: the next one does it again.
        (Incoming | Closed, Incoming) => now.epoch >= was.epoch,
        (Sealed | Guarded | Open, Open) => now.epoch == was.epoch + 2,
        (Sealed, Out) => now.epoch == was.epoch + 1,
        (Out, Incoming) => now.epoch > was.epoch,
        _ => false,
    }
}

fn tenant() -> TenantId {
    NAME.parse().unwrap_or_else(|_| unreachable!("a valid name"))
}
