//! Deleting a cell: guards, protection off, stack, record last.
//!
//! Constraint kept: each step is idempotent and the record goes last, so that a killed delete is finished by running it
//! again; atoms that hold data stay behind and are named.

use std::sync::Arc;

use serde::Serialize;

use crate::domain::definition::CellType;
use crate::domain::fleet::{Fleet, Place};
use crate::domain::ids::{CellId, request_token};
use crate::domain::record::{CellRecord, CellState};
use crate::domain::stack::{Phase, RECOVERY_STARTS, StackDetail, StackResource, first_cause};
use crate::domain::template::atoms;
use crate::ops::World;
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::lease::{Claim, HeldLease};
use crate::ops::map::stream::{self, Entries};
use crate::ops::poll::{Before, CLOCK_SLACK_MS, Poller, Wanted};
use crate::ports::Content;

use super::record;
use super::view::{place_of, unknown_cell};

/// What a delete did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// The cell.
    pub cell: CellId,
    /// Name of its stack.
    pub stack: String,
    /// Atoms that hold data: they stay, and nothing manages them any more.
    pub left_behind: Vec<StackResource>,
}

/// Checks that a cell may be deleted. Nothing is changed.
pub async fn check(world: &World, fleet: &Fleet, name: &CellId, zero: bool) -> Result<CellRecord, OpError> {
    let Some(record) = world.control.record(name).await? else {
        if fleet.cell(name).is_none() {
            return Err(unknown_cell(fleet, name));
        }
        return Err(OpError::new(
            ErrorKind::Failed,
            format!("cell {name} has not been provisioned: there is nothing to delete"),
        )
        .hint(format!("remove its file to forget it; a stuck stack is handled by `cellctl cell recover {name}`")));
    };
    let refuse = |message: String, hint: String| Err(OpError::new(ErrorKind::Refused, message).hint(hint));
    let defined = fleet.cell(name).map(|c| c.spec.cell_type.as_str().to_owned());
    let is_zero = [defined, record.cell_type.clone()].iter().flatten().any(|t| t == CellType::Zero.as_str());
    if is_zero && !zero {
        return refuse(format!("cell {name} is cell zero"), "add --cell-zero if you mean it".to_owned());
    }
    if !matches!(record.state, CellState::Cordoned | CellState::Draining | CellState::Deleted) {
        return refuse(
            format!("cell {name} is {}: it may get new tenants while it is deleted", record.state.as_str()),
            format!("run `cellctl cell cordon {name}` first"),
        );
    }
    let held = world.map.load(name).await?.map_or(0, |load| load.tenants);
    if held < 0 {
        return refuse(
            format!("the counters of cell {name} have drifted: it counts {held} tenants"),
            "`cellctl map verify --repair` sets them right".to_owned(),
        );
    }
    if held > 0 {
        return refuse(
            format!("cell {name} still holds {held} tenants"),
            format!(
                "`cellctl tenant move TENANT --to CELL` moves them into another cell; `cellctl tenant list --cell {name}` \
                 shows them, and `cellctl tenant list --state moving` those that a move takes into it or out of it"
            ),
        );
    }
    Ok(record)
}

/// Tenants that are named when a delete is refused.
const NAMED_MAX: usize = 5;

/// Refuses where an entry of the map still names the cell, whatever its counter says. Asked after the cell was marked as
/// deleted, so that no tenant can come in any more.
async fn refuse_inhabited(world: &World, name: &CellId) -> Result<(), OpError> {
    let wanted = stream::Wanted { cell: Some(name.clone()), ..stream::Wanted::default() };
    let mut entries = Entries::of(world.map.clone(), wanted);
    let mut names = Vec::new();
    while names.len() < NAMED_MAX
        && let Some(entry) = entries.next_present().await?
    {
        names.push(entry.tenant.to_string());
    }
    if names.is_empty() {
        return Ok(());
    }
    let message =
        format!("cell {name} counts no tenants, but the map has some in it, or on the way: {}", names.join(", "));
    Err(OpError::new(ErrorKind::Refused, message)
        .hint("`cellctl map verify --repair` sets the counter right; then `cellctl tenant move TENANT --to CELL`"))
}

/// Deletes a cell that `check` has passed.
pub async fn delete(
    world: &World,
    fleet: &Fleet,
    name: &CellId,
    zero: bool,
    claim: &Claim,
) -> Result<Deleted, OpError> {
    let lease = HeldLease::take(world.control.clone(), Arc::clone(&world.clock), claim).await?;
    let outcome = delete_locked(world, fleet, name, zero, &lease).await;
    let released = lease.release().await;
    let deleted = outcome?;
    released?;
    Ok(deleted)
}

