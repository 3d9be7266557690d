//! The map in numbers.
//!
//! Constraint kept: counted from the entries, not from the counters that placement uses (`map verify` compares the two),
//! in one pass, with memory for the cells and the heaviest tenants only.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use serde::Serialize;

use crate::domain::fleet::Fleet;
use crate::domain::ids::{CellId, Region, TenantId};
use crate::domain::record::CellState;
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::placement::Candidate;
use crate::domain::tenant::{Entry, EntryState};
use crate::ops::World;
use crate::ops::error::OpError;

use super::stream::Entries;

/// Group of what has no name: cells of unknown type or Region, tenants without a tier.
const NONE: &str = "(none)";

/// The map in numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Tenants that take room in a cell.
    pub tenants: u64,
    /// Sum of their weights.
    pub weight: u64,
    /// Of these: being added.
    pub opening: u64,
    /// Of these: being moved. They take room in two cells.
    pub moving: u64,
    /// Of these: being removed.
    pub closing: u64,
    /// Of these: pinned.
    pub pinned: u64,
    /// Removed tenants, of which the epoch is kept.
    pub removed: u64,
    /// Version of the map: the sum of the versions of all entries.
    pub version: u64,
    /// Tenants that active cells could still take by number.
    pub headroom: u64,
    /// How full the fullest cell is to how full they are on average; none without tenants.
    pub skew: Option<f64>,
    /// The cells, defined, recorded or named by a tenant, by name.
    pub cells: Vec<CellStats>,
    /// By type of cell.
    pub types: Vec<Group>,
    /// By Region of the cell.
    pub regions: Vec<Group>,
    /// By tier of the tenant.
    pub tiers: Vec<Group>,
    /// The heaviest tenants, the heaviest first.
    pub heaviest: Vec<Heavy>,
}

/// A cell in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CellStats {
    /// The cell.
    pub cell: CellId,
    /// Its type, where it is known.
    #[serde(rename = "type")]
    pub cell_type: Option<String>,
    /// Its Region, where it is known.
    pub region: Option<Region>,
    /// Its state; none where it has not been provisioned.
    pub state: Option<CellState>,
    /// Tenants that take room in it; one that is moved does so in two cells.
    pub tenants: u64,
    /// Sum of their weights.
    pub weight: u64,
    /// How many it may hold; none without a definition.
    pub tenants_max: Option<u64>,
    /// How much weight it may hold; none where that is not bounded.
    pub weight_max: Option<u64>,
    /// How full it is, from 0 to 1, by the limit that is reached first; none without a definition.
    pub fill: Option<f64>,
    /// Tenants that it can still take by number.
    pub headroom: Option<u64>,
    /// Weight that it can still take.
    pub weight_headroom: Option<u64>,
}

/// Tenants that have something in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// What.
    pub name: String,
    /// How many.
    pub tenants: u64,
    /// Sum of their weights.
    pub weight: u64,
}

/// A heavy tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Heavy {
    /// Its weight.
    pub weight: u64,
    /// The tenant. Among equals, those that come first by name are kept.
    pub tenant: Reverse<TenantId>,
    /// Its cell.
    pub cell: CellId,
}

/// Tenants and their weight.
type Sum = (u64, u64);

/// Counts the map; keeps the `top` heaviest tenants.
pub async fn stats(world: &World, fleet: &Fleet, top: usize) -> Result<Stats, OpError> {
    let mut entries = Entries::all(Arc::clone(&world.map));
    let loads = world.map.loads().await?;
    let mut counter = Counter { top, ..Counter::default() };
    while let Some(entry) = entries.next().await? {
        counter.count(&entry);
    }
    Ok(counter.finish(fleet, &loads))
}

#[derive(Default)]
struct Counter {
    top: usize,
    stats: Stats,
    cells: BTreeMap<CellId, Sum>,
    tiers: BTreeMap<String, Sum>,
    heaviest: BinaryHeap<Reverse<Heavy>>,
}

impl Counter {
    fn count(&mut self, entry: &Entry) {
        let stats = &mut self.stats;
        stats.version = stats.version.saturating_add(entry.version);
        if !entry.is_present() {
            stats.removed += 1;
            return;
        }
        let weight = entry.attributes.weight;
        stats.tenants += 1;
        stats.weight = stats.weight.saturating_add(weight);
        stats.opening += u64::from(entry.state == EntryState::Opening);
        stats.moving += u64::from(entry.state == EntryState::Moving);
        stats.closing += u64::from(entry.state == EntryState::Closing);
        stats.pinned += u64::from(entry.pin.is_some());
        for cell in entry.rooms() {
            add(&mut self.cells, cell, (1, weight));
        }
        let tier = entry.attributes.tier.as_ref().map_or(NONE, |tier| tier.as_str());
        add(&mut self.tiers, tier, (1, weight));
        self.weigh(entry);
    }

