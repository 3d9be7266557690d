//! Reading the streams: every change of one of the tenant's items makes its key dirty.
//!
//! Constraint kept: keys go to the ledger before the position behind them does; a parent is read to its end before its
//! children; what the streams have lost is told.

use super::context::Context;
use super::dirty::Dirty;
use super::halt::Halt;

/// The shards of all streams, and how far each is read.
pub(super) struct Capture {}

impl Capture {
    /// Finds the shards. `fresh`: from now on, and this moment is fixed when this returns; otherwise from where the ledger
    /// says. `from_ms` is when the capture began, in milliseconds since 1970.
    pub(super) async fn open(context: &Context<'_>, dirty: &Dirty, from_ms: i64, fresh: bool) -> Result<Self, Halt> {
        let _ = (context, dirty, from_ms, fresh);
        todo!()
    }

    /// Reads until it is dropped, or something happens. After `Halt::Gap` it can be called again.
    pub(super) async fn run(&self, context: &Context<'_>, dirty: &Dirty) -> Halt {
        let _ = (context, dirty);
        todo!()
    }

    /// How far it is behind, in milliseconds; none before every shard was read.
    pub(super) fn lag_ms(&self, now_ms: i64) -> Option<u64> {
        let _ = now_ms;
        todo!()
    }

    /// Waits, while `run` runs, until every shard has given nothing for `quiet_ms` from now on.
    pub(super) async fn until_quiet(&self, context: &Context<'_>, quiet_ms: u64) -> Result<(), Halt> {
        let _ = (context, quiet_ms);
        todo!()
    }
}
