//! Creating, updating and deleting stacks.
//!
//! Owns: when each of the three is allowed, and what it sets going.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::changeset::Fortune;
use super::super::diff::{self, Action, Change};
use super::super::errors::{ErrorKind, Refusal};
use super::super::items::{self, Item, Touched};
use super::super::life;
use super::super::query::Request;
use super::super::script::{Fate, OnFailure, Operation};
use super::super::state::{Facts, Identity, View};
use super::super::world::World;
use super::super::xml::leaf;
use super::{Answer, existing, input};

pub(super) fn create(world: &mut World, request: &Request, now: Duration) -> Answer {
    let name = request.require("StackName")?;
    check_name(name)?;
    if world.find(&request.caller, name, now).is_some() {
        return Err(Refusal::new("AlreadyExistsException", format!("Stack [{name}] already exists")));
    }
    check_room(world, request, now)?;
    let facts = Arc::new(input::facts(world, request, None)?);
    let on_failure = on_failure(request)?;
    let index = world.add(&request.caller, name);
    world.stacks[index].protected = request.flag("EnableTerminationProtection");
    world.stacks[index].policy = request.get("StackPolicyBody").map(str::to_owned);
    begin_create(world, index, &facts, on_failure, now, request.get("ClientRequestToken"));
    Ok(vec![leaf("StackId", &world.stacks[index].identity.id)])
}

/// Sets the creation of a stack going.
pub(super) fn begin_create(
    world: &mut World,
    index: usize,
    facts: &Arc<Facts>,
    on_failure: OnFailure,
    now: Duration,
    token: Option<&str>,
) {
    let fate = world.take_fate(index, Operation::Create);
    let stack = &mut world.stacks[index];
    stack.rollback_disabled = on_failure == OnFailure::DoNothing;
    let items = items::of_template(facts, &stack.identity, stack.generation);
    world.begin(index, life::create(facts, &items, fate, on_failure), now, token);
}

/// The form of a stack's name (API reference, `CreateStack`).
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    const PATTERN: &str = "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*";
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match valid {
        true if name.len() > 128 => Err(Refusal::validation("Stack name must be at most 128 characters long.")),
        true => Ok(()),
        false => Err(Refusal::constraint(&format!("'{name}'"), "stackName", PATTERN)),
    }
}

/// Whether the account may have one stack more.
pub(super) fn check_room(world: &World, request: &Request, now: Duration) -> Result<(), Refusal> {
    if world.settings.stacks_max < usize::MAX && world.count_of(&request.caller, now) >= world.settings.stacks_max {
        return Err(ErrorKind::LimitExceeded.refusal(request));
    }
    Ok(())
}

fn on_failure(request: &Request) -> Result<OnFailure, Refusal> {
    match (request.get("OnFailure"), request.get("DisableRollback")) {
        (Some(_), Some(_)) => Err(Refusal::validation("You may not specify both OnFailure and DisableRollback.")),
        (Some("DO_NOTHING"), _) | (_, Some("true")) => Ok(OnFailure::DoNothing),
        (Some("DELETE"), _) => Ok(OnFailure::Delete),
        _ => Ok(OnFailure::Rollback),
    }
}

pub(super) fn update(world: &mut World, request: &Request, now: Duration) -> Answer {
    let index = existing(world, request, now)?;
    let view = world.view(index, now)?;
    check_updatable(world, index, &view)?;
    let facts = Arc::new(input::facts(world, request, Some(&view.facts))?);
    let changes = changes(world, index, &view, &facts)?;
    if diff::is_same(&view.facts, &facts, &changes) && view.status != "CREATE_FAILED" {
        return Err(Refusal::validation("No updates are to be performed."));
    }
    if let Some(policy) = request.get("StackPolicyBody") {
        world.stacks[index].policy = Some(policy.to_owned());
    }
    let token = request.get("ClientRequestToken");
    let order = Update { facts, changes, rollback_disabled: request.flag("DisableRollback") };
    begin_update(world, index, &view, order, now, token);
    Ok(vec![leaf("StackId", &world.stacks[index].identity.id)])
}

/// The statuses from which a stack can be updated ("Stack status codes" and "Stack failure options").
pub(super) fn check_updatable(world: &World, index: usize, view: &View) -> Result<(), Refusal> {
    match view.status {
        "CREATE_COMPLETE"
        | "UPDATE_COMPLETE"
        | "UPDATE_ROLLBACK_COMPLETE"
        | "IMPORT_COMPLETE"
        | "IMPORT_ROLLBACK_COMPLETE"
        | "CREATE_FAILED"
        | "UPDATE_FAILED" => Ok(()),
        status => Err(Refusal::wrong_state(&world.stacks[index].identity.id, status, "updated")),
    }
}

