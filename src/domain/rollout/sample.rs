//! Which cells a metric is compared over.
//!
//! Constraints kept: the choice follows from the cells alone, so that every look asks the same ones; what a look costs is bounded,
//! however large the wave and the fleet are.

use std::collections::BTreeSet;

use super::change::CellChange;

/// Cells of the old version that are asked, at most.
pub const CONTROLS_MAX: usize = 20;
/// Changed cells that are asked, at most.
pub const CHANGED_MAX: usize = 100;

/// The changed cells to ask.
pub fn changed(cells: &[CellChange]) -> Vec<CellChange> {
    evenly(cells.iter().collect(), CHANGED_MAX)
}

/// The cells of the old version to compare these with, out of those of later waves: of the same types where there are any,
/// and of these in the same Regions where there are any. A cell that has no stack yet has no version.
pub fn controls(cells: &[CellChange], later: &[CellChange]) -> Vec<CellChange> {
    let types: BTreeSet<_> = cells.iter().map(|cell| &cell.desired.cell_type).collect();
    let regions: BTreeSet<_> = cells.iter().map(|cell| &cell.desired.place.region).collect();
    let there: Vec<_> = later.iter().filter(|cell| !cell.is_new).collect();
    let alike = preferred(there, |cell| types.contains(&cell.desired.cell_type));
    evenly(preferred(alike, |cell| regions.contains(&cell.desired.place.region)), CONTROLS_MAX)
}

/// Those that are wanted, or all where none is.
fn preferred<'a>(cells: Vec<&'a CellChange>, is_wanted: impl Fn(&CellChange) -> bool) -> Vec<&'a CellChange> {
    let wanted: Vec<_> = cells.iter().copied().filter(|cell| is_wanted(cell)).collect();
    if wanted.is_empty() { cells } else { wanted }
}

/// At most `most` of the cells, evenly spaced in the order of their names.
fn evenly(mut cells: Vec<&CellChange>, most: usize) -> Vec<CellChange> {
    cells.sort_by(|a, b| a.desired.cell.cmp(&b.desired.cell));
    let (all, taken) = (cells.len(), cells.len().min(most));
    (0..taken).map(|at| cells[at * all / taken].clone()).collect()
}
