//! Getting stacks out of the states in which they are stuck.
//!
//! Owns: `ContinueUpdateRollback`, `RollbackStack` and `CancelUpdateStack`.

use std::sync::Arc;
use std::time::Duration;

use super::super::errors::Refusal;
use super::super::items::{self, Item};
use super::super::life;
use super::super::query::Request;
use super::super::script::Operation;
use super::super::state::{Step, View};
use super::super::world::World;
use super::super::xml::leaf;
use super::{Answer, existing};

pub(super) fn continue_rollback(world: &mut World, request: &Request, now: Duration) -> Answer {
    let index = existing(world, request, now)?;
    let view = world.view(index, now)?;
    if view.status != "UPDATE_ROLLBACK_FAILED" {
        let id = &world.stacks[index].identity.id;
        return Err(Refusal::wrong_state(id, view.status, "continue rollback"));
    }
    let skip = request.list("ResourcesToSkip");
    check_skipped(&view, &skip)?;
    let steps = back_to_baseline(world, index, &view, &skip, "User Initiated");
    world.begin(index, steps, now, request.get("ClientRequestToken"));
    Ok(Vec::new())
}

/// Only resources that failed to roll back can be skipped.
fn check_skipped(view: &View, skip: &[&str]) -> Result<(), Refusal> {
    let failed = |name: &&&str| view.atom(name).is_some_and(|atom| atom.status == "UPDATE_FAILED");
    let wrong: Vec<&str> = skip.iter().filter(|name| !failed(name)).copied().collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let names = wrong.join(", ");
    Err(Refusal::validation(format!("The following resources to skip are not in UPDATE_FAILED state: [{names}]")))
}

pub(super) fn roll_back(world: &mut World, request: &Request, now: Duration) -> Answer {
    let index = existing(world, request, now)?;
    let view = world.view(index, now)?;
    let steps = match view.status {
        "CREATE_FAILED" => {
            let stuck = world.take_fate(index, Operation::Continue).map(|fate| fate.failure());
            let made: Vec<Item> = items::present(&view);
            life::roll_back_create(&made, stuck, "Rollback requested by user.")
        }
        "UPDATE_FAILED" => back_to_baseline(world, index, &view, &[], "Rollback requested by user."),
        status => return Err(Refusal::wrong_state(&world.stacks[index].identity.id, status, "rolled back")),
    };
    world.begin(index, steps, now, request.get("ClientRequestToken"));
    Ok(vec![leaf("StackId", &world.stacks[index].identity.id)])
}

pub(super) fn cancel_update(world: &mut World, request: &Request, now: Duration) -> Answer {
    let index = existing(world, request, now)?;
    let view = world.view(index, now)?;
    if view.status != "UPDATE_IN_PROGRESS" {
        return Err(Refusal::validation("CancelUpdateStack cannot be called from current stack status"));
    }
    let steps = back_to_baseline(world, index, &view, &[], "User Initiated");
    world.begin(index, steps, now, request.get("ClientRequestToken"));
    Ok(Vec::new())
}

fn back_to_baseline(world: &mut World, index: usize, view: &View, skip: &[&str], reason: &str) -> Vec<Step> {
    let stuck = world.take_fate(index, Operation::Continue).map(|fate| fate.failure());
    let baseline = world.stacks[index].baseline.clone().unwrap_or_else(|| Arc::new(view.clone()));
    let touched = items::touched_since(&baseline, view);
    life::roll_back_update(&touched, &baseline.facts, stuck, skip, reason)
}
