//! Comparing both sides: digests by bucket, then the keys of the buckets that differ.
//!
//! Constraint kept: memory does not grow with the tenant; items past their time to live count on neither side, both judged
//! at the same moment.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream, try_join};

use crate::domain::data::digest::{BUCKETS, Digests, TableDigest, bucket_of};
use crate::domain::data::find::is_expired;
use crate::domain::data::{Item, ItemKey, canon};
use crate::domain::moves::TablePlan;

use super::context::{Context, Side};
use super::dirty::TableKey;
use super::halt::Halt;
use super::meter::Meter;
use super::scan::{CLOCK_OFF_MS, SEGMENTS_AT_ONCE, let_indexes_catch_up, scan, segments};

/// Keys that are looked for at a time, and that one comparison gives: some 20 MB.
const KEYS_MAX: u64 = 100_000;

/// What a comparison has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compared {
    /// The digests of the source.
    pub(super) tables: Vec<TableDigest>,
    /// Keys that differ.
    pub(super) differing: Vec<TableKey>,
    /// Whether there may be more of them, which did not fit.
    pub(super) more: bool,
    /// Whether both sides hold the same.
    pub(super) equal: bool,
}

/// Buckets of a table in which both sides differ, as many as fit into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    table: usize,
    wanted: Vec<bool>,
}

/// Reads both sides, and gives where they differ, in parts. Items whose time to live ends before `now_ms` do not count.
pub(super) async fn parts(context: &Context<'_>, meter: &Meter, now_ms: i64) -> Result<Vec<Part>, Halt> {
    let_indexes_catch_up(context).await;
    let mut parts = Vec::new();
    for (index, plan) in context.plan.tables.iter().enumerate() {
        let table = Table { context, plan, now_ms };
        let (source, target) = try_join!(table.digests(Side::Source, Some(meter)), table.digests(Side::Target, None))?;
        let mut left = source.differing(&target);
        while !left.is_empty() {
            let (wanted, _) = those_that_fit(&left, &source, &target, KEYS_MAX);
            left.retain(|bucket| !wanted[*bucket]);
            parts.push(Part { table: index, wanted });
        }
    }
    Ok(parts)
}

/// The keys that differ in a part.
pub(super) async fn keys_of(context: &Context<'_>, part: &Part, now_ms: i64) -> Result<Vec<TableKey>, Halt> {
    let Some(plan) = context.plan.tables.get(part.table) else { return Ok(Vec::new()) };
    let keys = Table { context, plan, now_ms }.differing(&part.wanted).await?;
    Ok(keys.into_iter().map(|key| (part.table, key)).collect())
}

/// Reads both sides.
pub(super) async fn compare(context: &Context<'_>, meter: &Meter) -> Result<Compared, Halt> {
    let now_ms = context.world.clock.now_ms() - CLOCK_OFF_MS;
    let_indexes_catch_up(context).await;
    let mut compared = Compared { tables: Vec::new(), differing: Vec::new(), more: false, equal: true };
    for (index, plan) in context.plan.tables.iter().enumerate() {
        let table = Table { context, plan, now_ms };
        let (source, target) = try_join!(table.digests(Side::Source, Some(meter)), table.digests(Side::Target, None))?;
        compared.tables.push(digest_of(plan, &source));
        let differing = source.differing(&target);
        compared.equal &= differing.is_empty();
        let room = KEYS_MAX.saturating_sub(compared.differing.len() as u64);
        let (wanted, more) = those_that_fit(&differing, &source, &target, room);
        compared.more |= more;
        if wanted.contains(&true) {
            let keys = table.differing(&wanted).await?;
            compared.differing.extend(keys.into_iter().map(|key| (index, key)));
        }
    }
    Ok(compared)
}

fn digest_of(plan: &TablePlan, digests: &Digests) -> TableDigest {
    let total = digests.total();
    TableDigest { table: plan.table.clone(), items: total.count, bytes: digests.bytes, digest: total.hex() }
}

/// Which buckets are looked into, and whether some are left. At least one is, so that it goes on.
fn those_that_fit(differing: &[usize], source: &Digests, target: &Digests, room: u64) -> (Vec<bool>, bool) {
    let mut wanted = vec![false; BUCKETS];
    let mut keys = 0;
    for (place, bucket) in differing.iter().enumerate() {
        keys += source.count(*bucket) + target.count(*bucket);
        if keys > room && (place > 0 || room < KEYS_MAX) {
            return (wanted, true);
        }
        wanted[*bucket] = true;
    }
    (wanted, false)
}

/// The hashes of keys that one side has and the other has not given yet, and the keys that differ.
type Found = (HashMap<ItemKey, [u8; 32]>, Vec<ItemKey>);

/// A table on both sides.
#[derive(Clone, Copy)]
struct Table<'a> {
    context: &'a Context<'a>,
    plan: &'a TablePlan,
    now_ms: i64,
}

impl Table<'_> {
    /// The key of an item that counts.
    fn key_of(&self, item: &Item) -> Option<ItemKey> {
        let expiry = self.plan.shape.time_to_live.as_deref();
        if is_expired(item, expiry, self.now_ms) { None } else { self.plan.shape.key.key_of(item) }
    }

    async fn digests(&self, side: Side, meter: Option<&Meter>) -> Result<Digests, Halt> {
        let all = Mutex::new(Digests::default());
        self.each(side, &|item| {
            let Some(key) = self.key_of(&item) else { return };
            all.lock().unwrap_or_else(PoisonError::into_inner).add(&key, &item);
            if let Some(meter) = meter {
                meter.add(1, item.bytes() as u64);
            }
        })
        .await?;
        Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys that differ in the buckets that are wanted: a hash for each on one side, crossed out by the other.
    async fn differing(&self, wanted: &[bool]) -> Result<Vec<ItemKey>, Halt> {
        let found: Mutex<Found> = Mutex::default();
        let wanted_key = |item: &Item| self.key_of(item).filter(|key| wanted[bucket_of(key)]);
        self.each(Side::Source, &|item| {
            let Some(key) = wanted_key(&item) else { return };
            found.lock().unwrap_or_else(PoisonError::into_inner).0.insert(key, canon::hash(&item));
        })
        .await?;
        self.each(Side::Target, &|item| {
            let Some(key) = wanted_key(&item) else { return };
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            if found.0.remove(&key) != Some(canon::hash(&item)) {
                found.1.push(key);
            }
        })
        .await?;
        let (missing, mut differing) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        differing.extend(missing.into_keys());
        // A table's order says nothing, and a hash map's changes from run to run.
        differing.sort_unstable();
        Ok(differing)
    }

    /// Gives every item of one side to `each`, some segments at a time.
    async fn each(&self, side: Side, each: &(dyn Fn(Item) + Send + Sync)) -> Result<(), Halt> {
        let scans: Vec<_> =
            segments(self.plan).map(|segment| scan(self.context, (side, self.plan, segment), each)).collect();
        stream::iter(scans).buffer_unordered(SEGMENTS_AT_ONCE).try_collect().await
    }
}

#[cfg(test)]
mod tests;
