//! Reading all of the tenant's items at one end.
//!
//! Constraint kept: one page of a segment in memory at a time; the number of segments depends on the plan alone, so that a
//! mover that takes over counts the same.

use std::time::Duration;

use crate::domain::data::Item;
use crate::domain::data::find::Find;
use crate::domain::moves::TablePlan;
use crate::ports::data::Segment;

use super::context::{Context, Side};
use super::halt::Halt;
use super::pace::patiently;

/// Segments of a table that is scanned, at least and at most: the least keep a small one quick, the most bound the cursors.
const SEGMENTS: (u64, u64) = (4, 16);
/// Bytes of a table for each segment.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Segments that are read at a time, on each side.
pub(super) const SEGMENTS_AT_ONCE: usize = 4;
/// How far a mover's clock may be off, in milliseconds, either way: AWS refuses callers whose clock is five minutes off. An
/// item counts as expired once it is that whatever the clock says.
pub(super) const CLOCK_OFF_MS: i64 = 600_000;
/// How far an index may be behind its table, in milliseconds: "usually within a fraction of a second" (DynamoDB developer
/// guide, "Data synchronization between tables and global secondary indexes"), and some.
const INDEX_LAG_MS: u64 = 2_000;

/// The segments of a table.
pub(super) fn segments(plan: &TablePlan) -> impl Iterator<Item = Segment> + use<> {
    let wanted = (plan.shape.bytes_about / SEGMENT_BYTES).clamp(SEGMENTS.0, SEGMENTS.1);
    let of = if plan.find.scans() { u32::try_from(wanted).unwrap_or(1) } else { 1 };
    (0..of).map(move |index| Segment { index, of })
}

/// Gives every item of a segment at one end to `each`.
pub(super) async fn scan(
    context: &Context<'_>,
    (side, plan, segment): (Side, &TablePlan, Segment),
    mut each: impl FnMut(Item),
) -> Result<(), Halt> {
    let share = context.share(side, plan);
    let mut from: Option<String> = None;
    loop {
        context.check()?;
        let start = from.as_deref();
        let page = patiently(context, || context.world.data.page(&share, segment, start)).await?;
        page.items.into_iter().for_each(&mut each);
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(()),
        }
    }
}

/// Waits until indexes show what their tables held before, where the tenant's items are found by one.
pub(super) async fn let_indexes_catch_up(context: &Context<'_>) {
    if context.plan.tables.iter().any(|table| matches!(table.find, Find::Index { .. })) {
        context.world.clock.sleep(Duration::from_millis(INDEX_LAG_MS)).await;
    }
}
