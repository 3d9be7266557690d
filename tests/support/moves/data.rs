//! The application's tables, as a mover reaches them.
//!
//! Constraints kept: a bulk request has no condition and happens item by item; a transaction happens as a whole and once
//! for its token, for ten minutes (API reference, `TransactWriteItems`); what AWS refuses as malformed is a violation.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use async_trait::async_trait;
use cellctl::domain::data::shape::{KeySchema, TableShape};
use cellctl::domain::data::{Item, ItemKey};
use cellctl::domain::moves::fence::Guard;
use cellctl::domain::tenant::fence::FenceMode;
use cellctl::ports::data::{BULK_MAX, ItemPage, Permit, Segment, Share, TableRef, TenantData, WRITES_MAX, Write};
use cellctl::ports::{CallErrorKind, Called};

use super::gate::{SIGNED_MS, Seat, error, read, write};
use super::state::State;

/// For how long a transaction's token is known, in milliseconds.
const TOKEN_MS: i64 = 600_000;

#[async_trait]
impl TenantData for Seat {
    async fn shape(&self, table: &TableRef) -> Called<Option<TableShape>> {
        let table = table.clone();
        self.call(read("dynamodb:DescribeTable"), move |state| {
            Ok(state.table(&table).ok().map(|(cell, number)| state.tables[cell][number].shape.clone()))
        })
        .await
    }

    async fn page(&self, share: &Share, segment: Segment, from: Option<&str>) -> Called<ItemPage> {
        let share = share.clone();
        let from: Option<ItemKey> = from.and_then(|from| serde_json::from_str(from).ok());
        self.call(read("dynamodb:Query"), move |state| {
            let (cell, number) = state.table(&share.table)?;
            let (limit, now_ms) = (state.rng.usize(1..=4), state.now_ms);
            let table = &mut state.tables[cell][number];
            let looked = table.page(&share.tenant, (segment.index, segment.of), from.as_ref(), limit, now_ms);
            let next = looked.last.and_then(|key| serde_json::to_string(&key).ok());
            Ok(ItemPage { items: looked.items, next })
        })
        .await
    }

    async fn get(&self, table: &TableRef, _: &KeySchema, keys: &[ItemKey]) -> Called<BTreeMap<ItemKey, Item>> {
        let (table, keys) = (table.clone(), keys.to_vec());
        self.call(read("dynamodb:BatchGetItem"), move |state| {
            let (cell, number) = state.table(&table)?;
            let items = &state.tables[cell][number].items;
            Ok(keys.iter().filter_map(|key| Some((key.clone(), items.get(key)?.clone()))).collect())
        })
        .await
    }

    async fn put_bulk(&self, table: &TableRef, items: Vec<Item>, permit: &Arc<dyn Permit>) -> Called<Vec<Item>> {
        let signed_ms = self.sim.now_ms();
        // The process may stand still between the signature and the look at the lease.
        self.awake().await;
        if !permit.is_valid() {
            return Err(error(CallErrorKind::Conflict, "dynamodb:BatchWriteItem", "the lease is lost"));
        }
        let (table, all) = (table.clone(), items.clone());
        let sent = self.call(write("dynamodb:BatchWriteItem"), move |state| {
            if state.now_ms - signed_ms >= SIGNED_MS {
                return Err(error(CallErrorKind::Invalid, "dynamodb:BatchWriteItem", "the signature has expired"));
            }
            state.bulk(&table, all)
        });
        match sent.await {
            Err(error) if error.kind == CallErrorKind::Throttled => Ok(items),
            other => other,
        }
    }

    async fn write_guarded(&self, guard: &Guard, writes: &[Write], token: &str) -> Called<bool> {
        let (guard, writes, token) = (guard.clone(), writes.to_vec(), token.to_owned());
        self.call(write("dynamodb:TransactWriteItems"), move |state| state.transact(&guard, &writes, &token)).await
    }
}

