//! What the ledger has of the streams: dirty keys, positions, and the time up to which all was read.
//!
//! Constraint kept: keys go to the ledger before the position behind them does.

use std::collections::BTreeMap;

use super::super::context::Context;
use super::super::dirty::{Dirty, TableKey};
use super::super::halt::Halt;
use super::super::ledger;
use super::super::shards::{Position, ShardId};
use super::{Capture, Inner};

/// Time between two writes of keys and positions, in milliseconds.
const STORE_MS: u64 = 1_000;
/// So many keys are not kept waiting for that.
const PENDING_MAX: usize = 3_000;
/// The time up to which the streams are read is stored as often as this, in milliseconds, where nothing else is.
const CAUGHT_MS: u64 = 60_000;

impl Capture {
    /// Writes to the ledger what it does not have: keys first, then the positions behind them. A write that is broken off is
    /// made again.
    pub(super) async fn store(&self, context: &Context<'_>, dirty: &Dirty) -> Result<(), Halt> {
        let clock = &context.world.clock;
        let (keys, positions, caught_ms) = {
            let inner = self.lock();
            let keys: Vec<TableKey> = inner.pending.iter().cloned().collect();
            (keys, inner.shards.unstored(), inner.shards.caught_ms(clock.now_ms()))
        };
        let (numbers, mut writes): (Vec<u64>, Vec<_>) =
            ledger::chunks(keys.iter(), || dirty.next_chunk())?.into_iter().unzip();
        for ((table, shard), position) in &positions {
            writes.push(ledger::document(format!("{}{table}/{shard}", ledger::POSITIONS), position)?);
        }
        if let Some(caught_ms) = caught_ms {
            writes.push(ledger::document(ledger::CAUGHT.to_owned(), &caught_ms)?);
        }
        ledger::write(context, &writes).await?;
        dirty.chunks_stored(&numbers);
        let mut inner = self.lock();
        inner.pending.drain(..keys.len());
        inner.shards.stored(positions);
        inner.stored_ms = clock.monotonic_ms();
        inner.caught_stored_ms = inner.stored_ms;
        Ok(())
    }
}

impl Inner {
    /// Whether enough has come together, or enough time has passed, for a write to the ledger.
    pub(super) fn is_store_due(&self, now_ms: u64) -> bool {
        if self.pending.len() >= PENDING_MAX || now_ms.saturating_sub(self.caught_stored_ms) >= CAUGHT_MS {
            return true;
        }
        let is_time = now_ms.saturating_sub(self.stored_ms) >= STORE_MS;
        is_time && (!self.pending.is_empty() || !self.shards.unstored().is_empty())
    }
}

/// How far each shard was read, as the ledger says.
pub(super) async fn positions(context: &Context<'_>) -> Result<BTreeMap<ShardId, Position>, Halt> {
    let mut positions = BTreeMap::new();
    for (name, body) in ledger::read(context, ledger::POSITIONS).await? {
        let id = name.trim_start_matches(ledger::POSITIONS).split_once('/');
        if let Some((Ok(table), shard)) = id.map(|(table, shard)| (table.parse(), shard)) {
            positions.insert((table, shard.to_owned()), ledger::parse(context, &name, &body)?);
        }
    }
    Ok(positions)
}
