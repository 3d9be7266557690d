//! Requests to answers.
//!
//! Owns: the list of actions, the order in which a request is judged, idempotency tokens and paging. Constraint
//! kept: a request that is refused has no effect.

mod change_sets;
mod describe;
mod drift;
mod events;
mod input;
mod protect;
mod recover;
mod show_change_set;
mod stacks;
mod templates;

use std::time::Duration;

use super::errors::Refusal;
use super::query::Request;
use super::record::Outcome;
use super::world::{World, uuid};
use super::xml::{self, Element, leaf, node};

/// What goes back to the client.
#[derive(Debug)]
pub(crate) enum Reply {
    /// An answer.
    Sent {
        /// The HTTP status.
        status: u16,
        /// The document.
        body: String,
        /// The request's id, which the answer's head repeats.
        id: String,
    },
    /// Nothing: the connection is closed.
    Closed,
}

/// What an action answers with.
type Answer = Result<Vec<Element>, Refusal>;

/// Judges one request: ordered errors, then the rate, then the action itself, then whether the answer is lost.
pub(crate) fn handle(world: &mut World, request: &Request) -> Reply {
    let now = world.clock.now();
    let nth = world.record.number(&request.action);
    let id = uuid(&["request", &request.action, &nth.to_string()]);
    if let Some(kind) = world.faults.failure(&request.action, nth) {
        return refuse(world, request, now, &kind.refusal(request), id);
    }
    if world.faults.throttles() || !world.limits.allows(&request.caller, &request.action, now) {
        return refuse(world, request, now, &Refusal::throttled(), id);
    }
    match once(world, request, now) {
        Err(refusal) => refuse(world, request, now, &refusal, id),
        Ok(_) if world.faults.loses(&request.action, nth) => {
            world.record.note(request, now, Outcome::Lost);
            Reply::Closed
        }
        Ok(result) => {
            world.record.note(request, now, Outcome::Answered);
            Reply::Sent { status: 200, body: xml::success(&request.action, &result, &id), id }
        }
    }
}

fn refuse(world: &mut World, request: &Request, now: Duration, refusal: &Refusal, id: String) -> Reply {
    let outcome = if refusal.code == "Throttling" { Outcome::Throttled } else { Outcome::Refused(refusal.code) };
    world.record.note(request, now, outcome);
    Reply::Sent { status: refusal.status, body: xml::failure(refusal, &id), id }
}

/// Carries an action out, unless its token says that it was: the same action on the same stack is answered as before.
/// A token lives as long as its stack is the newest of that name, deleted or not.
fn once(world: &mut World, request: &Request, now: Duration) -> Answer {
    let token = request.get("ClientRequestToken").or_else(|| request.get("ClientToken"));
    let Some(token) = token else { return run(world, request, now) };
    let known = target(world, request, now).and_then(|index| world.stacks[index].tokens.get(token));
    if let Some((action, answer)) = known {
        if *action == request.action {
            return Ok(answer.clone());
        }
        let text = format!("A client request token {token} already exists for another operation");
        return Err(Refusal::new("TokenAlreadyExistsException", text));
    }
    let answer = run(world, request, now)?;
    if let Some(index) = target(world, request, now) {
        world.stacks[index].tokens.insert(token.to_owned(), (request.action.clone(), answer.clone()));
    }
    Ok(answer)
}

/// The stack that a request is about, by name or by the ARN of a change set.
fn target(world: &World, request: &Request, now: Duration) -> Option<usize> {
    match request.get("StackName") {
        Some(name) => world.find_any(&request.caller, name),
        None => change_sets::locate(world, request, now).ok().map(|(index, _)| index),
    }
}

fn run(world: &mut World, request: &Request, now: Duration) -> Answer {
    match request.action.as_str() {
        "CreateStack" => stacks::create(world, request, now),
        "UpdateStack" => stacks::update(world, request, now),
        "DeleteStack" => stacks::delete(world, request, now),
        "DescribeStacks" => describe::stacks(world, request, now),
        "ListStacks" => describe::list(world, request, now),
        "DescribeStackEvents" => events::describe(world, request, now),
        "DescribeStackResources" => describe::resources(world, request, now),
        "ListStackResources" => describe::list_resources(world, request, now),
        "CreateChangeSet" => change_sets::create(world, request, now),
        "ExecuteChangeSet" => change_sets::execute(world, request, now),
        "DeleteChangeSet" => change_sets::delete(world, request, now),
        "DescribeChangeSet" => show_change_set::describe(world, request, now),
        "ListChangeSets" => show_change_set::list(world, request, now),
        "ContinueUpdateRollback" => recover::continue_rollback(world, request, now),
        "RollbackStack" => recover::roll_back(world, request, now),
        "CancelUpdateStack" => recover::cancel_update(world, request, now),
        "UpdateTerminationProtection" => protect::termination(world, request, now),
        "SetStackPolicy" => protect::set_policy(world, request, now),
        "GetStackPolicy" => protect::get_policy(world, request, now),
        "GetTemplate" => templates::get(world, request, now),
        "GetTemplateSummary" => templates::summary(world, request, now),
        "ValidateTemplate" => templates::validate(world, request),
        "DescribeAccountLimits" => Ok(templates::account_limits(world)),
        "DetectStackDrift" => drift::detect(world, request, now),
        "DescribeStackDriftDetectionStatus" => drift::status(world, request, now),
        "DescribeStackResourceDrifts" => drift::resources(world, request, now),
        other => {
            let message = format!("Could not find operation {other} for version 2010-05-15");
            Err(Refusal::new("InvalidAction", message))
        }
    }
}

/// The stack that a changing action names, or the words that such an action has for a missing one.
fn existing(world: &World, request: &Request, now: Duration) -> Result<usize, Refusal> {
    let name = request.require("StackName")?;
    world.find(&request.caller, name, now).ok_or_else(|| Refusal::no_stack(name))
}

/// The same for a reading action.
fn readable(world: &World, request: &Request, now: Duration) -> Result<usize, Refusal> {
    let name = request.require("StackName")?;
    world.find(&request.caller, name, now).ok_or_else(|| Refusal::no_stack_with_id(name))
}

/// One page of a list whose entries are numbered. A page token is the number of the page's first entry, so that
/// entries that come later do not shift the ones that are still to be read.
struct Page<T> {
    entries: Vec<T>,
    next: Option<usize>,
}

/// Takes a page from `entries`, which are in order of listing; `from` is where the previous page ended.
fn page<T>(entries: impl Iterator<Item = (usize, T)>, size: usize) -> Page<T> {
    let mut page = Page { entries: Vec::new(), next: None };
    for (number, entry) in entries {
        if page.entries.len() == size {
            page.next = Some(number);
            break;
        }
        page.entries.push(entry);
    }
    page
}

/// The number in a request's page token.
fn start_of(request: &Request) -> Result<Option<usize>, Refusal> {
    let Some(token) = request.get("NextToken") else { return Ok(None) };
    let number = token.strip_prefix("scripted-page-").and_then(|number| number.parse().ok());
    number.map(Some).ok_or_else(|| Refusal::validation("NextToken is invalid"))
}

/// The page token of an answer.
fn next_token(next: Option<usize>) -> Option<Element> {
    next.map(|number| leaf("NextToken", format!("scripted-page-{number}")))
}

/// Tags or other pairs as a list.
fn pairs<'a>(name: &str, keys: [&str; 2], pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Element {
    let member = |(key, value): (&String, &String)| node("member", vec![leaf(keys[0], key), leaf(keys[1], value)]);
    node(name, pairs.into_iter().map(member).collect())
}
