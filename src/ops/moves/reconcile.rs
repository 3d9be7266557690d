//! Carrying dirty keys over: each is read from the source, and put or deleted on the target under the target's fence.
//!
//! Constraint kept: never two writes of one key at a time; a write in doubt is repeated as the same until it is answered,
//! or the fence is to get a new token; a key that was not carried over is dirty still.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::domain::data::find::is_expired;
use crate::domain::data::{Item, ItemKey};
use crate::domain::moves::TablePlan;
use crate::domain::moves::estimate::drain_ms;
use crate::domain::moves::fence::Guard;
use crate::ports::data::{WRITES_MAX, Write};

use super::context::{Context, Side};
use super::dirty::{Dirty, TableKey};
use super::guarded::{GivenUp, Packer, owner, write};
use super::halt::Halt;
use super::ledger;
use super::pace::patiently;
use super::scan::CLOCK_OFF_MS;

/// Keys of a part: what one transaction takes beside its check.
const PART_KEYS: usize = WRITES_MAX;
/// Keys that are read at a time, since nobody knows how large they are before: of items of 400 KB, 10 MB.
const READ_KEYS: usize = 25;
/// From so many bytes on, what was read is written before more is.
const PART_BYTES: usize = 2_000_000;
/// Parts that are under way at once: all of them together hold 100 MB at the most.
const AT_ONCE: usize = 8;
/// Rounds in a row that may leave no less than the best before them, until the move is said not to converge.
const ROUNDS_MAX: u32 = 8;

/// How much a round takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Round {
    /// Keys at most.
    pub(super) keys_max: usize,
}

impl Round {
    /// Everything that is dirty when it begins.
    pub(super) const ALL: Self = Self { keys_max: usize::MAX };
}

/// What a round has done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reconciled {
    /// Number of keys.
    pub(super) keys: u64,
    /// Keys a second; 0 where there were none.
    pub(super) keys_per_s: f64,
}

/// What rounds have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    /// Number of rounds.
    pub(super) rounds: u32,
    /// Number of keys.
    pub(super) keys: u64,
    /// How long what is dirty now takes, in milliseconds.
    pub(super) gap_ms: u64,
}

/// One round. Where it is broken off while a write is under way, the fence is to be held anew (`Context::renew_hold`) before
/// the next one.
pub(super) async fn reconcile(
    context: &Context<'_>,
    target_epoch: u64,
    dirty: &Dirty,
    round: Round,
) -> Result<Reconciled, Halt> {
    let began_ms = context.world.clock.monotonic_ms();
    let (chunks, all) = (dirty.chunks(), dirty.len());
    let guard = context.incoming(target_epoch);
    let keys = carry(context, &guard, dirty, all.min(round.keys_max)).await?;
    if keys >= all && dirty.is_durable() && !chunks.is_empty() {
        ledger::delete_chunks(context, &chunks).await?;
        dirty.chunks_gone(&chunks);
    }
    let keys = keys as u64;
    let took_ms = context.world.clock.monotonic_ms().saturating_sub(began_ms);
    Ok(Reconciled { keys, keys_per_s: per_second(keys, took_ms) })
}

/// Carries up to `max` keys over, several parts at a time; gives how many. After a failure no more is begun, and what is
/// under way is finished: a write that is given up costs the fence's token.
async fn carry(context: &Context<'_>, guard: &Guard, dirty: &Dirty, max: usize) -> Result<usize, Halt> {
    let (mut left, mut all) = (max, Ok(0));
    let mut parts = FuturesUnordered::new();
    loop {
        while all.is_ok() && parts.len() < AT_ONCE {
            let Some(taken) = Taken::of(dirty, left.min(PART_KEYS)) else { break };
            left -= taken.keys.len();
            parts.push(part(context, guard, taken));
        }
        let Some(one) = parts.next().await else { return all };
        all = all.and_then(|sum| one.map(|keys| sum + keys));
    }
}

async fn part(context: &Context<'_>, guard: &Guard, taken: Taken<'_>) -> Result<usize, Halt> {
    context.check()?;
    let mut packer = Packer::default();
    for (plan, keys) in reads(context, &taken.keys) {
        let source = context.table(Side::Source, plan);
        let mut found = patiently(context, || context.world.data.get(&source, &plan.shape.key, &keys)).await?;
        for key in &keys {
            packer.add(write_of(context, plan, key, found.remove(key)));
        }
        if packer.all_bytes() >= PART_BYTES {
            write_all(context, guard, std::mem::take(&mut packer)).await?;
        }
    }
    write_all(context, guard, packer).await?;
    Ok(taken.done())
}

async fn write_all(context: &Context<'_>, guard: &Guard, packer: Packer) -> Result<(), Halt> {
    for writes in packer.finish() {
        write(context, guard, &writes, GivenUp::Renews).await?;
    }
    Ok(())
}

