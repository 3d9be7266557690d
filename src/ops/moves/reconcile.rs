//! Carrying dirty keys over: each is read from the source, and put or deleted on the target under the target's fence.
//!
//! Constraint kept: never two writes of one key at a time; a write in doubt is repeated as the same until it is answered,
//! or the fence is to get a new token; a key that was not carried over is dirty still.

use super::context::Context;
use super::dirty::Dirty;
use super::halt::Halt;

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

/// One round.
pub(super) async fn reconcile(
    context: &Context<'_>,
    target_epoch: u64,
    dirty: &Dirty,
    round: Round,
) -> Result<Reconciled, Halt> {
    let _ = (context, target_epoch, dirty, round);
    todo!()
}

/// Rounds until what is left takes at most `budget_ms`.
pub(super) async fn settle(
    context: &Context<'_>,
    target_epoch: u64,
    dirty: &Dirty,
    budget_ms: u64,
) -> Result<Settled, Halt> {
    let _ = (context, target_epoch, dirty, budget_ms);
    todo!()
}
