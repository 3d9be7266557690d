//! Request tokens of operations on one stack that may be tried again from the same state.
//!
//! Constraint kept: a repeat of a request after a lost answer has its token; another attempt has another one. What tells
//! attempts apart is the stack's newest event: each attempt adds some, while status and time of last change may stay.

use crate::domain::fleet::Place;
use crate::domain::ids::Digest;
use crate::ops::World;
use crate::ports::Called;

/// The token of the next attempt at `request` on a stack.
pub(super) async fn of_attempt(world: &World, place: &Place, stack_id: &str, request: &str) -> Called<String> {
    let events = world.stacks.events(place, stack_id, 0).await?;
    let newest = events.last().map_or("", |event| event.id.as_str());
    let digest = Digest::of_parts([request, stack_id, newest].map(str::as_bytes));
    Ok(format!("cellctl-{}", &digest.as_str()[..40]))
}
