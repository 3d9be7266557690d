//! Making, executing and deleting change sets.
//!
//! Owns: when each of the three is allowed. Constraint kept: a change set is bound to the state of the stack that it
//! was made from; any other change of the stack makes it obsolete.

use std::sync::Arc;
use std::time::Duration;

use super::super::changeset::{ChangeSet, Fortune};
use super::super::diff::{self, Action, Change};
use super::super::errors::Refusal;
use super::super::items::Item;
use super::super::life;
use super::super::query::Request;
use super::super::script::OnFailure;
use super::super::state::{Facts, View};
use super::super::template::Template;
use super::super::world::{World, uuid};
use super::super::xml::leaf;
use super::stacks::{Update, begin_create, begin_update, changes, check_name, check_room, check_updatable};
use super::{Answer, input};

/// What the service says of a change set without changes.
const NO_CHANGES: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";
/// What it says where the template has a transform.
const NO_UPDATES: &str = "No updates are to be performed.";

pub(super) fn create(world: &mut World, request: &Request, now: Duration) -> Answer {
    let (stack, name) = (request.require("StackName")?, request.require("ChangeSetName")?);
    let kind = request.get("ChangeSetType").unwrap_or("UPDATE");
    let found = world.find(&request.caller, stack, now);
    let view = found.map(|index| world.view(index, now)).transpose()?;
    check_stack(world, request, kind, found, view.as_ref(), now)?;
    let taken = found.is_some_and(|index| world.stacks[index].change_sets.iter().any(|set| set.name == name));
    if taken {
        return Err(Refusal::new("AlreadyExistsException", format!("ChangeSet {name} already exists")));
    }
    let previous = view.as_ref().filter(|view| view.status != "REVIEW_IN_PROGRESS");
    let facts = Arc::new(input::facts(world, request, previous.map(|view| &*view.facts))?);
    let (index, previous) = match (found, previous) {
        (Some(index), previous) => (index, previous),
        (None, _) => (review(world, request, stack, now), None),
    };
    let set = change_set(world, request, index, previous, facts, now)?;
    let ids = [leaf("Id", &set.id), leaf("StackId", &world.stacks[index].identity.id)];
    world.stacks[index].change_sets.push(set);
    Ok(ids.into())
}

fn check_stack(
    world: &World,
    request: &Request,
    kind: &str,
    found: Option<usize>,
    view: Option<&View>,
    now: Duration,
) -> Result<(), Refusal> {
    let (stack, name) = (request.require("StackName")?, request.require("ChangeSetName")?);
    match (kind, found.zip(view)) {
        ("CREATE", Some((_, view))) if view.status != "REVIEW_IN_PROGRESS" => Err(Refusal::validation(format!(
            "Stack [{stack}] already exists and cannot be created again with the changeSet [{name}]."
        ))),
        ("CREATE" | "IMPORT", None) => check_name(stack).and_then(|()| check_room(world, request, now)),
        ("UPDATE", None) => Err(Refusal::no_stack(stack)),
        ("CREATE" | "IMPORT", Some((_, view))) if view.status == "REVIEW_IN_PROGRESS" => Ok(()),
        ("UPDATE" | "IMPORT", Some((index, view))) => check_updatable(world, index, view),
        _ => {
            let rule = "Member must satisfy enum value set: [IMPORT, UPDATE, CREATE]";
            Err(Refusal::constraint(&format!("'{kind}'"), "changeSetType", rule))
        }
    }
}

/// A stack that is there to be looked at only.
fn review(world: &mut World, request: &Request, name: &str, now: Duration) -> usize {
    let index = world.add(&request.caller, name);
    let nothing = Facts {
        template: Arc::new(Template::opaque("")),
        parameters: std::collections::BTreeMap::new(),
        tags: std::collections::BTreeMap::new(),
        capabilities: Vec::new(),
        role: None,
        notifications: Vec::new(),
        outputs: None,
    };
    let step = life::with_facts(life::stack("REVIEW_IN_PROGRESS", Some("User Initiated")), &Arc::new(nothing));
    world.stacks[index].begin(vec![step], now, Duration::ZERO, request.get("ClientToken"));
    index
}

fn change_set(
    world: &World,
    request: &Request,
    index: usize,
    previous: Option<&View>,
    facts: Arc<Facts>,
    now: Duration,
) -> Result<ChangeSet, Refusal> {
    let imports = imports(request, &facts);
    let (changes, failure) = compare(world, index, previous, &facts)?;
    let (name, stack) = (request.require("ChangeSetName")?, &world.stacks[index].identity);
    let unique = uuid(&[&stack.id, name, &world.stacks[index].change_sets.len().to_string(), &format!("{now:?}")]);
    let (region, account) = (&stack.caller.region, &stack.caller.account);
    let imported = |change: &Change| imports.iter().any(|item| item.logical == change.logical);
    let marked = |change: Change| if imported(&change) { Change { action: Action::Import, ..change } } else { change };
    Ok(ChangeSet {
        name: name.to_owned(),
        id: format!("arn:aws:cloudformation:{region}:{account}:changeSet/{name}/{unique}"),
        description: request.get("Description").map(str::to_owned),
        created: now,
        ready: now + world.settings.change_set_time,
        failure,
        changes: changes.into_iter().map(marked).collect(),
        facts,
        imports,
        on_failure: request.get("OnStackFailure").map(|word| match word {
            "DELETE" => OnFailure::Delete,
            "DO_NOTHING" => OnFailure::DoNothing,
            _ => OnFailure::Rollback,
        }),
        fortune: Fortune::Waiting,
    })
}

