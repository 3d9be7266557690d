//! Showing what happened to a stack.
//!
//! Owns: `DescribeStackEvents`. Constraint kept: newest first; a page goes on where the one before ended, whatever
//! has happened since; an event is seen no sooner than the script's delay allows.

use std::time::Duration;

use super::super::clock::Clock;
use super::super::errors::Refusal;
use super::super::query::Request;
use super::super::state::{Identity, Step, Subject};
use super::super::world::{World, uuid};
use super::super::xml::{Element, leaf, list, maybe};
use super::{Answer, next_token, page, start_of};

pub(super) fn describe(world: &World, request: &Request, now: Duration) -> Answer {
    let name = request.require("StackName")?;
    let index = world.find(&request.caller, name, now).ok_or_else(|| Refusal::no_stack(name))?;
    let stack = &world.stacks[index];
    let seen = stack.steps.iter().take_while(|step| step.at + world.settings.event_delay <= now).count();
    let below = start_of(request)?.map_or(seen, |number| seen.min(number + 1));
    let newest_first = stack.steps[..below].iter().enumerate().rev();
    let page = page(newest_first.map(|(number, step)| (number, (number, step))), world.settings.page_size);
    let shown = page.entries.into_iter().map(|(number, step)| event(&world.clock, &stack.identity, number, step));
    Ok([list("StackEvents", shown)].into_iter().chain(next_token(page.next)).collect())
}

fn event(clock: &Clock, stack: &Identity, number: usize, step: &Step) -> Vec<Element> {
    let (logical, kind, physical, id) = match &step.subject {
        Subject::Stack => {
            let id = uuid(&[&stack.id, &number.to_string()]);
            (stack.name.as_str(), "AWS::CloudFormation::Stack", stack.id.as_str(), id)
        }
        Subject::Resource { logical, kind, physical } => {
            let id = format!("{logical}-{}-{number:06}", step.status);
            (&**logical, &**kind, physical.as_deref().unwrap_or_default(), id)
        }
    };
    let mut shown = vec![
        leaf("StackId", &stack.id),
        leaf("EventId", id),
        leaf("StackName", &stack.name),
        leaf("LogicalResourceId", logical),
        leaf("PhysicalResourceId", physical),
        leaf("ResourceType", kind),
        leaf("Timestamp", clock.stamp(step.at)),
        leaf("ResourceStatus", step.status),
    ];
    shown.extend(maybe("ResourceStatusReason", step.reason.as_ref()));
    shown.extend(maybe("ClientRequestToken", step.token.as_ref()));
    shown
}
