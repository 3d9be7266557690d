//! Drift: what somebody changed past the service.
//!
//! Owns: the three actions about it. The drift itself comes from the test. A detection takes as long as an
//! operation on the stack.

use std::time::Duration;

use super::super::errors::Refusal;
use super::super::query::Request;
use super::super::state::{Atom, Drift};
use super::super::world::{World, uuid};
use super::super::xml::{Element, leaf, list, maybe, node};
use super::{Answer, existing};

pub(super) fn detect(world: &mut World, request: &Request, now: Duration) -> Answer {
    let index = existing(world, request, now)?;
    let stack = &mut world.stacks[index];
    let status = stack.status(now);
    if status.ends_with("IN_PROGRESS") {
        return Err(Refusal::wrong_state(&stack.identity.id, status, "checked for drift"));
    }
    stack.drift_checked = Some(now);
    let id = uuid(&[&stack.identity.id, "drift", &world.detections.len().to_string()]);
    world.detections.insert(id.clone(), (index, now));
    Ok(vec![leaf("StackDriftDetectionId", id)])
}

pub(super) fn status(world: &World, request: &Request, now: Duration) -> Answer {
    let id = request.require("StackDriftDetectionId")?;
    let missing = || Refusal::validation(format!("Drift detection with id {id} does not exist"));
    let (index, begun) = *world.detections.get(id).ok_or_else(missing)?;
    let stack = &world.stacks[index];
    let mut shown = vec![
        leaf("StackId", &stack.identity.id),
        leaf("StackDriftDetectionId", id),
        leaf("Timestamp", world.clock.stamp(begun)),
    ];
    if now < begun + world.settings.stack_time {
        shown.push(leaf("DetectionStatus", "DETECTION_IN_PROGRESS"));
        return Ok(shown);
    }
    shown.push(leaf("DetectionStatus", "DETECTION_COMPLETE"));
    shown.push(leaf("StackDriftStatus", if stack.drifts.is_empty() { "IN_SYNC" } else { "DRIFTED" }));
    shown.push(leaf("DriftedStackResourceCount", stack.drifts.len()));
    Ok(shown)
}

pub(super) fn resources(world: &World, request: &Request, now: Duration) -> Answer {
    let index = existing(world, request, now)?;
    let view = world.view(index, now)?;
    let stack = &world.stacks[index];
    let wanted = request.list("StackResourceDriftStatusFilters");
    let checked = stack.drift_checked.unwrap_or_default();
    let shown = view.resources.iter().filter_map(|atom| {
        let drift = stack.drifts.get(&*atom.logical);
        let status = drift.map_or("IN_SYNC", |drift| drift.status);
        let shows = stack.drift_checked.is_some() && (wanted.is_empty() || wanted.contains(&status));
        shows.then(|| resource(&stack.identity.id, atom, status, drift, &world.clock.stamp(checked)))
    });
    Ok(vec![list("StackResourceDrifts", shown)])
}

fn resource(stack: &str, atom: &Atom, status: &str, drift: Option<&Drift>, at: &str) -> Vec<Element> {
    let mut shown = vec![
        leaf("StackId", stack),
        leaf("LogicalResourceId", &atom.logical),
        leaf("ResourceType", &atom.kind),
        leaf("StackResourceDriftStatus", status),
        leaf("Timestamp", at),
    ];
    shown.extend(maybe("PhysicalResourceId", atom.physical.as_ref()));
    if let Some((path, expected, actual)) = drift.and_then(|drift| drift.difference.as_ref()) {
        let difference = vec![
            leaf("PropertyPath", path),
            leaf("ExpectedValue", expected),
            leaf("ActualValue", actual),
            leaf("DifferenceType", "NOT_EQUAL"),
        ];
        shown.push(node("PropertyDifferences", vec![node("member", difference)]));
    }
    shown
}
