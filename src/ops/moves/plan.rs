//! PLAN: whether a tenant can be moved, and what that will take. Changes nothing.
//!
//! Constraint kept: everything that can be known beforehand is looked at here, so that a move that cannot end well does not
//! begin.

mod atoms;
mod cost;

use crate::domain::fleet::Cell;
use crate::domain::ids::CellId;
use crate::domain::moves::fence::{SHARDS_MAX, Shard};
use crate::domain::moves::{End, MOVE_FORMAT, MoveId, Plan};
use crate::domain::tenant::fence::FenceMode;
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::placement::{Candidate, Refusal, Wish, allowed_regions};
use crate::domain::tenant::{Entry, EntryState};
use crate::ops::cells::view::unknown_cell;
use crate::ops::error::{ErrorKind, OpError};

use super::{Mover, Planned, Request};

/// Output of a cell's stack that names its queue of moved messages.
const MOVED_OUTPUT: &str = "MovedQueueName";

/// A cell with what the control table knows of it.
struct Known<'a> {
    cell: &'a Cell,
    load: CellLoad,
    end: End,
    /// Name of its stack.
    stack: String,
    outputs: std::collections::BTreeMap<String, String>,
}

impl Mover<'_> {
    /// Plans a move, or finds the one that is under way. Changes nothing.
    pub async fn plan(&self, request: &Request) -> Result<Planned, OpError> {
        let tenant = &request.tenant;
        let entry = self.world.map.entry(tenant).await?.filter(Entry::is_present);
        let entry = entry.ok_or_else(|| {
            OpError::new(ErrorKind::Failed, format!("fleet {} has no tenant {tenant}", self.fleet.name))
                .hint("`cellctl tenant list` shows the tenants")
        })?;
        let undone = request.options.back_of.as_ref();
        match entry.moving.as_ref().map(|moving| &moving.id) {
            // It is going to be ended before.
            Some(id) if undone == Some(id) => {}
            Some(id) => return self.under_way(request, id).await,
            None => refuse_unmovable(&entry)?,
        }
        if entry.cell == request.to {
            return Err(refused(format!("tenant {tenant} is in cell {} already", entry.cell), "nothing is to be done"));
        }
        let mut source = self.known(&entry.cell).await?;
        let mut target = self.known(&request.to).await?;
        if entry.moving.is_some() {
            give_back(&mut target.load, &entry);
        }
        self.refuse_unfit(&entry, &target)?;
        let (epoch, shards) = self.fences_fit(&entry, &source, &target).await?;
        // Those that are there: the cell may have got more for the tenants that it was given since.
        source.end.shards = shards;
        let (tables, mut warnings) = self.tables(request, &source, &target).await?;
        let (queues, more) = self.queues(&source, &target).await?;
        warnings.extend(more);
        warnings.extend([&source, &target].into_iter().filter_map(being_changed));
        let is_here = |known: &Known<'_>| known.load.is_at(&self.fleet.control);
        let mut plan = Plan {
            format: MOVE_FORMAT,
            id: MoveId { tenant: tenant.clone(), version: entry.version },
            one_place: is_here(&source) && is_here(&target),
            source: source.end,
            target: target.end.clone(),
            epoch,
            tables,
            queues,
            options: request.options.clone(),
            at_ms: self.world.clock.now_ms(),
            volume: None,
        };
        plan.options.warm = self.is_warm(&plan, &target).await?;
        if !plan.options.warm {
            self.refuse_leftovers(&plan, &target).await?;
        }
        let estimate = self.estimate(&plan).await?;
        plan.volume = Some((&estimate).into());
        Ok(Planned { plan, estimate, warnings, resumes: false })
    }

    /// The move that the tenant is in, if it goes where it is asked to go.
    pub(super) async fn under_way(&self, request: &Request, id: &MoveId) -> Result<Planned, OpError> {
        let plan = self.show(id).await?.state.plan;
        if plan.target.cell != request.to {
            let message = format!("tenant {} is in the move {id} to cell {}", request.tenant, plan.target.cell);
            let hint =
                format!("let it end, or `cellctl move abort {id}`; `cellctl move show {id}` says where it stands");
            return Err(refused(message, &hint));
        }
        let estimate = self.estimate(&plan).await?;
        Ok(Planned { plan, estimate, warnings: Vec::new(), resumes: true })
    }

    /// A cell that is defined, provisioned, and has fences.
    async fn known(&self, id: &CellId) -> Result<Known<'_>, OpError> {
        let cell = self.fleet.cell(id).ok_or_else(|| unknown_cell(self.fleet, id))?;
        let load = self.world.map.load(id).await?.ok_or_else(|| {
            refused(format!("cell {id} is not provisioned"), &format!("`cellctl cell create {id}` makes it"))
        })?;
        let fence_table = load.fence_table.clone().ok_or_else(|| {
            refused(
                format!("cell {id} has no fences: its template has no output FenceTableName"),
                "docs/templates.md says what a template must have for tenants to be moved",
            )
        })?;
        let outputs = self.world.moves.outputs(id).await?;
        let moved_queue = outputs.get(MOVED_OUTPUT).cloned();
        let shards = load.fence_shards.clamp(1, SHARDS_MAX);
        let end = End { cell: id.clone(), place: load.place.clone(), fence_table, shards, moved_queue };
        Ok(Known { cell, load, end, stack: self.fleet.stack_of(id).to_string(), outputs })
    }

    /// Refuses a target that placement would refuse, too. There is no override for where data may be.
    fn refuse_unfit(&self, entry: &Entry, target: &Known<'_>) -> Result<(), OpError> {
        let regions = allowed_regions(self.fleet, &entry.attributes)
            .map_err(|error| refused(error.to_string(), "list it under spec.residency in fleet.yaml"))?;
        let wish = Wish { tenant: &entry.tenant, attributes: &entry.attributes, regions };
        let Some(refusal) = Candidate::of(target.cell, Some(&target.load)).refusal(&wish, true) else { return Ok(()) };
        let cell = &target.cell.id;
        let hint = match &refusal {
            Refusal::Region { .. } => "residency has no override: choose a cell in one of these Regions".to_owned(),
            Refusal::NotActive { .. } => format!("`cellctl cell uncordon {cell}` lets it take tenants again"),
            Refusal::NotProvisioned => format!("run `cellctl cell create {cell}` first"),
            Refusal::FullByCount { .. } | Refusal::FullByWeight { .. } => {
                "raise its capacity in the definition, or choose another cell".to_owned()
            }
            _ => format!("`cellctl tenant place {} --explain` shows what every cell says", entry.tenant),
        };
        Err(refused(format!("cell {cell} does not take tenant {}: {refusal}", entry.tenant), &hint))
    }

    /// The source open, the target not in use; gives the epoch of the source, and the number of its shards.
    async fn fences_fit(&self, entry: &Entry, source: &Known<'_>, target: &Known<'_>) -> Result<(u64, u8), OpError> {
        let tenant = &entry.tenant;
        let there = self.shards_of(source, tenant).await?;
        let epoch = there.first().map_or(0, |shard| shard.epoch);
        let open = |shard: &Shard| shard.mode == FenceMode::Open && shard.epoch == epoch;
        if there.is_empty() || epoch < entry.epoch || !there.iter().all(open) {
            let message = format!("the fence of tenant {tenant} in cell {} is not open", source.cell.id);
            return Err(refused(message, "`cellctl map verify --repair` mends what a crash has left"));
        }
        // What is INCOMING was left by a move that is over: the tenant is in none.
        let busy = |shard: &Shard| match shard.mode {
            FenceMode::Closed | FenceMode::Out => shard.epoch > epoch,
            FenceMode::Incoming => shard.epoch > epoch + 1,
            _ => true,
        };
        if self.shards_of(target, tenant).await?.iter().any(busy) {
            let message =
                format!("cell {} has a fence of tenant {tenant} that is in use, or of a later epoch", target.cell.id);
            return Err(refused(message, "`cellctl map verify` shows what is not as it should be"));
        }
        Ok((epoch, u8::try_from(there.len()).unwrap_or(SHARDS_MAX)))
    }

    async fn shards_of(&self, known: &Known<'_>, tenant: &crate::domain::ids::TenantId) -> Result<Vec<Shard>, OpError> {
        let Some(table) = known.load.fences() else { return Ok(Vec::new()) };
        Ok(self.world.fences.shards(&table, tenant).await?.into_values().collect())
    }
}