/// What would change, with the replacements that the script dictates.
pub(super) fn changes(world: &World, index: usize, view: &View, facts: &Facts) -> Result<Vec<Change>, Refusal> {
    let none = BTreeMap::new();
    let dictated = world.settings.replacements.get(&world.stacks[index].identity.name).unwrap_or(&none);
    diff::changes(&view.facts, facts, dictated)
}

/// What an update shall do.
pub(super) struct Update {
    /// What the stack shall be.
    pub(super) facts: Arc<Facts>,
    /// How that differs from what it is.
    pub(super) changes: Vec<Change>,
    /// Whether a failure leaves everything as it is then.
    pub(super) rollback_disabled: bool,
}

/// Sets an update going.
pub(super) fn begin_update(
    world: &mut World,
    index: usize,
    view: &View,
    order: Update,
    now: Duration,
    token: Option<&str>,
) {
    let Update { facts, changes, rollback_disabled } = order;
    let fate = world.take_fate(index, Operation::Update);
    let stack = &mut world.stacks[index];
    stack.rollback_disabled = rollback_disabled;
    for set in stack.change_sets.iter_mut().filter(|set| set.fortune == Fortune::Waiting) {
        set.fortune = Fortune::Obsolete;
    }
    // A stack that failed before goes back to where it was before that, not to where it is.
    let is_stable = !matches!(view.status, "UPDATE_FAILED");
    let baseline = match &stack.baseline {
        Some(known) if !is_stable => Arc::clone(known),
        _ => Arc::new(view.clone()),
    };
    let plan = plan(view, &facts, changes, &stack.identity, stack.generation);
    stack.baseline = Some(Arc::clone(&baseline));
    let steps = life::update(&facts, &baseline.facts, &plan, fate, rollback_disabled);
    world.begin(index, steps, now, token);
}

/// Changes with the items that they touch. What the template had and the stack never got is made now.
fn plan(
    view: &View,
    facts: &Facts,
    mut changes: Vec<Change>,
    stack: &Identity,
    generation: u32,
) -> Vec<(Change, Touched)> {
    let present = items::present(view);
    let old = |change: &Change| present.iter().find(|item| item.logical == change.logical).cloned();
    for resource in &facts.template.resources {
        let is_there = present.iter().any(|item| item.logical == resource.logical);
        if !is_there && !changes.iter().any(|change| change.logical == resource.logical) {
            changes.push(Change::of(Action::Add, resource));
        }
    }
    let touched = |change: Change| {
        let old = old(&change);
        let new = match (facts.template.resource(&change.logical), &old) {
            (None, Some(old)) => old.clone(),
            (None, None) => return None,
            (Some(resource), old) => {
                let made = items::new_item(resource, facts, stack, generation);
                match old {
                    Some(old) if change.replacement != Some("True") => {
                        Item { physical: Arc::clone(&old.physical), ..made }
                    }
                    _ => made,
                }
            }
        };
        Some((change, Touched { new, old }))
    };
    changes.into_iter().filter_map(touched).collect()
}

pub(super) fn delete(world: &mut World, request: &Request, now: Duration) -> Answer {
    let name = request.require("StackName")?;
    let Some(index) = world.find(&request.caller, name, now) else { return Ok(Vec::new()) };
    let view = world.view(index, now)?;
    if matches!(view.status, "DELETE_COMPLETE" | "DELETE_IN_PROGRESS") {
        return Ok(Vec::new());
    }
    let retained = request.list("RetainResources");
    check_deletable(world, index, &view, &retained)?;
    let token = request.get("ClientRequestToken");
    if view.status == "REVIEW_IN_PROGRESS" {
        world.stacks[index].begin(vec![life::stack("DELETE_COMPLETE", None)], now, Duration::ZERO, token);
        return Ok(Vec::new());
    }
    let items = items::present(&view);
    let fate = world.take_fate(index, Operation::Delete).map(|fate: Fate| fate.failure());
    let steps = life::delete(&items, |item| item.retain || retained.contains(&&*item.logical), fate);
    world.begin(index, steps, now, token);
    Ok(Vec::new())
}

fn check_deletable(world: &World, index: usize, view: &View, retained: &[&str]) -> Result<(), Refusal> {
    let stack = &world.stacks[index];
    let (name, id, status) = (&stack.identity.name, &stack.identity.id, view.status);
    if stack.protected {
        let text = format!("Stack [{name}] cannot be deleted while TerminationProtection is enabled");
        return Err(Refusal::validation(text));
    }
    let running = status.starts_with("UPDATE") || status.starts_with("IMPORT");
    if running && status.ends_with("IN_PROGRESS") {
        return Err(Refusal::validation(format!("Stack [{id}] cannot be deleted while in status {status}")));
    }
    if !retained.is_empty() && status != "DELETE_FAILED" {
        return Err(Refusal::validation(format!(
            "Invalid operation on stack [{id}]. RetainResources is only allowed on stacks in DELETE_FAILED state"
        )));
    }
    Ok(())
}
