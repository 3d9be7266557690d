//! Getting a stuck stack going again.
//!
//! Owns: what to do in each of the states in which CloudFormation leaves a stack. Constraint kept: `look` says what
//! would be done and changes nothing; `carry_out` does just that, if the stack is still as it was; a stack is deleted
//! only where nothing that holds data can go with it.
//! Source: AWS CloudFormation User Guide, "Troubleshooting CloudFormation" and "Continue rolling back an update".

use std::sync::Arc;

use serde::Serialize;

use crate::domain::fleet::{Fleet, Place};
use crate::domain::ids::{CellId, request_token};
use crate::domain::stack::{Phase, RECOVERY_STARTS, StackDetail, StackResource, StackSummary, Stuck, failures};
use crate::domain::template::atoms;
use crate::ops::World;
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::lease::{Claim, HeldLease};
use crate::ops::observe::{CELL_TAG, FLEET_TAG};
use crate::ops::poll::{Before, CLOCK_SLACK_MS, Poller, Wanted};
use crate::ports::Content;

use super::view::{place_of, unknown_cell};

/// What is done about a stuck stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum Remedy {
    /// Nothing is wrong.
    Nothing,
    /// An operation is under way; it is waited for.
    Wait,
    /// The stack of a create that failed is deleted, with the empty tables and queues that it left behind, so that
    /// the cell can be created again.
    DeleteShell {
        /// Logical ids of what was left behind.
        leftovers: Vec<String>,
    },
    /// The failed rollback is continued, without the skipped resources.
    ContinueRollback {
        /// Resources that are left as they are.
        skip: Vec<String>,
    },
    /// The failed update is taken back.
    Rollback,
    /// The failed delete is tried again, leaving these resources behind.
    DeleteAgain {
        /// Resources that are left as they are.
        retain: Vec<String>,
    },
    /// Nothing can be done without a person: why.
    Manual {
        /// What has to be done by hand.
        instructions: String,
    },
}

/// What recovering a cell would do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// The cell.
    pub cell: CellId,
    /// Name of its stack.
    pub stack: String,
    /// Status of the stack.
    pub status: String,
    /// What has happened.
    pub meaning: String,
    /// What will be done.
    pub remedy: Remedy,
    /// Resources that are still in the stack.
    pub remaining: Vec<StackResource>,
    #[serde(skip)]
    place: Place,
    #[serde(skip)]
    summary: StackSummary,
}

/// What the operator allows beyond the safe remedies.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// Resources to leave as they are in a rollback.
    pub skip: Vec<String>,
    /// Resources to leave behind in a delete.
    pub retain: Vec<String>,
}

/// Looks at a cell's stack and says what would be done.
pub async fn look(world: &World, fleet: &Fleet, name: &CellId, choices: &Choices) -> Result<Recovery, OpError> {
    let record = world.control.record(name).await?;
    let place = match (fleet.cell(name), &record) {
        (_, Some(record)) => place_of(record),
        (Some(cell), None) => cell.place.clone(),
        (None, None) => return Err(unknown_cell(fleet, name)),
    };
    let stack = fleet.stack_of(name);
    let detail = world.stacks.describe(&place, stack.as_str()).await?;
    let Some(detail) = detail.filter(|d| d.summary.status.phase() != Phase::Gone) else {
        return Err(OpError::new(ErrorKind::Failed, format!("cell {name} has no stack: there is nothing to recover"))
            .hint(format!("run `cellctl cell create {name}`")));
    };
    refuse_foreign(fleet, name, &detail)?;
    let summary = detail.summary;
    let resources = world.stacks.resources(&place, &summary.id).await?;
    let (remaining, all_empty) = remaining(world, &place, resources, &summary).await?;
    // A stack that was complete once is a live cell, whatever its status says.
    let was_complete = record.as_ref().and_then(|r| r.applied.as_ref()).is_some_and(|a| a.stack_id == summary.id);
    let (meaning, mut remedy) = remedy(summary.status.phase(), &remaining, all_empty, choices);
    if was_complete && summary.status.phase() == Phase::Stuck(Stuck::RollbackComplete) {
        remedy = by_hand(
            "this stack was complete once, as the record says: cellctl does not delete it; look at it in the console",
        );
    }
    let status = summary.status.to_string();
    Ok(Recovery { cell: name.clone(), stack: stack.to_string(), status, meaning, remedy, remaining, place, summary })
}

