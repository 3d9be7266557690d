//! Showing change sets.
//!
//! Owns: `DescribeChangeSet` and `ListChangeSets`.

use std::time::Duration;

use super::super::changeset::{ChangeSet, Fortune};
use super::super::diff::{Action, Change, Detail};
use super::super::query::Request;
use super::super::state::{Identity, View};
use super::super::world::World;
use super::super::xml::{Element, leaf, list as members, maybe, node, texts};
use super::{Answer, existing, next_token, page, pairs, start_of};

pub(super) fn describe(world: &World, request: &Request, now: Duration) -> Answer {
    let (index, at) = super::change_sets::locate(world, request, now)?;
    let view = world.view(index, now)?;
    let stack = &world.stacks[index];
    let set = &stack.change_sets[at];
    let mut shown = head(world, set, &stack.identity, view.status, now);
    shown.push(pairs("Parameters", ["ParameterKey", "ParameterValue"], &set.facts.parameters));
    shown.push(pairs("Tags", ["Key", "Value"], &set.facts.tags));
    shown.push(texts("Capabilities", &set.facts.capabilities));
    if set.status(now) == "CREATE_COMPLETE" {
        let start = start_of(request)?.unwrap_or(0);
        let page = page(set.changes.iter().enumerate().skip(start), world.settings.page_size);
        shown.push(members("Changes", page.entries.into_iter().map(|entry| change(entry, &view))));
        shown.extend(next_token(page.next));
    }
    Ok(shown)
}

pub(super) fn list(world: &World, request: &Request, now: Duration) -> Answer {
    let index = existing(world, request, now)?;
    let stack = &world.stacks[index];
    let start = start_of(request)?.unwrap_or(0);
    let waiting = stack.change_sets.iter().enumerate().filter(|(_, set)| set.fortune != Fortune::Executed);
    let page = page(waiting.skip_while(|(number, _)| *number < start), world.settings.page_size);
    let status = stack.status(now);
    let shown = page.entries.into_iter().map(|set| head(world, set, &stack.identity, status, now));
    Ok([members("Summaries", shown)].into_iter().chain(next_token(page.next)).collect())
}

fn head(world: &World, set: &ChangeSet, stack: &Identity, stack_status: &str, now: Duration) -> Vec<Element> {
    let mut shown = vec![
        leaf("ChangeSetName", &set.name),
        leaf("ChangeSetId", &set.id),
        leaf("StackId", &stack.id),
        leaf("StackName", &stack.name),
        leaf("CreationTime", world.clock.stamp(set.created)),
        leaf("Status", set.status(now)),
        leaf("ExecutionStatus", set.execution(now, stack_status)),
    ];
    shown.extend(maybe("Description", set.description.as_ref()));
    shown.extend(maybe("StatusReason", set.reason(now)));
    shown
}

fn change(change: &Change, view: &View) -> Vec<Element> {
    let physical = view.atom(&change.logical).and_then(|atom| atom.physical.as_ref());
    let mut shown = vec![
        leaf("Action", change.action.as_str()),
        leaf("LogicalResourceId", &change.logical),
        leaf("ResourceType", &change.kind),
        texts("Scope", change.scope()),
        members("Details", change.details.iter().map(detail)),
    ];
    shown.extend(maybe("PhysicalResourceId", physical.filter(|_| change.action != Action::Add)));
    shown.extend(maybe("Replacement", change.replacement));
    vec![leaf("Type", "Resource"), node("ResourceChange", shown)]
}

/// A change that comes from a reference is known for certain only when the resource referred to has changed.
fn detail(detail: &Detail) -> Vec<Element> {
    let mut target = vec![leaf("Attribute", detail.attribute), leaf("RequiresRecreation", detail.recreation)];
    target.extend(maybe("Name", detail.name.as_ref()));
    let evaluation = if detail.source == "ResourceReference" { "Dynamic" } else { "Static" };
    let mut shown = vec![node("Target", target), leaf("Evaluation", evaluation), leaf("ChangeSource", detail.source)];
    shown.extend(maybe("CausingEntity", detail.entity.as_ref()));
    shown
}
