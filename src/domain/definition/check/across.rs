//! What only shows when the files are seen together: a fleet or a cell described twice, cells whose atoms would meet,
//! sets of Regions without a cell, and waves that do not fit the cells.
//!
//! Constraint kept: the trees of the files are gone by now, so findings stand at the cell's name.

use super::super::CellSpec;
use super::{NamedCell, NamedFleet};
use crate::domain::finding::Finding;
use crate::domain::fleet::Cell;

/// Finds a fleet described by `fleet.yaml` and `fleet.yml` at once.
pub(super) fn fleets(fleets: &[NamedFleet]) -> Vec<Finding> {
    let Some((first, others)) = fleets.split_first() else { return Vec::new() };
    let twice = |other: &NamedFleet| {
        Finding::error("duplicate-fleet", &*other.file, format!("the fleet is also described in {}", first.file))
            .hint("keep one of the two files")
    };
    others.iter().map(twice).collect()
}

/// Finds cells of one name, which are told of each other. `cells` are sorted by name.
pub(super) fn duplicates(cells: &[NamedCell]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in cells.chunk_by(|a, b| a.name == b.name) {
        let [first, others @ ..] = group else { continue };
        findings.extend(others.iter().map(|other| twice(other, first)));
        findings.extend(others.first().map(|second| twice(first, second)));
    }
    findings
}

fn twice(here: &NamedCell, there: &NamedCell) -> Finding {
    let message = format!("the cell name `{}` is also used at {}:{}", here.name, there.file, there.at);
    at_name(here, message).hint("a name stands for one cell and one stack; rename or remove one of the two")
}

/// Finds atoms of two cells that would have one full name: `c-a` in the cell `b`, and `a` in the cell `b-c`.
pub(super) fn overlaps(cells: &[NamedCell]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for inner in cells {
        for (at, _) in inner.name.match_indices('-') {
            let outer = cells.binary_search_by(|cell| cell.name.as_str().cmp(&inner.name[..at]));
            if let Ok(index) = outer {
                findings.extend(overlap(&cells[index], inner, &inner.name[at + 1..]));
            }
        }
    }
    findings
}

/// Finds sets of Regions without a cell. Left out where a cell's place is not known, and where there are no cells yet.
pub(super) fn empty_residencies(fleets: &[NamedFleet], cells: &[NamedCell]) -> Vec<Finding> {
    let places: Option<Vec<&str>> = cells.iter().map(|c| Some(c.cell.as_ref()?.place.region.as_str())).collect();
    let Some(places) = places.filter(|places| !places.is_empty()) else { return Vec::new() };
    let is_empty = |fleet: &NamedFleet, name: &str| {
        fleet.definition.spec.residency.get(name).is_some_and(|set| !set.iter().any(|r| places.contains(&r.as_str())))
    };
    let of_fleet = |fleet: &NamedFleet| {
        let warnings = fleet.residency.iter().filter(|(name, _)| is_empty(fleet, name));
        warnings.map(|(_, warning)| warning.clone()).collect::<Vec<_>>()
    };
    fleets.iter().flat_map(of_fleet).collect()
}

/// Finds where waves and cells do not fit. Warnings: only a rollout is refused for it, and a fleet that has just lost its last
/// canary cell must still be operable.
pub(super) fn waves(fleets: &[NamedFleet], cells: &[NamedCell]) -> Vec<Finding> {
    let cells: Vec<(&Cell, u64)> = cells.iter().filter_map(|named| Some((named.cell.as_ref()?, 0))).collect();
    let of_fleet = |fleet: &NamedFleet| fleet.waves.findings(&cells, &fleet.definition.spec.rollout);
    fleets.iter().flat_map(of_fleet).collect()
}

/// The first overlap of two cells in one account and Region, where the longer name goes on with `rest`.
fn overlap(outer: &NamedCell, inner: &NamedCell, rest: &str) -> Option<Finding> {
    let (a, b) = (outer.cell.as_ref()?, inner.cell.as_ref()?);
    if (&a.place.account, &a.place.region) != (&b.place.account, &b.place.region) {
        return None;
    }
    let (kind, atom) = atoms(&b.spec).find(|(kind, atom)| {
        let longer = format!("{rest}-{atom}");
        atoms(&a.spec).any(|(other, name)| other == *kind && name == longer)
    })?;
    let message = format!(
        "the {kind} `{atom}` would have the same full name as the {kind} `{rest}-{atom}` of the cell `{}` ({})",
        outer.name, outer.file
    );
    Some(at_name(inner, message).hint("rename one of the two, or one of the cells"))
}

fn atoms(spec: &CellSpec) -> impl Iterator<Item = (&'static str, &str)> {
    let tables = spec.tables.keys().map(|name| ("table", name.as_str()));
    let queues = spec.queues.keys().map(|name| ("queue", name.as_str()));
    let functions = spec.functions.keys().map(|name| ("function", name.as_str()));
    tables.chain(queues).chain(functions)
}

fn at_name(cell: &NamedCell, message: String) -> Finding {
    let mut finding = Finding::error("duplicate-name", &*cell.file, message);
    (finding.line, finding.column) = (cell.at.line, cell.at.column);
    finding.excerpt.clone_from(&cell.excerpt);
    finding
}
