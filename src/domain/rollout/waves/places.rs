//! Cells and Regions, as messages name them.

use std::collections::BTreeSet;

use crate::domain::fleet::Cell;

/// Cells that a message names.
const NAMED_MAX: usize = 5;

/// The names of cells, with the number of those that are not named.
pub(super) fn listed(cells: &[&Cell]) -> String {
    let mut names: Vec<&str> = cells.iter().map(|cell| cell.id.as_str()).collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    let named = names.join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

/// The Regions of cells.
pub(super) fn regions<'a>(cells: &[&'a Cell]) -> BTreeSet<&'a str> {
    cells.iter().map(|cell| cell.place.region.as_str()).collect()
}
