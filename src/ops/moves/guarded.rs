//! Writes in transactions with a check of a fence.
//!
//! Constraint kept: a write that may be on its way is not left behind: it is repeated as the same until it is answered, and
//! where that fails, or nobody waits for it any more, fences are to be held with a new token.

use crate::domain::data::find::Find;
use crate::domain::moves::TablePlan;
use crate::domain::moves::fence::Guard;
use crate::ports::CallErrorKind;
use crate::ports::data::{WRITES_BYTES_MAX, WRITES_MAX, Write};

use super::context::Context;
use super::halt::Halt;
use super::pace::{RETRIES_MAX, back_off, is_passing};

/// How often a transaction may be refused for its pace, or for another one on its items: some two minutes.
const REFUSALS_MAX: u32 = 20;

/// Packs writes into transactions.
#[derive(Default)]
pub(super) struct Packer {
    full: Vec<Vec<Write>>,
    writes: Vec<Write>,
    bytes: usize,
    bytes_in_all: usize,
}

impl Packer {
    /// One more.
    pub(super) fn add(&mut self, write: Write) {
        let bytes = bytes(&write);
        if self.writes.len() == WRITES_MAX || self.bytes + bytes > WRITES_BYTES_MAX {
            self.full.push(std::mem::take(&mut self.writes));
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.bytes_in_all += bytes;
        self.writes.push(write);
    }

    /// Bytes of all that it holds.
    pub(super) fn bytes_in_all(&self) -> usize {
        self.bytes_in_all
    }

    /// All transactions.
    pub(super) fn finish(mut self) -> Vec<Vec<Write>> {
        if !self.writes.is_empty() {
            self.full.push(self.writes);
        }
        self.full
    }
}

fn bytes(write: &Write) -> usize {
    match write {
        Write::Put { item, .. } => item.bytes(),
        Write::Delete { key, .. } => key.bytes(),
    }
}

/// What a delete has to look at, where the key does not tell whose an item is.
pub(super) fn owner(context: &Context<'_>, plan: &TablePlan) -> Option<(String, String)> {
    match &plan.find {
        Find::Index { attribute, .. } | Find::Attribute { attribute } => {
            Some((attribute.clone(), context.tenant().to_string()))
        }
        Find::PartitionKey | Find::Prefix { .. } => None,
    }
}

/// What it means to give up a write that may be on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// It could undo a later one: fences are to be held with a new token, so that it counts no more.
    Renews,
    /// Nothing: it does what is going to be done anyway, as long as the fence lets it.
    IsHarmless,
}

/// One transaction: it is there when this returns, or an error says why not. As many are under way as the fence has shards.
pub(super) async fn write(
    context: &Context<'_>,
    guard: &Guard,
    writes: &[Write],
    given_up: GivenUp,
) -> Result<(), Halt> {
    let lane = context.lanes(guard).take().await;
    if context.lease.is_lost() {
        return Err(Halt::Lost);
    }
    let guard = Guard { shard: lane.shard, ..guard.clone() };
    let token = context.write_token();
    let (mut failures, mut refusals) = (0, 0);
    let mut under_way = UnderWay { context, given_up, doubtful: false };
    loop {
        let earlier = std::mem::replace(&mut under_way.doubtful, true);
        let written = context.world.data.write_guarded(&guard, writes, &token).await;
        let error = match written {
            Ok(written) => {
                // Whether it was let through or not: the same token cannot be anything else any more.
                under_way.doubtful = false;
                return if written { Ok(()) } else { Err(Halt::Lost) };
            }
            Err(error) => error,
        };
        under_way.doubtful = earlier || error.kind == CallErrorKind::InDoubt;
        let refused = matches!(error.kind, CallErrorKind::Throttled | CallErrorKind::Conflict);
        if refused {
            refusals += 1;
        } else {
            failures += 1;
        }
        if failures > RETRIES_MAX || refusals > REFUSALS_MAX || !(refused || is_passing(&error)) {
            return Err(error.into());
        }
        if context.lease.is_lost() {
            return Err(Halt::Lost);
        }
        back_off(context, failures.max(refusals)).await;
    }
}

/// Asks for a new token of the fences where a write is given up that may be on its way.
struct UnderWay<'a> {
    context: &'a Context<'a>,
    given_up: GivenUp,
    doubtful: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.doubtful && self.given_up == GivenUp::Renews {
            self.context.renew_hold();
        }
    }
}
