//! Comparing until nothing is found that was not dirty anyway.
//!
//! Constraint kept: what differs for no known reason is repaired, counted, and compared again.

use std::time::Duration;

use crate::domain::data::digest::TableDigest;

use super::compare::{Compared, compare};
use super::context::Context;
use super::dirty::{Dirty, TableKey};
use super::halt::Halt;
use super::meter::Meter;
use super::notes::Notes;
use super::reconcile::{Round, reconcile};

/// Comparisons in a row that may find as much as the best before them, until the move is said to be stuck.
const VAIN_MAX: u32 = 3;
/// Comparisons at most.
const PASSES_MAX: u32 = 50;
/// A record may be that much later in its stream than the write, in milliseconds, when it is seen whether a difference is
/// a write of the moment.
const LATE_MS: i64 = 1_000;
/// That is waited for at most so long, in milliseconds, looking this often.
const WAIT_MS: (u64, u64) = (10_000, 50);

/// How a verification ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verified {
    /// The digests of the source.
    pub(super) tables: Vec<TableDigest>,
    /// Keys that differed for no known reason, and were repaired.
    pub(super) repaired: u64,
    /// Comparisons that it took.
    pub(super) passes: u32,
}

/// Compares and repairs. `notes` where writers leave some.
pub(super) async fn verify(
    context: &Context<'_>,
    target_epoch: u64,
    dirty: &Dirty,
    notes: Option<&Notes>,
    meter: &Meter,
) -> Result<Verified, Halt> {
    let mut repaired = 0;
    let (mut least, mut vain) = (usize::MAX, 0);
    if dirty.len() > 0 {
        // Room for the keys of notes: where they did not fit, this is what comes next.
        reconcile(context, target_epoch, dirty, Round::ALL).await?;
        if let Some(notes) = notes {
            notes.forget_done(context, dirty).await?;
        }
    }
    for passes in 1..=PASSES_MAX {
        context.check()?;
        let compared = compare(context, meter).await?;
        let unknown = unexplained(context, dirty, notes, &compared).await?;
        compared.differing.into_iter().for_each(|(table, key)| _ = dirty.mark(table, key));
        reconcile(context, target_epoch, dirty, Round::ALL).await?;
        if let Some(notes) = notes {
            notes.forget_done(context, dirty).await?;
        }
        repaired += unknown as u64;
        if unknown == 0 && !compared.more {
            return Ok(Verified { tables: compared.tables, repaired, passes });
        }
        vain = if unknown < least { 0 } else { vain + 1 };
        least = least.min(unknown);
        if vain >= VAIN_MAX && !compared.more {
            return Err(mismatch(unknown, passes));
        }
    }
    Err(mismatch(least, PASSES_MAX))
}

/// How many keys differ that are not known to have changed: by then every write that the comparison can have seen has left
/// a note, or a record in a stream.
async fn unexplained(
    context: &Context<'_>,
    dirty: &Dirty,
    notes: Option<&Notes>,
    compared: &Compared,
) -> Result<usize, Halt> {
    if let Some(notes) = notes {
        notes.read(context, dirty).await?;
    }
    let mut unknown: Vec<&TableKey> = compared.differing.iter().collect();
    let (clock, ended_ms) = (&context.world.clock, context.world.clock.now_ms());
    let until_ms = clock.monotonic_ms() + WAIT_MS.0;
    loop {
        unknown.retain(|key| !dirty.contains(key));
        // A clock that was put back makes the streams look read beyond this moment.
        let caught_ms = dirty.caught_ms().map(|caught_ms| caught_ms.min(clock.now_ms()));
        let is_behind = caught_ms.is_none_or(|caught_ms| caught_ms < ended_ms + LATE_MS);
        if unknown.is_empty() || !is_behind || clock.monotonic_ms() >= until_ms {
            return Ok(unknown.len());
        }
        context.check()?;
        clock.sleep(Duration::from_millis(WAIT_MS.1)).await;
    }
}

fn mismatch(keys: usize, passes: u32) -> Halt {
    let why = format!("after {passes} comparisons, {keys} keys still differ that nothing is known to have written");
    let hint =
        "look for something that writes on the target, or on the source past its fence; stop it, then resume the move";
    Halt::stuck("mismatch", why, hint)
}

#[cfg(test)]
mod tests;