/// Only a stack that carries this cell's tags is touched.
fn refuse_foreign(fleet: &Fleet, name: &CellId, detail: &StackDetail) -> Result<(), OpError> {
    let tag = |key: &str| detail.tags.get(key).map(String::as_str);
    if tag(CELL_TAG) == Some(name.as_str()) && tag(FLEET_TAG) == Some(fleet.name.as_str()) {
        return Ok(());
    }
    let message = format!("stack {} is not cell {name}'s: it lacks cellctl's tags", detail.summary.name);
    Err(OpError::new(ErrorKind::Refused, message).hint("look at it in the console; rename the cell if the stack stays"))
}

/// Whether a resource is still there.
fn remains(resource: &StackResource) -> bool {
    resource.status != "DELETE_COMPLETE" && !resource.physical_id.is_empty()
}

/// What is still in the stack or was left behind by it, and whether all of it may go. Atoms that hold data are retained
/// when a create is rolled back, so that a failed create leaves empty tables behind, which would stand in the way of
/// the next one. Only what this very stack has made counts: a resource that it failed to make, because the name was
/// taken, is somebody else's.
async fn remaining(
    world: &World,
    place: &Place,
    resources: Vec<StackResource>,
    summary: &StackSummary,
) -> Result<(Vec<StackResource>, bool), OpError> {
    let stuck = summary.status.phase();
    let resources: Vec<StackResource> = resources.into_iter().filter(remains).collect();
    if stuck != Phase::Stuck(Stuck::RollbackComplete) {
        // What a delete has skipped is out of the stack already.
        let inside = resources.into_iter().filter(|r| r.status != "DELETE_SKIPPED").collect();
        return Ok((
            inside,
            stuck == Phase::Stuck(Stuck::RollbackFailed) && retains_data(world, place, summary).await?,
        ));
    }
    let events = world.stacks.events(place, &summary.id, 0).await?;
    let made = |r: &StackResource| events.iter().any(|e| e.logical_id == r.logical_id && e.status == "CREATE_COMPLETE");
    let mut all_empty = true;
    let mut remaining = Vec::new();
    for resource in resources {
        if !made(&resource) {
            // Nothing proves that it is this stack's own.
            all_empty = false;
            remaining.push(resource);
            continue;
        }
        match world.atoms.content(place, &resource.resource_type, &resource.physical_id).await? {
            Content::Gone => continue,
            Content::Empty => {}
            Content::Perhaps => all_empty = false,
        }
        remaining.push(resource);
    }
    Ok((remaining, all_empty))
}

/// Whether the stack's template retains everything that holds data, so that deleting the stack deletes none of it.
async fn retains_data(world: &World, place: &Place, summary: &StackSummary) -> Result<bool, OpError> {
    let text = world.stacks.template(place, &summary.id).await?;
    let Ok(document) = (world.parse)(&text) else { return Ok(false) };
    let resources = document.get("Resources").map_or(&[][..], |r| r.entries());
    Ok(resources.iter().all(|(_, resource)| {
        let kind = resource.get("Type").and_then(|t| t.as_str()).unwrap_or_default();
        !atoms::is_stateful(kind) || resource.get("DeletionPolicy").and_then(|p| p.as_str()) == Some("Retain")
    }))
}

/// What to do. `all_empty`: nothing that holds data can go with what is deleted.
fn remedy(phase: Phase, remaining: &[StackResource], all_empty: bool, choices: &Choices) -> (String, Remedy) {
    let Phase::Stuck(stuck) = phase else {
        return match phase {
            Phase::Moving => ("an operation is under way".to_owned(), Remedy::Wait),
            Phase::Unknown => (
                "this version of cellctl does not know the status".to_owned(),
                by_hand("look at the stack in the console"),
            ),
            _ => ("the stack is not stuck".to_owned(), Remedy::Nothing),
        };
    };
    let remedy = match stuck {
        Stuck::RollbackComplete | Stuck::Review => shell(remaining, all_empty),
        Stuck::CreateFailed => by_hand(
            "look at what the create has made (it is listed), keep what you need, then delete the stack in the console; \
             cellctl never deletes a stack in this state",
        ),
        Stuck::UpdateRollbackFailed => Remedy::ContinueRollback { skip: choices.skip.clone() },
        Stuck::UpdateFailed => Remedy::Rollback,
        // Nothing can be left behind by name in this state; the template's own policies have to do it.
        Stuck::RollbackFailed if all_empty => Remedy::DeleteAgain { retain: Vec::new() },
        Stuck::RollbackFailed => {
            by_hand("the template does not retain everything that holds data: delete the stack by hand")
        }
        Stuck::DeleteFailed => delete_again(remaining, choices),
    };
    (stuck.meaning().to_owned(), remedy)
}

