//! The documented life of a stack: which steps an operation takes, in order, to its end.
//!
//! Owns: every path through the statuses. Constraint kept: pure; a step's moment is set by `Stack::begin`.

use std::sync::Arc;
use std::time::Duration;

use super::diff::{Action, Change};
use super::items::{Item, Strike, Touched, names};
use super::script::{Failure, Fate, OnFailure};
use super::state::{Facts, Step, Subject};

/// Why an operation began.
const USER: &str = "User Initiated";

/// A step of the stack itself.
pub(crate) fn stack(status: &'static str, reason: Option<&str>) -> Step {
    let (at, reason) = (Duration::ZERO, reason.map(str::to_owned));
    Step { at, subject: Subject::Stack, status, reason, token: None, facts: None }
}

/// A step of a resource that has its physical id.
pub(crate) fn resource(item: &Item, status: &'static str, reason: Option<&str>) -> Step {
    let (logical, kind) = (Arc::clone(&item.logical), Arc::clone(&item.kind));
    let subject = Subject::Resource { logical, kind, physical: Some(Arc::clone(&item.physical)) };
    Step { subject, ..stack(status, reason) }
}

/// A step of a resource before it has one.
fn unborn(item: &Item, status: &'static str, reason: Option<&str>) -> Step {
    let (logical, kind) = (Arc::clone(&item.logical), Arc::clone(&item.kind));
    Step { subject: Subject::Resource { logical, kind, physical: None }, ..stack(status, reason) }
}

/// The same step, after which the stack is asked to be something else.
pub(crate) fn with_facts(step: Step, facts: &Arc<Facts>) -> Step {
    Step { facts: Some(Arc::clone(facts)), ..step }
}

fn bring_up(item: &Item, failure: Option<&str>) -> Vec<Step> {
    let begun = unborn(item, "CREATE_IN_PROGRESS", None);
    if failure.is_some() {
        return vec![begun, unborn(item, "CREATE_FAILED", failure)];
    }
    let initiated = resource(item, "CREATE_IN_PROGRESS", Some("Resource creation Initiated"));
    vec![begun, initiated, resource(item, "CREATE_COMPLETE", None)]
}

fn take_down(item: &Item, keep: bool, failure: Option<&str>) -> Vec<Step> {
    if keep {
        return vec![resource(item, "DELETE_SKIPPED", None)];
    }
    let end = if failure.is_some() { "DELETE_FAILED" } else { "DELETE_COMPLETE" };
    vec![resource(item, "DELETE_IN_PROGRESS", None), resource(item, end, failure)]
}

fn change(item: &Item, replaced: bool, failure: Option<&str>) -> Vec<Step> {
    const REPLACING: &str = "Requested update requires the creation of a new physical resource; hence creating one.";
    let begun = resource(item, "UPDATE_IN_PROGRESS", replaced.then_some(REPLACING));
    let end = if failure.is_some() { "UPDATE_FAILED" } else { "UPDATE_COMPLETE" };
    vec![begun, resource(item, end, failure)]
}

/// Creates a stack.
pub(crate) fn create(facts: &Arc<Facts>, items: &[Item], fate: Option<Fate>, on_failure: OnFailure) -> Vec<Step> {
    let mut steps = vec![with_facts(stack("CREATE_IN_PROGRESS", Some(USER)), facts)];
    let strike = fate.map(|fate| Strike::among(items, fate.failure()));
    let until = strike.as_ref().map_or(items.len(), |strike| items.len().min(strike.before() + 1));
    for (index, item) in items[..until].iter().enumerate() {
        steps.extend(bring_up(item, Strike::at(strike.as_ref(), index)));
    }
    let Some((fate, strike)) = fate.zip(strike) else {
        steps.push(stack("CREATE_COMPLETE", None));
        return steps;
    };
    let on_failure = match fate {
        Fate::CreateFails { on_failure: Some(ordered), .. } => ordered,
        _ => on_failure,
    };
    steps.extend(after_failed_create(&items[..strike.before()], &strike, fate.stuck(), on_failure));
    steps
}

fn after_failed_create(made: &[Item], strike: &Strike, stuck: Option<Failure>, on_failure: OnFailure) -> Vec<Step> {
    let failed = strike.sentence("create");
    match on_failure {
        OnFailure::DoNothing => vec![stack("CREATE_FAILED", Some(&failed))],
        OnFailure::Rollback => roll_back_create(made, stuck, &format!("{failed}Rollback requested by user.")),
        OnFailure::Delete => {
            let reason = format!("{failed}Delete requested by user.");
            take_down_all("DELETE", &reason, made, |item| item.retain_new, stuck)
        }
    }
}

/// Takes down what a create had made.
pub(crate) fn roll_back_create(made: &[Item], stuck: Option<Failure>, reason: &str) -> Vec<Step> {
    take_down_all("ROLLBACK", reason, made, |item| item.retain_new, stuck)
}

/// Deletes a stack. `retain` says which resources stay.
pub(crate) fn delete(items: &[Item], retain: impl Fn(&Item) -> bool, failure: Option<Failure>) -> Vec<Step> {
    take_down_all("DELETE", USER, items, retain, failure)
}

/// Takes resources down, the last one first. The others go even where one fails.
fn take_down_all(
    what: &str,
    reason: &str,
    items: &[Item],
    retain: impl Fn(&Item) -> bool,
    failure: Option<Failure>,
) -> Vec<Step> {
    let [begun, done, failed] = match what {
        "ROLLBACK" => ["ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"],
        _ => ["DELETE_IN_PROGRESS", "DELETE_COMPLETE", "DELETE_FAILED"],
    };
    let mut steps = vec![stack(begun, Some(reason))];
    let strike = failure.map(|failure| Strike::among(items, failure));
    let mut is_broken = false;
    for (index, item) in items.iter().enumerate().rev() {
        let failure = Strike::at(strike.as_ref(), index).filter(|_| !retain(item));
        is_broken |= failure.is_some();
        steps.extend(take_down(item, retain(item), failure));
    }
    let sentence = strike.filter(|_| is_broken).map(|strike| strike.sentence("delete"));
    let end = if is_broken { failed } else { done };
    steps.push(stack(end, sentence.as_deref()));
    steps
}