async fn delete_locked(
    world: &World,
    fleet: &Fleet,
    name: &CellId,
    zero: bool,
    lease: &HeldLease,
) -> Result<Deleted, OpError> {
    // Once more, now that nobody else can change it.
    let mut record = check(world, fleet, name, zero).await?;
    let place = place_of(&record);
    let stack = record.stack.clone();
    refuse_other_account(world, &place, &record).await?;
    // By its id, where it is known: a stack that was made again under the name is another one.
    let known = record.applied.as_ref().map_or(stack.as_str(), |a| a.stack_id.as_str()).to_owned();
    let detail = world.stacks.describe(&place, &known).await?.filter(|d| d.summary.status.phase() != Phase::Gone);
    let mut left_behind = Vec::new();
    if let Some(detail) = &detail {
        refuse_foreign(detail, &record)?;
    }
    record = close(world, record, lease).await?;
    if let Some(detail) = detail {
        let resources = world.stacks.resources(&place, &detail.summary.id).await?;
        // Right before the call that cannot be taken back: proof that the lock is still held and that nobody has made
        // the cell anew, however long this process was paused.
        record = record::put(world, record, lease, "stack-delete-begun").await?;
        refuse_changed(world, &place, &detail).await?;
        remove_stack(world, &place, &detail, name, lease.lease().token).await?;
        left_behind = still_there(world, &place, resources).await?;
    }
    record::delete(world, &record, lease).await?;
    Ok(Deleted { cell: name.clone(), stack: stack.to_string(), left_behind })
}

/// Marks the cell as deleted, so that it takes no tenant any more, and makes sure that it has none.
async fn close(world: &World, mut record: CellRecord, lease: &HeldLease) -> Result<CellRecord, OpError> {
    let before = record.state;
    if before != CellState::Deleted {
        record.state = CellState::Deleted;
        record = record::put(world, record, lease, "delete-begun").await?;
    }
    if let Err(refusal) = refuse_inhabited(world, &record.cell).await {
        if before != CellState::Deleted {
            record.state = before;
            record::put(world, record, lease, "delete-refused").await?;
        }
        return Err(refusal);
    }
    Ok(record)
}

/// Looking for a stack with credentials of another account finds nothing, which must not be taken for its absence.
async fn refuse_other_account(world: &World, place: &Place, record: &CellRecord) -> Result<(), OpError> {
    let Some(applied) = &record.applied else { return Ok(()) };
    let account = world.identities.identity(place).await?.account;
    if applied.stack_id.split(':').nth(4).is_none_or(|owner| owner == account) {
        return Ok(());
    }
    let message = format!("the credentials are of account {account}; the cell's stack is {}", applied.stack_id);
    Err(OpError::new(ErrorKind::Refused, message).hint("choose the AWS_PROFILE of that account"))
}

/// Refuses where somebody has changed the stack since it was looked at.
async fn refuse_changed(world: &World, place: &Place, seen: &StackDetail) -> Result<(), OpError> {
    let now = world.stacks.describe(place, &seen.summary.id).await?.map(|detail| detail.summary.changed_at_ms);
    if now == Some(seen.summary.changed_at_ms) {
        return Ok(());
    }
    let message = format!("stack {} has changed since it was looked at; it was not deleted", seen.summary.name);
    Err(OpError::new(ErrorKind::Stale, message).hint("run the same command again"))
}

fn refuse_foreign(detail: &StackDetail, record: &CellRecord) -> Result<(), OpError> {
    let tagged = detail.tags.get(crate::ops::observe::CELL_TAG).map(String::as_str) == Some(record.cell.as_str());
    let recorded = record.applied.as_ref().is_some_and(|a| a.stack_id == detail.summary.id);
    if tagged || recorded {
        return Ok(());
    }
    let message = format!("stack {} is not cell {}'s: it was made by somebody else", record.stack, record.cell);
    Err(OpError::new(ErrorKind::Refused, message).hint("look at it in the console"))
}

async fn remove_stack(
    world: &World,
    place: &Place,
    detail: &StackDetail,
    name: &CellId,
    attempt: u64,
) -> Result<(), OpError> {
    let id = &detail.summary.id;
    if detail.protected {
        world.stacks.protect(place, id, false).await?;
    }
    let since_ms = world.clock.now_ms() - CLOCK_SLACK_MS;
    let attempt = attempt.to_string();
    let token = request_token(["delete", id.as_str(), attempt.as_str()]);
    world.stacks.delete(place, id, &[], &token).await?;
    let wanted = Wanted {
        cell: name.clone(),
        place: place.clone(),
        stack: detail.summary.name.clone(),
        stack_id: id.clone(),
        before: Some(Before::from(&detail.summary)),
        token: Some(token),
        since_ms,
    };
    let summary = Poller::new(world.clone()).settled(wanted).await?;
    if summary.status.phase() == Phase::Gone {
        return Ok(());
    }
    let events = world.stacks.events(place, id, since_ms).await.unwrap_or_default();
    let cause = first_cause(&summary.name, &events, &RECOVERY_STARTS);
    let why = summary.why(cause);
    let message = format!("stack {} could not be deleted, it is in {}: {why}", summary.name, summary.status);
    Err(OpError::new(ErrorKind::RollbackFailed, message)
        .hint(format!("remove the cause and run `cellctl cell delete {name}` again, or `cellctl cell recover {name}`")))
}

/// What holds data and is still there.
async fn still_there(
    world: &World,
    place: &Place,
    resources: Vec<StackResource>,
) -> Result<Vec<StackResource>, OpError> {
    let mut left = Vec::new();
    for resource in resources.into_iter().filter(|r| atoms::is_stateful(&r.resource_type)) {
        let content = world.atoms.content(place, &resource.resource_type, &resource.physical_id).await?;
        if content != Content::Gone {
            left.push(resource);
        }
    }
    Ok(left)
}
