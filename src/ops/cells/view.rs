//! What there is to know about cells, put together from definitions, records and stacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::fleet::{Fleet, Place};
use crate::domain::ids::{CellId, StackName};
use crate::domain::record::{CellRecord, CellState};
use crate::domain::stack::{StackResource, StackSummary};
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
    /// Tenants that it holds.
    pub tenants: u64,
    /// Tenants that it may hold.
    pub capacity: Option<u64>,
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
    Ok(names.into_iter().map(|name| row(fleet, name, records.get(name), &stacks)).collect())
}

/// Where a cell's stack is: as its record says. A definition may have been changed since.
pub fn place_of(record: &CellRecord) -> Place {
    Place { region: record.region.clone(), account: record.account.clone(), role_arn: record.role_arn.clone() }
}

fn row(
    fleet: &Fleet,
    name: &CellId,
    record: Option<&CellRecord>,
    stacks: &BTreeMap<(Place, StackName), StackSummary>,
) -> CellRow {
    let cell = fleet.cell(name);
    let place = record.map(place_of).or_else(|| cell.map(|c| c.place.clone()));
    let stack = fleet.stack_of(name);
    let summary = place.as_ref().and_then(|p| stacks.get(&(p.clone(), stack.clone())));
    CellRow {
        cell: name.clone(),
        cell_type: cell.map(|c| c.spec.cell_type.as_str().to_owned()),
        state: record.map(|r| r.state),
        region: place.map(|p| p.region.to_string()).unwrap_or_default(),
        status: summary.map(|s| s.status.to_string()),
        template: cell.map(|c| c.template.to_string()).unwrap_or_default(),
        applied: record.and_then(|r| r.applied.as_ref()).map(|a| a.digest.short().to_owned()),
        failed: record.and_then(|r| r.failed.as_ref()).map(|f| f.reason.clone()),
        tenants: record.map_or(0, |r| r.tenants),
        capacity: cell.map(|c| c.spec.capacity.tenants),
        stack: stack.to_string(),
    }
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
    Ok(CellView {
        row: row(fleet, name, record.as_ref(), &stacks),
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
