//! The counters of the cells, beside what their entries add up to.
//!
//! Constraint kept: a count says something of a cell only if nobody has changed its counters since before the first entry
//! was read; a correction is conditional on that too.

use serde_json::json;

use crate::domain::audit::{Deed, Sealed, Stamp, Subject};
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::verify::Finding;
use crate::ops::OpError;
use crate::ops::tenants::Desk;
use crate::ports::{CallErrorKind, Called};

use super::entries::{Count, Counts};
use super::{Cells, Inspector, Outcome, Report, Told};

impl Inspector<'_> {
    /// Compares the counters of all cells with the counts.
    pub(super) async fn counters(&self, cells: &Cells, counts: &Counts, report: &mut Report) -> Result<(), OpError> {
        for load in self.world.map.loads().await? {
            let count = counts.get(&load.cell).copied().unwrap_or_default();
            if (load.tenants, load.weight) == (count.tenants, count.weight) {
                continue;
            }
            let writes_before = cells.loads.get(&load.cell).map_or(0, |before| before.writes);
            if writes_before + count.writes == load.writes {
                report.add(self.settle_counters(&load, count).await);
            } else {
                report.uncounted.push(load.cell);
            }
        }
        Ok(())
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