/// What a rollout that is under way in a cell means for a move.
fn being_changed(known: &Known<'_>) -> Option<String> {
    let by = known.load.changing?;
    Some(format!(
        "cell {} is being changed by rollout {by}: the move waits until that is done; `cellctl rollout watch {by}` follows it",
        known.cell.id
    ))
}

/// The room that a move holds in the cell that the tenant came from.
fn give_back(load: &mut CellLoad, entry: &Entry) {
    load.tenants = load.tenants.saturating_sub(1);
    load.weight = load.weight.saturating_sub_unsigned(entry.attributes.weight);
}

fn refuse_unmovable(entry: &Entry) -> Result<(), OpError> {
    let (tenant, cell) = (&entry.tenant, &entry.cell);
    if let Some(pin) = &entry.pin {
        let why = pin.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        return Err(refused(
            format!("tenant {tenant} is pinned to cell {cell}{why}"),
            &format!("`cellctl tenant unpin {tenant}` first"),
        ));
    }
    match entry.state {
        EntryState::Active => Ok(()),
        EntryState::Opening => Err(refused(
            format!("tenant {tenant} has not been added to its end"),
            &format!("finish it first: `cellctl tenant add {tenant}`, or `cellctl map verify --repair`"),
        )),
        _ => Err(refused(
            format!("tenant {tenant} is being removed"),
            &format!("finish it first: `cellctl tenant remove {tenant}`"),
        )),
    }
}

/// A refusal of a guard.
fn refused(message: impl Into<String>, hint: &str) -> OpError {
    OpError::new(ErrorKind::Refused, message).hint(hint)
}