/// Updates a stack: `changes` with the items that they touch, in the same order.
pub(crate) fn update(
    facts: &Arc<Facts>,
    baseline: &Arc<Facts>,
    plan: &[(Change, Touched)],
    fate: Option<Fate>,
    rollback_disabled: bool,
) -> Vec<Step> {
    let forward: Vec<&Touched> = plan.iter().filter(|(c, _)| c.action != Action::Remove).map(|(_, t)| t).collect();
    let items: Vec<Item> = forward.iter().map(|touched| touched.new.clone()).collect();
    let strike = fate.map(|fate| Strike::among(&items, fate.failure()));
    let until = strike.as_ref().map_or(items.len(), |strike| items.len().min(strike.before() + 1));
    let mut steps = vec![with_facts(stack("UPDATE_IN_PROGRESS", Some(USER)), facts)];
    for (index, touched) in forward[..until].iter().enumerate() {
        let failure = Strike::at(strike.as_ref(), index);
        steps.extend(match touched.old {
            None => bring_up(&touched.new, failure),
            Some(_) => change(&touched.new, touched.is_replaced(), failure),
        });
    }
    let Some((fate, strike)) = fate.zip(strike) else {
        steps.extend(clean_up(plan));
        return steps;
    };
    let reason = strike.sentence("update");
    if rollback_disabled {
        steps.push(stack("UPDATE_FAILED", Some(&reason)));
    } else {
        let done: Vec<Touched> = forward[..until].iter().map(|touched| (*touched).clone()).collect();
        steps.extend(roll_back_update(&done, baseline, fate.stuck(), &[], &reason));
    }
    steps
}

/// The end of an update that worked: what it no longer needs goes.
fn clean_up(plan: &[(Change, Touched)]) -> Vec<Step> {
    let mut steps = vec![stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None)];
    for (change, touched) in plan.iter().rev() {
        match &touched.old {
            Some(old) if change.action == Action::Remove || touched.is_replaced() => {
                steps.extend(take_down(old, old.retain, None));
            }
            _ => {}
        }
    }
    steps.push(stack("UPDATE_COMPLETE", None));
    steps
}

/// Leads a stack back to what it was before an update; `skip` names resources that are left as they are.
pub(crate) fn roll_back_update(
    touched: &[Touched],
    baseline: &Arc<Facts>,
    failure: Option<Failure>,
    skip: &[&str],
    reason: &str,
) -> Vec<Step> {
    let mut steps = vec![stack("UPDATE_ROLLBACK_IN_PROGRESS", Some(reason))];
    let old: Vec<Item> = touched.iter().filter_map(|touched| touched.old.clone()).collect();
    let failure = failure.filter(|failure| !skip.contains(&failure.resource));
    let strike = failure.map(|failure| Strike::among(&old, failure));
    for (index, item) in old.iter().enumerate() {
        if skip.contains(&&*item.logical) {
            steps.push(resource(item, "UPDATE_COMPLETE", None));
            continue;
        }
        steps.extend(change(item, false, Strike::at(strike.as_ref(), index)));
        if let Some(strike) = strike.as_ref().filter(|strike| Strike::at(Some(strike), index).is_some()) {
            steps.push(stack("UPDATE_ROLLBACK_FAILED", Some(&strike.sentence("update"))));
            return steps;
        }
    }
    steps.push(with_facts(stack("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", None), baseline));
    for touched in touched.iter().rev().filter(|touched| touched.old.is_none() || touched.is_replaced()) {
        steps.extend(take_down(&touched.new, touched.new.retain_new, None));
    }
    steps.push(stack("UPDATE_ROLLBACK_COMPLETE", None));
    steps
}

/// Takes existing resources into a stack.
pub(crate) fn import(facts: &Arc<Facts>, items: &[Item]) -> Vec<Step> {
    let mut steps = vec![with_facts(stack("IMPORT_IN_PROGRESS", Some(USER)), facts)];
    for item in items {
        steps.push(resource(item, "IMPORT_IN_PROGRESS", Some("Resource import started.")));
        steps.push(resource(item, "IMPORT_COMPLETE", Some("Resource import completed.")));
    }
    steps.push(stack("IMPORT_COMPLETE", None));
    steps
}

/// What a preloaded stack in `status` has behind it; the first or last resource carries the blame for a failure.
pub(crate) fn preloaded(status: &'static str, reason: Option<&str>, items: &[Item]) -> Vec<Step> {
    let blamed = match status {
        "CREATE_FAILED" => items.last().map(|item| unborn(item, "CREATE_FAILED", reason)),
        "UPDATE_FAILED" | "UPDATE_ROLLBACK_FAILED" => items.first().map(|item| resource(item, "UPDATE_FAILED", reason)),
        "DELETE_FAILED" | "ROLLBACK_FAILED" => items.first().map(|item| resource(item, "DELETE_FAILED", reason)),
        _ => None,
    };
    let gone = matches!(status, "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "DELETE_COMPLETE" | "DELETE_FAILED");
    let gone = items.iter().filter(|item| gone && blamed.as_ref().is_none_or(|step| !names(step, &item.logical)));
    let mut steps: Vec<Step> = gone.flat_map(|item| take_down(item, item.retain_new, None)).collect();
    steps.extend(blamed);
    steps.push(stack(status, reason));
    steps
}
