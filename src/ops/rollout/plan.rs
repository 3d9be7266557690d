//! PLAN: which cells are changed in which wave.
//!
//! Constraint kept: waves are made of all cells of the fleet, so that a wave is the same set whatever is done already; what
//! is blocked refuses the rollout before anything is begun.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::fleet::Cell;
use crate::domain::ids::{CellId, Digest};
use crate::domain::plan::{self, Action, Desired, Step};
use crate::domain::rollout::change::{CellChange, Content};
use crate::domain::rollout::waves::{self, Made};
use crate::domain::rollout::{Plan, ROLLOUT_FORMAT, RolloutId, sample};
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::plan::{Request, plan};

use super::{Options, Pilot, Planned};

/// What a stack is taken to need, in milliseconds: nothing tells how long a change takes that was never made.
const STACK_MS: u64 = 60_000;
/// Cells that an adaptive apply is taken to have under way.
const IN_FLIGHT: usize = 20;
/// Blocked cells that a refusal names.
const NAMED_MAX: usize = 5;

/// Digest of a change: of what all cells are to be.
fn change_digest(desired: &[Desired]) -> Digest {
    let mut lines: Vec<String> = desired.iter().map(|one| format!("{} {}", one.cell, one.digest)).collect();
    lines.sort();
    Digest::of(lines.join("\n").as_bytes())
}

impl Pilot<'_> {
    /// Plans a rollout of what the definitions say.
    pub async fn plan(&self, request: Request, options: &Options) -> Result<Planned, OpError> {
        let world = &self.world.world;
        let change = change_digest(&request.desired);
        let allowed = request.allowed.clone();
        let changes = plan(world, request).await?;
        let open = self.world.rollouts.open().await?;
        if open.as_ref().is_none_or(|open| open.change != change) {
            refuse_blocked(&changes)?;
        }
        let loads = world.map.loads().await?;
        let tenants: BTreeMap<CellId, u64> =
            loads.into_iter().map(|load| (load.cell, u64::try_from(load.tenants).unwrap_or(0))).collect();
        let made = self.waves(&tenants)?;
        let (waves, content) = fill(made, &changes, &allowed);
        let plan = Plan {
            format: ROLLOUT_FORMAT,
            id: RolloutId(0),
            fleet: self.fleet.name.to_string(),
            at_ms: world.clock.now_ms(),
            change,
            selection: options.selection.clone(),
            commit: options.commit.clone(),
            rollback: options.rollback.or(self.fleet.rollout.rollback).unwrap_or_default(),
            gate_dry_run: options.gate_dry_run,
            waves,
            tenants: tenants.values().sum(),
        };
        let about_ms = about_ms(&plan);
        Ok(Planned { plan, content, changes, about_ms, open })
    }

    fn waves(&self, tenants: &BTreeMap<CellId, u64>) -> Result<Vec<Made>, OpError> {
        let of = |cell: &CellId| tenants.get(cell).copied().unwrap_or(0);
        let cells: Vec<(&Cell, u64)> = self.fleet.cells.iter().map(|cell| (cell, of(&cell.id))).collect();
        waves::make(&cells, &self.fleet.rollout).map_err(|problems| {
            let messages: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
            let hint = problems.first().map(|problem| problem.hint.clone()).unwrap_or_default();
            OpError::new(ErrorKind::InvalidInput, format!("the waves do not fit the fleet: {}", messages.join("; ")))
                .hint(hint)
        })
    }
}

/// Refuses where a cell cannot be changed, or is being changed.
fn refuse_blocked(changes: &plan::Plan) -> Result<(), OpError> {
    let blocked: Vec<&Step> =
        changes.steps.iter().filter(|step| matches!(step.action, Action::Blocked | Action::Wait)).collect();
    let Some(first) = blocked.first() else { return Ok(()) };
    let why = |step: &Step| {
        let (cell, stack) = (&step.desired.cell, &step.desired.stack);
        let reason = step.blocked.as_ref().map(|blocked| blocked.message(cell, stack));
        format!("{cell}: {}", reason.unwrap_or_else(|| step.reason.clone()))
    };
    let named: Vec<String> = blocked.iter().take(NAMED_MAX).map(|step| why(step)).collect();
    let more = blocked.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let hint = first.blocked.as_ref().map_or_else(
        || "wait for the operation that is under way, then start again".to_owned(),
        |blocked| blocked.hint(&first.desired.cell),
    );
    let message = format!("nothing was begun: {}{more}", named.join("; "));
    Err(OpError::new(ErrorKind::Refused, message).hint(hint))
}

/// Waves with the cells of them that are to be changed; those without any are left out.
fn fill(
    made: Vec<Made>,
    changes: &plan::Plan,
    allowed: &BTreeSet<String>,
) -> (Vec<crate::domain::rollout::Wave>, Content) {
    let steps: BTreeMap<&CellId, &Step> = changes.steps.iter().map(|step| (&step.desired.cell, step)).collect();
    let (mut waves, mut content) = (Vec::new(), Content { templates: changes.templates.clone(), ..Content::default() });
    for Made { mut wave, cells } in made {
        let changed: Vec<CellChange> =
            cells.iter().filter_map(|cell| steps.get(cell)).map(|step| cell_change(step, allowed)).collect();
        if changed.is_empty() {
            continue;
        }
        wave.cells = changed.len();
        wave.tenants = changed.iter().map(|cell| cell.tenants).sum();
        waves.push(wave);
        content.waves.push(changed);
    }
    sample::leave_out_comparisons(&mut waves, &content.waves);
    (waves, content)
}

fn cell_change(step: &Step, allowed: &BTreeSet<String>) -> CellChange {
    let own = |name: &String| {
        name.split_once('/').filter(|(cell, _)| *cell == step.desired.cell.as_str()).map(|(_, atom)| atom.to_owned())
    };
    CellChange {
        desired: step.desired.clone(),
        tenants: step.tenants,
        is_new: step.action == Action::Create,
        allowed: allowed.iter().filter_map(own).collect(),
    }
}

/// Bakes, and the stacks of each wave as many at a time as it takes.
fn about_ms(plan: &Plan) -> u64 {
    let wave = |wave: &crate::domain::rollout::Wave| {
        let rounds = wave.cells.div_ceil(wave.max_in_flight.unwrap_or(IN_FLIGHT).max(1));
        wave.bake_ms + STACK_MS * u64::try_from(rounds).unwrap_or(u64::MAX / STACK_MS)
    };
    plan.waves.iter().map(wave).fold(0, u64::saturating_add)
}