    fn weigh(&mut self, entry: &Entry) {
        let lightest = self.heaviest.peek().map_or(0, |Reverse(heavy)| heavy.weight);
        let weight = entry.attributes.weight;
        if self.heaviest.len() >= self.top && weight <= lightest {
            return;
        }
        let heavy = Heavy { weight, tenant: Reverse(entry.tenant.clone()), cell: entry.cell.clone() };
        self.heaviest.push(Reverse(heavy));
        if self.heaviest.len() > self.top {
            self.heaviest.pop();
        }
    }

    fn finish(mut self, fleet: &Fleet, loads: &[CellLoad]) -> Stats {
        let named = fleet.cells.iter().map(|cell| &cell.id).chain(loads.iter().map(|load| &load.cell));
        for cell in named {
            add(&mut self.cells, cell, (0, 0));
        }
        let gone = |cell: &CellStats| cell.state == Some(CellState::Deleted) && cell.tenants == 0;
        let loads: BTreeMap<&CellId, &CellLoad> = loads.iter().map(|load| (&load.cell, load)).collect();
        let cells = self.cells.iter().map(|(cell, sum)| cell_stats(fleet, loads.get(cell).copied(), cell, *sum));
        let cells: Vec<CellStats> = cells.filter(|cell| !gone(cell)).collect();
        let (mut types, mut regions) = (BTreeMap::new(), BTreeMap::new());
        for cell in &cells {
            let sum = (cell.tenants, cell.weight);
            add(&mut types, cell.cell_type.as_deref().unwrap_or(NONE), sum);
            add(&mut regions, cell.region.as_ref().map_or(NONE, |region| region.as_str()), sum);
        }
        let open = cells.iter().filter(|cell| cell.state == Some(CellState::Active));
        Stats {
            headroom: open.filter_map(|cell| cell.headroom).sum(),
            skew: skew(&cells),
            cells,
            types: groups(types),
            regions: groups(regions),
            tiers: groups(self.tiers),
            heaviest: self.heaviest.into_sorted_vec().into_iter().map(|Reverse(heavy)| heavy).collect(),
            ..self.stats
        }
    }
}

fn cell_stats(fleet: &Fleet, load: Option<&CellLoad>, cell: &CellId, (tenants, weight): Sum) -> CellStats {
    let defined = fleet.cell(cell);
    let limits = defined.map(|cell| Candidate::of(cell, load).limits);
    let weight_max = limits.and_then(|limits| limits.weight);
    let tenants_max = limits.map(|limits| limits.tenants);
    let fill = limits.map(|limits| limits.fullness(tenants, weight));
    let recorded_type = load.and_then(|load| load.cell_type.clone());
    let defined_type = || defined.map(|cell| cell.spec.cell_type.as_str().to_owned());
    let recorded_region = load.map(|load| load.place.region.clone());
    CellStats {
        cell: cell.clone(),
        cell_type: recorded_type.or_else(defined_type),
        region: recorded_region.or_else(|| defined.map(|cell| cell.place.region.clone())),
        state: load.map(|load| load.state),
        tenants,
        weight,
        tenants_max,
        weight_max,
        fill,
        headroom: tenants_max.map(|max| max.saturating_sub(tenants)),
        weight_headroom: weight_max.map(|max| max.saturating_sub(weight)),
    }
}

/// Over the provisioned cells that may hold tenants: how full the fullest is, to how full they are on average.
#[allow(clippy::cast_precision_loss, reason = "a ratio for people, of at most some thousand cells")]
fn skew(cells: &[CellStats]) -> Option<f64> {
    let counts = |cell: &&CellStats| cell.state.is_some() && cell.tenants_max != Some(0);
    let fills: Vec<f64> = cells.iter().filter(counts).filter_map(|cell| cell.fill).collect();
    let mean = fills.iter().sum::<f64>() / fills.len() as f64;
    (mean > 0.0).then(|| fills.iter().copied().fold(0.0, f64::max) / mean)
}

fn add<K: Ord + Borrow<Q>, Q: Ord + ToOwned<Owned = K> + ?Sized>(
    sums: &mut BTreeMap<K, Sum>,
    name: &Q,
    (tenants, weight): Sum,
) {
    if let Some(sum) = sums.get_mut(name) {
        *sum = (sum.0 + tenants, sum.1.saturating_add(weight));
    } else {
        sums.insert(name.to_owned(), (tenants, weight));
    }
}

fn groups(sums: BTreeMap<String, Sum>) -> Vec<Group> {
    let group = |(name, (tenants, weight))| Group { name, tenants, weight };
    sums.into_iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(name: &str, tenants_max: u64, fill: f64) -> CellStats {
        CellStats {
            cell: name.parse().expect("valid"),
            cell_type: None,
            region: None,
            state: Some(CellState::Active),
            tenants: 0,
            weight: 0,
            tenants_max: Some(tenants_max),
            weight_max: None,
            fill: Some(fill),
            headroom: None,
            weight_headroom: None,
        }
    }

    #[test]
    fn a_cell_that_may_hold_nobody_has_no_part_in_the_skew() {
        let cells = [cell("cell-1", 10, 0.3), cell("cell-2", 10, 0.1), cell("closed", 0, 1.0)];
        let found = skew(&cells).expect("there are tenants");
        assert!((found - 1.5).abs() < 1e-9, "{found}");
    }
}
