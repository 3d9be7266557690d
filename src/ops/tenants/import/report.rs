//! How far an import has come, and how it ended.
//!
//! Constraint kept: each row is counted once, as the most that was done about it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::ids::CellId;
use crate::domain::tenant::row::BadRow;
use crate::ops::World;
use crate::ops::error::OpError;
use crate::ops::event::Event;

use super::distinct_rows;

/// What was done about a row; the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RowDid {
    Nothing,
    Unchanged,
    Finished,
    Updated,
    Added,
}

/// What was done in one cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CellCount {
    /// The cell.
    pub cell: CellId,
    /// Tenants added to it.
    pub added: usize,
    /// Tenants of it that got other attributes.
    pub updated: usize,
}

/// How an import ended, or what it would do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// Whether this is only what would be done.
    pub planned: bool,
    /// Whether it was stopped on request.
    pub stopped: bool,
    /// Rows in the file.
    pub rows: usize,
    /// Tenants added.
    pub added: usize,
    /// Tenants that got other attributes.
    pub updated: usize,
    /// Tenants whose fence an earlier run had left to be opened.
    pub finished: usize,
    /// Tenants that were in the map as asked for.
    pub unchanged: usize,
    /// Rows that were not done because something is wrong with them.
    pub bad_rows: usize,
    /// Rows that were not begun.
    pub left: usize,
    /// The cells that were changed, by name.
    pub cells: Vec<CellCount>,
    /// What is wrong with the bad rows, in their order.
    pub bad: Vec<BadRow>,
}

impl ImportReport {
    /// The exit code, as documented.
    pub fn exit_code(&self) -> u8 {
        match (self.stopped && self.left > 0, self.bad.is_empty()) {
            (true, _) => 10,
            (false, false) => 9,
            (false, true) => 0,
        }
    }
}

/// What was done so far.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    did: Vec<RowDid>,
    /// Rows that could not be read.
    unread: usize,
    /// Added and updated, by cell.
    cells: BTreeMap<CellId, (usize, usize)>,
    done: usize,
    total: usize,
}

impl Tally {
    pub(super) fn new(rows: usize, bad: &[BadRow]) -> Self {
        let did = vec![RowDid::Nothing; rows];
        Self { did, unread: distinct_rows(bad), cells: BTreeMap::new(), done: 0, total: 0 }
    }

    /// The writing begins.
    pub(super) fn begin(&mut self, total: usize, world: &World) {
        self.total = total;
        if total > 0 {
            world.reporter.report(&Event::ImportStarted { rows: total });
        }
    }

    pub(super) fn unchanged(&mut self, row: usize) {
        self.did[row] = self.did[row].max(RowDid::Unchanged);
    }

    /// Something was written about a row.
    pub(super) fn mark(&mut self, row: usize, did: RowDid, cell: &CellId) {
        if did <= self.did[row] {
            return;
        }
        self.did[row] = did;
        if did < RowDid::Updated {
            return;
        }
        if !self.cells.contains_key(cell) {
            self.cells.insert(cell.clone(), (0, 0));
        }
        if let Some((added, updated)) = self.cells.get_mut(cell) {
            *(if did == RowDid::Added { added } else { updated }) += 1;
        }
    }

    /// Rows are done to their end.
    pub(super) fn progress(&mut self, rows: usize, world: &World) {
        if rows > 0 {
            self.done += rows;
            world.reporter.report(&Event::RowsImported { done: self.done, total: self.total });
        }
    }

    /// The error of an import that was broken off, with how far it came.
    pub(super) fn broken_off(&self, mut error: OpError) -> OpError {
        error.message = format!("{} ({} of {} rows were imported before)", error.message, self.done, self.total);
        let way_on = "the same import again goes on from there";
        error.hint = Some(error.hint.map_or_else(|| way_on.to_owned(), |hint| format!("{hint}; {way_on}")));
        error
    }

    pub(super) fn report(self, bad: Vec<BadRow>, stopped: bool) -> ImportReport {
        let count = |wanted: RowDid| self.did.iter().filter(|did| **did == wanted).count();
        let rows = self.did.len() + self.unread;
        let bad_rows = distinct_rows(&bad);
        let done: usize = [RowDid::Added, RowDid::Updated, RowDid::Finished, RowDid::Unchanged].map(count).iter().sum();
        let cell = |(cell, (added, updated)): (CellId, (usize, usize))| CellCount { cell, added, updated };
        ImportReport {
            planned: false,
            stopped,
            rows,
            added: count(RowDid::Added),
            updated: count(RowDid::Updated),
            finished: count(RowDid::Finished),
            unchanged: count(RowDid::Unchanged),
            bad_rows,
            left: rows.saturating_sub(done + bad_rows),
            cells: self.cells.into_iter().map(cell).collect(),
            bad,
        }
    }
}