/// The changes, and why there is nothing to be done about them; `previous` is the stack, if there is more than a name.
fn compare(
    world: &World,
    index: usize,
    previous: Option<&View>,
    facts: &Facts,
) -> Result<(Vec<Change>, Option<&'static str>), Refusal> {
    let Some(view) = previous else {
        return Ok((facts.template.resources.iter().map(|r| Change::of(Action::Add, r)).collect(), None));
    };
    let changes = changes(world, index, view, facts)?;
    let is_same = diff::is_same(&view.facts, facts, &changes) && view.status != "CREATE_FAILED";
    let text = if facts.template.transforms.is_empty() { NO_CHANGES } else { NO_UPDATES };
    Ok((changes, is_same.then_some(text)))
}

/// Existing resources that the request names; the first value of an identifier is the physical id.
fn imports(request: &Request, facts: &Facts) -> Vec<Item> {
    let named = request.structs("ResourcesToImport").into_iter().filter_map(|fields| {
        let resource = facts.template.resource(fields.get("LogicalResourceId")?)?;
        let physical = fields.get("ResourceIdentifier.entry.1.value");
        Some(Item {
            logical: Arc::clone(&resource.logical),
            kind: Arc::clone(&resource.kind),
            physical: (*physical?).into(),
            retain: resource.retain,
            retain_new: resource.retain_new,
        })
    });
    named.collect()
}

/// Finds a change set by ARN, or by name and stack.
pub(super) fn locate(world: &World, request: &Request, now: Duration) -> Result<(usize, usize), Refusal> {
    let name = request.require("ChangeSetName")?;
    if name.starts_with("arn:") {
        let place = world.stacks.iter().enumerate().find_map(|(index, stack)| {
            let own = stack.identity.caller == request.caller;
            stack.change_sets.iter().position(|set| own && set.id == name).map(|at| (index, at))
        });
        return place.ok_or_else(|| Refusal::no_change_set(name));
    }
    let stack = request.get("StackName").ok_or_else(|| {
        Refusal::validation("StackName must be specified if ChangeSetName is not specified as an ARN.")
    })?;
    let index = world.find(&request.caller, stack, now).ok_or_else(|| Refusal::no_stack(stack))?;
    let sets = world.stacks[index].change_sets.iter();
    let at = sets.enumerate().rev().find(|(_, set)| set.name == name && set.fortune != Fortune::Executed);
    at.map(|(at, _)| (index, at)).ok_or_else(|| Refusal::no_change_set(name))
}

pub(super) fn execute(world: &mut World, request: &Request, now: Duration) -> Answer {
    let (index, at) = locate(world, request, now)?;
    let view = world.view(index, now)?;
    let set = &world.stacks[index].change_sets[at];
    check_executable(set, &view, now)?;
    if view.status != "REVIEW_IN_PROGRESS" {
        check_updatable(world, index, &view)?;
    }
    let (facts, changes, on_failure) = (Arc::clone(&set.facts), set.changes.clone(), set.on_failure);
    let imports = set.imports.clone();
    for (other, set) in world.stacks[index].change_sets.iter_mut().enumerate() {
        set.fortune = if other == at { Fortune::Executed } else { Fortune::Obsolete };
    }
    let disabled = request.flag("DisableRollback") || on_failure == Some(OnFailure::DoNothing);
    let token = request.get("ClientRequestToken");
    if !imports.is_empty() {
        world.begin(index, life::import(&facts, &imports), now, token);
    } else if view.status == "REVIEW_IN_PROGRESS" {
        let on_failure = if disabled { OnFailure::DoNothing } else { on_failure.unwrap_or(OnFailure::Rollback) };
        begin_create(world, index, &facts, on_failure, now, token);
    } else {
        begin_update(world, index, &view, Update { facts, changes, rollback_disabled: disabled }, now, token);
    }
    Ok(Vec::new())
}

fn check_executable(set: &ChangeSet, view: &View, now: Duration) -> Result<(), Refusal> {
    let (status, execution) = (set.status(now), set.execution(now, view.status));
    let text = match (status, execution) {
        ("CREATE_COMPLETE", "AVAILABLE") => return Ok(()),
        ("CREATE_COMPLETE", other) => format!("execution status of [{other}]"),
        (other, _) => format!("status of [{other}]"),
    };
    let message = format!("ChangeSet [{}] cannot be executed in its current {text}", set.id);
    Err(Refusal::new("InvalidChangeSetStatus", message))
}

pub(super) fn delete(world: &mut World, request: &Request, now: Duration) -> Answer {
    match locate(world, request, now) {
        Ok((index, at)) => {
            world.stacks[index].change_sets.remove(at);
            Ok(Vec::new())
        }
        // Deleting what is not there is not an error, unless the stack is not there either.
        Err(refusal) if refusal.code == "ChangeSetNotFound" => Ok(Vec::new()),
        Err(refusal) => Err(refusal),
    }
}
