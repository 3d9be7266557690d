//! What a move will take, by what a part of the items shows.

use crate::domain::data::Item;
use crate::domain::moves::Plan;
use crate::domain::moves::estimate::Estimate;
use crate::ops::error::OpError;
use crate::ops::moves::Mover;
use crate::ports::data::{Segment, Share, TableRef};

/// Pages of each table that are counted at most: 50 MB, which costs a cent or less.
const PAGES_MAX: usize = 50;
/// Bytes of a page at most, as the service counts (API reference, `Query` and `Scan`).
const PAGE_BYTES: u64 = 1 << 20;
/// Bytes of a write unit, and of a read unit of a consistent read (developer guide, "Read and write capacity").
const WRITE_UNIT_BYTES: usize = 1_024;
const READ_UNIT_BYTES: usize = 4_096;
/// US dollars for a million write and read units of an on-demand table in us-east-1 (DynamoDB pricing, November 2024).
const WRITE_USD: f64 = 0.625;
const READ_USD: f64 = 0.125;
/// Write units a second that one partition takes (developer guide, "Partitions and data distribution").
const PARTITION_UNITS_PER_S: u64 = 1_000;
/// Calls that follow each other while writes are stopped: seal, notes, read, write, flip.
const GAP_CALLS: u64 = 6;

/// What the items of a table add up to.
#[derive(Clone, Copy, Default)]
struct Count {
    items: u64,
    bytes: u64,
    write_units: u64,
    read_units: u64,
    whole: bool,
}

impl Count {
    fn add(&mut self, item: &Item) {
        let bytes = item.bytes();
        self.items += 1;
        self.bytes += bytes as u64;
        self.write_units += bytes.div_ceil(WRITE_UNIT_BYTES).max(1) as u64;
        self.read_units += bytes.div_ceil(READ_UNIT_BYTES).max(1) as u64;
    }

    /// What it comes to where only `looked` of `all` bytes were looked at.
    fn scaled(self, looked: u64, all: u64) -> Self {
        let scale = |number: u64| {
            let scaled = u128::from(number) * u128::from(all.max(looked)) / u128::from(looked.max(1));
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        let [items, bytes, write_units, read_units] =
            [self.items, self.bytes, self.write_units, self.read_units].map(scale);
        Self { items, bytes, write_units, read_units, whole: false }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            items: self.items.saturating_add(other.items),
            bytes: self.bytes.saturating_add(other.bytes),
            write_units: self.write_units.saturating_add(other.write_units),
            read_units: self.read_units.saturating_add(other.read_units),
            whole: self.whole && other.whole,
        }
    }
}

impl Mover<'_> {
    /// Counts the tenant's items as far as that is cheap, and says what moving them takes.
    pub(super) async fn estimate(&self, plan: &Plan) -> Result<Estimate, OpError> {
        let clock = &self.world.clock;
        let mut total = Count { whole: true, ..Count::default() };
        for table in &plan.tables {
            let share = Share {
                table: TableRef { place: plan.source.place.clone(), name: table.source.clone() },
                key: table.shape.key.clone(),
                find: table.find.clone(),
                tenant: plan.tenant().clone(),
            };
            total = total.plus(self.count(&share, table.shape.bytes_about).await?);
        }
        let began_us = clock.monotonic_us();
        self.world.map.entry(plan.tenant()).await?;
        let call_us = clock.monotonic_us().saturating_sub(began_us);
        Ok(estimate(plan, &total, call_us))
    }

    /// Counts a table's items of the tenant. Of more than is looked at, it takes them to go on as they begin: over the
    /// whole table, as large as the service said last. Where the tenant's items are found by a key, that is the most that
    /// there can be.
    async fn count(&self, share: &Share, table_bytes: u64) -> Result<Count, OpError> {
        let mut total = Count { whole: true, ..Count::default() };
        let mut from = None;
        for _ in 0..PAGES_MAX {
            let page = self.world.data.page(share, Segment { index: 0, of: 1 }, from.as_deref()).await?;
            page.items.iter().for_each(|item| total.add(item));
            from = page.next;
            if from.is_none() {
                return Ok(total);
            }
        }
        let looked = if share.find.scans() { PAGES_MAX as u64 * PAGE_BYTES } else { total.bytes };
        Ok(total.scaled(looked, table_bytes))
    }
}

fn estimate(plan: &Plan, total: &Count, call_us: u64) -> Estimate {
    let options = &plan.options;
    let per_s = options.rate.unwrap_or(PARTITION_UNITS_PER_S).max(1);
    // Copied in bulk once, deleted in transactions, which cost twice; read for the copy, and twice for the comparison. A warm
    // move writes nothing but what differs, and reads both sides up to twice before the comparison.
    let write_units = if options.warm { 0 } else { total.write_units };
    let read_units = total.read_units * if options.warm { 6 } else { 3 };
    let waits_ms = if options.fence.has_notes() { 0 } else { options.lease_ms + options.request_ms };
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    let cost_usd = (write_units + total.write_units * 2) as f64 / 1e6 * WRITE_USD + read_units as f64 / 1e6 * READ_USD;
    Estimate {
        items: total.items,
        bytes: total.bytes,
        counted: total.whole,
        write_units,
        read_units,
        copy_s: write_units.div_ceil(per_s),
        gap_ms: waits_ms + (call_us * GAP_CALLS).div_ceil(1_000),
        cost_usd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_stands_for_the_whole_and_never_for_less_than_itself() {
        let part = || Count { items: 10, bytes: 1_000, write_units: 10, read_units: 10, whole: true };
        let of = |count: Count| (count.items, count.bytes, count.write_units, count.read_units, count.whole);
        assert_eq!(of(part().scaled(1_000, 5_500)), (55, 5_500, 55, 55, false));
        // What the service says may be hours old.
        assert_eq!(of(part().scaled(1_000, 0)), (10, 1_000, 10, 10, false));
        assert_eq!(of(Count::default().scaled(0, 5)), (0, 0, 0, 0, false));
        assert!(part().plus(part()).whole && !part().plus(part().scaled(1, 1)).whole);
    }
}
