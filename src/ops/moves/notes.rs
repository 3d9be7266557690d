//! The notes that writers leave while the source is guarded.
//!
//! Constraint kept: a note is deleted only when its keys were carried over after it was read.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::moves::fence::NOTES_FROM;
use crate::ops::event::Event;
use crate::ports::moves::Note;

use super::context::{Context, Side};
use super::dirty::{Dirty, TableKey};
use super::halt::Halt;
use super::pace::patiently;

/// Notes that are deleted in one call.
const FORGET: usize = 100;

/// The notes that were read and are not deleted yet.
#[derive(Default)]
pub(super) struct Notes {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Their keys, by number.
    known: BTreeMap<u64, Vec<TableKey>>,
    /// Whether it was said that a note names what the plan does not know.
    told: bool,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads all notes, consistently, and marks the keys of those that are new; gives how many those are.
    pub(super) async fn read(&self, context: &Context<'_>, dirty: &Dirty) -> Result<usize, Halt> {
        let table = context.fence_table(Side::Source);
        let (mut after, mut new) = (NOTES_FROM - 1, 0);
        loop {
            let page = patiently(context, || context.world.fences.notes(&table, context.tenant(), after)).await?;
            for note in &page.notes {
                new += usize::from(self.take(context, dirty, note)?);
            }
            match page.notes.last().filter(|_| page.more) {
                Some(last) => after = last.number,
                None => return Ok(new),
            }
        }
    }

    /// Marks the keys of a note; false where it is known.
    fn take(&self, context: &Context<'_>, dirty: &Dirty, note: &Note) -> Result<bool, Halt> {
        if self.lock().known.contains_key(&note.number) {
            return Ok(false);
        }
        let keys: Vec<TableKey> = note.keys.iter().filter_map(|(table, key)| key_of(context, table, key)).collect();
        for (table, key) in &keys {
            if !dirty.mark(*table, key.clone()) {
                // It is not known then, and read again.
                let table = context.plan.tables[*table].table.clone();
                return Err(Halt::Gap {
                    table,
                    what: "the keys of a note did not fit among the dirty ones".to_owned(),
                });
            }
        }
        if keys.len() < note.keys.len() {
            self.tell_strange(context);
        }
        self.lock().known.insert(note.number, keys);
        Ok(true)
    }

    /// Deletes the notes of which no key is dirty any more.
    pub(super) async fn forget_done(&self, context: &Context<'_>, dirty: &Dirty) -> Result<(), Halt> {
        let done: Vec<u64> = {
            let inner = self.lock();
            let clean = |keys: &Vec<TableKey>| !keys.iter().any(|key| dirty.contains(key));
            inner.known.iter().filter(|(_, keys)| clean(keys)).map(|(number, _)| *number).collect()
        };
        let table = context.fence_table(Side::Source);
        for numbers in done.chunks(FORGET) {
            patiently(context, || context.world.fences.forget(&table, context.tenant(), numbers)).await?;
            let mut inner = self.lock();
            for number in numbers {
                inner.known.remove(number);
            }
        }
        Ok(())
    }

    /// Says once that a note names a table that is not moved, or a key that does not fit its table.
    fn tell_strange(&self, context: &Context<'_>) {
        if std::mem::replace(&mut self.lock().told, true) {
            return;
        }
        let (tenant, cell) = (context.tenant(), &context.plan.source.cell);
        let message = format!(
            "a writer's note of tenant {tenant} in cell {cell} names a table or a key that this move does not know; \
             what it wrote there stays"
        );
        context.world.reporter.report(&Event::Noted { message });
    }
}

/// A key that a writer has named, by the table's name in the definitions or in the source.
fn key_of(context: &Context<'_>, table: &str, key: &crate::domain::data::Item) -> Option<TableKey> {
    let mut tables = context.plan.tables.iter();
    let index = tables.position(|plan| plan.source == table || plan.table == table)?;
    Some((index, context.plan.tables[index].shape.key.key_of(key)?))
}