impl State {
    fn bulk(&mut self, table: &TableRef, items: Vec<Item>) -> Called<Vec<Item>> {
        let (cell, number) = self.table(table)?;
        let keys: BTreeSet<Option<ItemKey>> =
            items.iter().map(|item| self.tables[cell][number].shape.key.key_of(item)).collect();
        if items.is_empty() || items.len() > BULK_MAX || keys.len() != items.len() || keys.contains(&None) {
            self.violate(format!("a bulk request that AWS refuses: {items:?}"));
        }
        if (cell == 0 && !self.drawn.rollback) || self.is_writable(cell) {
            self.violate(format!("a bulk request in cell {cell}, which serves"));
        }
        self.counts.deed("bulk requests");
        let leaves = self.rng.u8(..6) == 0;
        let mut left = Vec::new();
        for item in items {
            if leaves && self.rng.bool() {
                left.push(item);
            } else if let Some(key) = self.tables[cell][number].shape.key.key_of(&item) {
                self.tables[cell][number].set(&key, Some(item), self.now_ms, &mut self.rng);
            }
        }
        Ok(left)
    }

    fn transact(&mut self, guard: &Guard, writes: &[Write], token: &str) -> Called<bool> {
        const NAME: &str = "dynamodb:TransactWriteItems";
        let digest = digest_of(guard, writes);
        let now_ms = self.now_ms;
        self.answered.retain(|_, (at_ms, _)| *at_ms + TOKEN_MS > now_ms);
        match self.answered.get(token) {
            Some((_, known)) if *known == digest => return Ok(true),
            Some(_) => return Err(error(CallErrorKind::Invalid, NAME, "IdempotentParameterMismatch")),
            None => {}
        }
        self.check_form(guard, writes)?;
        let cell = self.cell_of(&guard.table)?;
        let holds = self.fences[cell].shards.get(&guard.shard).is_some_and(|shard| {
            (shard.epoch, shard.mode, shard.hold.as_ref()) == (guard.epoch, guard.mode, Some(&guard.hold))
        });
        if !holds {
            return Ok(false);
        }
        if !matches!(guard.mode, FenceMode::Incoming | FenceMode::Out) {
            self.violate(format!("a mover writes under a fence that is {:?}", guard.mode));
        }
        self.counts.deed("guarded transactions");
        for write in writes {
            self.carry_out(write)?;
        }
        self.answered.insert(token.to_owned(), (now_ms, digest));
        Ok(true)
    }

    fn carry_out(&mut self, write: &Write) -> Called<()> {
        let (table, key, after) = match write {
            Write::Put { table, item, key } => (table, key, Some(item.clone())),
            Write::Delete { table, key, .. } => (table, key, None),
        };
        let (cell, number) = self.table(table)?;
        let of = &mut self.tables[cell][number];
        let Some(key) = of.shape.key.key_of(key) else { return Ok(()) };
        if let Write::Delete { only_if: Some((attribute, value)), .. } = write {
            let there = of.items.get(&key).and_then(|item| item.get(attribute)?.as_text().map(str::to_owned));
            if there.as_deref() != Some(value) {
                return Ok(());
            }
        }
        of.set(&key, after, self.now_ms, &mut self.rng);
        Ok(())
    }

    /// What AWS refuses before it looks at conditions.
    fn check_form(&mut self, guard: &Guard, writes: &[Write]) -> Called<()> {
        let place = |write: &Write| match write {
            Write::Put { table, key, .. } | Write::Delete { table, key, .. } => (table.clone(), key.clone()),
        };
        let places: BTreeSet<(TableRef, Item)> = writes.iter().map(place).collect();
        let cell = self.cell_of(&guard.table)?;
        let same = places.iter().all(|(table, _)| self.table(table).is_ok_and(|(of, _)| of == cell));
        if writes.is_empty() || writes.len() > WRITES_MAX || places.len() != writes.len() || !same {
            self.violate(format!("a transaction that AWS refuses: {writes:?}"));
        }
        Ok(())
    }
}

fn digest_of(guard: &Guard, writes: &[Write]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (guard.shard, guard.epoch, guard.mode, guard.hold.token).hash(&mut hasher);
    for write in writes {
        match write {
            Write::Put { table, item, key } => (table, Some(item), key).hash(&mut hasher),
            Write::Delete { table, key, only_if } => (table, key, only_if).hash(&mut hasher),
        }
    }
    hasher.finish()
}
