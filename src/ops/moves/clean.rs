//! Deleting the tenant's items at one end.
//!
//! Constraint kept: every delete is in a transaction with a check of the fence there. What is gone is gone, so that nothing
//! has to be remembered.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::domain::moves::TablePlan;
use crate::domain::moves::fence::Guard;
use crate::ports::data::{ItemPage, Segment, Write};

use super::context::{Context, Side};
use super::guarded::{GivenUp, Packer, owner, write};
use super::halt::Halt;
use super::meter::Meter;
use super::pace::{Bucket, patiently};
use super::scan::{SEGMENTS_AT_ONCE, let_indexes_catch_up, segments};

/// Transactions of a page at a time.
const WRITES_AT_ONCE: usize = 4;
/// Passes at most: the first deletes, the second finds nothing, the others are for what an index shows late, or for a
/// writer that is not to be there.
const PASSES_MAX: u32 = 20;

/// Deletes all of them, `done` of which are gone already; gives how many are gone then. The caller has seen to it that
/// nobody writes there: `guard` is the fence that says so.
pub(super) async fn clean(
    context: &Context<'_>,
    side: Side,
    guard: &Guard,
    done: u64,
    meter: &Meter,
) -> Result<u64, Halt> {
    let bucket = Bucket::new(context.world.clock.monotonic_ms());
    let cleaner = Cleaner { context, side, guard, meter, bucket, items: AtomicU64::new(done) };
    for _ in 0..PASSES_MAX {
        let before = cleaner.items.load(Ordering::Relaxed);
        let_indexes_catch_up(context).await;
        cleaner.pass().await?;
        let after = cleaner.items.load(Ordering::Relaxed);
        if after == before {
            return Ok(after);
        }
    }
    Err(still_there(context, side))
}

struct Cleaner<'a> {
    context: &'a Context<'a>,
    side: Side,
    guard: &'a Guard,
    meter: &'a Meter,
    bucket: Bucket,
    items: AtomicU64,
}

impl Cleaner<'_> {
    async fn pass(&self) -> Result<(), Halt> {
        for plan in &self.context.plan.tables {
            let segments: Vec<_> = segments(plan).map(|segment| self.segment(plan, segment)).collect();
            stream::iter(segments).buffer_unordered(SEGMENTS_AT_ONCE).try_collect::<()>().await?;
        }
        Ok(())
    }

    async fn segment(&self, plan: &TablePlan, segment: Segment) -> Result<(), Halt> {
        let share = self.context.share(self.side, plan);
        let mut from: Option<String> = None;
        loop {
            self.context.check()?;
            let start = from.as_deref();
            let page = patiently(self.context, || self.context.world.data.page(&share, segment, start)).await?;
            let next = page.next.clone();
            self.page(plan, page).await?;
            match next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn page(&self, plan: &TablePlan, page: ItemPage) -> Result<(), Halt> {
        let (items, bytes) = (page.items.len() as u64, page.items.iter().map(|item| item.bytes() as u64).sum());
        // In a transaction a delete takes two units for each kibibyte of the item (developer guide, "Transactions").
        let units: u64 = page.items.iter().map(|item| 2 * item.bytes().div_ceil(1024).max(1) as u64).sum();
        let mut packer = Packer::default();
        for key in page.items.iter().filter_map(|item| plan.shape.key.key_of(item)) {
            let key = plan.shape.key.attributes(&key);
            packer.add(Write::Delete {
                table: self.context.table(self.side, plan),
                key,
                only_if: owner(self.context, plan),
            });
        }
        let writes = packer.finish();
        let each = units.div_ceil(writes.len().max(1) as u64);
        let writes: Vec<_> = writes.into_iter().map(|writes| self.delete(writes, each)).collect();
        stream::iter(writes).buffer_unordered(WRITES_AT_ONCE).try_collect::<()>().await?;
        self.items.fetch_add(items, Ordering::Relaxed);
        self.meter.add(items, bytes);
        Ok(())
    }

    async fn delete(&self, writes: Vec<Write>, units: u64) -> Result<(), Halt> {
        self.bucket.take(self.context, units).await?;
        write(self.context, self.guard, &writes, GivenUp::IsHarmless).await
    }
}

fn still_there(context: &Context<'_>, side: Side) -> Halt {
    let cell = &context.end(side).cell;
    let why = format!("items of {} come back in cell {cell} while they are deleted", context.tenant());
    let hint = format!("find what writes for this tenant in cell {cell} past its fence, stop it, then resume the move");
    Halt::stuck("not-empty", why, hint)
}

#[cfg(test)]
mod tests;
