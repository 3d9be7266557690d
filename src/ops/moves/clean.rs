//! Deleting the tenant's items at one end.
//!
//! Constraint kept: every delete is in a transaction with a check of the fence there.

use crate::domain::moves::fence::Guard;

use super::context::{Context, Side};
use super::halt::Halt;
use super::meter::Meter;

/// Deletes all of them, `done` of which are gone already; gives how many are gone then.
pub(super) async fn clean(
    context: &Context<'_>,
    side: Side,
    guard: &Guard,
    done: u64,
    meter: &Meter,
) -> Result<u64, Halt> {
    let _ = (context, side, guard, done, meter);
    todo!()
}