/// What of these keys is read at a time, by table. A table that the plan does not have is not moved.
fn reads<'a>(context: &'a Context<'_>, keys: &[TableKey]) -> Vec<(&'a TablePlan, Vec<ItemKey>)> {
    let mut by_table: BTreeMap<usize, Vec<ItemKey>> = BTreeMap::new();
    for (table, key) in keys {
        by_table.entry(*table).or_default().push(key.clone());
    }
    let mut reads = Vec::new();
    for (table, keys) in by_table {
        let Some(plan) = context.plan.tables.get(table) else { continue };
        let keys: Vec<ItemKey> = keys.into_iter().filter(|key| may_be_of(context, plan, key)).collect();
        reads.extend(keys.chunks(READ_KEYS).map(|keys| (plan, keys.to_vec())));
    }
    reads
}

/// Whether a key can be one of the tenant's, as far as keys tell.
fn may_be_of(context: &Context<'_>, plan: &TablePlan, key: &ItemKey) -> bool {
    let key_schema = &plan.shape.key;
    !plan.find.needs_only_key() || plan.find.is_of(context.tenant(), key_schema, &key_schema.attributes(key))
}

/// What the target is to be told of a key.
fn write_of(context: &Context<'_>, plan: &TablePlan, key: &ItemKey, found: Option<Item>) -> Write {
    let schema = &plan.shape.key;
    let (table, key) = (context.table(Side::Target, plan), schema.attributes(key));
    let expiry = plan.shape.time_to_live.as_deref();
    let now_ms = context.world.clock.now_ms() - CLOCK_OFF_MS;
    let found =
        found.filter(|item| plan.find.is_of(context.tenant(), schema, item) && !is_expired(item, expiry, now_ms));
    match found {
        Some(item) => Write::Put { table, item, key },
        None => Write::Delete { table, key, only_if: owner(context, plan) },
    }
}

/// Rounds until what is left takes at most `budget_ms`.
pub(super) async fn settle(
    context: &Context<'_>,
    target_epoch: u64,
    dirty: &Dirty,
    budget_ms: u64,
) -> Result<Settled, Halt> {
    let mut settled = Settled { rounds: 0, keys: 0, gap_ms: 0 };
    let (mut least, mut vain) = (usize::MAX, 0);
    loop {
        context.check()?;
        let began_ms = context.world.clock.monotonic_ms();
        let done = reconcile(context, target_epoch, dirty, Round::ALL).await?;
        settled.rounds += 1;
        settled.keys += done.keys;
        let left = dirty.len();
        // Under the seal nothing becomes dirty any more.
        let gap_ms = drain_ms(left as u64, done.keys_per_s, 0.0);
        if let Some(gap_ms) = gap_ms.filter(|gap_ms| *gap_ms <= budget_ms) {
            return Ok(Settled { gap_ms, ..settled });
        }
        vain = if left < least { 0 } else { vain + 1 };
        least = least.min(left);
        if vain >= ROUNDS_MAX {
            let took_ms = context.world.clock.monotonic_ms().saturating_sub(began_ms);
            return Err(not_converging(left as u64, done.keys_per_s, per_second(left as u64, took_ms), budget_ms));
        }
    }
}

fn not_converging(left: u64, keys_per_s: f64, new_per_s: f64, budget_ms: u64) -> Halt {
    let why = format!(
        "{left} keys are dirty; {keys_per_s:.0} a second are carried over while {new_per_s:.0} a second become dirty, so that \
         they do not fit into {budget_ms} ms"
    );
    let hint = "resume the move at a quiet time, have the tenant write less, raise the tables' capacity, or move it again \
                with a longer --max-write-gap";
    Halt::stuck("not-converging", why, hint)
}

/// So many in that time, a second. A time too short to be measured counts as a millisecond.
#[allow(clippy::cast_precision_loss, reason = "a rate")]
fn per_second(keys: u64, took_ms: u64) -> f64 {
    keys as f64 * 1000.0 / took_ms.max(1) as f64
}

/// Keys that are being carried over. Dropped before that is done, they are dirty again.
struct Taken<'d> {
    dirty: &'d Dirty,
    keys: Vec<TableKey>,
}

impl<'d> Taken<'d> {
    fn of(dirty: &'d Dirty, max: usize) -> Option<Self> {
        let keys = dirty.take(max);
        (!keys.is_empty()).then_some(Self { dirty, keys })
    }

    fn done(mut self) -> usize {
        let keys = std::mem::take(&mut self.keys);
        self.dirty.done(&keys);
        keys.len()
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.dirty.put_back(std::mem::take(&mut self.keys));
    }
}

#[cfg(test)]
mod tests;
