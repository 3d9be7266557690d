//! Cordoning: whether a cell takes new tenants.

use std::sync::Arc;

use crate::domain::fleet::Fleet;
use crate::domain::ids::CellId;
use crate::domain::record::CellState;
use crate::ops::World;
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::lease::{Claim, HeldLease};

use super::record;
use super::view::unknown_cell;

/// Sets whether a cell takes new tenants; gives the state that it had.
pub async fn set(
    world: &World,
    fleet: &Fleet,
    name: &CellId,
    state: CellState,
    claim: &Claim,
) -> Result<CellState, OpError> {
    let Some(record) = world.control.record(name).await? else {
        if fleet.cell(name).is_none() {
            return Err(unknown_cell(fleet, name));
        }
        return Err(OpError::new(ErrorKind::Failed, format!("cell {name} has not been provisioned yet"))
            .hint(format!("run `cellctl cell create {name}` first")));
    };
    if record.state == state {
        return Ok(state);
    }
    if record.state == CellState::Deleted {
        let message = format!("cell {name} is being deleted, or its delete was cut off");
        return Err(OpError::new(ErrorKind::Refused, message).hint(format!(
            "`cellctl cell delete {name}` finishes it; `cellctl cell create {name}` makes the cell anew, cordoned"
        )));
    }
    let before = record.state;
    let lease = HeldLease::take(world.control.clone(), Arc::clone(&world.clock), claim).await?;
    let mut next = record;
    next.state = state;
    let action = if state == CellState::Active { "uncordoned" } else { state.as_str() };
    let written = record::put(world, next, &lease, action).await;
    lease.release().await?;
    written?;
    Ok(before)
}
