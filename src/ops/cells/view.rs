//! What there is to know about cells, put together from definitions, records and stacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::definition::Capacity;
use crate::domain::fleet::{Fleet, Place};
use crate::domain::ids::{CellId, StackName};
use crate::domain::record::{CellRecord, CellState};
use crate::domain::stack::{StackResource, StackSummary};
use crate::domain::tenant::load::{CellLoad, Limits, share};
use crate::ops::World;
use crate::ops::error::{ErrorKind, OpError};

/// One line of `cellctl cell list`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CellRow {
    /// The cell.
    pub cell: CellId,
    /// Its type; none where its definition is gone.
    pub cell_type: Option<String>,
    /// Whether it takes tenants; none where it has not been provisioned.
    pub state: Option<CellState>,
    /// Its Region.
    pub region: String,
    /// Name of its stack.
    pub stack: String,
    /// Status of the stack; none where there is no stack.
    pub status: Option<String>,
    /// Template that its definition names.
    pub template: String,
    /// Digest of what was applied, shortened.
    pub applied: Option<String>,
    /// Why the last attempt failed, if it did.
    pub failed: Option<String>,
    /// Tenants that it holds. Below zero only when the counters have drifted.
    pub tenants: i64,
    /// Sum of their weights.
    pub weight: i64,
    /// Tenants that it may hold.
    pub capacity: Option<u64>,
    /// Weight that it may hold; none where it has no bound.
    pub weight_capacity: Option<u64>,
    /// Its share of the fleet's tenants, from 0 to 1.
    pub share: f64,
    /// What is left of the limit that is reached first, from 0 to 1; below 0 where a limit was lowered since.
    pub headroom: Option<f64>,
}

/// What every row needs beside its own cell.
struct Surroundings<'a> {
    fleet: &'a Fleet,
    stacks: BTreeMap<(Place, StackName), StackSummary>,
    loads: BTreeMap<CellId, CellLoad>,
    /// Tenants in the whole fleet.
    tenants: u64,
}

impl<'a> Surroundings<'a> {
    async fn look(
        world: &World,
        fleet: &'a Fleet,
        stacks: BTreeMap<(Place, StackName), StackSummary>,
    ) -> Result<Self, OpError> {
        let loads = world.map.loads().await?;
        let tenants = loads.iter().map(|load| counted(load.tenants)).sum();
        let loads = loads.into_iter().map(|load| (load.cell.clone(), load)).collect();
        Ok(Self { fleet, stacks, loads, tenants })
    }
}

/// All cells of a fleet, defined or recorded, by name.
pub async fn list(world: &World, fleet: &Fleet) -> Result<Vec<CellRow>, OpError> {
    let records = world.control.records().await?;
    let records: BTreeMap<CellId, CellRecord> = records.into_iter().map(|r| (r.cell.clone(), r)).collect();
    let mut places: BTreeSet<Place> = fleet.cells.iter().map(|c| c.place.clone()).collect();
    places.extend(records.values().map(place_of));
    let mut stacks: BTreeMap<(Place, StackName), StackSummary> = BTreeMap::new();
    for place in places {
        let listed = world.stacks.list(&place).await?;
        stacks.extend(listed.into_iter().map(|s| ((place.clone(), s.name.clone()), s)));
    }
    let names: BTreeSet<&CellId> = fleet.cells.iter().map(|c| &c.id).chain(records.keys()).collect();
    let around = Surroundings::look(world, fleet, stacks).await?;
    Ok(names.into_iter().map(|name| row(&around, name, records.get(name))).collect())
}

/// Where a cell's stack is: as its record says. A definition may have been changed since.
pub fn place_of(record: &CellRecord) -> Place {
    Place { region: record.region.clone(), account: record.account.clone(), role_arn: record.role_arn.clone() }
}

