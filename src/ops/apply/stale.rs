//! Comparing a plan with what there is now.
//!
//! Constraint kept: nothing is begun when any step no longer fits, except what an earlier run of the same plan has
//! itself done or begun.

use crate::domain::plan::{Action, Basis, Observation, Plan, Step};
use crate::domain::stack::Phase;
use crate::ops::World;
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::event::Outcome;
use crate::ops::observe::observe;

use super::journal::Journal;
use super::report::CellResult;
use super::{blocked_result, is_work};

/// A plan's steps, sorted out.
pub(super) struct Sorted {
    /// Those to execute.
    pub(super) todo: Vec<Step>,
    /// Those that need no execution, with their results.
    pub(super) already: Vec<CellResult>,
}

/// Looks again and sorts the steps out, or says that the plan is stale.
pub(super) async fn sort_out(world: &World, plan: &Plan, journal: &Journal<'_>) -> Result<Sorted, OpError> {
    let work: Vec<&Step> = plan.steps.iter().filter(|s| is_work(s)).collect();
    let desired: Vec<_> = work.iter().map(|s| s.desired.clone()).collect();
    let now = observe(world, &plan.fleet, &desired).await?;
    let mut sorted = Sorted { todo: Vec::new(), already: plan.blocked().map(blocked_result).collect() };
    let mut stale = Vec::new();
    for step in work {
        match verdict(step, &now, journal) {
            Verdict::Fits => sorted.todo.push(step.clone()),
            Verdict::Done => {
                sorted.already.push(CellResult { outcome: Outcome::AlreadyDone, ..CellResult::not_started(step) });
            }
            Verdict::Resume(step) => sorted.todo.push(*step),
            Verdict::Stale => stale.push(step.desired.cell.to_string()),
        }
    }
    if stale.is_empty() { Ok(sorted) } else { Err(stale_error(&stale, journal)) }
}

enum Verdict {
    Fits,
    Done,
    Resume(Box<Step>),
    Stale,
}

fn verdict(step: &Step, now: &Observation, journal: &Journal<'_>) -> Verdict {
    let cell = &step.desired.cell;
    let stack = now.stacks.get(cell);
    let applied = now.records.get(cell).and_then(|r| r.applied.as_ref());
    let basis = Basis {
        stack_id: stack.map(|s| s.id.clone()),
        status: stack.map(|s| s.status.clone()),
        changed_at_ms: stack.map(|s| s.changed_at_ms),
        applied: applied.map(|a| a.digest.clone()),
    };
    if let (Some(stack), Some(applied)) = (stack, applied)
        && applied.digest == step.desired.digest
        && applied.stack_id == stack.id
        && applied.changed_at_ms == stack.changed_at_ms
        && stack.status.phase() == Phase::Complete
    {
        return Verdict::Done;
    }
    let waiting = step.action == Action::Wait && stack.map(|s| &s.id) == step.basis.stack_id.as_ref();
    if basis == step.basis || waiting {
        return Verdict::Fits;
    }
    match stack.map(|s| s.status.phase()) {
        Some(Phase::Moving | Phase::Complete) if may_resume(step, now, journal) => {
            Verdict::Resume(Box::new(resumed(step, basis)))
        }
        _ => Verdict::Stale,
    }
}

/// Whether an earlier run of this plan was about to change this cell when it ended, and nobody has changed the cell by
/// another plan since.
fn may_resume(step: &Step, now: &Observation, journal: &Journal<'_>) -> bool {
    let cell = &step.desired.cell;
    let applied = now.records.get(cell).and_then(|r| r.applied.as_ref());
    let Some(stack) = now.stacks.get(cell) else { return false };
    let ours = stack.ours || applied.is_some_and(|a| a.stack_id == stack.id);
    let changes = matches!(step.action, Action::Create | Action::Update);
    ours && changes && applied.map(|a| &a.digest) == step.basis.applied.as_ref() && journal.has_called(cell)
}

/// The step as it goes on from where the earlier run left the stack. An update towards what is there already is found
/// empty by the service, and then recorded.
fn resumed(step: &Step, basis: Basis) -> Step {
    let moving = basis.status.as_ref().is_some_and(|s| s.phase() == Phase::Moving);
    Step { action: if moving { Action::Wait } else { Action::Update }, basis, ..step.clone() }
}

fn stale_error(cells: &[String], journal: &Journal<'_>) -> OpError {
    let shown = cells.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let more = if cells.len() > 5 { format!(" and {} more", cells.len() - 5) } else { String::new() };
    let since = if journal.is_resumed() { "since it was begun" } else { "since it was made" };
    let message = format!("the plan is stale: {shown}{more} changed {since}; nothing was begun");
    OpError::new(ErrorKind::Stale, message).hint("make a new plan with `cellctl plan -o FILE` and look at it again")
}