fn by_hand(instructions: &str) -> Remedy {
    Remedy::Manual { instructions: instructions.to_owned() }
}

fn shell(remaining: &[StackResource], all_empty: bool) -> Remedy {
    if remaining.is_empty() || all_empty {
        return Remedy::DeleteShell { leftovers: remaining.iter().map(|r| r.logical_id.clone()).collect() };
    }
    let names: Vec<&str> = remaining.iter().map(|r| r.logical_id.as_str()).collect();
    by_hand(&format!("the stack still holds {}: delete or keep them by hand, then delete the stack", names.join(", ")))
}

/// A delete may go on only if what holds data is left behind.
fn delete_again(remaining: &[StackResource], choices: &Choices) -> Remedy {
    let data: Vec<String> = remaining
        .iter()
        .filter(|r| atoms::is_stateful(&r.resource_type) && !choices.retain.contains(&r.logical_id))
        .map(|r| r.logical_id.clone())
        .collect();
    if data.is_empty() {
        return Remedy::DeleteAgain { retain: choices.retain.clone() };
    }
    by_hand(&format!("{} may hold data: leave it behind with --retain {}", data.join(", "), data.join(",")))
}

/// Does what `look` said.
pub async fn carry_out(world: &World, recovery: &Recovery, claim: &Claim) -> Result<String, OpError> {
    if let Remedy::Manual { instructions } = &recovery.remedy {
        let message = format!("stack {} is in {}: {}", recovery.stack, recovery.status, recovery.meaning);
        return Err(OpError::new(ErrorKind::Refused, message).hint(instructions.clone()));
    }
    if recovery.remedy == Remedy::Nothing {
        return Ok(recovery.status.clone());
    }
    let lease = HeldLease::take(world.control.clone(), Arc::clone(&world.clock), claim).await?;
    let outcome = act(world, recovery, lease.lease().token).await;
    lease.release().await?;
    outcome
}

async fn act(world: &World, recovery: &Recovery, attempt: u64) -> Result<String, OpError> {
    let (place, id) = (&recovery.place, recovery.summary.id.as_str());
    refuse_changed(world, recovery).await?;
    let since_ms = world.clock.now_ms() - CLOCK_SLACK_MS;
    let attempt = attempt.to_string();
    let token = request_token(["recover", id, recovery.status.as_str(), attempt.as_str()]);
    match &recovery.remedy {
        Remedy::DeleteShell { .. } => {
            delete_leftovers(world, recovery).await?;
            world.stacks.protect(place, id, false).await?;
            world.stacks.delete(place, id, &[], &token).await?;
        }
        Remedy::DeleteAgain { retain } => {
            world.stacks.protect(place, id, false).await?;
            world.stacks.delete(place, id, retain, &token).await?;
        }
        Remedy::ContinueRollback { skip } => world.stacks.continue_rollback(place, id, skip, &token).await?,
        Remedy::Rollback => world.stacks.rollback(place, id, &token).await?,
        Remedy::Wait | Remedy::Nothing | Remedy::Manual { .. } => {}
    }
    let began = !matches!(recovery.remedy, Remedy::Wait);
    let wanted = Wanted {
        cell: recovery.cell.clone(),
        place: place.clone(),
        stack: recovery.summary.name.clone(),
        stack_id: id.to_owned(),
        before: began.then(|| Before::from(&recovery.summary)),
        token: Some(token),
        since_ms,
    };
    let summary = Poller::new(world.clone()).settled(wanted).await?;
    match summary.status.phase() {
        Phase::Complete | Phase::RolledBack | Phase::Gone => Ok(summary.status.to_string()),
        _ => Err(still_stuck(world, recovery, &summary, since_ms).await),
    }
}

/// Refuses to act on a stack that is no longer as the operator was told.
async fn refuse_changed(world: &World, recovery: &Recovery) -> Result<(), OpError> {
    let now = world.stacks.describe(&recovery.place, &recovery.summary.id).await?.map(|d| d.summary);
    let same = now
        .as_ref()
        .is_some_and(|s| s.status == recovery.summary.status && s.changed_at_ms == recovery.summary.changed_at_ms);
    if same || recovery.remedy == Remedy::Wait {
        return Ok(());
    }
    let message = format!("stack {} has changed since it was looked at; nothing was done", recovery.stack);
    Err(OpError::new(ErrorKind::Stale, message).hint("run the same command again"))
}

