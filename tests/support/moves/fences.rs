//! Fences and notes in memory.
//!
//! Constraint kept: a shift happens for all its shards or for none, and a shard must be what was named, in every part.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cellctl::domain::ids::TenantId;
use cellctl::domain::moves::fence::{Shard, Shift};
use cellctl::domain::tenant::fence::FenceTable;
use cellctl::ports::Called;
use cellctl::ports::moves::{MoveFences, Note, NotePage};

use super::gate::{Seat, read, write};
use super::state::State;

impl State {
    /// Whether every shard is as a shift says.
    pub(crate) fn fits(&mut self, shift: &Shift) -> Called<bool> {
        let cell = self.cell_of(&shift.table)?;
        if shift.from.is_empty() {
            self.violate("a shift of no shard");
        }
        let shards = &self.fences[cell].shards;
        Ok(shift.from.iter().all(|(number, shard)| shards.get(number) == shard.as_ref()))
    }

    /// Carries out shifts that fit, together.
    pub(crate) fn shift(&mut self, shifts: &[Shift]) -> Called<()> {
        let before = self.fences.clone();
        for shift in shifts {
            let cell = self.cell_of(&shift.table)?;
            for (number, _) in &shift.from {
                self.fences[cell].shards.insert(*number, shift.to.clone());
            }
            let what = format!("{:?}@{}", shift.to.mode, shift.to.epoch);
            self.trace.note(self.now_ms, "fence", &what, cell as u64);
        }
        self.check_fences(&before);
        Ok(())
    }
}

#[async_trait]
impl MoveFences for Seat {
    async fn shards(&self, table: &FenceTable, _: &TenantId) -> Called<BTreeMap<u8, Shard>> {
        let table = table.clone();
        self.call(read("dynamodb:Query"), move |state| {
            let cell = state.cell_of(&table)?;
            Ok(state.fences[cell].shards.clone())
        })
        .await
    }

    async fn shift(&self, shift: &Shift) -> Called<bool> {
        let shift = shift.clone();
        self.call(write("dynamodb:UpdateItem"), move |state| {
            let fits = state.fits(&shift)?;
            if fits {
                state.shift(std::slice::from_ref(&shift))?;
            }
            Ok(fits)
        })
        .await
    }

    async fn notes(&self, table: &FenceTable, _: &TenantId, after: u64) -> Called<NotePage> {
        let table = table.clone();
        self.call(read("dynamodb:Query"), move |state| {
            let cell = state.cell_of(&table)?;
            let limit = state.rng.usize(1..=3);
            let behind = state.fences[cell].notes.range(after.saturating_add(1)..);
            let mut found: Vec<Note> =
                behind.take(limit + 1).map(|(number, keys)| Note { number: *number, keys: keys.clone() }).collect();
            let more = found.len() > limit;
            found.truncate(limit);
            Ok(NotePage { notes: found, more })
        })
        .await
    }

    async fn forget(&self, table: &FenceTable, _: &TenantId, numbers: &[u64]) -> Called<()> {
        let (table, numbers) = (table.clone(), numbers.to_vec());
        self.call(write("dynamodb:BatchWriteItem"), move |state| {
            let cell = state.cell_of(&table)?;
            for number in &numbers {
                state.fences[cell].notes.remove(number);
            }
            Ok(())
        })
        .await
    }
}
