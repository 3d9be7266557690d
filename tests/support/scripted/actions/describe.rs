//! Showing stacks and their resources.
//!
//! Owns: `DescribeStacks`, `ListStacks`, `DescribeStackResources` and `ListStackResources`. Constraint kept: newest
//! stacks first, a page at a time; a list of all leaves deleted stacks out where the service does.

use std::time::Duration;

use super::super::clock::Clock;
use super::super::errors::Refusal;
use super::super::query::Request;
use super::super::state::{Atom, Stack, View};
use super::super::world::World;
use super::super::xml::{Element, leaf, list as members, maybe, node, texts};
use super::{Answer, next_token, page, pairs, readable, start_of};

pub(super) fn stacks(world: &World, request: &Request, now: Duration) -> Answer {
    if request.get("StackName").is_some() {
        let index = readable(world, request, now)?;
        return Ok(vec![members("Stacks", [stack(world, index, now)?])]);
    }
    let page = numbered(world, request, |stack| stack.status(now) != "DELETE_COMPLETE")?;
    let shown = page.entries.into_iter().map(|index| stack(world, index, now)).collect::<Result<Vec<_>, _>>()?;
    Ok([members("Stacks", shown)].into_iter().chain(next_token(page.next)).collect())
}

pub(super) fn list(world: &World, request: &Request, now: Duration) -> Answer {
    let wanted = request.list("StackStatusFilter");
    let page = numbered(world, request, |stack| wanted.is_empty() || wanted.contains(&stack.status(now)))?;
    let shown = page.entries.into_iter().map(|index| summary(world, index, now)).collect::<Result<Vec<_>, _>>()?;
    Ok([members("StackSummaries", shown)].into_iter().chain(next_token(page.next)).collect())
}

/// One page of the caller's stacks, newest first.
fn numbered(world: &World, request: &Request, wanted: impl Fn(&Stack) -> bool) -> Result<super::Page<usize>, Refusal> {
    let below = start_of(request)?.map_or(world.stacks.len(), |number| world.stacks.len().min(number + 1));
    let stacks = world.stacks[..below].iter().enumerate().rev();
    let own = stacks.filter(|(_, stack)| stack.identity.caller == request.caller && wanted(stack));
    Ok(page(own.map(|(index, _)| (index, index)), world.settings.page_size))
}

fn stack(world: &World, index: usize, now: Duration) -> Result<Vec<Element>, Refusal> {
    let stack = &world.stacks[index];
    let view = world.view(index, now)?;
    let executed = stack.change_sets.iter().rev().find(|set| set.fortune == super::super::changeset::Fortune::Executed);
    let mut shown = head(&world.clock, stack, &view);
    shown.extend(maybe("ChangeSetId", executed.map(|set| &set.id)));
    shown.extend(maybe("Description", view.facts.template.description.as_ref()));
    shown.push(parameters(&view));
    shown.push(leaf("DisableRollback", stack.rollback_disabled));
    shown.push(leaf("EnableTerminationProtection", stack.protected));
    shown.push(texts("NotificationARNs", &view.facts.notifications));
    shown.push(texts("Capabilities", &view.facts.capabilities));
    shown.push(outputs(stack, &view));
    shown.extend(maybe("RoleARN", view.facts.role.as_ref()));
    shown.push(pairs("Tags", ["Key", "Value"], &view.facts.tags));
    shown.push(node("RollbackConfiguration", Vec::new()));
    Ok(shown)
}

fn summary(world: &World, index: usize, now: Duration) -> Result<Vec<Element>, Refusal> {
    let view = world.view(index, now)?;
    let mut shown = head(&world.clock, &world.stacks[index], &view);
    shown.extend(maybe("TemplateDescription", view.facts.template.description.as_ref()));
    Ok(shown)
}

