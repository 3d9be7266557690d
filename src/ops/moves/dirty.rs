//! The keys that have changed since they were copied.
//!
//! Constraint kept: a key is dirty until its item was carried over after it was marked for the last time. One that does not
//! fit is told, not forgotten silently.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;

use crate::domain::data::ItemKey;

use super::context::Context;
use super::halt::Halt;
use super::ledger;

/// A key of a table, which is given by its place in the plan.
pub(super) type TableKey = (usize, ItemKey);

/// Keys at most: some 40 MB of them. More, and a comparison of everything is cheaper than reading each by itself.
pub(super) const DIRTY_MAX: usize = 200_000;

/// The dirty keys.
#[derive(Default)]
pub(super) struct Dirty {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Those to be taken, in the order in which they were marked, each with whether the ledger has it, or is to have it, as
    /// long as it waits.
    waiting: IndexMap<TableKey, bool>,
    /// Those that were taken, until it is known how that ended.
    held: HashSet<TableKey>,
    /// A table of which a key did not fit.
    overflown: Option<usize>,
    /// Whether a comparison is owed and has not begun: it finds what does not fit.
    awaits_comparison: bool,
    /// Numbers of the ledger's chunks, all of whose keys were marked before.
    chunks: BTreeSet<u64>,
    next_chunk: u64,
    volatile: bool,
    caught_ms: Option<i64>,
}

impl Dirty {
    /// The dirty keys as the ledger has them.
    pub(super) async fn load(context: &Context<'_>) -> Result<Self, Halt> {
        let dirty = Self::default();
        let chunks = ledger::read(context, ledger::DIRTY).await?;
        for (name, body) in &chunks {
            let (number, keys) = ledger::chunk_of(context, name, body)?;
            let mut inner = dirty.lock();
            inner.next_chunk = inner.next_chunk.max(number + 1);
            inner.chunks.insert(number);
            // These were within the bound once, or were told to be beyond it.
            inner.waiting.extend(keys.into_iter().map(|key| (key, true)));
        }
        Ok(dirty)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a key. False: it does not fit, and `take_overflow` will tell, unless a comparison is to come anyway.
    pub(super) fn mark(&self, table: usize, key: ItemKey) -> bool {
        self.lock().mark((table, key)).is_some()
    }

    /// The same for a key that a stream has told of. True: it has to go to the ledger. That has it already where it has been
    /// there since before it was taken last, so that a key that changes all the time does not fill it.
    pub(super) fn capture(&self, table: usize, key: ItemKey) -> bool {
        self.lock().mark((table, key)).is_some_and(|kept| !std::mem::replace(kept, true))
    }

    /// Number of keys that are dirty, those that are being carried over included.
    pub(super) fn len(&self) -> usize {
        let inner = self.lock();
        inner.waiting.len() + inner.held.len()
    }

    /// Whether a key is dirty, or being carried over.
    pub(super) fn contains(&self, key: &TableKey) -> bool {
        let inner = self.lock();
        inner.waiting.contains_key(key) || inner.held.contains(key)
    }

    /// Takes up to `max` keys, those first that were marked first, and none that is being carried over: two writes of one key
    /// at a time could arrive in the wrong order. Each has to be given to `done` or `put_back`.
    pub(super) fn take(&self, max: usize) -> Vec<TableKey> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let mut taken = Vec::new();
        let (mut busy, mut looked) = (Vec::new(), inner.waiting.len());
        while taken.len() < max && looked > 0 {
            let next = looked.min(max - taken.len());
            looked -= next;
            for (key, kept) in inner.waiting.drain(..next) {
                if inner.held.contains(&key) { busy.push((key, kept)) } else { taken.push(key) }
            }
        }
        inner.waiting.extend(busy);
        inner.held.extend(taken.iter().cloned());
        taken
    }

    /// These were carried over. One that was marked meanwhile is dirty still.
    pub(super) fn done(&self, keys: &[TableKey]) {
        let mut inner = self.lock();
        for key in keys {
            inner.held.remove(key);
        }
    }

    /// These were not carried over, or nobody knows: they are dirty, also beyond the bound.
    pub(super) fn put_back(&self, keys: Vec<TableKey>) {
        let mut inner = self.lock();
        for key in keys {
            inner.held.remove(&key);
            inner.waiting.entry(key).or_insert(false);
        }
    }

    /// A table of which keys did not fit since this was asked last: a comparison of everything is owed.
    pub(super) fn take_overflow(&self) -> Option<usize> {
        self.lock().overflown.take()
    }

    /// Whether a comparison of everything is owed and has not begun: then keys that do not fit are no news. One that was told
    /// for each of them would stop the copy again and again.
    pub(super) fn await_comparison(&self, awaits: bool) {
        self.lock().awaits_comparison = awaits;
    }

    /// Whether keys and positions go to the ledger, which they do not while the source is sealed. On at first.
    pub(super) fn set_durable(&self, durable: bool) {
        self.lock().volatile = !durable;
    }

    /// Whether keys and positions go to the ledger now.
    pub(super) fn is_durable(&self) -> bool {
        !self.lock().volatile
    }

    /// Up to which moment the streams are read, in milliseconds since 1970; none before they are.
    pub(super) fn caught_ms(&self) -> Option<i64> {
        self.lock().caught_ms
    }

    /// Tells up to which moment the streams are read.
    pub(super) fn set_caught(&self, caught_ms: Option<i64>) {
        self.lock().caught_ms = caught_ms;
    }

    /// A number for a chunk of the ledger, never given twice.
    pub(super) fn next_chunk(&self) -> u64 {
        let mut inner = self.lock();
        inner.next_chunk += 1;
        inner.next_chunk - 1
    }

    /// These chunks are in the ledger.
    pub(super) fn chunks_stored(&self, numbers: &[u64]) {
        self.lock().chunks.extend(numbers);
    }

    /// The chunks in the ledger. All their keys were marked before: when everything that is dirty now was carried over, they
    /// can go.
    pub(super) fn chunks(&self) -> Vec<u64> {
        self.lock().chunks.iter().copied().collect()
    }

    /// These chunks are gone from the ledger.
    pub(super) fn chunks_gone(&self, numbers: &[u64]) {
        let mut inner = self.lock();
        for number in numbers {
            inner.chunks.remove(number);
        }
    }
}

impl Inner {
    /// Marks a key; gives whether the ledger has it. None: it does not fit.
    fn mark(&mut self, key: TableKey) -> Option<&mut bool> {
        if self.waiting.len() >= DIRTY_MAX && !self.waiting.contains_key(&key) {
            if !self.awaits_comparison {
                self.overflown = Some(key.0);
            }
            return None;
        }
        Some(self.waiting.entry(key).or_insert(false))
    }
}

#[cfg(test)]
mod tests;
