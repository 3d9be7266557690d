//! Tenants that are to be added, and the transactions that they go into.
//!
//! Constraint kept: a batch fits into a transaction; no two lanes share a cell, whose counters would be in each other's
//! way.

use crate::domain::snapshot::EntryLine;
use crate::domain::tenant::Entry;
use crate::domain::tenant::change::{self, Remnant};
use crate::ports::tenants::fits_one_write;

use super::super::judge::Cells;

/// A tenant that is to be added, and its tombstone.
pub(super) struct Planned {
    pub(super) line: EntryLine,
    pub(super) before: Option<Entry>,
    /// What the audit log knows of it, where the map has lost its entry.
    pub(super) remnant: Option<Remnant>,
    /// Most items and bytes that it takes in a transaction.
    items: usize,
    bytes: usize,
}

impl Planned {
    pub(super) fn new(line: EntryLine, before: Option<Entry>, cells: &Cells<'_>) -> Self {
        let items = cells.items(&line.cell);
        let bytes = change::bytes_max(before.as_ref(), &line.attributes(), line.pin.as_ref());
        Self { line, before, remnant: None, items, bytes }
    }
}

/// Batches that fit into a transaction, in lanes that share no cell.
pub(super) fn lanes(mut planned: Vec<Planned>) -> Vec<Vec<Vec<Planned>>> {
    planned.sort_by(|a, b| a.line.cell.cmp(&b.line.cell));
    let mut lanes: Vec<Vec<Vec<Planned>>> = Vec::new();
    for one in planned {
        let same_cell = |batch: &[Planned]| batch.last().is_some_and(|last| last.line.cell == one.line.cell);
        match lanes.last_mut() {
            Some(lane) => match lane.last_mut() {
                Some(batch) if fits(batch, &one) => batch.push(one),
                Some(batch) if same_cell(batch) => lane.push(vec![one]),
                _ => lanes.push(vec![vec![one]]),
            },
            None => lanes.push(vec![vec![one]]),
        }
    }
    lanes
}

/// Whether a batch, sorted by cell, takes one more: by items and by bytes.
fn fits(batch: &[Planned], one: &Planned) -> bool {
    let mut cells: Vec<_> = batch.iter().map(|planned| &planned.line.cell).chain([&one.line.cell]).collect();
    let changes = cells.len();
    cells.dedup();
    let bytes = batch.iter().map(|planned| planned.bytes).sum::<usize>() + one.bytes;
    let items = batch.iter().map(|planned| planned.items).sum::<usize>() + one.items;
    fits_one_write(changes, items + cells.len(), bytes)
}