fn row(around: &Surroundings<'_>, name: &CellId, record: Option<&CellRecord>) -> CellRow {
    let cell = around.fleet.cell(name);
    let place = record.map(place_of).or_else(|| cell.map(|c| c.place.clone()));
    let stack = around.fleet.stack_of(name);
    let summary = place.as_ref().and_then(|p| around.stacks.get(&(p.clone(), stack.clone())));
    let (tenants, weight) = around.loads.get(name).map_or((0, 0), |load| (load.tenants, load.weight));
    let capacity = cell.map(|c| c.spec.capacity);
    CellRow {
        cell: name.clone(),
        cell_type: cell.map(|c| c.spec.cell_type.as_str().to_owned()),
        state: record.map(|r| r.state),
        region: place.map(|p| p.region.to_string()).unwrap_or_default(),
        status: summary.map(|s| s.status.to_string()),
        template: cell.map(|c| c.template.to_string()).unwrap_or_default(),
        applied: record.and_then(|r| r.applied.as_ref()).map(|a| a.digest.short().to_owned()),
        failed: record.and_then(|r| r.failed.as_ref()).map(|f| f.reason.clone()),
        tenants,
        weight,
        capacity: capacity.map(|c| c.tenants),
        weight_capacity: capacity.and_then(|c| c.weight),
        share: if around.tenants > 0 { share(counted(tenants), around.tenants) } else { 0.0 },
        headroom: capacity.map(|c| headroom(tenants, weight, c)),
        stack: stack.to_string(),
    }
}

/// What is left of the limit that is reached first.
fn headroom(tenants: i64, weight: i64, capacity: Capacity) -> f64 {
    1.0 - Limits::from(capacity).fullness(counted(tenants), counted(weight))
}

/// A counter below zero counts as none.
fn counted(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Everything about one cell.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CellView {
    /// What a listing says.
    #[serde(rename = "summary")]
    pub row: CellRow,
    /// Outputs of its stack.
    pub outputs: BTreeMap<String, String>,
    /// Resources of its stack.
    pub resources: Vec<StackResource>,
    /// Plan that was applied last.
    pub plan: Option<String>,
    /// When it was applied, in milliseconds since 1970.
    pub applied_at_ms: Option<i64>,
    /// Whether the service refuses to delete the stack.
    pub protected: bool,
}

/// Looks at one cell.
pub async fn show(world: &World, fleet: &Fleet, name: &CellId) -> Result<CellView, OpError> {
    let record = world.control.record(name).await?;
    let cell = fleet.cell(name);
    if cell.is_none() && record.is_none() {
        return Err(unknown_cell(fleet, name));
    }
    let place = record.as_ref().map(place_of).or_else(|| cell.map(|c| c.place.clone()));
    let place = place.unwrap_or_else(|| fleet.control.clone());
    let stack = fleet.stack_of(name);
    let detail = world.stacks.describe(&place, stack.as_str()).await?;
    let resources = match &detail {
        Some(detail) => world.stacks.resources(&place, &detail.summary.id).await?,
        None => Vec::new(),
    };
    let stacks = detail.iter().map(|d| ((place.clone(), d.summary.name.clone()), d.summary.clone())).collect();
    let applied = record.as_ref().and_then(|r| r.applied.as_ref());
    let around = Surroundings::look(world, fleet, stacks).await?;
    Ok(CellView {
        row: row(&around, name, record.as_ref()),
        plan: applied.map(|a| a.plan.clone()),
        applied_at_ms: applied.map(|a| a.at_ms),
        protected: detail.as_ref().is_some_and(|d| d.protected),
        outputs: detail.map(|d| d.outputs).unwrap_or_default(),
        resources,
    })
}

/// The error for a name that is neither defined nor recorded.
pub fn unknown_cell(fleet: &Fleet, name: &CellId) -> OpError {
    let names = fleet.cells.iter().map(|c| c.id.as_str());
    let hint = match crate::domain::finding::did_you_mean(name.as_str(), names) {
        Some(close) => format!("did you mean {close}?"),
        None => {
            "`cellctl cell list` shows the cells; `cellctl cell create NAME --like CELL` makes a new one".to_owned()
        }
    };
    OpError::new(ErrorKind::Failed, format!("fleet {} has no cell {name}", fleet.name)).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_that_drifted_below_zero_take_no_room() {
        let capacity = Capacity { tenants: 10, weight: Some(10) };
        for (tenants, weight, left) in [(-3, -3, 1.0), (5, -3, 0.5), (15, 5, -0.5)] {
            let found = headroom(tenants, weight, capacity);
            assert!((found - left).abs() < 1e-9, "{tenants} tenants of weight {weight}: {found}, not {left}");
        }
    }
}
