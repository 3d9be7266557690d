//! What guards a stack: termination protection and stack policy.
//!
//! Owns: both settings. The policy is kept and given back; it is not enforced here.

use std::time::Duration;

use super::super::errors::Refusal;
use super::super::query::Request;
use super::super::world::World;
use super::super::xml::{leaf, maybe};
use super::{Answer, existing};

pub(super) fn termination(world: &mut World, request: &Request, now: Duration) -> Answer {
    let index = existing(world, request, now)?;
    request.require("EnableTerminationProtection")?;
    world.stacks[index].protected = request.flag("EnableTerminationProtection");
    Ok(vec![leaf("StackId", &world.stacks[index].identity.id)])
}

pub(super) fn set_policy(world: &mut World, request: &Request, now: Duration) -> Answer {
    let index = existing(world, request, now)?;
    let given = (request.get("StackPolicyBody"), request.get("StackPolicyURL"));
    let ((Some(policy), None) | (None, Some(policy))) = given else {
        return Err(Refusal::validation("You must specify either StackPolicyBody or StackPolicyURL"));
    };
    world.stacks[index].policy = Some(policy.to_owned());
    Ok(Vec::new())
}

pub(super) fn get_policy(world: &World, request: &Request, now: Duration) -> Answer {
    let index = existing(world, request, now)?;
    Ok(maybe("StackPolicyBody", world.stacks[index].policy.as_ref()).into_iter().collect())
}
