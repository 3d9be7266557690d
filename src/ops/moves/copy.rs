//! The copy: pages of the tenant's items, put in bulk on the target.
//!
//! Constraint kept: the cursor goes to the ledger behind the page; a bulk request is made only under the lease, and one that
//! was not answered is remembered for the barrier.

use super::context::Context;
use super::halt::Halt;
use super::meter::Meter;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copied {
    /// Number of items, those of earlier runs included.
    pub(super) items: u64,
    /// Their bytes, about.
    pub(super) bytes: u64,
    /// Until when a request may count that was not answered, in milliseconds since 1970; 0 where there is none.
    pub(super) in_doubt_until_ms: i64,
}

/// Copies everything that was not copied yet.
pub(super) async fn copy(context: &Context<'_>, meter: &Meter) -> Result<Copied, Halt> {
    let _ = (context, meter);
    todo!()
}
