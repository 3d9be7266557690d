//! Looking at what there is, cheaply.
//!
//! Constraint kept: a fleet that needs nothing costs one listing pass for each account and Region and one query of the
//! control table; only what no record vouches for is looked at one by one.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream;

use crate::domain::fleet::Place;
use crate::domain::ids::{CellId, StackName};
use crate::domain::plan::{Desired, Observation, ObservedStack};
use crate::domain::stack::{Phase, StackSummary};
use crate::ports::Called;

use super::World;

/// Look-ups of single stacks and tables at a time.
const LOOKUPS: usize = 16;

/// The tag that says which fleet a stack belongs to.
pub const FLEET_TAG: &str = "cellctl:fleet";
/// The tag that says which cell a stack is.
pub const CELL_TAG: &str = "cellctl:cell";

/// Looks at the stacks of these cells.
pub async fn observe(world: &World, fleet: &str, desired: &[Desired]) -> Called<Observation> {
    let records = world.control.records().await?;
    let mut observation = Observation {
        records: records.into_iter().map(|record| (record.cell.clone(), record)).collect(),
        ..Observation::default()
    };
    let listed = list_places(world, desired).await?;
    for item in desired {
        let summary = listed.get(&item.place).and_then(|stacks| stacks.get(&item.stack));
        if let Some(summary) = summary.filter(|s| s.status.phase() != Phase::Gone) {
            observation.stacks.insert(item.cell.clone(), observed(summary));
        }
    }
    vouch(world, fleet, desired, &mut observation).await?;
    find_foreign_tables(world, desired, &mut observation).await?;
    Ok(observation)
}

fn observed(summary: &StackSummary) -> ObservedStack {
    ObservedStack {
        id: summary.id.clone(),
        status: summary.status.clone(),
        changed_at_ms: summary.changed_at_ms,
        ours: false,
    }
}

type Listed = BTreeMap<Place, BTreeMap<StackName, StackSummary>>;

async fn list_places(world: &World, desired: &[Desired]) -> Called<Listed> {
    let places: BTreeSet<Place> = desired.iter().map(|d| d.place.clone()).collect();
    let passes = stream::iter(places).map(|place| async move {
        let stacks = world.stacks.list(&place).await?;
        Ok((place, stacks.into_iter().map(|s| (s.name.clone(), s)).collect()))
    });
    passes.buffer_unordered(LOOKUPS).collect::<Vec<_>>().await.into_iter().collect()
}

/// Looks at the tags of stacks that no record vouches for.
async fn vouch(world: &World, fleet: &str, desired: &[Desired], observation: &mut Observation) -> Called<()> {
    let known = |cell: &CellId, stack: &ObservedStack| {
        let applied = observation.records.get(cell).and_then(|r| r.applied.as_ref());
        applied.is_some_and(|a| a.stack_id == stack.id)
    };
    let unknown: Vec<&Desired> = desired
        .iter()
        .filter(|d| observation.stacks.get(&d.cell).is_some_and(|stack| !known(&d.cell, stack)))
        .collect();
    let looks = stream::iter(unknown).map(|item| async move {
        let detail = world.stacks.describe(&item.place, item.stack.as_str()).await?;
        let tag = |key: &str| detail.as_ref().and_then(|d| d.tags.get(key)).map(String::as_str);
        Ok((item.cell.clone(), tag(FLEET_TAG) == Some(fleet) && tag(CELL_TAG) == Some(item.cell.as_str())))
    });
    let verdicts: Called<Vec<(CellId, bool)>> =
        looks.buffer_unordered(LOOKUPS).collect::<Vec<_>>().await.into_iter().collect();
    for (cell, ours) in verdicts? {
        if let Some(stack) = observation.stacks.get_mut(&cell) {
            stack.ours = ours;
        }
    }
    Ok(())
}

/// Looks for tables that have the names of a new stack's.
async fn find_foreign_tables(world: &World, desired: &[Desired], observation: &mut Observation) -> Called<()> {
    let new = desired.iter().filter(|d| !observation.stacks.contains_key(&d.cell));
    let names = new.flat_map(|d| d.tables.iter().map(move |table| (d, table)));
    let names: Vec<(&Desired, &String)> = names.collect();
    let looks = stream::iter(names).map(|(item, table)| async move {
        let found = world.atoms.table_exists(&item.place, table).await?;
        Ok(found.then(|| (item.cell.clone(), table.clone())))
    });
    let found: Called<Vec<Option<(CellId, String)>>> =
        looks.buffered(LOOKUPS).collect::<Vec<_>>().await.into_iter().collect();
    for (cell, table) in found?.into_iter().flatten() {
        observation.foreign_tables.entry(cell).or_default().push(table);
    }
    Ok(())
}
