//! The counters of the cells, beside what their entries add up to.
//!
//! Constraints kept: a count says something of a cell only if nobody has changed its counters since before the first entry
//! was read, and only if a second count finds the same: a query is not isolated from a transaction but item by item, so
//! that a count may see the counters of a change without its entry. A correction is conditional on the counters, too.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::domain::audit::{Deed, Sealed, Stamp, Subject};
use crate::domain::ids::CellId;
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::verify::Finding;
use crate::ops::OpError;
use crate::ops::map::stream::{Entries, Wanted};
use crate::ops::tenants::Desk;
use crate::ports::{CallErrorKind, Called};

use super::entries::{Count, Counts};
use super::{Cells, Inspector, Outcome, Report, Told};

/// How often cells are counted again that differ from their counters, or changed meanwhile. Each time is one pass through
/// the entries, for however many cells.
const RECOUNTS_MAX: usize = 3;
/// Time before a recount: a transaction that has changed one item is seen in all of them long before.
const SETTLED_AFTER: Duration = Duration::from_millis(500);

/// A cell whose counters a count does not agree with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sight {
    load: CellLoad,
    count: Count,
}

/// The cells that are in doubt. None: a writer was there between the first entry and the last.
type Doubts = BTreeMap<CellId, Option<Sight>>;

impl Inspector<'_> {
    /// Compares the counters of all cells with the counts; what differs is counted again before it is told.
    pub(super) async fn counters(&self, cells: &Cells, counts: &Counts, report: &mut Report) -> Result<(), OpError> {
        let mut doubts = doubts(&cells.loads, counts, self.world.map.loads().await?);
        report.passes = 1;
        for _ in 0..RECOUNTS_MAX {
            if doubts.is_empty() || !cells.are_countable {
                break;
            }
            self.world.clock.sleep(SETTLED_AFTER).await;
            let again = self.recount(&doubts).await?;
            report.passes += 1;
            let mut left = Doubts::new();
            for (cell, sight) in again {
                match sight {
                    Some(sight) if doubts.get(&cell).is_some_and(|before| before.as_ref() == Some(&sight)) => {
                        report.add(self.settle_counters(&sight.load, sight.count).await);
                    }
                    sight => drop(left.insert(cell, sight)),
                }
            }
            doubts = left;
        }
        report.uncounted = doubts.into_keys().collect();
        Ok(())
    }

    /// Counts some cells again, in one pass; gives those that are still in doubt.
    async fn recount(&self, cells: &Doubts) -> Result<Doubts, OpError> {
        let before = self.world.map.loads().await?.into_iter().map(|load| (load.cell.clone(), load)).collect();
        let only = cells.keys().next().filter(|_| cells.len() == 1).cloned();
        let mut entries = Entries::of(self.world.map.clone(), Wanted { cell: only, ..Wanted::default() }).skipping();
        let mut counts = Counts::new();
        while let Some(entry) = entries.next_present().await? {
            for cell in entry.rooms().filter(|cell| cells.contains_key(*cell)) {
                counts.entry(cell.clone()).or_default().add(&entry);
            }
        }
        if !entries.take_skipped().is_empty() {
            return Ok(cells.keys().map(|cell| (cell.clone(), None)).collect());
        }
        let mut again = doubts(&before, &counts, self.world.map.loads().await?);
        again.retain(|cell, _| cells.contains_key(cell));
        Ok(again)
    }

    async fn settle_counters(&self, load: &CellLoad, count: Count) -> Told {
        let outcome = match &self.desk {
            Some(desk) => Outcome::of_call(correct(desk, load, count).await, "the counters were set"),
            None => Outcome::Found,
        };
        let finding = Finding::CountersDiffer {
            cell: load.cell.clone(),
            tenants: load.tenants,
            weight: load.weight,
            counted_tenants: count.tenants,
            counted_weight: count.weight,
        };
        Told::new(finding, outcome)
    }
}

/// Which cells a count does not agree with, by their loads from before the first entry was read and after the last.
fn doubts(before: &BTreeMap<CellId, CellLoad>, counts: &Counts, after: Vec<CellLoad>) -> Doubts {
    let mut found = Doubts::new();
    for load in after {
        let count = counts.get(&load.cell).copied().unwrap_or_default();
        if (load.tenants, load.weight) == (count.tenants, count.weight) {
            continue;
        }
        let writes_before = before.get(&load.cell).map_or(0, |before| before.writes);
        let is_still = writes_before + count.writes == load.writes;
        // Writes of this run are in the counters as they are now.
        let count = Count { writes: 0, ..count };
        found.insert(load.cell.clone(), is_still.then_some(Sight { load, count }));
    }
    found
}

/// Sets the counters of a cell; in doubt its audit chain tells whether that was us.
async fn correct(desk: &Desk<'_>, load: &CellLoad, count: Count) -> Called<bool> {
    let deed = Deed {
        action: "counters-corrected".to_owned(),
        from: json!({ "tenants": load.tenants, "weight": load.weight }),
        to: json!({ "tenants": count.tenants, "weight": count.weight }),
    };
    let stamp = Stamp { at_ms: desk.world.clock.now_ms(), actor: desk.actor.clone() };
    let record = Sealed::next(Subject::Cell(load.cell.clone()), load.audit.as_ref(), &stamp, deed);
    match desk.world.map.correct(load, count.tenants, count.weight, &record).await {
        Err(error) if error.kind == CallErrorKind::InDoubt => {
            let there = desk.world.map.load(&load.cell).await?;
            Ok(there.is_some_and(|there| there.audit == Some(record.head())))
        }
        other => other,
    }
}