/// What both forms have.
fn head(clock: &Clock, stack: &Stack, view: &View) -> Vec<Element> {
    let mut shown = vec![
        leaf("StackId", &stack.identity.id),
        leaf("StackName", &stack.identity.name),
        leaf("CreationTime", clock.stamp(stack.created())),
        leaf("StackStatus", view.status),
    ];
    shown.extend(maybe("LastUpdatedTime", view.updated.map(|at| clock.stamp(at))));
    shown.extend(maybe("DeletionTime", view.deleted.map(|at| clock.stamp(at))));
    shown.extend(maybe("StackStatusReason", view.reason.as_ref()));
    shown.push(drift(clock, stack));
    shown
}

fn drift(clock: &Clock, stack: &Stack) -> Element {
    let status = match stack.drift_checked {
        None => "NOT_CHECKED",
        Some(_) if stack.drifts.is_empty() => "IN_SYNC",
        Some(_) => "DRIFTED",
    };
    let checked = maybe("LastCheckTimestamp", stack.drift_checked.map(|at| clock.stamp(at)));
    node("DriftInformation", [leaf("StackDriftStatus", status)].into_iter().chain(checked).collect())
}

fn parameters(view: &View) -> Element {
    let hidden = |name: &str| view.facts.template.parameters.iter().any(|p| p.name == name && p.no_echo);
    let shown = view.facts.parameters.iter().map(|(name, value)| {
        let value = if hidden(name) { "****" } else { value };
        vec![leaf("ParameterKey", name), leaf("ParameterValue", value)]
    });
    members("Parameters", shown)
}

fn outputs(stack: &Stack, view: &View) -> Element {
    let about = |name: &str, key: &str| {
        let found = view.facts.template.outputs.iter().find(|(output, _)| output == name);
        found.and_then(|(_, node)| node.get(key)).and_then(|node| node.as_str()).map(str::to_owned)
    };
    let shown = view.outputs(&stack.identity).into_iter().map(|(name, value)| {
        let description = maybe("Description", about(&name, "Description"));
        let required = [leaf("OutputKey", &name), leaf("OutputValue", value)];
        required.into_iter().chain(description).collect()
    });
    members("Outputs", shown)
}

pub(super) fn resources(world: &World, request: &Request, now: Duration) -> Answer {
    let index = readable(world, request, now)?;
    let view = world.view(index, now)?;
    let wanted = request.get("LogicalResourceId");
    let stack = &world.stacks[index].identity;
    let shown = view.resources.iter().filter(|atom| wanted.is_none_or(|name| name == &*atom.logical)).map(|atom| {
        let mut shown = vec![leaf("StackName", &stack.name), leaf("StackId", &stack.id)];
        shown.extend(resource(&world.clock, atom, "Timestamp"));
        shown
    });
    Ok(vec![members("StackResources", shown)])
}

pub(super) fn list_resources(world: &World, request: &Request, now: Duration) -> Answer {
    let index = readable(world, request, now)?;
    let view = world.view(index, now)?;
    let start = start_of(request)?.unwrap_or(0);
    let page = page(view.resources.iter().enumerate().skip(start), world.settings.page_size);
    let shown = page.entries.into_iter().map(|atom| resource(&world.clock, atom, "LastUpdatedTimestamp"));
    Ok([members("StackResourceSummaries", shown)].into_iter().chain(next_token(page.next)).collect())
}

fn resource(clock: &Clock, atom: &Atom, time: &str) -> Vec<Element> {
    let mut shown = vec![leaf("LogicalResourceId", &atom.logical), leaf("ResourceType", &atom.kind)];
    shown.extend(maybe("PhysicalResourceId", atom.physical.as_ref()));
    shown.push(leaf(time, clock.stamp(atom.at)));
    shown.push(leaf("ResourceStatus", atom.status));
    shown.extend(maybe("ResourceStatusReason", atom.reason.as_ref()));
    shown.push(node("DriftInformation", vec![leaf("StackResourceDriftStatus", "NOT_CHECKED")]));
    shown
}