/// Deletes what a failed create has left behind, each after one more look at whether it is empty.
async fn delete_leftovers(world: &World, recovery: &Recovery) -> Result<(), OpError> {
    for left in &recovery.remaining {
        let (kind, id) = (&left.resource_type, &left.physical_id);
        match world.atoms.content(&recovery.place, kind, id).await? {
            Content::Gone => {}
            Content::Empty => world.atoms.delete_leftover(&recovery.place, kind, id).await?,
            Content::Perhaps => {
                let message = format!("{} ({id}) is not empty any more; nothing else was deleted", left.logical_id);
                return Err(
                    OpError::new(ErrorKind::Refused, message).hint("look at what is in it before anything else")
                );
            }
        }
    }
    Ok(())
}

async fn still_stuck(world: &World, recovery: &Recovery, summary: &StackSummary, since_ms: i64) -> OpError {
    let events = world.stacks.events(&recovery.place, &summary.id, since_ms).await.unwrap_or_default();
    let failed = failures(&summary.name, &events, &RECOVERY_STARTS);
    let cause = failed.first().map(|e| e.cause());
    let why = summary.why(cause);
    let names: Vec<&str> = failed.iter().map(|e| e.logical_id.as_str()).collect();
    let option = if matches!(recovery.remedy, Remedy::ContinueRollback { .. }) { "--skip" } else { "--retain" };
    let hint = if names.is_empty() {
        format!("remove the cause, then run `cellctl cell recover {}` again", recovery.cell)
    } else {
        format!("remove the cause and run it again, or leave the resource as it is: {option} {}", names.join(","))
    };
    OpError::new(
        ErrorKind::RollbackFailed,
        format!("stack {} is still stuck, in {}: {why}", recovery.stack, summary.status),
    )
    .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(name: &str, kind: &str) -> StackResource {
        StackResource {
            logical_id: name.to_owned(),
            physical_id: name.to_lowercase(),
            resource_type: kind.to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
        }
    }

    #[test]
    fn nothing_that_holds_data_is_deleted() {
        let table = [resource("Orders", "AWS::DynamoDB::Table")];
        let choices = Choices::default();
        for stuck in
            [Stuck::RollbackComplete, Stuck::Review, Stuck::RollbackFailed, Stuck::DeleteFailed, Stuck::CreateFailed]
        {
            let (_, remedy) = remedy(Phase::Stuck(stuck), &table, false, &choices);
            assert!(matches!(remedy, Remedy::Manual { .. }), "{stuck:?}: {remedy:?}");
        }
        let named = Choices { retain: vec!["Orders".to_owned()], ..Choices::default() };
        let (_, remedy) = remedy(Phase::Stuck(Stuck::DeleteFailed), &table, false, &named);
        assert_eq!(remedy, Remedy::DeleteAgain { retain: vec!["Orders".to_owned()] });
    }

    #[test]
    fn empty_leftovers_of_a_failed_create_go_with_the_shell() {
        let table = [resource("Orders", "AWS::DynamoDB::Table")];
        let (_, remedy) = remedy(Phase::Stuck(Stuck::RollbackComplete), &table, true, &Choices::default());
        assert_eq!(remedy, Remedy::DeleteShell { leftovers: vec!["Orders".to_owned()] });
    }

    #[test]
    fn each_state_has_its_remedy() {
        let choices = Choices { skip: vec!["Queue".to_owned()], ..Choices::default() };
        let of = |stuck| remedy(Phase::Stuck(stuck), &[], true, &choices).1;
        let shell = Remedy::DeleteShell { leftovers: Vec::new() };
        assert_eq!(of(Stuck::RollbackComplete), shell);
        assert_eq!(of(Stuck::Review), shell);
        assert_eq!(of(Stuck::UpdateFailed), Remedy::Rollback);
        assert_eq!(of(Stuck::UpdateRollbackFailed), Remedy::ContinueRollback { skip: vec!["Queue".to_owned()] });
        assert!(matches!(of(Stuck::CreateFailed), Remedy::Manual { .. }));
        assert_eq!(remedy(Phase::Complete, &[], true, &choices).1, Remedy::Nothing);
        assert_eq!(remedy(Phase::Moving, &[], true, &choices).1, Remedy::Wait);
    }
}
